"""Files that are larger than memory should hold: what goes to disk, what that blocks, and how the disk fails."""

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
from tests.support.event_loop import run
from tests.uploads.bodies import (
    BEGUN,
    END,
    LARGE,
    BusyWorkers,
    chop,
    counts_descriptors,
    first_file,
    large_body,
    let_others_run,
    list_spools,
    open_body,
    status_of,
    upload,
)


async def drain(body: MultipartBody, name: str) -> None:
    file = await first_file(body, name)
    assert b"".join([chunk async for chunk in file]) == LARGE[name]


async def leave_unread(body: MultipartBody, name: str) -> None:
    await first_file(body, name)


Readers: TypeAlias = list[tuple[Callable[[MultipartBody, str], Coroutine[Any, Any, None]], str]]
READERS: dict[str, tuple[Readers, int]] = {
    "in the order sent": ([(drain, "a"), (drain, "b")], 0),
    "in the other order": ([(drain, "b"), (drain, "a")], 1),
    "only the first": ([(drain, "a")], 0),
    "only the second": ([(drain, "b")], 1),
    "the second, the first left unread": ([(leave_unread, "a"), (drain, "b")], 1),
    "neither": ([(leave_unread, "b"), (leave_unread, "a")], 1),
}


@counts_descriptors
@pytest.mark.parametrize("case", READERS)
def test_two_large_files_are_read_one_after_the_other_in_either_order(case: str) -> None:
    readers, expected = READERS[case]

    async def scenario() -> None:
        body = open_body(large_body())
        for read, name in readers:
            await read(body, name)
        assert len(list_spools()) == len(before) + expected
        await body.close()
        assert list_spools() == before
        await body.close()

    before = list_spools()
    run(scenario())


@counts_descriptors
@pytest.mark.parametrize("case", READERS)
def test_two_large_files_are_read_at_once(case: str) -> None:
    async def scenario() -> None:
        body = open_body(large_body(), part_memory=100 * KIB)
        await asyncio.gather(*(read(body, name) for read, name in READERS[case][0]))
        await body.close()
        assert list_spools() == before

    before = list_spools()
    run(scenario())


def test_two_readers_of_one_file_share_it_without_loss() -> None:
    async def scenario() -> None:
        body = open_body(chop(upload("f", LARGE["a"]) + END, 1000), part_memory=10_000)
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


def test_data_for_a_waiting_reader_does_not_go_to_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")

    async def scenario() -> None:
        body = open_body([upload("a", b"")[:-2], *chop(LARGE["a"] + b"\r\n" + END, 60_000)], part_memory=0)
        await drain(body, "a")
        await body.close()

    run(scenario())


def repeat(content: bytes, times: int) -> Iterator[bytes]:
    """Yield `content` again and again, each time in new memory, as from a server."""
    return (bytes(bytearray(content)) for _ in range(times))


def file_in_pieces(name: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
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
    "64 MiB to a slow reader": (lambda: file_in_pieces("a", repeat(MIXED, 1024)), read_slowly, MIB),
    "64 MiB that no reader wants": (lambda: file_in_pieces("a", repeat(MIXED, 1024)), read_the_last, 3 * MIB),
    "400 files of 128 KiB": (
        lambda: (piece for _ in range(400) for piece in file_in_pieces("a", repeat(MIXED, 2))),
        read_the_last,
        5 * MIB,
    ),
    "the first bytes of 400 files": (
        lambda: (piece for _ in range(400) for piece in file_in_pieces("a", repeat(MIXED, 2))),
        taste_all,
        12 * MIB,
    ),
    "a preamble of 16 MiB": (lambda: chain(repeat(MIXED, 256), [b"\r\n"]), read_the_last, MIB),
    "40 000 pieces of 1 byte": (lambda: file_in_pieces("a", repeat(b"x", 40_000)), read_the_last, 512 * KIB),
}


@counts_descriptors
@pytest.mark.parametrize("case", BODIES)
def test_memory_and_descriptors_are_bounded(case: str) -> None:
    pieces, read, most = BODIES[case]

    async def scenario() -> None:
        body = open_body(chain(pieces(), [upload("z", b"last") + END]))
        tracemalloc.start()
        try:
            await read(body)
            peak = tracemalloc.get_traced_memory()[1]
            assert peak < most
        finally:
            tracemalloc.stop()
        assert len(list_spools()) <= len(before) + 1
        await body.close()
        assert list_spools() == before

    before = list_spools()
    run(scenario())


def test_work_on_the_disk_does_not_block_the_event_loop(tmp_path: Path) -> None:
    async def scenario() -> None:
        body = open_body([upload("a", LARGE["a"]), upload("z", b"last") + END], part_memory=KIB)
        works: list[Callable[[], Coroutine[Any, Any, Any]]] = [
            lambda: first_file(body, "z"),
            lambda: body.files["a"][0].read(9),
            lambda: body.files["a"][0].save(tmp_path / "a"),
            body.close,
        ]
        for work in works:
            busy = BusyWorkers()
            task = asyncio.ensure_future(work())
            await let_others_run()
            assert not task.done()
            busy.release()
            await task
        assert (tmp_path / "a").read_bytes() == LARGE["a"][9:]

    run(scenario())


def test_cancelled_spill_is_finished_first_and_loses_nothing() -> None:
    async def scenario() -> None:
        body = open_body(chop(upload("a", LARGE["a"]) + END, 64 * KIB), part_memory=100 * KIB)
        file = await first_file(body, "a")
        busy = BusyWorkers()
        task = asyncio.ensure_future(body.read_until(lambda: False))
        await let_others_run()
        for _ in range(2):
            task.cancel()
            await let_others_run()
            assert not task.done()
        busy.release()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await file.read() == LARGE["a"]
        await body.close()

    run(scenario())


def test_cancelled_fetch_loses_nothing() -> None:
    async def scenario() -> None:
        body = open_body([upload("a", LARGE["a"]) + END], part_memory=KIB)
        await body.read_until(lambda: False)
        file = body.files["a"][0]
        busy = BusyWorkers()
        task = asyncio.ensure_future(file.read(9))
        await let_others_run()
        task.cancel()
        busy.release()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await file.read() == LARGE["a"]
        await body.close()

    run(scenario())


@counts_descriptors
@pytest.mark.parametrize("reading", ["a spill", "a fetch", "both"])
def test_cancelled_close_during_work_on_the_disk_removes_the_file(reading: str) -> None:
    async def scenario() -> None:
        body = open_body([upload("a", LARGE["a"]) + END], part_memory=KIB)
        file = await first_file(body, "a")
        busy = BusyWorkers()
        reads: dict[str, list[Coroutine[Any, Any, bytes | bool]]] = {
            "a spill": [body.advance()],
            "a fetch": [file.read(9)],
            "both": [file.read(9), body.advance()],
        }
        tasks = [asyncio.ensure_future(read) for read in reads.pop(reading)]
        for unused in chain.from_iterable(reads.values()):
            unused.close()
        await let_others_run()
        closing = asyncio.ensure_future(body.close())
        await let_others_run()
        closing.cancel()
        busy.release()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert list_spools() == before
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert outcome is True or isinstance(outcome, UploadError)

    before = list_spools()
    run(scenario())


@counts_descriptors
@pytest.mark.parametrize("directory", [None, "/nowhere"], ids=["that succeeds", "that fails"])
def test_close_during_the_first_spill_removes_the_file(monkeypatch: pytest.MonkeyPatch, directory: str | None) -> None:
    monkeypatch.setattr("tempfile.tempdir", directory)

    async def scenario() -> None:
        body = open_body([BEGUN], part_memory=0)
        busy = BusyWorkers()
        spill = asyncio.ensure_future(body.advance())
        await let_others_run()
        closing = asyncio.ensure_future(body.close())
        await let_others_run()
        busy.release()
        await closing
        assert list_spools() == before
        await asyncio.wait((spill,))
        assert isinstance(spill.exception(), FileNotFoundError if directory else type(None))
        assert await status_of(body.advance()) == 400

    before = list_spools()
    run(scenario())


def test_full_disk_is_raised_and_the_upload_is_refused_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")

    async def scenario() -> None:
        body = open_body([upload("f", b"12345")[:-2], b"\r\n" + END], part_memory=4)
        with pytest.raises(FileNotFoundError):
            await first_file(body)
        assert await status_of(body.advance()) == 500
        assert await status_of(body.files["f"][0].read()) == 500
        await body.close()

    run(scenario())


def test_disk_failure_during_a_cancellation_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")

    async def scenario() -> None:
        body = open_body([upload("f", b"12345")[:-2]], part_memory=4)
        busy = BusyWorkers()
        task = asyncio.ensure_future(body.advance())
        await let_others_run()
        task.cancel()
        await let_others_run()
        busy.release()
        with pytest.raises(FileNotFoundError):
            await task
        assert await status_of(body.advance()) == 500
        await body.close()

    run(scenario())


def test_unreadable_spool_raises_and_never_ends_the_file() -> None:
    async def scenario() -> None:
        body = open_body([upload("a", LARGE["a"]) + END], part_memory=0)
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
