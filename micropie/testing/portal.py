"""The event loop behind a plain test: one thread, started when first needed, that runs coroutines for the caller.

It knows asyncio and threads, and nothing of what the coroutines do.
"""

import asyncio
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Portal:
    """Runs coroutines on an event loop in a thread of its own, which ends with `close` or soon after the portal."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._end: Callable[[], object] = _nothing

    @property
    def running(self) -> bool:
        """Whether there is a thread to end."""
        return self._loop is not None and not self.closed

    def call(self, function: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` on the loop, in a copy of the caller's context, and give back what it returns or raises.

        Raises RuntimeError after `close`, and on the loop's own thread, where it would wait for itself.
        """
        loop = self._started()
        if threading.current_thread() is self._thread:
            raise RuntimeError("This is the test client's own event loop: use AsyncTestClient here")
        future = asyncio.run_coroutine_threadsafe(_guard(function(*args, **kwargs)), loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # the wait was interrupted; no effect on a coroutine that has ended
            raise

    def close(self) -> None:
        """Cancel what still runs on the loop, and end its thread."""
        with self._lock:
            self.closed = True
            self._end()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self.closed:
                raise RuntimeError("The test client has been closed")
            if self._loop is None:
                runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
                self._loop = runner.get_loop()
                stop = asyncio.Event()
                self._thread = threading.Thread(target=_run, args=(runner, stop), name="micropie.testing", daemon=True)
                self._thread.start()
                # A portal that is collected may be so on any thread, its own included: it does not wait there.
                self._end = weakref.finalize(self, self._loop.call_soon_threadsafe, stop.set)
            return self._loop


def _nothing() -> None:
    """End a portal that never started."""


def _run(runner: asyncio.Runner, stop: asyncio.Event) -> None:
    with runner:
        runner.run(stop.wait())


async def _guard(coroutine: Coroutine[Any, Any, T]) -> T:
    try:
        return await coroutine
    except (SystemExit, KeyboardInterrupt) as stop:  # either would end the loop under every later call
        raise RuntimeError(f"{stop!r} was raised on the test client's event loop") from stop
