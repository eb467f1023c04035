"""What a type expects, in words, and everything that is wrong with a JSON value: not just the first thing.

msgspec stops at the first error; this walks its description of the type (`msgspec.inspect`) beside the value and
notes each one with its JSON pointer (RFC 6901). It runs only for requests that already failed, so it may be slow, but
it must be plain. No value is ever repeated in a message, only what was wanted.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

import msgspec
from msgspec import inspect as mi

from .errors import Invalid

FAILURES: Final = (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError)
"""What a conversion may raise for bad input; UnicodeDecodeError and RecursionError come from msgspec too."""

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


def leaf_type(info: mi.Type) -> Any:
    """The annotation that `info` describes, constraints included. `info` is one of `LEAVES`."""
    plain = LEAVES[type(info)][0]
    limits = constraints(info)
    return Annotated[plain, msgspec.Meta(**limits)] if limits else plain


def describe(info: mi.Type) -> str:
    """What `info` expects, in words: `"an integer >= 1 and <= 5"`."""
    info = bare(info)
    if isinstance(info, mi.UnionType):
        return " or ".join(dict.fromkeys(describe(member) for member in info.types))
    if isinstance(info, mi.EnumType | mi.LiteralType):
        return "one of " + ", ".join(repr(value) for value in choices(info))
    return _noun(info) + _limits(info)


def describe_text(info: mi.Type) -> str:
    """What `info` expects where it is written as plain text: there is no null in text, and bytes are its UTF-8."""
    info = bare(info)
    if isinstance(info, mi.UnionType):
        members = [member for member in info.types if not isinstance(bare(member), mi.NoneType)]
        return " or ".join(dict.fromkeys(describe_text(member) for member in members))
    return describe(info).replace("base64 text", "text")


def choices(info: mi.EnumType | mi.LiteralType) -> list[Any]:
    """The plain values that an Enum or a Literal allows, in the order they were written where that is known."""
    if isinstance(info, mi.EnumType):
        return [member.value for member in info.cls]
    return sorted(info.values, key=str)


def _noun(info: mi.Type) -> str:
    if type(info) in LEAVES:
        return LEAVES[type(info)][1]
    if isinstance(info, (*ARRAYS, mi.TupleType, mi.NamedTupleType)):
        return "an array"
    if isinstance(info, mi.CustomType):
        return "a file"
    return "an object" if isinstance(info, (*OBJECTS, mi.DictType)) else "a value"


def _limits(info: mi.Type) -> str:
    found = constraints(info)
    parts = [f"{sign} {found[name]}" for name, sign in _BOUNDS.items() if name in found]
    lengths = [f"{sign} {found[name]}" for name, sign in _LENGTHS.items() if name in found]
    if isinstance(info, mi.TupleType | mi.NamedTupleType):
        lengths = [str(len(info.item_types if isinstance(info, mi.TupleType) else info.fields))]
    if lengths:
        parts.append("of length " + " and ".join(lengths))
    if "pattern" in found:
        parts.append(f"matching {found['pattern']!r}")
    if "tz" in found:
        parts.append("with a UTC offset" if found["tz"] else "without a UTC offset")
    return "".join(" " + part if n == 0 else " and " + part for n, part in enumerate(parts))


_JSON_NAMES: Final = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
_NUMBERS: Final = (mi.IntType, mi.FloatType, mi.DecimalType)


def _json_name(value: object) -> str:
    return _JSON_NAMES.get(type(value), "a number")


def _wanted_json(info: mi.Type) -> str:
    """The kind of JSON value that `info` is written as."""
    noun = _noun(info)
    if noun in _JSON_NAMES.values():
        return noun
    return "a number" if isinstance(info, _NUMBERS) else "a string"


def _expected(info: mi.Type, value: object) -> str:
    """The message for a `value` that does not fit: what was wanted and, where that is news, what kind came."""
    got = _json_name(value)
    if isinstance(info, mi.UnionType) or got == _wanted_json(info):
        return f"Expected {describe(info)}"
    return f"Expected {describe(info)}, got {got}"


def _token(key: object) -> str:
    """One reference token of a JSON pointer (RFC 6901 §3)."""
    return str(key).replace("~", "~0").replace("/", "~1")


def fits(value: object, annotation: Any) -> bool:
    """Whether `value`, as JSON decoded it, converts to `annotation`."""
    try:
        msgspec.convert(value, annotation)
    except FAILURES:
        return False
    return True


def find_errors(info: mi.Type, value: object, pointer: str = "") -> Iterator[Invalid]:
    """Everything wrong with `value`, a decoded JSON value, where `info` is expected."""
    info = bare(info)
    for kind, walk in _WALKS:
        if isinstance(info, kind):
            yield from walk(info, value, pointer)
            return
    if type(info) in LEAVES and not fits(value, leaf_type(info)):
        yield Invalid(_expected(info, value), pointer=pointer)


def _choice_errors(info: mi.EnumType | mi.LiteralType, value: object, pointer: str) -> Iterator[Invalid]:
    allowed: Any = info.cls if isinstance(info, mi.EnumType) else None
    if allowed is not None:
        good = fits(value, allowed)
    else:
        good = any(type(value) is type(choice) and value == choice for choice in choices(info))
    if not good:
        yield Invalid(f"Expected {describe(info)}", pointer=pointer)


def _array_errors(info: Any, value: object, pointer: str) -> Iterator[Invalid]:
    if not isinstance(value, list):
        yield Invalid(_expected(info, value), pointer=pointer)
        return
    shortest, longest = info.min_length or 0, info.max_length
    if len(value) < shortest or (longest is not None and len(value) > longest):
        yield Invalid(f"Expected {describe(info)}", pointer=pointer)
    for index, item in enumerate(value):
        yield from find_errors(info.item_type, item, f"{pointer}/{index}")


def _tuple_errors(info: mi.TupleType, value: object, pointer: str) -> Iterator[Invalid]:
    yield from _positional_errors(info, info.item_types, len(info.item_types), value, pointer)


def _positional_errors(
    info: mi.Type, types: Sequence[mi.Type], required: int, value: object, pointer: str
) -> Iterator[Invalid]:
    if not isinstance(value, list) or not required <= len(value) <= len(types):
        yield Invalid(_expected(info, value), pointer=pointer)
        return
    for index, (kind, item) in enumerate(zip(types, value, strict=False)):
        yield from find_errors(kind, item, f"{pointer}/{index}")


def _dict_errors(info: mi.DictType, value: object, pointer: str) -> Iterator[Invalid]:
    if not isinstance(value, dict):
        yield Invalid(_expected(info, value), pointer=pointer)
        return
    shortest, longest = info.min_length or 0, info.max_length
    if len(value) < shortest or (longest is not None and len(value) > longest):
        yield Invalid(f"Expected {describe(info)}", pointer=pointer)
    for key, item in value.items():
        place = f"{pointer}/{_token(key)}"
        if not _key_fits(info.key_type, key):
            yield Invalid(f"Expected the key to be {describe(info.key_type)}", pointer=place)
        yield from find_errors(info.value_type, item, place)


def _key_fits(info: mi.Type, key: str) -> bool:
    """JSON's keys are text; a number as a key is spelled in it."""
    info = bare(info)
    if isinstance(info, mi.IntType | mi.FloatType):
        try:
            msgspec.json.decode(key, type=leaf_type(info))
        except FAILURES:
            return False
        return True
    return not any(find_errors(info, key))


def _object_errors(info: AnyObject, value: object, pointer: str) -> Iterator[Invalid]:
    if isinstance(info, mi.NamedTupleType) or getattr(info, "array_like", False):
        required = sum(field.required for field in info.fields)
        yield from _positional_errors(info, [field.type for field in info.fields], required, value, pointer)
        return
    if not isinstance(value, dict):
        yield Invalid(_expected(info, value), pointer=pointer)
        return
    found = list(_field_errors(info, value, pointer))
    yield from found or _rule_errors(info, value, pointer)


def _field_errors(info: AnyObject, value: dict[str, object], pointer: str) -> Iterator[Invalid]:
    known = {field.encode_name for field in info.fields}
    tag_field = getattr(info, "tag_field", None)
    if tag_field is not None:
        known.add(tag_field)
        tag = getattr(info, "tag", None)
        if value.get(tag_field, tag) != tag:
            yield Invalid(f"Expected {tag!r}", pointer=f"{pointer}/{_token(tag_field)}")
    for field in info.fields:
        place = f"{pointer}/{_token(field.encode_name)}"
        if field.encode_name in value:
            yield from find_errors(field.type, value[field.encode_name], place)
        elif field.required:
            yield Invalid("Missing required field", pointer=place)
    if getattr(info, "forbid_unknown_fields", False):
        for name in value.keys() - known:
            yield Invalid("Unknown field", pointer=f"{pointer}/{_token(name)}")


def _rule_errors(info: AnyObject, value: object, pointer: str) -> Iterator[Invalid]:
    """The type's own rule (`__post_init__` and the like), once every field is right by itself."""
    try:
        msgspec.convert(value, info.cls)
    except msgspec.ValidationError as error:
        if error.__cause__ is not None and not isinstance(error.__cause__, msgspec.MsgspecError):
            yield Invalid(str(error.__cause__), pointer=pointer)
    except FAILURES:
        return


def _union_errors(info: mi.UnionType, value: object, pointer: str) -> Iterator[Invalid]:
    """Errors of the member that was meant: the tagged one, or the only one of the value's kind."""
    members = [bare(member) for member in info.types]
    meant = [member for member in members if _is_meant(member, value)]
    if len(meant) == 1:
        yield from find_errors(meant[0], value, pointer)
        return
    tagged = [member for member in members if isinstance(member, mi.StructType) and member.tag_field is not None]
    if tagged and isinstance(value, dict):
        wanted = "one of " + ", ".join(repr(member.tag) for member in tagged)
        yield Invalid(f"Expected {wanted}", pointer=f"{pointer}/{_token(tagged[0].tag_field)}")
    elif all(any(find_errors(member, value)) for member in members):
        yield Invalid(_expected(info, value), pointer=pointer)


def _is_meant(member: mi.Type, value: object) -> bool:
    if isinstance(value, list):
        return isinstance(member, (*ARRAYS, mi.TupleType, mi.NamedTupleType))
    if not isinstance(value, dict):
        return False
    if isinstance(member, mi.StructType) and member.tag_field is not None:
        return value.get(member.tag_field) == member.tag
    return isinstance(member, (*OBJECTS, mi.DictType))


_Walk: TypeAlias = Callable[[Any, object, str], Iterator[Invalid]]
_WALKS: Final[Sequence[tuple[Any, _Walk]]] = (
    (mi.EnumType | mi.LiteralType, _choice_errors),
    (ARRAYS, _array_errors),
    (mi.TupleType, _tuple_errors),
    (mi.DictType, _dict_errors),
    ((*OBJECTS, mi.NamedTupleType), _object_errors),
    (mi.UnionType, _union_errors),
)
