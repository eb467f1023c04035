"""These tests check the documented mapping of an uploaded file, and the queue in it."""

import asyncio

import pytest

from micropie.config import KIB, MIB
from micropie.errors import UploadError
from tests.support.event_loop import run
from tests.uploads.bodies import BEGUN, END, LARGE, Content, chop, first_file, open_body, status_of, upload


def test_mapping_has_the_documented_keys_and_queue() -> None:
    async def scenario() -> None:
        body = open_body([upload("f", b"12", "a.png", "image/png"), END])
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


def test_queue_counts_chunks_in_memory_without_waiting() -> None:
    async def scenario() -> None:
        body = open_body([upload("f", b"")[:-2], b"x" * 5000, b"y" * 5000, b"\r\n" + END])
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


def test_queue_fetches_chunks_from_disk_only_in_get() -> None:
    async def scenario() -> None:
        body = open_body([*chop(upload("f", LARGE["a"]), 64 * KIB), END], part_memory=MIB)
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


def test_chunk_that_a_reader_waits_for_is_not_ready_for_others() -> None:
    async def scenario() -> None:
        more = asyncio.Event()
        body = open_body([upload("f", b"1")[:-2], more, b"2"])
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


def test_queue_of_a_failed_upload_raises_and_is_not_empty() -> None:
    async def scenario() -> None:
        body = open_body([BEGUN])
        content: Content = (await first_file(body)).mapping()["content"]
        assert await content.get() == b"some of it"
        assert await status_of(content.get()) == 400
        assert not content.empty()
        with pytest.raises(UploadError):
            content.get_nowait()
        await body.close()

    run(scenario())
