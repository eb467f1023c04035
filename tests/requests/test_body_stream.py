"""A body arrives in any pieces, and is refused if it is too large or too slow."""

import asyncio
import gc
import warnings
from collections.abc import Awaitable, Callable, Generator, Sequence
from itertools import pairwise
from typing import Annotated, Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie import App, Body, Limits
from micropie._utils.timeouts import wait_for
from micropie.errors import ClientDisconnected, HTTPError
from micropie.requests.body_stream import BodyStream, ResumedAwaitable, take_message
from micropie.types import Message, Receive
from tests.support.asgi import JSON, MULTIPART, call, form_data, http_scope
from tests.support.event_loop import run

T = TypeVar("T")
LEFT: Message = {"type": "http.disconnect"}


def piece(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def script(*messages: Message, wait: float | None = None) -> Receive:
    """Return a `receive` of `messages`, each at once or after `wait` seconds, that then waits for ever."""
    left = iter(messages)

    async def receive() -> Message:
        message = next(left, None)
        if message is None:
            await asyncio.Event().wait()
            raise AssertionError("nothing sets this event")
        if wait is not None:
            await asyncio.sleep(wait)
        return message

    return receive


def stream(receive: Receive, *, size: int = 100, read_timeout: float = 5.0, total_timeout: float = 5.0) -> BodyStream:
    return BodyStream(receive, size=size, read_timeout=read_timeout, total_timeout=total_timeout)


async def receive_within(receive: Receive, seconds: float) -> Message:
    message = take_message(receive)
    return await wait_for(message, seconds) if isinstance(message, ResumedAwaitable) else message


async def read_all(body: BodyStream) -> list[bytes]:
    pieces = []
    while next_piece := await body.read():
        pieces.append(next_piece)
    return pieces


@pytest.mark.parametrize("wait", [None, 0.0])
@pytest.mark.parametrize(
    ("messages", "pieces"),
    [
        ([piece(b"", more=False)], []),
        ([piece(b"all", more=False)], [b"all"]),
        ([piece(b"one"), piece(b"two", more=False)], [b"one", b"two"]),
        ([piece(b"one"), piece(b"", more=False)], [b"one"]),
        ([piece(b""), piece(b""), piece(b"one"), piece(b""), piece(b"two", more=False)], [b"one", b"two"]),
        ([{"type": "http.request"}], []),
        ([{"type": "http.request", "body": b"x"}], [b"x"]),
    ],
)
def test_body_is_read_piece_by_piece_to_its_end(
    messages: Sequence[Message], pieces: list[bytes], wait: float | None
) -> None:
    body = stream(script(*messages, wait=wait))
    assert run(read_all(body)) == pieces
    assert body.ended
    assert run(body.read()) == b""


@given(st.binary(max_size=60), st.lists(st.integers(0, 60)))
def test_body_does_not_depend_on_its_pieces(data: bytes, cuts: list[int]) -> None:
    places = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
    parts = [data[start:end] for start, end in pairwise(places)]
    messages = [*map(piece, parts), piece(b"", more=False)]
    assert b"".join(run(read_all(stream(script(*messages))))) == data


@pytest.mark.parametrize("messages", [[LEFT], [piece(b"one"), LEFT]])
def test_disconnect_raises_and_does_not_end_the_body(messages: Sequence[Message]) -> None:
    body = stream(script(*messages))
    with pytest.raises(ClientDisconnected):
        run(read_all(body))
    assert not body.ended


@pytest.mark.parametrize(
    "messages",
    [
        [piece(b"x" * 11, more=False)],
        [piece(b"x" * 6), piece(b"x" * 6, more=False)],
        [piece(b"x" * 10), piece(b"x")],
    ],
)
def test_body_over_its_size_is_413_at_the_first_byte_too_many(messages: Sequence[Message]) -> None:
    with pytest.raises(HTTPError) as caught:
        run(read_all(stream(script(*messages), size=10)))
    assert (caught.value.status, caught.value.detail) == (413, "The request body is larger than 10 bytes")


def test_body_of_exactly_its_size_is_read() -> None:
    assert run(read_all(stream(script(piece(b"x" * 10, more=False)), size=10))) == [b"x" * 10]


@pytest.mark.parametrize("messages", [[], [piece(b"one")], [piece(b"one"), piece(b"two")]])
def test_body_that_stalls_is_408(messages: Sequence[Message]) -> None:
    with pytest.raises(HTTPError) as caught:
        run(read_all(stream(script(*messages), read_timeout=0.01)))
    assert (caught.value.status, caught.value.detail) == (408, "The request body did not arrive in time")


@pytest.mark.parametrize("drop", [b"x", b""])
def test_body_that_drips_is_408_after_the_total_timeout(drop: bytes) -> None:
    drips = script(*[piece(drop)] * 90, wait=0.01)
    with pytest.raises(HTTPError) as caught:
        run(read_all(stream(drips, read_timeout=5.0, total_timeout=0.1)))
    assert caught.value.status == 408


def test_late_piece_is_408_even_if_no_timer_fired() -> None:
    async def receive() -> Message:
        loop = asyncio.get_running_loop()
        started = loop.time()
        while loop.time() - started < 0.02:  # holds up the loop, so that no timer can fire meanwhile
            pass
        return piece(b"x", more=True)

    with pytest.raises(HTTPError, match="took too long"):
        run(read_all(stream(receive, total_timeout=0.03)))


def test_only_waiting_for_the_client_counts() -> None:
    async def slow_handler() -> list[bytes]:
        body = stream(script(piece(b"a"), piece(b"b"), piece(b"c", more=False)), total_timeout=0.02)
        pieces = []
        while next_piece := await body.read():
            pieces.append(next_piece)
            await asyncio.sleep(0.02)
        return pieces

    assert run(slow_handler()) == [b"a", b"b", b"c"]


# --- awaiting by hand -----------------------------------------------------------------------------------------------


class Plain:
    """An awaitable whose iterator has neither `send` nor `throw`, as that of an extension module may be."""

    def __init__(self, *waits: "asyncio.Future[None]", message: Message) -> None:
        self._waits = iter(waits)
        self._message = message

    def __await__(self) -> Any:
        return self

    def __iter__(self) -> "Plain":
        return self

    def __next__(self) -> Any:
        for wait in self._waits:
            wait._asyncio_future_blocking = True
            return wait
        raise StopIteration(self._message)


def test_message_that_is_there_is_taken_without_a_timer() -> None:
    async def no_loop_needed() -> Message:
        return piece(b"x")

    taken = receive_within(no_loop_needed, 5.0)
    with pytest.raises(StopIteration) as done:  # stepped by hand, outside of any event loop
        taken.send(None)
    assert done.value.value == piece(b"x")


@pytest.mark.parametrize("kind", ["coroutine", "future", "iterator"])
def test_every_kind_of_awaitable_is_awaited(kind: str) -> None:
    async def main() -> Message:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        receivers: dict[str, Callable[[], Awaitable[Message]]] = {
            "coroutine": script(piece(b"x"), wait=0.0),
            "future": lambda: future,
            "iterator": lambda: Plain(future, message=piece(b"x")),
        }
        loop.call_soon(future.set_result, piece(b"x"))
        return await receive_within(receivers[kind], 5.0)

    assert run(main()) == piece(b"x")


def test_receive_that_is_a_plain_iterator_times_out() -> None:
    async def main() -> Message:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        return await receive_within(lambda: Plain(future, message=LEFT), 0.01)

    with pytest.raises(TimeoutError):
        run(main())


def test_cancelled_receive_runs_its_finally_to_the_end() -> None:
    steps: list[str] = []

    async def receive() -> Message:
        try:
            await asyncio.Event().wait()
        finally:
            steps.append("cancelled")
            await asyncio.sleep(0)
            steps.append("cleaned up")
        raise AssertionError("nothing sets this event")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TimeoutError):
            run(receive_within(receive, 0.01))
        gc.collect()
    assert steps == ["cancelled", "cleaned up"]


def test_message_of_a_cancelled_receive_is_returned() -> None:
    async def receive() -> Message:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return LEFT
        raise AssertionError("nothing sets this event")

    assert run(receive_within(receive, 0.01)) == LEFT


def test_error_of_the_server_is_raised() -> None:
    async def receive() -> Message:
        await asyncio.sleep(0)
        raise OSError("the server is gone")

    with pytest.raises(OSError, match="gone"):
        run(stream(receive).read())


def test_closed_wait_closes_the_receive() -> None:
    closed: list[str] = []

    class Endless:
        def __await__(self) -> Generator[None, None, Message]:
            try:
                while True:
                    yield
            finally:
                closed.append("closed")

    async def main() -> None:
        waiting = receive_within(lambda: Endless(), 5.0)
        waiting.send(None)
        waiting.close()

    run(main())
    assert closed == ["closed"]


# --- in an app ------------------------------------------------------------------------------------------------------

ran: list[str] = []


class Api(App):
    async def json(self, x: int) -> str:
        ran.append("json")
        return str(x)

    async def file(self, f) -> str:  # type: ignore[no-untyped-def]
        ran.append("file")
        return "?"

    async def raw(self, data: Annotated[bytes, Body()]) -> str:
        ran.append("raw")
        return str(len(data))


SMALL = Limits(body=100, multipart=200, read_timeout=0.02, body_timeout=0.1, multipart_timeout=0.1)


def respond_to(messages: Sequence[Message], path: str, headers: Sequence[tuple[bytes, bytes]], wait: float) -> Any:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    app = Api(limits=SMALL)
    run(app(http_scope("POST", path, headers), script(*messages, wait=wait), send))
    return sent[0]["status"] if sent else None


CASES = [
    ("/json", JSON, b'{"x":1}'),
    ("/file", MULTIPART, form_data({"f": ("a", "text/plain", b"x")})),
    ("/raw", (), b"x"),
]


@pytest.mark.parametrize(("path", "headers", "body"), CASES)
def test_app_sends_408_for_a_body_that_stalls_or_drips_and_runs_no_handler(
    path: str, headers: Any, body: bytes
) -> None:
    ran.clear()
    assert respond_to([], path, headers, 0) == 408
    assert respond_to([piece(body[:1])], path, headers, 0) == 408
    assert (
        respond_to([piece(body[n : n + 1]) for n in range(len(body))] + [piece(b"")] * 90, path, headers, 0.005) == 408
    )
    assert ran == []


@pytest.mark.parametrize(("path", "headers", "body"), CASES)
def test_app_sends_nothing_after_a_disconnect_and_runs_no_handler(path: str, headers: Any, body: bytes) -> None:
    ran.clear()
    assert respond_to([LEFT], path, headers, 0) is None
    assert respond_to([piece(body[:20] if path == "/file" else body), LEFT], path, headers, 0) is None
    assert ran == []


@pytest.mark.parametrize(("path", "headers", "body"), CASES)
@pytest.mark.parametrize("declared", [b"201", b"9" * 30, b"9" * 5000])
def test_app_refuses_a_declared_size_over_the_limit_before_reading(
    path: str, headers: Any, body: bytes, declared: bytes
) -> None:
    ran.clear()
    assert respond_to([], path, (*headers, (b"content-length", declared)), 0) == 413
    assert ran == []


@pytest.mark.parametrize(("path", "headers", "body"), CASES)
def test_app_refuses_a_chunked_body_at_the_limit(path: str, headers: Any, body: bytes) -> None:
    ran.clear()
    response = call(Api(limits=SMALL), "POST", path, [b"x" * 90] * 9, headers)
    assert response.status == 413
    assert ran == []


# --- what is received ahead of the reader ---


@pytest.mark.parametrize("wait", [None, 0.0])
@pytest.mark.parametrize("reads_first", [True, False])
def test_body_that_is_received_ahead_is_read_in_order(wait: float | None, reads_first: bool) -> None:
    async def main() -> list[bytes]:
        pieces = [b"%d" % number for number in range(20)]
        body = stream(script(*map(piece, pieces), piece(b"", more=False), wait=wait))
        reading = asyncio.ensure_future(read_all(body)) if reads_first else None
        await asyncio.sleep(0)
        ahead = asyncio.ensure_future(body.read_ahead(3))
        read = await (reading or read_all(body))
        await ahead
        assert read == pieces
        return read

    run(main())


def test_body_is_received_ahead_within_its_bound() -> None:
    async def main() -> None:
        received = 0

        async def receive() -> Message:
            nonlocal received
            received += 1
            return piece(b"1234", more=received < 10)

        body = stream(receive)
        ahead = asyncio.ensure_future(body.read_ahead(8))
        for _ in range(50):
            await asyncio.sleep(0)
        assert (received, body.ended, ahead.done()) == (3, False, False)
        assert await read_all(body) == [b"1234"] * 10
        await ahead

    run(main())


@pytest.mark.parametrize(
    ("last", "error"), [([LEFT], ClientDisconnected), ([piece(b"x" * 100)], HTTPError), ([], HTTPError)]
)
def test_failure_that_was_met_ahead_is_raised_after_the_pieces_before_it(
    last: list[Message], error: type[Exception]
) -> None:
    async def main() -> None:
        body = stream(script(piece(b"one"), piece(b"two"), *last), read_timeout=0.01)
        with pytest.raises(error):
            await body.read_ahead(100)
        assert [await body.read(), await body.read()] == [b"one", b"two"]
        for _ in range(2):
            with pytest.raises(error):
                await body.read()

    run(main())
