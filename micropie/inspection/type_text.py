"""To be described."""

import inspect
from types import NoneType, UnionType
from typing import Any, Final, Literal, NewType, Union, get_args, get_origin

import msgspec

from ..binding.signature import Parameter
from ..conversion.unwrap_annotated import unwrap_annotated
from ..routing.route import Route
from ..sentinels import UNSET


def get_class_name(thing: object) -> str:
    """What `thing` is called: a class or a function by its own name, anything else by its class's."""
    named = thing if isinstance(thing, type) or inspect.isroutine(thing) else type(thing)
    return f"{named.__module__}.{named.__qualname__}"


def format_return_type(route: Route) -> str:
    """A handler's return type; `""` where none is written."""
    if route.signature.returns is not None:
        return format_type(route.signature.returns.annotation)
    try:
        written = inspect.signature(route.handler).return_annotation
    except (TypeError, ValueError):
        return ""
    return format_type(written)


def format_parameter_type(parameter: Parameter) -> str:
    """A parameter's type with its constraints: `int (ge=1, le=5)`; `""` where none is written."""
    limits = ", ".join(f"{name}={value!r}" for name, value in read_meta(parameter).items())
    return format_type(parameter.annotation) + (f" ({limits})" if limits else "")


def read_meta(parameter: Parameter) -> dict[str, object]:
    """What `msgspec.Meta` demands beside a parameter's type, by its own names."""
    _, metadata = unwrap_annotated(parameter.annotation)
    found = {}
    for meta in metadata:
        if isinstance(meta, msgspec.Meta):
            values = {name: getattr(meta, name) for name in _CONSTRAINTS}
            found.update({name: value for name, value in values.items() if value is not None})
    return found


_CONSTRAINTS: Final = ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length", "tz")


def format_default(parameter: Parameter) -> str | None:
    """A parameter's default, as Python writes it; None without one."""
    return None if parameter.default is UNSET else repr(parameter.default)


def format_type(annotation: Any) -> str:
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
        return f"[{', '.join(map(format_type, annotation))}]"
    if isinstance(annotation, NewType) or type(annotation).__name__ == "TypeAliasType":
        return str(annotation.__name__)
    plain, _ = unwrap_annotated(annotation)
    if plain is not annotation:
        return format_type(plain)
    return _generic_text(plain)


def _generic_text(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return " | ".join(map(format_type, arguments))
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if origin is not None and arguments:
        return f"{format_type(origin)}[{', '.join(map(format_type, arguments))}]"
    if isinstance(annotation, type):
        return annotation.__name__
    return str(annotation).removeprefix("typing.")
