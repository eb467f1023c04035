"""This module writes types, constraints and defaults as people write them, for lists of URLs and messages."""

import inspect
from types import NoneType, UnionType
from typing import Any, Final, Literal, NewType, Union, get_args, get_origin

import msgspec

from ..binding.signature import Parameter
from ..conversion.unwrap_annotated import unwrap_annotated
from ..routing.route import Route
from ..sentinels import UNSET


def get_class_name(value: object) -> str:
    """Return `module.name` of a class or function; of any other object, that of its class."""
    named = value if isinstance(value, type) or inspect.isroutine(value) else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def format_return_type(route: Route) -> str:
    """Return a handler's return type as text; `""` if it has no return annotation."""
    if route.signature.returns is not None:
        return format_type(route.signature.returns.annotation)
    try:
        annotation = inspect.signature(route.handler).return_annotation
    except (TypeError, ValueError):
        return ""
    return format_type(annotation)


def format_parameter_type(parameter: Parameter) -> str:
    """Return a parameter's type with its constraints, as `int (ge=1, le=5)`; `""` if it has no annotation."""
    limits = ", ".join(f"{name}={value!r}" for name, value in read_meta(parameter).items())
    return format_type(parameter.annotation) + (f" ({limits})" if limits else "")


def read_meta(parameter: Parameter) -> dict[str, object]:
    """Return the constraints of a parameter's `msgspec.Meta`, by their names there."""
    _, metadata = unwrap_annotated(parameter.annotation)
    constraints = {}
    for meta in metadata:
        if isinstance(meta, msgspec.Meta):
            values = {name: getattr(meta, name) for name in _CONSTRAINTS}
            constraints.update({name: value for name, value in values.items() if value is not None})
    return constraints


_CONSTRAINTS: Final = ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length", "tz")


def format_default(parameter: Parameter) -> str | None:
    """Return the `repr` of a parameter's default; None without a default."""
    return None if parameter.default is UNSET else repr(parameter.default)


def format_type(annotation: Any) -> str:
    """Return `annotation` as short text, without modules and metadata; `""` for a missing annotation."""
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
    return _format_generic(plain)


def _format_generic(annotation: Any) -> str:
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
