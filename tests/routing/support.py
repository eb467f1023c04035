"""This module has helpers for the tests of discovery: they change apps late, and collect setup problems."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import pytest

from micropie import App, Resource, SetupError
from tests.support.asgi import call


def set_late(owner: object, name: str, value: object) -> None:
    setattr(owner, name, value)


def delete(owner: object, name: str) -> None:
    delattr(owner, name)


def get_statuses(app: App, *paths: str) -> list[int]:
    return [call(app, "GET", path).status for path in paths]


def list_problems(cls: type[App]) -> list[str]:
    """Return the setup problems of `cls`, each as its place and fault."""
    with pytest.raises(SetupError) as refused:
        cls()
    return [f"{problem.where}: {problem.what}" for problem in refused.value.problems]


async def hello(self: App) -> str:
    return "hello"


T = TypeVar("T")


class Touched(Exception):
    """Raised if the router evaluates what it must not."""


class Store(Resource, Generic[T]):
    def __init__(self, thing: T) -> None:
        self.thing = thing

    async def get(self) -> T:
        return self.thing


def bind_method(function: Callable[..., object], app: object) -> Any:
    return function.__get__(app)


class Sub(App):
    def __init__(self, parent: App | None = None) -> None:
        super().__init__()
        self.parent = parent
        self.seen = 0

    async def index(self) -> str:
        return "sub"

    async def boom(self) -> None:
        raise LookupError("secret")

    async def wrong(self, x: int) -> None: ...
