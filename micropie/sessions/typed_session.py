"""This module reads typed values from a session, and writes the handler's changes in them back into its data.

What is stored is plain: dicts, lists and scalars, under the names that the type uses on the wire. So a class may change
its name or gain a field, and code that reads the session as a dict never sees an instance. A value is compared with
the snapshot taken when it was read, as `snapshot.py` does for whole sessions. Only the keys that changed are written,
so that what other values, `request.session` and other requests did to the rest stays.
"""

from collections.abc import Callable, Iterable
from copy import deepcopy
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec

from ..sentinels import UNSET, Unset
from .snapshot import compare, freeze, is_unchanged
from .state import SessionState

T = TypeVar("T")

_AS_THEY_ARE: Final = (bytes, bytearray, datetime, date, time, timedelta, Decimal, UUID)
"""The types of scalars that msgspec would write as text."""


def make_session_reader(
    read: Callable[[object], T], key: str | None, default: T | Unset
) -> Callable[[SessionState], T]:
    """Return a function that reads a value from a session with `read`, and registers it so that its changes are saved.

    The value is what is stored at `key`, or with None the whole session. Where nothing is stored it is a copy of
    `default`; without a default, a whole session is read from an empty dict. The function raises what `read` raises,
    and ValueError for a key that is not stored.
    """

    def read_value(state: SessionState) -> T:
        """Read the value from `state`."""
        data = state.data
        stored = data if key is None else data.get(key, UNSET)
        if stored is UNSET or not (data or default is UNSET):
            if default is UNSET:
                raise ValueError("nothing is stored")
            value = deepcopy(default)
        else:
            value = read(stored)  # a new value, which shares nothing with the stored one
        state.kept = (*state.kept, _ReadValue(value, read, key, data))
        return value

    return read_value


class _ReadValue:
    """A value that a handler holds, with the snapshot taken when it was read from `data`."""

    def __init__(self, value: Any, read: Callable[[object], object], key: str | None, data: dict[str, Any]) -> None:
        self._value = value
        self._read = read
        self._key = key
        now = self._convert()
        self._before = freeze(now)
        self._missing = now.keys() - data.keys()
        """The names that the session lacks so far, because the value has only its defaults for them."""

    def _convert(self) -> dict[str, Any]:
        plain = to_plain(self._value)
        if self._key is not None:
            return {self._key: plain}
        return plain if isinstance(plain, dict) else {}  # an optional value that is None

    def write(self, data: dict[str, Any]) -> None:
        """Write into `data` what has changed since the value was read, or last written.

        Raises TypeError when the changed value could not be read again.
        """
        values = self._convert()
        if is_unchanged(self._before, values):
            return
        now = freeze(values)
        if isinstance(now, bytes) and now == self._before:
            return
        _, changed, removed = compare(self._before, now, values)
        if changed or removed:
            self._check(values)
            begun = self._missing - data.keys()
            data.update((name, values[name]) for name in values if name in changed or name in begun)
            for name in removed:
                data.pop(name, None)
            self._missing = set[str]()
        self._before = now

    def _check(self, values: dict[str, Any]) -> None:
        try:
            self._read(values if self._key is None else values[self._key])
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            kind = type(self._value).__qualname__
            raise TypeError(
                f"A {kind} of this session cannot be stored, because it no longer fits its type: {error}"
            ) from error


def to_plain(value: Any) -> Any:
    """Convert `value` to dicts, lists and scalars. A value of a type that msgspec does not support stays as it is."""
    try:
        return msgspec.to_builtins(value, builtin_types=_AS_THEY_ARE)
    except TypeError:
        pass
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(item) for item in value]
    items = value.items() if isinstance(value, dict) else _list_fields(value)
    return value if items is None else {name: to_plain(item) for name, item in items}


def _list_fields(value: Any) -> Iterable[tuple[str, Any]] | None:
    """Return the fields of an instance by their names on the wire, or None for a value without fields."""
    if isinstance(value, msgspec.Struct):
        tag, kind = value.__struct_config__.tag_field, value.__struct_config__.tag
        names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        return [*([(tag, kind)] if tag is not None else []), *((name, getattr(value, own)) for name, own in names)]
    if hasattr(value, "__dataclass_fields__"):
        return [(name, getattr(value, name)) for name in value.__dataclass_fields__]
    attributes = getattr(type(value), "__attrs_attrs__", None)
    return attributes and [(attribute.name, getattr(value, attribute.name)) for attribute in attributes]
