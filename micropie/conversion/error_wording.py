"""To be described."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import inspect as mi

from .type_info import (
    _BOUNDS,
    _LENGTHS,
    ARRAYS,
    LEAVES,
    OBJECTS,
    OCTETS,
    is_positional,
    read_constraints,
    remove_none,
    unwrap_metadata,
)

_JSON_WORDS: Final[Mapping[object, str]] = {True: "true", False: "false", None: "null"}


def describe_expected(info: mi.Type) -> str:
    """What `info` expects, in words: `"an integer >= 1 and <= 5"`."""
    info = unwrap_metadata(info)
    if isinstance(info, mi.UnionType):
        return " or ".join(dict.fromkeys(describe_expected(member) for member in info.types))
    if isinstance(info, mi.EnumType | mi.LiteralType):
        return "one of " + ", ".join(map(_shown, _choices(info)))
    return describe_kind(info) + _limits(info)


def describe_expected_text(info: mi.Type) -> str:
    """What `info` expects where it is written as text, or as several: text has no null, and bytes are its UTF-8."""
    info = remove_none(info)
    if isinstance(info, mi.UnionType):
        return " or ".join(dict.fromkeys(describe_expected_text(member) for member in info.types))
    if isinstance(info, mi.LiteralType):
        return "one of " + ", ".join(_shown(value) for value in _choices(info) if value is not None)
    if isinstance(info, mi.TupleType):
        return f"{len(info.item_types)} values: " + ", ".join(map(describe_expected_text, info.item_types))
    if isinstance(info, ARRAYS):
        return f"values{_limits(info)}, each {describe_expected_text(info.item_type)}"
    return "text" + _limits(info) if isinstance(info, OCTETS) else describe_expected(info)


def _choices(info: mi.EnumType | mi.LiteralType) -> list[Any]:
    """The plain values that an Enum or a Literal allows, in the order they were written where that is known."""
    if isinstance(info, mi.EnumType):
        return [member.value for member in info.cls]
    return sorted(info.values, key=str)


def _shown(value: object) -> str:
    """A choice as it is sent: `true` and `null` are JSON's."""
    return repr(value) if isinstance(value, str | int) and not isinstance(value, bool) else _JSON_WORDS[value]


def describe_kind(info: mi.Type) -> str:
    """What a value of the type is called, its constraints aside."""
    if type(info) in LEAVES:
        return LEAVES[type(info)][1]
    if isinstance(info, (*ARRAYS, mi.TupleType)) or is_positional(info):
        return "an array"
    if isinstance(info, mi.CustomType):
        return "a file"
    return "an object" if isinstance(info, (*OBJECTS, mi.DictType)) else "a value"


def _limits(info: mi.Type) -> str:
    found = read_constraints(info)
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
