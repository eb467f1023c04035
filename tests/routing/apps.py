"""This module holds the apps to which several test files of this folder send requests."""

from typing import Any

from micropie import App, Resource, route

GREETING = "Hello, Ann!"


class Shop(App):
    async def index(self) -> str:
        return "home"

    async def greet(self, name: str = "Guest") -> str:
        return f"Hello, {name}!"

    async def pair(self, first: str, second: str = "-") -> list[str]:
        return [first, second]

    async def anything(self, *rest: str) -> list[str]:
        return list(rest)

    async def keyword(self, *, name: str = "Guest") -> str:
        return name

    async def sign_up(self, name: str = "guest") -> str:
        return f"signed up {name}"

    async def ws_chat(self, ws: Any) -> None:
        raise AssertionError("this test opens no WebSocket")


SHOP = Shop()


class Wiki(App):
    async def index(self, *titles: str) -> list[str]:
        return list(titles)


class Methods(Resource):
    """A verb for each method that a Resource may answer."""

    async def get(self, id: int = 0) -> str:
        return f"get {id}"

    async def post(self) -> str:
        return "post"

    async def delete(self, id: int) -> str:
        return f"delete {id}"

    async def archive(self, year: int) -> str:
        return f"archive {year}"


class Api(App):
    things = Methods()

    async def plain(self) -> str:
        return self.request.method

    @route(methods=["post", "PUT"])
    async def write(self) -> str:
        return self.request.method

    @route(methods={"GET"})
    async def read(self) -> str:
        return "text"


API = Api()
