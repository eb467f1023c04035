"""This module holds the requests that every app receives and the responses that it must send, in one table.

A workload names the object of the app module that receives the request: `app`, or `with_sessions` and
`with_middleware`, where the feature is installed for a whole application. `find_workload` builds workloads of growing
size from names such as `routes:1000`. Frameworks word their errors differently, so only the status of those is
compared. The module needs the standard library alone.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

BOUNDARY: Final = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
"""A boundary as browsers send it."""
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = f"multipart/form-data; boundary={BOUNDARY}"
HTML: Final = "text/html"
BINARY: Final = "application/octet-stream"

STREAM_CHUNK: Final = 64 * KIB
"""Bytes of one piece of the streamed download."""


@dataclass(frozen=True)
class Expected:
    """The expected response. A part that is None may be anything."""

    statuses: tuple[int, ...] = (200,)
    media_type: str | None = JSON
    body: bytes | None = None
    header: tuple[str, str] | None = None


@dataclass(frozen=True)
class Workload:
    """A request and the expected response."""

    name: str
    title: str
    method: str
    path: str
    """The path as it is sent, with the query."""
    expected: Expected
    body: bytes = b""
    content_type: str = ""
    target: str = "app"
    """The object of the app module that receives the request. `routes:10` means the app that `routes(10)` returns."""
    start: str = ""
    """A path that is requested first. The cookies that it sets are sent with the request."""


@dataclass(frozen=True)
class Response:
    """The response of an app or a server."""

    status: int
    headers: tuple[tuple[str, str], ...]
    """Names in lower case."""
    body: bytes

    def header(self, name: str) -> str:
        """Return the value of the first header `name`, or an empty text."""
        return next((value for key, value in self.headers if key == name), "")


def describe_difference(expected: Expected, response: Response) -> str:
    """Describe how `response` differs from `expected`, or return an empty text. JSON is compared by value."""
    if response.status not in expected.statuses:
        statuses = " or ".join(map(str, expected.statuses))
        return f"answered {response.status} instead of {statuses}: {_quote_body(response.body)}"
    essence = response.header("content-type").partition(";")[0].strip().lower()
    if expected.media_type is not None and essence != expected.media_type:
        return f"answered {essence or 'no content type'} instead of {expected.media_type}"
    if expected.header is not None and response.header(expected.header[0]) != expected.header[1]:
        return f"sent no header {expected.header[0]}: {expected.header[1]}"
    if expected.body is not None and not _is_same_body(essence, expected.body, response.body):
        return f"answered {_quote_body(response.body)} instead of {_quote_body(expected.body)}"
    return ""


def _is_same_body(essence: str, expected: bytes, body: bytes) -> bool:
    if essence != JSON:
        return body == expected
    try:
        return bool(json.loads(body) == json.loads(expected))
    except ValueError:
        return False


def _quote_body(body: bytes) -> str:
    text = body.decode("utf-8", "backslashreplace")
    return repr(text if len(text) <= 200 else f"{text[:200]}… ({len(text)} characters)")


def _encode_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


# --- data of the requests and the apps ---

TODO: Final = {"title": "Milk", "priority": 2, "done": False}

ORDER: Final = {
    "id": 4711,
    "reference": "PO-2026-0042",
    "customer": {
        "name": "Ann Lee",
        "email": "ann@example.org",
        "address": {"street": "High Street 1", "town": "Rome", "postcode": "00118"},
    },
    "lines": [
        {"sku": "TEA-1", "quantity": 2, "price": 350},
        {"sku": "CUP-7", "quantity": 6, "price": 899},
        {"sku": "POT-3", "quantity": 1, "price": 4200},
    ],
    "currency": "EUR",
    "express": True,
    "discount": 0.15,
    "tags": ["gift", "fragile"],
    "note": None,
    "placed": "2026-11-23T10:15:00Z",
}
"""Ten fields, two of them nested; models constrain id, reference, name, email, postcode, quantity, price, discount."""

BAD_ORDER: Final = ORDER | {"id": 0, "discount": 1.5, "lines": [{"sku": "TEA-1", "quantity": "two", "price": 350}]}
"""An order with three values that every model refuses."""

ROWS: Final[list[dict[str, Any]]] = [
    {"id": number, "name": f"Row {number}", "price": number * 1.25, "tags": ["a", "b"]} for number in range(1, 101)
]

PAGE_TITLE: Final = "Tea & <Cake>"
PAGE_ITEMS: Final = ["Tea", "Cake", "Bread & butter", "Jam", "Milk"]
PAGE_HTML: Final = b"""<!doctype html>
<title>Tea &amp; &lt;Cake&gt;</title>
<ul>
<li>Tea</li>
<li>Cake</li>
<li>Bread &amp; butter</li>
<li>Jam</li>
<li>Milk</li>
</ul>"""

ECHO: Final = "The quick brown fox jumps over it"
"""The message of the WebSocket workload, at /echo."""


# --- the table ---

_OK = Expected

HELLO: Final = Workload(
    "hello", "Hello, JSON", "GET", "/hello", Expected(body=b'{"message":"Hello, World!"}')
)  # fmt: skip
TYPED: Final = Workload(
    "typed",
    "Typed path, two query values",
    "GET",
    "/items/42?limit=10&active=true",
    Expected(body=b'{"id":42,"limit":10,"active":true}'),
)

CALLS: Final[dict[str, Workload]] = {
    workload.name: workload
    for workload in (
        HELLO,
        TYPED,
        Workload(
            "json",
            "JSON body into a typed model",
            "POST",
            "/todos",
            Expected(body=_encode_json(TODO)),
            body=_encode_json(TODO),
            content_type=JSON,
        ),
        Workload(
            "form",
            "Two-field form",
            "POST",
            "/form",
            Expected(body=b'{"name":"Ann Lee","age":33}'),
            body=b"name=Ann+Lee&age=33",
            content_type=FORM,
        ),
        Workload(
            "order",
            "JSON of ten fields, nested, constrained",
            "POST",
            "/orders",
            Expected(body=b'{"id":4711,"lines":3,"total":10294}'),
            body=_encode_json(ORDER),
            content_type=JSON,
        ),
        Workload(
            "session read",
            "Session read",
            "GET",
            "/session/read",
            Expected(body=b'{"user":"ann"}'),
            target="with_sessions",
            start="/session/start",
        ),
        Workload(
            "session write",
            "Session write",
            "GET",
            "/session/write",
            Expected(body=b'{"written":true}'),
            target="with_sessions",
            start="/session/start",
        ),
        Workload(
            "middleware",
            "One middleware that adds a header",
            "GET",
            "/hello",
            Expected(body=b'{"message":"Hello, World!"}', header=("x-frame-options", "DENY")),
            target="with_middleware",
        ),
        Workload("404", "Not found", "GET", "/nowhere/at/all", Expected((404,), None)),
        Workload(
            "invalid",
            "Validation error",
            "POST",
            "/orders",
            Expected((400, 422), None),
            body=_encode_json(BAD_ORDER),
            content_type=JSON,
        ),
        Workload("template", "Small Jinja2 template", "GET", "/page", Expected(media_type=HTML, body=PAGE_HTML)),
        Workload("list", "100 structures out", "GET", "/rows", Expected(body=_encode_json(ROWS))),
    )
}

SERVED: Final = tuple(CALLS[name] for name in ("hello", "typed", "json", "form"))
"""The workloads of the suite `servers`."""


def build_upload(size: int) -> Workload:
    """Build a request that uploads a file of `size` bytes. The handler reads the file and returns its size."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="blob.bin"\r\n'
    content = (bytes(range(256)) * (size // 256 + 1))[:size]
    body = b"".join([f"{head}Content-Type: {BINARY}\r\n\r\n".encode(), content, f"\r\n--{BOUNDARY}--\r\n".encode()])
    expected = Expected(body=_encode_json({"size": size}))
    return Workload("upload", f"Upload of {size // MIB} MiB", "POST", "/upload", expected, body, MULTIPART)


def build_fields(count: int) -> Workload:
    """Build a request with `count` tiny multipart fields. The last is called `last`. The handler counts them."""
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%d\r\n'
    names = [*(f"f{number}" for number in range(1, count)), "last"]
    body = "".join([part % (name, number) for number, name in enumerate(names)]) + f"--{BOUNDARY}--\r\n"
    expected = Expected(body=_encode_json({"fields": count}))
    return Workload("fields", f"{count:,} tiny fields", "POST", "/fields", expected, body.encode(), MULTIPART)


def build_download(size: int) -> Workload:
    """Build a request for the file of `size` bytes whose path is in the environment variable BENCHMARK_FILE."""
    return Workload("file", f"File of {size // MIB} MiB", "GET", "/files/blob.bin", Expected(media_type=None))


def build_stream(size: int) -> Workload:
    """Build a request for `size` bytes from an asynchronous generator, in pieces of STREAM_CHUNK."""
    path = f"/stream/{size // STREAM_CHUNK}"
    return Workload("stream", f"Stream of {size // MIB} MiB", "GET", path, Expected(media_type=BINARY))


def find_workload(name: str) -> Workload:
    """Return the workload `name`: one of CALLS, or `kind:size` of a growing kind. Raises KeyError for any other."""
    kind, _, size = name.partition(":")
    return _GROWING[kind](int(size)) if size else CALLS[name]


def _build_routes(count: int) -> Workload:
    """Build a request for the last of `count` routes `/r0/{id}`, `/r1/{id}`, …"""
    expected = Expected(body=b'{"id":5}')
    return Workload(
        f"routes:{count}", f"{count:,} routes", "GET", f"/r{count - 1}/5", expected, target=f"routes:{count}"
    )


def _build_parameters(count: int) -> Workload:
    """Build a request whose handler adds up `count` integers of the query."""
    query = "&".join(f"p{number}={number}" for number in range(count))
    expected = Expected(body=_encode_json({"sum": sum(range(count))}))
    title = "1 parameter" if count == 1 else f"{count} parameters"
    return Workload(f"parameters:{count}", title, "GET", f"/total?{query}", expected, target=f"parameters:{count}")


def _build_bulk(size: int) -> Workload:
    """Build a request with a JSON list of rows, of at most `size` bytes. The handler decodes and counts the rows."""
    row = _encode_json(ROWS[41])
    count = max(1, (size - 2) // (len(row) + 1))
    body = b"[" + b",".join([row] * count) + b"]"
    title = f"JSON of {size // MIB} MiB" if size >= MIB else f"JSON of {size // KIB} KiB"
    return Workload(f"bulk:{size}", title, "POST", "/bulk", Expected(body=_encode_json({"count": count})), body, JSON)


_GROWING: Final = {"routes": _build_routes, "parameters": _build_parameters, "bulk": _build_bulk}
