"""A handler with dependencies is bound by `prepare` and then `bind`, one without them by `bind` alone."""

import asyncio

import pytest

from micropie import App, Request
from tests.binding.dependencies import Account
from tests.support.asgi import http_scope


def test_binding_an_unprepared_request_is_refused() -> None:
    route = Account().routes["/me"]
    with pytest.raises(RuntimeError, match=r"call Route\.prepare first"):
        asyncio.run(route.bind(route.call, Request(http_scope("GET", "/me")), []))


def test_route_without_dependencies_has_nothing_to_prepare() -> None:
    class Api(App):
        async def index(self) -> None: ...

    assert Api().routes["/"].prepare is None
