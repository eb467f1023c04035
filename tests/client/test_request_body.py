"""These tests show what can be sent as a file."""

import asyncio

import pytest

from micropie import App, UploadFile
from micropie.client import Client, upload
from tests.client.api import Api


def test_upload_with_an_invalid_media_type_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a media type"):
        upload(b"", content_type="text/plain\r\nX: y")


def test_upload_that_was_received_can_be_sent_on() -> None:
    class Front(App):
        back: Client[Api]

        async def store(self, file: UploadFile) -> list[str]:
            return await self.back.call(Api.filed, file, note="on")

    async def main() -> None:
        front = Front()
        async with Client(Api, app=Api()) as front.back, Client(front, app=front) as client:
            seen = await client.call(Front.store, upload(b"x" * 300_000, filename="a.bin"))
            assert (seen[3], len(seen[5]), seen[6]) == ("a.bin", 300_000, "on")

    asyncio.run(main())
