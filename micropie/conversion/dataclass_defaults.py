"""Defaults of plain dataclasses, set on each instance that msgspec made.

msgspec leaves a default that is no factory to the class, where attribute access finds it, but encoding does not: what
came in without that field would go out without it. Types without such dataclasses cost nothing.
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
    """What completes a value of `info`, in which `inside` are all types there are; None where nothing is to be done."""
    if any(isinstance(part, mi.DataclassType) and _class_defaults(part) for part in inside):
        return partial(_completed, info)
    return None


def _class_defaults(info: mi.DataclassType) -> dict[str, Any]:
    cls = get_origin(info.cls) or info.cls
    if not dataclasses.is_dataclass(cls):  # attrs sets its own
        return {}
    return {field.name: field.default for field in info.fields if field.default is not NODEFAULT}


def _completed(info: mi.Type, value: T) -> T:
    _complete(info, value)
    return value


def _complete(info: Any, value: Any) -> None:
    """Set the defaults in `value`, an `info`, and in all that it holds."""
    info = unwrap_metadata(info)
    if isinstance(info, mi.DataclassType) and hasattr(value, "__dict__"):
        values = vars(value)
        for name, default in _class_defaults(info).items():
            values.setdefault(name, default)
    for part, item in _held(info, value):
        _complete(part, item)


def _held(info: Any, value: Any) -> Iterable[tuple[Any, Any]]:
    """What `value` directly holds, each with its type."""
    if isinstance(info, mi.UnionType):
        return [(member, value) for member in map(unwrap_metadata, info.types) if _may_be(member, value)]
    if isinstance(info, ARRAYS):
        return [(info.item_type, item) for item in value]
    if isinstance(info, mi.TupleType):
        return zip(info.item_types, value, strict=True)
    if isinstance(info, mi.DictType):
        return [(info.value_type, item) for item in value.values()]
    if isinstance(info, mi.TypedDictType):
        return [(field.type, value[field.name]) for field in info.fields if field.name in value]
    return [(field.type, getattr(value, field.name)) for field in getattr(info, "fields", ())]


def _may_be(member: Any, value: Any) -> bool:
    """Whether `value` is of this member of a union, if the member can hold anything at all."""
    if isinstance(member, (*ARRAYS, mi.TupleType)):
        return isinstance(value, list | tuple | set | frozenset)
    if isinstance(member, mi.DictType | mi.TypedDictType):
        return isinstance(value, dict)
    cls = getattr(member, "cls", None)
    return hasattr(member, "fields") and isinstance(value, get_origin(cls) or cls or ())
