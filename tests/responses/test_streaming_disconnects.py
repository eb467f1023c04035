"""These tests end streams early: the generator is closed when the client leaves and when the task is cancelled."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from micropie.errors import ClientDisconnected
from micropie.responses.streaming import iterate_chunks, send_stream
from micropie.types import Message
from tests.responses.streams import PATIENCE, Server, Source, failing, stream
from tests.support.event_loop import run


async def wait_forever(source: Source) -> AsyncIterator[object]:
    """Yield, then wait for an event that never comes."""
    try:
        yield "a"
        await asyncio.Event().wait()
    finally:
        source.ended = True


async def ignore_cancellation(source: Source) -> AsyncIterator[object]:
    """Yield on after each cancellation."""
    try:
        for number in range(1000):
            try:
                yield str(number)
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass
    finally:
        source.ended = True


async def end_on_cancellation(source: Source) -> AsyncIterator[object]:
    """Yield, wait, and end without an error when cancelled."""
    try:
        yield "a"
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        pass
    finally:
        source.ended = True


LEAVERS: list[Callable[[Source], Any]] = [
    wait_forever,
    ignore_cancellation,
    end_on_cancellation,
    lambda source: source.forever(),
    lambda source: source.sync_forever(),
]
LEAVER_NAMES = ["waits", "ignores cancellation", "ends on cancellation", "never waits", "sync"]


@pytest.mark.parametrize("make", LEAVERS, ids=LEAVER_NAMES)
@pytest.mark.parametrize("raises", [False, True], ids=["send is silent", "send raises"])
def test_generator_is_closed_when_the_client_leaves(make: Callable[[Source], Any], raises: bool) -> None:
    async def main() -> None:
        source, server = Source("x"), Server(leaves_after=1, raises=raises)
        await stream(server, make(source))
        assert source.ended
        assert not server.ended

    run(main())


@pytest.mark.parametrize("form", ["forever", "sync_forever"])
def test_oserror_from_send_is_a_disconnect(form: str) -> None:
    async def main() -> None:
        source, server = Source("x"), Server(leaves_after=3, raises=True)
        await stream(server, getattr(source, form)(), listen=False)
        assert source.ended
        assert server.chunks == [b"x"] * 3

    run(main())


def test_sync_generator_stops_within_one_chunk() -> None:
    """Each chunk waits until the one before was sent, so that the generator's chunks can be counted."""

    async def main() -> None:
        made = 0

        def body() -> Iterator[str]:
            nonlocal made
            while True:
                made += 1
                yield "x"

        server = Server(leaves_after=2)
        await stream(server, body())
        assert made <= len(server.chunks) + 1

    run(main())


def test_disconnect_before_the_first_chunk_sends_nothing() -> None:
    async def main() -> None:
        source, server = Source(), Server()

        async def body() -> AsyncIterator[object]:
            try:
                server.gone.set()
                await asyncio.Event().wait()
                yield "a"
            finally:
                source.ended = True

        await stream(server, body())
        assert source.ended
        assert server.messages == []

    run(main())


def test_request_message_is_not_a_disconnect() -> None:
    async def main() -> None:
        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        server, source = Server(), Source("a", "b")

        async def body() -> AsyncIterator[object]:
            async for chunk in source.generator():
                await asyncio.sleep(0)
                yield chunk

        await send_stream(server.send, 200, body(), [], receive)
        assert server.chunks == [b"a", b"b"]
        assert server.ended

    run(main())


def test_oserror_from_receive_is_a_disconnect() -> None:
    async def main() -> None:
        source, server = Source(), Server()

        async def receive() -> Message:
            raise ConnectionResetError

        await send_stream(server.send, 200, wait_forever(source), [], receive)
        assert source.ended
        assert not server.ended

    run(main())


def test_generator_that_raises_client_disconnected_ends_quietly() -> None:
    async def main() -> None:
        server, source = Server(), Source("a")
        await stream(server, failing(source, ClientDisconnected())[0])
        assert server.chunks == [b"a"]
        assert not server.ended

    run(main())


# --- cancellation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [wait_forever, lambda source: source.forever()], ids=["waits", "never waits"])
@pytest.mark.parametrize("listen", [True, False])
def test_cancelled_response_closes_its_generator_and_stays_cancelled(
    make: Callable[[Source], Any], listen: bool
) -> None:
    async def main() -> None:
        source, server = Source("x"), Server()
        before = asyncio.all_tasks()
        task = asyncio.create_task(send_stream(server.send, 200, make(source), [], server.receive if listen else None))
        while not server.chunks:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert source.ended
        assert not server.ended
        assert asyncio.all_tasks() == before

    run(main())


@pytest.mark.parametrize("turns", range(8))
def test_cancellation_is_not_lost_when_the_client_leaves_at_the_same_moment(turns: int) -> None:
    """The cancellation comes `turns` turns of the event loop after the disconnect."""

    async def main() -> None:
        source, server = Source(), Server()
        task = asyncio.create_task(send_stream(server.send, 200, wait_forever(source), [], server.receive))
        while not server.chunks:
            await asyncio.sleep(0)
        server.gone.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        in_time = task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() is in_time
        assert source.ended

    run(main())


def test_sync_generator_is_closed_after_its_running_step() -> None:
    async def main() -> None:
        running, may_go_on = threading.Event(), threading.Event()
        order: list[str] = []

        def body() -> Iterator[str]:
            try:
                running.set()
                assert may_go_on.wait(PATIENCE)
                order.append("step over")
                yield "a"
            finally:
                order.append("closed")

        server = Server()
        task = asyncio.create_task(
            send_stream(server.send, 200, iterate_chunks(body(), asyncio.to_thread), [], server.receive)
        )
        while not running.is_set():
            await asyncio.sleep(0)
        task.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        assert not task.done()
        may_go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert order == ["step over", "closed"]
        assert server.messages == []

    run(main())
