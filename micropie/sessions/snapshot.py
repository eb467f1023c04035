"""This module freezes the data of a session into a snapshot, and finds what changed between two snapshots.

Most sessions hold scalars alone. Their snapshot is a copy, and they are unchanged if they hold the very same objects.
Every other session is pickled, and equal bytes mean that nothing changed, at any depth. Only if both checks fail are
the sessions compared key by key. Values that cannot be pickled are compared with a deep copy.

Stores, requests and cookies are left to other modules.
"""

from collections.abc import Mapping
from copy import deepcopy
from types import NoneType
from typing import Any, Final, NamedTuple, TypeAlias

from .._utils.lazy_imports import pickle
from ..sentinels import UNSET

Whole: TypeAlias = bytes | dict[str, Any]
"""A snapshot that can be thawed: a pickle, or a copy that holds immutable values and is never changed."""


class Pieces(dict[str, object]):
    """A snapshot of data that cannot be pickled as a whole: each value frozen by `_freeze_value`."""


Frozen: TypeAlias = Whole | Pieces
"""A snapshot: the data of a session at one moment."""

NOTHING: Final[Whole] = b"}."
"""The snapshot of a session without data: the pickle of an empty dictionary."""

# Equal values of these very types are the same value. Floats are left out: 0.0 equals -0.0, and nan not even itself.
_SIMPLE: Final = frozenset({str, int, bool, bytes, NoneType})
_SCALARS: Final = _SIMPLE | {float}
_TEXT: Final = frozenset({str})


def freeze(data: dict[str, Any]) -> Frozen:
    """Return a snapshot of `data`, whatever values it holds."""
    try:
        return freeze_whole(data)
    except Exception:  # noqa: BLE001  # a value's own __reduce__ may raise anything
        return Pieces({key: _freeze_value(value) for key, value in data.items()})


def freeze_whole(data: dict[str, Any]) -> Whole:
    """Return a snapshot of `data` that can be thawed. Raises whatever its values raise when they are pickled."""
    if not data:
        return NOTHING
    if _SCALARS.issuperset(map(type, data.values())) and _TEXT.issuperset(map(type, data)):
        return data.copy() if type(data) is dict else dict(data)
    return pickle.dumps(data, 5)


def thaw(frozen: Whole) -> dict[str, Any]:
    """Return the data of a snapshot; mutable values are new objects.

    Unpickling runs code that its input names. That is safe here: the bytes were pickled in this process and never
    left it.
    """
    data: dict[str, Any] = pickle.loads(frozen) if isinstance(frozen, bytes) else frozen.copy()
    return data


def is_unchanged(frozen: Frozen, data: dict[str, Any]) -> bool:
    """Return True if `data` holds the very scalars that were frozen. False means that `compare` must decide."""
    if type(frozen) is not dict or len(frozen) != len(data):
        return False
    for key, value in data.items():  # noqa: SIM110  # a generator for `all` costs more than the whole loop
        # Not `==`: True equals 1, and a user's value may define `__eq__`.
        if frozen.get(key, UNSET) is not value:
            return False
    return True


class Changes(NamedTuple):
    """The changes that a request made to its session."""

    values: dict[str, Any]
    """All data as it is now, as copies that the handler does not hold, unless a value cannot be pickled."""
    changed: dict[str, Any]
    """Those of `values` that are new or different."""
    removed: frozenset[str]
    """The keys that were removed."""


def compare(before: Frozen, now: Frozen, data: dict[str, Any]) -> Changes:
    """Return what changed from `before` to `now`, the snapshot of `data`.

    Both sides are read back from their pickles before their values are compared. So a set that did not change pickles
    alike on both sides, although the handler's set may list its members in another order. Raises TypeError for values
    that cannot be stored.
    """
    try:
        values = dict(data) if isinstance(now, Pieces) else thaw(now)
        if not (isinstance(before, Pieces) or isinstance(now, Pieces)):
            old: Mapping[str, object] = thaw(before)
            changed = {key: value for key, value in values.items() if key not in old or not _is_same(old[key], value)}
        else:
            old, new = _freeze_each(before), _freeze_each(now)
            changed = {
                key: value for key, value in values.items() if key not in old or not _is_equal(old[key], new[key])
            }
    except Exception as error:  # a value's own __setstate__ may raise anything
        raise explain_unstorable(data, error) from error
    return Changes(values, changed, frozenset(old.keys() - values.keys()))


def _is_same(old: object, new: object) -> bool:
    """Return True if two thawed values are the same."""
    if type(new) in _SIMPLE:
        return type(old) is type(new) and old == new
    return _is_equal(_freeze_value(old), _freeze_value(new))


def _freeze_each(frozen: Frozen) -> Mapping[str, object]:
    """Return each value of a snapshot frozen by itself."""
    if isinstance(frozen, Pieces):
        return frozen
    return {key: _freeze_value(value) for key, value in thaw(frozen).items()}


def _freeze_value(value: object) -> object:
    for freeze_one in (_pickle, deepcopy):
        try:
            return freeze_one(value)
        except Exception:  # noqa: BLE001, S112  # as above, and __deepcopy__ may raise, too
            continue
    # Equal to no other object, so that the value counts as changed: a needless save is better than a lost change.
    return object()


def _pickle(value: object) -> bytes:
    return pickle.dumps(value, 5)


def _is_equal(before: object, now: object) -> bool:
    try:
        return bool(before == now)
    except Exception:  # noqa: BLE001  # an __eq__ may raise anything, and then the values count as different
        return False


def explain_unstorable(data: Mapping[str, Any], error: Exception) -> TypeError:
    """Build the TypeError for `data` that does not survive pickling. It names every key whose value is at fault."""
    names = ", ".join(repr(key) for key, value in data.items() if not _is_storable(value))
    return TypeError(
        f"This session cannot be stored ({names or 'as a whole'}): {type(error).__name__}: {error}. "
        "Keep text, numbers, lists, dicts or instances of importable classes in a session"
    )


def _is_storable(value: object) -> bool:
    try:
        pickle.loads(pickle.dumps(value, 5))  # the bytes were pickled in this very line
    except Exception:  # noqa: BLE001  # a value's own __reduce__ and __setstate__ may raise anything
        return False
    return True
