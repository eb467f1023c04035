"""This module holds an app with every kind of URL, for the tests of lists and explanations."""

from typing import Annotated, Any

from micropie import App, Depends, Header, Request, Resource, WebSocket, route
from micropie.types import Receive, Scope, Send


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("no test calls this app")


def token(authorization: Annotated[str, Header()], request: Request) -> str:
    return authorization


def user(known: Annotated[str, Depends(token)], page: int = 1) -> str:
    return known


class Items(Resource):
    async def get(self) -> str:
        return ""

    @route("/{id}", methods=["GET", "PUT"])
    async def read(self, id: int) -> str:
        return ""


class Inner(App):
    async def page(self, number: int) -> str:
        return ""


class Shop(App):
    items = Items()
    inner = Inner()

    async def index(self) -> str:
        return ""

    async def me(self, who: Annotated[str, Depends(user)], *rest: int, **more: Any) -> str:
        return ""

    async def ws_chat(self, ws: WebSocket, room: str) -> None: ...
