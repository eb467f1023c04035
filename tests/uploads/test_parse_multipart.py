"""`parse_multipart` reads a multipart body from an asyncio stream, as documented."""

import asyncio

import pytest

from micropie.config import Limits
from micropie.errors import UploadError
from micropie.uploads.multipart import parse_multipart
from tests.support.asgi import form_data


def test_multipart_is_read_from_a_stream_reader() -> None:
    async def main() -> object:
        reader = asyncio.StreamReader()
        reader.feed_data(form_data([("a", "1"), ("a", "2"), ("f", ("x.txt", "text/plain", b"data"))]))
        reader.feed_eof()
        fields, files = await parse_multipart(reader, b"frontier", Limits())
        return fields, {name: (file["filename"], await file["content"].get()) for name, file in files.items()}

    assert asyncio.run(main()) == ({"a": ["1", "2"]}, {"f": ("x.txt", b"data")})


def test_multipart_that_ends_early_is_refused() -> None:
    async def main() -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(form_data({"a": "1"})[:-8])
        reader.feed_eof()
        await parse_multipart(reader, b"frontier", Limits())

    with pytest.raises(UploadError, match="ends before its closing boundary"):
        asyncio.run(main())
