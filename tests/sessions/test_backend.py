"""These tests hold every kind of store to the contract: merge, discard, rotate, and the locks behind them."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from micropie.sessions import SessionBackend
from micropie.sessions.state import generate_identifier
from tests.sessions.stores import EVERY, HOUR, KNOWN, OTHER, MemoryWaiting, Plain
from tests.support.event_loop import run


@pytest.mark.parametrize("name", ["load", "save"])
def test_store_without_load_or_save_cannot_be_instantiated(name: str) -> None:
    methods = {"load": Plain.load, "save": Plain.save}
    del methods[name]
    incomplete = type("Incomplete", (SessionBackend,), methods)
    with pytest.raises(TypeError, match=name):
        incomplete()


@EVERY
def test_merge_changes_what_is_stored_now(make: Callable[[], SessionBackend]) -> None:
    async def check() -> None:
        backend = make()
        await backend.save(KNOWN, {"a": 1, "b": 2, "c": 3}, HOUR)
        assert await backend.merge(KNOWN, {"b": 20, "d": 4}, ["a", "unknown"], HOUR) is True
        assert await backend.load(KNOWN) == {"b": 20, "c": 3, "d": 4}
        assert await backend.merge(KNOWN, {}, {"b", "c", "d"}, HOUR) is True
        assert await backend.load(KNOWN) == {}

    run(check())


@EVERY
def test_merge_into_an_ended_session_does_nothing(make: Callable[[], SessionBackend]) -> None:
    async def check() -> None:
        backend = make()
        await backend.save(OTHER, {"a": 1}, HOUR)
        assert await backend.merge(KNOWN, {"a": 2}, [], HOUR) is False
        assert await backend.load(KNOWN) == {}
        assert await backend.load(OTHER) == {"a": 1}

    run(check())


@EVERY
def test_discard_ends_a_session(make: Callable[[], SessionBackend]) -> None:
    async def check() -> None:
        backend = make()
        await backend.save(KNOWN, {"a": 1}, HOUR)
        await backend.save(OTHER, {"a": 1}, HOUR)
        await backend.discard(KNOWN, HOUR)
        assert await backend.load(KNOWN) == {}
        assert await backend.load(OTHER) == {"a": 1}

    run(check())


@pytest.mark.parametrize(
    ("stored", "changed", "removed", "moved"),
    [
        ({"a": 1, "b": 2}, {"c": 3}, ["a"], {"b": 2, "c": 3}),
        ({"a": 1}, {}, [], {"a": 1}),
        ({"a": 1}, {}, ["a"], {}),
        ({}, {"a": 1}, ["b"], {"a": 1}),
        ({}, {}, [], {}),
    ],
)
@EVERY
def test_rotate_moves_a_session(
    make: Callable[[], SessionBackend],
    stored: dict[str, Any],
    changed: dict[str, Any],
    removed: list[str],
    moved: dict[str, Any],
) -> None:
    async def check() -> None:
        backend = make()
        await backend.save(KNOWN, stored, HOUR)
        assert await backend.rotate(KNOWN, OTHER, changed, removed, HOUR) is bool(moved)
        assert await backend.load(KNOWN) == {}
        assert await backend.load(OTHER) == moved

    run(check())


def test_store_may_be_a_frozen_dataclass_with_its_own_attribute_named_locks() -> None:
    @dataclass(frozen=True)
    class Frozen(SessionBackend):
        _locks: dict[str, dict[str, Any]] = field(default_factory=dict)

        async def load(self, session_id: str) -> dict[str, Any]:
            return self._locks.get(session_id, {})

        async def save(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
            self._locks[session_id] = data

    async def check() -> None:
        backend = Frozen()
        await backend.save(KNOWN, {"a": 1}, HOUR)
        assert await backend.merge(KNOWN, {"b": 2}, [], HOUR)
        assert backend._locks == {KNOWN: {"a": 1, "b": 2}}

    run(check())


def test_one_store_serves_many_event_loops() -> None:
    backend = MemoryWaiting()

    async def contend(number: int) -> None:
        await backend.save(KNOWN, {"base": number}, HOUR)
        await asyncio.gather(*(backend.merge(KNOWN, {f"key{n}": n}, [], HOUR) for n in range(5)))
        assert len(await backend.load(KNOWN)) == 6

    for number in range(3):
        run(contend(number))


def test_loop_closed_during_a_merge_leaves_no_lock_behind() -> None:
    class Stuck(Plain):
        stuck = True

        async def load(self, session_id: str) -> dict[str, Any]:
            while self.stuck:
                await asyncio.sleep(0)
            return await super().load(session_id)

    backend = Stuck(known_session_identifier={"a": 1})
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)  # "Task was destroyed": that is the case in hand
    task = loop.create_task(backend.merge(KNOWN, {"a": 2}, [], HOUR))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    backend.stuck = False

    async def check() -> None:
        async with asyncio.timeout(5):
            assert await backend.merge(KNOWN, {"b": 2}, [], HOUR)

    run(check())
    assert backend.stored[KNOWN] == {"a": 1, "b": 2}
    task.get_coro().close()


def test_merges_of_different_sessions_do_not_wait_for_each_other() -> None:
    class Gated(Plain):
        def __init__(self, **stored: dict[str, Any]) -> None:
            super().__init__(**stored)
            self.gate = asyncio.Event()

        async def load(self, session_id: str) -> dict[str, Any]:
            if session_id == KNOWN:
                await self.gate.wait()
            return await super().load(session_id)

    async def check() -> None:
        backend = Gated(known_session_identifier={"a": 1}, other_session_identifier={"a": 1})
        held = asyncio.create_task(backend.merge(KNOWN, {"b": 2}, [], HOUR))
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            assert await backend.merge(OTHER, {"b": 2}, [], HOUR)
        backend.gate.set()
        assert await held

    run(check())


def test_locks_disappear_when_no_task_holds_them() -> None:
    async def check() -> None:
        backend = MemoryWaiting()
        steps: list[Awaitable[object]] = []
        for _ in range(20):
            identifier = generate_identifier()
            await backend.save(identifier, {"a": 1}, HOUR)
            steps += [backend.merge(identifier, {"b": 1}, [], HOUR) for _ in range(3)]
        await asyncio.gather(*steps)
        steps.clear()
        gc.collect()
        locks = [held for name, held in vars(backend).items() if name.endswith("__locks")]
        assert [len(held) for held in locks] == [0]

    run(check())
