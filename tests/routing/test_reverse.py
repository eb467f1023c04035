"""These tests build URLs from handlers and arguments, and refuse those that would lead elsewhere."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from micropie import (
    ELSEWHERE,
    App,
    HttpMiddleware,
    Request,
    Resource,
    WebSocket,
)
from tests.support.asgi import call, call_socket

from .linked_app import Admin, Colour, Filter, Index, Shop, Todos, app

UTC_DAY = datetime(2024, 1, 1, tzinfo=UTC)


# The handler, the arguments, the URL.
URLS: list[tuple[Any, tuple[Any, ...], dict[str, Any], str]] = [
    (Shop.user, (3,), {}, "/user/3"),
    (Shop.user, (3,), {"verbose": True}, "/user/3?verbose=true"),
    (Shop.user, (3, True), {}, "/user/3/true"),
    (Shop.user, (3,), {"verbose": False}, "/user/3"),
    (Shop.user, (), {"id": 3}, "/user/3"),
    (app.user, (3,), {}, "/user/3"),
    (Shop.greet, (), {}, "/greet"),
    (Shop.greet, ("Ann",), {}, "/greet/Ann"),
    (Shop.greet, (), {"name": "Ann"}, "/greet?name=Ann"),
    (Shop.greet, ("Guest",), {}, "/greet"),
    (Shop.greet, ("a/b",), {}, "/greet/a%2Fb"),
    (Shop.greet, ("a b?c#d%e&f+g",), {}, "/greet/a%20b%3Fc%23d%25e%26f%2Bg"),
    (Shop.greet, ("x:y@z-._~",), {}, "/greet/x:y@z-._~"),
    (Shop.greet, ("é\N{SNOWMAN}",), {}, "/greet/%C3%A9%E2%98%83"),
    (Shop.greet, ("",), {}, "/greet?name="),
    (Shop.greet, ("..",), {}, "/greet?name=.."),
    (Shop.greet, ("...",), {}, "/greet/..."),
    (Shop.two, (), {"b": 5}, "/two?b=5"),
    (Shop.two, (3, 5), {}, "/two/3/5"),
    (Shop.two, (1, 5), {}, "/two?b=5"),
    (Shop.scalars, (2.5,), {}, "/scalars/2.5"),
    (Shop.scalars, (1e300,), {}, "/scalars/1e%2B300"),
    (Shop.scalars, (10**30,), {}, "/scalars/1" + "0" * 30),
    (Shop.scalars, (1,), {"when": UTC_DAY}, "/scalars/1?when=2024-01-01T00%3A00%3A00Z"),
    (Shop.scalars, (1,), {"when": date(2024, 1, 1)}, "/scalars/1?when=2024-01-01"),
    (Shop.scalars, (1,), {"when": None}, "/scalars/1"),
    (Shop.either, (5,), {}, "/either/5"),
    (Shop.either, ("five",), {}, "/either/five"),
    (Shop.many, ([1, 2],), {}, "/many?ids=1&ids=2"),
    (Shop.many, ([1],), {"names": {"a b"}}, "/many?ids=1&names=a+b"),
    (
        Shop.kinds,
        (),
        {"colour": Colour.ODD, "how": "a b", "raw": b"\xc3\xa9"},
        "/kinds?colour=a%2Fb&how=a+b&raw=%C3%A9",
    ),
    (Shop.kinds, (), {"colour": Colour.RED, "how": 1, "raw": b""}, "/kinds"),
    (
        Shop.span,
        (),
        {"at": datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=2))), "during": timedelta(hours=1)},
        "/span?at=2024-01-01T00%3A00%3A00%2B02%3A00&during=PT3600S",
    ),
    (Shop.optional, (), {"number": None}, "/optional?number="),
    (Shop.optional, (), {"number": 3, "text": "y"}, "/optional?number=3&text=y"),
    (Shop.filtered, (Filter(2, ["a", "b"], "Ann"),), {}, "/filtered?page=2&tags=a&tags=b&owner=Ann"),
    (Shop.filtered, (Filter(),), {}, "/filtered?page=1"),
    (Shop.aliased, (3,), {}, "/aliased?x+y=3"),
    (Shop.files, (), {}, "/files"),
    (Shop.files, ("a", "b/c", "", "d"), {}, "/files/a/b%2Fc//d"),
    (Shop.files, ("a", ""), {}, "/files/a//"),
    (Shop.numbers, (1, 2, 3), {}, "/numbers/1/2/3"),
    (Shop.options, (), {"a": 1, "b c": 2}, "/options?a=1&b+c=2"),
    (Shop.lists, (), {"a": [1, 2]}, "/lists?a=1&a=2"),
    (Shop.unannotated, ("a",), {"other": 5}, "/unannotated/a?other=5"),
    (Shop.pinned, (), {"b": "y"}, "/pinned/1/y"),
    (Shop.größe, ("ß",), {}, "/gr%C3%B6%C3%9Fe/%C3%9F"),
    (Shop.about, (ELSEWHERE, ELSEWHERE, 3), {}, "/about/3"),
    (Shop.about, (), {"id": 3}, "/about/3"),
    (Shop.posted, (ELSEWHERE, ELSEWHERE, 3), {}, "/posted/3"),
    (Shop.stored, (ELSEWHERE, ELSEWHERE, ELSEWHERE), {}, "/stored"),
    (Shop.stored, (), {}, "/stored"),
    (Shop.ws_chat, (ELSEWHERE,), {}, "/chat"),
    (Shop.ws_chat, (ELSEWHERE, "a b"), {"quiet": True}, "/chat/a%20b?quiet=true"),
    (Shop.ws_index, (ELSEWHERE,), {}, "/"),
    (Shop.posts, (3, "x y"), {"sort": "old"}, "/users/3/posts/x%20y?sort=old"),
    (Shop.posts, (3, ""), {}, "/users/3/posts//"),
    (Shop.tree, ("a", "b", "c"), {}, "/tree/a/b/c"),
    (Shop.tree, ("a",), {}, "/tree/a"),
    (Shop.spaced, (), {}, "/a%20b/1"),
    (Shop.mine, ("x",), {}, "/users/me/posts/x"),
    (Shop.only, (), {}, "/only"),
    (Shop.ping, (3,), {}, "/ping/3"),
    (Shop.pong, (3,), {}, "/pong/3"),
    (Shop.index, (), {}, "/"),
    (Shop.index, ("a/b", "c"), {}, "/a%2Fb/c"),
    (Todos.get, (3,), {}, "/todos/3"),
    (Todos.get, (3,), {"deep": True}, "/todos/3?deep=true"),
    (app.todos.get, (3,), {}, "/todos/3"),
    (Todos.post, (ELSEWHERE,), {}, "/todos"),
    (Todos.done, (4,), {}, "/todos/done/4"),
    (Admin.user, (3,), {}, "/admin/user/3"),
    (Admin.index, (), {}, "/admin"),
    (Index.get, (), {}, "/admin/index_of"),
]


@pytest.mark.parametrize(("handler", "args", "kwargs", "url"), URLS)
def test_call_of_a_handler_has_a_url(handler: Any, args: tuple[Any, ...], kwargs: dict[str, Any], url: str) -> None:
    assert app.url(handler, *args, **kwargs) == url
    assert app.url(handler, *args, **kwargs) == url


# The handler, the arguments, the exception, and words of its message.
REFUSED: list[tuple[Any, tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    (Shop.index, ("user",), {}, ValueError, "a request for /user reaches another route, or none"),
    (Shop.index, ("todos", "3"), {}, ValueError, "a request for /todos/3 reaches another route"),
    (Shop.index, ("", "x"), {}, ValueError, "cannot begin with an empty value"),
    (len, (), {}, LookupError, "len has no URL in Shop"),
    ("user", (), {}, LookupError, "'user' has no URL in Shop"),
    (Shop.__init__, (), {}, LookupError, "has no URL in Shop"),
    (Shop().user, (3,), {}, LookupError, "its object is not part of the app"),
]


@pytest.mark.parametrize(("handler", "args", "kwargs", "error", "words"), REFUSED)
def test_handler_without_a_url_for_these_arguments_is_refused(
    handler: Any, args: tuple[Any, ...], kwargs: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        app.url(handler, *args, **kwargs)


class Pair(App):
    open = Todos()
    closed = Todos()


def test_method_of_two_objects_needs_the_object() -> None:
    pair = Pair()
    with pytest.raises(
        LookupError, match=r"Todos\.get is at /open/\{id\} and /closed/\{id\}: pass the method of one object"
    ):
        pair.url(Todos.get, 3)
    assert [pair.url(pair.open.get, 3), pair.url(pair.closed.get, 3)] == ["/open/3", "/closed/3"]


def test_object_that_is_held_twice_has_the_url_of_its_first_place() -> None:
    class Twice(App):
        first = second = Todos()

    assert Twice().url(Todos.get, 3) == Twice().url(Twice.second.get, 3) == "/first/3"


def test_inherited_method_has_the_url_of_the_one_that_overrides_it() -> None:
    class Mine(Shop):
        async def greet(self, name: str = "Me") -> None: ...

    mine = Mine()
    assert mine.url(Shop.greet, "Guest") == mine.url(Mine.greet, "Guest") == "/greet/Guest"
    assert mine.url(Shop.user, 3) == mine.url(Mine.user, 3) == "/user/3"


def test_handler_that_is_set_late_has_a_url_until_it_is_deleted() -> None:
    class Late(App):
        async def old(self) -> None: ...

    async def new(self: Late, id: int) -> None: ...

    late: Any = Late()
    assert late.url(Late.old) == "/old"
    with pytest.raises(LookupError):
        late.url(new, 3)
    late.fresh = new.__get__(late)
    assert late.url(new, 3) == late.url(late.fresh, 3) == "/fresh/3"
    del late.fresh
    with pytest.raises(LookupError):
        late.url(new, 3)
    late.todos = Todos()
    assert late.url(Todos.get, 3) == "/todos/3"
    late.todos = Todos()
    assert late.url(Todos.get, 3) == late.url(late.todos.get, 3) == "/todos/3"


def test_resource_of_an_instance_has_urls() -> None:
    @dataclass
    class Holding(App):
        todos: Todos = field(default_factory=Todos)

    holding = Holding()
    assert holding.url(Todos.get, 3) == holding.url(holding.todos.get, 3) == "/todos/3"


def test_mounted_micropie_app_has_urls_below_its_prefix() -> None:
    outer, inner = Pair(), Shop()
    outer.mount("/a b/inner", inner)
    assert outer.url(Shop.user, 3) == "/a%20b/inner/user/3"
    assert inner.url(Shop.user, 3) == "/user/3"


def test_handler_behind_a_mounted_app_has_no_url() -> None:
    async def other(*_: object) -> None: ...

    shop = Shop()
    shop.mount("/user", other)
    with pytest.raises(ValueError, match="a request for /user/3 reaches another route"):
        shop.url(Shop.user, 3)


class Counting(HttpMiddleware):
    async def before_request(self, request: Request) -> None: ...
    async def after_request(
        self, request: Request, status_code: int, response_body: object, extra_headers: list[tuple[str, str]]
    ) -> None: ...


def test_held_app_with_middleware_has_urls() -> None:
    shop = Shop()
    shop.admin.middlewares.append(Counting())
    try:
        assert shop.url(Admin.user, 3) == "/admin/user/3"
    finally:
        shop.admin.middlewares.clear()


def test_resource_outside_a_request_cannot_build_urls() -> None:
    with pytest.raises(
        LookupError, match=r"Todos is a Resource, whose URLs depend on the app that holds it: call app\.url"
    ):
        app.todos.url(Todos.get, 3)


class Here(App):
    async def user(self, id: int) -> str:
        return self.url(Here.user, id + 1)

    def blocking(self) -> str:
        return self.url(self.user, 3)


@pytest.mark.parametrize(
    ("root", "path", "url"),
    [
        ("", "/user/1", "/user/2"),
        ("/api", "/api/user/1", "/api/user/2"),
        ("/api/", "/api/user/1", "/api/user/2"),
        ("/a b/é", "/a%20b/%C3%A9/user/1", "/a%20b/%C3%A9/user/2"),
        ("/api", "/api/blocking", "/api/user/3"),
    ],
)
def test_url_in_a_request_begins_with_the_root_path(root: str, path: str, url: str) -> None:
    assert call(Here(), "GET", path, root_path=root).text == url


def test_url_of_a_mounted_app_in_a_request_begins_with_its_prefix() -> None:
    outer = Pair()
    outer.mount("/inner", Here())
    assert call(outer, "GET", "/inner/user/1").text == "/inner/user/2"
    assert call(outer, "GET", "/root/inner/user/1", root_path="/root").text == "/root/inner/user/2"


class Linking(Resource):
    async def get(self, id: int) -> str:
        return self.url(Linking.get, id + 1)

    async def other(self) -> str:
        return self.url(Holds.user, 3)


class Nested(App):
    parts = Linking()

    async def index(self) -> str:
        return f"{self.url(Linking.get, 1)} {self.url(self.index)}"


class Holds(App):
    one = Linking()
    two = Linking()
    nested = Nested()

    async def user(self, id: int) -> None: ...

    async def ws_where(self, ws: WebSocket) -> None:
        await ws.accept()
        await ws.send(self.url(self.nested.index))


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/one/1", "/one/2"),  # of several, that of the caller
        ("/two/1", "/two/2"),
        ("/two/other", "/user/3"),
        ("/nested/parts/1", "/nested/parts/2"),
        ("/nested/parts/other", "/user/3"),
    ],
)
def test_held_resources_in_a_request_build_every_url_of_the_app(path: str, url: str) -> None:
    assert call(Holds(), "GET", path).text == url
    assert call(Holds(), "GET", "/root" + path, root_path="/root").text == "/root" + url


def test_url_of_a_held_app_in_a_request_begins_with_its_place() -> None:
    assert call(Holds(), "GET", "/nested").text == "/nested/parts/1 /nested"  # of several, that which it holds
    assert call(Nested(), "GET", "/").text == "/parts/1 /"
    assert {"type": "websocket.send", "text": "/nested"} in call_socket(Holds(), "/where")


@pytest.mark.parametrize(
    ("handler", "args", "kwargs", "url"), [one for one in URLS if one[0] in (Todos.get, Todos.done)]
)
def test_url_leads_to_its_handler(handler: Callable[..., Any], args: Any, kwargs: Any, url: str) -> None:
    expected = asyncio.run(handler(app.todos, *args, **kwargs))
    assert call(app, "GET", app.url(handler, *args, **kwargs)).text == expected
