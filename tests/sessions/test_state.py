"""These tests open one request's session, change it, commit it and give it a new identifier."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from micropie.sentinels import UNSET, Unset
from micropie.sessions import InMemorySessionBackend, SessionBackend
from micropie.sessions.state import SessionState, generate_identifier, is_identifier
from tests.sessions.stores import (
    EVERY,
    HOUR,
    KNOWN,
    WAITING,
    Change,
    Clock,
    Plain,
    Recorded,
    count_sessions,
    login,
    spelled,
)
from tests.support.event_loop import run


def test_new_identifiers_are_43_url_safe_characters_and_unique() -> None:
    identifiers = {generate_identifier() for _ in range(1000)}
    assert len(identifiers) == 1000
    assert all(len(identifier) == 43 and is_identifier(identifier) for identifier in identifiers)


@pytest.mark.parametrize(
    ("text", "shaped"),
    [
        ("a" * 16, True),
        ("a" * 128, True),
        ("AZaz09_-AZaz09_-", True),
        ("123e4567-e89b-12d3-a456-426614174000", True),  # older stores used UUIDs
        ("", False),
        ("a" * 15, False),
        ("a" * 129, False),
        ("a" * 16 + "\n", False),
        ("\n" + "a" * 16, False),
        ("a" * 16 + "\x00", False),
        ("a" * 16 + " ", False),
        ("a" * 16 + "=", False),
        ("a" * 16 + ";", False),
        ("../../../../etc/passwd", False),
        ("session:*:session:*", False),
        ("é" * 16, False),
        ("١" * 16, False),
    ],
)
def test_store_is_asked_only_for_a_well_formed_identifier(text: str, shaped: bool) -> None:
    assert is_identifier(text) is shaped

    async def asked() -> bool:
        backend = Recorded()
        await SessionState.open(backend, text)
        return bool(backend.calls)

    assert run(asked()) is shaped


def test_nothing_is_loaded_without_a_cookie() -> None:
    async def check() -> None:
        backend = Recorded()
        state = await SessionState.open(backend, None)
        assert (state.identifier, state.data, backend.calls) == (None, {}, [])

    run(check())


def test_known_identifier_opens_its_data() -> None:
    async def check() -> None:
        backend = Plain(known_session_identifier={"user": "ann"})
        state = await SessionState.open(backend, KNOWN)
        assert (state.identifier, state.data) == (KNOWN, {"user": "ann"})

    run(check())


def test_unknown_identifier_is_never_adopted() -> None:
    async def check() -> None:
        backend = Recorded()
        state = await SessionState.open(backend, KNOWN)
        assert (state.identifier, state.data) == (None, {})
        state.data["user"] = "ann"
        given_out = await state.commit(backend, HOUR)
        assert isinstance(given_out, str)
        assert given_out != KNOWN
        assert await backend.load(KNOWN) == {}
        assert await backend.load(given_out) == {"user": "ann"}

    run(check())


def test_unreachable_store_raises_and_is_not_an_empty_session() -> None:
    class Down(Plain):
        async def load(self, session_id: str) -> dict[str, Any]:
            raise ConnectionError("no route to the store")

    with pytest.raises(ConnectionError, match="no route to the store"):
        run(SessionState.open(Down(), KNOWN))


def test_session_is_touched_once_its_data_is_read() -> None:
    async def check() -> None:
        backend = Plain(known_session_identifier={"user": "ann"})
        looks: list[Callable[[SessionState], object]] = [
            lambda state: state.data,
            lambda state: state.replace({"a": 1}),
            lambda state: state.regenerate(),
        ]
        for look in looks:
            for cookie in (None, KNOWN):
                state = await SessionState.open(backend, cookie)
                assert state.touched is False
                look(state)
                assert state.touched is True

    run(check())


def test_data_is_the_same_dict_at_every_access() -> None:
    state = SessionState(KNOWN, {"a": 1})
    assert state.data is state.data


def write_and_clear(state: SessionState) -> None:
    state.data["a"] = 1
    state.data.clear()


def swap(state: SessionState) -> None:
    state.data["user"] = state.data.pop("user")


BEFORE: dict[str, Any] = {"user": "ann", "visits": 1, "cart": {"items": [1, 2]}, "tags": {"a"}}


@pytest.mark.parametrize(
    ("change", "after"),
    [
        (lambda state: state.data.update(visits=2), {**BEFORE, "visits": 2}),
        (lambda state: state.data.update(new=None), {**BEFORE, "new": None}),
        (lambda state: state.data.update(visits=True), {**BEFORE, "visits": True}),
        (lambda state: state.data.update(visits=1.0), {**BEFORE, "visits": 1.0}),
        (lambda state: state.data.update(user=b"ann"), {**BEFORE, "user": b"ann"}),
        (lambda state: state.data["cart"]["items"].append(3), {**BEFORE, "cart": {"items": [1, 2, 3]}}),
        (lambda state: state.data["tags"].add("b"), {**BEFORE, "tags": {"a", "b"}}),
        (lambda state: state.data.pop("cart"), {k: v for k, v in BEFORE.items() if k != "cart"}),
        (lambda state: state.replace({"visits": 1}), {"visits": 1}),
        (lambda state: state.replace({"visits": 2, "new": 3}), {"visits": 2, "new": 3}),
    ],
)
@EVERY
def test_change_is_saved_under_the_same_identifier(
    make: Callable[[], SessionBackend], change: Change, after: dict[str, Any]
) -> None:
    async def check() -> None:
        backend = make()
        await backend.save(KNOWN, BEFORE, HOUR)
        state = await SessionState.open(backend, KNOWN)
        state.data["cart"] = {"items": [1, 2]}  # Plain hands out what it keeps: leave BEFORE alone
        state.data["tags"] = {"a"}
        change(state)
        assert await state.commit(backend, HOUR) is UNSET
        stored = await backend.load(KNOWN)
        assert stored == after
        assert {key: type(value) for key, value in stored.items()} == {key: type(value) for key, value in after.items()}

    run(check())


@pytest.mark.parametrize(
    "change",
    [
        lambda state: None,
        lambda state: state.data.get("user"),
        lambda state: state.data.update(user="".join(["a", "nn"])),
        lambda state: state.data["cart"]["items"].sort(),
        lambda state: state.replace(state.data),
        lambda state: state.replace({**BEFORE, "cart": {"items": [1, 2]}}),
        swap,
    ],
)
def test_nothing_is_saved_when_nothing_changed(change: Change) -> None:
    async def check() -> None:
        backend = Recorded()
        await backend.save(KNOWN, BEFORE, HOUR)
        state = await SessionState.open(backend, KNOWN)
        backend.calls.clear()
        change(state)
        assert await state.commit(backend, HOUR) is UNSET
        assert await state.commit(backend, HOUR) is UNSET
        assert backend.calls == []

    run(check())


class Weighed:
    """Counts how often an instance is pickled and unpickled."""

    pickled = 0
    read_back = 0

    def __getstate__(self) -> dict[str, Any]:
        Weighed.pickled += 1
        return {"state": 1}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Weighed.read_back += 1


def test_session_that_is_only_read_is_pickled_twice_and_never_unpickled() -> None:
    async def check() -> None:
        backend = Plain(known_session_identifier={"weighed": Weighed()})
        state = await SessionState.open(backend, KNOWN)
        await state.commit(backend, HOUR)
        assert (Weighed.pickled, Weighed.read_back) == (0, 0), "the data was never read"
        _ = state.data
        await state.commit(backend, HOUR)
        assert (Weighed.pickled, Weighed.read_back) == (2, 0)

    run(check())


def test_new_session_that_stays_empty_is_not_saved() -> None:
    async def check() -> None:
        changes: list[Change] = [
            lambda state: None,
            lambda state: state.data,
            lambda state: state.regenerate(),
            lambda state: state.replace({}),
            write_and_clear,
        ]
        for change in changes:
            backend = Recorded()
            state = await SessionState.open(backend, None)
            change(state)
            assert await state.commit(backend, HOUR) is UNSET
            assert backend.calls == []

    run(check())


@pytest.mark.parametrize(
    "change", [lambda state: state.data.update(a=1), lambda state: (state.regenerate(), state.replace({"a": 1}))]
)
def test_new_session_gets_an_identifier_and_keeps_it(change: Change) -> None:
    async def check() -> None:
        backend = Recorded()
        state = await SessionState.open(backend, None)
        change(state)
        identifier = await state.commit(backend, 7)
        assert isinstance(identifier, str)
        assert len(identifier) == 43
        assert state.identifier == identifier
        assert backend.calls == [("save", identifier)]
        assert backend.timeouts == {7}
        assert await state.commit(backend, 7) is UNSET
        state.data["b"] = 2
        assert await state.commit(backend, 7) is UNSET
        assert await backend.load(identifier) == {"a": 1, "b": 2}
        assert count_sessions(backend) == 1

    run(check())


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.data.clear(),
        lambda state: state.replace({}),
        lambda state: (state.regenerate(), state.data.clear()),
    ],
)
def test_emptied_session_is_deleted_and_its_cookie_ends(change: Change) -> None:
    async def check() -> None:
        backend = Recorded()
        await backend.save(KNOWN, {"user": "ann"}, HOUR)
        backend.calls.clear()
        backend.timeouts.clear()
        state = await SessionState.open(backend, KNOWN)
        change(state)
        assert await state.commit(backend, 7) is None
        assert state.identifier is None
        assert backend.calls == [("load", KNOWN), ("delete", KNOWN)]
        assert backend.timeouts == {7}
        assert await state.commit(backend, 7) is UNSET
        assert len(backend.calls) == 2
        state.data["user"] = "bob"
        assert await state.commit(backend, 7) not in (KNOWN, None, UNSET)
        assert await backend.load(KNOWN) == {}

    run(check())


def test_change_is_saved_for_the_timeout_given() -> None:
    async def check() -> None:
        backend = Recorded()
        await backend.save(KNOWN, {"a": 1}, 5)
        backend.timeouts.clear()
        state = await SessionState.open(backend, KNOWN)
        state.data["a"] = 2
        await state.commit(backend, 6)
        state.regenerate()
        await state.commit(backend, 6)
        assert backend.timeouts == {6}

    run(check())


def test_second_commit_saves_only_what_changed_since() -> None:
    async def check() -> None:
        backend = Plain(known_session_identifier={"a": 1, "b": 1})
        state = await SessionState.open(backend, KNOWN)
        state.data["a"] = 2
        await state.commit(backend, HOUR)
        await backend.merge(KNOWN, {"a": "of another request"}, [], HOUR)
        state.data["b"] = 2
        await state.commit(backend, HOUR)
        assert backend.stored[KNOWN] == {"a": "of another request", "b": 2}

    run(check())


def test_change_after_a_commit_is_not_in_the_store() -> None:
    async def check() -> None:
        backend = Plain(known_session_identifier={"a": 1})
        state = await SessionState.open(backend, KNOWN)
        fresh = await SessionState.open(backend, None)
        for session in (state, fresh):
            session.data["cart"] = ["kept"]
            await session.commit(backend, HOUR)
            session.data["cart"].append("not yet")
            session.data["later"] = 1
            assert session.identifier is not None
            assert backend.stored[session.identifier]["cart"] == ["kept"]
            assert "later" not in backend.stored[session.identifier]

    run(check())


def test_uncommitted_changes_leave_the_dictionary_of_a_naive_store_alone() -> None:
    async def check() -> None:
        backend = Plain(known_session_identifier={"a": 1})
        state = await SessionState.open(backend, KNOWN)
        state.data["a"] = 2
        state.data["b"] = 2
        assert backend.stored[KNOWN] == {"a": 1}

    run(check())


def test_failed_commit_can_be_repeated() -> None:
    class Flaky(Plain):
        down = False

        async def save(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
            if self.down:
                raise ConnectionError
            await super().save(session_id, data, timeout)

    async def check(cookie: str | None, change: Change, after: dict[str, Any]) -> None:
        backend = Flaky(known_session_identifier={"a": 1})
        state = await SessionState.open(backend, cookie)
        change(state)
        backend.down = True
        with pytest.raises(ConnectionError):
            await state.commit(backend, HOUR)
        assert backend.stored == {KNOWN: {"a": 1}}
        assert state.identifier == cookie
        backend.down = False
        outcome = await state.commit(backend, HOUR)
        current = cookie if outcome is UNSET else outcome
        assert (await SessionState.open(backend, current)).data == after

    run(check(KNOWN, lambda state: state.data.update(a=2), {"a": 2}))
    run(check(KNOWN, lambda state: state.data.clear(), {}))
    run(check(KNOWN, login, {"a": 1, "user": "ann"}))
    run(check(None, lambda state: state.data.update(a=2), {"a": 2}))


def test_sign_of_a_zero_is_a_change() -> None:
    async def check() -> None:
        backend = InMemorySessionBackend()
        await backend.save(KNOWN, {"balance": 0.0}, HOUR)
        state = await SessionState.open(backend, KNOWN)
        state.data["balance"] = -0.0
        await state.commit(backend, HOUR)
        assert str(await backend.load(KNOWN)) == "{'balance': -0.0}"

    run(check())


def test_malformed_identifier_opens_no_session_whatever_is_stored_under_it() -> None:
    async def check() -> None:
        backend = InMemorySessionBackend()
        await backend.save("user:42", {"secret": 1}, HOUR)
        assert (await SessionState.open(backend, "user:42")).identifier is None
        assert await backend.load("user:42") == {"secret": 1}

    run(check())


def test_change_that_could_not_be_settled_is_frozen_only_once() -> None:
    async def check() -> None:
        backend = InMemorySessionBackend()
        state = SessionState()
        state.data["list"] = []
        assert not state.settle(HOUR)
        unsaved = state.unsaved
        assert unsaved is not None
        await state.save(backend, unsaved, HOUR)
        assert not state.unsaved
        assert state.settle(HOUR)

    run(check())


SCALARS: list[tuple[Change, bool]] = [
    (lambda state: None, False),
    (lambda state: state.data.update(text="".join(["a", "nn"])), False),
    (lambda state: state.data.update(number=state.data.pop("number")), False),
    (lambda state: state.replace({"text": "ann", "number": 1, "zero": 0.0}), False),
    (lambda state: state.data.update(number=2), True),
    (lambda state: state.data.update(number=True), True),
    (lambda state: state.data.update(number=1.0), True),
    (lambda state: state.data.update(zero=-0.0), True),
    (lambda state: state.data.update(text=b"ann"), True),
    (lambda state: state.data.update(new=None), True),
    (lambda state: state.data.update(new=[1]), True),
    (lambda state: state.data.pop("text"), True),
    (lambda state: state.data.popitem(), True),
]


@pytest.mark.parametrize(("change", "changed"), SCALARS)
@EVERY
def test_changed_scalar_is_saved_and_prolongs_the_session(
    make: Callable[[], SessionBackend], change: Change, changed: bool
) -> None:
    async def check() -> None:
        backend, clock = make(), Clock()
        if isinstance(backend, InMemorySessionBackend):
            backend._clock = clock
        await backend.save(KNOWN, {"text": "ann", "number": 1, "zero": 0.0}, HOUR)
        clock.now += HOUR - 1
        state = await SessionState.open(backend, KNOWN)
        change(state)
        expected = spelled(state.data)
        assert await state.commit(backend, HOUR) is UNSET
        assert spelled(await backend.load(KNOWN)) == expected
        if isinstance(backend, InMemorySessionBackend):
            clock.now += 2
            assert bool(await backend.load(KNOWN)) is changed

    run(check())


@EVERY
def test_scalars_changed_by_two_requests_are_merged(make: Callable[[], SessionBackend]) -> None:
    async def check() -> None:
        backend = make()
        await backend.save(KNOWN, {"a": 1, "b": 1, "c": 1}, HOUR)
        first, second = await SessionState.open(backend, KNOWN), await SessionState.open(backend, KNOWN)
        first.data["a"] = 2
        second.data["b"] = 2
        del second.data["c"]
        await first.commit(backend, HOUR)
        await second.commit(backend, HOUR)
        first.data["d"] = 3
        await first.commit(backend, HOUR)
        assert await backend.load(KNOWN) == {"a": 2, "b": 2, "d": 3}

    run(check())


@EVERY
def test_scalars_changed_after_the_commit_are_not_in_the_store(make: Callable[[], SessionBackend]) -> None:
    async def check() -> None:
        backend = make()
        await backend.save(KNOWN, {"a": 1}, HOUR)
        state = await SessionState.open(backend, KNOWN)
        state.data["a"] = 2
        await state.commit(backend, HOUR)
        state.data["a"] = 3
        (await SessionState.open(backend, KNOWN)).data.clear()
        assert await backend.load(KNOWN) == {"a": 2}

    run(check())


Scalars = st.none() | st.booleans() | st.integers(-2, 2) | st.floats(allow_nan=False) | st.text(max_size=3)


Values = st.recursive(
    Scalars | st.sets(st.integers(0, 300)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
        | st.tuples(inner, inner)
    ),
    max_leaves=6,
)


Keys = st.sampled_from(["a", "b", "c", "d"])


def nest(data: dict[str, Any], key: str, value: object) -> None:
    """Change the value under `key` in place, if it is mutable."""
    inner = data.get(key)
    if isinstance(inner, list):
        inner.append(value)
    elif isinstance(inner, dict):
        inner["nested"] = value
    elif isinstance(inner, set):
        inner.symmetric_difference_update({0, 32, 64})


Operations: dict[str, Callable[[SessionState, str, Any], object]] = {
    "set": lambda state, key, value: state.data.__setitem__(key, value),
    "nest": lambda state, key, value: nest(state.data, key, value),
    "pop": lambda state, key, value: state.data.pop(key, None),
    "setdefault": lambda state, key, value: state.data.setdefault(key, value),
    "clear": lambda state, key, value: state.data.clear(),
    "replace": lambda state, key, value: state.replace({key: value}),
    "regenerate": lambda state, key, value: state.regenerate(),
}


Requests = st.lists(st.lists(st.tuples(st.sampled_from([*Operations, "commit"]), Keys, Values), max_size=6))


@given(requests=Requests)
@settings(max_examples=300, deadline=None)
def test_next_request_opens_what_any_operations_committed(
    requests: list[list[tuple[str, str, Any]]],
) -> None:
    async def check() -> None:
        backend = InMemorySessionBackend()
        cookie: str | None = None
        expected: dict[str, Any] = {}
        for operations in requests:
            state = await SessionState.open(backend, cookie)
            assert spelled(state.data) == spelled(expected)
            for name, key, value in [*operations, ("commit", "", None)]:
                if name == "commit":
                    outcome = await state.commit(backend, HOUR)
                    cookie = cookie if isinstance(outcome, Unset) else outcome
                else:
                    Operations[name](state, key, value)
            expected = state.data
            assert count_sessions(backend) == (1 if expected else 0)

    run(check())


def test_regenerate_moves_the_session_and_ends_the_old_identifier() -> None:
    async def check() -> None:
        backend = Recorded()
        await backend.save(KNOWN, {"cart": [1], "visits": 1}, HOUR)
        backend.calls.clear()
        state = await SessionState.open(backend, KNOWN)
        state.regenerate()
        state.data["user"] = "ann"
        del state.data["visits"]
        identifier = await state.commit(backend, HOUR)
        assert isinstance(identifier, str)
        assert identifier == state.identifier != KNOWN
        # Stored before the old one is deleted: cut off in between, the client still has a session.
        assert backend.calls[-2:] == [("save", identifier), ("delete", KNOWN)]
        assert (await SessionState.open(backend, KNOWN)).identifier is None
        assert (await SessionState.open(backend, identifier)).data == {"cart": [1], "user": "ann"}
        assert await state.commit(backend, HOUR) is UNSET
        assert count_sessions(backend) == 1

    run(check())


def test_regenerate_alone_is_enough_to_rotate() -> None:
    async def check() -> None:
        backend = Plain(known_session_identifier={"user": "ann"})
        state = await SessionState.open(backend, KNOWN)
        state.regenerate()
        identifier = await state.commit(backend, HOUR)
        assert backend.stored == {identifier: {"user": "ann"}}

    run(check())


def test_planted_identifier_is_worthless_after_login() -> None:
    async def check() -> None:
        backend = InMemorySessionBackend()
        attacker = await SessionState.open(backend, None)
        attacker.data["csrf"] = "x"
        planted = await attacker.commit(backend, HOUR)
        assert isinstance(planted, str)
        victim = await SessionState.open(backend, planted)
        victim.regenerate()
        victim.data["user"] = "victim"
        assert await victim.commit(backend, HOUR) not in (planted, None, UNSET)
        assert (await SessionState.open(backend, planted)).data == {}
        # Not through a request of the attacker's that was already under way, either.
        attacker.data["csrf"] = "y"
        assert await attacker.commit(backend, HOUR) is UNSET
        assert (await SessionState.open(backend, planted)).data == {}

    run(check())


def test_rotation_keeps_what_another_request_wrote_meanwhile() -> None:
    async def check() -> None:
        backend = Plain(known_session_identifier={"cart": 1})
        state = await SessionState.open(backend, KNOWN)
        state.regenerate()
        state.data["user"] = "ann"
        await backend.merge(KNOWN, {"other": 2}, [], HOUR)
        identifier = await state.commit(backend, HOUR)
        assert backend.stored == {identifier: {"cart": 1, "user": "ann", "other": 2}}

    run(check())


@WAITING
def test_rotation_beside_another_commit_ends_the_old_identifier(
    make: Callable[[], SessionBackend],
) -> None:
    async def check(head_start: int, rotation_first: bool) -> None:
        backend = make()
        await backend.save(KNOWN, {"cart": 1}, HOUR)
        rotating, other = [await SessionState.open(backend, KNOWN) for _ in range(2)]
        login(rotating)
        other.data["other"] = 2
        order = [rotating, other] if rotation_first else [other, rotating]
        first = asyncio.create_task(order[0].commit(backend, HOUR))
        for _ in range(head_start):
            await asyncio.sleep(0)
        await order[1].commit(backend, HOUR)
        await first
        assert await backend.load(KNOWN) == {}
        assert rotating.identifier is not None
        moved = await backend.load(rotating.identifier)
        # The other change either came first and moved along, or found no session to merge into.
        assert moved == {"cart": 1, "user": "ann"} | ({} if other.identifier is None else {"other": 2})

    for head_start in range(12):
        for rotation_first in (True, False):
            run(check(head_start, rotation_first))


@pytest.mark.parametrize(("written", "kept"), [({}, {}), ({"last_seen": 2}, {"last_seen": 2})])
def test_rotation_does_not_restore_what_a_logout_ended(written: dict[str, Any], kept: dict[str, Any]) -> None:
    async def check() -> None:
        backend = Plain(known_session_identifier={"user": "ann"})
        state = await SessionState.open(backend, KNOWN)
        state.regenerate()
        state.data.update(written)
        await backend.discard(KNOWN, HOUR)
        identifier = await state.commit(backend, HOUR)
        assert backend.stored == ({identifier: kept} if kept else {})
        assert (identifier is UNSET) is (not kept)
        assert state.identifier == (identifier if kept else None)

    run(check())


def test_session_that_begins_after_the_response_started_is_not_saved() -> None:
    async def check() -> None:
        backend = Plain()
        state = SessionState()
        state.sealed = True
        state.data["late"] = True
        assert await state.commit(backend, HOUR) is UNSET
        assert backend.stored == {}

    run(check())


def test_session_is_not_rotated_after_the_response_started() -> None:
    state = SessionState(KNOWN, {"user": "ann"})
    state.sealed = True
    with pytest.raises(RuntimeError, match="headers are settled"):
        state.regenerate()


def test_known_session_is_still_saved_after_the_response_started() -> None:
    async def check() -> None:
        backend = Plain(known_session_identifier={"user": "ann"})
        state = await SessionState.open(backend, KNOWN)
        state.sealed = True
        state.data["late"] = True
        assert await state.commit(backend, HOUR) is UNSET
        assert backend.stored == {KNOWN: {"user": "ann", "late": True}}

    run(check())
