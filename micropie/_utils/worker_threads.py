"""The worker threads of one app: where sync handlers and sync generators run, so that they may block.

It owns the pool and how a call gets in and out of a thread: context variables go in, whatever it raises comes out.
"""

import contextvars
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from .lazy_imports import asyncio, futures

T = TypeVar("T")


class WorkerThreads:
    """Threads that are started when they are first needed."""

    def __init__(self) -> None:
        self._threads: futures.ThreadPoolExecutor | None = None

    async def run(self, function: Callable[[], T], limit: int) -> T:
        """What `function` returns or raises in one of at most `limit` threads, with the caller's context variables."""
        if self._threads is None:
            self._threads = futures.ThreadPoolExecutor(limit, thread_name_prefix="micropie")
        context = contextvars.copy_context()
        call: Callable[[], T] = partial(_call, function)
        return await asyncio.get_running_loop().run_in_executor(self._threads, context.run, call)

    def stop(self) -> None:
        """Let the threads end once they have nothing to do. They start again when they are needed."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)


async def run_in_thread(function: Callable[[], T]) -> T:
    """What `function` returns or raises in a thread of the event loop's own, for who has no `Workers`."""
    return await asyncio.to_thread(function)


def _call(function: Callable[[], T]) -> T:
    try:
        return function()
    except StopIteration as stop:
        # A future cannot hold it: before Python 3.12 the caller would wait for ever. As a coroutine would (PEP 479):
        raise RuntimeError("the function raised StopIteration") from stop
