"""This module provides the event loop behind a plain test: a thread that runs coroutines for the caller.

The thread starts when it is first needed. What the coroutines do is left to them.
"""

import asyncio
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Portal:
    """A runner of coroutines on an event loop in its own thread.

    The thread ends with `close`, or soon after the portal is collected.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._end: Callable[[], object] = _do_nothing

    @property
    def running(self) -> bool:
        """True while there is a thread to end."""
        return self._loop is not None and not self.closed

    def call(self, function: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` on the loop, in a copy of the caller's context, and return or raise what it does.

        Raises RuntimeError after `close`, and on the loop's own thread, where the call would wait for itself.
        """
        loop = self._start()
        if threading.current_thread() is self._thread:
            raise RuntimeError(
                "TestClient cannot be used on its own event loop, where it would wait for itself. "
                "Use AsyncTestClient there"
            )
        future = asyncio.run_coroutine_threadsafe(_guard(function(*args, **kwargs)), loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # the wait was interrupted; this does nothing to a coroutine that has ended
            raise

    def close(self) -> None:
        """Cancel what still runs on the loop, and end its thread."""
        with self._lock:
            self.closed = True
            self._end()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _start(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self.closed:
                raise RuntimeError("The test client has been closed")
            if self._loop is None:
                runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
                self._loop = runner.get_loop()
                stop = asyncio.Event()
                self._thread = threading.Thread(target=_run, args=(runner, stop), name="micropie.testing", daemon=True)
                self._thread.start()
                # A portal may be collected on any thread, also on its own: the finalizer does not wait for the end.
                self._end = weakref.finalize(self, self._loop.call_soon_threadsafe, stop.set)
            return self._loop


def _do_nothing() -> None:
    """End a portal that was never started."""


def _run(runner: asyncio.Runner, stop: asyncio.Event) -> None:
    with runner:
        runner.run(stop.wait())


async def _guard(coroutine: Coroutine[Any, Any, T]) -> T:
    try:
        return await coroutine
    except (SystemExit, KeyboardInterrupt) as stop:  # either would end the loop, and with it every later call
        raise RuntimeError(f"{stop!r} was raised on the test client's event loop") from stop
