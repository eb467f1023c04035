"""Text to value: what a path segment, a query or form value, a header or a cookie says, read as a type.

The spellings are SPEC's: numbers are what RFC 8259 §6 calls a number, so msgspec's cached JSON decoders read them;
the types that JSON writes as strings are spelled as in JSON, without the quotes. Everything is decided once per type.
What a reader raises for bad input is one of `validation.FAILURES`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import inspect as mi

from .exceptions import CONVERSION_ERRORS
from .type_info import ARRAYS, read_constraints, rebuild_scalar_type, unwrap_metadata

TextReader: TypeAlias = Callable[[str], object]
TextsReader: TypeAlias = Callable[[Sequence[str]], object]


def _one(annotation: Any) -> Callable[[object], object]:
    """A strict conversion to `annotation`: through a one-field Struct, which msgspec compiles once."""
    box: Any = msgspec.defstruct("Box", [("value", annotation)], array_like=True)
    convert = msgspec.convert
    return lambda value: convert((value,), box).value


def _number(info: mi.Type) -> TextReader:
    decode = msgspec.json.Decoder(rebuild_scalar_type(info)).decode

    def read(text: str) -> object:
        if text.strip() != text:  # JSON allows white space around a number; a number as text has none
            raise ValueError("not a number")
        return decode(text)

    def read_unquoted(text: str) -> object:
        if text[:1] == '"':  # as JSON has a Decimal
            raise ValueError("not a number")
        return read(text)

    return read_unquoted if isinstance(info, mi.DecimalType) else read


_BOOLEANS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


def _boolean(_: mi.Type) -> TextReader:
    def read(text: str) -> bool:
        found = _BOOLEANS.get(text.lower())
        if found is None:
            raise ValueError("not a boolean")
        return found

    return read


def _text(info: mi.Type) -> TextReader | None:
    return _one(rebuild_scalar_type(info)) if read_constraints(info) else None


def _octets(info: mi.Type) -> TextReader:
    if isinstance(info, mi.BytesType) and not read_constraints(info):
        return str.encode
    check = _one(rebuild_scalar_type(info))
    return lambda text: check(text.encode())


def _spelled(info: mi.Type) -> TextReader:
    """The types that JSON writes as a string: the same spelling, without the quotes."""
    return _one(rebuild_scalar_type(info))


def _choice(info: Any) -> TextReader:
    """An Enum or a Literal by the text of its values."""
    if isinstance(info, mi.EnumType):
        return _member(info.cls)
    flags = [value for value in info.values if isinstance(value, bool)]
    known: dict[str, object] = {text: flag for text, flag in _BOOLEANS.items() if flag in flags}
    known |= {"" if value is None else str(value): value for value in info.values if not isinstance(value, bool)}
    return partial(_known, known)


def _member(cls: type[Enum]) -> TextReader:
    known: dict[str, object] = {str(value): member for value, member in cls._value2member_map_.items()}
    if not all(isinstance(value, str) for value in cls._value2member_map_):
        return partial(_known, known)

    def read(text: str) -> object:
        return known[text] if text in known else cls(text)  # a class may have its own `_missing_`

    return read


def _known(known: Mapping[str, object], text: str) -> object:
    if text not in known:
        raise ValueError("not one of the choices")
    return known[text]


def _nothing(_: mi.Type) -> TextReader:
    def read(text: str) -> None:
        if text:
            raise ValueError("not empty")

    return read


_TEXT: Final[Mapping[type[mi.Type], Callable[[Any], TextReader | None]]] = {
    mi.AnyType: lambda _: None,
    mi.IntType: _number,
    mi.FloatType: _number,
    mi.DecimalType: _number,
    mi.BoolType: _boolean,
    mi.StrType: _text,
    mi.BytesType: _octets,
    mi.ByteArrayType: _octets,
    mi.MemoryViewType: _octets,
    mi.UUIDType: _spelled,
    mi.DateTimeType: _spelled,
    mi.DateType: _spelled,
    mi.TimeType: _spelled,
    mi.TimeDeltaType: _spelled,
    mi.EnumType: _choice,
    mi.LiteralType: _choice,
    mi.NoneType: _nothing,
}

# The order in which a union's members try a text: those that accept fewest texts first, so that the narrowest wins.
# An integer goes before a boolean: `1` is a number that also spells a truth, `true` is only the one.
_NARROWEST: Final = (
    mi.LiteralType, mi.EnumType, mi.IntType, mi.FloatType, mi.DecimalType, mi.BoolType, mi.UUIDType, mi.DateType,
    mi.DateTimeType, mi.TimeType, mi.TimeDeltaType, mi.BytesType, mi.ByteArrayType, mi.MemoryViewType, mi.StrType,
    mi.AnyType,
)  # fmt: skip


def rank_narrowness(info: mi.Type) -> int:
    """Where `info` stands among a union's members: the narrowest is 0."""
    kind = type(unwrap_metadata(info))
    return _NARROWEST.index(kind) if kind in _NARROWEST else len(_NARROWEST)


def is_scalar(info: mi.Type) -> bool:
    """Whether one text can be an `info`."""
    info = unwrap_metadata(info)
    if isinstance(info, mi.UnionType):
        return all(is_scalar(member) for member in info.types)
    return type(info) in _TEXT


def make_text_reader(info: mi.Type) -> TextReader | None:
    """How one text becomes `info`, a scalar; None where the text itself is the value."""
    info = unwrap_metadata(info)
    if isinstance(info, mi.UnionType):
        return _union_text(info.types)
    return _TEXT[type(info)](info)


def _union_text(infos: Sequence[mi.Type]) -> TextReader | None:
    members = sorted(
        (unwrap_metadata(info) for info in infos if not isinstance(unwrap_metadata(info), mi.NoneType)),
        key=rank_narrowness,
    )
    # An empty field of a form is how a browser sends "nothing", unless the empty text is itself a value.
    empty_is_none = len(members) < len(infos) and not any(isinstance(info, mi.StrType | mi.AnyType) for info in members)
    readers = [reader for reader in map(make_text_reader, members) if reader is not None]
    falls_back_to_text = len(readers) < len(members)
    if not readers:
        return None

    def read(text: str) -> object:
        if empty_is_none and not text:
            return None
        for reader in readers:
            try:
                return reader(text)
            except CONVERSION_ERRORS:
                continue
        if falls_back_to_text:
            return text
        raise ValueError("fits no member of the union")

    def read_optional(text: str) -> object:
        return only(text) if text or not empty_is_none else None

    if len(readers) == 1 and not falls_back_to_text:
        only = readers[0]
        return read_optional if empty_is_none else only
    return read


_CONTAINERS: Final[Mapping[type[mi.Type], Callable[[Iterator[object]], object]]] = {
    mi.ListType: list,
    mi.SetType: set,
    mi.FrozenSetType: frozenset,
    mi.VarTupleType: tuple,
    mi.TupleType: tuple,
}


def is_scalar_array(info: mi.Type) -> bool:
    """Whether several texts can be an `info`: an array of scalars."""
    if isinstance(info, mi.TupleType):
        return all(is_scalar(item) for item in info.item_types)
    return isinstance(info, ARRAYS) and is_scalar(info.item_type)


def make_texts_reader(info: mi.Type) -> TextsReader:
    """How every text of one name becomes `info`, an array of scalars."""
    build = _CONTAINERS[type(info)]
    if isinstance(info, mi.TupleType):
        readers = [make_text_reader(item) or str for item in info.item_types]
        return lambda texts: build(read(text) for read, text in zip(readers, texts, strict=True))
    read = make_text_reader(info.item_type) or str  # type: ignore[attr-defined]  # one of ARRAYS: `is_many` said so
    limits = read_constraints(info)
    shortest, longest = limits.get("min_length", 0), limits.get("max_length")

    def read_all(texts: Sequence[str]) -> object:
        if len(texts) < shortest or (longest is not None and len(texts) > longest):
            raise ValueError("wrong number of values")
        return build(read(text) for text in texts)

    return read_all
