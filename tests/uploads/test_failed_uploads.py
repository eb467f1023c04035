"""Uploads that fail and bodies that are closed: every reader raises, each time."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from micropie.config import MIB, Limits
from micropie.errors import ClientDisconnected
from micropie.uploads.multipart import MultipartBody
from tests.support.event_loop import run
from tests.uploads.bodies import (
    BEGUN,
    BOUNDARY,
    END,
    Content,
    Feed,
    body_of_messages,
    field,
    first_file,
    message,
    open_body,
    part,
    status_of,
    upload,
)

CUT_SHORT = (
    field("a", b"1") + upload("f", b"first file") + upload("g", b"second\r\nfile", "g.bin") + field("z", b"9") + END
)


@pytest.mark.parametrize("memory", [0, 100], ids=["on disk", "in memory"])
def test_body_truncated_anywhere_never_ends_cleanly(memory: int) -> None:
    async def truncated(length: int) -> None:
        body = open_body([CUT_SHORT[:length]] if length else [], part_memory=memory)
        assert await status_of(body.read_until(lambda: False)) == 400
        assert await status_of(body.advance()) == 400
        assert not body.complete
        for file in (file for files in body.files.values() for file in files):
            if file.complete:
                assert await file.read() in (b"first file", b"second\r\nfile")
            else:
                content: Content = file.mapping()["content"]
                for read in (file.read, file.__anext__, lambda file=file: file.save("never"), content.get, file.read):
                    assert await status_of(read()) == 400
        await body.close()

    for length in range(len(CUT_SHORT) - 2):
        run(truncated(length))
    assert not Path("never").exists()


@pytest.mark.parametrize(
    ("failing", "status"),
    [
        (lambda: body_of_messages([message(BEGUN, more=False)]), 400),
        (lambda: body_of_messages([message(BEGUN), message(BEGUN * 9)], size=len(BEGUN) + 5), 413),
        (lambda: body_of_messages([message(BEGUN)], stall=True), 408),
        (lambda: open_body([BEGUN, b"\r\n--frontier!!"]), 400),
    ],
    ids=["truncated", "over the size limit", "stalled", "malformed"],
)
def test_failed_body_raises_its_status_in_every_reader_each_time(
    failing: Callable[[], MultipartBody], status: int
) -> None:
    async def scenario() -> None:
        body = failing()
        file = await first_file(body)
        content: Content = file.mapping()["content"]
        assert await file.read(4) == b"some"
        statuses = await asyncio.gather(*map(status_of, (file.read(), content.get(), body.advance(), anext(file))))
        assert statuses == [status] * 4
        for late in (file.read(), file.read(1), content.get(), body.advance(), body.read_until(lambda: False)):
            assert await status_of(late) == status
        await body.close()
        assert await status_of(file.read()) == status

    run(scenario())


def test_disconnect_is_client_disconnected_to_the_body_and_400_to_readers() -> None:
    async def scenario() -> None:
        body = body_of_messages([message(BEGUN)])
        file = await first_file(body)
        assert await status_of(file.read()) == 400
        assert await status_of(file.mapping()["content"].get()) == 400
        for _ in range(2):
            with pytest.raises(ClientDisconnected):
                await body.advance()
        await body.close()

    run(scenario())


def test_complete_file_can_be_read_after_a_later_part_failed() -> None:
    async def scenario() -> None:
        body = open_body([upload("f", b"whole"), part("nonsense")])
        file = await first_file(body)
        assert await status_of(body.read_until(lambda: False)) == 400
        assert await file.read() == b"whole"
        assert await file.read() == b""
        await body.close()

    run(scenario())


def test_unexpected_exception_is_raised_once_and_is_status_500_afterwards() -> None:
    async def scenario() -> None:
        body = open_body([BEGUN, RuntimeError("broken"), b"\r\n" + END])
        file = await first_file(body)
        with pytest.raises(RuntimeError, match="broken"):
            await body.advance()
        assert await status_of(body.advance()) == 500
        assert await status_of(file.read()) == 500
        await body.close()

    run(scenario())


@pytest.mark.parametrize("memory", [0, MIB], ids=["on disk", "in memory"])
def test_closed_body_cannot_be_read(memory: int) -> None:
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


def test_waiting_reader_raises_when_the_body_is_closed() -> None:
    async def scenario() -> None:
        more = asyncio.Event()
        body = open_body([BEGUN, more, b"\r\n" + upload("g", b"another") + END], part_memory=0)
        file = await first_file(body)
        assert await file.read(9)
        waiting = asyncio.ensure_future(file.read())
        await asyncio.sleep(0)
        await body.close()
        more.set()
        assert await status_of(waiting) == 400
        assert list(body.files) == ["f"]

    run(scenario())


def test_complete_body_stays_complete_when_closed() -> None:
    async def scenario() -> None:
        body = open_body([upload("f", b"1") + field("a", b"1") + END])
        await body.read_until(lambda: False)
        await body.close()
        assert not await body.advance()
        assert body.fields == {"a": ["1"]}
        assert await status_of(body.files["f"][0].read()) == 400

    run(scenario())
