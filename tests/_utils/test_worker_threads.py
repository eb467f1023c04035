"""These tests run functions in worker threads: what they see, what they raise, how many run at once."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from micropie._utils.worker_threads import WorkerThreads, run_in_thread

VARIABLE: ContextVar[str] = ContextVar("VARIABLE")


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


def test_function_sees_the_variables_of_the_caller_and_cannot_change_them() -> None:
    def change() -> str:
        before = VARIABLE.get()
        VARIABLE.set("changed")
        return before

    token = VARIABLE.set("the caller's")
    try:
        assert in_pool(change) == "the caller's"
        assert VARIABLE.get() == "the caller's"
    finally:
        VARIABLE.reset(token)


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
