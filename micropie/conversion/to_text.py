"""This module writes values as the texts that `from_text` and `from_fields` read.

The spellings are those of JSON without the quotes: `true`, `2.5`, RFC 3339 dates, the values of an Enum. Bytes are
written as UTF-8, and None is the empty text. A text may be read as another value again, such as `"5"` for `int | str`:
the caller, which has the type, must try it.
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
"""The types and their writers; the first type that fits writes the value."""


def value_to_text(value: object) -> str:
    """Return the scalar `value` as text. Raises ValueError for a structure, and for bytes that are not UTF-8."""
    for kind, write in _SPELLINGS:
        if isinstance(value, kind):
            return write(value)
    raise ValueError(f"{type(value).__name__} cannot be written as text")


def value_to_texts(value: object) -> list[str]:
    """Return the texts of `value`: one for a scalar, several for an array of scalars. Raises ValueError."""
    return [value_to_text(item) for item in value] if isinstance(value, _MANY) else [value_to_text(value)]


def is_same_value(received: Any, sent: Any) -> bool:
    """Return True if both values are written alike: a class may lack `__eq__`, and a list may replace a set."""
    if received == sent:
        return True
    try:
        plain_received = msgspec.to_builtins(received, str_keys=True)
        plain_sent = msgspec.to_builtins(sent, str_keys=True)
    except (TypeError, ValueError, RecursionError):
        return False
    return type(plain_received) is type(plain_sent) and bool(plain_received == plain_sent)


def value_to_fields(info: mi.Type, value: Any) -> tuple[Pairs, list[tuple[str, Any]]]:
    """Return `value`, which is an `info` with fields, as names with texts and names with files. Raises ValueError."""
    member = _select_member(remove_none(info), value)
    if isinstance(member, mi.DictType):
        return [(value_to_text(name), text) for name, item in value.items() for text in value_to_texts(item)], []
    pairs: Pairs = []
    files: list[tuple[str, Any]] = []
    if getattr(member, "tag_field", None) is not None:
        pairs.append((member.tag_field, str(member.tag)))
    for field in member.fields:
        item = _get_field_value(value, field.name)
        if _is_left_out(field, item):
            continue
        if _is_file(field.type):
            files += [(field.encode_name, file) for file in (item if isinstance(item, list) else [item])]
        else:
            pairs += [(field.encode_name, text) for text in value_to_texts(item)]
    return pairs, files


def _select_member(info: Any, value: object) -> Any:
    """Return the member of a union that `value` is an instance of. Raises ValueError."""
    for member in info.types if isinstance(info, mi.UnionType) else (info,):
        cls: Any = Mapping if isinstance(member, mi.DictType | mi.TypedDictType) else getattr(member, "cls", object)
        if isinstance(value, get_origin(cls) or cls):
            return member
    raise ValueError(f"{type(value).__name__} is not an instance of any expected type")


def _get_field_value(value: Any, name: str) -> object:
    return value.get(name, msgspec.UNSET) if isinstance(value, Mapping) else getattr(value, name, msgspec.UNSET)


def _is_left_out(field: mi.Field, item: object) -> bool:
    """Return True if the field is left out: it is not set, it is None by default, or it is an empty array."""
    return item is msgspec.UNSET or (item is None and field.default is None) or (isinstance(item, _MANY) and not item)


def _is_file(info: mi.Type) -> bool:
    info = remove_none(info)
    inner: Iterable[mi.Type] = (info.item_type,) if isinstance(info, mi.ListType) else (info,)
    return any(isinstance(remove_none(part), mi.CustomType) for part in inner)
