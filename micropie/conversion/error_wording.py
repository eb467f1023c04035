"""This module words what a type expects, for errors: `"an integer >= 1 and <= 5"`.

The structure that it describes is read by `type_info`.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import inspect as mi

from .type_info import ARRAYS, CHOICES, OBJECTS, OCTETS, is_positional, read_constraints, remove_none, unwrap_metadata

BAD_JSON: Final = "Bad JSON"
"""What is said of a document that is not JSON (SPEC 3)."""
NUMBER_OUT_OF_RANGE: Final = "A number is out of range"
"""What is said of JSON with a number that is too long or too large for a float, such as `1e400`."""


def describe_undecodable(error: Exception) -> str:
    """Return what is wrong with a document that msgspec did not decode, without a type, because of `error`.

    Such a document is not JSON, but for a number that msgspec cannot represent: only then is it a ValidationError.
    """
    return NUMBER_OUT_OF_RANGE if isinstance(error, msgspec.ValidationError) else BAD_JSON


_SCALAR_NOUNS: Final[Mapping[type[mi.Type], str]] = {
    mi.IntType: "an integer",
    mi.FloatType: "a number",
    mi.DecimalType: "a decimal number",
    mi.BoolType: "a boolean",
    mi.StrType: "text",
    mi.BytesType: "base64 text",
    mi.ByteArrayType: "base64 text",
    mi.MemoryViewType: "base64 text",
    mi.UUIDType: "a UUID",
    mi.DateTimeType: "an RFC 3339 date and time",
    mi.DateType: "an RFC 3339 date",
    mi.TimeType: "an RFC 3339 time",
    mi.TimeDeltaType: "an ISO 8601 duration",
    mi.NoneType: "null",
}
_BOUNDS: Final = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "multiple_of": "a multiple of"}
_LENGTHS: Final = {"min_length": ">=", "max_length": "<="}
_JSON_CONSTANTS: Final[Mapping[object, str]] = {True: "true", False: "false", None: "null"}


def describe_expected(info: mi.Type) -> str:
    """Describe the JSON values that `info` accepts: `"an integer >= 1 and <= 5"`."""
    info = unwrap_metadata(info)
    if isinstance(info, mi.UnionType):
        return " or ".join(dict.fromkeys(describe_expected(member) for member in info.types))
    if isinstance(info, CHOICES):
        return "one of " + ", ".join(map(_spell_choice, _list_choices(info)))
    return describe_kind(info) + _describe_constraints(info)


def describe_expected_text(info: mi.Type) -> str:
    """Describe the texts that `info` accepts, or the several texts of an array.

    Text cannot be null, and bytes are read as UTF-8.
    """
    info = remove_none(info)
    if isinstance(info, mi.UnionType):
        return " or ".join(dict.fromkeys(describe_expected_text(member) for member in info.types))
    if isinstance(info, mi.LiteralType):
        return "one of " + ", ".join(_spell_choice(choice) for choice in _list_choices(info) if choice is not None)
    if isinstance(info, mi.TupleType):
        return f"{len(info.item_types)} values: " + ", ".join(map(describe_expected_text, info.item_types))
    if isinstance(info, ARRAYS):
        return f"values{_describe_constraints(info)}, each {describe_expected_text(info.item_type)}"
    return "text" + _describe_constraints(info) if isinstance(info, OCTETS) else describe_expected(info)


def describe_kind(info: mi.Type) -> str:
    """Return the noun for values of `info`, without its constraints: `"an integer"`."""
    if type(info) in _SCALAR_NOUNS:
        return _SCALAR_NOUNS[type(info)]
    if isinstance(info, (*ARRAYS, mi.TupleType)) or is_positional(info):
        return "an array"
    if isinstance(info, mi.CustomType):
        return "a file"
    return "an object" if isinstance(info, (*OBJECTS, mi.DictType)) else "a value"


def _list_choices(info: mi.EnumType | mi.LiteralType) -> list[Any]:
    """Return the values of an Enum as defined, or those of a Literal sorted: msgspec does not keep their order."""
    if isinstance(info, mi.EnumType):
        return [member.value for member in info.cls]
    return sorted(info.values, key=str)


def _spell_choice(choice: object) -> str:
    is_quoted = isinstance(choice, str | int) and not isinstance(choice, bool)
    return repr(choice) if is_quoted else _JSON_CONSTANTS[choice]


def _describe_constraints(info: mi.Type) -> str:
    """Return the constraints of `info` with a leading space: `" >= 1 and <= 5"`; empty if it has none."""
    constraints = read_constraints(info)
    parts = [f"{sign} {constraints[name]}" for name, sign in _BOUNDS.items() if name in constraints]
    lengths = [f"{sign} {constraints[name]}" for name, sign in _LENGTHS.items() if name in constraints]
    if isinstance(info, mi.TupleType):
        lengths = [str(len(info.item_types))]
    elif isinstance(info, mi.NamedTupleType):
        lengths = [_describe_length(info)]
    if lengths:
        parts.append("of length " + " and ".join(lengths))
    if "pattern" in constraints:
        parts.append(f"matching {constraints['pattern']!r}")
    if "tz" in constraints:
        parts.append("with a UTC offset" if constraints["tz"] else "without a UTC offset")
    return "".join(f" {part}" if index == 0 else f" and {part}" for index, part in enumerate(parts))


def _describe_length(info: mi.NamedTupleType) -> str:
    least, most = sum(field.required for field in info.fields), len(info.fields)
    return str(most) if least == most else f"{least} to {most}"
