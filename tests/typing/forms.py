"""This file checks the types of forms, typed sessions and JSON Lines. Four type checkers read it; it is never run."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from typing import Annotated, assert_type

from msgspec import Struct

from micropie import App, FormResult, Query, Session


class Signup(Struct):
    name: str
    age: int = 18


class Cart(Struct):
    items: list[str] = []


class Row(Struct):
    id: int


def page(form: FormResult[Struct]) -> str:
    """Accept every form: the type of the value is covariant."""
    return form.attributes("name") + form.error() + form.options("plan")


class Site(App):
    async def signup(self, form: FormResult[Signup]) -> str:
        assert_type(form, FormResult[Signup])
        assert_type(form.value, Signup | None)
        if form.value is None:
            assert_type(form.errors, Mapping[str, Sequence[str]])
            assert_type(form.texts, Mapping[str, Sequence[str]])
            assert_type(form.submitted, bool)
            return page(form)
        assert_type(form.value, Signup)
        assert_type(form.showing(form.value), FormResult[Signup])
        assert_type(form.text("name"), str)
        return form.value.name

    async def search(self, form: Annotated[FormResult[Signup], Query()]) -> str | None:
        match form.value:
            case Signup(name=name):
                return assert_type(name, str)
            case None:
                return None

    async def cart(self, cart: Annotated[Cart, Session()], last: Annotated[Row | None, Session("last")] = None) -> int:
        cart.items.append("x")
        assert_type(last, Row | None)
        return len(assert_type(cart, Cart).items)

    async def load(self, rows: AsyncIterator[Row]) -> int:
        async for row in rows:
            assert_type(row, Row)
        return (await anext(rows)).id

    async def also(self, rows: AsyncIterable[Row]) -> list[int]:
        return [row.id async for row in rows]
