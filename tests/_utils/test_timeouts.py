"""`wait_for` ends as the timeout of asyncio does, with one timer for each event loop."""

import asyncio
import threading
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from micropie._utils.timeouts import wait_for

T = TypeVar("T")


class Hasty(asyncio.SelectorEventLoop):
    """A loop whose handles for callbacks that are due have no `when()`, as those of uvloop."""

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:  # type: ignore[override]
        soon = when <= self.time()
        return self.call_soon(callback, *args, context=context) if soon else super().call_at(when, callback, *args)


@pytest.mark.parametrize("make", [asyncio.SelectorEventLoop, Hasty])
def test_waits_that_end_together_all_time_out(make: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def main() -> list[Any]:
        waits = [wait_for(asyncio.Event().wait(), seconds) for seconds in (0.0, 0.0, -1.0, 0.001)]
        return await asyncio.gather(*waits, return_exceptions=True)

    with asyncio.Runner(loop_factory=make) as runner:
        assert [type(result) for result in runner.run(main())] == [TimeoutError] * 4


def test_loops_in_several_threads_have_one_timer_each() -> None:
    turns = threading.Barrier(2)

    async def main() -> int:
        loop = asyncio.get_running_loop()
        before = len(_timers(loop))
        for _ in range(5):
            turns.wait()
            await wait_for(asyncio.sleep(0), 60.0)
        return len(_timers(loop)) - before

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(lambda _: run_plainly(main()), range(2))) == [1, 1]


def run_plainly(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(main)


def _timers(loop: Any) -> list[Any]:
    """Return the timers of one of asyncio's own loops."""
    return list(loop._scheduled)


async def wait_with_asyncio(awaitable: Awaitable[Any], seconds: float) -> Any:
    async with asyncio.timeout(seconds):
        return await awaitable


async def sleeping() -> str:
    await asyncio.sleep(0.02)
    return "slept"


async def stubborn() -> str:
    try:
        return await sleeping()
    except asyncio.CancelledError:
        return "went on"


async def failing() -> str:
    try:
        return await sleeping()
    except asyncio.CancelledError:
        raise KeyError("instead") from None


async def giving_up() -> str:
    raise TimeoutError("its own")


@pytest.mark.parametrize("work", [sleeping, stubborn, failing, giving_up])
@pytest.mark.parametrize("seconds", [-1.0, 0.0, 0.01, 5.0])
@pytest.mark.parametrize("cancelled", [(), (0.0,), (0.01,), (0.01, 0.01), (0.0, 0.01), (0.005,)])
@pytest.mark.parametrize("outer", [None, 0.01])
def test_wait_ends_as_with_the_timeout_of_asyncio(
    work: Callable[[], Awaitable[str]], seconds: float, cancelled: Sequence[float], outer: float | None
) -> None:
    async def get_outcome(wait: Callable[[Awaitable[Any], float], Awaitable[Any]], started: float) -> list[object]:
        async def task() -> list[object]:
            waited = wait(work(), seconds)
            try:
                outcome: object = await (waited if outer is None else wait(waited, outer))
            except (Exception, asyncio.CancelledError) as error:
                outcome = type(error)
            current = asyncio.current_task()
            assert current is not None
            return [outcome, current.cancelling()]

        loop, waiting = asyncio.get_running_loop(), asyncio.create_task(task())
        for after in cancelled:
            loop.call_at(started + after, waiting.cancel)
        return list(await asyncio.gather(waiting, return_exceptions=True))

    async def both() -> tuple[list[object], list[object]]:
        started = asyncio.get_running_loop().time()
        return await asyncio.gather(get_outcome(wait_for, started), get_outcome(wait_with_asyncio, started))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a task that is cancelled before it begins awaits nothing
        ours, theirs = asyncio.run(both())
    assert repr(ours) == repr(theirs)
