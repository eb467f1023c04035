"""What a session store must do, and what every store gets for it.

A store is two methods, `load` and `save`, over whole sessions. On these stand the three things that a
request does at its end: `merge` its changes, `discard` the session, or `rotate` it to another identifier.
As written here they work over any store: one asyncio lock for each identifier keeps the steps of one request
together. The lock reaches as far as one event loop does; a store that processes share overrides them with
something atomic of its own.

Nothing here knows of cookies, requests or how a change is noticed.
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
    """A store that nobody has to wait for, and that keeps sessions frozen."""

    def load_frozen(self, session_id: str) -> Whole | None:
        """The session as it is kept; None when it is not there."""
        ...

    def compare_and_swap(self, session_id: str, before: Whole, now: Whole, timeout: int) -> bool:
        """Keep `now` in place of `before`, if that is still what `load_frozen` gives; whether it was."""
        ...


class SessionBackend(ABC):
    """Where sessions are kept. Subclass it with `load` and `save`; the rest is optional.

    `super().__init__()` need not be called. A call that raises or is cancelled leaves the session as it was or
    as it should be, never half of each.
    """

    @abstractmethod
    async def load(self, session_id: str) -> dict[str, Any]:
        """What is stored under `session_id`: `{}` when that is unknown or expired.

        Raise when the store cannot be asked: an empty session must never stand in for a real one.
        """

    @abstractmethod
    async def save(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
        """Store `data` under `session_id` for `timeout` seconds from now, in place of what was there.

        Empty `data` deletes the session.
        """

    async def merge(self, session_id: str, changed: Mapping[str, Any], removed: Collection[str], timeout: int) -> bool:
        """Apply one request's changes to what is stored now: requests side by side keep each other's keys.

        False, with nothing saved, when the session is not there any more: what somebody ended stays ended.
        """
        async with self.__lock(session_id):
            stored = await self.load(session_id)
            if not stored:
                return False
            await self.save(session_id, apply_changes(stored, changed, removed), timeout)
            return True

    async def discard(self, session_id: str, timeout: int) -> None:
        """End the session. Not in the middle of somebody's `merge`, which would bring it back."""
        async with self.__lock(session_id):
            await self.save(session_id, {}, timeout)

    async def rotate(
        self, old: str, new: str, changed: Mapping[str, Any], removed: Collection[str], timeout: int
    ) -> bool:
        """Move the session from the identifier `old` to `new`, with one request's changes; then `old` is dead.

        When somebody ended the session meanwhile only `changed` moves: a login beside a logout holds, what was
        logged out does not come back. False when there was nothing to move, and `new` does not exist.

        The new one is stored first: cut off in between, the client still has the old session, whole.
        """
        async with self.__lock(old):
            moved = apply_changes(await self.load(old), changed, removed)
            if moved:
                await self.save(new, moved, timeout)
            await self.save(old, {}, timeout)
            return bool(moved)

    def without_waiting(self) -> ImmediateStore | None:
        """This store for those that do not want to wait; None for a store that has to be waited for, as most have."""
        return None

    # The names are mangled, and nothing is made in __init__, because the subclass is somebody else's.

    @cached_property
    def __locks(self) -> "WeakValueDictionary[tuple[asyncio.AbstractEventLoop, str], asyncio.Lock]":
        # Weak: a lock lives as long as somebody holds it or waits for it. The loop is in the key because a lock
        # belongs to one loop, and one that a closed loop left behind must never be waited for.
        return WeakValueDictionary()

    def __lock(self, session_id: str) -> "asyncio.Lock":
        return self.__locks.setdefault((asyncio.get_running_loop(), session_id), asyncio.Lock())


def apply_changes(stored: Mapping[str, Any], changed: Mapping[str, Any], removed: Collection[str]) -> dict[str, Any]:
    """A new dictionary: what a store returned may be what it keeps, and is not ours to change."""
    data = {**stored, **changed}
    for key in removed:
        data.pop(key, None)
    return data
