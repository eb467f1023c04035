"""This module defines the contract of a session store, and what every store inherits.

A store has two methods, `load` and `save`, which read and write whole sessions. Three more methods build on them, one
of which a request calls at its end: `merge` its changes, `discard` the session, or `rotate` it to another identifier.
The versions here work with any store, because an asyncio lock for each identifier keeps their steps together. That lock
covers a single event loop, so a store that several processes share overrides the three with atomic operations.

Cookies, requests and the detection of changes are left to other modules.
"""
# ruff: noqa: ASYNC109  # `timeout` is how long a session lives, not how long a call may take

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any, Protocol
from weakref import WeakValueDictionary

from .._utils.lazy_imports import asyncio
from .snapshot import Whole


class ImmediateStore(Protocol):
    """A store that keeps snapshots of sessions, and reads and writes them without waiting."""

    def load_frozen(self, session_id: str) -> Whole | None:
        """Return the stored snapshot of the session, or None without one."""
        ...

    def compare_and_swap(self, session_id: str, before: Whole, now: Whole, timeout: int) -> bool:
        """Store `now` if `before` is still the stored snapshot. Return True if it was, False with nothing stored."""
        ...


class SessionBackend(ABC):
    """A store of sessions. Subclass it with `load` and `save`; everything else is optional.

    Subclasses need not call `super().__init__()`. A call that raises or is cancelled leaves the session either as it
    was or as it should become, never half of each.
    """

    @abstractmethod
    async def load(self, session_id: str) -> dict[str, Any]:
        """Return what is stored under `session_id`: `{}` when that is unknown or expired.

        Raise an exception when the store cannot be reached: an empty session must never replace a real one.
        """

    @abstractmethod
    async def save(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
        """Store `data` under `session_id` for `timeout` seconds from now, and replace what was stored there.

        Empty `data` deletes the session.
        """

    async def merge(self, session_id: str, changed: Mapping[str, Any], removed: Collection[str], timeout: int) -> bool:
        """Apply one request's changes to what is stored now, so that concurrent requests keep each other's keys.

        Return False, with nothing saved, if the session no longer exists: a session that another request ended stays
        ended.
        """
        async with self.__lock(session_id):
            stored = await self.load(session_id)
            if not stored:
                return False
            await self.save(session_id, apply_changes(stored, changed, removed), timeout)
            return True

    async def discard(self, session_id: str, timeout: int) -> None:
        """End the session, but wait for a `merge` that is under way, which would otherwise restore it."""
        async with self.__lock(session_id):
            await self.save(session_id, {}, timeout)

    async def rotate(
        self, old: str, new: str, changed: Mapping[str, Any], removed: Collection[str], timeout: int
    ) -> bool:
        """Move the session from the identifier `old` to `new` with one request's changes, and delete `old`.

        If another request ended the session meanwhile, only `changed` moves: a login that runs beside a logout keeps
        its own values and restores none of the old ones. Return False if there was nothing to move; `new` then does
        not exist.

        The session is stored under `new` first. A call that is cut off in between leaves the client its old session.
        """
        async with self.__lock(old):
            moved = apply_changes(await self.load(old), changed, removed)
            if moved:
                await self.save(new, moved, timeout)
            await self.save(old, {}, timeout)
            return bool(moved)

    def get_immediate_store(self) -> ImmediateStore | None:
        """Return this store as one that never waits, or None, the default, if its methods must be awaited."""
        return None

    # Users write the subclasses. So these names are mangled, and no attribute depends on `__init__` being called.

    @cached_property
    def __locks(self) -> "WeakValueDictionary[tuple[asyncio.AbstractEventLoop, str], asyncio.Lock]":
        # Weak, so that a lock disappears once no task holds it or waits for it. The loop is part of the key because a
        # lock belongs to one loop, and no task must wait for a lock that a closed loop left behind.
        return WeakValueDictionary()

    def __lock(self, session_id: str) -> "asyncio.Lock":
        return self.__locks.setdefault((asyncio.get_running_loop(), session_id), asyncio.Lock())


def apply_changes(stored: Mapping[str, Any], changed: Mapping[str, Any], removed: Collection[str]) -> dict[str, Any]:
    """Return `stored` with the changes, as a new dictionary: a store may have returned the very one that it keeps."""
    data = {**stored, **changed}
    for key in removed:
        data.pop(key, None)
    return data
