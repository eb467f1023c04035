"""URLs from the methods themselves: which one a method has, what its arguments become, and what is refused."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from micropie import (
    ELSEWHERE,
    App,
    Body,
    Cookie,
    Form,
    Header,
    HttpMiddleware,
    Path,
    Query,
    Request,
    Resource,
    Session,
    UploadFile,
    WebSocket,
    route,
)
from tests.support.asgi import call, call_socket


class Colour(Enum):
    RED = "red"
    ODD = "a/b"


class Filter(Struct):
    page: int = 1
    tags: list[str] = []
    owner: str | None = None


class Todos(Resource):
    async def get(self, id: int, *, deep: bool = False) -> str:
        return f"{id} {deep}"

    async def post(self, todo: Filter) -> str:
        return ""

    async def done(self, id: int) -> str:
        return f"done {id}"


class Index(Resource):
    async def get(self) -> str:
        return "index"


class Admin(App):
    index_of = Index()

    async def index(self) -> str:
        return "admin"

    async def user(self, id: int) -> str:
        return f"admin {id}"


class Shop(App):
    todos = Todos()
    admin = Admin()

    async def index(self, *rest: str) -> list[str]:
        return list(rest)

    async def user(self, id: int, verbose: bool = False) -> None: ...
    async def greet(self, name: str = "Guest") -> None: ...
    async def two(self, a: int = 1, b: int = 2) -> None: ...
    async def scalars(self, value: int | float | Decimal | str, *, when: datetime | date | None = None) -> None: ...
    async def either(self, value: int | str) -> None: ...
    async def many(self, ids: list[int], *, names: set[str] | None = None) -> None: ...
    async def kinds(self, *, colour: Colour = Colour.RED, how: Literal["a b", 1] = 1, raw: bytes = b"") -> None: ...
    async def span(self, *, at: datetime, during: timedelta) -> None: ...
    async def optional(self, *, number: int | None, text: str | None = "x") -> None: ...
    async def filtered(self, wanted: Annotated[Filter, Query()]) -> None: ...
    async def aliased(self, value: Annotated[int, Query("x y")]) -> None: ...
    async def files(self, *parts: str) -> None: ...
    async def numbers(self, first: int, *rest: int) -> None: ...
    async def options(self, /, **options: int) -> None: ...
    async def lists(self, /, **options: list[int]) -> None: ...
    async def unannotated(self, value, *, other=None): ...  # type: ignore[no-untyped-def]  # as it says
    async def pinned(self, a: Annotated[int, Path()] = 1, b: Annotated[str, Path()] = "x") -> None: ...
    async def behind(self, a: int, b: Annotated[int, Path()]) -> None: ...
    async def limited(self, page: Annotated[int, Meta(ge=1)]) -> None: ...
    async def größe(self, maß: str) -> None: ...
    async def about(self, request: Request, user: Annotated[str, Session()], id: int) -> None: ...
    async def posted(self, key: Annotated[str, Header()], sid: Annotated[str, Cookie()], id: int) -> None: ...
    async def stored(self, file: UploadFile, note: Annotated[str, Form()], key: Annotated[int, Body()]) -> None: ...
    async def ws_chat(self, ws: WebSocket, room: str = "lobby", *, quiet: bool = False) -> None: ...
    async def ws_index(self, ws: WebSocket) -> None: ...

    @route("/users/{id}/posts/{post}")
    async def posts(self, id: int, post: str, *, sort: str = "new") -> None: ...

    @route("/tree/{top}")
    async def tree(self, top: str, *below: str) -> None: ...

    @route("/a b/{page}")
    async def spaced(self, page: int = 1) -> None: ...

    @route("/users/me/posts/{post}")
    async def mine(self, post: str) -> None: ...

    @route("/only", methods=["POST", "DELETE"])
    async def only(self) -> None: ...

    @staticmethod
    def ping(count: int) -> None: ...

    @classmethod
    def pong(cls, count: int) -> None: ...


app = Shop()
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
def test_a_call_has_a_url(handler: Any, args: tuple[Any, ...], kwargs: dict[str, Any], url: str) -> None:
    assert app.url(handler, *args, **kwargs) == url
    assert app.url(handler, *args, **kwargs) == url


# The handler, the arguments, what is raised, and words of it.
REFUSED: list[tuple[Any, tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    (Shop.user, (), {}, TypeError, r"Shop\.user: missing a required argument: 'id'"),
    (Shop.user, (1, True, 3), {}, TypeError, "takes 2 positional arguments, not 3"),
    (Shop.user, (1,), {"verbos": True}, TypeError, "no parameter is called 'verbos'"),
    (Shop.user, (1,), {"id": 2}, TypeError, "'id' is given twice"),
    (Shop.user, ("x",), {}, ValueError, r"^Shop\.user: 'id' does not fit: expected an integer$"),
    (Shop.user, ([1],), {}, ValueError, "'id' cannot be sent as text: list cannot be written as text"),
    (Shop.aliased, (ELSEWHERE,), {}, ValueError, "'value' has no other source: pass its value, not ELSEWHERE"),
    (Shop.limited, (0,), {}, ValueError, "expected an integer >= 1"),
    (Shop.behind, (ELSEWHERE, 1), {}, ValueError, "'a' is missing, but a later path value is given"),
    (Shop.greet, ("a\0b",), {}, ValueError, "holds a NUL"),
    (Shop.greet, ("\ud800",), {}, ValueError, "holds a lone surrogate"),
    (Shop.greet, (5,), {}, ValueError, "would arrive as another value"),
    (Shop.either, ("5",), {}, ValueError, "'value' would arrive as another value"),
    (Shop.kinds, (), {"raw": b"\xff"}, ValueError, "'raw' cannot be sent as text"),
    (Shop.many, ([],), {}, ValueError, "'ids' cannot be empty"),
    (Shop.optional, (), {"number": 1, "text": None}, ValueError, "'text' would arrive as another value"),
    (Shop.posts, (3, ".."), {}, ValueError, r"'post' cannot be '\.\.' in a path"),
    (Shop.posts, (3, "."), {}, ValueError, r"'post' cannot be '\.' in a path"),
    (Shop.files, ("..",), {}, ValueError, "clients remove that segment"),
    (Shop.index, ("user",), {}, ValueError, "a request for /user reaches another route, or none"),
    (Shop.index, ("todos", "3"), {}, ValueError, "a request for /todos/3 reaches another route"),
    (Shop.index, ("", "x"), {}, ValueError, "cannot begin with an empty value"),
    (Shop.options, (), {"self": 1}, ValueError, "cannot hold 'self'"),
    (Shop.unannotated, ({},), {}, ValueError, "dict cannot be written as text"),
    (Shop.about, (Request({"headers": []}), ELSEWHERE, 3), {}, ValueError, "'request' is filled by the server"),
    (Shop.about, (ELSEWHERE, "Ann", 3), {}, ValueError, "'user' is filled by the server"),
    (Shop.posted, ("key", ELSEWHERE, 3), {}, ValueError, "'key' is not part of a URL: leave it out, or pass ELSEWHERE"),
    (Todos.post, (Filter(),), {}, ValueError, r"Todos\.post: 'todo' is not part of a URL"),
    (len, (), {}, LookupError, "len has no URL in Shop"),
    ("user", (), {}, LookupError, "'user' has no URL in Shop"),
    (Shop.__init__, (), {}, LookupError, "has no URL in Shop"),
    (Shop().user, (3,), {}, LookupError, "its object is not part of the app"),
]


@pytest.mark.parametrize(("handler", "args", "kwargs", "error", "words"), REFUSED)
def test_what_would_not_come_back_is_refused(
    handler: Any, args: tuple[Any, ...], kwargs: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        app.url(handler, *args, **kwargs)


class Pair(App):
    open = Todos()
    closed = Todos()


def test_a_method_of_two_objects_needs_the_object() -> None:
    pair = Pair()
    with pytest.raises(
        LookupError, match=r"Todos\.get is at /open/\{id\} and /closed/\{id\}: pass the method of one object"
    ):
        pair.url(Todos.get, 3)
    assert [pair.url(pair.open.get, 3), pair.url(pair.closed.get, 3)] == ["/open/3", "/closed/3"]


def test_of_one_object_held_twice_the_first_place_is_meant() -> None:
    class Twice(App):
        first = second = Todos()

    assert Twice().url(Todos.get, 3) == Twice().url(Twice.second.get, 3) == "/first/3"


def test_an_inherited_method_is_the_one_that_overrides_it() -> None:
    class Mine(Shop):
        async def greet(self, name: str = "Me") -> None: ...

    mine = Mine()
    assert mine.url(Shop.greet, "Guest") == mine.url(Mine.greet, "Guest") == "/greet/Guest"
    assert mine.url(Shop.user, 3) == mine.url(Mine.user, 3) == "/user/3"


def test_handlers_set_late_have_urls_and_those_taken_away_have_none() -> None:
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


def test_what_instances_hold_is_found() -> None:
    @dataclass
    class Holding(App):
        todos: Todos = field(default_factory=Todos)

    holding = Holding()
    assert holding.url(Todos.get, 3) == holding.url(holding.todos.get, 3) == "/todos/3"


def test_mounted_apps_of_ours_are_below_their_prefix() -> None:
    outer, inner = Pair(), Shop()
    outer.mount("/a b/inner", inner)
    assert outer.url(Shop.user, 3) == "/a%20b/inner/user/3"
    assert inner.url(Shop.user, 3) == "/user/3"


def test_what_a_mounted_app_takes_over_has_no_url() -> None:
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


def test_a_held_app_with_middleware_has_urls_like_any_other() -> None:
    shop = Shop()
    shop.admin.middlewares.append(Counting())
    try:
        assert shop.url(Admin.user, 3) == "/admin/user/3"
    finally:
        shop.admin.middlewares.clear()


def test_a_resource_by_itself_knows_no_urls() -> None:
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
def test_in_a_request_a_url_begins_with_the_root_path(root: str, path: str, url: str) -> None:
    assert call(Here(), "GET", path, root_path=root).text == url


def test_a_mounted_app_knows_its_prefix_in_a_request() -> None:
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
        ("/one/1", "/one/2"),  # of several, the one that asks
        ("/two/1", "/two/2"),
        ("/two/other", "/user/3"),
        ("/nested/parts/1", "/nested/parts/2"),
        ("/nested/parts/other", "/user/3"),
    ],
)
def test_in_a_request_everything_that_an_app_holds_knows_all_its_urls(path: str, url: str) -> None:
    assert call(Holds(), "GET", path).text == url
    assert call(Holds(), "GET", "/root" + path, root_path="/root").text == "/root" + url


def test_a_held_app_knows_its_place_in_a_request() -> None:
    assert call(Holds(), "GET", "/nested").text == "/nested/parts/1 /nested"  # of several, the one that it holds
    assert call(Nested(), "GET", "/").text == "/parts/1 /"
    assert {"type": "websocket.send", "text": "/nested"} in call_socket(Holds(), "/where")


@pytest.mark.parametrize(
    ("handler", "args", "kwargs", "url"), [one for one in URLS if one[0] in (Todos.get, Todos.done)]
)
def test_a_url_leads_to_its_method(handler: Callable[..., Any], args: Any, kwargs: Any, url: str) -> None:
    expected = asyncio.run(handler(app.todos, *args, **kwargs))
    assert call(app, "GET", app.url(handler, *args, **kwargs)).text == expected
