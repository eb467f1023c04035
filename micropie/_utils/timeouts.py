"""How long a task may wait, for any number of tasks at once: one timer of the event loop serves all of them.

`asyncio.timeout` makes a timer for each wait, which costs more than the message that is waited for. Here a wait is an
entry in a set, and the timer fires when the earliest of those it knew of would be over: nearly always to find nothing
but younger ones. Cancelling works as in `asyncio.timeout`. It knows nothing of what is waited for.
"""

from collections.abc import Awaitable
from math import inf
from typing import TYPE_CHECKING, TypeVar

from .lazy_imports import asyncio, threading

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Handle, Task
    from typing import Any

T = TypeVar("T")


class _Wait:
    """One task that waits."""

    __slots__ = ("deadline", "over", "task")

    def __init__(self, task: "Task[Any]", deadline: float) -> None:
        self.task = task
        self.deadline = deadline
        self.over = False


class _Waits:
    """The waits of one event loop."""

    __slots__ = ("_next", "_timer", "_waits", "loop")

    def __init__(self, loop: "AbstractEventLoop") -> None:
        self.loop = loop
        self._waits: set[_Wait] = set()
        self._timer: Handle | None = None
        self._next = inf
        """When the timer fires. It cannot always say so itself: uvloop's for right now has no `when()`."""

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
        self._timer = self.loop.call_at(deadline, self._wake)

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
"""Those of the loop that asked last: the only loop, in nearly every process."""

_of_threads: "threading.local | None" = None
"""For processes with a loop in each of several threads: the `waits` of the loop that ran last in each."""


def _waits_of(loop: "AbstractEventLoop") -> _Waits:
    """The waits of `loop`, which runs in this thread."""
    global _latest, _of_threads
    _of_threads = _of_threads or threading.local()
    found: _Waits | None = getattr(_of_threads, "waits", None)
    if found is None or found.loop is not loop:
        _of_threads.waits = found = _Waits(loop)
    _latest = found
    return found


async def wait_for(awaitable: Awaitable[T], seconds: float) -> T:
    """What `awaitable` comes to. Raises TimeoutError, and cancels it, when that takes longer than `seconds`."""
    loop = asyncio.get_running_loop()
    waits = _latest
    if waits is None or waits.loop is not loop:
        waits = _waits_of(loop)
    task = asyncio.current_task(loop)
    if task is None:
        raise RuntimeError("There is no task that could wait")
    before = task.cancelling()
    wait = _Wait(task, loop.time() + seconds)
    waits.add(wait)
    try:
        return await awaitable
    except asyncio.CancelledError:
        if wait.over and task.cancelling() <= before + 1:  # nobody else cancelled it, too
            raise TimeoutError from None
        raise
    finally:
        if wait.over:
            task.uncancel()
        else:
            waits.remove(wait)
