"""Annotations written as strings, turned into types: also those from inside functions and under `TYPE_CHECKING`.

A name is looked for where Python would, then where the class was defined, then among the imports that only type
checkers run. It knows nothing of what the types are for.
"""

import ast
import importlib
import inspect
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from types import FrameType, ModuleType
from typing import Any, Final

_LOCALS: Final = "__micropie_locals__"


def remember_locals(cls: type, frame: FrameType | None) -> None:
    """Keep the names that a class defined inside a function can see there; its annotations may need them later."""
    made_again = _LOCALS in cls.__dict__  # @dataclass(slots=True) makes a class twice, the second time from elsewhere
    if frame is not None and frame.f_locals is not frame.f_globals and not made_again:
        setattr(cls, _LOCALS, {name: value for name, value in frame.f_locals.items() if _names_a_type(value)})


def _names_a_type(value: object) -> bool:
    return isinstance(value, type | typing.TypeVar | typing.NewType) or typing.get_origin(value) is not None


def resolve(function: Callable[..., Any], annotation: object, owner: type | None) -> Any:
    """The type that `annotation` of `function`, a method of `owner`, stands for.

    Raises NameError for a name that is nowhere, and whatever evaluating the annotation raises.
    """
    if not isinstance(annotation, str):
        return annotation
    names = _Names(inspect.unwrap(function), owner)
    # The text is the annotation in the user's own source, evaluated as `typing.get_type_hints` would.
    evaluated = eval(annotation, {"__builtins__": {}}, names)  # noqa: S307
    return _without_forward_references(evaluated, names)


def _without_forward_references(annotation: Any, names: "_Names") -> Any:
    """`annotation` with strings inside it (`list["Todo"]`) resolved too."""
    if isinstance(annotation, str):
        return eval(annotation, {"__builtins__": {}}, names)  # noqa: S307  (as above)
    if isinstance(annotation, typing.ForwardRef):
        return eval(annotation.__forward_arg__, {"__builtins__": {}}, names)  # noqa: S307  (as above)
    return annotation


class _Names(Mapping[str, Any]):
    """Every name that an annotation of `function` may use, in the order in which Python and type checkers look."""

    def __init__(self, function: Callable[..., Any], owner: type | None) -> None:
        self._function = function
        self._owner = owner

    def __getitem__(self, name: str) -> Any:
        for names in self._scopes():
            if name in names:
                return names[name]
        return _type_checking_import(self._module(), name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def _module(self) -> ModuleType | None:
        return sys.modules.get(getattr(self._function, "__module__", ""))

    def _scopes(self) -> Iterator[Mapping[str, Any]]:
        yield _closure(self._function)
        for cls in self._owner.__mro__ if self._owner is not None else ():
            yield cls.__dict__.get(_LOCALS, {})
        yield getattr(self._function, "__globals__", {})
        yield importlib.import_module("builtins").__dict__
        for cls in self._owner.__mro__ if self._owner is not None else ():
            yield cls.__dict__
        yield from _calling_scopes()


def _closure(function: Callable[..., Any]) -> dict[str, Any]:
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    found = {}
    for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return found


def _calling_scopes() -> Iterator[Mapping[str, Any]]:
    """The locals of the functions that are making the app: where classes inside a function have their types."""
    frame = inspect.currentframe()
    while frame is not None:
        names = frame.f_locals
        ours = frame.f_globals.get("__name__", "").startswith("micropie.") or isinstance(names, _Names)
        if names is not frame.f_globals and not ours:
            yield names
        frame = frame.f_back


def _type_checking_import(module: ModuleType | None, name: str) -> Any:
    """`name` as an `if TYPE_CHECKING:` block of `module` would have imported it. Raises KeyError."""
    if module is None:
        raise KeyError(name)
    for statement in _type_checking_statements(module):
        if isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                if name == (alias.asname or alias.name):
                    source = "." * statement.level + (statement.module or "")
                    return getattr(importlib.import_module(source, module.__package__), alias.name)
        elif isinstance(statement, ast.Import):
            for alias in statement.names:
                if name == (alias.asname or alias.name.partition(".")[0]):
                    found = importlib.import_module(alias.name)
                    return found if alias.asname else sys.modules[name]
    raise KeyError(name)


def _type_checking_statements(module: ModuleType) -> Iterator[ast.stmt]:
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            yield from node.body
