"""Blocking functions run in few threads, and their context variables are those of the code that calls them."""

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from micropie._utils.worker_threads import BlockingCalls, WorkerThreads, run_in_thread

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


# --- the pool of an app ---


def in_pool(function: Callable[[], Any]) -> Any:
    """Run `function` in a new pool, and stop the pool."""

    async def main() -> Any:
        workers = WorkerThreads()
        try:
            return await workers.run(function, 2)
        finally:
            workers.stop()

    return asyncio.run(main())


def test_function_runs_in_another_thread_and_its_result_is_returned() -> None:
    name, thread = in_pool(lambda: (threading.current_thread().name, threading.get_ident()))
    assert name.startswith("micropie")
    assert thread != threading.get_ident()


@pytest.mark.parametrize("error", [ValueError("why"), KeyboardInterrupt(), StopAsyncIteration()])
def test_exception_reaches_the_caller(error: BaseException) -> None:
    def fail() -> None:
        raise error

    async def main() -> BaseException | None:
        workers = WorkerThreads()
        try:
            await workers.run(fail, 1)
        except BaseException as raised:
            return raised
        finally:
            workers.stop()
        return None

    assert asyncio.run(main()) is error


def test_stop_iteration_becomes_a_runtime_error_as_in_a_coroutine() -> None:
    with pytest.raises(RuntimeError, match="the function raised StopIteration") as raised:
        in_pool(lambda: next(iter(())))
    assert isinstance(raised.value.__cause__, StopIteration)


@pytest.mark.parametrize("limit", [1, 3])
def test_no_more_functions_than_the_limit_run_at_once(limit: int) -> None:
    lock = threading.Lock()
    running = most = 0

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    async def main() -> None:
        workers = WorkerThreads()
        await asyncio.gather(*(workers.run(work, limit) for _ in range(2 * limit)))
        workers.stop()

    asyncio.run(main())
    assert most <= limit


def test_stopped_pool_ends_its_threads_and_starts_again_when_needed() -> None:
    async def main() -> tuple[threading.Thread, threading.Thread]:
        workers = WorkerThreads()
        workers.stop()  # nothing runs yet
        first = await workers.run(threading.current_thread, 1)
        workers.stop()
        second = await workers.run(threading.current_thread, 1)
        workers.stop()
        return first, second

    threads = asyncio.run(main())
    for thread in threads:
        thread.join(10)
    assert threads[0] is not threads[1]
    assert [thread.is_alive() for thread in threads] == [False, False]


def test_function_runs_in_a_thread_of_the_event_loop_without_a_pool() -> None:
    assert asyncio.run(run_in_thread(threading.get_ident)) != threading.get_ident()
