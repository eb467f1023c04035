"""A session at one moment, and what changed from one moment to another.

A session is pickled, and equal bytes mean that nothing changed, however deep. Only when the bytes differ is it worked
out which keys did. What does not pickle is compared with a deep copy, key by key.

Nothing here knows of stores, requests or cookies.
"""

from collections.abc import Mapping
from copy import deepcopy
from types import NoneType
from typing import Any, Final, NamedTuple, TypeAlias

from ..deferred import pickle
from .base import unstorable

Frozen: TypeAlias = bytes | Mapping[str, object]
"""A session at one moment: pickled whole, or where that fails, each value by `_freeze_value`."""

NOTHING: Final[Frozen] = b"}."
"""A session without data: the pickle of an empty dictionary."""

# Values of these very types are the same when they are equal. Not floats, where 0.0 equals -0.0 and nan not itself.
_SIMPLE: Final = frozenset({str, int, bool, bytes, NoneType})


def freeze(data: dict[str, Any]) -> Frozen:
    """`data` as it is now, whatever is in it."""
    if not data:
        return NOTHING
    try:
        return pickle.dumps(data, 5)
    except Exception:  # noqa: BLE001  # a value's own __reduce__ may raise anything
        return {key: _freeze_value(value) for key, value in data.items()}


class Changes(NamedTuple):
    """What a request did to its session."""

    values: dict[str, Any]
    """All of it now; copies that the handler does not hold, unless a value cannot be pickled."""
    changed: dict[str, Any]
    """Those of `values` that are new or different."""
    removed: frozenset[str]
    """The keys that are no longer there."""


def compare(before: Frozen, now: Frozen, data: dict[str, Any]) -> Changes:
    """What changed from `before` to `now`, which is `data` frozen. Raises TypeError for what cannot be stored.

    Both sides are read back from their pickles before their values are compared: a set that nobody touched is
    rebuilt in the same way twice and so pickles alike, where the handler's own might have another order.
    """
    try:
        values = _thawed(now) if isinstance(now, bytes) else dict(data)
        if isinstance(before, bytes) and isinstance(now, bytes):
            old: Mapping[str, object] = _thawed(before)
            changed = {key: value for key, value in values.items() if key not in old or not _alike(old[key], value)}
        else:
            old, new = _each(before), _each(now)
            changed = {key: value for key, value in values.items() if key not in old or not _same(old[key], new[key])}
    except Exception as error:  # a value's own __setstate__ may raise anything
        raise unstorable(data, error) from error
    return Changes(values, changed, frozenset(old.keys() - values.keys()))


def _thawed(pickled: bytes) -> dict[str, Any]:
    data: dict[str, Any] = pickle.loads(pickled)  # our bytes
    return data


def _alike(old: object, new: object) -> bool:
    """Whether two values that were read back are the same one."""
    if type(new) in _SIMPLE:
        return type(old) is type(new) and old == new
    return _same(_freeze_value(old), _freeze_value(new))


def _each(frozen: Frozen) -> Mapping[str, object]:
    """Each value frozen by itself."""
    if not isinstance(frozen, bytes):
        return frozen
    return {key: _freeze_value(value) for key, value in _thawed(frozen).items()}


def _freeze_value(value: object) -> object:
    for frozen in (_pickled, deepcopy):
        try:
            return frozen(value)
        except Exception:  # noqa: BLE001, S112  # as above, and __deepcopy__ too
            continue
    # Equal to nothing else, so the value counts as changed: a needless save where silence might lose one.
    return object()


def _pickled(value: object) -> bytes:
    return pickle.dumps(value, 5)


def _same(before: object, now: object) -> bool:
    try:
        return bool(before == now)
    except Exception:  # noqa: BLE001  # an __eq__ may raise anything; then it did not say "equal"
        return False
