"""A session at one moment, and what changed from one moment to another.

A session of scalars alone, as most are, is copied, and is what it was if it holds the very same objects. Any other is
pickled, and equal bytes mean that nothing changed, however deep. Only when neither is so is it worked out which keys
did. What does not pickle is compared with a deep copy, key by key.

Nothing here knows of stores, requests or cookies.
"""

from collections.abc import Mapping
from copy import deepcopy
from types import NoneType
from typing import Any, Final, NamedTuple, TypeAlias

from .._utils.lazy_imports import pickle
from ..sentinels import UNSET

Whole: TypeAlias = bytes | dict[str, Any]
"""A session from which it can be made again: pickled, or a copy whose values cannot change and that nobody changes."""


class Pieces(dict[str, object]):
    """A session that does not pickle: each value by `_freeze_value`."""


Frozen: TypeAlias = Whole | Pieces
"""A session at one moment."""

NOTHING: Final[Whole] = b"}."
"""A session without data: the pickle of an empty dictionary."""

# Values of these very types are the same when they are equal. Not floats, where 0.0 equals -0.0 and nan not itself.
_SIMPLE: Final = frozenset({str, int, bool, bytes, NoneType})
_SCALARS: Final = _SIMPLE | {float}
_TEXT: Final = frozenset({str})


def freeze(data: dict[str, Any]) -> Frozen:
    """`data` as it is now, whatever is in it."""
    try:
        return freeze_whole(data)
    except Exception:  # noqa: BLE001  # a value's own __reduce__ may raise anything
        return Pieces({key: _freeze_value(value) for key, value in data.items()})


def freeze_whole(data: dict[str, Any]) -> Whole:
    """`data` as it is now. Raises whatever its values do when they are pickled."""
    if not data:
        return NOTHING
    if _SCALARS.issuperset(map(type, data.values())) and _TEXT.issuperset(map(type, data)):
        return data.copy() if type(data) is dict else dict(data)
    return pickle.dumps(data, 5)


def thaw(frozen: Whole) -> dict[str, Any]:
    """The session that was frozen, as new objects where they can change.

    Unpickling runs code that its input names; what is given here was pickled in this process and never left it.
    """
    data: dict[str, Any] = pickle.loads(frozen) if isinstance(frozen, bytes) else frozen.copy()
    return data


def is_unchanged(frozen: Frozen, data: dict[str, Any]) -> bool:
    """Whether `data` is seen at once to be what was frozen, as it holds the same scalars."""
    if type(frozen) is not dict or len(frozen) != len(data):
        return False
    for key, value in data.items():  # noqa: SIM110  # a generator for `all` costs more than the whole look
        # Equal alone is not enough, True equals 1; and it may ask a value that somebody put there.
        if frozen.get(key, UNSET) is not value:
            return False
    return True


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
        values = dict(data) if isinstance(now, Pieces) else thaw(now)
        if not (isinstance(before, Pieces) or isinstance(now, Pieces)):
            old: Mapping[str, object] = thaw(before)
            changed = {key: value for key, value in values.items() if key not in old or not _alike(old[key], value)}
        else:
            old, new = _each(before), _each(now)
            changed = {key: value for key, value in values.items() if key not in old or not _same(old[key], new[key])}
    except Exception as error:  # a value's own __setstate__ may raise anything
        raise explain_unstorable(data, error) from error
    return Changes(values, changed, frozenset(old.keys() - values.keys()))


def _alike(old: object, new: object) -> bool:
    """Whether two values that were read back are the same one."""
    if type(new) in _SIMPLE:
        return type(old) is type(new) and old == new
    return _same(_freeze_value(old), _freeze_value(new))


def _each(frozen: Frozen) -> Mapping[str, object]:
    """Each value frozen by itself."""
    if isinstance(frozen, Pieces):
        return frozen
    return {key: _freeze_value(value) for key, value in thaw(frozen).items()}


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


def explain_unstorable(data: Mapping[str, Any], error: Exception) -> TypeError:
    """The error to raise when `data` does not survive pickling: names every key whose value is to blame."""
    names = ", ".join(repr(key) for key, value in data.items() if not _survives(value))
    return TypeError(
        f"This session cannot be stored ({names or 'as a whole'}): {type(error).__name__}: {error}. "
        "Keep text, numbers, lists, dicts or instances of importable classes in a session"
    )


def _survives(value: object) -> bool:
    try:
        pickle.loads(pickle.dumps(value, 5))  # what was pickled in this very line
    except Exception:  # noqa: BLE001  # a value's own __reduce__ and __setstate__ may raise anything
        return False
    return True
