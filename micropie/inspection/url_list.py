"""Every URL of an app as data, and types as people write them: what lists, checks or explains an app starts from.

It reads what was built when the app was made and decides nothing itself. How it is printed is the command line's.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Final, Literal, NewType, TypeAlias, Union, get_args, get_origin

import msgspec

from ..app.application import App
from ..binding.signature import Kind, Parameter
from ..conversion.converter import strip
from ..routing.match import Mount, Route, Table, Trail
from ..types import UNSET

Protocol: TypeAlias = Literal["http", "websocket", "mount"]

STARS: Final = {Kind.VAR_POSITIONAL: "*", Kind.VAR_KEYWORD: "**"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One URL, and what answers it."""

    url: str
    """From the outermost app on, path values in braces."""
    protocol: Protocol
    answer: Route | Mount
    trail: Trail
    """The way from the outermost app to the App or Resource that holds it."""

    @property
    def methods(self) -> tuple[str, ...]:
        """The HTTP methods that it answers; none where it answers all, or where that is not its to say."""
        return tuple(sorted(self.answer.methods or ())) if isinstance(self.answer, Route) else ()

    @property
    def owner(self) -> Any:
        """The App or Resource that holds it."""
        return self.trail[-1].owner


def inventory(app: App) -> list[Entry]:
    """Every URL of `app`, of the apps it holds and of the micropie apps mounted in it, by URL."""
    found = _below(app._trail, "", (app,))
    return sorted(found, key=lambda entry: (entry.url, entry.protocol, entry.methods))


def _below(trail: Trail, prefix: str, mounted_in: tuple[object, ...]) -> Iterator[Entry]:
    node = trail[-1]
    tables: tuple[tuple[Protocol, Table], ...] = (("http", node.http), ("websocket", node.sockets))
    for protocol, table in tables:
        for made in table_routes(table):
            yield Entry((prefix + made.path.rstrip("/")) or "/", protocol, made, trail)
    for name, child in node.children.items():
        if child not in trail:
            yield from _below((*trail, child), f"{prefix}/{name}", mounted_in)
    for segments, mounted in node.mounts.items():
        url = "/".join((prefix, *segments))
        yield Entry(url or "/", "mount", Mount(mounted), trail)
        if isinstance(mounted, App) and all(mounted is not one for one in mounted_in):
            yield from _below(mounted._trail, url, (*mounted_in, mounted))


def table_routes(table: Table) -> list[Route]:
    """Every route of one table, each once."""
    templates = table.templates.walk() if table.templates is not None else ()
    return list(dict.fromkeys((*table.named.values(), *table.verbs.values(), *templates)))


def taken(route: Route) -> list[tuple[str, Parameter]]:
    """The parameters of a handler, then what the functions that it depends on take, each with that function's name."""
    own, others = route.signature.parameters, route.signature.dependencies()
    of_others = [(one.name, parameter) for one in others for parameter in one.signature.parameters if parameter.sources]
    return [*(("", parameter) for parameter in own), *of_others]


def place(function: Callable[..., Any]) -> tuple[str, int] | tuple[None, None]:
    """The file and the line at which `function` is written, a decorator's if it has one."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code is not None else (None, None)


def class_name(thing: object) -> str:
    """What `thing` is called: a class or a function by its own name, anything else by its class's."""
    named = thing if isinstance(thing, type) or inspect.isroutine(thing) else type(thing)
    return f"{named.__module__}.{named.__qualname__}"


# Types, as people write them


def return_text(route: Route) -> str:
    """A handler's return type; `""` where none is written."""
    if route.signature.returns is not None:
        return type_text(route.signature.returns.annotation)
    try:
        written = inspect.signature(route.handler).return_annotation
    except (TypeError, ValueError):
        return ""
    return type_text(written)


def parameter_text(parameter: Parameter) -> str:
    """A parameter's type with its constraints: `int (ge=1, le=5)`; `""` where none is written."""
    limits = ", ".join(f"{name}={value!r}" for name, value in constraints_of(parameter).items())
    return type_text(parameter.annotation) + (f" ({limits})" if limits else "")


def constraints_of(parameter: Parameter) -> dict[str, object]:
    """What `msgspec.Meta` demands beside a parameter's type, by its own names."""
    _, metadata = strip(parameter.annotation)
    found = {}
    for meta in metadata:
        if isinstance(meta, msgspec.Meta):
            values = {name: getattr(meta, name) for name in _CONSTRAINTS}
            found.update({name: value for name, value in values.items() if value is not None})
    return found


_CONSTRAINTS: Final = ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length", "tz")


def default_text(parameter: Parameter) -> str | None:
    """A parameter's default, as Python writes it; None without one."""
    return None if parameter.default is UNSET else repr(parameter.default)


def type_text(annotation: Any) -> str:
    """`annotation` in short: no modules, no metadata; `""` for none at all."""
    if annotation is inspect.Parameter.empty:
        return ""
    if annotation in (None, NoneType):
        return "None"
    if annotation is Ellipsis:
        return "..."
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, list):  # the arguments of a Callable
        return f"[{', '.join(map(type_text, annotation))}]"
    if isinstance(annotation, NewType) or type(annotation).__name__ == "TypeAliasType":
        return str(annotation.__name__)
    plain, _ = strip(annotation)
    if plain is not annotation:
        return type_text(plain)
    return _generic_text(plain)


def _generic_text(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return " | ".join(map(type_text, arguments))
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if origin is not None and arguments:
        return f"{type_text(origin)}[{', '.join(map(type_text, arguments))}]"
    if isinstance(annotation, type):
        return annotation.__name__
    return str(annotation).removeprefix("typing.")
