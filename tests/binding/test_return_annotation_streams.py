"""Items of a stream are checked against the return annotation in debug mode and under the test client."""

from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any, Literal

import pytest
from msgspec import Struct

from micropie import App, ResponseError, ServerSentEvent
from micropie.responses.streaming import BrokenResponse
from micropie.testing import TestClient


class Row(Struct):
    count: int


class Other(Struct):
    name: str


class Streams(App):
    def __init__(self) -> None:
        super().__init__()
        self.closed: list[str] = []

    async def texts(self) -> AsyncIterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            self.closed.append("texts")

    def rows(self) -> Iterator[Row]:
        yield Row(1)
        yield Row(2)

    def generator(self) -> Generator[Row, None, None]:
        yield Row(3)

    async def events(self) -> AsyncIterator[ServerSentEvent[Row]]:
        yield ServerSentEvent(Row(1))

    async def anything(self) -> AsyncIterator[Any]:
        yield 1

    async def either(self) -> AsyncIterator[str | bytes]:
        yield "a"
        yield b"b"

    async def mixed(self) -> AsyncIterator[ServerSentEvent[Row] | Row]:
        yield ServerSentEvent(Row(1))

    async def status(self) -> tuple[int, str | bytes]:
        return 200, b"x"

    async def one_of_two(self) -> tuple[Literal[200], Row | Other]:
        return 200, Other("x")

    async def not_an_event(self) -> AsyncIterator[ServerSentEvent[Row]]:
        yield Row(1)  # type: ignore[misc]  # the mistake

    async def wrong_at_once(self) -> AsyncIterator[str]:
        yield 5  # type: ignore[misc]  # the mistake

    async def wrong_later(self) -> AsyncIterator[Row]:
        yield Row(1)
        yield Row("x")  # type: ignore[arg-type]  # the mistake

    def wrong_row(self) -> Iterator[Row]:
        yield Row("x")  # type: ignore[arg-type]  # the mistake


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("texts", "ab"),
        ("rows", '{"count":1}\n{"count":2}\n'),
        ("generator", '{"count":3}\n'),
        ("events", 'data: {"count":1}\n\n'),
        ("anything", "1\n"),
        ("either", "ab"),
        ("mixed", 'data: {"count":1}\n\n'),
        ("status", "x"),
        ("one_of_two", '{"name":"x"}'),
    ],
)
def test_items_of_the_annotated_type_pass(path: str, text: str) -> None:
    app = Streams()
    with TestClient(app) as client:
        assert client.get(f"/{path}").text == text
    assert app.closed == (["texts"] if path == "texts" else [])


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("wrong_at_once", "an item of the stream does not fit the return annotation .*Expected `str`, got `int`"),
        ("wrong_row", "an item of the stream does not fit the return annotation .*count"),
    ],
)
def test_first_item_of_another_type_is_a_500_that_names_it(
    path: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    with TestClient(Streams()) as client:
        assert client.get(f"/{path}").status_code == 500
    error = caplog.records[0].exc_info
    assert error is not None
    with pytest.raises(ResponseError, match=why):
        raise error[1] or AssertionError


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("wrong_later", "an item of the stream does not fit the return annotation .*count"),
        (  # the headers of an event stream are sent before its first item
            "not_an_event",
            "an item of the stream does not fit the return annotation .*Expected `ServerSentEvent.Row.`, got `Row`",
        ),
    ],
)
def test_item_of_another_type_after_the_headers_breaks_the_response_off(
    path: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    with TestClient(Streams()) as client, pytest.raises(BrokenResponse):
        client.get(f"/{path}")
    error = caplog.records[0].exc_info
    assert error is not None
    with pytest.raises(ResponseError, match=why):
        raise error[1] or AssertionError
