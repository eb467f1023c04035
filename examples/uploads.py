"""This app streams uploads to disk as they arrive, and checks them against the hash that the client announces.

    micropie run --app-dir examples uploads:app
    curl localhost:8000/store -F sha256=$(sha256sum photo.jpg | cut -d' ' -f1) -F file=@photo.jpg

The files go to `uploads/`, or to the folder that the environment variable UPLOADS names.
"""

import asyncio
import hashlib
import os
import secrets
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from micropie import App, File, HTTPError, Limits, UploadFile

GIB = 1024**3


class Stored(Struct):
    """A stored file: the name to fetch it by, its size and its hash."""

    name: str
    size: int
    sha256: str


class Uploads(App):
    def __init__(self, folder: Path) -> None:
        super().__init__(limits=Limits(multipart=4 * GIB))
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    async def store(
        self,
        file: Annotated[UploadFile, File(max_size=4 * GIB)],
        sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None,
    ) -> tuple[Literal[201], Stored]:
        """Store a file while it arrives, with little memory whatever its size: POST /store."""
        name = secrets.token_hex(8) + Path(file.filename).suffix
        target = self.folder / name
        digest = hashlib.sha256()
        with await asyncio.to_thread(lambda: target.open("wb")) as out:
            try:
                async for chunk in file:
                    digest.update(chunk)
                    await asyncio.to_thread(out.write, chunk)
                if sha256 is not None and digest.hexdigest() != sha256:
                    raise HTTPError(422, "The file does not have the hash that was announced")
            except BaseException:
                target.unlink(missing_ok=True)  # keep neither a wrong file nor a truncated one
                raise
        return 201, Stored(name, file.size, digest.hexdigest())

    async def fetch(self, name: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}(\.[A-Za-z0-9]{1,8})?$")]) -> Path:
        """Return a file with Range, ETag and 304: GET /fetch/NAME. Its pattern allows no path out of the folder."""
        return self.folder / name


app = Uploads(Path(os.environ.get("UPLOADS", "uploads")))
