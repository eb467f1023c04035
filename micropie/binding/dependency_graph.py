"""What a handler depends on, read when its route is made: each function's own signature, and those below that.

The result is the handler's signature again, its dependencies filled in. Each function is read once for a route, so that
whoever depends on it gets one and the same result. What cannot work is refused here, with the remedy.
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

_LEAVES: Final[Mapping[Role, frozenset[Source]]] = {
    Role.STREAM: frozenset(),
    Role.LINES: frozenset(),
    Role.RAW: FROM_BODY - {"file"},  # which stays in memory, and can be read again, but is not taken apart
}
"""What of a body others may read all the same."""


class Site(msgspec.Struct, frozen=True, eq=False):
    """The handler whose dependencies are read."""

    handler: Function
    where: str
    """Its name in problems."""
    owner: object
    """The App or Resource: a method of its class is called on it."""
    path_values: Mapping[str, int]
    """The index of each of its path values, by name."""
    websocket: bool


def read_dependencies(
    signature: Signature, site: Site, template: Sequence[str] | None
) -> tuple[Signature, list[SetupProblem]]:
    """`signature`, of the handler of `site`, with its dependencies read; and every reason why one cannot work.

    `template` holds the names in its `@route` path, if it has one.
    """
    whole, problems = expand_dependencies(signature, site, {})
    taken = index_path_values(whole)
    errors = [report_untaken_value(name) for name in template or () if name not in taken]
    return whole, problems + [_make_problem(site, error) for error in errors]


def index_path_values(signature: Signature) -> Mapping[str, int]:
    """The index of each path value that `signature` takes, by the name of its parameter."""
    inputs = signature.inputs()
    return {one.name: one.index for one in inputs if one.index is not None and one.kind is not Kind.VAR_POSITIONAL}


def expand_dependencies(signature: Signature, site: Site, overrides: Overrides) -> tuple[Signature, list[SetupProblem]]:
    """`signature` with its dependencies read, `overrides` in place of those that they override; and what is wrong."""
    reader = _Reader(site, overrides)
    whole = reader.expanded(signature, site.handler, site.owner, (site.where,))
    return _with_rest(whole), reader.problems + _shared_body(site, whole)


def _make_problem(site: Site, error: SignatureError) -> SetupProblem:
    return SetupProblem(site.where, error.what, error.remedy, *locate_function(site.handler))


class _Reader:
    """Reads what one handler depends on."""

    def __init__(self, site: Site, overrides: Overrides) -> None:
        self._site = site
        self._overrides = overrides
        self._known: dict[object, Dependency] = {}
        self._being_read: list[object] = []
        self.problems: list[SetupProblem] = []

    def expanded(
        self, signature: Signature, function: Function, receiver: object, within: tuple[str, ...]
    ) -> Signature:
        """`signature`, of `function`, with the dependencies of its parameters read.

        `receiver` is the object that it is a method of, and `within` the names from the handler down to it.
        """
        found: list[Parameter] = []
        for one in signature.parameters:
            if one.dependency is not None:
                written = one.dependency.written or one.dependency.function
                called = self._overriding(written, receiver)
                if callable(called):
                    one = replace(one, dependency=self._read(called, written, within))
                else:
                    self._refuse(within, function, *_not_callable(written, called))
            found.append(one)
        return replace(signature, parameters=tuple(found))

    def _read(self, function: Function, written: Function, within: tuple[str, ...]) -> Dependency:
        key, within = _key(function), (*within, _named(function).__qualname__.rpartition("<locals>.")[2])
        if key in self._being_read:
            what = f"depends on itself: {' → '.join(within[1 + self._being_read.index(key) :])}"
            self._refuse(within[:1], function, what, "Take what they need of each other into a function of its own")
            return Dependency(function, qualified_name(function))
        if key in self._known:
            return self._known[key]
        self._being_read.append(key)
        signature = self._signature(function, within)
        self._known[key] = found = Dependency(function, qualified_name(function), signature, written)
        self._being_read.pop()
        return found

    def _overriding(self, written: Function, receiver: object) -> object:
        """What is called for `written`: an override goes by that, or by the method that it is."""
        function = _method(written, receiver)
        names: list[Any] = [written, function, getattr(function, "__func__", None)] if self._overrides else []
        overriding = [self._overrides[one] for one in names if _has_hash(one) and one in self._overrides]
        return _method(overriding[0], receiver) if overriding else function

    def _signature(self, function: Function, within: tuple[str, ...]) -> Signature:
        code = unwrap_callable(function)
        if code is function and _lacks_self(code):
            what = "is a method, and there is no object here on which it could be called"
            self._refuse(within, function, what, "Depend on it from its own class, or on a method of an object")
            return Signature((), None)
        receiver = _receiver(function)
        where = " → ".join(within)
        owner = function if isinstance(function, type) else type(receiver) if receiver is not None else None
        site = self._site
        signature, problems = read_signature(
            function, where, owner=owner, websocket=site.websocket, path_values=site.path_values
        )
        self.problems += problems
        return self.expanded(signature, function, receiver, within)

    def _refuse(self, within: Sequence[str], function: Any, what: str, remedy: str) -> None:
        self.problems.append(SetupProblem(" → ".join(within), what, remedy, *locate_function(function)))


def qualified_name(function: Any) -> str:
    """`module.function`; of an object that can be called, its class."""
    return f"{_named(function).__module__}.{_named(function).__qualname__}"


def _named(function: Any) -> Any:
    if isinstance(function, partial):
        return _named(function.func)
    return function if hasattr(function, "__qualname__") else type(function)


def _not_callable(written: object, function: object) -> tuple[str, str]:
    """What is wrong with something that cannot be called, and the remedy."""
    if function is written:
        return f"Depends({function!r}) names nothing that can be called", "Write Depends(function), without a call"
    what = f"{function!r} cannot be called, and stands in `overrides` for {qualified_name(written)}"
    return what, "Override a function with a function: overrides[function] = lambda: value"


def _key(function: Function) -> object:
    """What two uses of one function have in common: methods of one object are equal, but not the same."""
    return function if _has_hash(function) else id(function)


def _has_hash(function: object) -> bool:
    try:
        hash(function)
    except TypeError:
        return False
    return True


def _method(function: Any, receiver: object) -> Function:
    """`function`, or where the class of `receiver` has it as a method, that method of `receiver`."""
    names = (name for base in type(receiver).__mro__ for name, value in vars(base).items() if value is function)
    name = next(names, None) if not isinstance(function, MethodType | type) else None
    found: Function = function.__func__ if isinstance(function, staticmethod) else function
    return found if name is None else getattr(receiver, name)


def _receiver(function: Any) -> object:
    """The object that `function` is a method of, or that is called itself."""
    code = unwrap_callable(function)
    return code.__self__ if isinstance(code, MethodType) else None


def _lacks_self(function: Any) -> bool:
    """Whether `function` was written as a method, and is not one here."""
    if not isinstance(function, FunctionType) or "." not in function.__qualname__.rpartition("<locals>.")[2]:
        return False
    return "self" in inspect.unwrap(function).__code__.co_varnames[:1]


def _with_rest(signature: Signature) -> Signature:
    """`signature`, the handler's `**kwargs` without the names that its dependencies read."""
    read = {one.alias for dependency in signature.dependencies() for one in dependency.signature.parameters}
    return replace(signature, parameters=tuple(_without_names(one, read) for one in signature.parameters))


def _without_names(parameter: Parameter, names: set[str]) -> Parameter:
    if parameter.kind is not Kind.VAR_KEYWORD:
        return parameter
    return replace(parameter, excluded=parameter.excluded | names)


def _shared_body(site: Site, signature: Signature) -> list[SetupProblem]:
    """One function that reads the body as it comes, and another that needs something of it."""
    functions = [signature, *(dependency.signature for dependency in signature.dependencies())]
    found = [(number, one) for number, function in enumerate(functions) for one in function.parameters]
    for number, taker in found:
        left = _LEAVES.get(taker.role, FROM_BODY)
        others = [one for other, one in found if other != number and one.sources and left.isdisjoint(one.sources)]
        needing = [one for one in others if FROM_BODY.issuperset(one.sources)]
        if needing:
            return [_make_problem(site, report_taken_body(taker, needing[0]))]
    return []
