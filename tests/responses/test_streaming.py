"""These tests stream responses, and check what is sent, where the generator runs, and how it fails."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from enum import StrEnum

import msgspec
import pytest

from micropie.errors import ResponseError
from micropie.responses.server_sent_events import ServerSentEvent
from micropie.responses.streaming import BrokenResponse, send_stream
from micropie.types import Message, RawHeaders
from tests.responses.streams import PATIENCE, Server, Source, failing, stream
from tests.support.event_loop import run


class Tick(msgspec.Struct):
    n: int


class Level(StrEnum):
    LOW = "low"


class Counter:
    """An async iterator that is not a generator, and cannot be closed."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __aiter__(self) -> "Counter":
        return self

    async def __anext__(self) -> str:
        if not self.count:
            raise StopAsyncIteration
        self.count -= 1
        return str(self.count)


HTML = (b"content-type", b"text/html; charset=utf-8")
JSON_LINES = (b"content-type", b"application/jsonl")
EVENTS = (b"content-type", b"text/event-stream")
NO_CACHE = (b"cache-control", b"no-cache")
UNBUFFERED = (b"x-accel-buffering", b"no")
EVENT_HEADERS: set[tuple[bytes, bytes]] = {EVENTS, NO_CACHE, UNBUFFERED}

# --- what is sent ----------------------------------------------------------------------------------------------------

# chunks, the headers that the first suggests, the bytes of each
STREAMS: list[tuple[list[object], set[tuple[bytes, bytes]], list[bytes]]] = [
    (["a", "é"], {HTML}, [b"a", "é".encode()]),
    ([b"a", bytearray(b"b"), memoryview(b"c")], {HTML}, [b"a", b"b", b"c"]),
    ([Tick(1), Tick(2)], {JSON_LINES}, [b'{"n":1}\n', b'{"n":2}\n']),
    ([{"a": "x\ny"}, [1], None, 7], {JSON_LINES}, [b'{"a":"x\\ny"}\n', b"[1]\n", b"null\n", b"7\n"]),
    ([Level.LOW], {JSON_LINES}, [b'"low"\n']),
    ([ServerSentEvent(data=1), ServerSentEvent(data=[])], EVENT_HEADERS, [b"data: 1\n\n", b"data: []\n\n"]),
    (["a", Tick(1), ServerSentEvent(data="x")], {HTML}, [b"a", b'{"n":1}\n', b"data: x\n\n"]),
    ([Tick(1), "raw"], {JSON_LINES}, [b'{"n":1}\n', b"raw"]),
    ([ServerSentEvent(comment="hi"), "raw"], EVENT_HEADERS, [b": hi\n\n", b"raw"]),
    (["", "a", "", b""], {HTML}, [b"a"]),
    ([], {HTML}, []),
]  # fmt: skip


@pytest.mark.parametrize(("chunks", "headers", "sent"), STREAMS)
@pytest.mark.parametrize("form", ["generator", "sync_generator"])
@pytest.mark.parametrize("listen", [True, False])
def test_first_chunk_decides_the_content_type(
    chunks: list[object], headers: set[tuple[bytes, bytes]], sent: list[bytes], form: str, listen: bool
) -> None:
    async def main() -> None:
        source, server = Source(*chunks), Server()
        await stream(server, getattr(source, form)(), status=201, listen=listen)
        start = server.messages[0]
        assert (start["type"], start["status"], set(start["headers"])) == ("http.response.start", 201, headers)
        assert server.chunks == sent
        assert server.ended
        assert source.ended

    run(main())


@pytest.mark.parametrize(
    ("given_headers", "expected"),
    [
        ([(b"content-type", b"text/csv")], {(b"content-type", b"text/csv"), UNBUFFERED, NO_CACHE}),
        ([(b"cache-control", b"private")], {EVENTS, UNBUFFERED, (b"cache-control", b"private")}),
        ([(b"content-length", b"9")], {EVENTS, UNBUFFERED, NO_CACHE, (b"content-length", b"9")}),
        ([(b"link", b"a"), (b"link", b"b")], {EVENTS, UNBUFFERED, NO_CACHE, (b"link", b"a"), (b"link", b"b")}),
    ],
)  # fmt: skip
def test_handlers_headers_win_over_those_of_the_stream(
    given_headers: RawHeaders, expected: set[tuple[bytes, bytes]]
) -> None:
    async def main() -> None:
        server, before = Server(), list(given_headers)
        await stream(server, Source(ServerSentEvent(data="x")).generator(), headers=given_headers)
        assert set(server.messages[0]["headers"]) == expected
        assert given_headers == before

    run(main())


@pytest.mark.parametrize("make", [lambda: Counter(3), lambda: iter(["2", "1", "0"]), lambda: map(str, (2, 1, 0))])
def test_iterators_that_are_not_generators_are_streams(make: Callable[[], object]) -> None:
    async def main() -> None:
        server = Server()
        await stream(server, make())
        assert server.chunks == [b"2", b"1", b"0"]
        assert server.ended

    run(main())


def test_next_chunk_is_made_only_after_the_last_was_sent() -> None:
    async def main() -> None:
        order: list[str] = []

        async def made() -> AsyncIterator[str]:
            for letter in "abc":
                order.append(f"made {letter}")
                yield letter

        async def send(message: Message) -> None:
            await asyncio.sleep(0)
            order.append(f"sent {message.get('body', b'start').decode()}".strip())

        await send_stream(send, 200, made(), [], None)
        assert order == ["made a", "sent start", "sent a", "made b", "sent b", "made c", "sent c", "sent"]

    run(main())


def test_receive_is_awaited_only_if_it_is_passed() -> None:
    async def main() -> None:
        server = Server()
        await stream(server, Source("a", "b").generator(), listen=False)
        assert server.listened == 0
        assert server.ended

    run(main())


# --- where it runs ---------------------------------------------------------------------------------------------------

USER: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="anonymous")


@pytest.mark.parametrize("leaves_after", [None, 1])
def test_async_generator_runs_and_closes_in_the_requests_task(leaves_after: int | None) -> None:
    seen: list[tuple[object, str]] = []

    async def body() -> AsyncIterator[str]:
        try:
            seen.append((asyncio.current_task(), USER.get()))
            yield "a"
            await asyncio.sleep(PATIENCE if leaves_after else 0)
        finally:
            await asyncio.sleep(0)
            seen.append((asyncio.current_task(), USER.get()))

    async def main() -> None:
        USER.set("ann")
        await stream(Server(leaves_after=leaves_after), body())
        assert seen == [(asyncio.current_task(), "ann")] * 2

    run(main())


@pytest.mark.parametrize("leaves_after", [None, 1])
def test_sync_generator_runs_and_closes_off_the_event_loop(leaves_after: int | None) -> None:
    threads: set[int] = set()

    def body() -> Iterator[str]:
        try:
            while True:
                threads.add(threading.get_ident())
                yield USER.get()
                if leaves_after is None:
                    return
        finally:
            threads.add(threading.get_ident())

    async def main() -> None:
        USER.set("ann")
        server = Server(leaves_after=leaves_after)
        await stream(server, body())
        assert threads
        assert threading.get_ident() not in threads
        assert set(server.chunks) == {b"ann"}

    run(main())


def test_blocking_generator_does_not_block_the_event_loop() -> None:
    async def main() -> None:
        may_go_on = threading.Event()

        def body() -> Iterator[str]:
            assert may_go_on.wait(PATIENCE)  # a blocked event loop could not set it
            yield "a"

        server = Server()
        streaming = asyncio.create_task(stream(server, body()))
        await asyncio.sleep(0)
        may_go_on.set()
        # `stream` does not take the new task for one left behind, as it runs after `create_task`.
        await streaming
        assert server.chunks == [b"a"]

    run(main())


def test_generator_that_never_waits_lets_other_tasks_run() -> None:
    async def main() -> None:
        server = Server()

        async def other() -> None:
            server.gone.set()  # runs only if the generator's task lets other tasks run

        others = asyncio.create_task(other())
        source = Source("x")
        before = asyncio.all_tasks() - {others}
        await send_stream(server.send, 200, aiter(source.forever()), [], server.receive)
        assert source.ended
        assert asyncio.all_tasks() == before

    async def within() -> None:
        async with asyncio.timeout(PATIENCE):
            await main()

    run(within())


# --- failing ---------------------------------------------------------------------------------------------------------


ERRORS = [ZeroDivisionError("mine"), TimeoutError("mine"), OSError("mine"), ResponseError("mine")]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("form", [0, 1], ids=["async", "sync"])
@pytest.mark.parametrize("listen", [True, False])
def test_error_before_the_first_chunk_is_raised_and_nothing_is_sent(error: Exception, form: int, listen: bool) -> None:
    async def main() -> None:
        server = Server()
        with pytest.raises(type(error), match="mine"):
            await stream(server, failing(Source(), error)[form], listen=listen)
        assert server.messages == []

    run(main())


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("form", [0, 1], ids=["async", "sync"])
@pytest.mark.parametrize("listen", [True, False])
def test_error_after_the_first_chunk_breaks_the_response(error: Exception, form: int, listen: bool) -> None:
    async def main() -> None:
        server, source = Server(), Source("a")
        with pytest.raises(BrokenResponse) as caught:
            await stream(server, failing(source, error)[form], listen=listen)
        assert repr(caught.value.__cause__) == repr(error)  # compared by repr, as a thread may raise a copy
        assert server.chunks == [b"a"]
        assert not server.ended
        assert source.ended

    run(main())


@pytest.mark.parametrize("form", ["generator", "sync_generator"])
def test_first_chunk_that_is_not_data_is_raised_and_nothing_is_sent(form: str) -> None:
    async def main() -> None:
        server, source = Server(), Source(object())
        with pytest.raises(ResponseError, match=r"builtins\.object cannot be sent"):
            await stream(server, getattr(source, form)())
        assert server.messages == []
        assert source.ended

    run(main())


@pytest.mark.parametrize("form", ["generator", "sync_generator"])
def test_later_chunk_that_is_not_data_breaks_the_response(form: str) -> None:
    async def main() -> None:
        server, source = Server(), Source("a", object(), "b")
        with pytest.raises(BrokenResponse) as caught:
            await stream(server, getattr(source, form)())
        assert isinstance(caught.value.__cause__, ResponseError)
        assert server.chunks == [b"a"]
        assert source.ended

    run(main())


def test_failing_server_closes_the_generator() -> None:
    async def main() -> None:
        source = Source("a")

        async def send(message: Message) -> None:
            raise RuntimeError("the server failed")

        with pytest.raises(BrokenResponse):
            await send_stream(send, 200, aiter(source.generator()), [], None)
        assert source.ended

    run(main())


def test_failing_cleanup_breaks_the_response() -> None:
    async def body() -> AsyncIterator[str]:
        try:
            yield "a"
            await asyncio.sleep(PATIENCE)
        finally:
            raise KeyError("cleanup")

    async def main() -> None:
        with pytest.raises(BrokenResponse) as caught:
            await stream(Server(leaves_after=1), body())
        assert isinstance(caught.value.__cause__, KeyError)

    run(main())


def test_failing_receive_breaks_the_response() -> None:
    async def main() -> None:
        server, source = Server(), Source("a")

        async def receive() -> Message:
            raise RuntimeError("receive is broken")

        async def body() -> AsyncIterator[object]:
            async for chunk in source.generator():
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                yield chunk

        with pytest.raises(BrokenResponse) as caught:
            await send_stream(server.send, 200, body(), [], receive)
        assert str(caught.value.__cause__) == "receive is broken"
        assert source.ended

    run(main())


@pytest.mark.parametrize("begun", [True, False])
def test_stop_async_iteration_of_a_sync_generator_breaks_the_response(begun: bool) -> None:
    def body() -> Iterator[str]:
        if begun:
            yield "a"
        raise StopAsyncIteration

    async def main() -> None:
        server = Server()
        with pytest.raises(BrokenResponse if begun else RuntimeError) as caught:
            await stream(server, body())
        assert isinstance(caught.value.__cause__, RuntimeError if begun else StopAsyncIteration)
        assert not server.ended

    run(main())


# --- responses that start before their first chunk, and comments between the chunks ---


async def wait_for_messages(server: Server, count: int) -> None:
    while len(server.messages) < count:
        await asyncio.sleep(0)


@pytest.mark.parametrize("seconds", [0, 0.001])
@pytest.mark.parametrize("content_type", [b"text/event-stream", b"Text/Event-Stream; charset=utf-8", b"text/csv"])
@pytest.mark.parametrize("end", ["items", "nothing", "error", "leaves"])
def test_stream_of_a_known_type_starts_before_its_first_chunk(seconds: float, content_type: bytes, end: str) -> None:
    async def main() -> None:
        server, closed = Server(), False

        async def body() -> AsyncIterator[object]:
            nonlocal closed
            try:
                await wait_for_messages(server, 1)
                if end == "leaves":
                    server.gone.set()
                    await asyncio.Event().wait()
                if end == "error":
                    raise LookupError
                if end == "items":
                    yield "a"
                    yield "b"
            finally:
                closed = True

        before = asyncio.all_tasks()
        sent = send_stream(
            server.send, 200, body(), [(b"content-type", content_type)], server.receive, start_after=seconds
        )
        if end == "error":
            with pytest.raises(BrokenResponse):
                await sent
        else:
            await sent
        assert closed
        assert asyncio.all_tasks() == before
        assert [message["type"] for message in server.messages].count("http.response.start") == 1
        assert server.chunks == ([b"a", b"b"] if end == "items" else [])
        assert server.ended is (end in ("items", "nothing"))

    run(main())


def test_stream_whose_first_chunk_comes_in_time_starts_with_it() -> None:
    async def main() -> None:
        server = Server()
        before = asyncio.all_tasks()
        await send_stream(server.send, 200, aiter(Source("a", "b").generator()), [], server.receive, start_after=1000)
        assert (server.chunks, server.ended) == ([b"a", b"b"], True)
        assert asyncio.all_tasks() == before

    run(main())


@pytest.mark.parametrize("start_after", [None, 0])
def test_comments_are_sent_between_events(start_after: float | None) -> None:
    async def main() -> None:
        server = Server()

        async def body() -> AsyncIterator[object]:
            yield ServerSentEvent("first")
            await wait_for_messages(server, 5)
            yield "data: in two "
            await asyncio.sleep(0.01)
            yield "pieces\n\n"

        headers: list[tuple[bytes, bytes]] = [] if start_after is None else [EVENTS]
        before = asyncio.all_tasks()
        await send_stream(server.send, 200, body(), headers, server.receive, start_after=start_after, ping=0.001)
        assert asyncio.all_tasks() == before
        text = b"".join(server.chunks)
        assert text.replace(b": ping\n\n", b"") == b"data: first\n\ndata: in two pieces\n\n"
        assert text.count(b": ping\n\n") >= 3
        assert b"data: in two pieces\n\n" in text
        assert server.ended

    run(main())
