"""The functions that a handler depends on, called before it: in which order, how, and with what.

All of that is decided when the route is made. For a request every binder of the route runs first, so that what is wrong
with it is told at once and before anything has been done; then the functions, each with what the earlier ones returned;
then the handler. What is to be left afterwards is noted in the request's `CleanupStack`, which the app leaves last.
"""

import inspect
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from .._utils.after_response import CleanupStack
from .._utils.callables import unwrap_callable
from ..errors import SetupError
from ..requests.request import Request
from ..routing.route import Route
from ..routing.table import Trail
from ..types import RunSync
from .binder_compiler import compile_binder
from .dependency_graph import Overrides, Site, expand_dependencies, index_path_values
from .handler import Bind, Mode, choose_mode
from .signature import Dependency, Role, Signature


class Answers(Protocol):
    """What answers requests: an App."""

    _run_sync: RunSync


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


def plan_dependencies(route: Route, owner: object) -> Route:
    """`route`, whose handler is a method of `owner` and has dependencies, with all that is done for them."""
    websocket = any(one.role is Role.WEBSOCKET for one in route.signature.parameters)
    return _Plan(route, Site(route.handler, route.name, owner, index_path_values(route.signature), websocket)).route


class _Plan:
    """What is done for a request to one handler."""

    def __init__(self, route: Route, site: Site) -> None:
        signature = route.signature
        self._steps = [_step(one, signature) for one in signature.dependencies()]
        self._last = route.bind
        self._mode = route.mode
        self._site = site
        self._plain = route
        sources = [f"# {step.name}\n{step.source}" for step in self._steps]
        source = "\n".join([*sources, f"# {route.name}\n{route.source}"])
        self.route = replace(route, bind=self._answer, prepare=self._prepare, source=source, awaited=True)
        self._overridden: tuple[Overrides, Route] = {}, self.route

    def _prepare(self, request: Request, app: Answers, trail: Trail) -> Route:
        """The route for one request to `app`, with what is overridden now. Raises SetupError."""
        request.open_cleanup_stack(app._run_sync)
        overrides: dict[Any, Any] = {}
        for node in reversed(trail):  # so that the app which was called has the last word
            if node.owner._builds_itself:
                overrides |= node.owner.overrides
        if overrides != self._overridden[0]:
            self._overridden = overrides, self._with(overrides)
        return self._overridden[1]

    def _with(self, overrides: Overrides) -> Route:
        if not overrides:
            return self.route
        signature, problems = expand_dependencies(self._plain.signature, self._site, overrides)
        if problems:
            raise SetupError(list(dict.fromkeys(problems)))
        binder = compile_binder(signature, self._plain.name)
        plain = replace(self._plain, bind=binder.bind, source=binder.source, wants=binder.wants, signature=signature)
        return _Plan(plain, self._site).route

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
            exits.fail(error)
            raise
