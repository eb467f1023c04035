"""Several tasks may use one connection: one of them receives, and a close reaches it."""

import asyncio

import pytest

from micropie.types import Message
from micropie.websockets.connection import WebSocket
from micropie.websockets.protocol import ConnectionClosed
from tests.support.event_loop import run

from .scripted_server import CALLS, CONNECT, Server, open_connection, text


@pytest.mark.parametrize("call", ["receive", "receive_text", "receive_bytes", "receive_json"])
def test_close_reaches_the_task_that_waits_for_a_message(call: str) -> None:
    async def steps() -> None:
        server = Server()
        ws = await open_connection(server)
        reading = asyncio.ensure_future(CALLS[call](ws))
        await server.waiting.wait()
        await ws.close(4000, "kicked")
        with pytest.raises(ConnectionClosed) as raised:
            await reading
        assert (raised.value.code, raised.value.reason) == (4000, "kicked")
        assert server.cancelled
        assert server.closes == [(4000, "kicked")]

    run(steps())


def test_close_ends_the_iteration_of_another_task_and_its_cleanup_runs() -> None:
    async def steps() -> list[str]:
        server = Server(text("one"))
        ws = await open_connection(server)
        log: list[str] = []

        async def reader() -> None:
            try:
                async for message in ws:
                    log.append(message)
                log.append("ended")
            finally:
                await asyncio.sleep(0)
                log.append("cleaned up")

        reading = asyncio.create_task(reader())
        await server.waiting.wait()
        await ws.close()
        await reading
        assert reading.cancelling() == 0
        return log

    assert run(steps()) == ["one", "ended", "cleaned up"]


def test_close_reaches_a_task_that_waits_for_the_handshake() -> None:
    async def steps() -> None:
        server = Server()
        ws: WebSocket = WebSocket(server.receive, server.send)
        accepting = asyncio.create_task(ws.accept())
        await server.waiting.wait()
        await ws.close(1012)
        with pytest.raises(ConnectionClosed):
            await accepting
        assert server.closes == [(1012, "")]

    run(steps())


def test_close_during_the_on_accept_hook_refuses_the_handshake() -> None:
    async def steps() -> list[Message]:
        server = Server(CONNECT)

        async def on_accept(_: str | None) -> list[tuple[str, str]]:
            await ws.close(1008)
            return []

        ws: WebSocket = WebSocket(server.receive, server.send, on_accept=on_accept)
        with pytest.raises(ConnectionClosed):
            await ws.accept()
        return server.sent

    assert [message["type"] for message in run(steps())] == ["websocket.close"]


def test_cancelled_receive_leaves_the_connection_open() -> None:
    async def steps() -> None:
        server = Server()
        ws = await open_connection(server)
        reading = asyncio.create_task(ws.receive())
        await server.waiting.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        server.script.append(text("later"))
        assert await ws.receive() == "later"

    run(steps())


@pytest.mark.parametrize("close_first", [True, False])
def test_task_that_is_cancelled_beside_a_close_is_cancelled(close_first: bool) -> None:
    async def steps() -> None:
        server = Server()
        ws = await open_connection(server)
        reading = asyncio.create_task(ws.receive())
        await server.waiting.wait()
        if close_first:
            await ws.close()
            reading.cancel()
        else:
            reading.cancel()
            await ws.close()
        with pytest.raises(asyncio.CancelledError):
            await reading

    run(steps())


def test_close_reaches_a_cancelled_task_that_reads_in_its_cleanup() -> None:
    async def steps() -> list[int]:
        server = Server()
        ws = await open_connection(server)
        codes: list[int] = []

        async def reader() -> str:
            try:
                return await asyncio.Future()
            finally:
                try:
                    await ws.receive()
                except ConnectionClosed as closed:
                    codes.append(closed.code)

        reading = asyncio.create_task(reader())
        await asyncio.sleep(0)
        reading.cancel()
        await server.waiting.wait()
        await ws.close(4000)
        with pytest.raises(asyncio.CancelledError):
            await reading
        return codes

    assert run(steps()) == [4000]


def test_message_that_arrives_during_a_close_is_dropped() -> None:
    async def steps() -> None:
        arriving: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        server = Server()
        ws = await open_connection(server)

        async def receive() -> Message:
            server.waiting.set()
            return await arriving

        ws._receive = receive
        reading = asyncio.create_task(ws.receive())
        await server.waiting.wait()
        arriving.set_result(text("too late"))
        await ws.close()
        with pytest.raises(ConnectionClosed):
            await reading

    run(steps())


def test_disconnect_after_our_close_keeps_our_code() -> None:
    async def steps() -> ConnectionClosed:
        told: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        ws = await open_connection(Server())

        async def receive() -> Message:
            # This receive cannot be cancelled, and reports the disconnect after our close.
            with pytest.raises(asyncio.CancelledError):
                await told
            return {"type": "websocket.disconnect", "code": 1006}

        ws._receive = receive
        reading = asyncio.create_task(ws.receive())
        await asyncio.sleep(0)
        await ws.close(4000)
        with pytest.raises(ConnectionClosed) as raised:
            await reading
        return raised.value

    assert run(steps()).code == 4000


@pytest.mark.parametrize("call", ["accept", "next"])
def test_second_task_that_waits_for_the_handshake_is_refused(call: str) -> None:
    async def steps() -> None:
        server = Server()
        ws: WebSocket = WebSocket(server.receive, server.send)
        accepting = asyncio.create_task(ws.accept())
        await server.waiting.wait()
        with pytest.raises(RuntimeError, match="Another task"):
            await CALLS[call](ws)
        await ws.close()
        with pytest.raises(ConnectionClosed):
            await accepting

    run(steps())


def test_accept_can_be_retried_after_a_cancellation() -> None:
    async def steps() -> bool:
        server = Server()
        ws: WebSocket = WebSocket(server.receive, server.send)
        accepting = asyncio.create_task(ws.accept())
        await server.waiting.wait()
        accepting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await accepting
        server.script.append(CONNECT)
        await ws.accept()
        return ws.accepted

    assert run(steps())


@pytest.mark.parametrize("outer", [False, True])
def test_each_message_may_be_awaited_in_a_separate_task(outer: bool) -> None:
    """asyncio.wait_for does so before Python 3.12. A close must reach the task that waits now, and no other."""

    async def steps() -> None:
        server = Server(text("one"))
        ws = await open_connection(server)
        messages = aiter(ws)
        if outer:
            assert await anext(messages) == "one"
        else:
            assert await asyncio.create_task(ws.receive()) == "one"
        waiting = asyncio.ensure_future(anext(messages))
        await server.waiting.wait()
        await ws.close()
        with pytest.raises(StopAsyncIteration):
            await waiting
        own = asyncio.current_task()
        assert own is not None
        assert own.cancelling() == 0

    run(steps())


def test_second_reader_is_refused() -> None:
    async def steps() -> None:
        server = Server()
        ws = await open_connection(server)
        reading = asyncio.create_task(ws.receive())
        await server.waiting.wait()
        with pytest.raises(RuntimeError, match="Another task"):
            await ws.receive()
        await ws.close()
        with pytest.raises(ConnectionClosed):
            await reading

    run(steps())


def test_timeout_around_a_receive_raises_timeout_error() -> None:
    async def steps() -> None:
        server = Server()
        ws = await open_connection(server)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ws.receive(), 0.01)
        server.script.append(text("later"))
        assert await ws.receive() == "later"

    run(steps())
