"""These tests make routes from handlers: everything that is decided about them before the first request."""

import math
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import pytest
from msgspec import Struct

from micropie import App, Depends, Query, WebSocket
from micropie.binding.signature_reader import read_signature
from micropie.routing.methods import ANY_METHOD
from micropie.routing.route import Route, make_route


class Event(Struct):
    text: str


def user() -> str:
    return "ann"


async def none() -> str:
    return ""


async def two(first: str, second: int = 0) -> str:
    return ""


async def rest(first: str, *rest: str) -> str:
    return ""


async def keywords(*, name: str = "", **more: str) -> str:
    return ""


async def pinned(page: Annotated[int, Query()]) -> str:
    return ""


def blocking() -> str:
    return ""


async def events() -> AsyncIterator[Event]:
    yield Event("x")


async def untyped_socket(ws: WebSocket) -> None: ...


async def typed_socket(ws: WebSocket[Event, bytes], room: str) -> None: ...


def create_route(handler: Callable[..., Any], path: str = "/x", **options: Any) -> Route:
    is_websocket = handler.__name__.endswith("socket")
    signature, problems = read_signature(handler, "test", websocket=is_websocket)
    assert problems == []
    return make_route(handler, signature, path=path, name=f"tests.Site.{handler.__name__}", **options)


PATHS: list[tuple[Callable[..., Any], str, str, float]] = [
    (none, "/", "/", 0),
    (none, "/x", "/x", 0),
    (two, "/x", "/x/{first}/{second}", 2),
    (two, "/", "/{first}/{second}", 2),
    (two, "/x/{first}", "/x/{first}/{second}", 2),
    (two, "/{second}/{first}", "/{second}/{first}", 2),
    (rest, "/x", "/x/{first}/{*rest}", math.inf),
    (keywords, "/x", "/x", 0),
    (pinned, "/x", "/x", 0),
    (typed_socket, "/x", "/x/{room}", 1),
]


@pytest.mark.parametrize(("handler", "path", "expected", "count"), PATHS)
def test_path_shows_the_values_that_the_handler_takes(
    handler: Callable[..., Any], path: str, expected: str, count: float
) -> None:
    route = create_route(handler, path)
    assert (route.path, route.path_values) == (expected, count)
    assert repr(route) == f"<Route {expected} tests.Site.{handler.__name__}>"


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        (None, None),
        (frozenset({"POST"}), frozenset({"POST"})),
        (frozenset({"GET"}), frozenset({"GET", "HEAD"})),
        (frozenset({"GET", "HEAD", "PUT"}), frozenset({"GET", "HEAD", "PUT"})),
    ],
)
def test_route_with_get_takes_head_too(methods: frozenset[str] | None, expected: frozenset[str] | None) -> None:
    route = create_route(none, methods=methods)
    assert (route.methods, route.answers) == (expected, expected or ANY_METHOD)


@pytest.mark.parametrize(
    ("handler", "options", "expected"),
    [
        (none, {}, True),
        (two, {}, True),
        (blocking, {}, False),
        (blocking, {"threaded": False}, False),
        (events, {}, False),
        (typed_socket, {}, True),
    ],
)
def test_call_is_plain_if_only_the_result_must_be_awaited(
    handler: Callable[..., Any], options: dict[str, Any], expected: bool
) -> None:
    assert create_route(handler, **options).is_plain is expected


def test_call_is_not_plain_if_the_handler_depends_on_a_function() -> None:
    class Site(App):
        async def me(self, name: Annotated[str, Depends(user)]) -> str:
            return name

    assert not Site().routes["/me"].is_plain


@pytest.mark.parametrize(
    ("handler", "types"),
    [
        (none, (str, str)),
        (untyped_socket, (str, str)),
        (typed_socket, (Event, bytes)),
    ],
)
def test_message_types_are_those_of_the_connection(handler: Callable[..., Any], types: tuple[Any, Any]) -> None:
    assert create_route(handler).messages == types


def test_stream_type_follows_from_the_return_annotation() -> None:
    assert create_route(events).stream_type == "application/jsonl"
    assert create_route(none).stream_type is None


def test_attribute_is_the_name_of_the_method() -> None:
    assert create_route(two).attribute == "two"


def test_routes_are_equal_only_to_themselves() -> None:
    first, second = create_route(none), create_route(none)
    assert first != second
    assert len({first, second}) == 2
