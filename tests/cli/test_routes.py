"""`micropie routes` lists every URL, as a table and as JSON."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, Optional, TypeVar

import msgspec
import pytest
from msgspec import Meta

from micropie import App, WebSocket
from micropie.inspection.type_text import format_type
from micropie.inspection.url_list import list_urls
from tests.support.commands import project, run

SHOP = {
    "shop.py": """
        from typing import Annotated, Literal
        from msgspec import Meta, Struct
        from micropie import App, Header, Query, Request, Resource, WebSocket, route

        class Item(Struct):
            name: str

        class Items(Resource):
            def get(self, page: Annotated[int, Meta(ge=1)] = 1) -> list[Item]:
                return []

            def post(self, item: Item) -> tuple[Literal[201], Item]:
                return 201, item

            @route("/{id}", methods=["GET"])
            def read(self, id: int) -> Item:
                return Item("")

        class Admin(App):
            async def stats(self):
                return {}

        async def plain(scope, receive, send): ...

        class Shop(App):
            admin = Admin()
            items = Items()

            async def index(self, request: Request) -> str:
                return ""

            async def search(
                self,
                *words: str,
                agent: Annotated[str, Header("User-Agent")],
                size: Annotated[int | None, Query("s")] = None,
                **filters: str,
            ) -> list[Item]:
                return []

            async def ws_chat(self, ws: WebSocket[Item, int], room: str) -> None: ...

        class Empty(App): ...

        app = Shop()
        app.mount("/static", plain)
        app.mount("/old", Admin())
    """,
}

TABLE = """\
METHODS    URL               HANDLER            RETURNS
any        /                 shop.Shop.index    str
    request  Request  the request
any        /admin/stats      shop.Admin.stats
WEBSOCKET  /chat/{room}      shop.Shop.ws_chat  None
    ws    WebSocket[Item, int]  the connection
    room  str                   path, query, session
POST       /items            shop.Items.post    tuple[Literal[201], Item]
    item  Item  body
GET        /items/{id}       shop.Items.read    Item
    id  int  path
GET        /items/{page}     shop.Items.get     list[Item]
    page  int (ge=1) = 1  path, query, form, body, session
MOUNT      /old              shop.Admin
any        /old/stats        shop.Admin.stats
any        /search/{*words}  shop.Shop.search   list[Item]
    *words     str                path
    agent      str                header as User-Agent
    size       int | None = None  query as s
    **filters  str                query, form
MOUNT      /static           shop.plain
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Path]:
    with project(tmp_path, SHOP) as directory:
        yield directory


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("target", ["shop:app", "shop:app --format table", "shop:app --app-dir ."])
def test_table_has_every_url_with_its_parameters(target: str) -> None:
    ran = run("routes", *target.split())
    assert (ran.exit_code, ran.out, ran.err) == (0, TABLE, "")


def listed(*arguments: str) -> dict[str, dict[str, Any]]:
    ran = run("routes", *arguments, "--format", "json")
    assert ran.exit_code == 0
    return {f"{entry['url']} {' '.join(entry.get('methods', ()))}": entry for entry in msgspec.json.decode(ran.out)}


def test_json_has_the_same_and_the_place_of_each_handler(shop: Path) -> None:
    entries = listed("shop:app")
    assert len(entries) == 10
    assert entries["/items/{page} GET HEAD"] == {
        "url": "/items/{page}",
        "protocol": "http",
        "methods": ["GET", "HEAD"],
        "handler": "shop.Items.get",
        "file": str(shop / "shop.py"),
        "line": 9,
        "parameters": [
            {
                "name": "page",
                "dependency": None,
                "alias": "page",
                "kind": "positional",
                "type": "int",
                "constraints": {"ge": 1},
                "sources": ["path", "query", "form", "body", "session"],
                "required": False,
                "default": "1",
            }
        ],
        "returns": "list[Item]",
    }
    chat = entries["/chat/{room} "]
    assert {key: chat[key] for key in ("protocol", "receives", "sends")} == {
        "protocol": "websocket",
        "receives": "Item",
        "sends": "int",
    }
    assert entries["/static "] == {"url": "/static", "protocol": "mount", "app": "shop.plain"}
    assert entries["/admin/stats DELETE GET HEAD OPTIONS PATCH POST PUT"]["returns"] is None
    assert entries["/items/{id} GET HEAD"]["line"] == 15


DEPENDING = """
    from typing import Annotated
    from micropie import App, Depends, Header, Session

    def token(authorization: Annotated[str, Header()]) -> str: ...
    def user(known: Annotated[str, Depends(token)], name: Annotated[str, Session()]) -> str: ...

    class Site(App):
        async def me(self, who: Annotated[str, Depends(user)], page: Annotated[int, Depends(user)]) -> str: ...
"""


def test_parameters_of_dependencies_are_listed_once_per_handler(tmp_path: Path) -> None:
    with project(tmp_path, {"depending.py": DEPENDING}):
        assert run("routes", "depending:Site").out.splitlines()[2:] == [
            "    who                  str  dependency",
            "    page                 int  dependency",
            "    token.authorization  str  header as Authorization",
            "    user.name            str  session",
        ]
        (entry,) = listed("depending:Site").values()
        assert [(item["dependency"], item["name"]) for item in entry["parameters"]] == [
            (None, "who"),
            (None, "page"),
            ("depending.token", "authorization"),
            ("depending.user", "name"),
        ]


@pytest.mark.usefixtures("shop")
def test_app_without_urls_is_reported_as_empty() -> None:
    assert run("routes", "shop:Empty").out == "shop:Empty has no URLs.\n"
    assert run("routes", "shop:Empty", "--format", "json").out == "[]\n"


@pytest.mark.usefixtures("shop")
def test_terminal_gets_colours_unless_no_color_is_set() -> None:
    in_colours = run("routes", "shop:app", color=True).out
    assert "\x1b[" in in_colours
    assert "\x1b[" not in run("routes", "shop:app", color=True, NO_COLOR="1").out
    assert "\x1b[" not in run("routes", "shop:app").out


MISTAKES = {
    "shop": (2, "Did you mean shop:app?"),
    "shop:plain": (2, "'shop:plain' is an ASGI app, but this command can only inspect a micropie.App."),
    "shop:ap": (3, "Did you mean shop:app?"),
    "sofa:app": (3, "Module 'sofa' was not found"),
    "shop:app --format yaml": (2, "'yaml' is not one of 'table', 'json'"),
    "": (2, "Missing argument 'TARGET'"),
}


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("written", MISTAKES)
def test_each_mistake_has_its_message_and_its_exit_code(written: str) -> None:
    exit_code, message = MISTAKES[written]
    ran = run("routes", *written.split())
    assert (ran.exit_code, ran.out) == (exit_code, "")
    assert message in ran.err
    assert "Traceback" not in ran.err


# Types, as they are written in source

UserId = NewType("UserId", int)
T = TypeVar("T")

TYPES: list[tuple[Any, str]] = [
    (int, "int"),
    (None, "None"),
    (type(None), "None"),
    (date, "date"),
    (UserId, "UserId"),
    (list[int], "list[int]"),
    (list, "list"),
    (tuple[int, ...], "tuple[int, ...]"),
    (int | None, "int | None"),
    (Optional[int], "int | None"),  # noqa: UP045
    (Literal["a", 1], "Literal['a', 1]"),
    (Annotated[int, Meta(ge=1)], "int"),
    (dict[str, list[UserId]], "dict[str, list[UserId]]"),
    (AsyncIterator[bytes], "AsyncIterator[bytes]"),
    (Callable[[int], str], "Callable[[int], str]"),
    (WebSocket[str, int], "WebSocket[str, int]"),
    (Any, "Any"),
    (T, "~T"),
    ("Later", "Later"),
]


@pytest.mark.parametrize(("annotation", "text"), TYPES)
def test_types_are_formatted_in_short(annotation: Any, text: str) -> None:
    assert format_type(annotation) == text


class Holder(App):
    def __init__(self) -> None:
        super().__init__()
        self.itself = self
        self.mount("/again", self)


def test_app_that_holds_or_mounts_itself_is_listed_once() -> None:
    assert [entry.url for entry in list_urls(Holder())] == ["/again"]
