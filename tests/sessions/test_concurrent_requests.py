"""These tests commit the same session from several requests at once, and cancel commits."""

import asyncio
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from micropie.sentinels import UNSET, Unset
from micropie.sessions import SessionBackend
from micropie.sessions.state import SessionState
from tests.sessions.stores import HOUR, KNOWN, WAITING, Change, MemoryWaiting, Plain, Recorded, count_sessions, login
from tests.support.event_loop import run


@WAITING
def test_fifty_concurrent_requests_keep_all_their_keys(make: Callable[[], SessionBackend]) -> None:
    async def request(backend: SessionBackend, number: int) -> None:
        state = await SessionState.open(backend, KNOWN)
        state.data[f"key{number}"] = number
        await asyncio.sleep(0)
        assert await state.commit(backend, HOUR) is UNSET

    async def check() -> None:
        backend = make()
        await backend.save(KNOWN, {"user": "ann"}, HOUR)
        await asyncio.gather(*(request(backend, number) for number in range(50)))
        assert await backend.load(KNOWN) == {"user": "ann"} | {f"key{n}": n for n in range(50)}

    run(check())


@given(order=st.permutations(range(6)), removing=st.sets(st.integers(0, 5)))
@settings(deadline=None)
def test_changes_to_different_keys_add_up_in_any_order(order: list[int], removing: set[int]) -> None:
    async def check() -> None:
        backend = MemoryWaiting()
        base: dict[str, Any] = {"user": "ann"} | {f"key{number}": [number] for number in removing}
        await backend.save(KNOWN, base, HOUR)
        states = [await SessionState.open(backend, KNOWN) for _ in range(6)]
        for number, state in enumerate(states):
            if number in removing:
                del state.data[f"key{number}"]
            else:
                state.data[f"key{number}"] = number
        await asyncio.gather(*(states[number].commit(backend, HOUR) for number in order))
        kept = {f"key{number}": number for number in range(6) if number not in removing}
        assert await backend.load(KNOWN) == {"user": "ann"} | kept

    run(check())


def sparse() -> set[int]:
    """Return a set that lists its members in another order once it has been pickled and unpickled."""
    members = set(range(100))
    for number in range(100):
        members.discard(number)
    members.update([194, 107, 10, 66])
    return members


def test_unchanged_set_does_not_undo_the_change_of_another_request() -> None:
    assert list(sparse()) != list(pickle.loads(pickle.dumps(sparse())))

    async def check() -> None:
        backend = Plain(known_session_identifier={"set": sparse()})
        state = await SessionState.open(backend, KNOWN)
        state.data["mine"] = 1
        await backend.merge(KNOWN, {"set": {1}}, [], HOUR)
        await state.commit(backend, HOUR)
        assert backend.stored[KNOWN] == {"set": {1}, "mine": 1}

    run(check())


def test_logout_beside_a_slow_request_stays_a_logout() -> None:
    async def check() -> None:
        backend = Recorded()
        await backend.save(KNOWN, {"user": "ann"}, HOUR)
        slow = await SessionState.open(backend, KNOWN)
        slow.data["visits"] = 1
        logout = await SessionState.open(backend, KNOWN)
        logout.data.clear()
        assert await logout.commit(backend, HOUR) is None
        assert await slow.commit(backend, HOUR) is UNSET
        assert slow.identifier is None
        slow.data["visits"] = 2
        slow.regenerate()
        backend.calls.clear()
        assert await slow.commit(backend, HOUR) is UNSET
        assert backend.calls == []
        assert not count_sessions(backend)

    run(check())


@pytest.mark.parametrize("rotating", [False, True])
@WAITING
def test_logout_during_another_commit_stays_a_logout(make: Callable[[], SessionBackend], rotating: bool) -> None:
    async def check(head_start: int) -> None:
        backend = make()
        await backend.save(KNOWN, {"user": "ann"}, HOUR)
        slow = await SessionState.open(backend, KNOWN)
        slow.data["visits"] = 1
        logout = await SessionState.open(backend, KNOWN)
        logout.data.clear()
        if rotating:
            logout.regenerate()
        running = asyncio.create_task(slow.commit(backend, HOUR))
        for _ in range(head_start):
            await asyncio.sleep(0)
        assert await logout.commit(backend, HOUR) is None
        await running
        assert await backend.load(KNOWN) == {}

    for head_start in range(12):
        run(check(head_start))


@pytest.mark.parametrize(
    ("cookie", "change", "after"),
    [
        (KNOWN, lambda state: state.data.update(a=2, b=3), {"a": 2, "b": 3}),
        (KNOWN, lambda state: state.data.clear(), {}),
        (KNOWN, login, {"a": 1, "user": "ann"}),
        (None, lambda state: state.data.update(b=3), {"b": 3}),
    ],
    ids=["merge", "end", "rotate", "begin"],
)
@WAITING
def test_commit_cancelled_at_any_step_leaves_the_session_whole(
    make: Callable[[], SessionBackend], cookie: str | None, change: Change, after: dict[str, Any]
) -> None:
    async def cut_off_after(steps: int) -> bool:
        backend = make()
        await backend.save(KNOWN, {"a": 1}, HOUR)
        state = await SessionState.open(backend, cookie)
        change(state)
        commit = asyncio.create_task(state.commit(backend, HOUR))
        for _ in range(steps):
            await asyncio.sleep(0)
        if commit.done():
            return False
        commit.cancel()
        with pytest.raises(asyncio.CancelledError):
            await commit
        assert asyncio.all_tasks() == {asyncio.current_task()}
        if cookie is not None:
            # The old identifier holds all of the old, all of the new, or was moved away.
            assert await backend.load(KNOWN) in ({"a": 1}, after, {})
        # Nothing is left locked or half done: the same commit goes through.
        outcome = await state.commit(backend, HOUR)
        current = state.identifier if isinstance(outcome, Unset) else outcome
        reopened = await SessionState.open(backend, current)
        assert reopened.data in (after, {"user": "ann"})
        return True

    steps = 0
    while run(cut_off_after(steps)):
        steps += 1
    assert steps > 2
