"""Files larger than memory should hold: what goes to disk, what that blocks, and how the disk fails."""

import asyncio
import os
import tracemalloc
from collections.abc import Callable, Coroutine, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from micropie.config import KIB, MIB
from micropie.errors import UploadError
from micropie.uploads.multipart import MultipartBody
from tests.uploads.bodies import (
    BEGUN,
    END,
    LARGE,
    Busy,
    chopped,
    counts_descriptors,
    first_file,
    large_body,
    opened,
    other_work,
    run,
    spools,
    status_of,
    upload,
)

# Two large files, a slow reader, and how much memory and disk that takes.


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
