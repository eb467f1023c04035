"""What `check` finds in an app, rule by rule, and what it leaves alone."""

import importlib
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from micropie import App, SetupError
from micropie.errors import SetupProblem
from micropie.inspection.checks import RULES, check, collect_setup_problems
from tests.support.commands import project

HEADER = """
import sqlite3
from collections.abc import AsyncIterator, Iterator, Callable
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Protocol, TypedDict
from msgspec import Meta, Struct
from micropie import App, Depends, Form, HTTPError, Query, Request, Resource, Session, UploadFile, WebSocket, route

async def other(scope, receive, send): ...

class Cart(Struct):
    items: list[str] = []

class Size(Enum):
    small = "s"

class Row(Protocol):
    id: int
"""

FOUND = {
    # cannot-work
    "a type that no request holds": (
        "async def area(self, z: complex) -> str: ...",
        ["cannot-work Site.area (z: complex)"],
    ),
    "a socket that is sync": (
        "def ws_chat(self, ws: WebSocket) -> None: ...",
        ["cannot-work Site.ws_chat"],
    ),
    "several of them, and other findings besides": (
        """
        async def one(self, z: complex) -> str: ...
        async def two(self, n: int = None) -> str: ...
        async def three(self, z: complex) -> str: ...
        """,
        ["cannot-work Site.one (z: complex)", "default-type Site.two (n: int)", "cannot-work Site.three (z: complex)"],
    ),
    # default-type
    "None for what cannot be None": ("async def list(self, page: int = None) -> str: ...", None),
    "text for a number": ('async def list(self, page: int = "1") -> str: ...', None),
    "text for a date": ('async def list(self, day: date = "2020-01-01") -> str: ...', None),
    "text for an Enum": ('async def list(self, size: Size = "s") -> str: ...', None),
    "a dict for a Struct": ("async def list(self, cart: Cart = {}) -> str: ...", None),
    "a tuple for a list": ("async def list(self, ids: list[int] = ()) -> str: ...", None),
    "what breaks its own limits": ("async def list(self, page: Annotated[int, Meta(ge=1)] = 0) -> str: ...", None),
    "no file for a file": ("async def put(self, file: UploadFile = None) -> str: ...", None),
    # missing-template
    "a template that is not there": (
        'async def page(self) -> str: return await self._render_template("gone.html")',
        ["missing-template Site.page"],
    ),
    "a template that is not there, in a helper": (
        'async def _page(self): return await self._render_template("gone.html")',
        ["missing-template Site._page"],
    ),
    "a template that extends one that is not there": (
        'async def page(self) -> str: return await self._render_template("child.html")',
        ["missing-template Site.page"],
    ),
    "a template that is none": (
        'async def page(self) -> str: return await self._render_template("broken.html", x=1)',
        ["missing-template Site.page"],
    ),
    "a template that is no text": (
        'async def page(self) -> str: return await self._render_template("binary.html", x=1)',
        ["missing-template Site.page"],
    ),
    # session-override
    "a name that the session holds": (
        """
        async def login(self, user: str) -> None: self.request.session["user"] = user
        async def mail(self, user: str) -> str: ...
        """,
        ["session-override Site.mail (user: str)"],
    ),
    "a name that a marker says the session holds": (
        """
        async def mail(self, user: str) -> str: ...
        async def me(self, user: Annotated[str, Session()]) -> str: ...
        """,
        ["session-override Site.mail (user: str)"],
    ),
    "a field of a typed session": (
        """
        async def cart(self, cart: Annotated[Cart, Session()]) -> str: ...
        async def buy(self, items: list[str]) -> str: ...
        """,
        ["session-override Site.buy (items: list[str])"],
    ),
    **{
        f"a key of the session: {use}": (
            f"async def index(self) -> None:\n            {use}\n        async def mail(self, user: str) -> str: ...",
            ["session-override Site.mail (user: str)"],
        )
        for use in (
            'x = self.request.session.get("user")',
            'x = self.request.session.pop("user", None)',
            'x = self.request.session.setdefault("user", "")',
            'self.request.session.update(user="ann")',
            'self.request.session.update({"user": "ann"})',
            'self.request.session = {"user": "ann", **{}}',
            'session = self.request.session; session["user"] = "ann"',
            'session: Any = self.request.session; session["user"] = "ann"',
            'x = "user" in self.request.session',
            'if (s := self.request.session): s["user"] += "!"',
        )
    },
    # shadowed-url
    "a method where an app is mounted": ("async def static(self) -> str: ...", ["shadowed-url Site.static"]),
    "a method with values where an app is mounted": (
        "async def static(self, name: str) -> str: ...",
        ["shadowed-url Site.static"],
    ),
    "a path where an app is mounted": (
        '@route("/static/{name}")\n        async def logo(self, name: str) -> str: ...',
        ["shadowed-url Site.logo"],
    ),
    "a path below an attribute": (
        """
        @route("/{name}/list")
        async def lists(self, name: str) -> str: ...
        @route("/{name}/{which}", methods=["GET"])
        async def which(self, name: str, which: str) -> str: ...
        """,
        [],
    ),
    "a socket's path": (
        '@route("/static/live")\n        async def ws_live(self, ws: WebSocket) -> None: ...',
        ["shadowed-url Site.ws_live"],
    ),
    # accidental-url
    "a helper by its name, and nothing annotated": (
        "def get_user(self, id): return id",
        ["accidental-url Site.get_user"],
    ),
    "a helper that the class calls, and nothing annotated": (
        """
        async def index(self) -> str: return self.title("x")
        def title(self, text): return text.title()
        """,
        ["accidental-url Site.title"],
    ),
    "a helper by its name that the class calls": (
        """
        async def index(self) -> str: return self.format_title("x")
        def format_title(self, text: str) -> str: return text.title()
        """,
        ["accidental-url Site.format_title"],
    ),
    "a static method by a helper's name": (
        "@staticmethod\n        def parse_id(text: str) -> int: return int(text)",
        ["accidental-url Site.parse_id"],
    ),
    "what returns no response": (
        "def database(self) -> sqlite3.Connection: ...",
        ["accidental-url Site.database"],
    ),
    "what returns a function": (
        "def later(self) -> Callable[[], int]: ...",
        ["accidental-url Site.later"],
    ),
    # shadowed-value
    "a path value that a path takes": (
        """
        async def price(self, item: str) -> str: ...
        @route("/price/{name}")
        async def named(self, name: str) -> str: ...
        """,
        ["shadowed-value Site.price"],
    ),
    # untyped-parameter
    "a parameter without a type": ("async def show(self, id) -> str: ...", ["untyped-parameter Site.show (id)"]),
    "a parameter that is anything": (
        "async def show(self, *, id: Any) -> str: ...",
        ["untyped-parameter Site.show (id: Any)"],
    ),
    "rest without a type": ("async def show(self, *rest) -> str: ...", ["untyped-parameter Site.show (rest)"]),
    # untyped-return
    "no return type": ("async def show(self, id: int): ...", ["untyped-return Site.show"]),
    "anything": ("async def show(self) -> Any: ...", ["untyped-return Site.show"]),
    "a dict of anything": ("async def show(self) -> dict: ...", ["untyped-return Site.show"]),
    "a list of anything with a status": ("async def show(self) -> tuple[int, list]: ...", ["untyped-return Site.show"]),
    "a type that does not exist": ('async def show(self) -> "Nowhere": ...', ["untyped-return Site.show"]),
}
"""The body of an app, and what is found in it: None for one finding of `default-type`."""

LEFT_ALONE = {
    "a typed handler": 'async def greet(self, name: str = "x", *rest: int, **more: str) -> str: ...',
    "a helper's name, but typed and called by nobody": "def get_user(self, id: int) -> dict[str, int]: ...",
    "a private helper": "def _get_user(self, id): return id",
    "@route": '@route("/user/{id}")\n        def get_user(self, id: int) -> int: return self.get_user(1)',
    "index": "def index(self) -> str: return self.index()",
    "an Optional": "async def list(self, page: int | None = None) -> str: ...",
    "an int for a float": "async def wait(self, seconds: float = 1) -> str: ...",
    "a bool for an int": "async def wait(self, often: int = True) -> str: ...",
    "a list for a list": "async def list(self, ids: list[int] = []) -> str: ...",
    "a member of an Enum": "async def list(self, size: Size = Size.small) -> str: ...",
    "a Struct": "async def list(self, cart: Cart = Cart()) -> str: ...",
    "nan": 'async def wait(self, seconds: float = float("nan")) -> str: ...',
    "a file or none": "async def put(self, file: UploadFile | None = None) -> str: ...",
    "a default of what is not annotated": "def show(self, id=None) -> str: ...  # micropie: ignore[untyped-parameter]",
    "a Decimal or text": 'async def list(self, price: Decimal | str = "x") -> str: ...',
    "a session key that is marked": """
        async def login(self, user: Annotated[str, Form()]) -> None: self.request.session["user"] = user
        async def mail(self, user: Annotated[str, Session()]) -> str: ...
        async def find(self, user: Annotated[str, Query()]) -> str: ...
        @route("/of/{user}")
        async def of(self, user: str) -> str: ...
        """,
    "a session key that the handler sets from what was sent": """
        async def login(self, user: str) -> None:
            self.request.session["user"] = user
        """,
    "something else with keys": """
        async def index(self) -> str: return self.cache["user"] + self.cache.get("user")
        async def mail(self, user: str) -> str: ...
        """,
    "a template that is there": 'async def page(self) -> str: return await self._render_template("good.html")',
    "a template with all that it needs": """
        async def page(self) -> str: return await self._render_template("whole.html")
        async def round(self) -> str: return await self._render_template("round.html")
        """,
    "a template whose name comes later": "async def page(self, n: str) -> str: return await self._render_template(n)",
    "a template of another's": 'async def page(self) -> str: return await self.env.render("gone.html")',
    "a list and its items": """
        async def items(self, page: int = 1) -> str: ...
        @route("/items/{id}")
        async def item(self, id: int) -> str: ...
        """,
    "index and others": """
        async def index(self, *rest: str) -> str: ...
        async def items(self, page: int) -> str: ...
        @route("/{name}", methods=["POST"])
        async def make(self, name: str) -> str: ...
        """,
    "streams, files and sockets": """
        async def lines(self) -> AsyncIterator[str]: yield ""
        def rows(self) -> Iterator[Cart]: yield Cart()
        async def nothing(self) -> None: ...
        async def either(self) -> tuple[Literal[200], Cart] | tuple[Literal[404], str, dict[str, str]]: ...
        async def redirect(self) -> tuple[int, str, Any]: ...
        async def protocol(self) -> Row: ...
        async def ws_chat(self, ws: WebSocket): ...
        """,
    "what has no source": "made = None",
}


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    files = {
        "templates/good.html": "good",
        "templates/child.html": '{% extends "base.html" %}',
        "templates/broken.html": "{% if %}",
        "templates/binary.html": "",
        "templates/whole.html": '{% extends "good.html" %}{% include "x.html" ignore missing %}{% include it %}',
        "templates/round.html": '{% include "round.html" %}',
    }
    with project(tmp_path, files) as place:
        (place / "templates" / "binary.html").write_bytes(b"\xff\xfe")
        sys.path.insert(0, str(place))
        yield place


def made_in(directory: Path, text: str) -> tuple[App, list[SetupProblem]]:
    """The app that is called Site in a module with `text`, and what is wrong with its making."""
    (directory / "checked.py").write_text(HEADER + textwrap.dedent(text))
    with collect_setup_problems() as problems:
        app: App = importlib.import_module("checked").Site()
    return app, problems


def found_in(directory: Path, body: str) -> list[str]:
    """What is found in an App with `body`."""
    inside = textwrap.indent(textwrap.dedent(f"{' ' * 8}{body.strip()}"), "    ")
    app, problems = made_in(directory, f"\nclass Site(App):\n{inside}\n")
    app.mount("/static", importlib.import_module("checked").other)
    return [f"{finding.code} {finding.where}" for finding in check(app, problems)]


@pytest.mark.parametrize("name", FOUND)
def test_it_is_found(directory: Path, name: str) -> None:
    body, expected = FOUND[name]
    found = found_in(directory, body)
    if expected is None:
        assert [one.split()[0] for one in found] == ["default-type"]
    else:
        assert found == expected


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_it_is_left_alone(directory: Path, name: str) -> None:
    assert found_in(directory, LEFT_ALONE[name]) == []


def test_every_rule_has_a_case() -> None:
    found = {one.split()[0] for _, expected in FOUND.values() for one in expected or ["default-type"]}
    assert found == set(RULES)


# Where it is, what silences it, and in which order

LINES = """
class Users(Resource):
    @route(
        "/{id}"
    )
    async def read(
        self,
        id: int,
        x=1,
    ): ...

    async def page(self) -> str:
        name = "x"
        return await self.app._render_template(
            "gone.html"
        )

class Site(App):
    users = Users()
    again = users

    def get_user(self, id):
        return id
"""


def test_each_is_at_its_line_and_all_are_in_order(directory: Path) -> None:
    app, problems = made_in(directory, LINES)
    found = check(app, problems)
    lines = (directory / "checked.py").read_text().splitlines()
    assert [(one.code, lines[(one.line or 0) - 1].strip()) for one in found] == [
        ("untyped-return", "async def read("),
        ("untyped-parameter", "x=1,"),
        ("missing-template", '"gone.html"'),
        ("accidental-url", "def get_user(self, id):"),
    ]
    assert {one.file for one in found} == {str(directory / "checked.py")}


IGNORED = {
    "on the line": "def get_user(self, id): return id  # micropie: ignore[accidental-url]",
    "among others": "def get_user(self, id): return id  # micropie: ignore[untyped-return, accidental-url]",
    "with a word about it": "def get_user(self, id): return id  # micropie: ignore[accidental-url]: it is one",
    "spaced as it comes": "def get_user(self, id): return id  #micropie:ignore[ accidental-url ]",
    "where the def begins": """
        def get_user(  # micropie: ignore[accidental-url]
            self, id
        ): return id
        """,
    "where the def ends": """
        def get_user(
            self, id
        ):  # micropie: ignore[accidental-url]
            return id
        """,
    "at a parameter": """
        async def get(
            self,
            x=1,  # micropie: ignore[untyped-parameter]
        ) -> str: ...
        """,
    "at a template": """
        async def page(self) -> str:
            x = 1
            return await self._render_template("gone.html")  # micropie: ignore[missing-template]
        """,
    "at the def of a template": """
        async def page(self) -> str:  # micropie: ignore[missing-template]
            return await self._render_template("gone.html")
        """,
}


@pytest.mark.parametrize("name", IGNORED)
def test_a_comment_silences_a_rule(directory: Path, name: str) -> None:
    assert found_in(directory, IGNORED[name]) == []


NOT_IGNORED = {
    "another rule": "def get_user(self, id): return id  # micropie: ignore[untyped-return]",
    "no rule": "def get_user(self, id): return id  # micropie: ignore",
    "inside": "def get_user(self, id):\n            return id  # micropie: ignore[accidental-url]",
    "what cannot work": "def area(self, z: complex) -> str: ...  # micropie: ignore[cannot-work]",
}


@pytest.mark.parametrize("name", NOT_IGNORED)
def test_another_comment_silences_nothing(directory: Path, name: str) -> None:
    assert len(found_in(directory, NOT_IGNORED[name])) == 1


# What is looked at


HOLDING = """
class Held(Resource):
    async def get(self): ...

class Bad(App):
    async def area(self, z: complex) -> str: ...

class Mounted(App):
    async def page(self): ...

class Outer(App):
    held = Held()

    def __init__(self) -> None:
        super().__init__()
        self.bad = Bad()
        self.mount("/mounted", Mounted())

    async def also(self, z: complex) -> str: ...

class Site(App): ...
"""


def test_a_class_is_checked_with_all_that_it_holds_and_mounts(directory: Path) -> None:
    made_in(directory, HOLDING)
    found = check(importlib.import_module("checked").Outer)
    assert [f"{one.code} {one.where}" for one in found] == [
        "untyped-return Held.get",
        "cannot-work Bad.area (z: complex)",
        "untyped-return Mounted.page",
        "cannot-work Outer.also (z: complex)",
    ]


def test_apps_refuse_again_after_their_problems_were_collected(directory: Path) -> None:
    made_in(directory, HOLDING)
    outer = importlib.import_module("checked").Outer
    with collect_setup_problems() as problems:
        outer()
    assert [one.where for one in problems] == ["Bad.area (z: complex)", "Outer.also (z: complex)"]
    with pytest.raises(SetupError):
        outer()


def test_app_of_another_thread_refuses_while_problems_are_collected(directory: Path) -> None:
    made_in(directory, HOLDING)
    outer = importlib.import_module("checked").Outer
    with collect_setup_problems() as problems, ThreadPoolExecutor(1) as threads:
        refused = threads.submit(outer).exception()
    assert isinstance(refused, SetupError)
    assert problems == []


DEPENDING = """
def by_marker(user: Annotated[str, Session()]) -> str: ...
def by_hand(request: Request) -> str: return request.session["cart"]
def open_to_all(user: str, n: int = "x", z=3) -> str: ...
def silenced(
    user: str,  # micropie: ignore[session-override]
) -> str: ...

class Site(App):
    async def one(self, a: Annotated[str, Depends(by_marker)], b: Annotated[str, Depends(by_hand)]) -> str: ...
    async def two(self, a: Annotated[str, Depends(open_to_all)], b: Annotated[str, Depends(silenced)]) -> str: ...
    async def three(self, a: Annotated[str, Depends(open_to_all)], cart: list[int]) -> str: ...
"""


def test_what_handlers_depend_on_is_checked_once_and_where_it_is_written(directory: Path) -> None:
    app, problems = made_in(directory, DEPENDING)
    assert problems == []
    begin = len(HEADER.splitlines()) + 1
    assert [(f"{one.code} {one.where}", (one.line or 0) - begin) for one in check(app)] == [
        ("default-type checked.open_to_all (n: int)", 3),
        ("session-override checked.open_to_all (user: str)", 3),
        ("untyped-parameter checked.open_to_all (z)", 3),
        ("session-override Site.three (cart: list[int])", 11),
    ]


def test_the_framework_s_own_pages_are_made_but_not_checked() -> None:
    class Site(App):
        def __init__(self) -> None:
            super().__init__(docs=True)

    class Double(Site):
        async def docs(self) -> Any: ...

    assert check(Site) == []
    assert [one.code for one in check(Double)] == ["untyped-return", "cannot-work"]


def test_what_has_no_source_is_checked_as_far_as_its_signature_goes() -> None:
    names = {"App": App}
    exec(
        "class Site(App):\n    def get_user(self, id): return id\n    def page(self, x: int = None) -> str: ...", names
    )
    found = check(names["Site"])
    assert [(one.code, one.file, one.line) for one in found] == [
        ("accidental-url", "<string>", 2),
        ("default-type", "<string>", 3),
    ]


def test_handlers_that_are_set_late_are_checked_too() -> None:
    async def late(self: App, id): ...  # type: ignore[no-untyped-def]

    app = App()
    app.late = late.__get__(app)  # type: ignore[attr-defined]
    assert [one.code for one in check(app)] == ["untyped-parameter", "untyped-return"]
