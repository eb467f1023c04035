"""These tests show what a client makes of a response: values, files, streams, and bodies that do not fit."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from micropie import App, ServerSentEvent
from micropie.client import Client, Stream, UnexpectedResponse
from tests.client.api import EVENTS, JSON, LINES, RESULTS, STREAMS, Api, Todo, Todos, call_once, constant_app, run


@pytest.mark.parametrize(("handler", "args", "result"), RESULTS)
def test_response_becomes_what_the_handler_returned(handler: Any, args: tuple[Any, ...], result: Any) -> None:
    async def work(client: Client[Api]) -> None:
        returned = await client.call(handler, *args)
        assert returned == result
        assert type(returned) is type(result)

    run(work)


def test_headers_are_part_of_the_result_if_the_handler_returns_them() -> None:
    async def work(client: Client[Api]) -> None:
        status, todo, headers = await client.call(Todos.post, Todo(1, "x"), notify=True)
        assert (status, todo, headers["x-notify"]) == (201, Todo(1, "x"), "True")
        moved = await client.call(Api.away)
        assert (moved[0], moved[1], ("location", "/text") in moved[2]) == (302, "", True)

    run(work)


class Files(App):
    async def either(self, kind: str) -> Path | Todo | None:
        known: dict[str, Path | Todo | None] = {"file": Path(__file__), "data": Todo(1, "x"), "none": None}
        return known[kind]

    async def data(self, name: str) -> Path:
        return Path(name)


def test_union_with_a_file_is_decoded_by_content_type(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"[1]")

    async def main() -> None:
        async with Client(Files, app=Files()) as client:
            data = await client.call(Files.data, str(tmp_path / "a.json"))
            assert data.read_bytes() == b"[1]"
            assert await client.call(Files.either, "data") == Todo(1, "x")
            assert await client.call(Files.either, "none") is None
            file: Any = await client.call(Files.either, "file")
            assert file.read_bytes() == Path(__file__).read_bytes()

    asyncio.run(main())


@pytest.mark.parametrize(("handler", "args", "items"), STREAMS)
def test_stream_arrives_item_by_item(handler: Any, args: tuple[Any, ...], items: list[Any]) -> None:
    async def work(client: Client[Api]) -> None:
        stream = await client.call(handler, *args)
        assert isinstance(stream, Stream)
        assert [item async for item in stream] == items

    run(work)


def test_text_and_bytes_stream_in_pieces() -> None:
    async def work(client: Client[Api]) -> None:
        assert "".join([piece async for piece in await client.call(Api.pieces)]) == "éb"
        assert b"".join([piece async for piece in await client.call(Api.chunks)]) == b"\xffb"

    run(work)


# The handler, the arguments, the response, and the message of the error.
UNFIT_RESPONSES: list[tuple[Any, tuple[Any, ...], str, bytes, str]] = [
    (Api.user, (), JSON, b"{", "GET /user answered 200: Bad JSON"),
    (
        Api.user,
        (),
        JSON,
        b'{"name": 5}',
        "GET /user answered 200: Invalid value at '/name': Expected text, got a number",
    ),
    (Api.user, (), "text/html", b"<h1>", "GET /user answered 200: expected JSON, got text/html"),
    (Api.user, (), "", b"", "GET /user answered 200: expected JSON, got nothing"),
    (Api.text, (), "text/html", b"\xff", "GET /text answered 200: expected text, in UTF-8"),
    (Api.choice, (), "text/html", b"c", "GET /choice answered 200: expected one of 'a', 'b', in UTF-8"),
    (Todos.get, (3,), JSON, b"[]", "GET /todos/3 answered 200: Expected an object, got an array"),
    (Api.rows, (3,), LINES, b'{"id":1,"title":"x"}\n{"id":1}\n', "GET /rows/3 answered 200: line 2: Invalid value at"),
    (Api.rows, (3,), LINES, b'{"id":1,', "GET /rows/3 answered 200: line 1: Bad JSON"),
    (Api.rows, (3,), "text/html", b"<h1>", "GET /rows/3 answered 200: expected JSON Lines or events, got text/html"),
    (Api.pieces, (), "text/html", b"\xff", "GET /pieces answered 200: expected text, in UTF-8"),
    (Api.pieces, (), "text/html", b"a\xc3", "GET /pieces answered 200: expected text, in UTF-8"),
    (Api.events, (), EVENTS, b": x\n\ndata: {\n\n", "GET /events answered 200: line 4: Bad JSON"),
]


@pytest.mark.parametrize(("handler", "args", "kind", "body", "message"), UNFIT_RESPONSES)
def test_response_that_does_not_fit_raises_unexpected_response(
    handler: Any, args: tuple[Any, ...], kind: str, body: bytes, message: str
) -> None:
    with pytest.raises(UnexpectedResponse) as caught:
        call_once(constant_app(200, kind, body), handler, *args)
    assert str(caught.value).startswith(message)


def test_response_without_content_is_not_a_file() -> None:
    with pytest.raises(UnexpectedResponse, match=r"GET /file answered 204: expected a file, got status 204"):
        call_once(constant_app(204, "", b""), Api.file)


# Event streams as other servers write them (HTML §9.2.6).
@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"\xef\xbb\xbfdata:a\r\rdata: b\r\ndata:  c\r\n\r\n", [ServerSentEvent("a"), ServerSentEvent("b\n c")]),
        (b"data\n\n", [ServerSentEvent("")]),
        (b"data: a\nretry: x\nid\nevent\nother: y\n\n", [ServerSentEvent("a", id="")]),
        (b"event: x\n\ndata: never ended\n", []),
    ],
)
def test_event_streams_are_read_as_browsers_read_them(body: bytes, events: list[ServerSentEvent[str]]) -> None:
    assert call_once(constant_app(200, EVENTS, body), Api.text_events) == events


class Plain:
    """A class that micropie cannot decode."""


class Markup(str):
    """A text of the user's own class."""


class Loose(App):
    """An app whose return annotations promise little."""

    async def unknown(self) -> Plain: ...  # type: ignore[empty-body]  # only called over HTTP
    async def markup(self) -> Markup:
        return Markup("<b>")

    async def event(self) -> AsyncIterator[ServerSentEvent]:  # type: ignore[type-arg]
        yield ServerSentEvent("text")

    async def mixed(self) -> AsyncIterator[ServerSentEvent[int | str]]:
        yield ServerSentEvent(5)
        yield ServerSentEvent("five")

    async def anything(self) -> AsyncIterator[Any]:
        yield "text"


def test_response_with_a_vague_annotation_is_decoded_by_its_content_type() -> None:
    assert call_once(constant_app(200, JSON, b'{"a": 1}'), Loose.unknown, api=Loose) == {"a": 1}
    assert call_once(Loose(), Loose.markup, api=Loose) == "<b>"
    assert call_once(Loose(), Loose.event, api=Loose) == [ServerSentEvent("text")]
    assert call_once(Loose(), Loose.mixed, api=Loose) == [ServerSentEvent(5), ServerSentEvent("five")]
    assert call_once(Loose(), Loose.anything, api=Loose) == ["text"]


def test_media_type_with_a_json_suffix_is_json() -> None:
    app = constant_app(200, "application/vnd.todo+json", b'{"id":1,"title":"x"}')
    assert call_once(app, Todos.put, 1, Todo(2, "y"), path="/v1/") == Todo(1, "x")
