"""The lifespan surrounds the requests, and its failures fail the test."""

import asyncio
from contextlib import closing

import httpx2
import pytest

from micropie.testing import (
    AsyncTestClient,
    LifespanFailed,
    TestClient,
)
from micropie.types import ASGIApp, Message, Receive, Scope, Send

from .apps import SOON, Broken, Lifespan, run, sleeps


def test_lifespan_surrounds_the_requests() -> None:
    app = Lifespan()
    with TestClient(app) as client:
        assert app.events == ["lifespan.startup"]
        assert client.state == {"pool": ["connection"]}
        assert client.get("/").text == client.get("/").text == "{'pool': ['connection']}"
    assert app.events == ["lifespan.startup", "http", "http", "lifespan.shutdown"]

    async def again() -> None:
        app = Lifespan()
        async with AsyncTestClient(app) as client:
            assert client.state == {"pool": ["connection"]}
            assert (await client.get("/")).text == "{'pool': ['connection']}"
        assert app.events == ["lifespan.startup", "http", "lifespan.shutdown"]

    run(again)


def test_without_a_with_block_there_is_no_lifespan() -> None:
    app = Lifespan()
    with closing(TestClient(app)) as client:
        assert (client.get("/").text, client.state) == ("{}", {})
    assert app.events == ["http"]


def lifespan(*replies: Message, receives: bool = True, error: Exception | None = None) -> ASGIApp:
    """Build an app whose lifespan sends these replies, and raises `error` if it is given."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for reply in replies:
            await receive()
            await send(reply)
        if receives:
            await receive()
        if error is not None:
            raise error

    return app


UP: Message = {"type": "lifespan.startup.complete"}


DOWN: Message = {"type": "lifespan.shutdown.complete"}


UP_FAILED: Message = {"type": "lifespan.startup.failed", "message": "no database"}


DOWN_FAILED: Message = {"type": "lifespan.shutdown.failed", "message": "no goodbye"}


LIFESPANS: list[tuple[ASGIApp, type[Exception] | None, str, bool]] = [
    # (app, exception, its text, True if the block is entered)
    (lifespan(UP, DOWN), None, "", True),
    (lifespan(receives=False), None, "", True),
    (lifespan(receives=False, error=AssertionError("only http")), None, "", True),
    (lifespan({"type": "http.response.start", "status": 200}), None, "", True),
    (lifespan(UP, receives=False), None, "", True),
    (lifespan(UP, receives=True), None, "", True),
    (lifespan(error=Broken("at start")), Broken, "at start", False),
    (lifespan(UP_FAILED, receives=False), LifespanFailed, "no database", False),
    (lifespan({"type": "lifespan.startup.failed"}), LifespanFailed, "^$", False),
    (lifespan(UP_FAILED, receives=False, error=Broken("at start")), Broken, "at start", False),
    (lifespan(UP, receives=False, error=Broken("meanwhile")), Broken, "meanwhile", True),
    (lifespan(UP, receives=True, error=Broken("at the end")), Broken, "at the end", True),
    (lifespan(UP, DOWN, error=Broken("at the very end")), Broken, "at the very end", True),
    (lifespan(UP, DOWN_FAILED), LifespanFailed, "no goodbye", True),
]


@pytest.mark.parametrize(("app", "error", "text", "entered"), LIFESPANS)
def test_lifespan_that_fails_fails_the_test(
    app: ASGIApp, error: type[Exception] | None, text: str, entered: bool
) -> None:
    reached: list[str] = []

    def test() -> None:
        with TestClient(app):
            reached.append("inside")

    async def async_test() -> None:
        async with AsyncTestClient(app):
            reached.append("inside")

    if error is None:
        test()
        run(async_test)
    else:
        with pytest.raises(error, match=text):
            test()
        with pytest.raises(error, match=text):
            run(async_test)
    assert reached == ["inside", "inside"] * entered


@pytest.mark.parametrize(
    ("steps", "event"),
    [((), "startup"), ((UP,), "shutdown"), ((UP, DOWN), "shutdown")],
)
def test_lifespan_that_hangs_fails_the_test(steps: tuple[Message, ...], event: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await lifespan(*steps, receives=False)(scope, receive, send)
        await asyncio.sleep(60)

    with (
        pytest.raises(httpx2.ReadTimeout, match=rf"lifespan\.{event}: the app did not complete it within 0\.05 s"),
        TestClient(app, timeout=SOON),
    ):
        pass


def test_cancelled_startup_leaves_nothing_behind() -> None:
    async def test() -> None:
        async def enter() -> None:
            async with AsyncTestClient(sleeps):
                raise AssertionError("never reached")

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(enter(), SOON)

    run(test)
