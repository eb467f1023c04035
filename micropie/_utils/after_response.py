"""This module keeps the context managers that a request has entered, and exits them once the response was sent.

Most of them are generators that yielded a dependency's value. Each is exited exactly once, the last first, whatever
happened to the request and to the others. The caller decides which dependency each of them belongs to.
"""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from functools import partial
from types import TracebackType
from typing import Any, TypeAlias

from ..types import RunSync, Scope
from .lazy_imports import logging
from .worker_threads import BlockingCalls, copy_variables

AnyManager: TypeAlias = AbstractContextManager[Any] | Generator[Any, None, None]


class CleanupStack:
    """A stack of the context managers that one request has entered. `run_sync` runs the blocking ones."""

    __slots__ = ("_entered", "error", "run_sync")

    def __init__(self, run_sync: RunSync) -> None:
        self.run_sync = run_sync
        self.error: BaseException | None = None
        """The error that the request failed with. It is raised where the generators yielded."""
        self._entered: list[tuple[str, AbstractAsyncContextManager[Any]]] = []

    def record_failure(self, error: BaseException | None) -> None:
        """Record what the request failed with. Only the first error counts, because later ones follow from it."""
        if self.error is None:
            self.error = error

    async def enter(self, name: str, generator: Any) -> Any:
        """Run the asynchronous `generator` to its yield, and return the value. `name` is the dependency's.

        An asynchronous context manager, which a function decorated with `asynccontextmanager` returns, is entered
        instead. Raises what the generator raises, and RuntimeError if it yields nothing.
        """
        manager = generator if isinstance(generator, AbstractAsyncContextManager) else _make_async_manager(generator)
        value = await _enter_named(name, manager)
        self._entered.append((name, manager))
        return value

    async def enter_blocking(self, name: str, make: Callable[[], AnyManager]) -> Any:
        """Run the blocking generator that `make` creates to its yield, both in a thread, and return the value."""
        manager = _Offloaded(make, self.run_sync)
        self._entered.append((name, manager))  # first, because a thread goes on entering when its caller is cancelled
        return await _enter_named(name, manager)

    async def leave(self, scope: Scope) -> None:
        """Exit everything that was entered, the last first. `scope` is the request's.

        An Exception on the way is logged. A BaseException, such as asyncio.CancelledError, is raised once everything
        has been exited.
        """
        interrupted: BaseException | None = None
        while self._entered:
            name, manager = self._entered.pop()
            error = self.error
            thrown = (None, None, None) if error is None else (type(error), error, error.__traceback__)
            try:
                if await manager.__aexit__(*thrown):
                    self.error = None  # the manager handled it: a true result suppresses the error, as in `with`
            except BaseException as raised:  # noqa: BLE001  (the others must be exited, whatever this one raises)
                self.error = raised
                if not isinstance(raised, Exception):
                    interrupted = raised
                    continue
                where = scope.get("method", "WEBSOCKET"), scope["path"], name
                logging.getLogger("micropie").error("Failed after %s %r: the end of %s", *where, exc_info=raised)
        self.error = None  # its traceback refers to this frame: a reference cycle
        if interrupted is not None:
            raise interrupted


async def _enter_named(name: str, manager: AbstractAsyncContextManager[Any]) -> Any:
    """Enter `manager`. Add `name` to an error that `contextlib` raises, which does not name the generator."""
    try:
        return await manager.__aenter__()
    except RuntimeError as error:
        error.add_note(f"The dependency {name} is a generator: it must yield exactly once")
        raise


def _make_async_manager(generator: AsyncGenerator[Any, None]) -> AbstractAsyncContextManager[Any]:
    return asynccontextmanager(lambda: generator)()


class _Offloaded(AbstractAsyncContextManager[Any]):
    """A blocking context manager as an asynchronous one, which `run_sync` creates, enters and exits in a thread.

    Both run in one context, so that the variables that the first sets can be reset by the second.
    """

    def __init__(self, make: Callable[[], AnyManager], run_sync: RunSync) -> None:
        self._make = make
        self._calls = BlockingCalls(run_sync)
        self._manager: AbstractContextManager[Any] | None = None
        self._left = False

    async def __aenter__(self) -> Any:
        value = await self._calls.run(self._enter)
        copy_variables(self._calls.context)  # the handler sees what the function set
        return value

    def _enter(self) -> Any:
        if self._left:  # exited before a thread was free
            return None
        source = self._make()
        manager = source if isinstance(source, AbstractContextManager) else contextmanager(lambda: source)()
        value = manager.__enter__()
        self._manager = manager
        return value

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._calls.run(partial(self._leave, kind, error, traceback))

    def _leave(self, *thrown: Any) -> bool | None:
        self._left = True
        return self._manager.__exit__(*thrown) if self._manager is not None else False
