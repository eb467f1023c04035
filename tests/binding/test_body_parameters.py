"""A parameter can take the bytes of the body, all at once or while they arrive (SPEC 3)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct

from micropie import App, Body, Depends, HttpMiddleware, Request
from micropie.types import Message
from tests.binding.bound_values import bound_value
from tests.support.asgi import FORM, JSON, MULTIPART, RawHeaders, call, form_data, http_scope

# --- the body as bytes ------------------------------------------------------------------------------------------------


class Bytes(App):
    async def raw(self, data: Annotated[bytes, Body()]) -> object:
        return {"v": data.decode()}

    async def maybe(self, data: Annotated[bytes | None, Body()] = None) -> object:
        return {"v": None if data is None else data.decode()}

    async def short(self, data: Annotated[bytes, Body(), Meta(min_length=1, max_length=3)]) -> object:
        return {"v": data.decode()}

    async def stream(self, data: AsyncIterator[bytes], name: str = "") -> object:
        return {"v": [name, *[chunk.decode() async for chunk in data]]}


OTHER: RawHeaders = ((b"content-type", b"text/csv"),)


@pytest.mark.parametrize("headers", [(), OTHER, JSON, FORM, MULTIPART])
@pytest.mark.parametrize("body", [b'{"a"', form_data({"a": 1}), b""])
def test_bytes_parameter_takes_the_body_unchanged_whatever_its_media_type(headers: RawHeaders, body: bytes) -> None:
    assert bound_value("POST", "/raw", body, headers, Bytes()) == body.decode()


@pytest.mark.parametrize(("body", "value"), [(b"", None), (b"x", "x")])
def test_bytes_parameter_takes_its_default_for_an_empty_body(body: bytes, value: object) -> None:
    assert bound_value("POST", "/maybe", body, OTHER, Bytes()) == value


@pytest.mark.parametrize(("body", "status"), [(b"", 400), (b"abc", 200), (b"abcd", 400)])
def test_bytes_parameter_is_checked_against_its_constraints(body: bytes, status: int) -> None:
    response = call(Bytes(), "POST", "/short", body, OTHER)
    assert response.status == status
    if status == 400:
        wanted = "400 Bad Request: Invalid body parameter 'data': Expected text of length >= 1 and <= 3"
        assert response.text == wanted


@pytest.mark.parametrize("headers", [(), OTHER, JSON, FORM, MULTIPART])
def test_async_iterator_of_bytes_streams_the_body(headers: RawHeaders) -> None:
    response = call(Bytes(), "POST", "/stream?name=n", [b"one", b"", b"two"], headers)
    assert response.json == {"v": ["n", "one", "two"]}
    assert bound_value("GET", "/stream", headers=headers, app=Bytes()) == [""]


class Nothing(HttpMiddleware):
    async def before_request(self, request: Request) -> None:
        return None

    async def after_request(self, request: Any, status_code: Any, response_body: Any, extra_headers: Any) -> None:
        return None


@pytest.mark.parametrize("headers", [(), OTHER, JSON, FORM, MULTIPART])
@pytest.mark.parametrize("path", ["/stream", "/raw"])
def test_middleware_before_the_handler_leaves_the_body_untouched(path: str, headers: RawHeaders) -> None:
    app = Bytes()
    app.middlewares.append(Nothing())
    assert "".join(bound_value("POST", path, b"title=x", headers, app)) == "title=x"


def test_stream_begins_before_the_body_has_ended() -> None:
    seen: list[bytes] = []

    class Api(App):
        async def h(self, data: AsyncIterator[bytes]) -> str:
            async for chunk in data:
                seen.append(chunk)
                arrived.set()
            return "done"

    async def main() -> Message:
        first: Message = {"type": "http.request", "body": b"one", "more_body": True}
        messages = iter([first, {"type": "http.request"}])
        sent: list[Message] = []

        async def receive() -> Message:
            if seen:
                await arrived.wait()
            return next(messages)

        async def send(message: Message) -> None:
            sent.append(message)

        await Api()(http_scope("POST", "/h", [(b"transfer-encoding", b"chunked")]), receive, send)
        return sent[0]

    arrived = asyncio.Event()
    assert asyncio.run(asyncio.wait_for(main(), 10))["status"] == 200
    assert seen == [b"one"]


# --- the body as one JSON value ---------------------------------------------------------------------------------------


class Row(Struct):
    x: int


class Values(App):
    async def numbers(self, v: Annotated[list[int], Body()]) -> object:
        return {"v": v}

    async def number(self, v: Annotated[int, Body()], x: int = 7) -> object:
        return {"v": [v, x]}

    async def anything(self, v: Annotated[Any, Body()]) -> object:
        return {"v": v}

    async def row(self, v: Annotated[Row, Body()], x: int = 7) -> object:
        return {"v": [v, x]}

    async def optional(self, v: Annotated[int | None, Body()] = 3) -> object:
        return {"v": v}

    async def text(self, v: Annotated[str, Body(), Meta(max_length=3)], x: str = "") -> object:
        return {"v": [v, x]}


TEXT: RawHeaders = ((b"content-type", b'text/plain; charset="UTF-8"'),)


@pytest.mark.parametrize(
    ("path", "body", "headers", "value"),
    [
        ("/numbers", b"[1,2,3]", JSON, [1, 2, 3]),
        ("/number", b"5", JSON, [5, 7]),
        ("/number?x=1", b"5", JSON, [5, 1]),
        ("/anything", b"null", JSON, None),
        ("/anything", b'{"v": 1}', JSON, {"v": 1}),
        ("/row", b'{"x": 1}', JSON, [{"x": 1}, 7]),
        ("/optional", b"5", JSON, 5),
        ("/optional", b"null", JSON, None),
        ("/optional", b"", JSON, 3),
        ("/text", b'"abc"', JSON, ["abc", ""]),
        ("/text", "é\n".encode(), TEXT, ["é\n", ""]),
        ("/text", b"abc", [(b"content-type", b"text/plain")], ["abc", ""]),
    ],
)
def test_parameter_marked_body_takes_the_whole_json_value(
    path: str, body: bytes, headers: RawHeaders, value: object
) -> None:
    assert bound_value("POST", path, body, headers, Values()) == value


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "text"),
    [
        ("/numbers", b'{"v": [1]}', JSON, 400, "Expected an array, got an object"),
        ("/numbers", b'[1, "x"]', JSON, 400, "Invalid value at '/1': Expected an integer, got a string"),
        ("/numbers", b"[1", JSON, 400, "Bad JSON"),
        ("/numbers", b"", JSON, 400, "Missing request body"),
        ("/number", b"v=5", FORM, 415, "must be application/json"),
        ("/optional", b"5", TEXT, 415, "must be application/json"),
        ("/text", b"abcd", TEXT, 400, "Expected text of length <= 3"),
        ("/text", b'"abcd"', JSON, 400, "Expected text of length <= 3"),
        ("/text", b"\xff", TEXT, 400, "Expected UTF-8 text"),
        ("/text", b"abc", [(b"content-type", b"text/plain; charset=latin-1")], 415, "json or text/plain"),
        ("/text", b"abc", OTHER, 415, "must be application/json or text/plain"),
        ("/text", b"v=abc", FORM, 415, "must be application/json or text/plain"),
    ],
)
def test_body_that_is_not_the_value_of_a_parameter_marked_body_is_refused(
    path: str, body: bytes, headers: RawHeaders, status: int, text: str
) -> None:
    answer = call(Values(), "POST", path, body, headers)
    assert (answer.status, text in answer.text) == (status, True)


def test_parameters_that_share_the_body_are_its_keys() -> None:
    class Api(App):
        async def two(self, a: Annotated[int, Body()], b: Annotated[Row, Body()]) -> object:
            return {"v": [a, b]}

        async def merged(self, row: Row, a: Annotated[list[int], Body()]) -> object:
            return {"v": [row, a]}

        async def named(self, a: Annotated[int, Body("A")]) -> object:
            return {"v": a}

        async def inner(self, a: Annotated[Row, Body("A")], x: int) -> object:
            return {"v": [a, x]}

    assert bound_value("POST", "/two", b'{"a": 1, "b": {"x": 2}}', JSON, Api()) == [1, {"x": 2}]
    assert bound_value("POST", "/merged", b'{"a": [1], "x": 2}', JSON, Api()) == [{"x": 2}, [1]]
    assert bound_value("POST", "/named", b'{"A": 1}', JSON, Api()) == 1
    assert bound_value("POST", "/inner", b'{"A": {"x": 1}, "x": 2}', JSON, Api()) == [{"x": 1}, 2]


# --- a body that is not an object -------------------------------------------------------------------------------------


def read_key(key: str = "none") -> object:
    return key


class Keys(App):
    async def keys(self, a: int = 1, *, b: Any = None, c: list[int] | None = None) -> object:
        return {"v": a}

    async def pinned(self, a: Annotated[int | None, Body("A")] = None) -> object:
        return {"v": a}

    async def plain(self, a="x"):  # type: ignore[no-untyped-def]
        return {"v": a}

    async def required(self, a: int, b: int) -> object:
        return {"v": a}

    async def dependent(self, a: Annotated[object, Depends(read_key)]) -> object:
        return {"v": a}

    async def rows(self, rows: list[Row], a: int = 1) -> object:
        return {"v": [rows, a]}

    async def rows_and_dependent(self, rows: list[Row], a: Annotated[object, Depends(read_key)]) -> object:
        return {"v": [rows, a]}

    async def unrelated(self) -> object:
        return {"v": 1}


@pytest.mark.parametrize(
    ("body", "kind"), [(b"[5]", "an array"), (b"5", "a number"), (b'"a"', "a string"), (b" null", "null")]
)
@pytest.mark.parametrize("path", ["/keys", "/keys/5", "/keys?a=5", "/pinned", "/plain", "/required", "/dependent"])
def test_json_that_is_not_an_object_is_refused_where_keys_are_taken(path: str, body: bytes, kind: str) -> None:
    answer = call(Keys(), "POST", path, body, [*JSON, (b"accept", b"text/plain")])
    assert answer.status == 400
    assert f"Expected an object, got {kind}" in answer.text
    assert len(call(Keys(), "POST", path, body, JSON).json["errors"]) == 1


@pytest.mark.parametrize(
    ("path", "body", "value"),
    [
        ("/keys", b" {} ", 1),
        ("/keys", b"", 1),
        ("/rows", b'[{"x": 1}]', [[{"x": 1}], 1]),
        ("/rows_and_dependent", b'[{"x": 1}]', [[{"x": 1}], "none"]),
        ("/unrelated", b"[5]", 1),
    ],
)
def test_json_that_is_not_an_object_is_accepted_where_no_keys_or_the_whole_is_taken(
    path: str, body: bytes, value: object
) -> None:
    assert bound_value("POST", path, body, JSON, Keys()) == value
