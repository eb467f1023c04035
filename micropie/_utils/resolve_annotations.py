"""This module resolves annotations that are strings, also those inside functions and under `TYPE_CHECKING`.

A name is looked up where Python would, then where the class was defined, then where the app is being created, and last
among the imports that only type checkers run.
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
_STRINGS: Final = (str, typing.ForwardRef, list)  # a list holds the parameters of a Callable


def remember_locals(cls: type, frame: FrameType | None) -> None:
    """Keep the local names that a class defined inside a function can use, because its annotations may need them later.

    `frame` is the frame that creates the class, or one that was called from there.
    """
    function = cls.__qualname__.rpartition(".<locals>.")[0]
    while function and frame is not None:
        if frame.f_code.co_qualname == function:
            setattr(cls, _LOCALS, {name: value for name, value in frame.f_locals.items() if _is_named(value)})
            return
        frame = frame.f_back


def _is_named_by_types(value: object) -> bool:
    """Return True if a type may be written with `value`. A function's other locals must not be kept alive."""
    is_plain = isinstance(value, type | typing.TypeVar | typing.NewType | ModuleType)
    return is_plain or typing.get_origin(value) is not None or type(value).__name__ in ("TypeAliasType", "Meta")


def _is_named(value: object) -> bool:
    """Return True if an annotation may name `value`, as a type or as the function in `Depends(function)`."""
    return isinstance(value, FunctionType) or _is_named_by_types(value)


def resolve_annotation(function: Callable[..., Any], annotation: object, owner: type | None) -> Any:
    """Return the type that `annotation` of `function`, a method of `owner`, stands for, without strings inside it.

    Raises NameError for a name that is defined nowhere, and whatever evaluating the annotation raises.
    """
    resolved = annotation if annotation is not None else NoneType
    if _has_strings(annotation):
        holder = SimpleNamespace(__annotations__={"it": annotation})
        while isinstance(function, partial):
            function = function.func
        names: Any = _Names(inspect.unwrap(function), owner)
        resolved = typing.get_type_hints(holder, globalns={}, localns=names, include_extras=True)["it"]
    if not find_type_variables(resolved):
        return resolved
    return _substitute(resolved, _find_type_arguments(owner, function))


def _has_strings(annotation: object) -> bool:
    """Return True if part of `annotation` may be a string. Most annotations hold none, and need no resolving."""
    if isinstance(annotation, type):
        return False
    return isinstance(annotation, _STRINGS) or any(map(_has_strings, typing.get_args(annotation)))


def find_type_variables(annotation: Any) -> tuple[Any, ...]:
    """Return the type variables in `annotation` that have no argument. A generic class by its bare name has none."""
    if isinstance(annotation, typing.TypeVar):
        return (annotation,)
    return () if isinstance(annotation, type) else getattr(annotation, "__parameters__", ())


def _substitute(annotation: Any, arguments: Mapping[Any, Any]) -> Any:
    """Return `annotation` with the type variables that have `arguments` replaced by them."""
    if isinstance(annotation, typing.TypeVar):
        return arguments.get(annotation, annotation)
    variables = find_type_variables(annotation)
    if not any(variable in arguments for variable in variables):
        return annotation
    return annotation[tuple(arguments.get(variable, variable) for variable in variables)]


def _find_type_arguments(owner: type | None, function: Callable[..., Any]) -> Mapping[Any, Any]:
    """Return the arguments that `owner` gives to the type variables of the base class that defines `function`."""
    for cls, arguments in _walk_bases(owner, {}) if owner is not None else ():
        if any(_unwrap_method(value) is _unwrap_method(function) for value in vars(cls).values()):
            return arguments
    return {}


def _unwrap_method(method: Any) -> Any:
    """Return the function inside a method of any kind and inside its decorators."""
    return inspect.unwrap(getattr(method, "__func__", method)) if callable(method) else method


def _walk_bases(cls: type, arguments: Mapping[Any, Any]) -> Iterator[tuple[type, Mapping[Any, Any]]]:
    """Yield `cls` and the classes above it, each with the arguments of its type variables."""
    yield cls, arguments
    written = {typing.get_origin(base): typing.get_args(base) for base in getattr(cls, "__orig_bases__", ())}
    for base in cls.__bases__:
        variables = getattr(base, "__parameters__", ())
        values = zip(variables, written.get(base, ()), strict=False)
        yield from _walk_bases(base, {variable: _substitute(value, arguments) for variable, value in values})


class _Names:
    """A mapping of every name that an annotation of `function` may use, looked up as Python and type checkers do.

    It has only the method that `eval` needs of a mapping of local names.
    """

    def __init__(self, function: Callable[..., Any], owner: type | None) -> None:
        self._function = function
        self._owner = owner

    def __getitem__(self, name: str) -> Any:
        for names in self._list_scopes():
            if name in names:
                return names[name]
        return _run_type_checking_import(self._get_module(), name)

    def _get_module(self) -> ModuleType | None:
        return sys.modules.get(getattr(self._function, "__module__", ""))

    def _list_scopes(self) -> Iterator[Mapping[str, Any]]:
        classes = self._owner.__mro__ if self._owner is not None else ()
        yield from map(_read_class_scope, classes)
        yield _read_closure(self._function)
        for cls in classes:
            yield cls.__dict__.get(_LOCALS, {})
        yield getattr(self._function, "__globals__", None) or vars(self._get_module() or builtins)
        yield vars(builtins)
        yield from _read_calling_scopes(_is_named_by_types)
        # Methods come last: where a method and a type have the same name, an annotation means the type.
        yield from map(vars, classes)
        yield from _read_calling_scopes(callable)


def _read_class_scope(cls: type) -> dict[str, Any]:
    """Return the types that a class defines. Methods are left out: `list[int]` does not mean a method `list`."""
    return {name: value for name, value in vars(cls).items() if _is_named_by_types(value)}


def _read_closure(function: Callable[..., Any]) -> dict[str, Any]:
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    values = {}
    for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=False):
        try:
            values[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return values


def _read_calling_scopes(is_wanted: Callable[[object], bool]) -> Iterator[Mapping[str, Any]]:
    """Yield the wanted locals of each function on the stack: the one that creates the app may define types."""
    frame = inspect.currentframe()
    while frame is not None:
        names, module = frame.f_locals, frame.f_globals.get("__name__", "")
        is_ours = module == "typing" or module.startswith("micropie.") or isinstance(names, _Names)
        if names is not frame.f_globals and not is_ours:
            yield {name: value for name, value in names.items() if is_wanted(value)}
        frame = frame.f_back


def _run_type_checking_import(module: ModuleType | None, name: str) -> Any:
    """Import `name` as an `if TYPE_CHECKING:` block of `module` does. Raises KeyError, ImportError."""
    if module is None:
        raise KeyError(name)
    for statement in _list_type_checking_imports(module):
        if any(name == (alias.asname or alias.name.partition(".")[0]) for alias in statement.names):
            block = compile(ast.Module([statement], []), f"<TYPE_CHECKING of {module.__name__}>", "exec")
            names = {"__name__": module.__name__, "__package__": module.__package__}
            exec(block, names)  # noqa: S102  (an import in the user's own source)
            return names[name]
    raise KeyError(name)


def _list_type_checking_imports(module: ModuleType) -> Iterator[ast.Import | ast.ImportFrom]:
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            yield from (inner for inner in node.body if isinstance(inner, ast.Import | ast.ImportFrom))


def resolve_class_annotations(annotation: Any) -> dict[str, Any]:
    """Return the types of the fields of a class, with the type arguments of `annotation` in place of its variables.

    Raises NameError for a name that is not defined in the module of the class, and whatever evaluating it raises.
    """
    cls = typing.get_origin(annotation) or annotation
    arguments = dict(zip(getattr(cls, "__parameters__", ()), typing.get_args(annotation), strict=False))
    types: dict[str, Any] = {}
    for base, values in reversed(list(_walk_bases(cls, arguments))):
        own = inspect.get_annotations(base)
        if own:
            hints = typing.get_type_hints(base, localns=base.__dict__.get(_LOCALS), include_extras=True)
            types.update({name: _substitute(hints[name], values) for name in own if name in hints})
    return types
