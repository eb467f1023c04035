"""What a type is, as msgspec describes it: its kind, its constraints, and in words what it expects.

It reads `msgspec.inspect`'s descriptions and nothing else: no value, no request.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeAlias, Union
from uuid import UUID

import msgspec
from msgspec import inspect as mi

# What a description of msgspec's says in Python: the type, and the words for it.
LEAVES: Final[Mapping[type[mi.Type], tuple[Any, str]]] = {
    mi.IntType: (int, "an integer"),
    mi.FloatType: (float, "a number"),
    mi.DecimalType: (Decimal, "a decimal number"),
    mi.BoolType: (bool, "a boolean"),
    mi.StrType: (str, "text"),
    mi.BytesType: (bytes, "base64 text"),
    mi.ByteArrayType: (bytearray, "base64 text"),
    mi.MemoryViewType: (memoryview, "base64 text"),
    mi.UUIDType: (UUID, "a UUID"),
    mi.DateTimeType: (datetime, "an RFC 3339 date and time"),
    mi.DateType: (date, "an RFC 3339 date"),
    mi.TimeType: (time, "an RFC 3339 time"),
    mi.TimeDeltaType: (timedelta, "an ISO 8601 duration"),
    mi.NoneType: (type(None), "null"),
}
ARRAYS: Final = (mi.ListType, mi.SetType, mi.FrozenSetType, mi.VarTupleType)
OBJECTS: Final = (mi.StructType, mi.DataclassType, mi.TypedDictType)
AnyObject: TypeAlias = mi.StructType | mi.DataclassType | mi.TypedDictType | mi.NamedTupleType

OCTETS: Final = (mi.BytesType, mi.ByteArrayType, mi.MemoryViewType)

_BOUNDS: Final = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "multiple_of": "a multiple of"}
_LENGTHS: Final = {"min_length": ">=", "max_length": "<="}


def unwrap_metadata(info: mi.Type) -> mi.Type:
    """`info` without the wrapper that msgspec puts around titles, descriptions and the like."""
    while isinstance(info, mi.Metadata):
        info = info.type
    return info


def read_constraints(info: mi.Type) -> dict[str, Any]:
    """The `msgspec.Meta` arguments that `info` was made with, without those left out."""
    names = (*_BOUNDS, *_LENGTHS, "pattern", "tz")
    found = {name: getattr(info, name, None) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def rebuild_scalar_type(info: mi.Type) -> Any:
    """The annotation that `info`, a scalar, describes, constraints included."""
    info = unwrap_metadata(info)
    if isinstance(info, mi.UnionType):
        return Union[tuple(rebuild_scalar_type(member) for member in info.types)]  # noqa: UP007  (built from a tuple)
    if isinstance(info, mi.EnumType):
        return info.cls
    if isinstance(info, mi.LiteralType):
        return Literal[info.values]
    plain = LEAVES[type(info)][0]
    limits = read_constraints(info)
    return Annotated[plain, msgspec.Meta(**limits)] if limits else plain


def remove_none(info: mi.Type) -> mi.Type:
    """`info` without its `None`."""
    info = unwrap_metadata(info)
    if not isinstance(info, mi.UnionType):
        return info
    rest = tuple(
        unwrap_metadata(member) for member in info.types if not isinstance(unwrap_metadata(member), mi.NoneType)
    )
    return rest[0] if len(rest) == 1 else mi.UnionType(rest)


def is_positional(info: mi.Type) -> bool:
    """Whether `info`, made of fields, is written as an array."""
    return isinstance(info, mi.NamedTupleType) or getattr(info, "array_like", False)


def walk_types(info: mi.Type) -> Iterator[mi.Type]:
    """`info` and every description inside it, each once."""
    waiting, seen = [info], set[int]()
    while waiting:
        part = unwrap_metadata(waiting.pop())
        if id(part) not in seen:
            seen.add(id(part))
            yield part
            waiting += _parts(part)


def _parts(info: Any) -> Iterator[mi.Type]:
    """The descriptions directly inside `info`."""
    for name in ("item_type", "key_type", "value_type"):
        if hasattr(info, name):
            yield getattr(info, name)
    yield from getattr(info, "types", ())
    yield from getattr(info, "item_types", ())
    yield from (field.type for field in getattr(info, "fields", ()))
