"""Close codes and close reasons follow RFC 6455."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from micropie.websockets.connection import WebSocket
from micropie.websockets.protocol import ConnectionClosed
from tests.support.event_loop import run

from .scripted_server import Server, closed_by_us, open_connection

VALID_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
INVALID_CODES = [-1, 0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65536]


@pytest.mark.parametrize("code", VALID_CODES)
def test_sendable_close_code_is_sent(code: int) -> None:
    async def steps() -> list[tuple[int, str]]:
        server = Server()
        await (await open_connection(server)).close(code)
        return server.closes

    assert run(steps()) == [(code, "")]


@pytest.mark.parametrize("code", INVALID_CODES)
@pytest.mark.parametrize("state", [open_connection, closed_by_us])
def test_unsendable_close_code_is_refused(
    code: int, state: Callable[[Server], Coroutine[Any, Any, WebSocket[Any, Any]]]
) -> None:
    async def steps() -> None:
        server = Server()
        ws = await state(server)
        server.sent.clear()
        with pytest.raises(ValueError, match=str(code)):
            await ws.close(code)
        assert server.sent == []

    run(steps())


@given(st.text(max_size=200))
@example("a" * 124)
@example("a" * 123)
@example("é" * 62)
@example("a" + "é" * 62)
@example("😀" * 31)
@example("aa" + "😀" * 31)
def test_long_reason_is_cut_after_the_last_whole_character_that_fits(reason: str) -> None:
    async def steps() -> list[tuple[int, str]]:
        server = Server()
        await (await open_connection(server)).close(1000, reason)
        return server.closes

    [(_, sent)] = run(steps())
    assert reason.startswith(sent)
    assert len(sent.encode()) <= 123
    following = reason[len(sent) : len(sent) + 1]
    assert not following or len((sent + following).encode()) > 123


def test_lone_surrogate_in_a_reason_is_replaced() -> None:
    async def steps() -> list[tuple[int, str]]:
        server = Server()
        await (await open_connection(server)).close(1000, "bad \ud800 text")
        return server.closes

    assert run(steps()) == [(1000, "bad ? text")]


def test_connection_closed_shows_code_and_reason() -> None:
    assert str(ConnectionClosed(1001, "going away")) == "The WebSocket is closed (1001: going away)"
    assert (ConnectionClosed().code, ConnectionClosed().reason) == (1005, "")
