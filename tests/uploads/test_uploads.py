"""The parts of a multipart body as they arrive: what is read, what is refused, and what is never left behind."""

import asyncio
import os
import stat
import sys
import threading
import tracemalloc
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, pairwise
from pathlib import Path
from random import Random
from typing import Any, TypeAlias, TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from micropie.config import KIB, MIB, Limits
from micropie.errors import ClientDisconnected, MissingDependency, UploadError
from micropie.requests.body_stream import BodyStream
from micropie.types import Message
from micropie.uploads.multipart import MultipartBody, parse_boundary
from micropie.uploads.upload_file import UploadFile

T = TypeVar("T")
Pieces: TypeAlias = Iterable[bytes | Exception | asyncio.Event]
Content: TypeAlias = "asyncio.Queue[bytes | None]"

BOUNDARY = "frontier"
END = b"--frontier--\r\n"


class Feed:
    """A stream of prepared pieces: an exception is raised, an event waited for."""

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


def opened(pieces: Pieces, **limits: int) -> MultipartBody:
    return MultipartBody(Feed(pieces), BOUNDARY, Limits(**limits))


def headed(*headers: str, content: bytes = b"") -> bytes:
    return b"--frontier\r\n" + "".join(f"{line}\r\n" for line in headers).encode() + b"\r\n" + content + b"\r\n"


def field(name: str, value: bytes) -> bytes:
    return headed(f'Content-Disposition: form-data; name="{name}"', content=value)


def upload(name: str, content: bytes, filename: str = "a.bin", content_type: str = "") -> bytes:
    typed = [f"Content-Type: {content_type}"] if content_type else []
    return headed(f'Content-Disposition: form-data; name="{name}"; filename="{filename}"', *typed, content=content)


def noise(size: int, seed: int = 1) -> bytes:
    """`size` bytes in which no place looks like another."""
    return b"".join((seed * 7_919 + i).to_bytes(8, "big") for i in range(size // 8 + 1))[:size]


def chopped(data: bytes, size: int) -> Iterator[bytes]:
    return (data[i : i + size] for i in range(0, len(data), size))


def cut_at(data: bytes, places: Iterable[int]) -> list[bytes]:
    bounds = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [piece for start, end in pairwise(bounds) if (piece := data[start:end])]


async def everything(body: MultipartBody) -> tuple[dict[str, list[str]], dict[str, list[tuple[str, str, bytes]]]]:
    """What is in `body`, its files read only after all of it has arrived."""
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


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def refused(work: Coroutine[Any, Any, Any]) -> int:
    with pytest.raises(UploadError) as raised:
        asyncio.run(work)
    return raised.value.status


async def status_of(work: Awaitable[Any]) -> int:
    with pytest.raises(UploadError) as raised:
        await work
    return raised.value.status


def spools() -> list[str]:
    """The anonymous files that this process has open."""
    found: list[str] = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(descriptor.readlink()))
        except OSError:
            continue  # the descriptor of the listing itself
    return [target for target in found if target.endswith("(deleted)")]


counts_descriptors = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux's /proc/self/fd")


# Bodies that are right, and what is in them.

OCTETS = "application/octet-stream"
WELL_FORMED: dict[str, tuple[bytes, dict[str, list[str]], dict[str, list[tuple[str, str, bytes]]]]] = {
    "nothing but the closing boundary": (END, {}, {}),
    "one field": (field("a", b"1") + END, {"a": ["1"]}, {}),
    "an empty field": (field("a", b"") + END, {"a": [""]}, {}),
    "a field without a name to speak of": (field("", b"1") + END, {"": ["1"]}, {}),
    "repeated names keep their order": (
        field("a", b"2") + field("b", b"x") + field("a", b"1") + END,
        {"a": ["2", "1"], "b": ["x"]},
        {},
    ),
    "text beyond ASCII, in name and value": (field("größe", "5 €".encode()) + END, {"größe": ["5 €"]}, {}),
    "a quote in a name": (field("a%22b", b"1") + END, {'a"b': ["1"]}, {}),
    "a field with a type": (
        headed('Content-Disposition: form-data; name="a"', "Content-Type: application/json", content=b"{}") + END,
        {"a": ["{}"]},
        {},
    ),
    "one file": (upload("f", b"data", "a.png", "image/png") + END, {}, {"f": [("a.png", "image/png", b"data")]}),
    "a file of no bytes": (upload("f", b"") + END, {}, {"f": [("a.bin", OCTETS, b"")]}),
    "a file input left empty": (upload("f", b"", "") + field("a", b"1") + END, {"a": ["1"]}, {}),
    "content without a file name": (upload("f", b"data", "") + END, {}, {"f": [("", OCTETS, b"data")]}),
    "a field after a file": (
        upload("f", b"data") + field("a", b"1") + END,
        {"a": ["1"]},
        {"f": [("a.bin", OCTETS, b"data")]},
    ),
    "two files of one name": (
        upload("f", b"1", "x") + upload("f", b"2", "y") + END,
        {},
        {"f": [("x", OCTETS, b"1"), ("y", OCTETS, b"2")]},
    ),
    "a type with parameters, in capitals": (
        upload("f", b"", "x", "Text/Plain; charset=UTF-8") + END,
        {},
        {"f": [("x", "text/plain", b"")]},
    ),
    "a type that is none": (upload("f", b"", "x", "image") + END, {}, {"f": [("x", OCTETS, b"")]}),
    "a file name with a Unix path": (upload("f", b"", "/etc/passwd") + END, {}, {"f": [("passwd", OCTETS, b"")]}),
    "a file name with a Windows path": (upload("f", b"", "C:\\x\\y.txt") + END, {}, {"f": [("y.txt", OCTETS, b"")]}),
    "a file name that climbs": (upload("f", b"", "..\\../.x") + END, {}, {"f": [(".x", OCTETS, b"")]}),
    "a file name beyond ASCII": (
        upload("f", b"", "naïve 👩‍🚀.png") + END,
        {},
        {"f": [("naïve 👩‍🚀.png", OCTETS, b"")]},
    ),
    "line ends in content": (upload("f", b"\r\n\n\r\r\n") + END, {}, {"f": [("a.bin", OCTETS, b"\r\n\n\r\r\n")]}),
    "content that nearly is a boundary": (
        upload("f", b"\r\n--frontie\r\n--\r\n-frontier\r\n--fron") + END,
        {},
        {"f": [("a.bin", OCTETS, b"\r\n--frontie\r\n--\r\n-frontier\r\n--fron")]},
    ),
    "every byte there is": (upload("f", bytes(range(256))) + END, {}, {"f": [("a.bin", OCTETS, bytes(range(256)))]}),
    "an empty line in front": (b"\r\n" + field("a", b"1") + END, {"a": ["1"]}, {}),
    "a preamble": (b"This is MIME.\r\n--front\r\n" + field("a", b"1") + END, {"a": ["1"]}, {}),
    "a boundary inside a preamble's line": (b"12345678--frontier\r\n\r\n" + field("a", b"1") + END, {"a": ["1"]}, {}),
    "an epilogue": (field("a", b"1") + END + field("a", b"2") + b"--frontier", {"a": ["1"]}, {}),
    "no line end at the end": (field("a", b"1") + END[:-2], {"a": ["1"]}, {}),
    "a length that is right": (
        headed('Content-Disposition: form-data; name="a"', "Content-Length: 2", content=b"12") + END,
        {"a": ["12"]},
        {},
    ),
    "headers that nobody asked for": (
        headed("X-Any: thing", 'content-disposition: Form-Data; x=y; name=a; filename="b"', content=b"1") + END,
        {},
        {"a": [("b", OCTETS, b"1")]},
    ),
}

# Bodies that are wrong, and the status that answers them.

MALFORMED: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 400),
    "no boundary anywhere": (b"a=1&b=2" * 20, 400),
    "another boundary": ((field("a", b"1") + END).replace(b"frontier", b"border"), 400),
    "a longer boundary": (field("a", b"1").replace(b"frontier", b"frontiers") + END, 400),
    "something behind a boundary": (field("a", b"1") + b"--frontier!\r\n\r\n" + END, 400),
    "bare line feeds": ((field("a", b"1") + END).replace(b"\r\n", b"\n"), 400),
    "no closing boundary": (field("a", b"1") + b"--frontier\r\n", 400),
    "a part without headers": (b"--frontier\r\n\r\n1\r\n" + END, 400),
    "a part that is no form data": (headed('Content-Disposition: attachment; name="a"') + END, 400),
    "a part without a name": (headed("Content-Disposition: form-data") + END, 400),
    "a header without a colon": (headed('Content-Disposition: form-data; name="a"', "nonsense") + END, 400),
    "a header's name with a space": (headed('Content-Disposition: form-data; name="a"', "a b: c") + END, 400),
    "a folded header": (headed("Content-Disposition: form-data;", ' name="a"') + END, 400),
    "a header that is not UTF-8": (field("ä", b"1").replace(b"\xc3", b"") + END, 400),
    "a line feed in a header": (headed('Content-Disposition: form-data; name="a"\nX: y') + END, 400),
    "a carriage return in a header": (headed('Content-Disposition: form-data; name="a\rb"') + END, 400),
    "NUL in a field's name": (field("a\0b", b"1") + END, 400),
    "NUL in a file's name": (upload("f", b"1", "a\0.png") + END, 400),
    "a control character in a file's name": (upload("f", b"1", "a\x1b.png") + END, 400),
    "a line end smuggled into a file's name": (upload("f", b"1", "a%0D%0AX: y") + END, 400),
    "a directory for a file's name": (upload("f", b"1", "..") + END, 400),
    "a path without a file": (upload("f", b"1", "a/b/") + END, 400),
    "a field that is not UTF-8": (field("a", b"\xff") + END, 400),
    "a field that ends inside a character": (field("a", b"\xe2\x82") + END, 400),
    "a field in another charset": (
        headed('Content-Disposition: form-data; name="a"', "Content-Type: text/plain; charset=latin-1", content=b"\xe4")
        + END,
        400,
    ),
    "NUL in a field": (field("a", b"1\x002") + END, 400),
    "a length that is too small": (
        headed('Content-Disposition: form-data; name="a"', "Content-Length: 1", content=b"12") + END,
        400,
    ),
    "a length that is too large": (
        headed('Content-Disposition: form-data; name="a"', "Content-Length: 3", content=b"12") + END,
        400,
    ),
    "a flood of headers": (headed('Content-Disposition: form-data; name="a"', *["X-A: b"] * 8) + END, 413),
    "a header that does not end": (b"--frontier\r\nX-A: " + b"b" * 5000, 413),
    "a header that ends late": (headed("X-A: " + "b" * 5000) + END, 413),
    "a flood of parts": (field("a", b"1") * 41 + END, 413),
    "a flood of files": (upload("f", b"1") * 41 + END, 413),
    "a field over its limit": (field("a", b"1" * 501) + END, 413),
    "fields over the limit of a body": (field("a", b"1" * 400) * 3 + END, 413),
    "a length over the limit": (
        headed('Content-Disposition: form-data; name="f"; filename="f"', "Content-Length: 9999999999") + END,
        413,
    ),
}
SMALL = {"fields": 40, "field": 500, "body": 1000}


@pytest.mark.parametrize("case", WELL_FORMED)
def test_reads_what_was_sent_however_it_was_cut(case: str) -> None:
    data, *expected = WELL_FORMED[case]
    for size in (len(data), 1, 2, 7):
        assert list(run(everything(opened(chopped(data, size))))) == expected


@pytest.mark.parametrize("case", MALFORMED)
def test_refuses_what_is_malformed_however_it_was_cut(case: str) -> None:
    data, status = MALFORMED[case]
    for size in (len(data) + 1, 1, 2, 7):
        assert refused(everything(opened(chopped(data, size), **SMALL))) == status


@given(case=st.sampled_from(sorted(WELL_FORMED)), places=st.lists(st.integers(0, 9999), max_size=12))
@settings(deadline=None)
def test_cuts_anywhere_change_nothing(case: str, places: list[int]) -> None:
    data, *expected = WELL_FORMED[case]
    assert list(run(everything(opened(cut_at(data, places), part_memory=3)))) == expected


@given(case=st.sampled_from(sorted(MALFORMED)), places=st.lists(st.integers(0, 9999), max_size=12))
@settings(deadline=None)
def test_cuts_anywhere_excuse_nothing(case: str, places: list[int]) -> None:
    data, status = MALFORMED[case]
    assert refused(everything(opened(cut_at(data, places), part_memory=3, **SMALL))) == status


FRAGMENTS = st.sampled_from(
    [b"\r", b"\n", b"\r\n", b"-", b"--", b"\r\n--", b"frontier", b"\r\n--fron", b"\0", b"x" * 40]
)
CONTENTS = (
    st.lists(FRAGMENTS | st.binary(max_size=6), max_size=12)
    .map(b"".join)
    .filter(lambda content: b"\r\n--frontier" not in b"\r\n" + content + b"\r\n")
)


@given(
    contents=st.lists(CONTENTS, min_size=1, max_size=5),
    order=st.randoms(use_true_random=False),
    places=st.lists(st.integers(0, 9999), max_size=12),
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=5),
    memory=st.sampled_from([0, 1, 20, 1000]),
    together=st.booleans(),
)
@example(contents=[b"x" * 40] * 3, order=Random(1), places=[100], sizes=[7], memory=0, together=False)
@settings(deadline=None, max_examples=200)
def test_files_read_in_any_order_and_any_pieces_are_what_was_sent(
    contents: list[bytes], order: Random, places: list[int], sizes: list[int], memory: int, together: bool
) -> None:
    data = b"".join(upload(str(i), content) for i, content in enumerate(contents)) + END

    async def read(body: MultipartBody, name: str) -> bytes:
        file = await first_file(body, name)
        got = b""
        turn = 0
        while chunk := await file.read(sizes[turn % len(sizes)]):
            assert len(chunk) == sizes[turn % len(sizes)] or file.complete
            got += chunk
            turn += 1
        assert await file.read() == b""
        assert file._buffer.held == 0
        return got

    async def scenario() -> dict[str, bytes]:
        body = opened(cut_at(data, places), part_memory=memory)
        names = [str(i) for i in range(len(contents))]
        order.shuffle(names)
        try:
            if together:
                return dict(zip(names, await asyncio.gather(*(read(body, name) for name in names)), strict=True))
            return {name: await read(body, name) for name in names}
        finally:
            await body.close()

    assert run(scenario()) == {str(i): content for i, content in enumerate(contents)}


# Bodies that end too early.

CUT_SHORT = (
    field("a", b"1") + upload("f", b"first file") + upload("g", b"second\r\nfile", "g.bin") + field("z", b"9") + END
)


@pytest.mark.parametrize("memory", [0, 100], ids=["on disk", "in memory"])
def test_a_body_truncated_anywhere_never_ends_cleanly(memory: int) -> None:
    async def truncated(length: int) -> None:
        body = opened([CUT_SHORT[:length]] if length else [], part_memory=memory)
        assert await status_of(body.read_until(lambda: False)) == 400
        assert await status_of(body.advance()) == 400
        assert not body.complete
        for file in (file for files in body.files.values() for file in files):
            if file.complete:  # what arrived whole is whole
                assert await file.read() in (b"first file", b"second\r\nfile")
            else:
                content: Content = file.mapping()["content"]
                for read in (file.read, file.__anext__, lambda file=file: file.save("never"), content.get, file.read):
                    assert await status_of(read()) == 400
        await body.close()

    for length in range(len(CUT_SHORT) - 2):
        run(truncated(length))
    assert not Path("never").exists()


def streamed(received: list[Message], *, size: int = MIB, stall: bool = False) -> MultipartBody:
    """A body behind a real `BodyStream`; `stall` keeps it waiting where the messages end."""
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


@pytest.mark.parametrize(
    ("failing", "status"),
    [
        (lambda: streamed([message(BEGUN, more=False)]), 400),
        (lambda: streamed([message(BEGUN), message(BEGUN * 9)], size=len(BEGUN) + 5), 413),
        (lambda: streamed([message(BEGUN)], stall=True), 408),
        (lambda: opened([BEGUN, b"\r\n--frontier!!"]), 400),
    ],
    ids=["truncated", "over the size limit", "stalled", "malformed"],
)
def test_every_reader_hears_why_the_body_failed_then_and_ever_after(
    failing: Callable[[], MultipartBody], status: int
) -> None:
    async def scenario() -> None:
        body = failing()
        file = await first_file(body)
        content: Content = file.mapping()["content"]
        assert await file.read(4) == b"some"
        heard = await asyncio.gather(*map(status_of, (file.read(), content.get(), body.advance(), anext(file))))
        assert heard == [status] * 4
        for late in (file.read(), file.read(1), content.get(), body.advance(), body.read_until(lambda: False)):
            assert await status_of(late) == status
        await body.close()
        assert await status_of(file.read()) == status

    run(scenario())


def test_the_client_leaving_is_not_an_answer_to_give_but_readers_raise() -> None:
    async def scenario() -> None:
        body = streamed([message(BEGUN)])
        file = await first_file(body)
        assert await status_of(file.read()) == 400
        assert await status_of(file.mapping()["content"].get()) == 400
        for _ in range(2):
            with pytest.raises(ClientDisconnected):
                await body.advance()
        await body.close()

    run(scenario())


def test_a_file_that_arrived_whole_can_be_read_after_what_follows_it_failed() -> None:
    async def scenario() -> None:
        body = opened([upload("f", b"whole"), headed("nonsense")])
        file = await first_file(body)
        assert await status_of(body.read_until(lambda: False)) == 400
        assert await file.read() == b"whole"
        assert await file.read() == b""
        await body.close()

    run(scenario())


def test_a_stream_that_breaks_in_an_unforeseen_way_is_heard_once_and_refused_after() -> None:
    async def scenario() -> None:
        body = opened([BEGUN, RuntimeError("broken"), b"\r\n" + END])
        file = await first_file(body)
        with pytest.raises(RuntimeError, match="broken"):
            await body.advance()
        assert await status_of(body.advance()) == 500
        assert await status_of(file.read()) == 500
        await body.close()

    run(scenario())


# Reading pulls, and only as much as is asked for.


def test_nothing_is_received_before_somebody_asks_and_no_more_than_he_needs() -> None:
    pieces = [field("a", b"1") + upload("f", noise(1000))[:-2], *[noise(1000)] * 50, b"\r\n" + END]

    async def scenario() -> None:
        stream = Feed(pieces)
        body = MultipartBody(stream, BOUNDARY, Limits())
        await asyncio.sleep(0)
        assert stream.received == 0
        await body.read_until(lambda: "a" in body.fields)
        assert stream.received == len(pieces[0])
        file = body.files["f"][0]
        assert await file.read(1000) == noise(1000)
        assert stream.received == len(pieces[0])
        assert await file.read(10) == noise(10)
        assert await file.read(0) == b""
        assert stream.received == len(pieces[0]) + 1000
        assert (file.size, file.complete) == (2000, False)
        assert repr(file) == "<UploadFile 'f': 'a.bin', application/octet-stream, 2000 bytes so far>"
        while await body.advance():
            pass
        assert body.complete
        assert not await body.advance()
        assert repr(file) == "<UploadFile 'f': 'a.bin', application/octet-stream, 51000 bytes complete>"
        await body.close()

    run(scenario())


def test_what_is_ready_needs_no_receiving() -> None:
    async def scenario() -> None:
        body = opened([upload("f", b"x") + END, AssertionError("received more than was needed")])
        await body.read_until(lambda: "f" in body.files)
        await body.read_until(lambda: True)
        await body.read_until(lambda: False)
        assert await body.files["f"][0].read() == b"x"
        await body.close()

    run(scenario())


def test_a_reader_whose_data_another_brought_does_not_wait_for_more() -> None:
    async def scenario() -> None:
        more = asyncio.Event()
        body = opened([upload("f", b"1")[:-2], more, b"2", asyncio.Event()])
        file = await first_file(body)
        assert await file.read(1) == b"1"
        other = asyncio.ensure_future(body.advance())
        await asyncio.sleep(0)
        reader = asyncio.ensure_future(anext(file))
        await asyncio.sleep(0)
        more.set()
        assert await other
        assert await reader == b"2"
        await body.close()

    run(scenario())


def test_advancing_twice_at_once_does_not_go_past_the_end() -> None:
    async def scenario() -> None:
        more = asyncio.Event()
        body = opened([more, field("a", b"1") + END, AssertionError("received more than there is")])
        both = asyncio.gather(body.advance(), body.advance())
        await asyncio.sleep(0)
        more.set()
        assert list(await both) == [False, False]
        await body.close()

    run(scenario())


def test_a_large_message_is_taken_in_pieces() -> None:
    content = noise(MIB)

    async def scenario() -> None:
        body = opened([upload("f", content) + END])
        file = await first_file(body)
        assert 0 < file.size <= 64 * KIB
        chunks = [chunk async for chunk in file]
        assert b"".join(chunks) == content
        assert max(map(len, chunks)) <= 64 * KIB
        await body.close()

    run(scenario())


def test_small_pieces_are_gathered_while_nobody_reads() -> None:
    async def scenario() -> None:
        body = opened(chopped(upload("f", noise(300 * KIB)) + END, 1000))
        await body.read_until(lambda: False)
        chunks = [chunk async for chunk in body.files["f"][0]]
        assert b"".join(chunks) == noise(300 * KIB)
        assert len(chunks) == 5
        assert max(map(len, chunks)) < 65 * KIB
        await body.close()

    run(scenario())


def test_a_cancelled_read_leaves_what_it_took_to_the_next() -> None:
    content = noise(300 * KIB)

    async def scenario() -> None:
        rest = asyncio.Event()
        feed = Feed([*chopped(upload("f", content)[:-2], 50 * KIB), rest, b"\r\n" + END])
        body = MultipartBody(feed, BOUNDARY, Limits(part_memory=120 * KIB))
        file = await first_file(body)
        await body.read_until(lambda: file.size > 200 * KIB)  # by now some is on disk, some in memory
        for size in (-1, MIB):
            feed.stalled.clear()
            reader = asyncio.ensure_future(file.read(size))
            await feed.stalled.wait()
            reader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reader
        rest.set()
        assert await file.read(7) + await file.read() == content
        await body.close()

    run(scenario())


# Two large files, a slow reader, and how much memory and disk that takes.

LARGE = {"a": noise(3 * MIB, 1), "b": noise(5 * MIB, 2)}


def large_body() -> Iterator[bytes]:
    for name, content in LARGE.items():
        yield from chopped(upload(name, content), 64 * KIB)
    yield END


async def drained(body: MultipartBody, name: str) -> None:
    file = await first_file(body, name)
    assert b"".join([chunk async for chunk in file]) == LARGE[name]


async def untouched(body: MultipartBody, name: str) -> None:
    await first_file(body, name)


Readers: TypeAlias = list[tuple[Callable[[MultipartBody, str], Coroutine[Any, Any, None]], str]]
READERS: dict[str, tuple[Readers, int]] = {
    "in the order sent": ([(drained, "a"), (drained, "b")], 0),
    "in the other order": ([(drained, "b"), (drained, "a")], 1),
    "only the first": ([(drained, "a")], 0),
    "only the second": ([(drained, "b")], 1),
    "the second, the first left alone": ([(untouched, "a"), (drained, "b")], 1),
    "neither": ([(untouched, "b"), (untouched, "a")], 1),
}


@counts_descriptors
@pytest.mark.parametrize("case", READERS)
def test_two_large_files_one_after_the_other_in_either_order(case: str) -> None:
    readers, expected = READERS[case]

    async def scenario() -> None:
        body = opened(large_body())
        for read, name in readers:
            await read(body, name)
        assert len(spools()) == len(before) + expected
        await body.close()
        assert spools() == before
        await body.close()

    before = spools()
    run(scenario())


@counts_descriptors
@pytest.mark.parametrize("case", READERS)
def test_two_large_files_at_once(case: str) -> None:
    async def scenario() -> None:
        body = opened(large_body(), part_memory=100 * KIB)
        await asyncio.gather(*(read(body, name) for read, name in READERS[case][0]))
        await body.close()
        assert spools() == before

    before = spools()
    run(scenario())


def test_two_readers_of_one_file_share_it_without_loss() -> None:
    async def scenario() -> None:
        body = opened(chopped(upload("f", LARGE["a"]) + END, 1000), part_memory=10_000)
        file = await first_file(body)

        async def some() -> bytes:
            taken = b""
            while chunk := await file.read(10_000):
                taken += chunk
                await asyncio.sleep(0)
            return taken

        first, second = await asyncio.gather(some(), some())
        assert min(len(first), len(second)) > len(LARGE["a"]) / 3
        assert sorted(first + second) == sorted(LARGE["a"])
        await body.close()

    run(scenario())


def test_data_goes_straight_to_a_waiting_reader_and_not_over_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")

    async def scenario() -> None:
        body = opened([upload("a", b"")[:-2], *chopped(LARGE["a"] + b"\r\n" + END, 60_000)], part_memory=0)
        await drained(body, "a")
        await body.close()

    run(scenario())


def fresh(content: bytes, times: int) -> Iterator[bytes]:
    """`content` again and again, each time in memory of its own, as from a server."""
    return (bytes(bytearray(content)) for _ in range(times))


def file_of(name: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    yield upload(name, b"")[:-2]
    yield from pieces
    yield b"\r\n"


async def read_slowly(body: MultipartBody) -> None:
    file = await first_file(body, "a")
    async for _ in file:
        await asyncio.sleep(0)


async def read_the_last(body: MultipartBody) -> None:
    assert await (await first_file(body, "z")).read() == b"last"


async def taste_all(body: MultipartBody) -> None:
    await body.read_until(lambda: False)
    for file in body.files["a"]:
        assert await file.read(8) == LARGE["a"][:8]


MIXED = LARGE["a"][: 64 * KIB]
BODIES: dict[str, tuple[Callable[[], Iterable[bytes]], Callable[[MultipartBody], Coroutine[Any, Any, None]], int]] = {
    "64 MiB to a slow reader": (lambda: file_of("a", fresh(MIXED, 1024)), read_slowly, MIB),
    "64 MiB that nobody reads": (lambda: file_of("a", fresh(MIXED, 1024)), read_the_last, 3 * MIB),
    "400 files of 128 KiB": (
        lambda: (piece for _ in range(400) for piece in file_of("a", fresh(MIXED, 2))),
        read_the_last,
        5 * MIB,
    ),
    "the first bytes of 400 files": (
        lambda: (piece for _ in range(400) for piece in file_of("a", fresh(MIXED, 2))),
        taste_all,
        12 * MIB,
    ),
    "a preamble of 16 MiB": (lambda: chain(fresh(MIXED, 256), [b"\r\n"]), read_the_last, MIB),
    "40 000 pieces of 1 byte": (lambda: file_of("a", fresh(b"x", 40_000)), read_the_last, 512 * KIB),
}


@counts_descriptors
@pytest.mark.parametrize("case", BODIES)
def test_memory_and_descriptors_are_bounded(case: str) -> None:
    pieces, read, most = BODIES[case]

    async def scenario() -> None:
        body = opened(chain(pieces(), [upload("z", b"last") + END]))
        tracemalloc.start()
        try:
            await read(body)
            peak = tracemalloc.get_traced_memory()[1]
            assert peak < most
        finally:
            tracemalloc.stop()
        assert len(spools()) <= len(before) + 1
        await body.close()
        assert spools() == before

    before = spools()
    run(scenario())


# The disk: not the event loop's business, and it may fail.


class Busy:
    """Keeps every worker thread of the running loop busy until `release`."""

    def __init__(self) -> None:
        self._gate = threading.Event()
        pool = ThreadPoolExecutor(1)
        pool.submit(self._gate.wait)
        asyncio.get_running_loop().set_default_executor(pool)

    def release(self) -> None:
        self._gate.set()


async def other_work() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_spilling_reading_back_and_saving_leave_the_event_loop_free(tmp_path: Path) -> None:
    async def scenario() -> None:
        body = opened([upload("a", LARGE["a"]), upload("z", b"last") + END], part_memory=KIB)
        works: list[Callable[[], Coroutine[Any, Any, Any]]] = [
            lambda: first_file(body, "z"),
            lambda: body.files["a"][0].read(9),
            lambda: body.files["a"][0].save(tmp_path / "a"),
            body.close,
        ]
        for work in works:
            busy = Busy()
            task = asyncio.ensure_future(work())
            await other_work()
            assert not task.done()
            busy.release()
            await task
        assert (tmp_path / "a").read_bytes() == LARGE["a"][9:]

    run(scenario())


def test_a_cancelled_spill_is_finished_first_and_nothing_is_lost() -> None:
    async def scenario() -> None:
        body = opened(chopped(upload("a", LARGE["a"]) + END, 64 * KIB), part_memory=100 * KIB)
        file = await first_file(body, "a")
        busy = Busy()
        task = asyncio.ensure_future(body.read_until(lambda: False))
        await other_work()
        for _ in range(2):
            task.cancel()
            await other_work()
            assert not task.done()
        busy.release()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await file.read() == LARGE["a"]
        await body.close()

    run(scenario())


def test_a_cancelled_fetch_loses_nothing() -> None:
    async def scenario() -> None:
        body = opened([upload("a", LARGE["a"]) + END], part_memory=KIB)
        await body.read_until(lambda: False)
        file = body.files["a"][0]
        busy = Busy()
        task = asyncio.ensure_future(file.read(9))
        await other_work()
        task.cancel()
        busy.release()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await file.read() == LARGE["a"]
        await body.close()

    run(scenario())


@counts_descriptors
@pytest.mark.parametrize("reading", ["a spill", "a fetch", "both"])
def test_closing_during_work_on_the_disk_removes_the_file_even_when_cancelled(reading: str) -> None:
    async def scenario() -> None:
        body = opened([upload("a", LARGE["a"]) + END], part_memory=KIB)
        file = await first_file(body, "a")
        busy = Busy()
        reads: dict[str, list[Coroutine[Any, Any, bytes | bool]]] = {
            "a spill": [body.advance()],
            "a fetch": [file.read(9)],
            "both": [file.read(9), body.advance()],
        }
        tasks = [asyncio.ensure_future(read) for read in reads.pop(reading)]
        for unused in chain.from_iterable(reads.values()):
            unused.close()
        await other_work()
        closing = asyncio.ensure_future(body.close())
        await other_work()
        closing.cancel()
        busy.release()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert spools() == before
        for heard in await asyncio.gather(*tasks, return_exceptions=True):
            assert heard is True or isinstance(heard, UploadError)

    before = spools()
    run(scenario())


@counts_descriptors
@pytest.mark.parametrize("directory", [None, "/nowhere"], ids=["that succeeds", "that fails"])
def test_closing_during_the_first_spill(monkeypatch: pytest.MonkeyPatch, directory: str | None) -> None:
    monkeypatch.setattr("tempfile.tempdir", directory)

    async def scenario() -> None:
        body = opened([BEGUN], part_memory=0)
        busy = Busy()
        spill = asyncio.ensure_future(body.advance())
        await other_work()
        closing = asyncio.ensure_future(body.close())
        await other_work()
        busy.release()
        await closing
        assert spools() == before
        await asyncio.wait((spill,))
        assert isinstance(spill.exception(), FileNotFoundError if directory else type(None))
        assert await status_of(body.advance()) == 400

    before = spools()
    run(scenario())


def test_a_full_disk_is_heard_of_and_the_upload_refused_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")

    async def scenario() -> None:
        body = opened([upload("f", b"12345")[:-2], b"\r\n" + END], part_memory=4)
        with pytest.raises(FileNotFoundError):
            await first_file(body)
        assert await status_of(body.advance()) == 500
        assert await status_of(body.files["f"][0].read()) == 500
        await body.close()

    run(scenario())


def test_a_disk_that_fails_during_a_cancellation_is_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")

    async def scenario() -> None:
        body = opened([upload("f", b"12345")[:-2]], part_memory=4)
        busy = Busy()
        task = asyncio.ensure_future(body.advance())
        await other_work()
        task.cancel()
        await other_work()
        busy.release()
        with pytest.raises(FileNotFoundError):
            await task
        assert await status_of(body.advance()) == 500
        await body.close()

    run(scenario())


def test_a_spool_that_cannot_be_read_back_is_no_shorter_file() -> None:
    async def scenario() -> None:
        body = opened([upload("a", LARGE["a"]) + END], part_memory=0)
        await body.read_until(lambda: False)
        spool = body.spool._file
        assert spool is not None
        directory = os.open("/", os.O_RDONLY)
        os.dup2(directory, spool.fileno())
        os.close(directory)
        file = body.files["a"][0]
        with pytest.raises(OSError, match="directory"):
            await file.read()
        assert await status_of(file.read()) == 500
        await body.close()

    run(scenario())


@pytest.mark.parametrize("memory", [0, MIB], ids=["on disk", "in memory"])
def test_after_close_nothing_can_be_read(memory: int) -> None:
    async def scenario() -> None:
        feed = Feed([upload("f", b"whole") + upload("g", b"half"), asyncio.Event()])
        body = MultipartBody(feed, BOUNDARY, Limits(part_memory=memory))
        await body.read_until(lambda: "g" in body.files)
        waiting = asyncio.ensure_future(body.files["g"][0].read(5))
        await feed.stalled.wait()
        await body.close()
        await body.close()
        for file in (body.files["f"][0], body.files["g"][0]):
            assert not file._buffer._unread
            content: Content = file.mapping()["content"]
            for read in (file.read(), content.get(), anext(file), body.advance(), body.read_until(lambda: False)):
                assert await status_of(read) == 400
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run(scenario())


def test_a_reader_that_still_waits_when_the_body_is_closed_hears_of_it() -> None:
    async def scenario() -> None:
        more = asyncio.Event()
        body = opened([BEGUN, more, b"\r\n" + upload("g", b"another") + END], part_memory=0)
        file = await first_file(body)
        assert await file.read(9)
        waiting = asyncio.ensure_future(file.read())
        await asyncio.sleep(0)
        await body.close()
        more.set()
        assert await status_of(waiting) == 400
        assert list(body.files) == ["f"]

    run(scenario())


def test_a_complete_body_stays_complete_when_closed() -> None:
    async def scenario() -> None:
        body = opened([upload("f", b"1") + field("a", b"1") + END])
        await body.read_until(lambda: False)
        await body.close()
        assert not await body.advance()
        assert body.fields == {"a": ["1"]}
        assert await status_of(body.files["f"][0].read()) == 400

    run(scenario())


# Saving.


@pytest.mark.parametrize("memory", [0, 16 * MIB], ids=["from disk", "from memory"])
@pytest.mark.parametrize("skipped", [0, 10])
def test_save_writes_what_was_not_read_yet(tmp_path: Path, memory: int, skipped: int) -> None:
    async def scenario() -> None:
        body = opened(large_body(), part_memory=memory)
        await body.read_until(lambda: "b" in body.files)
        file = body.files["a"][0]
        await file.read(skipped)
        assert await file.save(tmp_path / "saved") == len(LARGE["a"]) - skipped
        assert await file.read() == b""
        assert await file.save(str(tmp_path / "nothing left")) == 0
        await body.close()

    run(scenario())
    assert (tmp_path / "saved").read_bytes() == LARGE["a"][skipped:]
    assert (tmp_path / "nothing left").read_bytes() == b""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nothing left", "saved"]


def test_save_replaces_a_file_and_lets_the_umask_say_who_may_read_it(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 255)
    target.write_bytes(b"older and longer")

    async def scenario() -> None:
        body = opened([upload("f", b"new") + END])
        assert await (await first_file(body)).save(target) == 3
        await body.close()

    umask = os.umask(0o027)
    try:
        run(scenario())
    finally:
        os.umask(umask)
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


@pytest.mark.parametrize("arrived", [BEGUN, upload("f", LARGE["a"])[:-2]], ids=["small", "large"])
def test_a_failed_save_leaves_nothing_and_changes_nothing(tmp_path: Path, arrived: bytes) -> None:
    (tmp_path / "kept").write_bytes(b"older")

    async def scenario() -> None:
        for name in ("kept", "new"):
            body = opened([arrived])
            assert await status_of((await first_file(body)).save(tmp_path / name)) == 400
            await body.close()

    run(scenario())
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept").read_bytes() == b"older"


def test_a_cancelled_save_leaves_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        feed = Feed([upload("f", LARGE["a"])[:-2], asyncio.Event()])
        body = MultipartBody(feed, BOUNDARY, Limits())
        task = asyncio.ensure_future((await first_file(body)).save(tmp_path / "a"))
        await feed.stalled.wait()
        assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await body.close()

    run(scenario())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("target", "error"), [("missing/a", FileNotFoundError), ("directory", OSError)], ids=["no directory", "a directory"]
)
def test_save_to_where_no_file_can_be(tmp_path: Path, target: str, error: type[OSError]) -> None:
    (tmp_path / "directory").mkdir()

    async def scenario() -> None:
        body = opened([upload("f", b"new") + END])
        with pytest.raises(error):
            await (await first_file(body)).save(tmp_path / target)
        await body.close()

    run(scenario())
    assert [path.name for path in tmp_path.iterdir()] == ["directory"]


# The documented mapping and its queue.


def test_the_mapping_is_what_is_documented() -> None:
    async def scenario() -> None:
        body = opened([upload("f", b"12", "a.png", "image/png"), END])
        file = await first_file(body)
        mapping = file.mapping()
        assert (mapping["filename"], mapping["content_type"]) == ("a.png", "image/png")
        content: Content = mapping["content"]
        assert isinstance(content, asyncio.Queue)
        assert file.mapping()["content"] is content
        chunks: list[bytes] = []
        while (chunk := await content.get()) is not None:
            chunks.append(chunk)
            content.task_done()
        assert b"".join(chunks) == b"12"
        for _ in range(3):
            assert content.empty()
            assert await asyncio.wait_for(content.get(), 5) is None
        await content.join()
        with pytest.raises(TypeError, match="only be read"):
            await content.put(b"3")
        await body.close()

    run(scenario())


def test_the_queue_says_what_is_there_without_waiting() -> None:
    async def scenario() -> None:
        body = opened([upload("f", b"")[:-2], b"x" * 5000, b"y" * 5000, b"\r\n" + END])
        content: Content = (await first_file(body)).mapping()["content"]
        seen: list[tuple[int, bool, bytes | None]] = []
        assert (content.qsize(), content.empty(), content.full()) == (0, True, False)
        with pytest.raises(asyncio.QueueEmpty):
            content.get_nowait()
        while await body.advance():
            seen.append((content.qsize(), content.empty(), None))
        assert seen == [(1, False, None), (2, False, None)]
        assert content.qsize() == 3
        assert [content.get_nowait() for _ in range(3)] == [b"x" * 5000, b"y" * 5000, None]
        assert (content.qsize(), content.empty()) == (0, True)
        with pytest.raises(asyncio.QueueEmpty):
            content.get_nowait()
        assert await content.get() is None
        await body.close()

    run(scenario())


def test_the_queue_fetches_what_went_to_disk_only_where_it_may_wait() -> None:
    async def scenario() -> None:
        body = opened([*chopped(upload("f", LARGE["a"]), 64 * KIB), END], part_memory=MIB)
        content: Content = (await first_file(body)).mapping()["content"]
        await body.read_until(lambda: False)
        assert (content.qsize(), content.empty()) == (0, True)
        with pytest.raises(asyncio.QueueEmpty):
            content.get_nowait()
        chunks: list[bytes] = []
        while content.empty():
            chunks.append(await content.get() or b"")
        while (chunk := content.get_nowait()) is not None:
            chunks.append(chunk)
        assert b"".join(chunks) == LARGE["a"]
        await body.close()

    run(scenario())


def test_what_a_reader_waits_for_is_not_there_for_others() -> None:
    async def scenario() -> None:
        more = asyncio.Event()
        body = opened([upload("f", b"1")[:-2], more, b"2"])
        content: Content = (await first_file(body)).mapping()["content"]
        assert content.get_nowait() == b"1"
        seen: list[int] = []

        def looked_three_times() -> bool:
            seen.append(content.qsize())
            return len(seen) == 3

        other = asyncio.ensure_future(body.read_until(looked_three_times))
        await asyncio.sleep(0)
        reader = asyncio.ensure_future(content.get())
        await asyncio.sleep(0)
        more.set()
        assert await reader == b"2"
        await other
        assert seen == [0, 0, 0]
        await body.close()

    run(scenario())


def test_the_queue_of_a_failed_upload_is_never_quietly_empty() -> None:
    async def scenario() -> None:
        body = opened([BEGUN])
        content: Content = (await first_file(body)).mapping()["content"]
        assert await content.get() == b"some of it"
        assert await status_of(content.get()) == 400
        assert not content.empty()
        with pytest.raises(UploadError):
            content.get_nowait()
        await body.close()

    run(scenario())


# What one file may be.


@pytest.mark.parametrize(
    ("content_type", "allowed", "fits"),
    [
        ("image/png", ["image/png"], True),
        ("image/png", ["image/*"], True),
        ("image/png", ["Image/PNG"], True),
        ("image/png", ["*/*"], True),
        ("image/png", ["text/plain", "image/png"], True),
        ("image/png", [], True),
        ("image/png", ["image/jpeg"], False),
        ("image/png", ["image"], False),
        ("image/png", ["imag*"], False),
        ("image/png", ["text/*"], False),
        ("imageX/png", ["image/*"], False),
        ("", ["image/*"], False),
        ("", [OCTETS], True),
    ],
)
def test_restrict_by_type(content_type: str, allowed: list[str], fits: bool) -> None:
    async def scenario() -> None:
        body = opened([upload("f", b"1", "a", content_type) + END])
        file = await first_file(body)
        if fits:
            file.restrict(content_types=allowed)
            assert await file.read() == b"1"
        else:
            with pytest.raises(
                UploadError, match=f"Expected a file of type {' or '.join(allowed)}".replace("*", ".")
            ) as no:
                file.restrict(content_types=allowed)
            assert no.value.status == 415
        await body.close()

    run(scenario())


@pytest.mark.parametrize("piece", [1, 7, 10_000])
@pytest.mark.parametrize(("max_size", "fits"), [(None, True), (500, True), (499, False), (0, False)])
def test_restrict_by_size(max_size: int | None, fits: bool, piece: int) -> None:
    async def scenario() -> None:
        body = opened([upload("f", b"")[:-2], *chopped(noise(500), piece), b"\r\n" + upload("g", b"other") + END])
        file = await first_file(body)
        file.restrict(max_size=max_size)
        if fits:
            assert await file.read() == noise(500)
        else:
            assert await status_of(file.read()) == 413
            assert file.size <= (max_size or 0) + piece
            assert await status_of(file.read()) == 413
        assert await (await first_file(body, "g")).read() == b"other"
        await body.close()

    run(scenario())


def test_restrict_refuses_at_once_what_is_too_large_already() -> None:
    async def scenario() -> None:
        body = opened([upload("f", b"12345") + END])
        file = await first_file(body)
        with pytest.raises(UploadError, match="larger than 4 bytes") as no:
            file.restrict(max_size=4)
        assert no.value.status == 413
        await body.close()

    run(scenario())


# Limits, and what may not be there.


@pytest.mark.parametrize(
    "data",
    [
        field("a", b"1") * 40 + END,
        field("a", b"1" * 500) * 2 + END,
        upload("f", b"1" * 5000) + END,
    ],
    ids=["parts", "fields", "files are no fields"],
)
def test_what_is_just_within_the_limits_is_read(data: bytes) -> None:
    run(everything(opened([data], **SMALL)))


@pytest.mark.parametrize("boundary", ["", "a\nb", "a\r\nb", "a ", "ä", b"\xff", "x" * 71, "a;b"])
def test_a_boundary_that_cannot_be_one(boundary: str | bytes) -> None:
    with pytest.raises(UploadError, match="Invalid boundary") as no:
        MultipartBody(Feed([]), boundary, Limits())
    assert no.value.status == 400


def test_boundaries_of_any_kind_delimit() -> None:
    for boundary in ("x", "a b", "'()+_,-./:=?", b"----WebKitFormBoundary7MA4YWxkTrZu0gW", "-" * 70):
        text = boundary.decode() if isinstance(boundary, bytes) else boundary
        data = (field("a", b"1") + END).replace(b"frontier", text.encode())
        assert run(everything(MultipartBody(Feed(chopped(data, 3)), boundary, Limits())))[0] == {"a": ["1"]}


def test_without_the_parser_the_error_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "multipart", None)
    with pytest.raises(MissingDependency, match=r"pip install 'micropie\[standard\]'"):
        MultipartBody(Feed([]), BOUNDARY, Limits())


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", "abc"),
        ("multipart/form-data;boundary=abc", "abc"),
        ("multipart/form-data ; charset=utf-8 ;\tBOUNDARY=abc ; x=y", "abc"),
        ("multipart/form-data; boundary=abc;", "abc"),
        ("multipart/form-data;; boundary=abc", "abc"),
        ('multipart/form-data; boundary="abc"', "abc"),
        ('multipart/form-data; boundary="a b:c"', "a b:c"),
        ('multipart/form-data; boundary="a\\bc"', "abc"),
        ("multipart/form-data; boundary=----=_Part_1.2", "----=_Part_1.2"),
        ('multipart/form-data; x="; boundary=evil"; boundary=abc', "abc"),
        ('multipart/form-data; x="a\\"; boundary=evil"; boundary=abc', "abc"),
        ("multipart/form-data; boundary=" + "x" * 70, "x" * 70),
        ("multipart/form-data; boundary=" + "x" * 71, None),
        ("multipart/form-data", None),
        ("multipart/form-data;", None),
        ("multipart/form-data; charset=utf-8", None),
        ("multipart/form-data; boundary", None),
        ("multipart/form-data; boundary=", None),
        ('multipart/form-data; boundary=""', None),
        ('multipart/form-data; boundary="abc', None),
        ('multipart/form-data; boundary="abc "', None),
        ('multipart/form-data; boundary="a\r\nb"', None),
        ("multipart/form-data; boundary=äbc", None),
        ("multipart/form-data; boundary=a@b", None),
        ("multipart/form-data; boundary=abc; boundary=def", None),
        ("multipart/form-data; notboundary=abc", None),
        ("boundary=abc", None),
        ("", None),
    ],
)
def test_boundary_of(content_type: str, boundary: str | None) -> None:
    assert parse_boundary(content_type) == boundary


@given(st.text(st.sampled_from('; boundary="\\=abc\t'), max_size=60))
def test_boundary_of_anything_is_a_usable_boundary_or_none(parameters: str) -> None:
    boundary = parse_boundary("multipart/form-data;" + parameters)
    if boundary is not None:
        MultipartBody(Feed([]), boundary, Limits())


# Cost.


def calls(pieces: Pieces, **limits: int) -> int:
    """How many functions run, Python's and C's, while the body is received and all its files are read."""
    count = 0

    def profiler(frame: object, event: str, arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    async def scenario() -> None:
        body = opened(pieces, **limits)
        sys.setprofile(profiler)
        try:
            await everything(body)
        finally:
            sys.setprofile(None)

    run(scenario())
    return count


COSTS: dict[str, Callable[[int], Pieces]] = {
    "tiny fields": lambda n: [field("a", b"1") * n + END],
    "tiny fields of 1-byte pieces": lambda n: chopped(field("a", b"1") * (n // 40) + END, 1),
    "tiny files": lambda n: [upload("f", b"1") * n + END],
    "1-byte pieces of a file": lambda n: chopped(upload("f", b"x" * n) + END, 1),
    "1-byte pieces of a field": lambda n: chopped(field("a", b"x" * n) + END, 1),
    "1-byte pieces of a preamble": lambda n: chopped(b"\r\n--" * (n // 4) + b"\r\n" + END, 1),
    "almost boundaries": lambda n: chopped(upload("f", b"\r\n--frontie" * n) + END, 50),
    "one large message": lambda n: [upload("f", b"x" * n * KIB) + END],
}


@pytest.mark.parametrize("case", COSTS)
def test_twice_the_body_costs_twice_the_work(case: str) -> None:
    once, twice = (calls(COSTS[case](n), fields=10_000, part_memory=8 * KIB) for n in (1000, 2000))
    assert twice <= 2.2 * once


def test_43_000_tiny_fields_and_files_are_read() -> None:
    data = field("a", b"1") * 21_500 + upload("f", b"2") * 21_500 + END
    fields, files = run(everything(opened([data], fields=43_000)))
    assert fields == {"a": ["1"] * 21_500}
    assert files == {"f": [("a.bin", OCTETS, b"2")] * 21_500}


@given(
    contents=st.lists(CONTENTS, min_size=1, max_size=4),
    places=st.lists(st.integers(0, 9999), max_size=12),
    length=st.booleans(),
)
@settings(deadline=None, max_examples=300)
def test_what_passes_by_the_parser_is_what_the_parser_would_have_made_of_it(
    contents: list[bytes], places: list[int], length: bool
) -> None:
    typed = [f"Content-Length: {len(contents[0])}"] if length else []
    head = 'Content-Disposition: form-data; name="f"; filename="a"'
    data = b"".join(headed(head, *typed, content=content) for content in contents) + END
    pieces = cut_at(data, places)
    try:
        expected = parsed_alone(data)
    except MultipartError:
        assert refused(everything(opened(pieces))) == 400
    else:
        _, files = run(everything(opened(pieces)))
        assert [content for _, _, content in files["f"]] == expected


def parsed_alone(data: bytes) -> list[bytes]:
    """The contents of the parts of `data`, by the parser itself."""
    contents: list[bytes] = []
    parser = PushMultipartParser(BOUNDARY, strict=True)
    for event in parser.parse(data):
        if isinstance(event, MultipartSegment):
            contents.append(b"")
        elif event is not None:
            contents[-1] += event
    parser.close()
    return contents


def test_one_cut_anywhere_changes_nothing() -> None:
    data = upload("f", b"x" * 50) + upload("f", b"y" * 50) + END[:-2]
    for place in range(len(data)):
        _, files = run(everything(opened(cut_at(data, [place]))))
        assert [content for _, _, content in files["f"]] == [b"x" * 50, b"y" * 50]


@pytest.mark.parametrize(("headers", "limit", "status"), [(["Content-Length: 99"], 10**9, 400), ([], 99, 413)])
@pytest.mark.parametrize("places", [[], [120], [120, 150], [-16], [120, -16]])
def test_a_part_that_is_too_long_is_refused_however_it_comes(
    headers: list[str], limit: int, status: int, places: list[int]
) -> None:
    part = headed('Content-Disposition: form-data; name="f"; filename="a"', *headers, content=b"x" * 100)
    data = part + END
    bounds = sorted(place % len(data) for place in places)
    assert refused(everything(opened(cut_at(data, bounds), multipart=limit))) == status
