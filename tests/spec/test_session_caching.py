"""A response that depends on a session says so to caches (SPEC 7, RELIABILITY 34)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from msgspec import Struct

from micropie import App, Depends, HTTPError, HttpMiddleware, Request, Resource, ServerSentEvent, Session
from tests.support.asgi import FORM, JSON, PROBLEM, Response, acall

ID = "x" * 43
STORED = {"user": "ann", "cart": {"total": 1}}


class Cart(Struct):
    total: int = 0


def read_user(user: str | None = None) -> str | None:
    return user


def look(request: Request) -> int:
    return len(request.session)


class Users(Resource):
    async def get(self, name: str | None = None) -> str:
        return str(name)


class Api(App):
    users = Users()

    async def plain(self) -> str:
        return "x"

    async def read(self) -> int:
        return len(self.request.session)

    def read_sync(self) -> int:
        return len(self.request.session)

    async def unmarked(self, user: str = "guest") -> str:
        return user

    async def unannotated(self, user="guest"):  # type: ignore[no-untyped-def]  # on purpose
        return user

    async def optional(self, *, user: str | None = None) -> str:
        return str(user)

    async def required(self, missing: int) -> int:
        return missing

    async def pinned(self, user: Annotated[str, Session()] = "guest") -> str:
        return user

    async def whole(self, cart: Annotated[Cart, Session()]) -> int:
        return cart.total

    async def depends(self, user: Annotated[str | None, Depends(read_user)]) -> str:
        return str(user)

    async def depends_on_request(self, size: Annotated[int, Depends(look)]) -> int:
        return size

    async def refuse(self) -> None:
        _ = self.request.session
        raise HTTPError(403)

    async def fail(self) -> None:
        _ = self.request.session
        raise ValueError

    async def unsendable(self) -> tuple[int, str, list[tuple[str, str]]]:
        _ = self.request.session
        return 200, "x", [("X-A", "\n"), ("Cache-Control", "max-age=5")]

    async def empty(self) -> None:
        _ = self.request.session

    async def file(self) -> Path:
        _ = self.request.session
        return Path(__file__)

    async def stream(self) -> AsyncIterator[str]:
        _ = self.request.session
        return chunks()

    async def events(self) -> AsyncIterator[ServerSentEvent[str]]:
        _ = self.request.session
        return events()

    async def control(self, *, control: Annotated[str, Session()] = "public") -> tuple[int, str, list[tuple[str, str]]]:
        return 200, "x", [("Cache-Control", control)]

    async def control_stream(self) -> tuple[int, Iterator[str], dict[str, str]]:
        _ = self.request.session
        return 200, iter(["x"]), {"cache-control": "public"}


async def chunks() -> AsyncIterator[str]:
    yield "x"


async def events() -> AsyncIterator[ServerSentEvent[str]]:
    yield ServerSentEvent("x")


def get(app: App, path: str, *headers: tuple[bytes, bytes], stored: Any = None, method: str = "GET") -> Response:
    """Send a request of a client with the session `stored`, or of one without a cookie."""

    async def main() -> Response:
        cookie = []
        if stored is not None:
            await app.session_backend.save(ID, stored, 60)
            cookie = [(b"cookie", f"session_id={ID}".encode())]
        return await acall(app, method, path, headers=[*cookie, *headers])

    return asyncio.run(main())


CONSULTING = [
    "/read", "/read_sync", "/unmarked", "/unannotated", "/optional", "/required", "/pinned", "/whole", "/depends",
    "/depends_on_request", "/refuse", "/fail", "/unsendable", "/empty", "/file", "/stream", "/events", "/users",
]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("path", CONSULTING)
def test_response_varies_by_the_cookie_although_there_was_no_session(path: str, method: str) -> None:
    if path == "/users" and method == "POST":
        method = "GET"
    answer = get(Api(), path, method=method)
    assert answer.header("vary") == "Cookie"
    assert answer.header("set-cookie") is None
    assert answer.header("cache-control") in (None, "no-cache")


@pytest.mark.parametrize("headers", [(), JSON, FORM, PROBLEM], ids=["none", "json", "form", "problem"])
@pytest.mark.parametrize("path", CONSULTING)
def test_response_is_private_and_not_stored_where_there_was_a_session(path: str, headers: Any) -> None:
    answer = get(Api(), path, *headers, stored=STORED)
    assert (answer.header("vary"), answer.header("cache-control")) == ("Cookie", "private, no-store")


@pytest.mark.parametrize("stored", [None, STORED], ids=["no session", "a session"])
@pytest.mark.parametrize("path", ["/plain", "/unmarked?user=a", "/unmarked/a", "/nothing", "/users/a"])
def test_response_that_did_not_consult_the_session_says_nothing_to_caches(path: str, stored: Any) -> None:
    answer = get(Api(), path, stored=stored)
    assert (answer.header("vary"), answer.header("cache-control")) == (None, None)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({"control": "max-age=5"}, "max-age=5"),
        ({"control": "private"}, "private"),
        ({"control": "no-cache"}, "no-cache"),
        ({"control": "public, max-age=5"}, "private, no-store"),
        ({"control": "max-age=5, PUBLIC"}, "private, no-store"),
        (None, "private, no-store"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_cache_control_of_the_handler_stays_unless_it_is_public(
    stored: Any, expected: str, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = get(Api(), "/control", stored=stored, method=method)
    assert (answer.header("vary"), answer.header("cache-control")) == ("Cookie", expected)
    assert len(caplog.records) == (expected == "private, no-store")


def test_public_stream_that_consulted_the_session_becomes_private() -> None:
    answer = get(Api(), "/control_stream")
    assert (answer.header("cache-control"), answer.text) == ("private, no-store", "x")


class Consulting(HttpMiddleware):
    def __init__(self, when: str) -> None:
        self.when = when

    async def before_request(self, request: Request) -> dict[str, Any] | None:
        if self.when != "after":
            _ = request.session
        return {"status_code": 429, "body": "slow"} if self.when == "instead" else None

    async def after_request(self, request: Request, status_code: int, response_body: Any, extra_headers: Any) -> None:
        if self.when == "after":
            _ = request.session


async def other_app(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"cache-control", b"public")] if scope["path"].endswith("public") else []
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"x"})


@pytest.mark.parametrize("when", ["before", "after", "instead"])
@pytest.mark.parametrize("path", ["/plain", "/nothing", "/file", "/other", "/other/public"])
def test_response_is_private_where_middleware_consulted_the_session(path: str, when: str) -> None:
    app = Api()
    app.mount("/other", other_app)
    app.middlewares.append(Consulting(when))
    answer = get(app, path, stored=STORED)
    assert (answer.header("vary"), answer.header("cache-control")) == ("Cookie", "private, no-store")


def test_vary_is_sent_where_a_save_fails() -> None:
    app = Api()

    async def broken(*_: object) -> None:
        raise ConnectionError

    async def write(self: Any) -> str:
        self.request.session["user"] = "ann"
        return "x"

    app.session_backend.save = broken  # type: ignore[method-assign, assignment]  # on purpose
    app.write = write.__get__(app)  # type: ignore[attr-defined]
    answer = get(app, "/write")
    assert (answer.status, answer.header("vary"), answer.header("set-cookie")) == (500, "Cookie", None)
