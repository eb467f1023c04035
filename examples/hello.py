"""This app says hello: a method is a URL, and its signature is the contract.

Try it:

    micropie run --app-dir examples hello:app
    curl localhost:8000/            -> Hello, world!
    curl localhost:8000/greet/Ann   -> Hello, Ann!
"""

from typing import Annotated

from msgspec import Meta

from micropie import App


class Hello(App):
    async def index(self) -> str:
        return "Hello, world!"

    async def greet(self, name: str = "Guest", times: Annotated[int, Meta(ge=0, le=100)] = 1) -> str:
        return f"Hello, {name}!\n" * times


app = Hello()
