"""This module sets the defaults of plain dataclasses on the instances that msgspec made.

msgspec leaves a default without a factory to the class. Attribute access finds it there, but encoding does not: a value
that came in without that field would go out without it. Types without such dataclasses cost nothing.
"""

import dataclasses
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar, get_origin

from msgspec import NODEFAULT
from msgspec import inspect as mi

from .type_info import ARRAYS, unwrap_metadata

T = TypeVar("T")


def make_defaults_filler(info: mi.Type, inside: Iterable[mi.Type]) -> Callable[[T], T] | None:
    """Return a function that sets the defaults in a value of `info` and returns it; None if there are none to set.

    `inside` are the types that are part of `info`.
    """
    if any(isinstance(part, mi.DataclassType) and _read_class_defaults(part) for part in inside):
        return partial(_fill, info)
    return None


def _read_class_defaults(info: mi.DataclassType) -> dict[str, Any]:
    cls = get_origin(info.cls) or info.cls
    if not dataclasses.is_dataclass(cls):  # attrs sets its own
        return {}
    return {field.name: field.default for field in info.fields if field.default is not NODEFAULT}


def _fill(info: mi.Type, value: T) -> T:
    _set_defaults(info, value)
    return value


def _set_defaults(info: Any, value: Any) -> None:
    """Set the defaults in `value`, which is an `info`, and in its parts."""
    info = unwrap_metadata(info)
    if isinstance(info, mi.DataclassType) and hasattr(value, "__dict__"):
        values = vars(value)
        for name, default in _read_class_defaults(info).items():
            values.setdefault(name, default)
    for part, item in _list_parts(info, value):
        _set_defaults(part, item)


def _list_parts(info: Any, value: Any) -> Iterable[tuple[Any, Any]]:
    """Return the direct parts of `value`, each after its type."""
    if isinstance(info, mi.UnionType):
        return [(member, value) for member in map(unwrap_metadata, info.types) if _is_instance(member, value)]
    if isinstance(info, ARRAYS):
        return [(info.item_type, item) for item in value]
    if isinstance(info, mi.TupleType):
        return zip(info.item_types, value, strict=True)
    if isinstance(info, mi.DictType):
        return [(info.value_type, item) for item in value.values()]
    if isinstance(info, mi.TypedDictType):
        return [(field.type, value[field.name]) for field in info.fields if field.name in value]
    return [(field.type, getattr(value, field.name)) for field in getattr(info, "fields", ())]


def _is_instance(member: Any, value: Any) -> bool:
    """Return True if `value` is of the union's `member`, and that member has parts."""
    if isinstance(member, (*ARRAYS, mi.TupleType)):
        return isinstance(value, list | tuple | set | frozenset)
    if isinstance(member, mi.DictType | mi.TypedDictType):
        return isinstance(value, dict)
    cls = getattr(member, "cls", None)
    return hasattr(member, "fields") and isinstance(value, get_origin(cls) or cls or ())
