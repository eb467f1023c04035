"""These tests check the store in memory: copies, expiry, the cap, and methods that a user overrides."""

from collections import defaultdict
from typing import Any

import pytest

from micropie.sentinels import Unset
from micropie.sessions import InMemorySessionBackend
from micropie.sessions.state import SessionState
from tests.sessions.stores import HOUR, KNOWN, OTHER, Clock, count_sessions
from tests.support.event_loop import run


@pytest.mark.parametrize("name", ["load", "save"])
@pytest.mark.parametrize("on_the_class", [True, False])
def test_merge_calls_an_overridden_load_or_save(name: str, on_the_class: bool) -> None:
    async def broken(*_: object) -> dict[str, Any]:
        raise ConnectionError

    async def check() -> None:
        backend = type("Mine", (InMemorySessionBackend,), {name: broken} if on_the_class else {})()
        await InMemorySessionBackend.save(backend, KNOWN, {"a": 1}, HOUR)
        if not on_the_class:
            setattr(backend, name, broken)
        with pytest.raises(ConnectionError):
            await backend.merge(KNOWN, {"a": 2}, [], HOUR)
        assert await InMemorySessionBackend.load(backend, KNOWN) == {"a": 1}

    run(check())


def test_save_assigned_before_init_is_called_until_it_is_deleted() -> None:
    saved: list[str] = []

    class Mine(InMemorySessionBackend):
        def __init__(self) -> None:
            self.save = self._note  # type: ignore[method-assign]  # on purpose
            super().__init__()

        async def _note(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
            saved.append(session_id)
            await InMemorySessionBackend.save(self, session_id, data, timeout)

    async def check() -> None:
        backend = Mine()
        await backend.save(KNOWN, {"a": 1}, HOUR)
        state = await SessionState.open(backend, KNOWN)
        state.data["a"] = 2
        assert not state.settle(HOUR)
        await state.commit(backend, HOUR)
        assert saved == [KNOWN, KNOWN]
        del backend.save
        state.data["a"] = 3
        assert (await SessionState.open(backend, KNOWN)).settle(HOUR)

    run(check())


def test_load_returns_plain_dictionaries() -> None:
    async def check() -> None:
        backend = InMemorySessionBackend()
        await backend.save(KNOWN, defaultdict(int, a=1), HOUR)
        assert type(await backend.load(KNOWN)) is dict
        assert type((await SessionState.open(backend, KNOWN)).data) is dict

    run(check())


@pytest.mark.parametrize("on_the_class", [True, False])
def test_session_is_opened_by_a_replaced_load(monkeypatch: pytest.MonkeyPatch, on_the_class: bool) -> None:
    async def broken(*_: object) -> dict[str, Any]:
        raise ConnectionError

    async def check() -> None:
        backend = InMemorySessionBackend()
        await backend.save(KNOWN, {"a": 1}, HOUR)
        monkeypatch.setattr(InMemorySessionBackend if on_the_class else backend, "load", broken)
        with pytest.raises(ConnectionError):
            await SessionState.open(backend, KNOWN)

    run(check())


@pytest.mark.parametrize("method", ["save", "merge"])
def test_change_is_saved_by_a_replaced_method(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    async def broken(*_: object) -> bool:
        raise ConnectionError

    async def check() -> None:
        backend = InMemorySessionBackend()
        await backend.save(KNOWN, {"a": 1}, HOUR)
        monkeypatch.setattr(backend, method, broken)
        state = await SessionState.open(backend, KNOWN)
        state.data["a"] = 2
        with pytest.raises(ConnectionError):
            await state.commit(backend, HOUR)
        assert await backend.load(KNOWN) == {"a": 1}

    run(check())


def test_load_returns_new_objects_at_every_call() -> None:
    async def check() -> None:
        backend = InMemorySessionBackend()
        given_in: dict[str, Any] = {"cart": [1]}
        await backend.save(KNOWN, given_in, HOUR)
        given_in["cart"].append(2)
        given_in["more"] = 1
        first, second = await backend.load(KNOWN), await backend.load(KNOWN)
        first["cart"].append(3)
        first["more"] = 2
        assert second == {"cart": [1]}
        assert await backend.load(KNOWN) == {"cart": [1]}

    run(check())


def test_each_save_has_its_own_expiry() -> None:
    async def check() -> None:
        clock = Clock()
        backend = InMemorySessionBackend(clock=clock)
        await backend.save(KNOWN, {"a": 1}, 10)
        await backend.save(OTHER, {"a": 1}, 20)
        clock.now += 9.999
        assert await backend.load(KNOWN) == {"a": 1}
        clock.now += 0.001
        assert await backend.load(KNOWN) == {}
        assert await backend.load(OTHER) == {"a": 1}
        await backend.save(OTHER, {"a": 2}, 5)  # an earlier expiry replaces a later one
        clock.now += 5
        assert await backend.load(OTHER) == {}
        assert not count_sessions(backend)

    run(check())


def test_loading_does_not_prolong_a_session_and_saving_does() -> None:
    async def check() -> None:
        clock = Clock()
        backend = InMemorySessionBackend(clock=clock)
        await backend.save(KNOWN, {"a": 1}, 10)
        clock.now += 6
        await backend.load(KNOWN)
        assert await backend.merge(KNOWN, {"a": 2}, [], 10)
        clock.now += 6
        await backend.load(KNOWN)
        assert await backend.load(KNOWN) == {"a": 2}
        clock.now += 4
        assert await backend.load(KNOWN) == {}

    run(check())


def test_default_clock_is_the_system_clock() -> None:
    async def check() -> None:
        backend = InMemorySessionBackend()
        await backend.save(KNOWN, {"a": 1}, HOUR)
        assert await backend.load(KNOWN) == {"a": 1}
        await backend.save(KNOWN, {"a": 1}, 0)
        assert await backend.load(KNOWN) == {}

    run(check())


@pytest.mark.parametrize("timeout", [0, -1])
def test_session_saved_for_no_time_is_not_kept(timeout: int) -> None:
    async def check() -> None:
        backend = InMemorySessionBackend(clock=Clock())
        await backend.save(KNOWN, {"a": 1}, timeout)
        assert await backend.load(KNOWN) == {}
        assert not count_sessions(backend)

    run(check())


def test_saving_empty_data_deletes_a_session_known_or_not() -> None:
    async def check() -> None:
        backend = InMemorySessionBackend()
        await backend.save(KNOWN, {"a": 1}, HOUR)
        await backend.save(KNOWN, {}, HOUR)
        await backend.save(OTHER, {}, HOUR)
        assert not count_sessions(backend)

    run(check())


def test_session_used_longest_ago_is_dropped_over_the_cap() -> None:
    async def check() -> None:
        backend = InMemorySessionBackend(max_sessions=4)
        for name in "abcd":
            await backend.save(name, {"name": name}, HOUR)
            await backend.load(name)
        await backend.load("a")
        await backend.save("b", {"name": "b again"}, HOUR)
        await backend.merge("c", {"name": "c again"}, [], HOUR)
        await backend.save("e", {"name": "e"}, HOUR)
        assert await list_kept(backend, "abcde") == "abce"

    run(check())


@pytest.mark.parametrize("cap", [3, 20, 100])
def test_flood_of_new_sessions_drops_none_that_a_request_has_presented(cap: int) -> None:
    async def check() -> None:
        backend = InMemorySessionBackend(cap)
        for number in range(cap - 1):
            await backend.save(f"user {number}", {"user": number}, HOUR)
            await backend.load(f"user {number}")
        for number in range(10 * cap):
            state = SessionState()
            state.data["visits"] = number
            await state.commit(backend, HOUR)
            state.data["stream"] = 1  # a second save of the same request presents nothing
            await state.commit(backend, HOUR)
        assert [bool(await backend.load(f"user {number}")) for number in range(cap - 1)] == [True] * (cap - 1)
        assert count_sessions(backend) == cap

    run(check())


def test_new_session_replaces_the_least_recently_used_where_all_were_presented() -> None:
    async def check() -> None:
        backend = InMemorySessionBackend(3)
        for name in "abc":
            await backend.save(name, {"name": name}, HOUR)
            await backend.load(name)
        await backend.save("d", {"name": "d"}, HOUR)
        assert await list_kept(backend, "bcd") == "bcd"
        assert count_sessions(backend) == 3

    run(check())


def test_full_store_keeps_newcomers_until_their_second_request() -> None:
    async def check() -> None:
        backend = InMemorySessionBackend(1000)
        for number in range(1000):
            await backend.save(f"user {number}", {"user": number}, HOUR)
            await backend.load(f"user {number}")
        for name in "abcdefghij":
            await backend.save(name, {"name": name}, HOUR)
        assert await list_kept(backend, "abcdefghij") == "abcdefghij"
        assert count_sessions(backend) == 1000

    run(check())


async def list_kept(backend: InMemorySessionBackend, names: str) -> str:
    return "".join([name for name in names if await backend.load(name)])


def test_visitors_without_a_cookie_do_not_grow_the_store_over_its_cap() -> None:
    async def check() -> None:
        backend = InMemorySessionBackend(max_sessions=100)
        most = 0
        last: str | Unset | None = None
        for _ in range(2000):
            state = await SessionState.open(backend, None)
            state.data["visits"] = 1
            last = await state.commit(backend, HOUR)
            most = max(most, count_sessions(backend), len(backend._unswept))
        assert most == 100
        assert isinstance(last, str)
        assert await backend.load(last) == {"visits": 1}

    run(check())


@pytest.mark.parametrize("cap", [0, -1])
def test_cap_below_one_is_refused(cap: int) -> None:
    with pytest.raises(ValueError, match=f"at least 1, not {cap}"):
        InMemorySessionBackend(max_sessions=cap)


def test_cap_of_one_keeps_the_last() -> None:
    async def check() -> None:
        backend = InMemorySessionBackend(1)
        await backend.save(KNOWN, {"a": 1}, HOUR)
        await backend.save(OTHER, {"a": 2}, HOUR)
        assert (await backend.load(KNOWN), await backend.load(OTHER)) == ({}, {"a": 2})

    run(check())


def test_expired_sessions_are_dropped_by_later_saves() -> None:
    async def check() -> None:
        clock = Clock()
        backend = InMemorySessionBackend(clock=clock)
        await backend.save(KNOWN, {"a": 1}, HOUR)  # the oldest outlives the rest: it must not stop the sweep
        for number in range(1000):
            await backend.save(f"short-lived {number}", {"a": 1}, 10)
        clock.now += 10
        for number in range(10):
            await backend.save(f"next {number}", {"a": 1}, HOUR)
        assert count_sessions(backend) > 900, "a single save does not drop them all"
        for _ in range(1011):  # the rest of a round and a whole one, at two sessions per save
            await backend.save(KNOWN, {"a": 1}, HOUR)
        assert count_sessions(backend) == 11

    run(check())


def test_steady_stream_of_sessions_keeps_the_store_within_twice_the_living_ones() -> None:
    async def check() -> None:
        clock = Clock()
        backend = InMemorySessionBackend(clock=clock)
        most = 0
        for number in range(5000):
            clock.now += 1
            await backend.save(f"session {number}", {"a": 1}, 100)
            most = max(most, count_sessions(backend))
        assert most <= 200

    run(check())
