"""These tests run the lifespan of an app, of the apps that it holds and of those that are mounted on it."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from micropie import App, Resource
from micropie.types import ASGIApp, Message, Receive, Scope, Send
from tests.support.asgi import acall

Meanwhile = Callable[[dict[str, Any]], Awaitable[None]]


def run_lifespan(app: ASGIApp, meanwhile: Meanwhile | None = None, **scope: Any) -> list[Message]:
    """Start `app`, await `meanwhile` with its state and stop it. Return the messages that the app sent."""
    return asyncio.run(run_lifespan_async(app, meanwhile, **scope))


async def run_lifespan_async(app: ASGIApp, meanwhile: Meanwhile | None = None, **overrides: Any) -> list[Message]:
    scope: dict[str, Any] = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}} | overrides
    events = iter(("lifespan.startup", "lifespan.shutdown"))
    sent: list[Message] = []

    async def receive() -> Message:
        event = next(events)
        if event == "lifespan.shutdown" and meanwhile is not None:
            await meanwhile(scope["state"])
        return {"type": event}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


COMPLETE = [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]


class Logged(App):
    """An app that logs when it starts and stops."""

    def __init__(self, name: str = "app", log: list[str] | None = None, state: Any = None) -> None:
        super().__init__()
        self.name = name
        self.log = log if log is not None else []
        self.state = state
        self.startup_handlers += [self._note("sync up"), self._note_later("async up")]
        self.shutdown_handlers += [self._note("sync down"), self._note_later("async down")]

    @asynccontextmanager
    async def lifespan(self) -> AsyncGenerator[Mapping[str, Any] | None]:
        self.log.append(f"{self.name} enter")
        try:
            yield self.state
        finally:
            self.log.append(f"{self.name} exit")

    def _note(self, what: str) -> Callable[[], None]:
        return lambda: self.log.append(f"{self.name} {what}")

    def _note_later(self, what: str) -> Callable[[], Awaitable[None]]:
        async def note() -> None:
            await asyncio.sleep(0)
            self.log.append(f"{self.name} {what}")

        return note

    async def index(self) -> str:
        return repr(self.request.state.get("db"))


UP = ["enter", "sync up", "async up"]
DOWN = ["sync down", "async down", "exit"]


def steps(name: str, *what: str) -> list[str]:
    return [f"{name} {step}" for step in what]


def test_app_without_handlers_completes_startup_and_shutdown() -> None:
    assert run_lifespan(App()) == COMPLETE


def test_sync_and_async_handlers_run_in_order_inside_the_lifespan() -> None:
    app = Logged()

    async def meanwhile(_: dict[str, Any]) -> None:
        app.log.append("serving")

    assert run_lifespan(app, meanwhile) == COMPLETE
    assert app.log == [*steps("app", *UP), "serving", *steps("app", *DOWN)]


def test_lifespan_may_run_again() -> None:
    app = Logged()
    assert run_lifespan(app) == run_lifespan(app) == COMPLETE
    assert app.log == steps("app", *UP, *DOWN) * 2


def test_mapping_that_lifespan_yields_is_the_state_of_every_request() -> None:
    app = Logged(state={"db": 5})
    texts: list[str] = []

    async def meanwhile(state: dict[str, Any]) -> None:
        assert state == {"db": 5, "region": "set by the server"}
        texts.append((await acall(app, "GET", "/", state=dict(state))).text)
        texts.append((await acall(app, "GET", "/")).text)

    assert run_lifespan(app, meanwhile, state={"region": "set by the server"}) == COMPLETE
    assert texts == ["5", "None"]


def test_scope_without_a_state_receives_one() -> None:
    async def main() -> list[Message]:
        scope: Scope = {"type": "lifespan"}
        sent: list[Message] = []
        events = iter(("lifespan.startup", "lifespan.shutdown"))

        async def receive() -> Message:
            return {"type": next(events)}

        async def send(message: Message) -> None:
            sent.append(message)

        await Logged(state={"db": 5})(scope, receive, send)
        assert scope["state"] == {"db": 5}
        return sent

    assert asyncio.run(main()) == COMPLETE


# --- held and mounted apps ---


class Holding(Resource):
    def __init__(self, inner: App) -> None:
        self.inner = inner


def test_held_and_mounted_apps_start_after_their_holder_and_stop_before_it() -> None:
    log: list[str] = []
    outer, held, deep, mounted = (Logged(name, log, {name: 1}) for name in ("outer", "held", "deep", "mounted"))
    outer.held = held  # type: ignore[attr-defined]
    outer.below = Holding(deep)  # type: ignore[attr-defined]
    deep.mount("/on", mounted)
    states: list[dict[str, Any]] = []

    async def meanwhile(state: dict[str, Any]) -> None:
        states.append(dict(state))

    assert run_lifespan(outer, meanwhile) == COMPLETE
    started, stopped = ("outer", "held", "deep", "mounted"), ("mounted", "deep", "held", "outer")
    assert log == [step for name in started for step in steps(name, *UP)] + [
        step for name in stopped for step in steps(name, *DOWN)
    ]
    assert states == [{"outer": 1, "held": 1, "deep": 1, "mounted": 1}]


def test_app_that_is_held_or_mounted_twice_starts_once() -> None:
    log: list[str] = []
    outer, inner, mounted = Logged("outer", log), Logged("inner", log), Logged("mounted", log)
    for name in ("one", "two"):
        setattr(outer, name, inner)
        outer.mount(f"/{name}", mounted)
    outer.mount("/inner", inner)
    inner.back = outer  # type: ignore[attr-defined]
    assert run_lifespan(outer) == COMPLETE
    assert log.count("inner enter") == log.count("mounted enter") == log.count("outer enter") == 1


class Foreign:
    """An ASGI application that supports the lifespan protocol and fails at the event `fails`."""

    def __init__(self, log: list[str], fails: str = "") -> None:
        self.log = log
        self.fails = fails

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.fails == "at once":
            raise NotImplementedError("no lifespan here")
        if self.fails == "silently":
            return
        for event in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{event}"
            self.log.append(event)
            if self.fails == f"raising at {event}":
                raise ValueError("secret")
            outcome = "failed" if self.fails == event else "complete"
            message = {"message": f"its {event}"} if outcome == "failed" else {}
            await send({"type": f"lifespan.{event}.{outcome}", **message})


@pytest.mark.parametrize("fails", ["", "at once", "silently", "raising at startup", "raising at shutdown"])
def test_mounted_app_without_a_complete_lifespan_does_not_stop_the_others(fails: str) -> None:
    app, log = Logged(), list[str]()
    app.mount("/on", Foreign(log, fails))
    assert run_lifespan(app) == COMPLETE
    assert app.log == steps("app", *UP, *DOWN)
    assert log == {"": ["startup", "shutdown"], "raising at startup": ["startup"]}.get(
        fails, ["startup", "shutdown"] if fails == "raising at shutdown" else []
    )


def test_failure_that_a_mounted_app_reports_fails_the_lifespan(caplog: pytest.LogCaptureFixture) -> None:
    app, other = Logged(), list[str]()
    app.mount("/first", Foreign(other))
    app.mount("/on", Foreign([], "startup"))
    reason = "RuntimeError: A mounted app failed at startup: its startup"
    assert run_lifespan(app) == [{"type": "lifespan.startup.failed", "message": reason}]
    assert app.log == steps("app", *UP, *DOWN)
    assert other == ["startup", "shutdown"]  # an app that had started is stopped as usual
    app = Logged()
    app.mount("/on", Foreign([], "shutdown"))
    reason = "RuntimeError: A mounted app failed at shutdown: its shutdown"
    assert run_lifespan(app) == [COMPLETE[0], {"type": "lifespan.shutdown.failed", "message": reason}]
    assert len(caplog.records) == 2


# --- failures ---


def failing(what: str = "no database") -> Callable[[], None]:
    def fail() -> None:
        raise ConnectionError(what)

    return fail


def failing_later() -> Callable[[], Awaitable[None]]:
    async def fail() -> None:
        raise ConnectionError("no database")

    return fail


@pytest.mark.parametrize("handler", [failing(), failing_later()], ids=["sync", "async"])
def test_startup_that_fails_is_reported_with_its_reason_and_cleaned_up(
    handler: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []
    outer, inner = Logged("outer", log), Logged("inner", log)
    outer.inner = inner  # type: ignore[attr-defined]
    inner.startup_handlers.insert(1, handler)
    reason = "ConnectionError: no database"
    assert run_lifespan(outer) == [{"type": "lifespan.startup.failed", "message": reason}]
    assert log == [*steps("outer", *UP), "inner enter", "inner sync up", "inner exit", *steps("outer", *DOWN)]
    [record] = caplog.records
    assert (record.getMessage(), record.exc_info is not None) == ("The app failed at startup", True)


def test_shutdown_handler_that_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    log: list[str] = []
    outer, inner = Logged("outer", log), Logged("inner", log)
    outer.inner = inner  # type: ignore[attr-defined]
    inner.shutdown_handlers.insert(0, failing())
    reason = "ConnectionError: no database"
    assert run_lifespan(outer) == [COMPLETE[0], {"type": "lifespan.shutdown.failed", "message": reason}]
    assert log[6:] == [*steps("inner", *DOWN), *steps("outer", *DOWN)]
    assert [record.getMessage() for record in caplog.records] == ["The app failed at shutdown"]


def test_shutdown_handlers_that_fail_are_all_logged(caplog: pytest.LogCaptureFixture) -> None:
    app = Logged()
    app.shutdown_handlers += [failing("one"), failing("two")]
    failed = run_lifespan(app)[1]
    assert failed["message"].startswith("ExceptionGroup: shutdown handlers failed (2 sub-exceptions)")
    assert "ConnectionError: one" in caplog.text
    assert "ConnectionError: two" in caplog.text


class NoContext(App):
    async def lifespan(self) -> AsyncGenerator[None]:  # type: ignore[override]  # the decorator is missing
        yield


def test_lifespan_without_its_decorator_fails_and_the_error_names_it() -> None:
    reason = "TypeError: lifespan must be decorated with contextlib.asynccontextmanager"
    assert run_lifespan(NoContext()) == [{"type": "lifespan.startup.failed", "message": reason}]


def test_lifespan_that_the_server_cancels_stops_everything() -> None:
    app = Logged()

    async def main() -> None:
        serving = asyncio.Event()

        async def meanwhile(_: dict[str, Any]) -> None:
            serving.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(run_lifespan_async(app, meanwhile))
        await serving.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert app.log == steps("app", *UP, *DOWN)


@pytest.mark.parametrize("cancelled", [False, True])
def test_worker_threads_stop_with_the_server(cancelled: bool) -> None:
    class Threaded(App):
        def index(self) -> str:
            thread.append(threading.current_thread())
            return "x"

    thread: list[threading.Thread] = []
    app = Threaded()

    async def meanwhile(_: dict[str, Any]) -> None:
        assert (await acall(app, "GET", "/")).text == "x"
        if cancelled:
            raise asyncio.CancelledError

    if cancelled:
        with pytest.raises(asyncio.CancelledError):
            run_lifespan(app, meanwhile)
    else:
        assert run_lifespan(app, meanwhile) == COMPLETE
    thread[0].join(10)
    assert not thread[0].is_alive()
