"""This module calls the functions that a handler depends on before the handler.

Their order and the way of calling each are decided when the route is made. For a request, first every binder of the
route runs, so that all errors of the request are reported before anything is done. Then the functions run, each with
the results of earlier ones, then the handler. The request's `CleanupStack` keeps the generator functions that go on
after the response.
"""

import inspect
from collections.abc import Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec
from msgspec.structs import replace

from .._utils.after_response import CleanupStack
from .._utils.callables import unwrap_callable
from ..errors import SetupError
from ..requests.request import Request
from ..types import RunSync
from .binder_compiler import compile_binder
from .dependency_graph import Site, expand_dependencies, index_path_values
from .handler import Bind, BoundHandler, Function, Mode, Overrides, choose_mode
from .signature import Dependency, Role, Signature

T = TypeVar("T", bound=BoundHandler)


class _Step(msgspec.Struct, frozen=True, eq=False):
    """A function that is called before the handler, and how it is called."""

    name: str
    call: Function
    """The callable that the binder calls: the function, or for mode THREAD a partial that a thread calls later."""
    bind: Bind
    source: str
    mode: Mode
    yields: bool
    """True for a generator function, which goes on after the response."""

    async def finish(self, called: Any, cleanup: CleanupStack) -> Any:
        """Return the function's result. `called` is what `call` returned. Raises what the function raises."""
        if self.mode is Mode.THREAD:
            if self.yields:
                return await cleanup.enter_blocking(self.name, called)
            called = await cleanup.run_sync(called)
        elif self.yields:
            return await cleanup.enter(self.name, called)
        return await called if hasattr(called, "__await__") else called  # a sync function may return a coroutine


def plan_dependencies(plain: T, owner: object) -> T:
    """Return `plain`, a method of `owner`, as a handler whose dependencies are called before it."""
    websocket = any(parameter.role is Role.WEBSOCKET for parameter in plain.signature.parameters)
    site = Site(plain.handler, plain.name, owner, index_path_values(plain.signature), websocket)
    return _Plan(plain, site).complete


class _Plan(Generic[T]):
    """A plan of what is called for a request to one handler."""

    def __init__(self, plain: T, site: Site) -> None:
        signature = plain.signature
        self._steps = [_make_step(dependency, signature) for dependency in signature.dependencies()]
        self._bind_handler = plain.bind
        self._mode = plain.mode
        self._site = site
        self._plain = plain
        sources = [f"# {step.name}\n{step.source}" for step in self._steps]
        source = "\n".join([*sources, f"# {plain.name}\n{plain.source}"])
        self.complete = replace(plain, bind=self._call_all, prepare=self._prepare, source=source, awaited=True)
        self._overridden: tuple[Overrides, T] = {}, self.complete

    def _prepare(self, request: Request, run_sync: RunSync, overrides: Overrides) -> T:
        """Return the handler for one request (see `Prepare`). Raises SetupError."""
        request.micropie_open_cleanup_stack(run_sync)
        if overrides != self._overridden[0]:
            self._overridden = dict(overrides), self._override(overrides)
        return self._overridden[1]

    def _override(self, overrides: Overrides) -> T:
        """Return the handler with `overrides` in place. Raises SetupError."""
        if not overrides:
            return self.complete
        signature, problems = expand_dependencies(self._plain.signature, self._site, overrides)
        if problems:
            raise SetupError(list(dict.fromkeys(problems)))
        binder = compile_binder(signature, self._plain.name)
        plain = replace(self._plain, bind=binder.bind, source=binder.source, wants=binder.wants, signature=signature)
        return _Plan(plain, self._site).complete

    async def _call_all(self, call: Function, request: Request, segments: Sequence[str]) -> Any:
        """Return the handler's result. Raises HTTPError, and what the handler or a dependency raises."""
        calls = [step.bind(step.call, request, segments) for step in self._steps]
        call_handler = self._bind_handler(call, request, segments)
        cleanup = request.micropie_cleanup_stack
        if cleanup is None:
            raise RuntimeError("Route.bind needs a prepared request: call Route.prepare first")
        results: list[Any] = []
        try:
            for step, call_step in zip(self._steps, calls, strict=True):
                called = call_step(results)
                results.append(await (called if step.mode is Mode.ASYNC else step.finish(called, cleanup)))
            called = call_handler(results)
            if self._mode is Mode.ASYNC:
                return await called
            return await cleanup.run_sync(called) if self._mode is Mode.THREAD else called
        except BaseException as error:
            cleanup.record_failure(error)
            raise


def _make_step(dependency: Dependency, within: Signature) -> _Step:
    """Return the step for `dependency` of the handler with the signature `within`."""
    function = dependency.function
    binder = compile_binder(dependency.signature, dependency.name, within)
    code = unwrap_callable(function)
    mode = choose_mode(code, threaded=True)
    yields = mode is Mode.DIRECT
    if yields:
        mode = Mode.DIRECT if inspect.isasyncgenfunction(inspect.unwrap(code)) else Mode.THREAD
        if inspect.isasyncgenfunction(code):
            function = asynccontextmanager(function)
        elif inspect.isgeneratorfunction(code):
            function = contextmanager(function)
    call = partial(partial, function) if mode is Mode.THREAD else function
    return _Step(dependency.name, call, binder.bind, binder.source, mode, yields)
