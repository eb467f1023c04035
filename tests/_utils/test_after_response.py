"""These tests enter generators and context managers in a `CleanupStack`, and exit them in each order and case."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from micropie._utils.after_response import CleanupStack

SCOPE = {"type": "http", "method": "GET", "path": "/here"}
Log = list[str]


def run(use: Callable[[CleanupStack], Awaitable[Any]], error: BaseException | None = None) -> Any:
    """Call `use` with a stack, record `error` as the failure of the request, leave the stack; return `use`'s result."""

    async def main() -> Any:
        stack = CleanupStack(asyncio.to_thread)
        try:
            result = await use(stack)
            stack.record_failure(error)
        finally:
            await stack.leave(SCOPE)
        assert stack.error is None
        return result

    return asyncio.run(main())


def blocking(log: Log, name: str) -> Generator[str, None, None]:
    log.append(f"enter {name}")
    try:
        yield name
    except BaseException as error:
        log.append(f"{name}: {type(error).__name__}")
        raise
    finally:
        log.append(f"leave {name}")


async def waiting(log: Log, name: str) -> AsyncGenerator[str, None]:
    log.append(f"enter {name}")
    try:
        yield name
    except BaseException as error:
        log.append(f"{name}: {type(error).__name__}")
        raise
    finally:
        await asyncio.sleep(0)
        log.append(f"leave {name}")


def test_generators_are_exited_once_and_the_last_first() -> None:
    log: Log = []

    async def use(stack: CleanupStack) -> list[str]:
        return [
            await stack.enter("a", waiting(log, "a")),
            await stack.enter_blocking("b", lambda: blocking(log, "b")),
            await stack.enter("c", waiting(log, "c")),
        ]

    assert run(use) == ["a", "b", "c"]
    assert log == ["enter a", "enter b", "enter c", "leave c", "leave b", "leave a"]


def test_context_managers_are_entered_as_generators_are() -> None:
    log: Log = []

    @asynccontextmanager
    async def asynchronous() -> AsyncGenerator[str]:
        yield "asynchronous"
        log.append("leave asynchronous")

    @contextmanager
    def synchronous() -> Generator[str]:
        yield "synchronous"
        log.append("leave synchronous")

    async def use(stack: CleanupStack) -> list[str]:
        return [await stack.enter("a", asynchronous()), await stack.enter_blocking("b", synchronous)]

    assert run(use) == ["asynchronous", "synchronous"]
    assert log == ["leave synchronous", "leave asynchronous"]


def test_failure_of_the_request_is_raised_in_every_generator(caplog: pytest.LogCaptureFixture) -> None:
    log: Log = []

    async def use(stack: CleanupStack) -> None:
        await stack.enter("a", waiting(log, "a"))
        await stack.enter_blocking("b", lambda: blocking(log, "b"))

    run(use, KeyError("why"))
    assert log[2:] == ["b: KeyError", "leave b", "a: KeyError", "leave a"]
    assert caplog.records == []


def test_first_failure_is_the_one_that_counts() -> None:
    stack = CleanupStack(asyncio.to_thread)
    first = ValueError("first")
    for error in (None, first, ValueError("second"), None):
        stack.record_failure(error)
    assert stack.error is first


def test_failure_that_a_generator_handles_is_not_raised_in_the_outer_ones() -> None:
    log: Log = []

    def handling() -> Generator[None, None, None]:
        try:
            yield
        except ValueError:
            log.append("handled")

    async def use(stack: CleanupStack) -> None:
        await stack.enter("outer", waiting(log, "outer"))
        await stack.enter_blocking("handling", handling)

    run(use, ValueError())
    assert log == ["enter outer", "handled", "leave outer"]


def test_exception_on_exit_is_logged_with_the_request_and_the_dependency(caplog: pytest.LogCaptureFixture) -> None:
    log: Log = []

    async def failing() -> AsyncGenerator[None, None]:
        yield
        raise ValueError("on exit")

    async def use(stack: CleanupStack) -> None:
        await stack.enter("outer", waiting(log, "outer"))
        await stack.enter("failing", failing())

    with caplog.at_level(logging.ERROR, "micropie"):
        run(use)
    assert caplog.messages == ["Failed after GET '/here': the end of failing"]
    assert log == ["enter outer", "outer: ValueError", "leave outer"]


def test_interruption_on_exit_is_raised_after_everything_was_exited() -> None:
    log: Log = []

    async def interrupted() -> AsyncGenerator[None, None]:
        yield
        raise asyncio.CancelledError

    async def use(stack: CleanupStack) -> None:
        await stack.enter("outer", waiting(log, "outer"))
        await stack.enter("interrupted", interrupted())

    with pytest.raises(asyncio.CancelledError):
        run(use)
    assert log == ["enter outer", "outer: CancelledError", "leave outer"]


@pytest.mark.parametrize("is_async", [True, False])
def test_generator_that_yields_nothing_is_named_in_the_error(is_async: bool) -> None:
    async def none() -> AsyncGenerator[None, None]:
        for _ in ():
            yield

    def none_blocking() -> Generator[None, None, None]:
        yield from ()

    async def use(stack: CleanupStack) -> None:
        await (stack.enter("current_user", none()) if is_async else stack.enter_blocking("current_user", none_blocking))

    with pytest.raises(RuntimeError) as raised:
        run(use)
    assert raised.value.__notes__ == ["The dependency current_user is a generator: it must yield exactly once"]


@pytest.mark.parametrize("is_async", [True, False])
def test_generator_that_fails_before_its_yield_is_not_exited(is_async: bool) -> None:
    log: Log = []

    def fail_blocking() -> Generator[None, None, None]:
        if log:
            raise LookupError("at once")
        yield

    async def fail() -> AsyncGenerator[None, None]:
        if log:
            raise LookupError("at once")
        yield

    async def use(stack: CleanupStack) -> None:
        await stack.enter("outer", waiting(log, "outer"))
        await (stack.enter("failing", fail()) if is_async else stack.enter_blocking("failing", fail_blocking))

    with pytest.raises(LookupError, match="at once"):
        run(use)
    assert log == ["enter outer", "leave outer"]


def test_blocking_generator_can_reset_the_context_variable_that_it_set() -> None:
    variable: ContextVar[str] = ContextVar("variable")

    def setting() -> Generator[str, None, None]:
        token = variable.set("set")
        yield variable.get()
        variable.reset(token)

    async def use(stack: CleanupStack) -> object:
        return await stack.enter_blocking("setting", setting), variable.get(None)

    assert run(use) == ("set", "set")  # the caller sees it, too
    assert variable.get(None) is None
