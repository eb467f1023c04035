"""The functions that a handler depends on, called before it: in which order, how, and with what.

All of that is decided when the route is made. For a request every binder of the route runs first, so that what is wrong
with it is told at once and before anything has been done; then the functions, each with what the earlier ones returned;
then the handler. What is to be left afterwards is noted in the request's `CleanupStack`, which the app leaves last.
"""

import inspect
from collections.abc import Callable, Sequence
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
from .handler import Bind, BoundHandler, Mode, Overrides, choose_mode
from .signature import Dependency, Role, Signature

T = TypeVar("T", bound=BoundHandler)


class _Step(msgspec.Struct, frozen=True, eq=False):
    """One function, and how it is called."""

    name: str
    call: Callable[..., Any]
    """What the binder calls: the function, or for one that may block what keeps the call for a thread."""
    bind: Bind
    source: str
    mode: Mode
    yields: bool
    """Whether it is a generator function, which goes on afterwards."""

    async def take(self, called: Any, exits: CleanupStack) -> Any:
        """The value, `called` being what `call` returned, unless it is a coroutine. Raises what the function raises."""
        if self.mode is Mode.THREAD:
            if self.yields:
                return await exits.enter_blocking(self.name, called)
            called = await exits.run_sync(called)
        elif self.yields:
            return await exits.enter(self.name, called)
        return await called if hasattr(called, "__await__") else called  # it may be a function that calls an async one


def _step(dependency: Dependency, within: Signature) -> _Step:
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


def plan_dependencies(plain: T, owner: object) -> T:
    """Return `plain`, a method of `owner`, as a handler whose dependencies are called before it."""
    websocket = any(parameter.role is Role.WEBSOCKET for parameter in plain.signature.parameters)
    site = Site(plain.handler, plain.name, owner, index_path_values(plain.signature), websocket)
    return _Plan(plain, site).whole


class _Plan(Generic[T]):
    """What is done for a request to one handler."""

    def __init__(self, plain: T, site: Site) -> None:
        signature = plain.signature
        self._steps = [_step(one, signature) for one in signature.dependencies()]
        self._last = plain.bind
        self._mode = plain.mode
        self._site = site
        self._plain = plain
        sources = [f"# {step.name}\n{step.source}" for step in self._steps]
        source = "\n".join([*sources, f"# {plain.name}\n{plain.source}"])
        self.whole = replace(plain, bind=self._answer, prepare=self._prepare, source=source, awaited=True)
        self._overridden: tuple[Overrides, T] = {}, self.whole

    def _prepare(self, request: Request, run_sync: RunSync, overrides: Overrides) -> T:
        """Return the handler for one request (see `Prepare`). Raises SetupError."""
        request.open_cleanup_stack(run_sync)
        if overrides != self._overridden[0]:
            self._overridden = dict(overrides), self._with(overrides)
        return self._overridden[1]

    def _with(self, overrides: Overrides) -> T:
        if not overrides:
            return self.whole
        signature, problems = expand_dependencies(self._plain.signature, self._site, overrides)
        if problems:
            raise SetupError(list(dict.fromkeys(problems)))
        binder = compile_binder(signature, self._plain.name)
        plain = replace(self._plain, bind=binder.bind, source=binder.source, wants=binder.wants, signature=signature)
        return _Plan(plain, self._site).whole

    async def _answer(self, call: Callable[..., Any], request: Request, segments: Sequence[str]) -> Any:
        """What the handler returned. Raises what it or a dependency raises, and what refuses the request."""
        later = [step.bind(step.call, request, segments) for step in self._steps]
        last = self._last(call, request, segments)
        exits = request.cleanup_stack
        if exits is None:
            raise RuntimeError("Route.prepare comes before Route.bind")
        given: list[Any] = []
        try:
            for step, make in zip(self._steps, later, strict=True):
                called = make(given)
                given.append(await (called if step.mode is Mode.ASYNC else step.take(called, exits)))
            called = last(given)
            if self._mode is Mode.ASYNC:
                return await called
            return await exits.run_sync(called) if self._mode is Mode.THREAD else called
        except BaseException as error:
            exits.record_failure(error)
            raise
