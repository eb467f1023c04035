"""Annotations written as strings, turned into types: also those from inside functions and under `TYPE_CHECKING`.

A name is looked for where Python would, then where the class was defined, then where the app is being made, then among
the imports that only type checkers run. It knows nothing of what the types are for.
"""

import ast
import builtins
import inspect
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import FrameType, FunctionType, ModuleType, NoneType, SimpleNamespace
from typing import Any, Final

_LOCALS: Final = "__micropie_locals__"
_STRINGS: Final = (str, typing.ForwardRef, list)  # a list: of what a Callable takes


def remember_locals(cls: type, frame: FrameType | None) -> None:
    """Keep the names that a class defined inside a function can see there; its annotations may need them later.

    `frame` is where the class is being made, or anything called from there.
    """
    function = cls.__qualname__.rpartition(".<locals>.")[0]
    while function and frame is not None:
        if frame.f_code.co_qualname == function:
            setattr(cls, _LOCALS, {name: value for name, value in frame.f_locals.items() if _is_named(value)})
            return
        frame = frame.f_back


def _is_named_by_types(value: object) -> bool:
    """Whether an annotation may name `value`: what else the function holds is not kept alive for it."""
    plain = isinstance(value, type | typing.TypeVar | typing.NewType | ModuleType)
    return plain or typing.get_origin(value) is not None or type(value).__name__ in ("TypeAliasType", "Meta")


def _is_named(value: object) -> bool:
    """Whether an annotation may name `value`, the function in `Depends(function)` included."""
    return isinstance(value, FunctionType) or _is_named_by_types(value)


def resolve_annotation(function: Callable[..., Any], annotation: object, owner: type | None) -> Any:
    """The type that `annotation` of `function`, a method of `owner`, stands for; strings inside it are resolved too.

    Raises NameError for a name that is nowhere, and whatever evaluating the annotation raises.
    """
    found = annotation if annotation is not None else NoneType
    if _holds_strings(annotation):
        holder = SimpleNamespace(__annotations__={"it": annotation})
        while isinstance(function, partial):
            function = function.func
        names: Any = _Names(inspect.unwrap(function), owner)
        found = typing.get_type_hints(holder, globalns={}, localns=names, include_extras=True)["it"]
    return _substituted(found, _type_arguments(owner, function)) if find_type_variables(found) else found


def _holds_strings(annotation: object) -> bool:
    """Whether something in `annotation` may have been written as a string: most have nothing to be resolved."""
    if isinstance(annotation, type):
        return False
    return isinstance(annotation, _STRINGS) or any(map(_holds_strings, typing.get_args(annotation)))


def find_type_variables(annotation: Any) -> tuple[Any, ...]:
    """The type variables in `annotation` that stand for nothing yet. A generic class by its bare name has none."""
    if isinstance(annotation, typing.TypeVar):
        return (annotation,)
    return () if isinstance(annotation, type) else getattr(annotation, "__parameters__", ())


def _substituted(annotation: Any, known: Mapping[Any, Any]) -> Any:
    """`annotation` with the type variables that are `known` replaced."""
    if isinstance(annotation, typing.TypeVar):
        return known.get(annotation, annotation)
    variables = find_type_variables(annotation)
    if not any(variable in known for variable in variables):
        return annotation
    return annotation[tuple(known.get(variable, variable) for variable in variables)]


def _type_arguments(owner: type | None, function: Callable[..., Any]) -> Mapping[Any, Any]:
    """What the type variables of the class that defines `function` are in `owner`, which derives from it."""
    for cls, known in _generic_bases(owner, {}) if owner is not None else ():
        if any(_plain(value) is _plain(function) for value in vars(cls).values()):
            return known
    return {}


def _plain(method: Any) -> Any:
    """The function that a method, of whatever kind, and its decorators are around."""
    return inspect.unwrap(getattr(method, "__func__", method)) if callable(method) else method


def _generic_bases(cls: type, known: Mapping[Any, Any]) -> Iterator[tuple[type, Mapping[Any, Any]]]:
    """`cls` and the classes above it, each with what its own type variables are."""
    yield cls, known
    written = {typing.get_origin(base): typing.get_args(base) for base in getattr(cls, "__orig_bases__", ())}
    for base in cls.__bases__:
        variables = getattr(base, "__parameters__", ())
        arguments = written.get(base, ())
        inner = {variable: _substituted(given, known) for variable, given in zip(variables, arguments, strict=False)}
        yield from _generic_bases(base, inner)


class _Names:
    """Every name that an annotation of `function` may use, in the order in which Python and type checkers look.

    As much of a mapping as `eval` asks of the local names.
    """

    def __init__(self, function: Callable[..., Any], owner: type | None) -> None:
        self._function = function
        self._owner = owner

    def __getitem__(self, name: str) -> Any:
        for names in self._scopes():
            if name in names:
                return names[name]
        return _type_checking_import(self._module(), name)

    def _module(self) -> ModuleType | None:
        return sys.modules.get(getattr(self._function, "__module__", ""))

    def _scopes(self) -> Iterator[Mapping[str, Any]]:
        classes = self._owner.__mro__ if self._owner is not None else ()
        yield from map(_class_scope, classes)
        yield _closure(self._function)
        for cls in classes:
            yield cls.__dict__.get(_LOCALS, {})
        yield getattr(self._function, "__globals__", None) or vars(self._module() or builtins)
        yield vars(builtins)
        yield from _calling_scopes(_is_named_by_types)
        # A method goes last: where it is called as a type is, an annotation means the type.
        yield from map(vars, classes)
        yield from _calling_scopes(callable)


def _class_scope(cls: type) -> dict[str, Any]:
    """What a class defines for its annotations: a method `list` is not what `list[int]` means."""
    return {name: value for name, value in vars(cls).items() if _is_named_by_types(value)}


def _closure(function: Callable[..., Any]) -> dict[str, Any]:
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    found = {}
    for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return found


def _calling_scopes(wanted: Callable[[object], bool]) -> Iterator[Mapping[str, Any]]:
    """What is `wanted` in the functions that are making the app: where classes inside a function have their types."""
    frame = inspect.currentframe()
    while frame is not None:
        names, module = frame.f_locals, frame.f_globals.get("__name__", "")
        ours = module == "typing" or module.startswith("micropie.") or isinstance(names, _Names)
        if names is not frame.f_globals and not ours:
            yield {name: value for name, value in names.items() if wanted(value)}
        frame = frame.f_back


def _type_checking_import(module: ModuleType | None, name: str) -> Any:
    """`name` as an `if TYPE_CHECKING:` block of `module` would have imported it. Raises KeyError, ImportError."""
    if module is None:
        raise KeyError(name)
    for statement in _type_checking_imports(module):
        if any(name == (alias.asname or alias.name.partition(".")[0]) for alias in statement.names):
            block = compile(ast.Module([statement], []), f"<TYPE_CHECKING of {module.__name__}>", "exec")
            names = {"__name__": module.__name__, "__package__": module.__package__}
            exec(block, names)  # noqa: S102  (an import that is in the user's own source)
            return names[name]
    raise KeyError(name)


def _type_checking_imports(module: ModuleType) -> Iterator[ast.Import | ast.ImportFrom]:
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            yield from (one for one in node.body if isinstance(one, ast.Import | ast.ImportFrom))
