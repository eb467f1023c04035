"""This app takes JSON Lines, typed sessions and forms. `test_typed.py` sends requests to it."""

from collections.abc import AsyncIterator
from typing import Annotated

from msgspec import Meta, Struct

from micropie import App, FormResult, Limits, Session, WebSocket


class Row(Struct):
    id: Annotated[int, Meta(ge=1)]
    name: str = ""


class Cart(Struct):
    items: list[Row] = []
    socket: int = 0


class Typed(App):
    taken: int = 0
    """The number of rows that `keep` has taken from its latest request."""

    async def index(self) -> int:
        return self.taken

    async def keep(self, rows: AsyncIterator[Row]) -> int:
        self.taken = 0
        async for _ in rows:
            self.taken += 1
        return self.taken

    async def first(self, rows: AsyncIterator[Row]) -> int:
        return (await anext(rows)).id

    async def buy(self, row: Row, cart: Annotated[Cart, Session()]) -> int:
        cart.items.append(row)
        return len(cart.items)

    async def cart(self, cart: Annotated[Cart, Session()]) -> Cart:
        return cart

    async def ws_cart(self, ws: WebSocket, cart: Annotated[Cart, Session()]) -> None:
        await ws.accept()
        async for message in ws:
            cart.socket += int(message)
            await ws.send(str(cart.socket))

    async def form(self, form: FormResult[Row]) -> tuple[int, str]:
        if form.value is None:
            return 422 if form.submitted else 200, form.attributes("id") + form.error("id")
        return 201, f"{form.value.id} {form.value.name}"


app = Typed(limits=Limits(line=1000))
