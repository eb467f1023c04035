"""What a type is, as msgspec describes it: its kind, its constraints, and in words what it expects.

It reads `msgspec.inspect`'s descriptions and nothing else: no value, no request.
"""

from collections.abc import Mapping
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

_JSON_WORDS: Final[Mapping[object, str]] = {True: "true", False: "false", None: "null"}
_BOUNDS: Final = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "multiple_of": "a multiple of"}
_LENGTHS: Final = {"min_length": ">=", "max_length": "<="}


def bare(info: mi.Type) -> mi.Type:
    """`info` without the wrapper that msgspec puts around titles, descriptions and the like."""
    while isinstance(info, mi.Metadata):
        info = info.type
    return info


def constraints(info: mi.Type) -> dict[str, Any]:
    """The `msgspec.Meta` arguments that `info` was made with, without those left out."""
    names = (*_BOUNDS, *_LENGTHS, "pattern", "tz")
    found = {name: getattr(info, name, None) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def scalar_type(info: mi.Type) -> Any:
    """The annotation that `info`, a scalar, describes, constraints included."""
    info = bare(info)
    if isinstance(info, mi.UnionType):
        return Union[tuple(scalar_type(member) for member in info.types)]  # noqa: UP007  (built from a tuple)
    if isinstance(info, mi.EnumType):
        return info.cls
    if isinstance(info, mi.LiteralType):
        return Literal[info.values]
    plain = LEAVES[type(info)][0]
    limits = constraints(info)
    return Annotated[plain, msgspec.Meta(**limits)] if limits else plain


def describe(info: mi.Type) -> str:
    """What `info` expects, in words: `"an integer >= 1 and <= 5"`."""
    info = bare(info)
    if isinstance(info, mi.UnionType):
        return " or ".join(dict.fromkeys(describe(member) for member in info.types))
    if isinstance(info, mi.EnumType | mi.LiteralType):
        return "one of " + ", ".join(map(_shown, _choices(info)))
    return noun_of(info) + _limits(info)


def describe_text(info: mi.Type) -> str:
    """What `info` expects where it is written as text, or as several: text has no null, and bytes are its UTF-8."""
    info = without_none(info)
    if isinstance(info, mi.UnionType):
        return " or ".join(dict.fromkeys(describe_text(member) for member in info.types))
    if isinstance(info, mi.LiteralType):
        return "one of " + ", ".join(_shown(value) for value in _choices(info) if value is not None)
    if isinstance(info, mi.TupleType):
        return f"{len(info.item_types)} values: " + ", ".join(map(describe_text, info.item_types))
    if isinstance(info, ARRAYS):
        return f"values{_limits(info)}, each {describe_text(info.item_type)}"
    return "text" + _limits(info) if isinstance(info, OCTETS) else describe(info)


def _choices(info: mi.EnumType | mi.LiteralType) -> list[Any]:
    """The plain values that an Enum or a Literal allows, in the order they were written where that is known."""
    if isinstance(info, mi.EnumType):
        return [member.value for member in info.cls]
    return sorted(info.values, key=str)


def without_none(info: mi.Type) -> mi.Type:
    """`info` without its `None`."""
    info = bare(info)
    if not isinstance(info, mi.UnionType):
        return info
    rest = tuple(bare(member) for member in info.types if not isinstance(bare(member), mi.NoneType))
    return rest[0] if len(rest) == 1 else mi.UnionType(rest)


def _shown(value: object) -> str:
    """A choice as it is sent: `true` and `null` are JSON's."""
    return repr(value) if isinstance(value, str | int) and not isinstance(value, bool) else _JSON_WORDS[value]


def noun_of(info: mi.Type) -> str:
    """What a value of the type is called, its constraints aside."""
    if type(info) in LEAVES:
        return LEAVES[type(info)][1]
    if isinstance(info, (*ARRAYS, mi.TupleType)) or is_positional(info):
        return "an array"
    if isinstance(info, mi.CustomType):
        return "a file"
    return "an object" if isinstance(info, (*OBJECTS, mi.DictType)) else "a value"


def _limits(info: mi.Type) -> str:
    found = constraints(info)
    parts = [f"{sign} {found[name]}" for name, sign in _BOUNDS.items() if name in found]
    lengths = [f"{sign} {found[name]}" for name, sign in _LENGTHS.items() if name in found]
    if isinstance(info, mi.TupleType):
        lengths = [str(len(info.item_types))]
    elif isinstance(info, mi.NamedTupleType):
        lengths = [_length_of(info)]
    if lengths:
        parts.append("of length " + " and ".join(lengths))
    if "pattern" in found:
        parts.append(f"matching {found['pattern']!r}")
    if "tz" in found:
        parts.append("with a UTC offset" if found["tz"] else "without a UTC offset")
    return "".join(" " + part if n == 0 else " and " + part for n, part in enumerate(parts))


def _length_of(info: mi.NamedTupleType) -> str:
    required, all_of_them = sum(field.required for field in info.fields), len(info.fields)
    return str(all_of_them) if required == all_of_them else f"{required} to {all_of_them}"


def is_positional(info: mi.Type) -> bool:
    """Whether `info`, made of fields, is written as an array."""
    return isinstance(info, mi.NamedTupleType) or getattr(info, "array_like", False)
