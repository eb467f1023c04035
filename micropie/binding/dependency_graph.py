"""This module reads what a handler depends on: the signature of each function, and of those below it.

The result is the handler's signature with its dependencies filled in. Each function is read once for a route, so that
all who depend on it share one result. A dependency that cannot work is refused here, with the fix.
"""

import inspect
from collections.abc import Mapping, Sequence
from functools import partial
from types import FunctionType, MethodType
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from .._utils.callables import locate_function, unwrap_callable
from ..errors import SetupProblem, Source
from .handler import Function, Overrides
from .signature import FROM_BODY, Dependency, Kind, Parameter, Role, Signature, SignatureError
from .signature_checks import report_taken_body, report_untaken_value
from .signature_reader import read_signature

_LEFT_BY_ROLE: Final[Mapping[Role, frozenset[Source]]] = {
    Role.STREAM: frozenset(),
    Role.LINES: frozenset(),
    Role.RAW: FROM_BODY - {"file"},  # these bytes stay in memory and can be parsed, but their files are not stored
}
"""The sources that other functions can still read if a parameter of that role takes the body."""


class Site(msgspec.Struct, frozen=True, eq=False):
    """A handler whose dependencies are read, with the facts about it that reading them needs."""

    handler: Function
    where: str
    """Its name in problems."""
    owner: object
    """The App or Resource, on which methods of its class are called."""
    path_values: Mapping[str, int]
    """The index of each of its path values, by name."""
    websocket: bool


def read_dependencies(
    signature: Signature, site: Site, template: Sequence[str] | None
) -> tuple[Signature, list[SetupProblem]]:
    """Return `signature`, that of the handler, with its dependencies read; and every reason why one cannot work.

    `template` holds the names in the handler's `@route` path, if it has one.
    """
    expanded, problems = expand_dependencies(signature, site, {})
    taken = index_path_values(expanded)
    errors = [report_untaken_value(name) for name in template or () if name not in taken]
    return expanded, problems + [_make_problem(site, error) for error in errors]


def index_path_values(signature: Signature) -> Mapping[str, int]:
    """Return the index of each path value that `signature` takes, by the name of its parameter."""
    return {
        parameter.name: parameter.index
        for parameter in signature.inputs()
        if parameter.index is not None and parameter.kind is not Kind.VAR_POSITIONAL
    }


def expand_dependencies(signature: Signature, site: Site, overrides: Overrides) -> tuple[Signature, list[SetupProblem]]:
    """Return `signature` with its dependencies read and `overrides` in place; and every reason why one cannot work."""
    reader = _GraphReader(site, overrides)
    expanded = reader.expand(signature, site.handler, site.owner, (site.where,))
    return _narrow_kwargs(expanded), reader.problems + _find_shared_body(site, expanded)


def get_qualified_name(function: Any) -> str:
    """Return `module.function`; for a callable object, the name of its class."""
    named = _find_named(function)
    return f"{named.__module__}.{named.__qualname__}"


def _make_problem(site: Site, error: SignatureError) -> SetupProblem:
    return SetupProblem(site.where, error.what, error.remedy, *locate_function(site.handler))


class _GraphReader:
    """A reader of one handler's dependencies."""

    def __init__(self, site: Site, overrides: Overrides) -> None:
        self._site = site
        self._overrides = overrides
        self._dependencies: dict[object, Dependency] = {}
        self._being_read: list[object] = []
        self.problems: list[SetupProblem] = []

    def expand(self, signature: Signature, function: Function, receiver: object, path: tuple[str, ...]) -> Signature:
        """Return the `signature` of `function` with the dependencies of its parameters read.

        `receiver` is the object whose method it is. `path` holds the names from the handler down to the function.
        """
        parameters: list[Parameter] = []
        for parameter in signature.parameters:
            if parameter.dependency is not None:
                written = parameter.dependency.written or parameter.dependency.function
                called = self._find_called(written, receiver)
                if callable(called):
                    parameter = replace(parameter, dependency=self._read(called, written, path))
                else:
                    self._refuse(path, function, *_describe_uncallable(written, called))
            parameters.append(parameter)
        return replace(signature, parameters=tuple(parameters))

    def _read(self, function: Function, written: Function, path: tuple[str, ...]) -> Dependency:
        """Return the dependency `function`, read once for each handler. `written` is the callable in `Depends`."""
        key = _make_key(function)
        path = (*path, _find_named(function).__qualname__.rpartition("<locals>.")[2])
        if key in self._being_read:
            cycle = path[1 + self._being_read.index(key) :]
            what = f"depends on itself: {' → '.join(cycle)}"
            self._refuse(path[:1], function, what, "Move what they need from each other into a separate function")
            return Dependency(function, get_qualified_name(function))
        if key in self._dependencies:
            return self._dependencies[key]
        self._being_read.append(key)
        signature = self._read_signature(function, path)
        self._dependencies[key] = dependency = Dependency(function, get_qualified_name(function), signature, written)
        self._being_read.pop()
        return dependency

    def _find_called(self, written: Function, receiver: object) -> object:
        """Return the callable that is called for `written`, which may be overridden, also as a method."""
        function = _bind_method(written, receiver)
        if not self._overrides:
            return function
        candidates: list[Any] = [written, function, getattr(function, "__func__", None)]
        for candidate in candidates:
            if _has_hash(candidate) and candidate in self._overrides:
                return _bind_method(self._overrides[candidate], receiver)
        return function

    def _read_signature(self, function: Function, path: tuple[str, ...]) -> Signature:
        code = unwrap_callable(function)
        if code is function and _is_unbound_method(code):
            what = "is a method, and needs an object to be called on"
            self._refuse(path, function, what, "Depend on it in its own class, or on a method of an object")
            return Signature((), None)
        receiver = _find_receiver(function)
        owner = function if isinstance(function, type) else type(receiver) if receiver is not None else None
        site = self._site
        signature, problems = read_signature(
            function, " → ".join(path), owner=owner, websocket=site.websocket, path_values=site.path_values
        )
        self.problems += problems
        return self.expand(signature, function, receiver, path)

    def _refuse(self, path: Sequence[str], function: Any, what: str, remedy: str) -> None:
        self.problems.append(SetupProblem(" → ".join(path), what, remedy, *locate_function(function)))


def _find_named(function: Any) -> Any:
    """Return the object whose name stands for `function`: itself, a partial's function, or the class of an object."""
    if isinstance(function, partial):
        return _find_named(function.func)
    return function if hasattr(function, "__qualname__") else type(function)


def _describe_uncallable(written: object, called: object) -> tuple[str, str]:
    """Return the fault and the fix for `called`, which cannot be called, in place of `written`."""
    if called is written:
        return f"Depends({called!r}) needs a function", "Write Depends(function), without a call"
    what = f"{called!r}, which overrides {get_qualified_name(written)}, cannot be called"
    return what, "Override a function with a function: overrides[function] = lambda: value"


def _make_key(function: Function) -> object:
    """Return a key that is equal for two uses of one function. Methods of one object are equal, but not identical."""
    return function if _has_hash(function) else id(function)


def _has_hash(function: object) -> bool:
    try:
        hash(function)
    except TypeError:
        return False
    return True


def _bind_method(function: Any, receiver: object) -> Function:
    """Return the method of `receiver` that its class has as `function`; `function` itself if there is none."""
    names = (name for base in type(receiver).__mro__ for name, value in vars(base).items() if value is function)
    name = next(names, None) if not isinstance(function, MethodType | type) else None
    plain: Function = function.__func__ if isinstance(function, staticmethod) else function
    return plain if name is None else getattr(receiver, name)


def _find_receiver(function: Any) -> object:
    """Return the object whose method `function` is, or that is itself called; None for a plain function."""
    code = unwrap_callable(function)
    return code.__self__ if isinstance(code, MethodType) else None


def _is_unbound_method(function: Any) -> bool:
    """Return True if `function` was written as a method, but is not bound to an object."""
    if not isinstance(function, FunctionType) or "." not in function.__qualname__.rpartition("<locals>.")[2]:
        return False
    return "self" in inspect.unwrap(function).__code__.co_varnames[:1]


def _narrow_kwargs(signature: Signature) -> Signature:
    """Return `signature` without the names that dependencies read in its `**kwargs`."""
    dependencies = signature.dependencies()
    names = {parameter.alias for dependency in dependencies for parameter in dependency.signature.parameters}
    return replace(signature, parameters=tuple(_exclude_names(parameter, names) for parameter in signature.parameters))


def _exclude_names(parameter: Parameter, names: set[str]) -> Parameter:
    if parameter.kind is not Kind.VAR_KEYWORD:
        return parameter
    return replace(parameter, excluded=parameter.excluded | names)


def _find_shared_body(site: Site, signature: Signature) -> list[SetupProblem]:
    """Return a problem if one function takes the whole body and another one needs a part that this does not leave."""
    functions = [signature, *(dependency.signature for dependency in signature.dependencies())]
    for taking, taker in ((function, parameter) for function in functions for parameter in function.parameters):
        left = _LEFT_BY_ROLE.get(taker.role, FROM_BODY)
        for function in functions:
            for parameter in function.parameters:
                needs_body = parameter.sources and FROM_BODY.issuperset(parameter.sources)
                if function is not taking and needs_body and left.isdisjoint(parameter.sources):
                    return [_make_problem(site, report_taken_body(taker, parameter))]
    return []
