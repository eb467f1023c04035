"""These tests read, save and restrict single uploaded files."""

import asyncio
import os
import stat
from pathlib import Path

import pytest

from micropie.config import KIB, MIB, Limits
from micropie.errors import UploadError
from micropie.uploads.multipart import MultipartBody
from tests.support.event_loop import run
from tests.uploads.bodies import (
    BEGUN,
    BOUNDARY,
    END,
    LARGE,
    OCTETS,
    Feed,
    chop,
    field,
    first_file,
    large_body,
    noise,
    open_body,
    status_of,
    upload,
)


def test_body_is_received_only_as_far_as_readers_ask() -> None:
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


def test_data_that_has_arrived_is_read_without_receiving_more() -> None:
    async def scenario() -> None:
        body = open_body([upload("f", b"x") + END, AssertionError("received more than was needed")])
        await body.read_until(lambda: "f" in body.files)
        await body.read_until(lambda: True)
        await body.read_until(lambda: False)
        assert await body.files["f"][0].read() == b"x"
        await body.close()

    run(scenario())


def test_reader_does_not_wait_after_another_reader_received_its_data() -> None:
    async def scenario() -> None:
        more = asyncio.Event()
        body = open_body([upload("f", b"1")[:-2], more, b"2", asyncio.Event()])
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


def test_two_advances_at_once_stop_at_the_end() -> None:
    async def scenario() -> None:
        more = asyncio.Event()
        body = open_body([more, field("a", b"1") + END, AssertionError("received more than there is")])
        both = asyncio.gather(body.advance(), body.advance())
        await asyncio.sleep(0)
        more.set()
        assert list(await both) == [False, False]
        await body.close()

    run(scenario())


def test_large_message_is_read_in_pieces() -> None:
    content = noise(MIB)

    async def scenario() -> None:
        body = open_body([upload("f", content) + END])
        file = await first_file(body)
        assert 0 < file.size <= 64 * KIB
        chunks = [chunk async for chunk in file]
        assert b"".join(chunks) == content
        assert max(map(len, chunks)) <= 64 * KIB
        await body.close()

    run(scenario())


def test_small_pieces_are_gathered_while_no_reader_waits() -> None:
    async def scenario() -> None:
        body = open_body(chop(upload("f", noise(300 * KIB)) + END, 1000))
        await body.read_until(lambda: False)
        chunks = [chunk async for chunk in body.files["f"][0]]
        assert b"".join(chunks) == noise(300 * KIB)
        assert len(chunks) == 5
        assert max(map(len, chunks)) < 65 * KIB
        await body.close()

    run(scenario())


def test_cancelled_read_leaves_its_bytes_to_the_next_read() -> None:
    content = noise(300 * KIB)

    async def scenario() -> None:
        rest = asyncio.Event()
        feed = Feed([*chop(upload("f", content)[:-2], 50 * KIB), rest, b"\r\n" + END])
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


@pytest.mark.parametrize("memory", [0, 16 * MIB], ids=["from disk", "from memory"])
@pytest.mark.parametrize("skipped", [0, 10])
def test_save_writes_what_was_not_read_yet(tmp_path: Path, memory: int, skipped: int) -> None:
    async def scenario() -> None:
        body = open_body(large_body(), part_memory=memory)
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


def test_save_replaces_a_file_and_follows_the_umask(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 255)
    target.write_bytes(b"older and longer")

    async def scenario() -> None:
        body = open_body([upload("f", b"new") + END])
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
def test_failed_save_leaves_the_directory_unchanged(tmp_path: Path, arrived: bytes) -> None:
    (tmp_path / "kept").write_bytes(b"older")

    async def scenario() -> None:
        for name in ("kept", "new"):
            body = open_body([arrived])
            assert await status_of((await first_file(body)).save(tmp_path / name)) == 400
            await body.close()

    run(scenario())
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept").read_bytes() == b"older"


def test_cancelled_save_leaves_no_file(tmp_path: Path) -> None:
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
def test_save_to_an_impossible_path_raises_and_leaves_no_file(
    tmp_path: Path, target: str, error: type[OSError]
) -> None:
    (tmp_path / "directory").mkdir()

    async def scenario() -> None:
        body = open_body([upload("f", b"new") + END])
        with pytest.raises(error):
            await (await first_file(body)).save(tmp_path / target)
        await body.close()

    run(scenario())
    assert [path.name for path in tmp_path.iterdir()] == ["directory"]


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
def test_restrict_refuses_other_content_types(content_type: str, allowed: list[str], fits: bool) -> None:
    async def scenario() -> None:
        body = open_body([upload("f", b"1", "a", content_type) + END])
        file = await first_file(body)
        if fits:
            file.restrict(content_types=allowed)
            assert await file.read() == b"1"
        else:
            with pytest.raises(
                UploadError, match=f"Expected a file of type {' or '.join(allowed)}".replace("*", ".")
            ) as raised:
                file.restrict(content_types=allowed)
            assert raised.value.status == 415
        await body.close()

    run(scenario())


@pytest.mark.parametrize("piece", [1, 7, 10_000])
@pytest.mark.parametrize(("max_size", "fits"), [(None, True), (500, True), (499, False), (0, False)])
def test_restrict_refuses_files_over_max_size(max_size: int | None, fits: bool, piece: int) -> None:
    async def scenario() -> None:
        body = open_body([upload("f", b"")[:-2], *chop(noise(500), piece), b"\r\n" + upload("g", b"other") + END])
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


def test_restrict_raises_at_once_if_too_much_has_arrived() -> None:
    async def scenario() -> None:
        body = open_body([upload("f", b"12345") + END])
        file = await first_file(body)
        with pytest.raises(UploadError, match="larger than 4 bytes") as raised:
            file.restrict(max_size=4)
        assert raised.value.status == 413
        await body.close()

    run(scenario())
