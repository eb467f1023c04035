"""This module builds the apps, requests and checks for the tests of bad requests.

The handler of a `Target` only records that it was called. `check` sends a bad request and compares the complete
response, in plain text and as problem details.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Final, NotRequired, TypeAlias, TypedDict
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Meta, Struct

from micropie import App, Cookie, Form, Header, Limits, Path, Query, UploadFile
from tests.support.asgi import (
    FORM,
    JSON,
    MULTIPART,
    PROBLEM,
    RawHeaders,
    Response,
    call,
    form_data,
)

Place: TypeAlias = tuple[str, str] | str
"""The place of an error: the source and the parameter, or the JSON pointer."""


Errors: TypeAlias = Sequence[tuple[Place, str]]


Pairs: TypeAlias = Sequence[tuple[str, str]]
"""Names with their texts, in order."""


class Flat(Struct):
    title: Annotated[str, Meta(min_length=1, max_length=5)]
    amount: int
    prices: list[Decimal] = []


class Picture(Struct):
    title: Annotated[str, Meta(max_length=5)]
    image: UploadFile


class Address(TypedDict):
    street: Annotated[str, Meta(max_length=9)]
    number: NotRequired[int]


@dataclass
class Target:
    """An app whose handlers only record that they were called."""

    app: App
    calls: list[object] = field(default_factory=list)


def target(*annotations: Any, limits: Limits | None = None, **defaults: Any) -> Target:
    """Build an app with `take(a, b, …)`, its parameters annotated in order. A single parameter is called `value`."""
    names = ["value"] if len(annotations) == 1 else [chr(ord("a") + number) for number in range(len(annotations))]
    return named_target(dict(zip(names, annotations, strict=True)), limits, **defaults)


def named_target(annotations: dict[str, Any], limits: Limits | None = None, **defaults: Any) -> Target:
    calls: list[object] = []
    names: dict[str, Any] = {"calls_": calls}
    parameters = ", ".join(f"{name}=defaults_[{name!r}]" if name in defaults else name for name in annotations)
    source = f"async def take(self, {parameters}):\n    calls_.append(({', '.join(annotations)},))\n"
    exec(source, names | {"defaults_": defaults}, names)
    names["take"].__annotations__ = annotations
    app_class: Any = type("Api", (App,), {"take": names["take"]})
    return Target(app_class(limits=limits), calls)


cached_target = functools.lru_cache(maxsize=None)(target)


def line(place: Place, detail: str) -> str:
    if detail.startswith("Missing required parameter") or not place:
        return detail
    where = f"value at '{place}'" if isinstance(place, str) else f"{place[0]} parameter '{place[1]}'"
    return f"Invalid {where}: {detail}"


def plain(errors: Errors) -> str:
    return "\n".join(f"400 Bad Request: {line(place, detail)}" for place, detail in errors)


def problem(errors: Errors) -> bytes:
    documents = [
        {"detail": detail} | ({"pointer": place} if isinstance(place, str) else {"in": place[0], "parameter": place[1]})
        for place, detail in errors
    ]
    return msgspec.json.encode(
        {
            "type": "about:blank",
            "title": "Bad Request",
            "status": 400,
            "detail": "; ".join(line(place, detail) for place, detail in errors),
            "errors": documents,
        }
    )


def shown(response: Response) -> tuple[int, str | None, bytes]:
    return response.status, response.header("content-type"), response.body


def check_plain(response: Response, text: str, status: int = 400) -> None:
    assert shown(response) == (status, "text/plain; charset=utf-8", text.encode())


def check_problem(response: Response, document: bytes, status: int = 400) -> None:
    assert shown(response) == (status, "application/problem+json", document)


@dataclass
class Sent:
    """A request for `/take`, or for another path."""

    path: str = "/take"
    body: bytes | Sequence[bytes] = b""
    headers: RawHeaders = ()

    @property
    def is_json(self) -> bool:
        return (b"content-type", b"application/json") in self.headers

    def to(self, app: App, *more: tuple[bytes, bytes]) -> Response:
        return call(app, "POST" if self.body else "GET", self.path, self.body, [*self.headers, *more])


def check(aim: Target, sent: Sent, errors: Errors) -> None:
    """Check that `sent` is refused for `errors`, in both formats. JSON gets problem details only."""
    if not sent.is_json:
        check_plain(sent.to(aim.app), plain(errors))
    check_problem(sent.to(aim.app, *PROBLEM), problem(errors))
    assert aim.calls == []


def check_status(aim: Target, sent: Sent, status: int, title: str, detail: str) -> None:
    """Check that `sent` is refused with another status, in both formats."""
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if not sent.is_json:
        check_plain(sent.to(aim.app), f"{status} {title}: {detail}", status)
    check_problem(sent.to(aim.app, *PROBLEM), msgspec.json.encode(document), status)
    assert aim.calls == []


def in_query(pairs: Pairs) -> Sent:
    return Sent("/take?" + urlencode(pairs, quote_via=quote))


def in_path(pairs: Pairs) -> Sent:
    return Sent("/take/" + "/".join(quote(text, safe="") for _, text in pairs))


def in_form(pairs: Pairs) -> Sent:
    return Sent(body=urlencode(pairs).encode(), headers=FORM)


def in_multipart(pairs: Pairs) -> Sent:
    return Sent(body=form_data(pairs), headers=MULTIPART)


def in_headers(pairs: Pairs) -> Sent:
    return Sent(headers=[(name.encode(), text.encode()) for name, text in pairs])


def in_cookies(pairs: Pairs) -> Sent:
    # The quotes make white space part of the value.
    return Sent(headers=[(b"cookie", "; ".join(f'{name}="{text}"' for name, text in pairs).encode())])


Send: TypeAlias = Callable[[Pairs], Sent]


SOURCES: Final[dict[str, tuple[Any, str, Send]]] = {
    "path": (Path(), "path", in_path),
    "query": (Query(), "query", in_query),
    "urlencoded": (Form(), "form", in_form),
    "multipart": (Form(), "form", in_multipart),
    "header": (Header(), "header", in_headers),
    "cookie": (Cookie(), "cookie", in_cookies),
}


ALL_BUT_PATH: Final = [source for source in SOURCES if source != "path"]


def in_json(document: str | bytes) -> Sent:
    return Sent(body=document.encode() if isinstance(document, str) else document, headers=JSON)


def parameter_name(source: str, name: str) -> str:
    return name.title() if source == "header" else name


def name_of(case: object) -> str | None:
    if isinstance(case, str | bytes):
        return repr(case[:24])
    return getattr(case, "__name__", None) or str(case).removeprefix("typing.")[:60]


SECRET: Final = "s3cr3t-v4lue"


KNOWN: Final = "known-session-identifier"
