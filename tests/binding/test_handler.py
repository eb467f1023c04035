"""A bound handler is called without a URL. With dependencies, `prepare` comes before `bind`."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest

from micropie import App, Depends, Request
from micropie.binding.binder_compiler import bind_handler
from micropie.binding.dependency_graph import Site, read_dependencies
from micropie.binding.dependency_runner import plan_dependencies
from micropie.binding.handler import BoundHandler, Mode, choose_mode
from micropie.binding.signature_reader import read_signature
from tests.binding.dependencies import Account, asynchronous
from tests.support.asgi import http_scope


async def coroutine_function() -> None: ...


async def async_generator() -> AsyncIterator[str]:
    yield ""


def sync_function() -> None: ...


def sync_generator() -> Iterator[str]:
    yield ""


@pytest.mark.parametrize(
    ("handler", "threaded", "mode"),
    [
        (coroutine_function, True, Mode.ASYNC),
        (coroutine_function, False, Mode.ASYNC),
        (async_generator, True, Mode.DIRECT),
        (sync_generator, True, Mode.DIRECT),
        (sync_function, True, Mode.THREAD),
        (sync_function, False, Mode.DIRECT),
    ],
)
def test_mode_follows_from_the_kind_of_function(handler: Any, threaded: bool, mode: Mode) -> None:
    assert choose_mode(handler, threaded=threaded) is mode


def bind(handler: Any) -> BoundHandler:
    """Return `handler`, which needs no route, with its dependencies."""
    signature, problems = read_signature(handler, "handler")
    site = Site(handler, "handler", None, {}, websocket=False)
    signature, more = read_dependencies(signature, site, None)
    assert problems + more == []
    bound = bind_handler(handler, signature, "handler")
    return plan_dependencies(bound, None) if signature.dependencies() else bound


def test_bound_handler_is_called_without_a_route() -> None:
    async def handler(count: int) -> int:
        return 2 * count

    bound = bind(handler)
    assert asyncio.run(bound.bind(bound.call, Request(http_scope("GET", "/?count=4")), [])) == 8


def test_bound_handler_is_prepared_with_overrides_without_a_route() -> None:
    async def handler(name: Annotated[str, Depends(asynchronous)]) -> str:
        return name

    async def call(overrides: dict[Any, Any]) -> Any:
        request = Request(http_scope("GET", "/?q=x"))
        prepared = bound.prepare(request, asyncio.to_thread, overrides) if bound.prepare is not None else bound
        return await prepared.bind(prepared.call, request, [])

    bound = bind(handler)
    assert asyncio.run(call({})) == "async x"
    assert asyncio.run(call({asynchronous: lambda: "other"})) == "other"
    assert asyncio.run(call({})) == "async x"


def test_binding_an_unprepared_request_is_refused() -> None:
    route = Account().routes["/me"]
    with pytest.raises(RuntimeError, match=r"call Route\.prepare first"):
        asyncio.run(route.bind(route.call, Request(http_scope("GET", "/me")), []))


def test_route_without_dependencies_has_nothing_to_prepare() -> None:
    class Api(App):
        async def index(self) -> None: ...

    assert Api().routes["/"].prepare is None
