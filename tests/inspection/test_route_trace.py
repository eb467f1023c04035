"""These tests hold the trace of a path to what the router does, and to its words."""

from collections.abc import Sequence
from itertools import product
from types import FunctionType
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from micropie import App, HTTPError, Resource, SetupError, WebSocket, route
from micropie.inspection.route_trace import Candidate, resolve_route, trace_route
from micropie.routing.table import Mount

NAMES = ("a", "b", "c_d", "index")
SEGMENTS = ("a", "b", "c_d", "c-d", "index", "x", "get", "")


def elsewhere() -> Any:
    """Return a new ASGI application."""

    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    return app


async def none(self: Any) -> None: ...
async def one(self: Any, x: str = "") -> None: ...
async def two(self: Any, x: str, y: int = 0) -> None: ...
async def many(self: Any, *rest: str) -> None: ...


def copy(function: Any) -> FunctionType:
    """Return a separate function, since `@route` marks the function itself."""
    return FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__)


SOCKETS = st.sampled_from([one, two]).map(copy)
"""Their first parameter is the connection."""
HANDLERS = st.sampled_from([none, one, two, many]).map(copy)
TEMPLATES: dict[str, list[Any]] = {
    "/": [none, many],
    "/a": [none, many],
    "/a/b": [none, many],
    "/c-d/{x}": [one],
    "/a/{x}": [one],
    "/{x}": [one],
    "/{x}/b": [one],
    "/{x}/{y}": [two],
    "/b/{x}/{y}": [two],
}
VERBS = st.lists(st.sampled_from(["GET", "POST", "DELETE"]), min_size=1, max_size=2, unique=True)


@st.composite
def templates(draw: st.DrawFn) -> FunctionType:
    """Draw a handler with a `@route` path."""
    path = draw(st.sampled_from(sorted(TEMPLATES)))
    handler = copy(draw(st.sampled_from(TEMPLATES[path])))
    return route(path, methods=draw(st.none() | VERBS))(handler)


@st.composite
def owners(draw: st.DrawFn, base: type = App, depth: int = 2) -> Any:
    body: dict[str, Any] = draw(st.dictionaries(st.sampled_from(NAMES), HANDLERS, max_size=3))
    body |= draw(st.dictionaries(st.sampled_from(["ws_a", "ws_b", "ws_index"]), SOCKETS, max_size=2))
    for number, made in enumerate(draw(st.lists(templates(), max_size=3))):
        body[f"t{number}"] = made
    if base is Resource:
        body |= draw(st.dictionaries(st.sampled_from(["get", "post"]), HANDLERS, max_size=2))
    for name in draw(st.lists(st.sampled_from(["b", "c_d"]), max_size=2, unique=True)) if depth else ():
        body[name] = draw(owners(draw(st.sampled_from([App, Resource])), depth - 1))
    try:
        return type("Owner", (base,), body)()
    except SetupError:  # two handlers answer one URL
        reject()


@st.composite
def apps(draw: st.DrawFn) -> App:
    app = draw(owners())
    for prefix in draw(st.lists(st.sampled_from(["/", "/a", "/a/b", "/x", "/b"]), max_size=2)):
        app.mount(prefix, elsewhere())
    return cast(App, app)


def found_by_match(app: App, segments: Sequence[str], method: str) -> object:
    """Return the route or the mounted application that is found; 404 or 405 without one."""
    try:
        found, _, _ = resolve_route(app._trail, segments, method)
    except HTTPError as error:
        return error.status
    if isinstance(found, Mount):
        return found.app
    return 405 if found.name == "micropie.options" else found


def found_by_trace(candidates: Sequence[Candidate]) -> object:
    decided = [candidate for candidate in candidates if candidate.outcome != "lost"]
    assert len(decided) <= 1
    if not decided:
        return 404
    if decided[0].outcome == "refused":
        return 405
    answer = decided[0].endpoint
    return answer.app if isinstance(answer, Mount) else answer


SHORT = [[*path] for length in range(3) for path in product(SEGMENTS, repeat=length)]
LONG = st.lists(st.lists(st.sampled_from(SEGMENTS), min_size=3, max_size=4), min_size=20, max_size=20)
ASKED = ("GET", "HEAD", "POST", "OPTIONS", "TRACE", "")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(apps(), LONG)
def test_trace_of_any_app_agrees_with_match_path(app: App, long: list[list[str]]) -> None:
    for segments in (*SHORT, *long):
        for method in ASKED:
            told = found_by_trace(trace_route(app._trail, segments, method))
            assert told == found_by_match(app, segments, method), (method, segments)


class Crowd(Resource):
    """A Resource with candidates of every kind, so that each kind competes with another somewhere."""

    async def get(self, *rest: str) -> None: ...
    async def post(self, x: str = "") -> None: ...
    async def a(self) -> None: ...

    @route("/b/{x}")
    async def value(self, x: str) -> None: ...

    @route("/b")
    async def rest(self, *rest: str) -> None: ...

    @route("/b/a/{x}", methods=["GET"])
    async def deep(self, x: str) -> None: ...

    @route("/{x}/a", methods=["POST"])
    async def ending(self, x: str) -> None: ...


class Square(App):
    c_d = Crowd()

    def __init__(self) -> None:
        super().__init__()
        self.b = self
        for prefix in ("/a", "/a/b", "/c_d/x"):
            self.mount(prefix, elsewhere())

    async def index(self, x: str = "") -> None: ...
    async def x(self, x: str = "") -> None: ...
    async def ws_c_d(self, ws: WebSocket) -> None: ...

    @route("/{x}/{y}")
    async def both(self, x: str, y: str) -> None: ...


@pytest.mark.parametrize("root", [False, True])
def test_trace_of_crowded_app_agrees_with_match_path(root: bool) -> None:
    app = Square()
    if root:
        app.mount("/", elsewhere())
    for length in range(5):
        for segments in product(("a", "b", "c_d", "c-d", "x", "get"), repeat=length):
            for method in ("GET", "POST", ""):
                told = found_by_trace(trace_route(app._trail, segments, method))
                assert told == found_by_match(app, segments, method), (method, segments)


# In words


class Users(Resource):
    async def get(self) -> None: ...
    async def post(self) -> None: ...

    @route("/{id}/mail/{number}", methods=["GET"])
    async def mail(self, id: str, number: int) -> None: ...

    @route("/new/mail/1")
    async def first(self) -> None: ...


class Site(App):
    users = Users()

    async def index(self) -> None: ...
    async def greet(self, name: str = "") -> None: ...
    async def sign_up(self) -> None: ...

    @route("/greet/all")
    async def greet_all(self) -> None: ...

    @route("/{page}", methods=["GET"])
    async def page(self, page: str) -> None: ...

    async def ws_greet(self, ws: WebSocket) -> None: ...


site = Site()
site.mount("/static", elsewhere())

WORDS: dict[str, list[tuple[str, str, str]]] = {
    "GET /greet/Ann": [
        ("lost", "/greet/all", "its segment 'all' differs"),
        ("chosen", "/greet/{name}", "a method's own URL"),
        ("lost", "/{page}", "it takes 1 segment, and there are 2"),
        ("lost", "/", "the path names the method greet"),
    ],
    "GET /greet/all": [
        ("chosen", "/greet/all", "a @route path that begins with a name"),
        (
            "lost",
            "/greet/{name}",
            "it fits too, but a @route path that begins with a name goes before a method's own URL",
        ),
        ("lost", "/{page}", "it takes 1 segment, and there are 2"),
        ("lost", "/", "the path names the method greet"),
    ],
    "GET /greet/Ann/Ben": [
        ("lost", "/greet/all", "its segment 'all' differs"),
        ("lost", "/greet/{name}", "it takes 1 path value, and there are 2"),
        ("lost", "/{page}", "it takes 1 segment, and there are 3"),
        ("lost", "/", "the path names the method greet"),
    ],
    "POST /about": [
        ("refused", "/{page}", "a @route path that begins with a value"),
        ("lost", "/", "it takes no path values, and there is 1"),
    ],
    "GET /sign-up": [
        ("chosen", "/sign_up", "a method's own URL"),
        (
            "lost",
            "/{page}",
            "it fits too, but a method's own URL goes before a @route path that begins with a value",
        ),
        ("lost", "/", "the path names the method sign_up"),
    ],
    "POST /users": [
        (
            "lost",
            "/{page}",
            "it fits too, but an App or Resource that is held goes before a @route path that begins with a value",
        ),
        ("lost", "/", "it takes no path values, and there is 1"),
        ("lost", "/users/{id}/mail/{number}", "it takes 3 segments, and there are none"),
        ("lost", "/users", "it answers GET"),
        ("chosen", "/users", "a Resource's own URL"),
    ],
    "GET /users/new/mail/2": [
        ("lost", "/{page}", "it takes 1 segment, and there are 4"),
        ("lost", "/", "it takes no path values, and there are 4"),
        ("lost", "/users/new/mail/1", "its segment '1' differs"),
        ("chosen", "/users/{id}/mail/{number}", "a @route path that begins with a value"),
        ("lost", "/users", "it takes no path values, and there are 3"),
        ("lost", "/users", "it takes no path values, and there are 3"),
    ],
    "GET /static/a/b": [
        ("chosen", "/static", "a mounted app"),
        ("lost", "/{page}", "it takes 1 segment, and there are 3"),
        ("lost", "/", "it takes no path values, and there are 3"),
    ],
    " /greet": [("chosen", "/greet", "a method's own URL")],
    "GET /": [
        ("lost", "/{page}", "it takes 1 segment, and there are none"),
        ("chosen", "/", "index, which takes the remaining segments"),
    ],
}
"""Outcome, URL and reason of each candidate that has something in common with the path."""


@pytest.mark.parametrize("asked", WORDS)
def test_trace_gives_a_reason_for_each_candidate(asked: str) -> None:
    method, _, path = asked.partition(" ")
    found = trace_route(site._trail, [part for part in path.split("/") if part], method)
    assert [(candidate.outcome, candidate.url, candidate.why) for candidate in found if candidate.near] == WORDS[asked]
