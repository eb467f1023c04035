"""A parameter can take the bytes of the body, all at once or while they arrive (SPEC 3)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from msgspec import Meta

from micropie import App, Body, HttpMiddleware, Request
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
