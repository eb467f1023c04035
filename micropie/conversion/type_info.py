"""This module answers questions about a type's structure: its kind, its constraints, its parts.

It reads the descriptions of `msgspec.inspect` and nothing else: no value, no request. The words for a type are left to
`error_wording`.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeAlias, Union
from uuid import UUID

import msgspec
from msgspec import inspect as mi

SCALAR_TYPES: Final[Mapping[type[mi.Type], Any]] = {
    mi.IntType: int,
    mi.FloatType: float,
    mi.DecimalType: Decimal,
    mi.BoolType: bool,
    mi.StrType: str,
    mi.BytesType: bytes,
    mi.ByteArrayType: bytearray,
    mi.MemoryViewType: memoryview,
    mi.UUIDType: UUID,
    mi.DateTimeType: datetime,
    mi.DateType: date,
    mi.TimeType: time,
    mi.TimeDeltaType: timedelta,
    mi.NoneType: type(None),
}
"""The Python type of each description that has no parts and no choices."""
CHOICES: Final = (mi.EnumType, mi.LiteralType)
ARRAYS: Final = (mi.ListType, mi.SetType, mi.FrozenSetType, mi.VarTupleType)
"""The arrays of any length."""
AnyArray: TypeAlias = mi.ListType | mi.SetType | mi.FrozenSetType | mi.VarTupleType | mi.TupleType
OBJECTS: Final = (mi.StructType, mi.DataclassType, mi.TypedDictType)
OCTETS: Final = (mi.BytesType, mi.ByteArrayType, mi.MemoryViewType)
AnyObject: TypeAlias = mi.StructType | mi.DataclassType | mi.TypedDictType | mi.NamedTupleType

# These are of type Any, since a type checker refuses values inside `Union[...]` and `Literal[...]`.
_UNION: Final[Any] = Union
_LITERAL: Final[Any] = Literal

_CONSTRAINTS: Final = ("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length", "pattern", "tz")


def unwrap_metadata(info: mi.Type) -> mi.Type:
    """Return `info` without the wrapper that msgspec puts around it for titles, descriptions and the like."""
    while isinstance(info, mi.Metadata):
        info = info.type
    return info


def read_constraints(info: mi.Type) -> dict[str, Any]:
    """Return the constraints of `info` by their names in `msgspec.Meta`, without those that are not set."""
    constraints = {name: getattr(info, name, None) for name in _CONSTRAINTS}
    return {name: value for name, value in constraints.items() if value is not None}


def has_constraints(meta: msgspec.Meta) -> bool:
    """Return True if `meta` constrains values, and does not only describe them."""
    return any(getattr(meta, name) is not None for name in _CONSTRAINTS)


def read_length_limits(info: Any) -> tuple[int, float]:
    """Return the least and the greatest length that `info` allows; the greatest may be infinite."""
    return info.min_length or 0, math.inf if info.max_length is None else info.max_length


def rebuild_scalar_type(info: mi.Type) -> Any:
    """Return the annotation that the scalar `info` describes, constraints included."""
    info = unwrap_metadata(info)
    if isinstance(info, mi.UnionType):
        return make_union([rebuild_scalar_type(member) for member in info.types])
    if isinstance(info, mi.EnumType):
        return info.cls
    if isinstance(info, mi.LiteralType):
        return _LITERAL[info.values]
    plain: Any = SCALAR_TYPES[type(info)]
    constraints = read_constraints(info)
    return Annotated[plain, msgspec.Meta(**constraints)] if constraints else plain


def make_union(annotations: Sequence[Any]) -> Any:
    """Return the union of `annotations`, or the annotation itself if there is only one."""
    return _UNION[tuple(annotations)]


def make_box(annotation: Any) -> Any:
    """Return a Struct to convert `(value,)` to; its field `value` has the type `annotation`.

    msgspec keeps what it compiles for a Struct, but compiles an annotation again for each conversion.
    """
    return msgspec.defstruct("Box", [("value", annotation)], array_like=True)


def remove_none(info: mi.Type) -> mi.Type:
    """Return `info` without the `None` of an optional type."""
    info = unwrap_metadata(info)
    if not isinstance(info, mi.UnionType):
        return info
    members = tuple(member for member in map(unwrap_metadata, info.types) if not isinstance(member, mi.NoneType))
    return members[0] if len(members) == 1 else mi.UnionType(members)


def is_positional(info: mi.Type) -> bool:
    """Return True if the fields of `info` are written as an array."""
    return isinstance(info, mi.NamedTupleType) or getattr(info, "array_like", False)


def walk_types(info: mi.Type) -> Iterator[mi.Type]:
    """Yield `info` and every description inside it, each once."""
    waiting, seen = [info], set[int]()
    while waiting:
        part = unwrap_metadata(waiting.pop())
        if id(part) not in seen:
            seen.add(id(part))
            yield part
            waiting += _list_parts(part)


def _list_parts(info: Any) -> Iterator[mi.Type]:
    for name in ("item_type", "key_type", "value_type"):
        if hasattr(info, name):
            yield getattr(info, name)
    yield from getattr(info, "types", ())
    yield from getattr(info, "item_types", ())
    yield from (field.type for field in getattr(info, "fields", ()))
