"""This module runs blocking functions in the worker threads of an app: sync handlers and sync generators.

It owns the pool of threads. A function runs with the caller's context variables, and what it raises or sets reaches
the caller. `BlockingCalls` runs several functions on one object, such as the steps of a generator.
"""

import contextvars
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

from ..types import RunSync
from .lazy_imports import asyncio, futures, threading

T = TypeVar("T")

_UNSET: Final = object()


class WorkerThreads:
    """A pool of threads that starts when it is first needed."""

    def __init__(self) -> None:
        self._threads: futures.ThreadPoolExecutor | None = None

    async def run(self, function: Callable[[], T], limit: int) -> T:
        """Run `function` in one of at most `limit` threads. Return its result.

        It has the caller's context variables, and what it sets is set for the caller, as by a function that is awaited.
        """
        if self._threads is None:
            self._threads = futures.ThreadPoolExecutor(limit, thread_name_prefix="micropie")
        context = contextvars.copy_context()
        call: Callable[[], T] = partial(_call, function)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, context.run, call)
        finally:
            copy_variables(context)

    def stop(self) -> None:
        """Let each thread end when it is idle. The pool starts again when it is needed."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)


def copy_variables(context: contextvars.Context) -> None:
    """Set each context variable to its value in `context`."""
    for variable, value in context.items():
        if variable.get(_UNSET) is not value:
            variable.set(value)


async def run_in_thread(function: Callable[[], T]) -> T:
    """Run `function` in a thread of the event loop's default pool, where there are no `WorkerThreads`."""
    return await asyncio.to_thread(function)


class BlockingCalls:
    """The calls of functions that block, on one object. They run one at a time, in threads, in one context.

    A thread cannot be interrupted: when a caller is cancelled, its function goes on. The next function then waits in a
    queue, and the same thread runs it; a second thread would only wait for the first.
    """

    def __init__(self, run_sync: RunSync) -> None:
        self._run_sync = run_sync
        self.context = contextvars.copy_context()
        self._lock = threading.Lock()
        self._waiting: deque[_Call] = deque()
        self._running = False

    async def run(self, function: Callable[[], T]) -> T:
        """Run `function` after those that run or wait already. Return its result."""
        call = _Call(function)
        await self._run_sync(partial(self._run_or_queue, call))
        with self._lock:
            if not call.is_over:  # another thread will run it
                call.future = asyncio.get_running_loop().create_future()
        if call.future is not None:
            await call.future
        if call.error is not None:
            error, call.error = call.error, None
            try:
                raise error
            finally:
                del error  # its traceback refers to this frame: a reference cycle
        result: T = call.result
        return result

    def _run_or_queue(self, call: "_Call") -> None:
        """Run `call` and what is queued meanwhile, unless another thread does so already."""
        with self._lock:
            self._waiting.append(call)
            if self._running:
                return
            self._running = True
        while True:
            with self._lock:
                if not self._waiting:
                    self._running = False
                    return
                call = self._waiting.popleft()
            self.context.run(call.run)
            with self._lock:
                call.is_over = True
                future = call.future
            if future is not None:
                future.get_loop().call_soon_threadsafe(_wake, future)


class _Call:
    """One call of a function, and its outcome."""

    __slots__ = ("error", "function", "future", "is_over", "result")

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.result: Any = None
        self.error: BaseException | None = None
        self.is_over = False
        self.future: asyncio.Future[None] | None = None
        """What the caller waits for, if another thread runs the function."""

    def run(self) -> None:
        """Call the function, and keep what it returns or raises."""
        try:
            self.result = self.function()
        except BaseException as error:  # noqa: BLE001  # the caller raises it
            self.error = error


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():  # the caller may have been cancelled
        future.set_result(None)


def _call(function: Callable[[], T]) -> T:
    try:
        return function()
    except StopIteration as stop:
        # A future cannot hold a StopIteration: before Python 3.12 the caller would wait for ever. A coroutine raises
        # RuntimeError in its place, too (PEP 479).
        raise RuntimeError("the function raised StopIteration") from stop
