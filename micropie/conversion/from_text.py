"""This module reads texts as values: path segments, query and form values, headers and cookies.

Numbers are spelled as RFC 8259 §6 says, so msgspec's JSON decoders read them. The types that JSON writes as strings are
spelled as in JSON, without the quotes. Everything is decided once per type. For bad input a reader raises one of
`CONVERSION_ERRORS`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias, TypeGuard

import msgspec
from msgspec import inspect as mi

from .exceptions import CONVERSION_ERRORS
from .type_info import (
    ARRAYS,
    AnyArray,
    make_box,
    read_constraints,
    read_length_limits,
    rebuild_scalar_type,
    unwrap_metadata,
)

TextReader: TypeAlias = Callable[[str], object]
TextsReader: TypeAlias = Callable[[Sequence[str]], object]


def _make_converter(info: mi.Type) -> Callable[[object], object]:
    """Return a strict conversion to the scalar `info`."""
    box = make_box(rebuild_scalar_type(info))
    convert = msgspec.convert
    return lambda value: convert((value,), box).value


def _make_number_reader(info: mi.Type) -> TextReader:
    decode = msgspec.json.Decoder(rebuild_scalar_type(info)).decode

    def read(text: str) -> object:
        if text.strip() != text:  # JSON allows white space around a number; a number as text has none
            raise ValueError("not a number")
        return decode(text)

    def read_unquoted(text: str) -> object:
        if text[:1] == '"':  # JSON may write a Decimal so
            raise ValueError("not a number")
        return read(text)

    return read_unquoted if isinstance(info, mi.DecimalType) else read


_BOOLEANS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


def _make_boolean_reader(_: mi.Type) -> TextReader:
    def read(text: str) -> bool:
        value = _BOOLEANS.get(text.lower())
        if value is None:
            raise ValueError("not a boolean")
        return value

    return read


def _make_str_reader(info: mi.Type) -> TextReader | None:
    return _make_converter(info) if read_constraints(info) else None


def _make_bytes_reader(info: mi.Type) -> TextReader:
    if isinstance(info, mi.BytesType) and not read_constraints(info):
        return str.encode
    convert = _make_converter(info)
    return lambda text: convert(text.encode())


def _make_choice_reader(info: Any) -> TextReader:
    """Return a reader of an Enum or a Literal by the text of its values."""
    if isinstance(info, mi.EnumType):
        return _make_enum_reader(info)
    flags = [value for value in info.values if isinstance(value, bool)]
    choices: dict[str, object] = {text: flag for text, flag in _BOOLEANS.items() if flag in flags}
    narrowest_last = sorted(info.values, key=lambda value: (value is not None, isinstance(value, int)))
    choices |= {"" if value is None else str(value): value for value in narrowest_last if not isinstance(value, bool)}
    return partial(_look_up, choices)


def _make_enum_reader(info: mi.EnumType) -> TextReader:
    values: Mapping[Any, object] = info.cls._value2member_map_
    members = {str(value): member for value, member in values.items()}
    is_text = all(isinstance(value, str) for value in values)
    read_other = (_make_converter if is_text else _make_number_reader)(info)  # by a `_missing_`, or flags together
    return lambda text: members[text] if text in members else read_other(text)


def _look_up(choices: Mapping[str, object], text: str) -> object:
    if text not in choices:
        raise ValueError("not one of the choices")
    return choices[text]


def _make_none_reader(_: mi.Type) -> TextReader:
    def read(text: str) -> None:
        if text:
            raise ValueError("not empty")

    return read


_READER_MAKERS: Final[Mapping[type[mi.Type], Callable[[Any], TextReader | None]]] = {
    mi.AnyType: lambda _: None,
    mi.IntType: _make_number_reader,
    mi.FloatType: _make_number_reader,
    mi.DecimalType: _make_number_reader,
    mi.BoolType: _make_boolean_reader,
    mi.StrType: _make_str_reader,
    mi.BytesType: _make_bytes_reader,
    mi.ByteArrayType: _make_bytes_reader,
    mi.MemoryViewType: _make_bytes_reader,
    mi.UUIDType: _make_converter,
    mi.DateTimeType: _make_converter,
    mi.DateType: _make_converter,
    mi.TimeType: _make_converter,
    mi.TimeDeltaType: _make_converter,
    mi.EnumType: _make_choice_reader,
    mi.LiteralType: _make_choice_reader,
    mi.NoneType: _make_none_reader,
}

# The order in which a union's members try a text: those that accept the fewest texts first, so that the narrowest wins.
# An integer goes before a boolean: `1` spells both, but `true` spells only a boolean.
_NARROWEST: Final = (
    mi.LiteralType, mi.EnumType, mi.IntType, mi.FloatType, mi.DecimalType, mi.BoolType, mi.UUIDType, mi.DateType,
    mi.DateTimeType, mi.TimeType, mi.TimeDeltaType, mi.BytesType, mi.ByteArrayType, mi.MemoryViewType, mi.StrType,
    mi.AnyType,
)  # fmt: skip


def rank_narrowness(info: mi.Type) -> int:
    """Rank `info` among a union's members; the narrowest type, which accepts the fewest texts, is 0."""
    kind = type(unwrap_metadata(info))
    return _NARROWEST.index(kind) if kind in _NARROWEST else len(_NARROWEST)


def is_scalar(info: mi.Type) -> bool:
    """Return True if one text can be an `info`."""
    info = unwrap_metadata(info)
    if isinstance(info, mi.UnionType):
        return all(is_scalar(member) for member in info.types)
    return type(info) in _READER_MAKERS


def make_text_reader(info: mi.Type) -> TextReader | None:
    """Return a function that reads one text as the scalar `info`; None if the text itself is the value."""
    info = unwrap_metadata(info)
    if isinstance(info, mi.UnionType):
        return _make_union_reader(info.types)
    return _READER_MAKERS[type(info)](info)


def _make_union_reader(infos: Sequence[mi.Type]) -> TextReader | None:
    members = sorted(
        (unwrap_metadata(info) for info in infos if not isinstance(unwrap_metadata(info), mi.NoneType)),
        key=rank_narrowness,
    )
    # A browser sends an empty text for an empty field: None, unless the empty text is itself a value.
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


def is_scalar_array(info: mi.Type) -> TypeGuard[AnyArray]:
    """Return True if several texts can be an `info`, which is then an array of scalars."""
    if isinstance(info, mi.TupleType):
        return all(is_scalar(item) for item in info.item_types)
    return isinstance(info, ARRAYS) and is_scalar(info.item_type)


def make_name_reader(info: mi.Type) -> TextsReader | None:
    """Return a function that reads all texts of one name as `info`; None if it is not an array of scalars.

    A union of scalars and one such array takes one text as a scalar if it can, and several as the array.
    """
    whole = unwrap_metadata(info)
    members = [unwrap_metadata(member) for member in whole.types] if isinstance(whole, mi.UnionType) else [whole]
    arrays = [member for member in members if is_scalar_array(member)]
    scalars = tuple(member for member in members if is_scalar(member))
    if len(arrays) != 1 or len(scalars) + 1 != len(members):
        return None
    read_array = make_texts_reader(arrays[0])
    if not scalars:
        return read_array
    if all(isinstance(scalar, mi.NoneType) for scalar in scalars):
        return lambda texts: None if list(texts) == [""] else read_array(texts)
    read_scalar = make_text_reader(mi.UnionType(scalars)) or str

    def read(texts: Sequence[str]) -> object:
        if len(texts) == 1:
            try:
                return read_scalar(texts[0])
            except CONVERSION_ERRORS:
                pass
        return read_array(texts)

    return read


def make_texts_reader(info: AnyArray) -> TextsReader:
    """Return a function that reads the texts of one name as `info`, an array of scalars."""
    build = _CONTAINERS[type(info)]
    if isinstance(info, mi.TupleType):
        readers = [make_text_reader(item) or str for item in info.item_types]
        return lambda texts: build(read(text) for read, text in zip(readers, texts, strict=True))
    read = make_text_reader(info.item_type) or str
    shortest, longest = read_length_limits(info)

    def read_all(texts: Sequence[str]) -> object:
        if not shortest <= len(texts) <= longest:
            raise ValueError("wrong number of values")
        return build(read(text) for text in texts)

    return read_all
