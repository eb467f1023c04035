"""These tests raise exceptions in an app (SPEC 4) and look at the response, the log and the error handlers."""

import logging
import pathlib
from collections.abc import AsyncIterator, Iterator, Mapping

import pytest

from micropie import App, HttpMiddleware, Request
from tests.support.asgi import call


class Witness(HttpMiddleware):
    def __init__(self) -> None:
        self.seen: list[int] = []

    async def before_request(self, request: Request) -> None: ...

    async def after_request(
        self, request: Request, status_code: int, response_body: object, extra_headers: list[tuple[str, str]]
    ) -> None:
        self.seen.append(status_code)
        extra_headers.append(("X-Witness", "yes"))


class Lazy(Mapping[str, str]):
    """Data that fails when it is read, like a database row after its connection was lost."""

    def __getitem__(self, key: str) -> str:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        raise OSError("the connection is gone")

    def __len__(self) -> int:
        return 1


class Unsendable(App):
    async def lazy(self) -> Lazy:
        return Lazy()

    async def unencodable(self) -> object:
        return object()

    async def header(self) -> tuple[int, str, list[tuple[str, str]]]:
        return 200, "x", [("X-Bad", "a\r\nb")]

    async def generator(self) -> AsyncIterator[str]:
        if self.request.method:
            raise RuntimeError("before the first chunk")
        yield ""

    async def session(self) -> str:
        self.request.session["value"] = lambda: None
        return "x"

    async def file(self) -> pathlib.Path:
        return pathlib.Path("/nowhere/at/all")


@pytest.mark.parametrize(
    ("path", "status"),
    [("lazy", 500), ("unencodable", 500), ("header", 500), ("generator", 500), ("session", 500), ("file", 404)],
)
def test_middleware_sees_the_reply_that_replaces_one_that_cannot_be_sent(
    path: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    witness, app = Witness(), Unsendable()
    app.middlewares.append(witness)
    with caplog.at_level(logging.CRITICAL):
        response = call(app, "GET", f"/{path}")
    assert (response.status, response.header("x-witness")) == (status, "yes")
    assert witness.seen == [200, status]
