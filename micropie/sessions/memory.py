"""This module keeps sessions in the process's memory. An App without a `session_backend` uses this store.

Each session is kept as a snapshot, so that no two requests ever share a mutable object. When there are too many, the
one used longest ago is dropped. A client that sends no cookies begins a session with every request; such sessions are
dropped before all that a later request has presented, so that no flood of them logs a user out (RELIABILITY 41). Every
save also checks a few other sessions in turn and drops those that have expired. That needs no timer and no task, and no
single save is slow.
"""
# ruff: noqa: ASYNC109  # `timeout` is how long a session lives, not how long a call may take

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeAlias

from .backend import SessionBackend, apply_changes
from .snapshot import Whole, explain_unstorable, freeze_whole, thaw

_Entry: TypeAlias = tuple[Whole, float]

_SWEPT_PER_SAVE: Final = 2
"""Sessions that each save checks for expiry. More than one, so that a round ends before the store has doubled."""

_NEWCOMERS: Final = 100
"""One session of so many may be one that no request has presented yet, even in a store full of others.

Without them the next newcomer would drop the last one, so that no client could log in any more.
"""


class InMemorySessionBackend(SessionBackend):
    """A store of at most `max_sessions` sessions, which drops the one used longest ago.

    A session that no request has presented again goes before all others.

    `clock` returns seconds and never goes back. Raises ValueError when `max_sessions` is less than 1.
    """

    def __init__(self, max_sessions: int = 100_000, *, clock: Callable[[], float] = time.monotonic) -> None:
        if max_sessions < 1:
            raise ValueError(f"max_sessions must be at least 1, not {max_sessions}")
        self._max_sessions = max_sessions
        self._clock = clock
        # The snapshot of each session, and when it expires. The session used longest ago comes first.
        self._presented: OrderedDict[str, _Entry] = OrderedDict()
        self._begun: OrderedDict[str, _Entry] = OrderedDict()  # those that no request has presented since
        self._unswept: list[str] = []  # identifiers that this round has yet to check

    async def load(self, session_id: str) -> dict[str, Any]:
        """Return what was last saved, as new objects that the caller may change; `{}` when unknown or expired."""
        stored = self.load_frozen(session_id)
        return {} if stored is None else thaw(stored)

    async def save(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
        """Store `data` for `timeout` seconds; empty `data` deletes the session.

        Raises TypeError, naming the keys whose values cannot be pickled, with nothing saved.
        """
        self._save(session_id, data, timeout)

    async def merge(self, session_id: str, changed: Mapping[str, Any], removed: Collection[str], timeout: int) -> bool:
        """Apply one request's changes without a lock: nothing here waits, so that no other task runs in between."""
        if self.get_immediate_store() is None:
            return await super().merge(session_id, changed, removed, timeout)
        entry = self._find(session_id)
        if entry is None:
            return False
        self._save(session_id, apply_changes(thaw(entry[0]), changed, removed), timeout)
        return True

    def get_immediate_store(self) -> "InMemorySessionBackend | None":
        """Return this store, or None where a subclass or the instance has its own `load`, `save` or `merge`.

        Those must be called. A method may be replaced at any time, as tests do, so that no earlier check is trusted.
        """
        cls, own = type(self), self.__dict__
        if cls.load is not _LOAD or cls.save is not _SAVE or cls.merge is not _MERGE:
            return None
        return None if "load" in own or "save" in own or "merge" in own else self

    def load_frozen(self, session_id: str) -> Whole | None:
        """Return the snapshot that was last saved; None when unknown or expired. The session then counts as used."""
        entry = self._find(session_id)
        if entry is None:
            return None
        if self._begun.pop(session_id, None) is not None:
            self._presented[session_id] = entry
        else:
            self._presented.move_to_end(session_id)
        return entry[0]

    def compare_and_swap(self, session_id: str, before: Whole, now: Whole, timeout: int) -> bool:
        """Store `now` if `before` is still the stored snapshot. Return True if it was, False with nothing stored."""
        entry = self._find(session_id)
        if entry is None or entry[0] is not before:
            return False
        self._keep_snapshot(session_id, now, timeout)
        return True

    def _find(self, session_id: str) -> _Entry | None:
        """Return the session's entry if it has not expired, without counting it as used."""
        entry = self._presented.get(session_id) or self._begun.get(session_id)
        if entry is not None and entry[1] <= self._clock():
            self._remove(session_id)
            return None
        return entry

    def _remove(self, session_id: str) -> None:
        self._presented.pop(session_id, None)
        self._begun.pop(session_id, None)

    def _save(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
        if not data:
            self._remove(session_id)
            return
        try:
            stored = freeze_whole(data)
        except Exception as error:  # a value's own __reduce__ may raise anything
            raise explain_unstorable(data, error) from error
        self._keep_snapshot(session_id, stored, timeout)

    def _keep_snapshot(self, session_id: str, stored: Whole, timeout: int) -> None:
        now = self._clock()
        sessions = self._presented if session_id in self._presented else self._begun
        sessions[session_id] = stored, now + timeout
        sessions.move_to_end(session_id)
        self._sweep(now)
        while len(self._presented) + len(self._begun) > self._max_sessions:
            newcomers = max(1, self._max_sessions // _NEWCOMERS)
            (self._begun if len(self._begun) > newcomers else self._presented).popitem(last=False)

    def _sweep(self, now: float) -> None:
        # Timeouts differ, so the order of saving is not the order of expiry, and a round must visit every session.
        # Listing n sessions costs O(n), once in about n / 2 saves: a constant for each save.
        unswept = self._unswept
        if not unswept:
            unswept.extend(self._presented)
            unswept.extend(self._begun)
        for session_id in unswept[-_SWEPT_PER_SAVE:]:
            entry = self._presented.get(session_id) or self._begun.get(session_id)
            if entry is not None and entry[1] <= now:
                self._remove(session_id)
        del unswept[-_SWEPT_PER_SAVE:]


_LOAD: Final = InMemorySessionBackend.load
_SAVE: Final = InMemorySessionBackend.save
_MERGE: Final = InMemorySessionBackend.merge
