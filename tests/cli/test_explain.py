"""`micropie explain` shows what would happen, and calls none of the user's code."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.commands import project, run

SHOP = {
    "shop.py": """
        from collections.abc import AsyncIterator
        from contextlib import asynccontextmanager
        from typing import Annotated, Any
        from msgspec import Meta, Struct
        from micropie import App, Body, Cookie, Form, Header, HttpMiddleware, Query, Request, Resource, Session
        from micropie import UploadFile, WebSocket, route

        class Item(Struct):
            name: str
            price: Annotated[int, Meta(ge=1)] = 1

            def __post_init__(self) -> None:
                if self.name == "crash":
                    raise RuntimeError("inside")

        class Filter(Struct):
            size: str = ""

        class Items(Resource):
            def get(self, page: int = 1) -> str: raise SystemExit
            def post(self, item: Item) -> str: raise SystemExit
            @route("/{id}", methods=["GET"])
            def read(self, id: int) -> str: raise SystemExit

        class Inner(App):
            async def page(self, number: int) -> str: raise SystemExit

        async def plain(scope, receive, send): raise SystemExit

        class Shop(App):
            items = Items()
            inner = Inner()

            @asynccontextmanager
            async def lifespan(self):
                raise SystemExit
                yield

            def index(self) -> str: raise SystemExit
            def find(self, *words: str, limit: int = 10, **more: int) -> str: raise SystemExit
            def filter(self, by: Annotated[Filter, Query()]) -> str: raise SystemExit
            def agent(self, *, user_agent: Annotated[str, Header()], lang: Annotated[str, Cookie()] = "en") -> str: ...
            def account(
                self, user: Annotated[str, Session()], cart: Annotated[Item | None, Session("cart")] = None
            ) -> str: ...
            def state(self, all: Annotated[Item, Session()]) -> str: ...
            def raw(self, body: Annotated[bytes, Body()]) -> str: ...
            def stream(self, body: AsyncIterator[bytes]) -> str: ...
            def two(self, first: Item, second: Item) -> str: ...
            def mixed(self, request: Request, anything, ids: list[int] = []) -> str: ...
            def photo(self, photo: UploadFile, title: Annotated[str, Form()] = "") -> str: ...
            async def ws_chat(self, ws: WebSocket, room: str, size: int = 1) -> None: raise SystemExit

        class Guard(HttpMiddleware):
            async def before_request(self, request): raise SystemExit
            async def after_request(self, request, status_code, response_body, extra_headers): raise SystemExit

        app = Shop()
        app.startup_handlers.append(plain)
        app.mount("/static", plain)
        app.mount("/again", Inner())
        guarded = Shop()
        guarded.middlewares.append(Guard())
        guarded.error_handlers[Exception] = plain
    """,
    "milk.json": '{"name": "Milk"}',
}


@pytest.fixture(autouse=True)
def shop(tmp_path: Path) -> Iterator[Path]:
    with project(tmp_path, SHOP) as directory:
        yield directory


def explained(*arguments: str, stdin: str = "") -> Any:
    ran = run("explain", "shop:app", *arguments, "--format", "json", stdin=stdin)
    assert ran.err == ""
    document = msgspec.json.decode(ran.out)
    refused = document["answer"] is not None and document["answer"]["status"] >= 400
    assert ran.exit_code == (1 if refused else 0)
    return document


TEXT = """\
POST /items?x=1

Route
  POST  /items  shop.Items.post  shop.py:21
  It answers: a Resource's own URL.

Why not another
  any  /              shop.Shop.index  it takes no path values, and there is 1
  GET  /items/{id}    shop.Items.read  it takes 1 segment, and there are none
  GET  /items/{page}  shop.Items.get   it answers GET
  12 more have a URL that begins differently.

Arguments
  item  Item  the JSON body: {"name": "Milk"}  → Item(name='Milk', price=1)

Result
  shop.Items.post would be called with these arguments.

Notes
  No parameter takes 'x' from the query.

Binder
  def bind(call, request, segments):
"""

REFUSED = """\
GET /items/Milk

Route
  GET  /items/{id}  shop.Items.read  shop.py:22
  It answers: a @route path that begins with a value.

Why not another
  any   /              shop.Shop.index  it takes no path values, and there are 2
  GET   /items/{page}  shop.Items.get   it fits too, but a @route path that begins with a value goes before a Resource's own URL
  POST  /items         shop.Items.post  it takes no path values, and there is 1
  12 more have a URL that begins differently.

Arguments
  id  int  path segment 1: Milk  → Invalid path parameter 'id': Expected an integer

Result
  The client gets 400 Bad Request:
  Content-Type: text/plain; charset=utf-8
  400 Bad Request: Invalid path parameter 'id': Expected an integer

Binder
"""  # noqa: E501  (a line of the output)

NOWHERE = """\
GET /item

Route
  No route answers this path. Did you mean /items?

Why not another
  any  /  shop.Shop.index  it takes no path values, and there is 1
  12 more have a URL that begins differently.

Result
  The client gets 404 Not Found:
  Content-Type: text/plain; charset=utf-8
  404 Not Found
"""


@pytest.mark.parametrize(
    ("arguments", "exit_code", "text"),
    [
        (["POST /items?x=1", "-d", '{"name": "Milk"}'], 0, TEXT),
        (["/items/Milk"], 1, REFUSED),
        (["/item"], 1, NOWHERE),
    ],
)
def test_text_shows_the_result_and_its_reasons(arguments: list[str], exit_code: int, text: str) -> None:
    ran = run("explain", "shop:app", *arguments)
    assert (ran.exit_code, ran.out[: len(text)], ran.err) == (exit_code, text, "")


ARGUMENTS: list[tuple[list[str], list[tuple[str, str | None, str, str | None, str | None]]]] = [
    (["/items"], [("page", None, "its default", None, "1")]),
    (["/items?page=2"], [("page", "query", "the query's 'page'", "2", "2")]),
    (["/items/7"], [("id", "path", "path segment 1", "7", "7")]),
    (["GET /items", "-d", "page=4"], [("page", "form", "the form's 'page'", "4", "4")]),
    (["GET /items", "-d", '{"page": 4}'], [("page", "body", "the JSON body's 'page'", "4", "4")]),
    (["/items", "--session", '{"page": 5}'], [("page", "session", "the session's 'page'", "5", "5")]),
    (
        ["/items", "-d", "name=Tea", "-d", "price=3"],
        [("item", "form", "the form", None, "Item(name='Tea', price=3)")],
    ),
    (
        ["/items", "-d", "@milk.json"],
        [("item", "body", "the JSON body", '{"name": "Milk"}', "Item(name='Milk', price=1)")],
    ),
    (
        ["/items", "-d", "@-"],
        [("item", "body", "the JSON body", '{"name":"In"}', "Item(name='In', price=1)")],
    ),
    (
        ["/find/a%20b/c?limit=2&size=4"],
        [
            ("words", "path", "the other path segments", "a b/c", "('a b', 'c')"),
            ("limit", "query", "the query's 'limit'", "2", "2"),
            ("more", "query", "the other names of the query and the form", None, "{'size': 4}"),
        ],
    ),
    (["/filter?size=xl"], [("by", "query", "the query", None, "Filter(size='xl')")]),
    (
        ["/agent", "-H", "User-Agent: curl", "-H", "cookie: lang=de"],
        [
            ("user_agent", "header", "the header User-Agent", "curl", "'curl'"),
            ("lang", "cookie", "the cookie 'lang'", "de", "'de'"),
        ],
    ),
    (
        ["/account?user=eve", "--session", '{"user": "ann", "cart": {"name": "x"}}'],
        [
            ("user", "session", "the session's 'user'", "'ann'", "'ann'"),
            ("cart", "session", "the session's 'cart'", "{'name': 'x'}", "Item(name='x', price=1)"),
        ],
    ),
    (["/state", "--session", '{"name": "x"}'], [("all", "session", "the session", None, "Item(name='x', price=1)")]),
    (["/raw", "-d", "as it is"], [("body", "body", "the body, not decoded", "as it is", "b'as it is'")]),
    (
        ["/two", "-d", '{"first": {"name": "a"}, "second": {"name": "b"}}'],
        [
            ("first", "body", "the JSON body's 'first'", '{"name": "a"}', "Item(name='a', price=1)"),
            ("second", "body", "the JSON body's 'second'", '{"name": "b"}', "Item(name='b', price=1)"),
        ],
    ),
    (
        ["/mixed/what?ids=1&ids=2"],
        [
            ("request", None, "the request itself", None, None),
            ("anything", "path", "path segment 1", "what", "'what'"),
            ("ids", "query", "the query's 'ids'", "1, 2", "[1, 2]"),
        ],
    ),
    (
        ["ws:/chat/lobby?size=2"],
        [
            ("ws", None, "the connection", None, None),
            ("room", "path", "path segment 1", "lobby", "'lobby'"),
            ("size", "query", "the query's 'size'", "2", "2"),
        ],
    ),
    (["/again/page/3"], [("number", "path", "path segment 1", "3", "3")]),
    (["/inner/page/3"], [("number", "path", "path segment 1", "3", "3")]),
]
"""Command-line arguments; then name, source, origin, sent text and value of each argument of the handler."""


@pytest.mark.parametrize(("arguments", "expected"), ARGUMENTS, ids=lambda value: " ".join(map(str, value))[:40])
def test_each_argument_is_shown_with_its_source(arguments: list[str], expected: list[Any]) -> None:
    document = explained(*arguments, stdin='{"name":"In"}')
    names = ("name", "source", "origin", "sent", "value")
    assert [tuple(item[name] for name in names) for item in document["arguments"]] == expected
    assert (document["answer"], document["route"]["outcome"]) == (None, "chosen")


def test_file_and_a_stream_are_named_and_not_read() -> None:
    multipart = '--x\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\n\r\nabc\r\n--x--\r\n'
    document = explained("/photo", "-d", multipart, "-H", "Content-Type: multipart/form-data; boundary=x")
    photo, title = document["arguments"]
    assert (photo["origin"], photo["sent"], photo["value"][:19]) == ("the file 'photo'", "a.png", "<UploadFile 'photo'")
    assert (title["origin"], title["value"]) == ("its default", "''")
    stream = explained("/stream", "-d", "abc")["arguments"][0]
    assert (stream["origin"], "async_generator" in stream["value"]) == ("the body as a stream", True)


ERRORS = [
    (["/items", "-d", "price=0"], "item", ["Missing required parameter 'name'", "Expected an integer >= 1"]),
    (["/items", "-d", "{"], "item", ["Missing required parameter 'name'", "The body was read as a form"]),
    (["/items", "-d", "{", "-H", "Content-Type: application/json"], "item", ["Bad JSON"]),
    (["/items", "-d", "x", "-H", "Content-Type: text/plain"], "item", ["415 Unsupported Media Type"]),
    (["/items", "-d", '{"name": "crash"}'], "item", ["RuntimeError: inside"]),
    (["/account"], "user", ["Missing required parameter 'user'"]),
    (["/agent", "-H", "User-Agent: \N{SNOWMAN}"], "user_agent", []),
]


@pytest.mark.parametrize(("arguments", "name", "errors"), ERRORS)
def test_each_argument_is_shown_with_its_error(arguments: list[str], name: str, errors: list[str]) -> None:
    document = explained(*arguments)
    argument = next(item for item in document["arguments"] if item["name"] == name)
    assert len(argument["errors"]) == len(errors)
    assert all(part in whole for part, whole in zip(errors, argument["errors"], strict=True))
    assert (document["answer"] is not None) is bool(errors)


def test_framework_responds_to_options_itself() -> None:
    document = explained("OPTIONS /items/3")
    assert (document["answer"]["status"], document["answer"]["headers"]) == (204, [["Allow", "GET, HEAD, OPTIONS"]])
    assert run("explain", "shop:app", "OPTIONS /items/3").exit_code == 0


def test_handshake_is_refused_with_a_code_and_a_reason() -> None:
    document = explained("WEBSOCKET /chat/lobby?size=big")
    assert (document["answer"]["status"], document["answer"]["reason"]) == (
        1008,
        "Invalid query parameter 'size': Expected an integer",
    )
    text = run("explain", "shop:app", "ws://there/nowhere").out
    assert "The handshake is refused: 1008 404 Not Found" in text


def test_mounted_app_is_named_and_not_called() -> None:
    document = explained("/static/a.css")
    assert (document["route"]["url"], document["route"]["name"], document["arguments"]) == ("/static", "shop.plain", [])
    assert "shop.plain, which is mounted here, would be called." in run("explain", "shop:app", "/static/x").out


def test_notes_list_what_could_change_the_result() -> None:
    ran = run("explain", "shop:guarded", "/items/x")
    assert ran.out.partition("Notes\n")[2].splitlines()[:2] == [
        "  Middleware is not run here; it may respond first or choose another route: Guard.",
        "  The error handler for Exception is not called here; its response would replace this one.",
    ]


def test_binder_is_the_source_of_the_route() -> None:
    binder = explained("/items/3")["binder"]
    assert binder == importlib.import_module("shop").app.routes["GET /items/{id}"].source


def test_request_line_is_parsed_into_method_target_and_headers() -> None:
    asked = explained("get http://shop.test/items?q=é#part", "-H", "X-One:  1 ")["request"]
    assert asked == {
        "method": "GET",
        "target": "/items?q=%C3%A9",
        "headers": [["X-One", "1"], ["Host", "shop.test"]],
    }
    assert explained("/items", "-d", "a=1")["request"] == {
        "method": "POST",
        "target": "/items",
        "headers": [
            ["Content-Type", "application/x-www-form-urlencoded"],
            ["Content-Length", "3"],
            ["Host", "localhost"],
        ],
    }


WRONG = [
    ([""], "'' is not a request such as 'POST /todos/3?x=1'."),
    (["items"], "'items' is not a request"),
    (["POST items"], "Did you mean 'POST /items'?"),
    (["GET /a b"], "Write a space in a path as %20."),
    (["G@T /"], "'G@T' is not a method."),
    (["/", "-H", "Accept"], "'Accept' is not a header such as 'Accept: text/plain'."),
    (["/", "-H", "A: b\nC: d"], "is not a header such as"),
    (["/", "-H", "ä: b"], "is not a header such as"),
    (["/", "-d", "@absent.json"], "'absent.json' cannot be read: No such file or directory."),
    (["ws:/chat/x", "-d", "a"], "A WebSocket handshake has no body. Remove -d."),
    (["/", "--session", "[1]"], "'[1]' is not a JSON object such as"),
    (["/", "--session", "{"], "'{' is not a JSON object such as"),
    (["/", "--session", '{"\udcff": 1}'], "is not a JSON object such as"),
    ([], "Missing argument 'REQUEST'"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_usage_exits_2_with_the_right_form(arguments: list[str], message: str) -> None:
    ran = run("explain", "shop:app", *arguments)
    assert (ran.exit_code, ran.out) == (2, "")
    assert message in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(("target", "exit_code"), [("shop:ap", 3), ("shop:plain", 2), ("sofa:app", 3)])
def test_missing_app_exits_3(target: str, exit_code: int) -> None:
    ran = run("explain", target, "/")
    assert (ran.exit_code, ran.out) == (exit_code, "")


NO_TEXT = "\udcff"
"""Python's spelling of the byte 0xFF in an argument (PEP 383)."""


@pytest.mark.parametrize(
    ("arguments", "detail"),
    [
        ([f"/find/{NO_TEXT}"], "The path is not valid UTF-8 text"),
        ([f"/find?limit={NO_TEXT}"], "Expected UTF-8 text"),
        (["/agent", "-H", f"User-Agent: {NO_TEXT}"], "Expected UTF-8 text"),
        (["/items", "-d", f"name={NO_TEXT}"], "Expected UTF-8 text"),
    ],
)
def test_bytes_that_are_not_text_are_sent_unchanged(arguments: list[str], detail: str) -> None:
    ran = run("explain", "shop:app", *arguments)
    assert (ran.exit_code, detail in ran.out) == (1, True)
    assert detail in explained(*arguments)["answer"]["body"]
