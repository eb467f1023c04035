"""This module runs blocking functions in the worker threads of an app: sync handlers and sync generators.

It owns the pool of threads. A function runs with the caller's context variables, and what it raises reaches the caller.
"""

import contextvars
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from .lazy_imports import asyncio, futures

T = TypeVar("T")


class WorkerThreads:
    """A pool of threads that starts when it is first needed."""

    def __init__(self) -> None:
        self._threads: futures.ThreadPoolExecutor | None = None

    async def run(self, function: Callable[[], T], limit: int) -> T:
        """Run `function` in one of at most `limit` threads, with the caller's context variables. Return its result."""
        if self._threads is None:
            self._threads = futures.ThreadPoolExecutor(limit, thread_name_prefix="micropie")
        context = contextvars.copy_context()
        call: Callable[[], T] = partial(_call, function)
        return await asyncio.get_running_loop().run_in_executor(self._threads, context.run, call)

    def stop(self) -> None:
        """Let each thread end when it is idle. The pool starts again when it is needed."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)


async def run_in_thread(function: Callable[[], T]) -> T:
    """Run `function` in a thread of the event loop's default pool, where there are no `WorkerThreads`."""
    return await asyncio.to_thread(function)


def _call(function: Callable[[], T]) -> T:
    try:
        return function()
    except StopIteration as stop:
        # A future cannot hold a StopIteration: before Python 3.12 the caller would wait for ever. A coroutine raises
        # RuntimeError in its place, too (PEP 479).
        raise RuntimeError("the function raised StopIteration") from stop
