"""A parameter `AsyncIterator[Row]` reads a JSON Lines body, one value per line, and no more than the handler takes.

The handlers under test return what they read, so that each case is one request and one response.
"""

import asyncio
import typing
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct, json

from micropie import (
    App,
    BadRequest,
    Body,
    Form,
    HTTPError,
    HttpMiddleware,
    Limits,
    Request,
    SetupError,
    UploadFile,
)
from micropie.types import Message
from tests.support.asgi import PROBLEM, Response, acall, call, http_scope

LINES = ((b"content-type", b"application/jsonl"),)
Port: TypeAlias = Annotated[int, Meta(ge=1, le=65535)]


class Row(Struct):
    name: Annotated[str, Meta(min_length=1)]
    ports: list[Port] = []


class Add(Struct, tag="add"):
    amount: int


class Drop(Struct, tag="drop"):
    pass


@dataclass
class Priced:
    price: Decimal
    currency: str = "EUR"


class Api(App):
    async def rows(self, rows: AsyncIterator[Row]) -> list[Row]:
        return [row async for row in rows]

    async def count(self, rows: AsyncIterator[Row]) -> int:
        return len([row async for row in rows])

    async def ports(self, ports: AsyncIterator[Port]) -> list[int]:
        return [port async for port in ports]

    async def moves(self, moves: typing.AsyncIterator[Add | Drop]) -> list[str]:
        return [type(move).__name__ async for move in moves]

    async def prices(self, prices: AsyncIterable[Priced]) -> list[Priced]:
        return [price async for price in prices]

    async def anything(self, rows: Annotated[AsyncIterator[Any], Body()]) -> list[Any]:
        return [row async for row in rows]

    async def maybe(self, rows: AsyncIterator[int | None]) -> list[int | None]:
        return [row async for row in rows]

    async def octets(self, chunks: AsyncIterable[bytes]) -> list[int]:
        return [len(chunk) async for chunk in chunks]

    async def first(self, rows: AsyncIterator[Row]) -> str:
        async for row in rows:
            return row.name
        return "nothing"

    async def tolerant(self, rows: AsyncIterator[Row]) -> list[str]:
        """Return the names, and the error of each line that does not fit."""
        results: list[str] = []
        while True:
            try:
                results.append((await anext(rows)).name)
            except BadRequest as bad:
                results.append(bad.detail)
            except StopAsyncIteration:
                return results

    async def echo(self, rows: AsyncIterator[Row]) -> AsyncIterator[Row]:
        async for row in rows:
            yield row

    async def into(self, table: str, rows: AsyncIterator[Row], *, dry: bool = False) -> list[object]:
        return [table, dry, len([row async for row in rows])]


app = Api()


def send(path: str, body: bytes | list[bytes], headers: Any = LINES, to: App = app) -> Response:
    return call(to, "POST", path, body, headers)


FITTING: Mapping[str, tuple[str, bytes, object]] = {
    "one line": ("/rows", b'{"name": "a"}\n', [{"name": "a", "ports": []}]),
    "a last line without its end": ("/maybe", b"1\n2", [1, 2]),
    "carriage returns": ("/maybe", b"1\r\n2\r\n", [1, 2]),
    "blank lines": ("/maybe", b"\n1\n\n \t\r\n2\n\n", [1, 2]),
    "blanks around": ("/maybe", b"  1 \n\t2\t\n", [1, 2]),
    "null is a value": ("/maybe", b"null\n1\n", [None, 1]),
    "nothing": ("/maybe", b"", []),
    "blank lines alone": ("/maybe", b"\n\n", []),
    "constraints": ("/ports", b"1\n65535\n", [1, 65535]),
    "a tagged union": ("/moves", b'{"type": "add", "amount": 1}\n{"type": "drop"}', ["Add", "Drop"]),
    "a dataclass with defaults": ("/prices", b'{"price": "1.50"}', [{"price": "1.50", "currency": "EUR"}]),
    "values of any type": ("/anything", b'{"a": [1]}\n"x"\n', [{"a": [1]}, "x"]),
    "separators that do not end a line": ("/anything", '"a\u2028b\u0085"\n1\n'.encode(), ["a\u2028b\u0085", 1]),
    "beside other values": ("/into/cars?dry=yes", b'{"name": "a"}\n', ["cars", True, 1]),
}


@pytest.mark.parametrize("pieces", ["whole", "bytes", "with an empty piece"])
@pytest.mark.parametrize("name", FITTING)
def test_each_line_becomes_a_value_in_any_pieces(name: str, pieces: str) -> None:
    path, body, wanted = FITTING[name]
    cuts: Mapping[str, bytes | list[bytes]] = {
        "whole": body,
        "bytes": [bytes([octet]) for octet in body] or [b""],
        "with an empty piece": [body[:3], b"", body[3:]],
    }
    response = send(path, cuts[pieces])
    assert (response.status, response.json) == (200, wanted)


@given(
    st.lists(st.one_of(st.integers(-(2**53), 2**53), st.text(), st.lists(st.booleans()), st.none())),
    st.lists(st.integers(1, 20)),
    st.booleans(),
)
def test_written_lines_are_read_as_equal_values(values: list[Any], cuts: list[int], ended: bool) -> None:
    body = b"\n".join(map(json.encode, values)) + (b"\n" if ended and values else b"")
    pieces, rest = [], body
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    assert send("/anything", [*pieces, rest]).json == values


WRONG: Mapping[str, tuple[str, bytes, list[tuple[str, str]]]] = {
    "not JSON": ("/rows", b'{"name": "a"}\n{"name": \n', [("Line 2: Bad JSON", "")]),
    "several values on a line": ("/ports", b"1 2\n", [("Line 1: Bad JSON", "")]),
    "a value over several lines": ("/rows", b'{"name":\n"a"}\n', [("Line 1: Bad JSON", "")]),
    "a byte order mark": ("/ports", b"\xef\xbb\xbf1\n", [("Line 1: Bad JSON", "")]),
    "not UTF-8": ("/rows", b'{"name": "a"}\n{"name": "\xff"}\n', [("Line 2: Bad JSON", "")]),
    "not UTF-8 in a field that is not declared": ("/rows", b'{"name": "a", "x": "\xff"}\n', [("Line 1: Bad JSON", "")]),
    "too deep": ("/anything", b"1\n" + b"[" * 5000, [("Line 2: Bad JSON", "")]),
    "another type": ("/ports", b'1\n\n"2"\n', [("Line 3: Expected an integer >= 1 and <= 65535, got a string", "")]),
    "out of range": ("/ports", b"0", [("Line 1: Expected an integer >= 1 and <= 65535", "")]),
    "every error of a line": (
        "/rows",
        b'{"name": "", "ports": [1, 0]}',
        [
            ("Line 1: Expected text of length >= 1", "/name"),
            ("Line 1: Expected an integer >= 1 and <= 65535", "/ports/1"),
        ],
    ),
    "a missing field": ("/rows", b"{}", [("Line 1: Missing required field", "/name")]),
    "an unknown tag": ("/moves", b'{"type": "x"}', [("Line 1: Expected one of 'add', 'drop'", "/type")]),
    "not a number": ("/prices", b'{"price": "NaN"}', [("Line 1: Expected a decimal number, got a string", "/price")]),
}


@pytest.mark.parametrize("name", WRONG)
def test_invalid_line_is_400_with_its_number_and_the_place_in_it(name: str) -> None:
    path, body, wanted = WRONG[name]
    response = send(path, body)
    assert (response.status, response.header("content-type")) == (400, "application/problem+json")
    assert [(error["detail"], error["pointer"]) for error in response.json["errors"]] == wanted


def test_invalid_line_has_its_number_in_plain_text_too() -> None:
    class Plain(App):
        async def rows(self, rows: AsyncIterator[Row]) -> str:
            try:
                return str([row async for row in rows])
            except BadRequest as bad:
                return bad.detail

    assert send("/rows", b'{"name": "a"}\n{"name": 5}\n', to=Plain()).text == (
        "Invalid value at '/name': Line 2: Expected text of length >= 1, got a number"
    )


def test_handler_may_go_on_after_an_invalid_line() -> None:
    assert send("/tolerant", [b'{"name": "a"}\nx\n{"na', b'me": "b"}\n\n[]\n{"name": "c"}']).json == [
        "a",
        "Line 2: Bad JSON",
        "b",
        "Line 5: Expected an object, got an array",
        "c",
    ]


TYPES = {
    b"application/jsonl": 200,
    b"application/x-ndjson": 200,
    b"application/ndjson": 200,
    b"application/jsonlines": 200,
    b"application/x-jsonlines": 200,
    b"application/json-lines": 200,
    b"APPLICATION/JSONL; charset=utf-8": 200,
    b"application/json": 415,
    b"application/json-seq": 415,
    b"application/x-www-form-urlencoded": 415,
    b"multipart/form-data; boundary=x": 415,
    b"text/plain": 415,
    b"text/plain; application/jsonl": 415,
    b"application/octet-stream": 415,
    b"": 415,
}


@pytest.mark.parametrize("kind", TYPES)
def test_body_of_another_media_type_is_415(kind: bytes) -> None:
    """A body without a Content-Type is refused, too: pages of other sites can send one without asking (Fetch, CORS)."""
    headers = [(b"content-type", kind)] if kind else []
    response = send("/maybe", b"1\n", headers)
    assert response.status == TYPES[kind]
    if response.status == 415:
        assert "The request body must be application/jsonl" in response.text


def test_request_without_a_body_has_no_lines() -> None:
    assert call(app, "GET", "/maybe").json == []
    assert call(app, "POST", "/maybe", headers=[(b"content-length", b"0")]).json == []


@pytest.mark.parametrize("middleware", [False, True])
def test_bytes_are_streamed_in_the_pieces_that_arrive(middleware: bool) -> None:
    class Pass(HttpMiddleware):
        async def before_request(self, request: Request) -> None: ...

        async def after_request(
            self, request: Request, status_code: int, response_body: object, extra_headers: list[tuple[str, str]]
        ) -> None: ...

    api = Api()
    if middleware:
        api.middlewares.append(Pass())
    assert send("/octets", [b"1\n2", b"3"], (), to=api).json == [3, 1]
    assert send("/maybe", [b"1\n2", b"3"], to=api).json == [1, 23]


# --- Limits -----------------------------------------------------------------------------------------------------------

SMALL = Api(limits=Limits(line=10, multipart=100))


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ([b'"12345678"\n' * 3], None),
        ([b'"12345678"\n"123456789"\n1\n'], 2),
        ([b'"12345678"\n', b'"1234', b'56789"\n'], 2),
        ([b'1\n"123456789"'], 2),
        ([b'1\n"123456789', b'"\n'], 2),
        ([b"1\n", b" " * 11], 2),
        ([b"1" * 11], 1),
    ],
)
def test_line_over_the_limit_is_413(body: list[bytes], line: int | None) -> None:
    response = send("/anything", body, to=SMALL)
    assert response.status == (200 if line is None else 413)
    if line is not None:
        assert response.json["detail"] == f"Line {line} of the request body is longer than 10 bytes"


def test_line_without_an_end_is_refused_at_the_limit() -> None:
    received = 0

    async def receive() -> Message:
        nonlocal received
        received += 1
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    status = asyncio.run(start_with(Api(limits=Limits(line=5000)), receive))
    assert (status, received) == (413, 6)


@pytest.mark.parametrize(("lines", "status"), [(49, 200), (50, 200), (51, 413)])
def test_all_lines_together_are_limited_as_a_streamed_body(lines: int, status: int) -> None:
    assert send("/anything", [b"1\n"] * lines, to=SMALL).status == status
    assert send("/anything", b"1\n" * lines, to=SMALL).status == status


def test_body_that_stalls_is_408() -> None:
    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("nothing sets this event")

    assert asyncio.run(start_with(Api(limits=Limits(read_timeout=0.01)), receive)) == 408


async def start_with(api: App, receive: Any, path: str = "/count") -> int | None:
    """Return the status of the response to the body of `receive`, or None if the app sent nothing."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await api(http_scope("POST", path, LINES), receive, send)
    return sent[0]["status"] if sent else None


# --- As it comes ------------------------------------------------------------------------------------------------------


class Client:
    """A client that sends `chunks` one by one and then leaves or, if it is `patient`, waits."""

    def __init__(self, chunks: list[bytes], patient: bool = False) -> None:
        self._chunks = iter(chunks)
        self._patient = patient
        self.sent = 0

    async def receive(self) -> Message:
        chunk = next(self._chunks, None)
        if chunk is not None:
            self.sent += 1
            return {"type": "http.request", "body": chunk, "more_body": True}
        if self._patient:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}


def test_only_the_lines_that_the_handler_takes_are_received() -> None:
    client = Client([b'{"name": "a"}\n{"name": "b"}\n{"na', b'me": "c"}\n', b'{"name": "d"}\n'])
    taken: list[tuple[str, int]] = []

    class Slow(App):
        async def count(self, rows: AsyncIterator[Row]) -> int:
            assert client.sent == 0
            async for row in rows:
                taken.append((row.name, client.sent))
                if row.name == "c":
                    break
            return 0

    assert asyncio.run(start_with(Slow(), client.receive)) == 200
    assert taken == [("a", 1), ("b", 1), ("c", 2)]


def test_handler_may_return_before_the_last_line() -> None:
    assert asyncio.run(start_with(app, Client([b'{"name": "a"}\n'], patient=True).receive, "/first")) == 200


@pytest.mark.parametrize("chunks", [[], [b'{"name": "a"}\n'], [b'{"name": "a"}']])
def test_disconnect_is_not_the_end_of_the_lines(chunks: list[bytes]) -> None:
    ended: list[object] = []

    class Watching(App):
        async def count(self, rows: AsyncIterator[Row]) -> None:
            try:
                async for _ in rows:
                    pass
                ended.append("cleanly")
            finally:
                ended.append("closed")

    assert asyncio.run(start_with(Watching(), Client(chunks).receive)) is None
    assert ended == ["closed"]


def test_step_that_timed_out_can_be_repeated() -> None:
    class Impatient(App):
        async def count(self, rows: AsyncIterator[int]) -> list[object]:
            results: list[object] = []
            while True:
                try:
                    async with asyncio.timeout(0.01):
                        results.append(await anext(rows))
                except TimeoutError:
                    results.append("timeout")
                    go_on.set()
                except StopAsyncIteration:
                    return results

    go_on = asyncio.Event()
    chunks = iter([b"1\n2", b"3\n"])

    async def receive() -> Message:
        chunk = next(chunks)
        if chunk == b"1\n2":
            return {"type": "http.request", "body": chunk, "more_body": True}
        return {"type": "http.request", "body": chunk, "more_body": False}

    async def slowly() -> Message:
        if go_on.is_set() or not started:
            started.append(True)
            return await receive()
        await go_on.wait()
        raise AssertionError("this step is cancelled")

    started: list[bool] = []
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(Impatient()(http_scope("POST", "/count", LINES), slowly, send))
    assert json.decode(sent[1]["body"]) == [1, "timeout", 23]


def test_lines_may_be_streamed_back() -> None:
    body = [b'{"name": "a"}\n', b'{"name": "b"}\n']
    response = send("/echo", body)
    assert response.header("content-type") == "application/jsonl"
    assert [json.decode(line)["name"] for line in response.body.splitlines()] == ["a", "b"]


def test_concurrent_requests_keep_their_lines_apart() -> None:
    async def both() -> list[object]:
        responses = await asyncio.gather(
            *(acall(app, "POST", "/ports", [b"%d\n" % number, b"%d" % number], LINES) for number in range(1, 20))
        )
        return [response.json for response in responses]

    assert asyncio.run(both()) == [[number, number] for number in range(1, 20)]


# --- Signatures -------------------------------------------------------------------------------------------------------

BARE: Any = AsyncIterator
STREAMS = "only AsyncIterator[bytes] streams a body, since a chunk of text could end inside a character"


class WithFile(Struct):
    file: UploadFile


@pytest.mark.parametrize(
    ("annotation", "what"),
    [
        (BARE, STREAMS),
        (AsyncIterator[str], STREAMS),
        (AsyncIterable[Annotated[str, Meta(min_length=1)]], STREAMS),
        (AsyncIterator[complex], "'builtins.complex' cannot be read from a request"),
        (AsyncIterator[UploadFile], "JSON Lines cannot carry files"),
        (AsyncIterator[WithFile], "JSON Lines cannot carry files"),
        (Annotated[AsyncIterator[Row], Form()], "only the body can be streamed"),
    ],
)
def test_type_that_a_line_cannot_hold_is_refused_when_the_app_is_made(annotation: Any, what: str) -> None:
    async def rows(self: App, rows: Any) -> None: ...

    rows.__annotations__["rows"] = annotation
    cls: type[App] = type("Bad", (App,), {"rows": rows})
    with pytest.raises(SetupError) as caught:
        cls()
    assert [problem.what for problem in caught.value.problems] == [what]


def test_second_parameter_for_the_body_is_refused() -> None:
    class Bad(App):
        async def both(self, rows: AsyncIterator[Row], one: Row) -> None: ...

        async def ws_rows(self, ws: Any, rows: AsyncIterator[Row]) -> None: ...

    with pytest.raises(SetupError) as caught:
        Bad()
    assert [problem.what for problem in caught.value.problems] == [
        "'rows' takes the whole body, so nothing is left for 'one'",
        "a WebSocket handshake has no body",
    ]


def test_error_of_the_handler_is_its_response() -> None:
    class Picky(App):
        async def rows(self, rows: AsyncIterator[Row]) -> None:
            async for row in rows:
                raise HTTPError(409, f"{row.name} is there")

    assert call(Picky(), "POST", "/rows", b'{"name": "a"}\nnonsense', (*LINES, *PROBLEM)).json["detail"] == "a is there"
