"""Values that were read from a session as a type, and how what a handler changes in them comes back into its data.

What is stored is plain: dicts, lists and scalars, under the names that the type has on the wire. So a class may change
its name or gain a field, and whoever looks at the session as a dict sees nothing of it. A value is compared with what
it was when it was read, as `frozen.py` does for whole sessions, and only the keys that changed are written: what other
values, `request.session` and other requests did to the rest stays.
"""

from collections.abc import Callable, Iterable
from copy import deepcopy
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec

from ..sentinels import UNSET
from .snapshot import compare, freeze, is_unchanged
from .state import SessionState

T = TypeVar("T")

_AS_THEY_ARE: Final = (bytes, bytearray, datetime, date, time, timedelta, Decimal, UUID)
"""Scalars that msgspec would write as text."""


def make_session_reader(read: Callable[[object], T], key: str | None, default: object) -> Callable[[SessionState], T]:
    """What reads a session's value by `read`, all of it or what is at `key`, and has it saved when it has changed.

    Without anything stored it gives a copy of `default`; without one, all of a session is read from nothing. It raises
    what `read` does, and ValueError where nothing is.
    """

    def value_of(state: SessionState) -> T:
        data = state.data
        stored = data if key is None else data.get(key, UNSET)
        if stored is UNSET or not (data or default is UNSET):
            if default is UNSET:
                raise ValueError("nothing is stored")
            value: T = deepcopy(default)  # type: ignore[assignment]  # the parameter's own annotation says so
        else:
            value = read(stored)  # a new value, whatever is stored
        state.kept = (*state.kept, _Kept(value, read, key, data))
        return value

    return value_of


class _Kept:
    """One value, and what it was when it was read from `data`."""

    def __init__(self, value: Any, read: Callable[[object], object], key: str | None, data: dict[str, Any]) -> None:
        self._value = value
        self._read = read
        self._key = key
        now = self._plain()
        self._before = freeze(now)
        self._missing = now.keys() - data.keys()
        """The names in it that the session does not have yet, as long as it has its defaults alone."""

    def _plain(self) -> dict[str, Any]:
        found = to_plain(self._value)
        if self._key is not None:
            return {self._key: found}
        return found if isinstance(found, dict) else {}  # an optional one that is None

    def write(self, data: dict[str, Any]) -> None:
        """Put into `data` what has changed since it was read, or last written.

        Raises TypeError when it has become what could not be read again.
        """
        values = self._plain()
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
            raise TypeError(f"A {kind} of this session cannot be stored, it would not fit: {error}") from error


def to_plain(value: Any) -> Any:
    """`value` as dicts, lists and scalars; what msgspec does not know stays what it is."""
    try:
        return msgspec.to_builtins(value, builtin_types=_AS_THEY_ARE)
    except TypeError:
        pass
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(item) for item in value]
    items = value.items() if isinstance(value, dict) else _fields(value)
    return value if items is None else {name: to_plain(item) for name, item in items}


def _fields(value: Any) -> Iterable[tuple[str, Any]] | None:
    """The fields of an instance by their names on the wire; None for what has none."""
    if isinstance(value, msgspec.Struct):
        tag, kind = value.__struct_config__.tag_field, value.__struct_config__.tag
        names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        return [*([(tag, kind)] if tag is not None else []), *((name, getattr(value, own)) for name, own in names)]
    if hasattr(value, "__dataclass_fields__"):
        return [(name, getattr(value, name)) for name in value.__dataclass_fields__]
    attributes = getattr(type(value), "__attrs_attrs__", None)
    return attributes and [(one.name, getattr(value, one.name)) for one in attributes]
