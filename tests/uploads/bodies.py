"""These helpers write multipart bodies, cut them into pieces, and read them."""

import asyncio
import threading
from collections.abc import Awaitable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pytest

from micropie.config import KIB, MIB, Limits
from micropie.errors import UploadError
from micropie.requests.body_stream import BodyStream
from micropie.types import Message
from micropie.uploads.multipart import MultipartBody
from micropie.uploads.upload_file import UploadFile

T = TypeVar("T")
Pieces: TypeAlias = Iterable[bytes | Exception | asyncio.Event]
Content: TypeAlias = "asyncio.Queue[bytes | None]"

BOUNDARY = "frontier"
END = b"--frontier--\r\n"


class Feed:
    """A stream of prepared pieces, which raises those that are exceptions and waits for those that are events."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = iter(pieces)
        self._gate: asyncio.Event | None = None
        self.received = 0
        self.stalled = asyncio.Event()

    async def read(self) -> bytes:
        if self._gate is not None:
            self.stalled.set()
            await self._gate.wait()
            self._gate = None
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            if isinstance(piece, asyncio.Event):
                self._gate = piece
                return await self.read()
            self.received += len(piece)
            return piece
        return b""


def open_body(pieces: Pieces, **limits: int) -> MultipartBody:
    return MultipartBody(Feed(pieces), BOUNDARY, Limits(**limits))


def part(*headers: str, content: bytes = b"") -> bytes:
    return b"--frontier\r\n" + "".join(f"{line}\r\n" for line in headers).encode() + b"\r\n" + content + b"\r\n"


def field(name: str, value: bytes) -> bytes:
    return part(f'Content-Disposition: form-data; name="{name}"', content=value)


def upload(name: str, content: bytes, filename: str = "a.bin", content_type: str = "") -> bytes:
    more = [f"Content-Type: {content_type}"] if content_type else []
    return part(f'Content-Disposition: form-data; name="{name}"; filename="{filename}"', *more, content=content)


def noise(size: int, seed: int = 1) -> bytes:
    """Return `size` bytes in which no place looks like another."""
    return b"".join((seed * 7_919 + i).to_bytes(8, "big") for i in range(size // 8 + 1))[:size]


def chop(data: bytes, size: int) -> Iterator[bytes]:
    return (data[i : i + size] for i in range(0, len(data), size))


def cut_at(data: bytes, places: Iterable[int]) -> list[bytes]:
    bounds = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [piece for start, end in pairwise(bounds) if (piece := data[start:end])]


async def read_all(body: MultipartBody) -> tuple[dict[str, list[str]], dict[str, list[tuple[str, str, bytes]]]]:
    """Return the fields and files of `body`, and read the files only after all of it has arrived."""
    try:
        while await body.advance():
            pass
        read: dict[str, list[tuple[str, str, bytes]]] = {}
        for name, files in body.files.items():
            read[name] = [(file.filename, file.content_type, await file.read()) for file in files]
            assert [file.size for file in files] == [len(content) for _, _, content in read[name]]
            assert all(file.complete for file in files)
        return body.fields, read
    finally:
        await body.close()


async def first_file(body: MultipartBody, name: str = "f") -> UploadFile:
    await body.read_until(lambda: name in body.files)
    return body.files[name][0]


def status_of_run(work: Coroutine[Any, Any, Any]) -> int:
    """Return the status of the UploadError that `work` raises in an event loop."""
    with pytest.raises(UploadError) as raised:
        asyncio.run(work)
    return raised.value.status


async def status_of(work: Awaitable[Any]) -> int:
    """Return the status of the UploadError that `work` raises."""
    with pytest.raises(UploadError) as raised:
        await work
    return raised.value.status


def list_spools() -> list[str]:
    """Return the anonymous files that this process has open."""
    targets: list[str] = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            targets.append(str(descriptor.readlink()))
        except OSError:
            continue  # the descriptor of the listing itself
    return [target for target in targets if target.endswith("(deleted)")]


counts_descriptors = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux's /proc/self/fd")


OCTETS = "application/octet-stream"
SMALL = {"fields": 40, "field": 500, "body": 1000}


def body_of_messages(received: list[Message], *, size: int = MIB, stall: bool = False) -> MultipartBody:
    """Return a body behind a real `BodyStream`. With `stall` it waits where the messages end."""
    rest = iter(received)

    async def receive() -> Message:
        for message in rest:
            return message
        if stall:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    stream = BodyStream(receive, size=size, read_timeout=0.01, total_timeout=60)
    return MultipartBody(stream, BOUNDARY, Limits())


def message(data: bytes, more: bool = True) -> Message:
    return {"type": "http.request", "body": data, "more_body": more}


BEGUN = upload("f", b"some of it")[:-2]
LARGE = {"a": noise(3 * MIB, 1), "b": noise(5 * MIB, 2)}


def large_body() -> Iterator[bytes]:
    for name, content in LARGE.items():
        yield from chop(upload(name, content), 64 * KIB)
    yield END


class BusyWorkers:
    """Worker threads of the running loop that are all busy until `release`."""

    def __init__(self) -> None:
        self._gate = threading.Event()
        pool = ThreadPoolExecutor(1)
        pool.submit(self._gate.wait)
        asyncio.get_running_loop().set_default_executor(pool)

    def release(self) -> None:
        self._gate.set()


async def let_others_run() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
