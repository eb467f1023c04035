"""These tests notice changes of values that cannot be pickled, and refuse such values where they cannot be stored."""

import threading
from typing import Any

import pytest

from micropie.sentinels import UNSET
from micropie.sessions import InMemorySessionBackend
from micropie.sessions.state import SessionState
from tests.sessions.stores import HOUR, KNOWN, Merged, count_sessions
from tests.support.event_loop import run


class Opaque:
    """A value that can be neither pickled nor copied."""

    def __reduce_ex__(self, protocol: object) -> str:
        raise TypeError("opaque")


class Quarrelsome:
    """A value that can be copied, but neither pickled nor compared."""

    def __reduce__(self) -> str:
        raise TypeError("not pickled")

    def __deepcopy__(self, memo: object) -> "Quarrelsome":
        return Quarrelsome()

    def __eq__(self, other: object) -> bool:
        raise ValueError("ambiguous")

    __hash__ = None  # type: ignore[assignment]  # like any class that defines __eq__ alone


class OneWay(Exception):
    """An exception that pickles but does not unpickle, because its arguments do not fit __init__."""

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
def test_unpicklable_value_is_compared_with_a_copy_or_counts_as_changed(value: object, saved: bool) -> None:
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


def test_nested_change_beside_an_unpicklable_value_is_saved() -> None:
    async def check() -> None:
        backend = Merged(known_session_identifier={"odd": lambda: 1, "list": [1], "same": [1]})
        state = await SessionState.open(backend, KNOWN)
        state.data["list"].append(2)
        await state.commit(backend, HOUR)
        assert backend.merged == [({"list": [1, 2]}, set())]

    run(check())


def test_unpicklable_value_can_be_added_and_removed() -> None:
    async def check() -> None:
        backend = Merged(known_session_identifier={"a": [1], "b": 1})
        state = await SessionState.open(backend, KNOWN)
        state.data["odd"] = shout_locally = lambda: "!"
        await state.commit(backend, HOUR)
        del state.data["odd"]
        await state.commit(backend, HOUR)
        assert backend.merged == [({"odd": shout_locally}, set()), ({}, {"odd"})]

    run(check())


def test_data_nested_too_deeply_to_pickle_is_a_type_error() -> None:
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
def test_key_that_the_memory_store_cannot_keep_is_named_and_nothing_is_saved(data: dict[str, Any], named: str) -> None:
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


def test_value_that_does_not_unpickle_is_named_before_it_is_saved() -> None:
    async def check() -> None:
        backend = InMemorySessionBackend()
        await backend.save(KNOWN, {"before": 1}, HOUR)
        for cookie in (None, KNOWN):
            state = await SessionState.open(backend, cookie)
            state.data["error"] = OneWay(1, 2)
            with pytest.raises(TypeError, match=r"cannot be stored \('error'\): TypeError.*second"):
                await state.commit(backend, HOUR)
        assert await backend.load(KNOWN) == {"before": 1}
        assert count_sessions(backend) == 1

    run(check())
