"""This module holds what the tests of sessions share: naive, waiting and recording stores, and a clock."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

import pytest

from micropie.sessions import InMemorySessionBackend, SessionBackend
from micropie.sessions.state import SessionState

T = TypeVar("T")

KNOWN = "known-session-identifier"
OTHER = "other-session-identifier"
HOUR = 3600


class Clock:
    """A clock that a test moves forward."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Plain(SessionBackend):
    """A store as a user might write it: two methods, which keep and return the very same dictionaries."""

    def __init__(self, **stored: dict[str, Any]) -> None:
        self.stored = {name.replace("_", "-"): data for name, data in stored.items()}

    async def load(self, session_id: str) -> dict[str, Any]:
        return self.stored.get(session_id, {})

    async def save(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
        if data:
            self.stored[session_id] = data
        else:
            self.stored.pop(session_id, None)


class PlainWaiting(Plain):
    """A Plain store over a network: every call waits before and after it takes effect."""

    async def load(self, session_id: str) -> dict[str, Any]:
        await asyncio.sleep(0)
        data = dict(await super().load(session_id))
        await asyncio.sleep(0)
        return data

    async def save(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
        await asyncio.sleep(0)
        await super().save(session_id, data, timeout)
        await asyncio.sleep(0)


def count_sessions(backend: InMemorySessionBackend) -> int:
    return len(backend._presented) + len(backend._begun)


class MemoryWaiting(InMemorySessionBackend):
    async def load(self, session_id: str) -> dict[str, Any]:
        await asyncio.sleep(0)
        data = await super().load(session_id)
        await asyncio.sleep(0)
        return data

    async def save(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
        await asyncio.sleep(0)
        await super().save(session_id, data, timeout)
        await asyncio.sleep(0)


class Recorded(InMemorySessionBackend):
    """A store in memory that records its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, str]] = []
        self.timeouts: set[int] = set()

    async def load(self, session_id: str) -> dict[str, Any]:
        self.calls.append(("load", session_id))
        return await super().load(session_id)

    async def save(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
        self.calls.append(("save" if data else "delete", session_id))
        self.timeouts.add(timeout)
        await super().save(session_id, data, timeout)


WAITING = pytest.mark.parametrize("make", [PlainWaiting, MemoryWaiting])


EVERY = pytest.mark.parametrize("make", [Plain, PlainWaiting, InMemorySessionBackend, MemoryWaiting])


Change = Callable[[SessionState], object]


def login(state: SessionState) -> None:
    state.regenerate()
    state.data["user"] = "ann"


def spelled(value: object) -> str:
    """Return a text that tells 1 from True and 0.0 from -0.0, but not the order of a set or a dict."""
    if isinstance(value, dict):
        return f"dict{sorted(f'{key}:{spelled(inner)}' for key, inner in value.items())}"
    if isinstance(value, set):
        return f"set{sorted(map(repr, value))}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}{[spelled(inner) for inner in value]}"
    return repr(value)


class Merged(Plain):
    """A Plain store that records what is merged."""

    def __init__(self, **stored: dict[str, Any]) -> None:
        super().__init__(**stored)
        self.merged: list[tuple[dict[str, Any], set[str]]] = []

    async def merge(self, session_id: str, changed: Mapping[str, Any], removed: Collection[str], timeout: int) -> bool:
        self.merged.append((dict(changed), set(removed)))
        return await super().merge(session_id, changed, removed, timeout)
