"""This app answers in every way that keeps a connection open, and counts what is left of the requests afterwards.

The garbage collector is off, so a reference cycle that holds a request is counted, too.
"""

import gc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated

from micropie import App, Depends, HTTPError, Request, ServerSentEvent, UploadFile
from micropie.types import Receive, Scope, Send

gc.disable()


async def number() -> AsyncIterator[int]:
    yield 5


class Below(App):
    async def index(self) -> str:
        return "below"

    async def numbers(self) -> AsyncIterator[str]:
        yield "1"


async def count_bytes(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond, as a plain ASGI application, with the length of the body."""
    length, more = 0, True
    while more:
        message = await receive()
        length, more = length + len(message["body"]), message["more_body"]
    answer = str(length).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]})
    await send({"type": "http.response.body", "body": answer})


class Idle(App):
    async def index(self) -> str:
        return "Hello!"

    async def left(self) -> list[str]:
        """List the requests that something still refers to, besides this one."""
        gone = [thing for thing in gc.get_objects() if isinstance(thing, Request) and thing is not self.request]
        return [request.scope["path"] for request in gone]

    async def keys(self, name: str) -> int:
        return len(name)

    async def raw(self) -> int:
        return len(self.request.body)

    async def upload(self, file: UploadFile) -> int:
        return len(await file.read())

    async def pieces(self, body: AsyncIterator[bytes]) -> int:
        return sum([len(piece) async for piece in body])

    async def unread(self, file: UploadFile) -> str:
        return file.filename

    async def echoed(self, file: UploadFile) -> AsyncIterator[str]:
        yield file.filename
        yield str(len(await file.read()))

    async def numbers(self) -> AsyncIterator[str]:
        yield "1"
        yield "2"

    def numbers_in_thread(self) -> Iterator[str]:
        yield "1"
        yield "2"

    async def events(self) -> AsyncIterator[ServerSentEvent[str]]:
        yield ServerSentEvent("1")

    async def file(self) -> Path:
        return Path(__file__)

    async def large(self) -> bytes:
        return bytes(3 * 1024 * 1024)

    async def large_file(self) -> Path:
        path = Path("large.bin")
        path.write_bytes(bytes(3 * 1024 * 1024))
        return path

    async def nothing(self) -> None:
        pass

    def in_thread(self) -> str:
        return "from a thread"

    async def depends(self, value: Annotated[int, Depends(number)]) -> int:
        return value

    async def writes_session(self) -> str:
        self.request.session["a"] = 1
        return "written"

    async def fails(self) -> str:
        raise RuntimeError("a test")

    async def refuses(self) -> str:
        raise HTTPError(403)


app = Idle()
app.mount("/below", Below())
app.mount("/plain", count_bytes)
