"""A `Path` as a response: which bytes are sent, with which headers, and that the file is always closed."""

import asyncio
import errno
import os
import resource
import socket
import threading
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any, TypeVar

import pytest

from micropie.errors import HTTPError
from micropie.responses.files import PIECE, guess_content_type
from micropie.responses.send import send_response
from micropie.responses.streaming import BrokenResponse
from micropie.types import Message, Scope

T = TypeVar("T")

MODIFIED = 1_700_000_000
SIZES = [0, 1, 10, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7]


def content(size: int) -> bytes:
    """`size` bytes that tell where they stand."""
    return b"".join(b"%07x\n" % number for number in range(0, size, 8))[:size]


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    def made(data: bytes = b"0123456789", name: str = "file.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        os.utime(path, (MODIFIED, MODIFIED))
        return path

    return made


def scope_of(method: str = "GET", headers: dict[str, str] | None = None, **extensions: object) -> Scope:
    raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    return {"type": "http", "method": method, "headers": raw, "extensions": extensions or None}


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError("not reached")


def lowest_free_descriptor() -> int:
    """Opens nothing, and is higher than before when something was left open."""
    descriptor = os.open(os.devnull, os.O_RDONLY)
    os.close(descriptor)
    return descriptor


class Answer:
    """The response to one request for a file, whose descriptor must not have been left open."""

    def __init__(
        self,
        path: Path,
        method: str = "GET",
        asked: dict[str, str] | None = None,
        *,
        status: int = 200,
        headers: list[tuple[str, str]] | None = None,
        extensions: dict[str, object] | None = None,
        listen: bool = True,
        on_message: Callable[[Message], None] = lambda message: None,
        run_sync: Any = asyncio.to_thread,
    ) -> None:
        self.messages: list[Message] = []

        async def send(message: Message) -> None:
            on_message(message)
            self.messages.append(message)

        async def main() -> None:
            before = lowest_free_descriptor()
            scope = scope_of(method, asked, **(extensions or {}))
            try:
                await send_response(scope, never, send, status, path, headers or [], listen=listen, run_sync=run_sync)
            finally:
                assert lowest_free_descriptor() == before
                assert asyncio.all_tasks() == {asyncio.current_task()}

        asyncio.run(main())

    @property
    def status(self) -> int:
        status: int = self.messages[0]["status"]
        return status

    @property
    def headers(self) -> dict[str, str]:
        raw = self.messages[0]["headers"]
        found = {name.decode(): value.decode() for name, value in raw}
        assert len(found) == len(raw)
        return found

    @property
    def body(self) -> bytes:
        assert not self.messages[-1].get("more_body")
        return b"".join(message["body"] for message in self.messages[1:])


# --- what is sent ----------------------------------------------------------------------------------------------------

NAMES = [
    ("page.html", "text/html; charset=utf-8"),
    ("style.css", "text/css; charset=utf-8"),
    ("notes.txt", "text/plain; charset=utf-8"),
    ("data.json", "application/json"),
    ("photo.PNG", "image/png"),
    ("drawing.svg", "image/svg+xml"),
    ("archive.tar.gz", "application/gzip"),
    ("page.html.gz", "application/gzip"),
    ("dump.bz2", "application/x-bzip2"),
    ("dump.xz", "application/x-xz"),
    ("dump.Z", "application/x-compress"),
    ("unknown.what-is-this", "application/octet-stream"),
    ("README", "application/octet-stream"),
    (".hidden", "application/octet-stream"),
]


@pytest.mark.parametrize(("name", "expected"), NAMES)
def test_a_name_tells_the_content_type(name: str, expected: str, make: Callable[..., Path]) -> None:
    assert guess_content_type(Path(name)) == expected
    answer = Answer(make(name=name))
    assert answer.headers["content-type"] == expected
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("listen", [True, False])
def test_a_file_is_sent_whole(size: int, listen: bool, make: Callable[..., Path]) -> None:
    path = make(content(size))
    answer = Answer(path, listen=listen)
    assert answer.status == 200
    assert answer.body == content(size)
    assert answer.headers == {
        "content-type": "text/plain; charset=utf-8",
        "content-length": str(size),
        "etag": f'"{path.stat().st_mtime_ns:x}-{size:x}"',
        "last-modified": formatdate(MODIFIED, usegmt=True),
        "accept-ranges": "bytes",
    }


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("first", "last"), [(0, 0), (1, 8), (3, PIECE), (PIECE - 1, 2 * PIECE + 1), (PIECE, 10**9)])
def test_a_range_is_sent_in_part(size: int, first: int, last: int, make: Callable[..., Path]) -> None:
    path = make(content(size))
    asked = {"Range": f"bytes={first}-{last}"}
    if first >= size:
        with pytest.raises(HTTPError) as caught:
            Answer(path, asked=asked)
        assert (caught.value.status, caught.value.headers) == (416, [("Content-Range", f"bytes */{size}")])
        return
    answer = Answer(path, asked=asked)
    expected = content(size)[first : last + 1]
    assert answer.status == 206
    assert answer.body == expected
    assert answer.headers["content-length"] == str(len(expected))
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(expected) - 1}/{size}"
    assert answer.headers["etag"]


@pytest.mark.parametrize("asked", ["bytes=0-1,3-4", "bytes=5-3", "nonsense"])
def test_a_range_that_is_not_one_gets_the_whole(asked: str, make: Callable[..., Path]) -> None:
    answer = Answer(make(), asked={"Range": asked})
    assert (answer.status, answer.body) == (200, b"0123456789")
    assert "content-range" not in answer.headers


def test_if_range_keeps_two_states_of_a_file_apart(make: Callable[..., Path]) -> None:
    path = make()
    etag = Answer(path).headers["etag"]
    assert Answer(path, asked={"Range": "bytes=0-1", "If-Range": etag}).status == 206
    assert Answer(path, asked={"Range": "bytes=0-1", "If-Range": '"other"'}).status == 200
    assert Answer(path, asked={"Range": "bytes=0-1", "If-Range": formatdate(MODIFIED, usegmt=True)}).status == 206


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("asked", [{}, {"Range": "bytes=0-1"}])
def test_head_gets_the_headers_of_the_whole(size: int, asked: dict[str, str], make: Callable[..., Path]) -> None:
    path = make(content(size))
    answer = Answer(path, "HEAD", asked)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers == Answer(path).headers


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_client_that_has_the_file_is_not_sent_it_again(method: str, make: Callable[..., Path]) -> None:
    path = make()
    etag = Answer(path).headers["etag"]
    for asked in ({"If-None-Match": f"W/{etag}"}, {"If-Modified-Since": formatdate(MODIFIED, usegmt=True)}):
        answer = Answer(path, method, asked, headers=[("Cache-Control", "max-age=60"), ("Content-Type", "text/css")])
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers == {
            "cache-control": "max-age=60",
            "etag": etag,
            "last-modified": formatdate(MODIFIED, usegmt=True),
            "accept-ranges": "bytes",
        }


def test_a_changed_file_is_another_state(make: Callable[..., Path]) -> None:
    etag = Answer(make(b"one")).headers["etag"]
    path = make(b"three")
    assert Answer(path, asked={"If-None-Match": etag}).body == b"three"
    same_size = Answer(path).headers["etag"]
    os.utime(path, ns=(0, MODIFIED * 10**9 + 1))
    assert Answer(path).headers["etag"] != same_size


@pytest.mark.parametrize("asked", [{"If-Match": '"other"'}, {"If-Unmodified-Since": formatdate(0, usegmt=True)}])
def test_a_condition_that_does_not_hold_is_412(asked: dict[str, str], make: Callable[..., Path]) -> None:
    with pytest.raises(HTTPError) as caught:
        Answer(make(), asked=asked)
    assert caught.value.status == 412


@pytest.mark.parametrize(("method", "status"), [("POST", 200), ("PUT", 200), ("GET", 404), ("GET", 201), ("HEAD", 404)])
def test_conditions_are_for_get_and_head_with_200_alone(method: str, status: int, make: Callable[..., Path]) -> None:
    asked = {"If-None-Match": "*", "Range": "bytes=0-1", "If-Match": '"other"'}
    answer = Answer(make(), method, asked, status=status)
    assert answer.status == status
    assert answer.body == (b"" if method == "HEAD" else b"0123456789")
    assert answer.headers == {"content-type": "text/plain; charset=utf-8", "content-length": "10"}


def test_a_handlers_headers_win_except_over_the_length(make: Callable[..., Path]) -> None:
    given = [("Content-Type", "text/markdown"), ("ETag", '"mine"'), ("Content-Disposition", "attachment"),
             ("Content-Length", "3"), ("Transfer-Encoding", "chunked")]  # fmt: skip
    path = make()
    answer = Answer(path, headers=given)
    assert answer.headers == {
        "content-type": "text/markdown",
        "content-disposition": "attachment",
        "content-length": "10",
        "etag": '"mine"',
        "last-modified": formatdate(MODIFIED, usegmt=True),
        "accept-ranges": "bytes",
    }
    assert Answer(path, asked={"If-None-Match": '"mine"'}, headers=given).status == 304


def test_a_handlers_last_modified_is_the_one_that_counts(make: Callable[..., Path]) -> None:
    path, early = make(), formatdate(1000, usegmt=True)
    assert Answer(path, asked={"If-Modified-Since": early}).status == 200
    answer = Answer(path, asked={"If-Modified-Since": early}, headers=[("Last-Modified", early)])
    assert (answer.status, answer.headers["last-modified"]) == (304, early)


# --- what is no file -------------------------------------------------------------------------------------------------


def test_what_is_no_regular_file_is_not_found(make: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for path in (
            tmp_path / "absent",
            tmp_path,
            make() / "below a file",
            tmp_path / "loop",
            tmp_path / "pipe",
            tmp_path / "socket",
            tmp_path / ("x" * 5000),
            tmp_path / "nul\0",
            Path(os.devnull),
        ):
            with pytest.raises(HTTPError) as caught:
                Answer(path)
            assert caught.value.status == 404, path


def test_a_file_that_cannot_be_opened_for_another_reason_is_an_error(make: Callable[..., Path]) -> None:
    async def without_descriptors(function: Callable[[], T]) -> T:
        def limited() -> T:
            limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
            try:
                return function()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)

        return await asyncio.to_thread(limited)

    with pytest.raises(OSError) as caught:
        Answer(make(), run_sync=without_descriptors)
    assert caught.value.errno == errno.EMFILE


# --- pathsend --------------------------------------------------------------------------------------------------------

PATHSEND: dict[str, object] = {"http.response.pathsend": {}}


@pytest.mark.parametrize("status", [200, 404])
def test_a_server_that_can_sends_the_whole_file_itself(
    status: int, make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make()
    monkeypatch.chdir(path.parent)
    answer = Answer(Path(path.name), status=status, extensions=PATHSEND)
    assert answer.status == status
    assert answer.headers["content-length"] == "10"
    assert answer.messages[1:] == [{"type": "http.response.pathsend", "path": str(path)}]


@pytest.mark.parametrize(
    ("method", "asked", "status", "body"),
    [("HEAD", {}, 200, b""), ("GET", {"Range": "bytes=1-2"}, 206, b"12"), ("GET", {"If-None-Match": "*"}, 304, b"")],
)
def test_nothing_but_the_whole_file_is_left_to_the_server(
    method: str, asked: dict[str, str], status: int, body: bytes, make: Callable[..., Path]
) -> None:
    answer = Answer(make(), method, asked, extensions=PATHSEND)
    assert (answer.status, answer.body) == (status, body)


# --- endings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["http.response.start", "http.response.body"])
@pytest.mark.parametrize("size", [10, 3 * PIECE])
def test_a_client_that_left_is_no_error(kind: str, size: int, make: Callable[..., Path]) -> None:
    def leave(message: Message) -> None:
        if message["type"] == kind:
            raise BrokenPipeError

    answer = Answer(make(content(size)), on_message=leave)
    assert len(answer.messages) == (kind == "http.response.body")


def test_a_client_that_leaves_in_mid_file_is_not_sent_the_rest(make: Callable[..., Path]) -> None:
    path = make(content(8 * PIECE))

    async def main() -> None:
        gone, messages = asyncio.Event(), list[Message]()

        async def send(message: Message) -> None:
            messages.append(message)
            if len(messages) == 3:
                gone.set()

        async def receive() -> Message:
            await gone.wait()
            return {"type": "http.disconnect"}

        before = lowest_free_descriptor()
        await send_response(scope_of(), receive, send, 200, path, listen=True)
        assert lowest_free_descriptor() == before
        assert len(messages) < 8
        assert messages[-1]["more_body"]

    asyncio.run(main())


def test_a_file_that_became_shorter_breaks_the_response(make: Callable[..., Path]) -> None:
    path = make(content(3 * PIECE))
    with pytest.raises(BrokenResponse) as caught:
        Answer(path, on_message=lambda message: os.truncate(path, PIECE))
    assert isinstance(caught.value.__cause__, EOFError)
    assert "became shorter" in str(caught.value.__cause__)


def test_a_file_that_became_longer_is_sent_as_it_was(make: Callable[..., Path]) -> None:
    path = make(content(2 * PIECE))

    def grow(message: Message) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    answer = Answer(path, on_message=grow)
    assert answer.body == content(2 * PIECE)


@pytest.mark.parametrize("size", SIZES)
def test_a_piece_is_one_hop_to_a_thread_and_nothing_else_is(size: int, make: Callable[..., Path]) -> None:
    hops = 0

    async def run_sync(function: Callable[[], T]) -> T:
        nonlocal hops
        hops += 1
        return await asyncio.to_thread(function)

    assert Answer(make(content(size)), run_sync=run_sync).body == content(size)
    assert hops == max(1, -(-size // PIECE))


class SlowPath(type(Path())):  # type: ignore[misc]  # the class of paths is known only on the platform
    """A path on a disk that takes its time: it can be opened once `may_open` is set."""

    opening = threading.Event()
    may_open = threading.Event()

    def __fspath__(self) -> str:
        self.opening.set()
        assert self.may_open.wait(10)
        return str(self)


def test_a_file_that_is_being_opened_when_the_response_is_cancelled_is_closed(make: Callable[..., Path]) -> None:
    path = SlowPath(make())

    async def main() -> None:
        async def send(message: Message) -> None:
            raise AssertionError("nothing is sent")

        before = lowest_free_descriptor()
        response: Awaitable[None] = send_response(scope_of(), never, send, 200, path)
        task = asyncio.ensure_future(response)
        await asyncio.to_thread(path.opening.wait)
        task.cancel()
        for _ in range(5):  # time for a thread to close the file before it is open, were it let
            await asyncio.to_thread(int)
        assert not task.done()
        path.may_open.set()
        await asyncio.wait([task])
        assert task.cancelled()
        assert lowest_free_descriptor() == before

    asyncio.run(main())


def test_a_file_that_is_to_be_opened_after_the_response_was_cancelled_is_not(make: Callable[..., Path]) -> None:
    path = make()

    async def main() -> None:
        late: list[Callable[[], object]] = []

        async def run_sync(function: Callable[[], T]) -> T:
            if not late:  # every thread is busy, and this function's turn comes when nobody waits for it any more
                late.append(function)
                await asyncio.Event().wait()
            return function()

        async def send(message: Message) -> None:
            raise AssertionError("nothing is sent")

        before = lowest_free_descriptor()
        response: Awaitable[None] = send_response(scope_of(), never, send, 200, path, run_sync=run_sync)
        task = asyncio.ensure_future(response)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        with pytest.raises(ValueError, match="the download is closed"):
            late[0]()
        assert lowest_free_descriptor() == before

    asyncio.run(main())


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_cancelled_download_closes_its_file(step: int, make: Callable[..., Path]) -> None:
    """Cancelled while a thread is in its `step`th task: opening the file, reading the second piece, the third."""
    path = make(content(4 * PIECE))

    async def main() -> None:
        steps, running, may_go_on = 0, asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        async def run_sync(function: Callable[[], T]) -> T:
            nonlocal steps
            steps += 1

            def held() -> T:
                loop.call_soon_threadsafe(running.set)
                may_go_on.wait()
                return function()

            return await asyncio.to_thread(held if steps == step else function)

        async def send(message: Message) -> None:
            pass

        before = lowest_free_descriptor()
        response: Awaitable[None] = send_response(scope_of(), never, send, 200, path, listen=True, run_sync=run_sync)
        task = asyncio.ensure_future(response)
        await running.wait()
        task.cancel()
        may_go_on.set()
        await asyncio.wait([task])
        assert task.cancelled()
        assert lowest_free_descriptor() == before
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
