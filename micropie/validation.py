"""What a type expects, in words, and everything that is wrong with a JSON value: not just the first thing.

msgspec stops at the first error; this walks its description of the type (`msgspec.inspect`) beside the value and
notes each one with its JSON pointer (RFC 6901). It runs only for requests that already failed, so it may be slow, but
it must be plain. No value is ever repeated in a message, only what was wanted.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from types import GenericAlias
from typing import Annotated, Any, Final, Literal, TypeAlias, Union
from uuid import UUID

import msgspec
from msgspec import inspect as mi

from .errors import Invalid

FAILURES: Final = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)
"""What a conversion may raise for bad input; of msgspec's own, UnicodeDecodeError, TypeError (for what cannot be in a
set) and RecursionError are no MsgspecError."""

MAX_ERRORS: Final = 1000
"""Errors told of one JSON value: more help nobody, and the answer would be many times the size of the request."""
MAX_VALUES: Final = 50_000
"""Values looked at to find errors in one JSON value: some 0.2 s of work."""

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


# --- in words -------------------------------------------------------------------------------------------------------


def describe(info: mi.Type) -> str:
    """What `info` expects, in words: `"an integer >= 1 and <= 5"`."""
    info = bare(info)
    if isinstance(info, mi.UnionType):
        return " or ".join(dict.fromkeys(describe(member) for member in info.types))
    if isinstance(info, mi.EnumType | mi.LiteralType):
        return "one of " + ", ".join(map(_shown, _choices(info)))
    return _noun(info) + _limits(info)


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


def _noun(info: mi.Type) -> str:
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


# --- everything that is wrong ---------------------------------------------------------------------------------------

_JSON_NAMES: Final[Mapping[type, str]] = {
    dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null",
}  # fmt: skip
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


def token(key: object) -> str:
    """`key` as one reference token of a JSON pointer (RFC 6901 §3)."""
    return str(key).replace("~", "~0").replace("/", "~1")


def fits(value: object, annotation: Any) -> bool:
    """Whether `value`, as JSON decoded it, converts to `annotation`."""
    try:
        msgspec.convert(value, annotation, str_keys=True)
    except FAILURES:
        return False
    return True


def own_words(error: BaseException) -> str | None:
    """What a type's own rule (`__post_init__` and the like) said, as `error` came of it; None when it was no rule."""
    rule = error.__cause__ if isinstance(error, msgspec.MsgspecError) else error
    return str(rule) if rule is not None and not isinstance(rule, msgspec.MsgspecError) else None


class _GaveUp(Exception):
    """The value is too large to look at all of it."""


class _Search:
    """One search for errors. It ends at `MAX_VALUES`, so that what is hostile costs no more than what is wrong."""

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def errors(self, info: mi.Type, value: object, pointer: str) -> Iterator[Invalid]:
        """What is wrong with `value`. Raises _GaveUp."""
        self._left -= 1
        if self._left < 0:
            raise _GaveUp
        info = bare(info)
        for kind, walk in _WALKS:
            if isinstance(info, kind):
                return walk(self, info, value, pointer)
        return iter(()) if _leaf_fits(info, value) else iter([Invalid(_expected(info, value), pointer=pointer)])


def find_errors(info: mi.Type, value: object, pointer: str = "") -> Iterator[Invalid]:
    """Everything wrong with `value`, a decoded JSON value, where `info` is expected: at most `MAX_ERRORS` things."""
    try:
        yield from islice(_Search().errors(info, value, pointer), MAX_ERRORS)
    except _GaveUp:
        yield Invalid(f"Only the first {MAX_VALUES} values were checked", pointer=pointer)


def _leaf_fits(info: mi.Type, value: object) -> bool:
    if isinstance(info, mi.CustomType):
        return False
    return type(info) not in LEAVES or (fits(value, scalar_type(info)) and _is_finite(info, value))


def _is_finite(info: mi.Type, value: object) -> bool:
    """Whether `value`, which fits, is not one of the texts that only Decimal calls a number, such as `"NaN"`."""
    return not (isinstance(info, mi.DecimalType) and isinstance(value, str)) or Decimal(value).is_finite()


def _choice_errors(_: _Search, info: mi.EnumType | mi.LiteralType, value: object, pointer: str) -> Iterator[Invalid]:
    if not fits(value, scalar_type(info)):
        yield Invalid(f"Expected {describe(info)}", pointer=pointer)


def _array_errors(search: _Search, info: Any, value: object, pointer: str) -> Iterator[Invalid]:
    if not isinstance(value, list):
        yield Invalid(_expected(info, value), pointer=pointer)
        return
    if not _has_room(info, value):
        yield Invalid(f"Expected {describe(info)}", pointer=pointer)
    for index, item in enumerate(value):
        yield from search.errors(info.item_type, item, f"{pointer}/{index}")


def _has_room(info: Any, value: Sized) -> bool:
    return (info.min_length or 0) <= len(value) <= (len(value) if info.max_length is None else info.max_length)


def _tuple_errors(search: _Search, info: mi.TupleType, value: object, pointer: str) -> Iterator[Invalid]:
    return _positional_errors(search, info, info.item_types, len(info.item_types), value, pointer)


def _positional_errors(
    search: _Search, info: mi.Type, types: Sequence[mi.Type], required: int, value: object, pointer: str
) -> Iterator[Invalid]:
    may_go_on = isinstance(info, mi.StructType) and not info.forbid_unknown_fields
    if not isinstance(value, list) or len(value) < required or (len(value) > len(types) and not may_go_on):
        yield Invalid(_expected(info, value), pointer=pointer)
        return
    for index, (kind, item) in enumerate(zip(types, value, strict=False)):
        yield from search.errors(kind, item, f"{pointer}/{index}")


def _dict_errors(search: _Search, info: mi.DictType, value: object, pointer: str) -> Iterator[Invalid]:
    if not isinstance(value, dict):
        yield Invalid(_expected(info, value), pointer=pointer)
        return
    if not _has_room(info, value):
        yield Invalid(f"Expected {describe(info)}", pointer=pointer)
    for key, item in value.items():
        place = f"{pointer}/{token(key)}"
        if not _key_fits(info.key_type, key):
            yield Invalid(f"Expected the key to be {describe(info.key_type)}", pointer=place)
        yield from search.errors(info.value_type, item, place)


def _key_fits(info: mi.Type, key: str) -> bool:
    """JSON's keys are text; a number as a key is spelled in it."""
    info = without_none(info)
    if isinstance(info, mi.AnyType):
        return True
    return fits({key: None}, GenericAlias(dict, (scalar_type(info), None))) and _is_finite(info, key)


def _object_errors(search: _Search, info: AnyObject, value: object, pointer: str) -> Iterator[Invalid]:
    is_right = True
    for error in _field_errors(search, info, value, pointer):
        is_right = False
        yield error
    if is_right:
        yield from _rule_errors(info, value, pointer)


def _field_errors(search: _Search, info: AnyObject, value: object, pointer: str) -> Iterator[Invalid]:
    if is_positional(info):
        types = [field.type for field in info.fields]
        required = sum(field.required for field in info.fields)
        if isinstance(info, mi.StructType) and info.tag_field is not None:
            types, required = [mi.LiteralType((info.tag,)), *types], required + 1
        yield from _positional_errors(search, info, types, required, value, pointer)
    elif isinstance(value, dict):
        yield from _named_errors(search, info, value, pointer)
    else:
        yield Invalid(_expected(info, value), pointer=pointer)


def _named_errors(search: _Search, info: AnyObject, value: dict[str, object], pointer: str) -> Iterator[Invalid]:
    known = {field.encode_name for field in info.fields}
    if isinstance(info, mi.StructType) and info.tag_field is not None:
        known.add(info.tag_field)
        if value.get(info.tag_field, info.tag) != info.tag:
            yield Invalid(f"Expected {info.tag!r}", pointer=f"{pointer}/{token(info.tag_field)}")
    for field in info.fields:
        place = f"{pointer}/{token(field.encode_name)}"
        if field.encode_name in value:
            yield from search.errors(field.type, value[field.encode_name], place)
        elif field.required:
            yield Invalid("Missing required field", pointer=place)
    if getattr(info, "forbid_unknown_fields", False):
        for name in value:
            if name not in known:
                yield Invalid("Unknown field", pointer=f"{pointer}/{token(name)}")


def _rule_errors(info: AnyObject, value: object, pointer: str) -> Iterator[Invalid]:
    """The type's own rule (`__post_init__` and the like), once every field is right by itself."""
    try:
        msgspec.convert(value, info.cls, str_keys=True)
    except FAILURES as error:
        words = own_words(error)
        if words is not None:
            yield Invalid(words, pointer=pointer)


def _union_errors(search: _Search, info: mi.UnionType, value: object, pointer: str) -> Iterator[Invalid]:
    """Errors of the member that was meant: the tagged one, or the only one of the value's kind."""
    members = [bare(member) for member in info.types]
    tagged = [member for member in members if isinstance(member, mi.StructType) and member.tag_field is not None]
    meant = [member for member in members if _is_meant(member, value, alone=len(tagged) == 1)]
    if len(meant) == 1:
        yield from search.errors(meant[0], value, pointer)
    elif tagged and isinstance(value, list if is_positional(tagged[0]) else dict):
        wanted = "one of " + ", ".join(repr(member.tag) for member in tagged)
        place = 0 if is_positional(tagged[0]) else tagged[0].tag_field
        yield Invalid(f"Expected {wanted}", pointer=f"{pointer}/{token(place)}")
    elif all(any(search.errors(member, value, pointer)) for member in members):
        yield Invalid(_expected(info, value), pointer=pointer)


def _is_meant(member: mi.Type, value: object, *, alone: bool) -> bool:
    """Whether `value` is of the kind that `member` is; where `member` is `alone` it needs no tag to be known by."""
    if isinstance(value, list):
        of_its_kind = isinstance(member, (*ARRAYS, mi.TupleType)) or is_positional(member)
    else:
        objects = isinstance(member, (*OBJECTS, mi.DictType)) and not is_positional(member)
        of_its_kind = objects and isinstance(value, dict)
    if not of_its_kind or alone or not isinstance(member, mi.StructType) or member.tag_field is None:
        return of_its_kind
    return (value[:1] == [member.tag]) if isinstance(value, list) else _has_tag(value, member)


def _has_tag(value: object, member: mi.StructType) -> bool:
    return isinstance(value, dict) and value.get(member.tag_field) == member.tag


def is_positional(info: mi.Type) -> bool:
    """Whether `info`, made of fields, is written as an array."""
    return isinstance(info, mi.NamedTupleType) or getattr(info, "array_like", False)


_Walk: TypeAlias = Callable[[_Search, Any, object, str], Iterator[Invalid]]
_WALKS: Final[Sequence[tuple[Any, _Walk]]] = (
    (mi.EnumType | mi.LiteralType, _choice_errors),
    (ARRAYS, _array_errors),
    (mi.TupleType, _tuple_errors),
    (mi.DictType, _dict_errors),
    ((*OBJECTS, mi.NamedTupleType), _object_errors),
    (mi.UnionType, _union_errors),
)
