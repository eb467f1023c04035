"""This app streams in three ways: text and data from generators, a video with seeking, and server-sent events.

Try it:

    micropie run --app-dir examples streaming:app

Then open http://localhost:8000/.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from micropie import App, ServerSentEvent

PAGE = """<!doctype html><title>Streaming</title>
<p><a href="/count?to=100">Text</a>, <a href="/primes?below=1000">primes as JSON Lines</a></p>
<video src="/video" controls width="320"></video>
<p>The server's time is <output id="now"></output></p>
<script>
  new EventSource("/clock").addEventListener("tick", (event) => {
    document.getElementById("now").textContent = JSON.parse(event.data).now;
  });
</script>
"""


class Tick(Struct):
    now: datetime


class Prime(Struct):
    number: int
    value: int


class Streaming(App):
    def __init__(self, video: Path) -> None:
        super().__init__()
        self.film = video

    async def index(self) -> str:
        return PAGE

    async def count(self, to: Annotated[int, Meta(ge=0, le=10_000)] = 10, pause: float = 0.0) -> AsyncIterator[str]:
        """Stream text line by line. The generator is closed if the client leaves."""
        for number in range(to):
            yield f"Line {number}\n"
            await asyncio.sleep(pause)

    def primes(self, below: Annotated[int, Meta(le=100_000)] = 100) -> Iterator[Prime]:
        """Stream structures as JSON Lines. A sync generator runs in a worker thread."""
        primes: list[int] = []
        for candidate in range(2, below):
            if all(candidate % prime for prime in primes):
                primes.append(candidate)
                yield Prime(len(primes), candidate)

    async def clock(self, pause: float = 1.0) -> AsyncIterator[ServerSentEvent[Tick]]:
        while True:
            yield ServerSentEvent(Tick(datetime.now(UTC)), event="tick")
            await asyncio.sleep(pause)

    async def video(self) -> Path:
        """Send a file with Range, ETag and 304, as a player needs them for seeking."""
        return self.film


app = Streaming(Path(os.environ.get("VIDEO", "film.mp4")))
