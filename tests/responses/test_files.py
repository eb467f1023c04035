"""These tests send files, and check the bytes, the headers, and that the file is always closed."""

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
    """Return `size` bytes that tell their positions."""
    return b"".join(b"%07x\n" % number for number in range(0, size, 8))[:size]


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[..., Path]:
    def make_file(data: bytes = b"0123456789", name: str = "file.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        os.utime(path, (MODIFIED, MODIFIED))
        return path

    return make_file


def scope_of(method: str = "GET", headers: dict[str, str] | None = None, **extensions: object) -> Scope:
    raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    return {"type": "http", "method": method, "headers": raw, "extensions": extensions or None}


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError("not reached")


def lowest_free_descriptor() -> int:
    """Return the lowest descriptor that is free. It is higher than before if a file was left open."""
    descriptor = os.open(os.devnull, os.O_RDONLY)
    os.close(descriptor)
    return descriptor


class Response:
    """The response to one request for a file, whose descriptor must not have been left open."""

    def __init__(
        self,
        path: Path,
        method: str = "GET",
        fields: dict[str, str] | None = None,
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
            scope = scope_of(method, fields, **(extensions or {}))
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
        headers = {name.decode(): value.decode() for name, value in raw}
        assert len(headers) == len(raw)
        return headers

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
def test_content_type_follows_the_file_name(name: str, expected: str, make_file: Callable[..., Path]) -> None:
    assert guess_content_type(Path(name)) == expected
    response = Response(make_file(name=name))
    assert response.headers["content-type"] == expected
    assert "content-encoding" not in response.headers


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("listen", [True, False])
def test_file_is_sent_whole(size: int, listen: bool, make_file: Callable[..., Path]) -> None:
    path = make_file(content(size))
    response = Response(path, listen=listen)
    assert response.status == 200
    assert response.body == content(size)
    assert response.headers == {
        "content-type": "text/plain; charset=utf-8",
        "content-length": str(size),
        "etag": f'"{path.stat().st_mtime_ns:x}-{size:x}"',
        "last-modified": formatdate(MODIFIED, usegmt=True),
        "accept-ranges": "bytes",
    }


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("first", "last"), [(0, 0), (1, 8), (3, PIECE), (PIECE - 1, 2 * PIECE + 1), (PIECE, 10**9)])
def test_range_of_a_file_is_sent_as_206(size: int, first: int, last: int, make_file: Callable[..., Path]) -> None:
    path = make_file(content(size))
    fields = {"Range": f"bytes={first}-{last}"}
    if first >= size:
        with pytest.raises(HTTPError) as caught:
            Response(path, fields=fields)
        assert (caught.value.status, caught.value.headers) == (416, [("Content-Range", f"bytes */{size}")])
        return
    response = Response(path, fields=fields)
    expected = content(size)[first : last + 1]
    assert response.status == 206
    assert response.body == expected
    assert response.headers["content-length"] == str(len(expected))
    assert response.headers["content-range"] == f"bytes {first}-{first + len(expected) - 1}/{size}"
    assert response.headers["etag"]


@pytest.mark.parametrize("fields", ["bytes=0-1,3-4", "bytes=5-3", "nonsense"])
def test_malformed_range_gets_the_whole_file(fields: str, make_file: Callable[..., Path]) -> None:
    response = Response(make_file(), fields={"Range": fields})
    assert (response.status, response.body) == (200, b"0123456789")
    assert "content-range" not in response.headers


def test_if_range_of_another_state_gets_the_whole_file(make_file: Callable[..., Path]) -> None:
    path = make_file()
    etag = Response(path).headers["etag"]
    assert Response(path, fields={"Range": "bytes=0-1", "If-Range": etag}).status == 206
    assert Response(path, fields={"Range": "bytes=0-1", "If-Range": '"other"'}).status == 200
    assert Response(path, fields={"Range": "bytes=0-1", "If-Range": formatdate(MODIFIED, usegmt=True)}).status == 206


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fields", [{}, {"Range": "bytes=0-1"}])
def test_head_gets_the_headers_of_the_whole_file(
    size: int, fields: dict[str, str], make_file: Callable[..., Path]
) -> None:
    path = make_file(content(size))
    response = Response(path, "HEAD", fields)
    assert (response.status, response.body) == (200, b"")
    assert response.headers == Response(path).headers


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_client_that_has_the_file_gets_304(method: str, make_file: Callable[..., Path]) -> None:
    path = make_file()
    etag = Response(path).headers["etag"]
    for fields in ({"If-None-Match": f"W/{etag}"}, {"If-Modified-Since": formatdate(MODIFIED, usegmt=True)}):
        response = Response(
            path, method, fields, headers=[("Cache-Control", "max-age=60"), ("Content-Type", "text/css")]
        )
        assert (response.status, response.body) == (304, b"")
        assert response.headers == {
            "cache-control": "max-age=60",
            "etag": etag,
            "last-modified": formatdate(MODIFIED, usegmt=True),
            "accept-ranges": "bytes",
        }


def test_changed_file_has_another_etag(make_file: Callable[..., Path]) -> None:
    etag = Response(make_file(b"one")).headers["etag"]
    path = make_file(b"three")
    assert Response(path, fields={"If-None-Match": etag}).body == b"three"
    same_size = Response(path).headers["etag"]
    os.utime(path, ns=(0, MODIFIED * 10**9 + 1))
    assert Response(path).headers["etag"] != same_size


@pytest.mark.parametrize("fields", [{"If-Match": '"other"'}, {"If-Unmodified-Since": formatdate(0, usegmt=True)}])
def test_failed_precondition_is_412(fields: dict[str, str], make_file: Callable[..., Path]) -> None:
    with pytest.raises(HTTPError) as caught:
        Response(make_file(), fields=fields)
    assert caught.value.status == 412


@pytest.mark.parametrize(("method", "status"), [("POST", 200), ("PUT", 200), ("GET", 404), ("GET", 201), ("HEAD", 404)])
def test_conditions_count_only_for_get_and_head_with_status_200(
    method: str, status: int, make_file: Callable[..., Path]
) -> None:
    fields = {"If-None-Match": "*", "Range": "bytes=0-1", "If-Match": '"other"'}
    response = Response(make_file(), method, fields, status=status)
    assert response.status == status
    assert response.body == (b"" if method == "HEAD" else b"0123456789")
    assert response.headers == {"content-type": "text/plain; charset=utf-8", "content-length": "10"}


def test_handlers_headers_win_except_over_the_length(make_file: Callable[..., Path]) -> None:
    headers = [("Content-Type", "text/markdown"), ("ETag", '"mine"'), ("Content-Disposition", "attachment"),
             ("Content-Length", "3"), ("Transfer-Encoding", "chunked")]  # fmt: skip
    path = make_file()
    response = Response(path, headers=headers)
    assert response.headers == {
        "content-type": "text/markdown",
        "content-disposition": "attachment",
        "content-length": "10",
        "etag": '"mine"',
        "last-modified": formatdate(MODIFIED, usegmt=True),
        "accept-ranges": "bytes",
    }
    assert Response(path, fields={"If-None-Match": '"mine"'}, headers=headers).status == 304


def test_handlers_last_modified_wins_over_the_files(make_file: Callable[..., Path]) -> None:
    path, early = make_file(), formatdate(1000, usegmt=True)
    assert Response(path, fields={"If-Modified-Since": early}).status == 200
    response = Response(path, fields={"If-Modified-Since": early}, headers=[("Last-Modified", early)])
    assert (response.status, response.headers["last-modified"]) == (304, early)


# --- paths that are not files ----------------------------------------------------------------------------------------


def test_path_that_is_not_a_regular_file_is_404(make_file: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for path in (
            tmp_path / "absent",
            tmp_path,
            make_file() / "below a file",
            tmp_path / "loop",
            tmp_path / "pipe",
            tmp_path / "socket",
            tmp_path / ("x" * 5000),
            tmp_path / "nul\0",
            Path(os.devnull),
        ):
            with pytest.raises(HTTPError) as caught:
                Response(path)
            assert caught.value.status == 404, path


def test_file_that_cannot_be_opened_for_another_reason_raises_oserror(make_file: Callable[..., Path]) -> None:
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
        Response(make_file(), run_sync=without_descriptors)
    assert caught.value.errno == errno.EMFILE


# --- pathsend --------------------------------------------------------------------------------------------------------

PATHSEND: dict[str, object] = {"http.response.pathsend": {}}


@pytest.mark.parametrize("status", [200, 404])
def test_server_with_pathsend_sends_the_whole_file_itself(
    status: int, make_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_file()
    monkeypatch.chdir(path.parent)
    response = Response(Path(path.name), status=status, extensions=PATHSEND)
    assert response.status == status
    assert response.headers["content-length"] == "10"
    assert response.messages[1:] == [{"type": "http.response.pathsend", "path": str(path)}]


@pytest.mark.parametrize(
    ("method", "fields", "status", "body"),
    [("HEAD", {}, 200, b""), ("GET", {"Range": "bytes=1-2"}, 206, b"12"), ("GET", {"If-None-Match": "*"}, 304, b"")],
)
def test_pathsend_is_used_only_for_the_whole_file(
    method: str, fields: dict[str, str], status: int, body: bytes, make_file: Callable[..., Path]
) -> None:
    response = Response(make_file(), method, fields, extensions=PATHSEND)
    assert (response.status, response.body) == (status, body)


# --- endings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["http.response.start", "http.response.body"])
@pytest.mark.parametrize("size", [10, 3 * PIECE])
def test_client_that_left_is_not_an_error(kind: str, size: int, make_file: Callable[..., Path]) -> None:
    def leave(message: Message) -> None:
        if message["type"] == kind:
            raise BrokenPipeError

    response = Response(make_file(content(size)), on_message=leave)
    assert len(response.messages) == (kind == "http.response.body")


def test_client_that_leaves_does_not_get_the_rest_of_the_file(make_file: Callable[..., Path]) -> None:
    path = make_file(content(8 * PIECE))

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


def test_file_that_becomes_shorter_breaks_the_response(make_file: Callable[..., Path]) -> None:
    path = make_file(content(3 * PIECE))
    with pytest.raises(BrokenResponse) as caught:
        Response(path, on_message=lambda message: os.truncate(path, PIECE))
    assert isinstance(caught.value.__cause__, EOFError)
    assert "became shorter" in str(caught.value.__cause__)


def test_file_that_becomes_longer_is_sent_in_its_first_length(make_file: Callable[..., Path]) -> None:
    path = make_file(content(2 * PIECE))

    def grow(message: Message) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    response = Response(path, on_message=grow)
    assert response.body == content(2 * PIECE)


@pytest.mark.parametrize("size", SIZES)
def test_each_piece_takes_one_hop_to_a_thread(size: int, make_file: Callable[..., Path]) -> None:
    hops = 0

    async def run_sync(function: Callable[[], T]) -> T:
        nonlocal hops
        hops += 1
        return await asyncio.to_thread(function)

    assert Response(make_file(content(size)), run_sync=run_sync).body == content(size)
    assert hops == max(1, -(-size // PIECE))


class SlowPath(type(Path())):  # type: ignore[misc]  # the class of paths is known only on the platform
    """A path on a slow disk: opening it blocks until `may_open` is set."""

    opening = threading.Event()
    may_open = threading.Event()

    def __fspath__(self) -> str:
        self.opening.set()
        assert self.may_open.wait(10)
        return str(self)


def test_file_that_is_being_opened_during_a_cancellation_is_closed(make_file: Callable[..., Path]) -> None:
    path = SlowPath(make_file())

    async def main() -> None:
        async def send(message: Message) -> None:
            raise AssertionError("nothing is sent")

        before = lowest_free_descriptor()
        response: Awaitable[None] = send_response(scope_of(), never, send, 200, path)
        task = asyncio.ensure_future(response)
        await asyncio.to_thread(path.opening.wait)
        task.cancel()
        for _ in range(5):  # time enough for a thread to close the file too early
            await asyncio.to_thread(int)
        assert not task.done()
        path.may_open.set()
        await asyncio.wait([task])
        assert task.cancelled()
        assert lowest_free_descriptor() == before

    asyncio.run(main())


def test_file_is_not_opened_after_a_cancellation(make_file: Callable[..., Path]) -> None:
    path = make_file()

    async def main() -> None:
        late: list[Callable[[], object]] = []

        async def run_sync(function: Callable[[], T]) -> T:
            if not late:  # every thread is busy, and this function runs only after its caller has gone
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
        late[0]()
        assert lowest_free_descriptor() == before

    asyncio.run(main())


@pytest.mark.parametrize("step", [1, 2, 3])
def test_cancelled_download_closes_its_file(step: int, make_file: Callable[..., Path]) -> None:
    """The cancellation comes during step 1 (opening the file), 2 (reading the second piece) or 3 (the third)."""
    path = make_file(content(4 * PIECE))

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
