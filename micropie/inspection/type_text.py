"""To be described."""

import inspect
from types import NoneType, UnionType
from typing import Any, Final, Literal, NewType, Union, get_args, get_origin

import msgspec

from ..binding.signature import Parameter
from ..conversion.unwrap_annotated import strip
from ..routing.route import Route
from ..sentinels import UNSET


def class_name(thing: object) -> str:
    """What `thing` is called: a class or a function by its own name, anything else by its class's."""
    named = thing if isinstance(thing, type) or inspect.isroutine(thing) else type(thing)
    return f"{named.__module__}.{named.__qualname__}"


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
