"""Sessions: identifiers, one request's session, the contract of a store, the store in memory, the cookie."""

import asyncio
import gc
import pickle
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from micropie.config import SessionConfig
from micropie.sentinels import UNSET, Unset
from micropie.sessions import (
    InMemorySessionBackend,
    SessionBackend,
    SessionState,
    build_session_cookie,
    generate_identifier,
    is_identifier,
    is_secure_cookie,
)

T = TypeVar("T")

KNOWN = "known-session-identifier"
OTHER = "other-session-identifier"
HOUR = 3600


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(coroutine)


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Plain(SessionBackend):
    """What a user writes: two methods, the very dictionaries kept and handed out, no super().__init__()."""

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
    """The same over a wire: every call waits before and after it takes effect."""

    async def load(self, session_id: str) -> dict[str, Any]:
        await asyncio.sleep(0)
        data = dict(await super().load(session_id))
        await asyncio.sleep(0)
        return data

    async def save(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
        await asyncio.sleep(0)
        await super().save(session_id, data, timeout)
        await asyncio.sleep(0)


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
    """Writes down what it is asked for."""

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


# Identifiers


def test_new_identifiers_are_43_url_safe_characters_and_never_the_same() -> None:
    made = {generate_identifier() for _ in range(1000)}
    assert len(made) == 1000
    assert all(len(identifier) == 43 and is_identifier(identifier) for identifier in made)


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
def test_an_identifier_has_its_shape_before_a_store_is_asked(text: str, shaped: bool) -> None:
    assert is_identifier(text) is shaped

    async def asked() -> bool:
        backend = Recorded()
        await SessionState.open(backend, text)
        return bool(backend.calls)

    assert run(asked()) is shaped


# Opening


def test_without_a_cookie_nothing_is_loaded() -> None:
    async def check() -> None:
        backend = Recorded()
        state = await SessionState.open(backend, None)
        assert (state.identifier, state.data, backend.calls) == (None, {}, [])

    run(check())


def test_a_known_identifier_opens_its_data() -> None:
    async def check() -> None:
        backend = Plain(known_session_identifier={"user": "ann"})
        state = await SessionState.open(backend, KNOWN)
        assert (state.identifier, state.data) == (KNOWN, {"user": "ann"})

    run(check())


def test_an_unknown_identifier_is_never_adopted() -> None:
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


def test_a_store_that_cannot_be_asked_is_not_an_empty_session() -> None:
    class Down(Plain):
        async def load(self, session_id: str) -> dict[str, Any]:
            raise ConnectionError("no route to the store")

    with pytest.raises(ConnectionError, match="no route to the store"):
        run(SessionState.open(Down(), KNOWN))


def test_looking_at_the_data_is_what_touches_a_session() -> None:
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


def test_data_is_the_same_dict_at_every_look() -> None:
    state = SessionState(KNOWN, {"a": 1})
    assert state.data is state.data


# What a commit does

Change = Callable[[SessionState], object]


def write_and_clear(state: SessionState) -> None:
    state.data["a"] = 1
    state.data.clear()


def login(state: SessionState) -> None:
    state.regenerate()
    state.data["user"] = "ann"


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
def test_a_change_is_saved_under_the_same_identifier(
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
    """Counts how often any of its kind is pickled and read back."""

    pickled = 0
    read_back = 0

    def __getstate__(self) -> dict[str, Any]:
        Weighed.pickled += 1
        return {"state": 1}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Weighed.read_back += 1


def test_a_session_that_is_only_read_is_pickled_twice_and_never_read_back() -> None:
    async def check() -> None:
        backend = Plain(known_session_identifier={"weighed": Weighed()})
        state = await SessionState.open(backend, KNOWN)
        await state.commit(backend, HOUR)
        assert (Weighed.pickled, Weighed.read_back) == (0, 0), "nobody looked"
        _ = state.data
        await state.commit(backend, HOUR)
        assert (Weighed.pickled, Weighed.read_back) == (2, 0)

    run(check())


def test_a_fresh_session_that_stays_empty_is_nothing() -> None:
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
def test_a_new_session_gets_an_identifier_and_keeps_it(change: Change) -> None:
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
        assert len(backend._sessions) == 1

    run(check())


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.data.clear(),
        lambda state: state.replace({}),
        lambda state: (state.regenerate(), state.data.clear()),
    ],
)
def test_an_emptied_session_is_deleted_and_its_cookie_ends(change: Change) -> None:
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


def test_a_change_is_saved_for_the_timeout_given() -> None:
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


def test_a_second_commit_saves_only_what_changed_since() -> None:
    async def check() -> None:
        backend = Plain(known_session_identifier={"a": 1, "b": 1})
        state = await SessionState.open(backend, KNOWN)
        state.data["a"] = 2
        await state.commit(backend, HOUR)
        await backend.merge(KNOWN, {"a": "somebody else's"}, [], HOUR)
        state.data["b"] = 2
        await state.commit(backend, HOUR)
        assert backend.stored[KNOWN] == {"a": "somebody else's", "b": 2}

    run(check())


def test_what_the_handler_changes_after_a_commit_is_not_in_the_store() -> None:
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


def test_a_request_that_fails_leaves_the_dictionary_of_a_naive_store_alone() -> None:
    async def check() -> None:
        backend = Plain(known_session_identifier={"a": 1})
        state = await SessionState.open(backend, KNOWN)
        state.data["a"] = 2
        state.data["b"] = 2
        assert backend.stored[KNOWN] == {"a": 1}

    run(check())


def test_a_failed_commit_can_be_repeated() -> None:
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


def test_the_sign_of_a_zero_is_a_change() -> None:
    async def check() -> None:
        backend = InMemorySessionBackend()
        await backend.save(KNOWN, {"balance": 0.0}, HOUR)
        state = await SessionState.open(backend, KNOWN)
        state.data["balance"] = -0.0
        await state.commit(backend, HOUR)
        assert str(await backend.load(KNOWN)) == "{'balance': -0.0}"

    run(check())


@pytest.mark.parametrize("name", ["load", "save"])
@pytest.mark.parametrize("on_the_class", [True, False])
def test_a_merge_in_memory_goes_by_a_load_or_save_that_was_put_in_place(name: str, on_the_class: bool) -> None:
    async def broken(*_: object) -> dict[str, Any]:
        raise ConnectionError

    async def check() -> None:
        made = type("Mine", (InMemorySessionBackend,), {name: broken} if on_the_class else {})()
        await InMemorySessionBackend.save(made, KNOWN, {"a": 1}, HOUR)
        if not on_the_class:
            setattr(made, name, broken)
        with pytest.raises(ConnectionError):
            await made.merge(KNOWN, {"a": 2}, [], HOUR)
        assert await InMemorySessionBackend.load(made, KNOWN) == {"a": 1}

    run(check())


def test_what_is_no_identifier_opens_nothing_whatever_is_kept_under_it() -> None:
    async def check() -> None:
        backend = InMemorySessionBackend()
        await backend.save("user:42", {"secret": 1}, HOUR)
        assert (await SessionState.open(backend, "user:42")).identifier is None
        assert await backend.load("user:42") == {"secret": 1}

    run(check())


def test_a_store_in_memory_that_sets_its_own_save_before_it_is_made_is_asked() -> None:
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


def test_a_store_in_memory_gives_plain_dictionaries() -> None:
    async def check() -> None:
        backend = InMemorySessionBackend()
        await backend.save(KNOWN, defaultdict(int, a=1), HOUR)
        assert type(await backend.load(KNOWN)) is dict
        assert type((await SessionState.open(backend, KNOWN)).data) is dict

    run(check())


def test_what_is_not_settled_at_once_is_frozen_once() -> None:
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


@pytest.mark.parametrize("on_the_class", [True, False])
def test_a_session_in_memory_is_opened_by_a_load_that_was_put_in_place(
    monkeypatch: pytest.MonkeyPatch, on_the_class: bool
) -> None:
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
def test_a_change_is_saved_in_memory_by_a_method_that_was_put_in_place(
    monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
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


# Sessions of scalars alone: what a handler does to {"text": "ann", "number": 1, "zero": 0.0}, whether that is a change

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
def test_a_change_of_a_scalar_is_seen_and_prolongs_the_session(
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
def test_scalars_that_two_requests_change_are_merged(make: Callable[[], SessionBackend]) -> None:
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
def test_what_a_request_does_to_its_scalars_after_the_commit_is_its_own(make: Callable[[], SessionBackend]) -> None:
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


# The law: what was committed is what is opened

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
    """Change the value under `key` where it stands, if it can be."""
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


def spelled(value: object) -> str:
    """Tells 1 from True and 0.0 from -0.0, but not one order of a set or of a dict from another."""
    if isinstance(value, dict):
        return f"dict{sorted(f'{key}:{spelled(inner)}' for key, inner in value.items())}"
    if isinstance(value, set):
        return f"set{sorted(map(repr, value))}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}{[spelled(inner) for inner in value]}"
    return repr(value)


@given(requests=Requests)
@settings(max_examples=300, deadline=None)
def test_whatever_is_done_to_a_session_the_next_request_finds_it(
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
            assert len(backend._sessions) == (1 if expected else 0)

    run(check())


# Requests side by side


@WAITING
def test_fifty_requests_that_write_fifty_keys_keep_all_fifty(make: Callable[[], SessionBackend]) -> None:
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
    """A set that lists its members in another order once it has been pickled and read back."""
    found = set(range(100))
    for number in range(100):
        found.discard(number)
    found.update([194, 107, 10, 66])
    return found


def test_a_set_that_nobody_changed_does_not_undo_another_request() -> None:
    assert list(sparse()) != list(pickle.loads(pickle.dumps(sparse())))

    async def check() -> None:
        backend = Plain(known_session_identifier={"set": sparse()})
        state = await SessionState.open(backend, KNOWN)
        state.data["mine"] = 1
        await backend.merge(KNOWN, {"set": {1}}, [], HOUR)
        await state.commit(backend, HOUR)
        assert backend.stored[KNOWN] == {"set": {1}, "mine": 1}

    run(check())


def test_a_logout_beside_a_slow_request_stays_a_logout() -> None:
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
        assert not backend._sessions

    run(check())


@pytest.mark.parametrize("rotating", [False, True])
@WAITING
def test_a_logout_in_the_middle_of_another_commit_stays_a_logout(
    make: Callable[[], SessionBackend], rotating: bool
) -> None:
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


# Rotation


def test_regenerate_moves_the_session_and_the_old_identifier_is_dead() -> None:
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
        # Stored before the old one goes: cut off in between, the client still has a session.
        assert backend.calls[-2:] == [("save", identifier), ("delete", KNOWN)]
        assert (await SessionState.open(backend, KNOWN)).identifier is None
        assert (await SessionState.open(backend, identifier)).data == {"cart": [1], "user": "ann"}
        assert await state.commit(backend, HOUR) is UNSET
        assert len(backend._sessions) == 1

    run(check())


def test_regenerate_alone_is_enough_to_rotate() -> None:
    async def check() -> None:
        backend = Plain(known_session_identifier={"user": "ann"})
        state = await SessionState.open(backend, KNOWN)
        state.regenerate()
        identifier = await state.commit(backend, HOUR)
        assert backend.stored == {identifier: {"user": "ann"}}

    run(check())


def test_an_identifier_that_an_attacker_planted_is_worth_nothing_after_login() -> None:
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


def test_rotation_keeps_what_other_requests_wrote_meanwhile() -> None:
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
def test_a_rotation_beside_another_commit_leaves_the_old_identifier_dead(
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
        # The other's change either came first and moved along, or was told that the session is gone.
        assert moved == {"cart": 1, "user": "ann"} | ({} if other.identifier is None else {"other": 2})

    for head_start in range(12):
        for rotation_first in (True, False):
            run(check(head_start, rotation_first))


@pytest.mark.parametrize(("written", "kept"), [({}, {}), ({"last_seen": 2}, {"last_seen": 2})])
def test_rotation_does_not_bring_back_what_was_logged_out(written: dict[str, Any], kept: dict[str, Any]) -> None:
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


# Cancellation


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
def test_a_commit_cancelled_anywhere_leaves_the_session_whole(
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


# What cannot be pickled


class Opaque:
    """Neither pickled nor copied."""

    def __reduce_ex__(self, protocol: object) -> str:
        raise TypeError("opaque")


class Quarrelsome:
    """Copied, not pickled, and not to be compared."""

    def __reduce__(self) -> str:
        raise TypeError("not pickled")

    def __deepcopy__(self, memo: object) -> "Quarrelsome":
        return Quarrelsome()

    def __eq__(self, other: object) -> bool:
        raise ValueError("ambiguous")

    __hash__ = None  # type: ignore[assignment]  # like any class that defines __eq__ alone


class OneWay(Exception):
    """Pickles, and does not come back: its arguments are not what __init__ wants."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__("one argument")


def shout() -> str:
    return "!"


@pytest.mark.parametrize(
    ("value", "saved"),
    [
        (lambda: 1, False),  # a copy is the same function
        ({"inner": [lambda: 1]}, False),
        (shout, False),
        (threading.Lock(), True),
        (Opaque(), True),
        (Quarrelsome(), True),
    ],
)
def test_what_does_not_pickle_is_compared_with_a_copy_or_counts_as_changed(value: object, saved: bool) -> None:
    async def check() -> None:
        backend = Merged(known_session_identifier={"odd": value, "plain": 1})
        state = await SessionState.open(backend, KNOWN)
        assert state.data["odd"] is value
        assert await state.commit(backend, HOUR) is UNSET
        assert [set(changed) for changed, _ in backend.merged] == ([{"odd"}] if saved else [])
        backend.merged.clear()
        state.data["plain"] = 2
        del state.data["odd"]
        await state.commit(backend, HOUR)
        assert backend.merged == [({"plain": 2}, {"odd"})]

    run(check())


class Merged(Plain):
    """Writes down what is merged."""

    def __init__(self, **stored: dict[str, Any]) -> None:
        super().__init__(**stored)
        self.merged: list[tuple[dict[str, Any], set[str]]] = []

    async def merge(self, session_id: str, changed: Mapping[str, Any], removed: Collection[str], timeout: int) -> bool:
        self.merged.append((dict(changed), set(removed)))
        return await super().merge(session_id, changed, removed, timeout)


def test_a_nested_change_beside_something_that_does_not_pickle_is_seen() -> None:
    async def check() -> None:
        backend = Merged(known_session_identifier={"odd": lambda: 1, "list": [1], "same": [1]})
        state = await SessionState.open(backend, KNOWN)
        state.data["list"].append(2)
        await state.commit(backend, HOUR)
        assert backend.merged == [({"list": [1, 2]}, set())]

    run(check())


def test_something_that_does_not_pickle_can_join_and_leave_a_session() -> None:
    async def check() -> None:
        backend = Merged(known_session_identifier={"a": [1], "b": 1})
        state = await SessionState.open(backend, KNOWN)
        state.data["odd"] = shout_locally = lambda: "!"
        await state.commit(backend, HOUR)
        del state.data["odd"]
        await state.commit(backend, HOUR)
        assert backend.merged == [({"odd": shout_locally}, set()), ({}, {"odd"})]

    run(check())


def test_a_nest_too_deep_to_pickle_is_no_crash() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    async def check() -> None:
        backend = InMemorySessionBackend()
        await backend.save(KNOWN, {"a": 1}, HOUR)
        state = await SessionState.open(backend, KNOWN)
        state.data["deep"] = deep
        with pytest.raises(TypeError, match=r"'deep'.*RecursionError"):
            await state.commit(backend, HOUR)
        assert await backend.load(KNOWN) == {"a": 1}

    run(check())


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"fine": 1, "lock": threading.Lock()}, r"\('lock'\): TypeError"),
        ({"one": threading.Lock(), "fine": 1, "two": [lambda: 1]}, r"\('one', 'two'\)"),
        ({"opaque": Opaque()}, r"\('opaque'\): TypeError: opaque"),
        ({threading.Lock(): 1}, r"\(as a whole\)"),
    ],
)
def test_what_the_memory_cannot_keep_is_named_and_nothing_is_saved(data: dict[str, Any], named: str) -> None:
    async def check() -> None:
        backend = InMemorySessionBackend()
        await backend.save(KNOWN, {"before": 1}, HOUR)
        with pytest.raises(TypeError, match=rf"cannot be stored {named}.*Keep text"):
            await backend.save(KNOWN, data, HOUR)
        assert await backend.load(KNOWN) == {"before": 1}
        state = await SessionState.open(backend, KNOWN)
        state.data.update(data)
        with pytest.raises(TypeError, match=f"cannot be stored {named}"):
            await state.commit(backend, HOUR)
        assert await backend.load(KNOWN) == {"before": 1}

    run(check())


def test_what_pickles_and_does_not_come_back_is_named_before_it_is_saved() -> None:
    async def check() -> None:
        backend = InMemorySessionBackend()
        await backend.save(KNOWN, {"before": 1}, HOUR)
        for cookie in (None, KNOWN):
            state = await SessionState.open(backend, cookie)
            state.data["error"] = OneWay(1, 2)
            with pytest.raises(TypeError, match=r"cannot be stored \('error'\): TypeError.*second"):
                await state.commit(backend, HOUR)
        assert await backend.load(KNOWN) == {"before": 1}
        assert len(backend._sessions) == 1

    run(check())


# The contract of a store


@pytest.mark.parametrize("name", ["load", "save"])
def test_a_store_needs_both_methods(name: str) -> None:
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
def test_merge_into_a_session_that_ended_does_nothing(make: Callable[[], SessionBackend]) -> None:
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


def test_a_store_may_be_a_frozen_dataclass_with_locks_of_its_own() -> None:
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


def test_a_loop_that_was_closed_in_mid_merge_locks_nobody_out() -> None:
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


def test_different_sessions_do_not_wait_for_each_other() -> None:
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


def test_locks_are_gone_when_nobody_holds_them() -> None:
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


# The store in memory


def test_what_load_returns_is_nobody_elses() -> None:
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
        await backend.save(OTHER, {"a": 2}, 5)  # an earlier expiry takes the place of a later one
        clock.now += 5
        assert await backend.load(OTHER) == {}
        assert not backend._sessions

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


def test_the_clock_of_the_system_is_the_default() -> None:
    async def check() -> None:
        backend = InMemorySessionBackend()
        await backend.save(KNOWN, {"a": 1}, HOUR)
        assert await backend.load(KNOWN) == {"a": 1}
        await backend.save(KNOWN, {"a": 1}, 0)
        assert await backend.load(KNOWN) == {}

    run(check())


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_session_saved_for_no_time_is_not_there(timeout: int) -> None:
    async def check() -> None:
        backend = InMemorySessionBackend(clock=Clock())
        await backend.save(KNOWN, {"a": 1}, timeout)
        assert await backend.load(KNOWN) == {}
        assert not backend._sessions

    run(check())


def test_saving_nothing_forgets_a_session_known_or_not() -> None:
    async def check() -> None:
        backend = InMemorySessionBackend()
        await backend.save(KNOWN, {"a": 1}, HOUR)
        await backend.save(KNOWN, {}, HOUR)
        await backend.save(OTHER, {}, HOUR)
        assert not backend._sessions

    run(check())


def test_over_the_cap_the_one_not_saved_for_longest_goes() -> None:
    async def check() -> None:
        backend = InMemorySessionBackend(max_sessions=3)
        for name in "abc":
            await backend.save(name, {"name": name}, HOUR)
        await backend.save("a", {"name": "a again"}, HOUR)
        await backend.load("b")  # looking does not count
        await backend.save("d", {"name": "d"}, HOUR)
        found = {name: bool(await backend.load(name)) for name in "abcd"}
        assert found == {"a": True, "b": False, "c": True, "d": True}

    run(check())


def test_many_visitors_without_a_cookie_do_not_grow_the_store() -> None:
    async def check() -> None:
        backend = InMemorySessionBackend(max_sessions=100)
        most = 0
        last: str | Unset | None = None
        for _ in range(2000):
            state = await SessionState.open(backend, None)
            state.data["visits"] = 1
            last = await state.commit(backend, HOUR)
            most = max(most, len(backend._sessions), len(backend._unswept))
        assert most == 100
        assert isinstance(last, str)
        assert await backend.load(last) == {"visits": 1}

    run(check())


@pytest.mark.parametrize("cap", [0, -1])
def test_a_cap_below_one_is_refused(cap: int) -> None:
    with pytest.raises(ValueError, match=f"at least 1, not {cap}"):
        InMemorySessionBackend(max_sessions=cap)


def test_a_cap_of_one_keeps_the_last() -> None:
    async def check() -> None:
        backend = InMemorySessionBackend(1)
        await backend.save(KNOWN, {"a": 1}, HOUR)
        await backend.save(OTHER, {"a": 2}, HOUR)
        assert (await backend.load(KNOWN), await backend.load(OTHER)) == ({}, {"a": 2})

    run(check())


def test_expired_sessions_are_swept_out_by_later_saves() -> None:
    async def check() -> None:
        clock = Clock()
        backend = InMemorySessionBackend(clock=clock)
        await backend.save(KNOWN, {"a": 1}, HOUR)  # the oldest outlives the rest: it must not stop the sweep
        for number in range(1000):
            await backend.save(f"short-lived {number}", {"a": 1}, 10)
        clock.now += 10
        for number in range(10):
            await backend.save(f"next {number}", {"a": 1}, HOUR)
        assert len(backend._sessions) > 900, "one save does not pay for all"
        for _ in range(1011):  # a round that had begun and a whole one, two sessions a save
            await backend.save(KNOWN, {"a": 1}, HOUR)
        assert len(backend._sessions) == 11

    run(check())


def test_a_steady_stream_of_sessions_keeps_the_store_within_twice_its_living() -> None:
    async def check() -> None:
        clock = Clock()
        backend = InMemorySessionBackend(clock=clock)
        most = 0
        for number in range(5000):
            clock.now += 1
            await backend.save(f"session {number}", {"a": 1}, 100)
            most = max(most, len(backend._sessions))
        assert most <= 200

    run(check())


# The cookie


@pytest.mark.parametrize(
    ("config", "identifier", "secure", "header"),
    [
        ({}, "abc", True, "session_id=abc; Path=/; HttpOnly; SameSite=Lax; Secure"),
        ({}, "abc", False, "session_id=abc; Path=/; HttpOnly; SameSite=Lax"),
        ({}, None, True, "session_id=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"),
        ({}, None, False, "session_id=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"),
        ({"cookie": "sid"}, "abc", False, "sid=abc; Path=/; HttpOnly; SameSite=Lax"),
        ({"path": "/app"}, "abc", False, "session_id=abc; Path=/app; HttpOnly; SameSite=Lax"),
        (
            {"domain": "example.com"},
            "abc",
            True,
            "session_id=abc; Path=/; Domain=example.com; HttpOnly; SameSite=Lax; Secure",
        ),
        (
            {"domain": "example.com", "path": "/app"},
            None,
            True,
            "session_id=; Path=/app; Domain=example.com; Max-Age=0; HttpOnly; SameSite=Lax; Secure",
        ),
        ({"same_site": "Strict"}, "abc", False, "session_id=abc; Path=/; HttpOnly; SameSite=Strict"),
        ({"same_site": "None"}, "abc", False, "session_id=abc; Path=/; HttpOnly; SameSite=None; Secure"),
        ({"secure": True}, "abc", False, "session_id=abc; Path=/; HttpOnly; SameSite=Lax; Secure"),
        ({"secure": False}, "abc", True, "session_id=abc; Path=/; HttpOnly; SameSite=Lax"),
    ],
)
def test_the_cookie_header(config: dict[str, Any], identifier: str | None, secure: bool, header: str) -> None:
    assert build_session_cookie(SessionConfig(**config), identifier, secure=secure) == ("Set-Cookie", header)


@pytest.mark.parametrize("character", list('\r\n\0\x1f\x7f\x80é\u2028 ",;\\'))
def test_an_identifier_that_a_cookie_cannot_carry_is_refused(character: str) -> None:
    with pytest.raises(ValueError, match=r"^A session identifier cannot have"):
        build_session_cookie(SessionConfig(), f"abc{character}", secure=True)


def test_every_other_ascii_character_may_stand_in_an_identifier() -> None:
    text = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '",;\\')
    assert build_session_cookie(SessionConfig(), text, secure=True)[1].startswith(f"session_id={text}; ")


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost",
        "localhost.",
        "app.localhost",
        "a.b-c.localhost",
        "127.0.0.1",
        "127.1.2.3",
        "127.255.249.99",
        "[::1]",
    ],
)
@pytest.mark.parametrize("port", ["", ":", ":80", ":8000"])
def test_only_unencrypted_loopback_does_without_secure(host: str, port: str) -> None:
    assert is_secure_cookie("http", host + port) is False
    assert is_secure_cookie("ws", host + port) is False
    assert is_secure_cookie("https", host + port) is True
    assert is_secure_cookie("wss", host + port) is True


@pytest.mark.parametrize(
    "host",
    [
        "",
        "example.com",
        "example.com:8000",
        "localhost.example.com",
        "notlocalhost",
        "my.notlocalhost",
        ".localhost",
        "a..localhost",
        "localhost..",
        "localhost:8000.example.com",
        "localhost:x",
        "localhost\n",
        "user@localhost",
        "localhoſt",
        "app\u3002localhost",
        "127.0.0.1.example.com",
        "127.example.com",
        "127.0.0.256",
        "127.0.0.300",
        "127.0.0",
        "127.0.0.1.1",
        "127x0x0x1",
        "127.0.0.١",
        "128.0.0.1",
        "10.0.0.1",
        "0.0.0.0",
        "::1",
        "[::1",
        "[::2]",
        "[::1]x",
        "[::ffff:127.0.0.1]",
    ],
)
def test_any_other_host_gets_secure(host: str) -> None:
    assert is_secure_cookie("http", host) is True


def test_a_session_that_begins_after_the_response_started_is_not_saved() -> None:
    async def check() -> None:
        backend = Plain()
        state = SessionState()
        state.sealed = True
        state.data["late"] = True
        assert await state.commit(backend, HOUR) is UNSET
        assert backend.stored == {}

    run(check())


def test_a_session_is_not_rotated_after_the_response_started() -> None:
    state = SessionState(KNOWN, {"user": "ann"})
    state.sealed = True
    with pytest.raises(RuntimeError, match="headers are settled"):
        state.regenerate()


def test_a_known_session_is_still_saved_after_the_response_started() -> None:
    async def check() -> None:
        backend = Plain(known_session_identifier={"user": "ann"})
        state = await SessionState.open(backend, KNOWN)
        state.sealed = True
        state.data["late"] = True
        assert await state.commit(backend, HOUR) is UNSET
        assert backend.stored == {KNOWN: {"user": "ann", "late": True}}

    run(check())
