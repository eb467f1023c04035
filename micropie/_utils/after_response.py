"""What a request has entered and must leave: generators that gave a value, and go on once the response was sent.

Each is left exactly once, in reverse, whatever became of the request and of the others. It knows nothing of who gave
what to whom.
"""

import contextvars
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from functools import partial
from types import TracebackType
from typing import Any, TypeAlias

from ..types import RunSync, Scope
from .lazy_imports import logging, threading

AnyManager: TypeAlias = AbstractContextManager[Any] | Generator[Any, None, None]


class CleanupStack:
    """The exits of one request. `run_sync` runs what blocks."""

    __slots__ = ("_entered", "error", "run_sync")

    def __init__(self, run_sync: RunSync) -> None:
        self.run_sync = run_sync
        self.error: BaseException | None = None
        """What the request failed with: it is raised where the generators yielded."""
        self._entered: list[tuple[str, AbstractAsyncContextManager[Any]]] = []

    def record_failure(self, error: BaseException | None) -> None:
        """Say what the request failed with. The first to do so is believed, as the rest follows from that."""
        if self.error is None:
            self.error = error

    async def enter(self, name: str, made: Any) -> Any:
        """What the asynchronous generator `made` yields. Raises what it raises; RuntimeError when it yields nothing.

        A function that is decorated with `asynccontextmanager` makes a context manager, which will do as well.
        """
        manager = made if isinstance(made, AbstractAsyncContextManager) else _async_manager(made)
        value = await _told(name, manager)
        self._entered.append((name, manager))
        return value

    async def enter_blocking(self, name: str, make: Callable[[], AnyManager]) -> Any:
        """The same for a generator that blocks, which `make` makes."""
        manager = _Offloaded(make, self.run_sync)
        self._entered.append((name, manager))  # first, as a thread goes on entering when its caller is cancelled
        return await _told(name, manager)

    async def leave(self, scope: Scope) -> None:
        """Leave all that was entered, the last first. What goes wrong in that is logged; `scope` is the request's.

        Raises only what is no Exception, such as asyncio.CancelledError, once everything has been left.
        """
        interrupted: BaseException | None = None
        while self._entered:
            name, manager = self._entered.pop()
            error = self.error
            thrown = (None, None, None) if error is None else (type(error), error, error.__traceback__)
            try:
                if await manager.__aexit__(*thrown):
                    self.error = None  # it was dealt with, as `contextlib` has it
            except BaseException as raised:  # noqa: BLE001  (the others must be left, whatever happens to one)
                self.error = raised
                if not isinstance(raised, Exception):
                    interrupted = raised
                    continue
                where = scope.get("method", "WEBSOCKET"), scope["path"], name
                logging.getLogger("micropie").error("Failed after %s %r: the end of %s", *where, exc_info=raised)
        self.error = None  # whose traceback leads back here
        if interrupted is not None:
            raise interrupted


async def _told(name: str, manager: AbstractAsyncContextManager[Any]) -> Any:
    """Enter `manager`; an error of `contextlib`'s own does not say whose it is."""
    try:
        return await manager.__aenter__()
    except RuntimeError as error:
        error.add_note(f"In the dependency {name}, a generator, which yields once")
        raise


def _async_manager(made: AsyncGenerator[Any, None]) -> AbstractAsyncContextManager[Any]:
    return asynccontextmanager(lambda: made)()


class _Offloaded(AbstractAsyncContextManager[Any]):
    """A blocking context manager as an asynchronous one: it is made, entered and left by `run_sync`.

    A thread cannot be interrupted. When the caller is cancelled while it enters, the lock makes leaving wait for that.
    """

    def __init__(self, make: Callable[[], AnyManager], run_sync: RunSync) -> None:
        self._make = make
        self._run_sync = run_sync
        self._lock = threading.Lock()
        self._manager: AbstractContextManager[Any] | None = None
        self._left = False
        self._context = contextvars.copy_context()  # one for both, so that variables can be reset

    async def __aenter__(self) -> Any:
        return await self._run_sync(self._enter)

    def _enter(self) -> Any:
        with self._lock:
            return self._context.run(self._begin) if not self._left else None  # left before the thread came to it

    def _begin(self) -> Any:
        made = self._make()
        manager = made if isinstance(made, AbstractContextManager) else contextmanager(lambda: made)()
        value = manager.__enter__()
        self._manager = manager
        return value

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._run_sync(partial(self._leave, kind, error, traceback))

    def _leave(self, *thrown: Any) -> bool | None:
        with self._lock:
            self._left = True
            return self._context.run(self._manager.__exit__, *thrown) if self._manager is not None else False
