"""Value to text: what `texts.py` and `forms.py` read, written.

The spellings are those of JSON without the quotes: `true`, `2.5`, RFC 3339 dates, the values of an Enum; bytes are
their UTF-8, nothing is the empty text. Whether a text is read as the same value again is for the caller to try: only
who knows the type can.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, TypeAlias, get_origin
from uuid import UUID

import msgspec
from msgspec import inspect as mi

from .type_info import remove_none

Pairs: TypeAlias = list[tuple[str, str]]

_MANY: Final = (list, tuple, set, frozenset)

_SPELLINGS: Final[tuple[tuple[Any, Callable[[Any], str]], ...]] = (
    (Enum, lambda member: str(member.value)),  # before what its members may also be
    (bool, lambda value: "true" if value else "false"),  # before int, which it is
    (str, str),
    (int, lambda value: str(int(value))),
    (float, lambda value: repr(float(value))),
    (Decimal, str),
    ((bytes, bytearray, memoryview), lambda value: bytes(value).decode()),
    ((UUID, date, time, timedelta), msgspec.to_builtins),
    (type(None), lambda _: ""),
)
"""The first that fits writes a value."""


def value_to_text(value: object) -> str:
    """`value`, a scalar, as text. Raises ValueError for what has none: structures, bytes that are no UTF-8."""
    for kind, write in _SPELLINGS:
        if isinstance(value, kind):
            return write(value)
    raise ValueError(f"{type(value).__name__} cannot be written as text")


def value_to_texts(value: object) -> list[str]:
    """The texts of `value`: one for a scalar, several for an array of them. Raises ValueError."""
    return [value_to_text(item) for item in value] if isinstance(value, _MANY) else [value_to_text(value)]


def is_same_value(found: Any, value: Any) -> bool:
    """Whether `found` says what `value` did; classes may have no equality, and a list may stand for a set."""
    if found == value:
        return True
    try:
        one, other = msgspec.to_builtins(found, str_keys=True), msgspec.to_builtins(value, str_keys=True)
    except (TypeError, ValueError, RecursionError):
        return False
    return type(one) is type(other) and bool(one == other)


def value_to_fields(info: mi.Type, value: Any) -> tuple[Pairs, list[tuple[str, Any]]]:
    """`value`, an `info` with fields, as names with texts, and as names with files. Raises ValueError."""
    meant = _meant(remove_none(info), value)
    if isinstance(meant, mi.DictType):
        return [(value_to_text(name), text) for name, item in value.items() for text in value_to_texts(item)], []
    pairs: Pairs = []
    files: list[tuple[str, Any]] = []
    if getattr(meant, "tag_field", None) is not None:
        pairs.append((meant.tag_field, str(meant.tag)))
    for field in meant.fields:
        item = _field_value(value, field.name)
        if _is_left_out(field, item):
            continue
        if _is_file(field.type):
            files += [(field.encode_name, file) for file in (item if isinstance(item, list) else [item])]
        else:
            pairs += [(field.encode_name, text) for text in value_to_texts(item)]
    return pairs, files


def _meant(info: Any, value: object) -> Any:
    """The member of a union that `value` is."""
    for member in info.types if isinstance(info, mi.UnionType) else (info,):
        cls: Any = Mapping if isinstance(member, mi.DictType | mi.TypedDictType) else getattr(member, "cls", object)
        if isinstance(value, get_origin(cls) or cls):
            return member
    raise ValueError(f"{type(value).__name__} is none of what was expected")


def _field_value(value: Any, name: str) -> object:
    return value.get(name, msgspec.UNSET) if isinstance(value, Mapping) else getattr(value, name, msgspec.UNSET)


def _is_left_out(field: mi.Field, item: object) -> bool:
    """Whether it is said by saying nothing: what is not set, a None that is the default, several of which are none."""
    return item is msgspec.UNSET or (item is None and field.default is None) or (isinstance(item, _MANY) and not item)


def _is_file(info: mi.Type) -> bool:
    info = remove_none(info)
    inner: Iterable[mi.Type] = (info.item_type,) if isinstance(info, mi.ListType) else (info,)
    return any(isinstance(remove_none(part), mi.CustomType) for part in inner)
