"""Blocking functions run in few threads, and their context variables are those of the code that calls them."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from contextvars import ContextVar

import pytest

from micropie._utils.worker_threads import BlockingCalls, WorkerThreads

PATIENCE = 10.0

variable = ContextVar("variable", default="unset")


def set_variable() -> str:
    before = variable.get()
    variable.set("set in a thread")
    return before


def set_variable_and_fail() -> str:
    set_variable()
    raise LookupError("a test")


@pytest.mark.parametrize("function", [set_variable, set_variable_and_fail])
def test_caller_has_the_variables_that_a_function_set_in_its_thread(function: Callable[[], str]) -> None:
    async def main() -> None:
        variable.set("set by the caller")
        threads = WorkerThreads()
        if function is set_variable:
            assert await threads.run(function, 1) == "set by the caller"
        else:
            with pytest.raises(LookupError, match="a test"):
                await threads.run(function, 1)
        assert variable.get() == "set in a thread"
        threads.stop()

    asyncio.run(main())


def test_calls_on_one_object_share_a_context_that_the_caller_does_not_see() -> None:
    async def main() -> None:
        calls = BlockingCalls(asyncio.to_thread)
        seen = [await calls.run(set_variable), await calls.run(variable.get), variable.get()]
        token = await calls.run(lambda: variable.set("again"))
        await calls.run(lambda: variable.reset(token))
        assert [*seen, await calls.run(variable.get)] == ["unset", "set in a thread", "unset", "set in a thread"]

    asyncio.run(main())


def test_call_whose_predecessor_was_cancelled_waits_without_a_thread() -> None:
    async def main() -> None:
        threads = WorkerThreads()
        started, may_end = threading.Barrier(3), threading.Event()
        order: list[str] = []

        def block() -> None:
            started.wait(PATIENCE)
            assert may_end.wait(PATIENCE)
            order.append("blocked")

        lines = [BlockingCalls(lambda function: threads.run(function, 3)) for _ in range(2)]
        blocked = [asyncio.ensure_future(calls.run(block)) for calls in lines]
        await threads.run(lambda: started.wait(PATIENCE), 3)
        for task in blocked:
            task.cancel()
        closing = [asyncio.ensure_future(calls.run(lambda: order.append("closed"))) for calls in lines]
        async with asyncio.timeout(PATIENCE):
            for _ in range(20):
                await threads.run(int, 3)  # the third thread is free
        assert order == []
        may_end.set()
        await asyncio.gather(*closing)
        assert sorted(order) == ["blocked", "blocked", "closed", "closed"]
        assert [task.cancelled() for task in blocked] == [True, True]
        threads.stop()

    asyncio.run(main())


def test_queued_call_runs_though_its_caller_is_cancelled() -> None:
    async def main() -> None:
        started, may_end, done = threading.Event(), threading.Event(), threading.Event()

        def block() -> None:
            started.set()
            assert may_end.wait(PATIENCE)

        calls = BlockingCalls(asyncio.to_thread)
        blocked = asyncio.ensure_future(calls.run(block))
        assert await asyncio.to_thread(started.wait, PATIENCE)
        queued = asyncio.ensure_future(calls.run(done.set))
        for _ in range(20):
            await asyncio.to_thread(int)
        queued.cancel()
        may_end.set()
        await blocked
        assert await asyncio.to_thread(done.wait, PATIENCE)
        await asyncio.wait([queued])
        assert queued.cancelled()

    asyncio.run(main())


@pytest.mark.parametrize("error", [LookupError("a test"), SystemExit(3), StopAsyncIteration()])
def test_error_of_a_call_reaches_its_caller_and_leaves_no_cycle(error: BaseException) -> None:
    class Value:
        pass

    def fail(value: Value) -> None:
        raise error

    async def main() -> "weakref.ref[Value]":
        value = Value()
        calls = BlockingCalls(asyncio.to_thread)
        try:  # `pytest.raises` would make a cycle of its own
            await calls.run(lambda: fail(value))
        except BaseException as caught:
            assert caught is error  # noqa: PT017
        else:
            raise AssertionError("nothing was raised")
        return weakref.ref(value)

    gc.disable()
    try:
        left = asyncio.run(main())
        error.__traceback__ = None
        assert left() is None
    finally:
        gc.enable()
