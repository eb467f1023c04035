"""This module limits how long tasks wait, with a single timer of the event loop for any number of tasks.

`asyncio.timeout` creates a timer for each wait, which costs more than receiving the awaited message. Here a wait is an
entry in a set. The timer is set for the earliest deadline known at the time, and when it fires nearly all waits in the
set are newer ones. Tasks are cancelled as `asyncio.timeout` cancels them.
"""

import contextvars
from collections.abc import Awaitable
from math import inf
from typing import TYPE_CHECKING, TypeVar

from .lazy_imports import asyncio, threading

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Handle, Task
    from typing import Any

T = TypeVar("T")


class _Wait:
    """A task that waits, and its deadline."""

    __slots__ = ("deadline", "over", "task")

    def __init__(self, task: "Task[Any]", deadline: float) -> None:
        self.task = task
        self.deadline = deadline
        self.over = False


class _Waits:
    """A set of the waits of one event loop."""

    __slots__ = ("_next", "_timer", "_waits", "loop")

    def __init__(self, loop: "AbstractEventLoop") -> None:
        self.loop = loop
        self._waits: set[_Wait] = set()
        self._timer: Handle | None = None
        self._next = inf
        """When the timer fires, in the loop's time. A timer cannot always say so: uvloop's for now has no `when()`."""

    def add(self, wait: _Wait) -> None:
        self._waits.add(wait)
        if wait.deadline < self._next:
            self._wake_at(wait.deadline)

    def remove(self, wait: _Wait) -> None:
        self._waits.discard(wait)

    def _wake_at(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = deadline
        # The timer outlives the request that starts it, and must not keep the context of that one.
        self._timer = self.loop.call_at(deadline, self._wake, context=contextvars.Context())

    def _wake(self) -> None:
        now = self.loop.time()
        self._timer, self._next = None, inf
        for wait in [wait for wait in self._waits if wait.deadline <= now]:
            self._waits.discard(wait)
            wait.over = True
            wait.task.cancel()
        if self._waits:
            self._wake_at(min(wait.deadline for wait in self._waits))


_latest: _Waits | None = None
"""The waits of the loop that called `wait_for` last. Nearly every process has only that loop."""

_of_threads: "threading.local | None" = None
"""For processes with a loop in several threads: the `waits` of the loop that ran last in each thread."""


def _get_waits(loop: "AbstractEventLoop") -> _Waits:
    """Return the waits of `loop`, which runs in this thread."""
    global _latest, _of_threads
    _of_threads = _of_threads or threading.local()
    waits: _Waits | None = getattr(_of_threads, "waits", None)
    if waits is None or waits.loop is not loop:
        _of_threads.waits = waits = _Waits(loop)
    _latest = waits
    return waits


async def wait_for(awaitable: Awaitable[T], seconds: float) -> T:
    """Return the result of `awaitable`. Raises TimeoutError, and cancels it, if that takes longer than `seconds`."""
    loop = asyncio.get_running_loop()
    waits = _latest
    if waits is None or waits.loop is not loop:
        waits = _get_waits(loop)
    task = asyncio.current_task(loop)
    if task is None:
        raise RuntimeError("wait_for needs a running task: call it from a coroutine that a task runs")
    before = task.cancelling()
    wait = _Wait(task, loop.time() + seconds)
    waits.add(wait)
    try:
        return await awaitable
    except asyncio.CancelledError:
        if wait.over and task.cancelling() <= before + 1:  # no other cancellation came on top of this one
            raise TimeoutError from None
        raise
    finally:
        if wait.over:
            task.uncancel()
        else:
            waits.remove(wait)
