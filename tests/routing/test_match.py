"""These tests send paths to apps: which handler answers, with which values, and what is not found (SPEC 2)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie import App, HTTPError, Resource, Route, route
from micropie.routing.match import match_path
from micropie.routing.paths import split_path
from tests.support.asgi import call, call_socket

from .apps import API, GREETING, SHOP, Shop, Wiki


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("", "home"),
        ("/", "home"),
        ("/index", "home"),
        ("/greet", "Hello, Guest!"),
        ("/greet/Ann", GREETING),
        ("/greet/Ann/", GREETING),
        ("/greet?name=Ann", GREETING),
        ("/greet/Ann?name=Bob", GREETING),
        ("/pair/a/b", '["a","b"]'),
        ("/anything", "[]"),
        ("/anything/a/b/c", '["a","b","c"]'),
        ("/keyword?name=Ann", "Ann"),
    ],
)
def test_first_segment_names_the_method_and_the_others_are_path_values(path: str, text: str) -> None:
    response = call(SHOP, "GET", path)
    assert (response.status, response.text) == (200, text)


@pytest.mark.parametrize(
    "path", ["/greet/Ann/Bob", "/pair/a/b/c", "/keyword/Ann", "/index/a", "/nothing", "/nothing/greet", "/Greet"]
)
def test_surplus_segments_and_unknown_names_are_not_found(path: str) -> None:
    response = call(SHOP, "GET", path)
    assert (response.status, response.text) == (404, "404 Not Found")


class Blog(App):
    async def index(self, year: int, slug: str = "") -> str:
        return f"{year}:{slug}"

    async def about(self) -> str:
        return "about"


@pytest.mark.parametrize(
    ("app", "path", "status", "text"),
    [
        (Blog(), "/2024/first", 200, "2024:first"),
        (Blog(), "/2024", 200, "2024:"),
        (Blog(), "/about", 200, "about"),
        (Blog(), "/about/2024", 404, "404 Not Found"),
        (Blog(), "/2024/first/more", 404, "404 Not Found"),
        (Blog(), "/", 400, "400 Bad Request: Missing required parameter 'year'"),
        (Wiki(), "/", 200, "[]"),
        (Wiki(), "/a/b/c", 200, '["a","b","c"]'),
    ],
)
def test_index_gets_every_segment_if_the_first_names_no_method(app: App, path: str, status: int, text: str) -> None:
    response = call(app, "GET", path)
    assert (response.status, response.text) == (status, text)


@pytest.mark.parametrize(
    ("path", "text"),
    [("/sign-up", "signed up guest"), ("/sign-up/Ann", "signed up Ann"), ("/sign_up", "signed up guest")],
)
def test_hyphen_in_a_path_finds_an_underscore_in_a_name(path: str, text: str) -> None:
    assert call(SHOP, "GET", path).text == text


def test_name_with_a_hyphen_goes_before_one_with_an_underscore() -> None:
    app = Shop()

    async def exact(self: Shop) -> str:
        return "exact"

    setattr(app, "sign-up", exact.__get__(app))
    assert call(app, "GET", "/sign-up").text == "exact"
    assert call(app, "GET", "/sign_up").text == "signed up guest"


# --- Resources ---


@pytest.mark.parametrize(
    ("method", "path", "text"),
    [
        ("GET", "/things", "get 0"),
        ("GET", "/things/3", "get 3"),
        ("GET", "/things/", "get 0"),
        ("POST", "/things", "post"),
        ("DELETE", "/things/3", "delete 3"),
        ("DELETE", "/things?id=3", "delete 3"),
        ("GET", "/things/archive/2024", "archive 2024"),
        ("PUT", "/things/archive/2024", "archive 2024"),
    ],
)
def test_verb_methods_serve_the_url_of_a_resource_and_its_other_methods_urls_below(
    method: str, path: str, text: str
) -> None:
    response = call(API, method, path)
    assert (response.status, response.text) == (200, text)


@pytest.mark.parametrize("path", ["/things/3/4", "/things/archive/1/2", "/things/get", "/get", "/things/request"])
def test_resource_has_no_other_urls(path: str) -> None:
    assert call(API, "GET", path).status in (400, 404)


def test_path_value_of_the_wrong_type_is_a_bad_request() -> None:
    response = call(API, "GET", "/things/x")
    assert (response.status, response.text) == (
        400,
        "400 Bad Request: Invalid path parameter 'id': Expected an integer",
    )


class Posts(Resource):
    async def get(self, *ids: int) -> list[int]:
        return list(ids)


class Users(Resource):
    posts = Posts()

    async def index(self, name: str = "all") -> str:
        return f"user {name}"

    async def sign_in(self) -> str:
        return "signed in"


class Inner(App):
    users = Users()

    async def index(self) -> str:
        return "inner"


class Outer(App):
    inner_app = Inner()

    def __init__(self) -> None:
        super().__init__()
        self.users = Users()


OUTER = Outer()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/users", "user all"),
        ("/users/ann", "user ann"),
        ("/users/sign-in", "signed in"),
        ("/users/posts/1/2", "[1,2]"),
        ("/inner_app", "inner"),
        ("/inner-app/users/ann", "user ann"),
        ("/inner_app/users/posts/7", "[7]"),
    ],
)
def test_held_apps_and_resources_are_served_below_their_names_at_any_depth(path: str, text: str) -> None:
    assert call(OUTER, "GET", path).text == text


@pytest.mark.parametrize("path", ["/", "/inner_app/ann", "/users/ann/bob", "/inner_app/users/ben/posts", "/posts"])
def test_path_that_nothing_held_serves_is_not_found(path: str) -> None:
    assert call(OUTER, "GET", path).status == 404


# --- @route ---


class Explicit(App):
    @route("/users/{id}/posts/{post_id}", methods=["GET"])
    async def post(self, post_id: str, id: int) -> list[object]:
        return [id, post_id]

    @route("/users/me", methods=["GET"])
    async def me(self) -> str:
        return "me"

    @route("/users/{name}", methods=["GET"])
    async def user(self, name: str, verbose: bool = False) -> str:
        return f"user {name} {verbose}"

    @route("/users/{name}", methods=["DELETE", "PUT"])
    async def change(self, name: str) -> str:
        return f"{self.request.method} {name}"

    @route("/users/me/{field}")
    async def my_field(self, field: str) -> str:
        return f"my {field}"

    @route("/files")
    async def download(self, *path: str) -> list[str]:
        return list(path)

    @route("/two/{a}")
    async def two(self, a: str, *rest: int) -> list[object]:
        return [a, *rest]

    @route("/trailing/")
    async def trailing(self) -> str:
        return "trailing"

    @route("/{page}/edit")
    async def edit(self, page: str) -> str:
        return f"edit {page}"

    async def about(self, what: str = "us") -> str:
        return f"about {what}"


EXPLICIT = Explicit()


@pytest.mark.parametrize(
    ("method", "path", "text"),
    [
        ("GET", "/users/3/posts/x", '[3,"x"]'),
        ("GET", "/users/me", "me"),
        ("GET", "/users/ann", "user ann False"),
        ("GET", "/users/ann?verbose=yes", "user ann True"),
        ("GET", "/users/a%2Fb", "user a/b False"),
        ("DELETE", "/users/ann", "DELETE ann"),
        ("PUT", "/users/ann", "PUT ann"),
        ("GET", "/users/me/name", "my name"),
        ("GET", "/users/me/posts/1", None),  # the literal `me` has no such path, so `me` is a value, and not an int
        ("GET", "/files", "[]"),
        ("GET", "/files/a/b", '["a","b"]'),
        ("GET", "/two/a/1/2", '["a",1,2]'),
        ("GET", "/trailing", "trailing"),
        ("GET", "/trailing/", "trailing"),
        ("GET", "/home/edit", "edit home"),
        ("GET", "/about", "about us"),
        ("GET", "/about/them", "about them"),
        ("GET", "/about/edit", "about edit"),
    ],
)
def test_route_path_is_matched_and_literal_segments_go_before_values(method: str, path: str, text: str | None) -> None:
    response = call(EXPLICIT, method, path)
    assert (response.status, response.text) == (
        (200, text) if text is not None else (400, "400 Bad Request: Invalid path parameter 'id': Expected an integer")
    )


@pytest.mark.parametrize(
    "path",
    [
        "/users",
        "/users/a/b",
        "/users/3/posts",
        "/post",
        "/post/3",
        "/user/ann",
        "/me",
        "/download",
        "/files%2Fa",
        "/edit",
    ],
)
def test_method_with_a_route_path_has_no_automatic_url(path: str) -> None:
    assert call(EXPLICIT, "GET", path).status == 404


def test_one_path_has_a_handler_for_each_method_and_refuses_other_methods() -> None:
    response = call(EXPLICIT, "POST", "/users/ann")
    assert (response.status, response.header("allow")) == (405, "DELETE, GET, HEAD, OPTIONS, PUT")
    assert call(EXPLICIT, "HEAD", "/users/ann").status == 200
    assert call(EXPLICIT, "OPTIONS", "/users/ann").header("allow") == "DELETE, GET, HEAD, OPTIONS, PUT"
    assert call(EXPLICIT, "BREW", "/users/me/name").status == 405


class Mixed(App):
    """A path with a separate handler for one method."""

    @route("/thing", methods=["POST"])
    async def create(self) -> str:
        return "created"

    @route("/thing")
    async def show(self) -> str:
        return f"shown {self.request.method}"


@pytest.mark.parametrize(("method", "text"), [("POST", "created"), ("GET", "shown GET"), ("DELETE", "shown DELETE")])
def test_route_without_methods_takes_the_methods_that_other_routes_leave(method: str, text: str) -> None:
    assert call(Mixed(), method, "/thing").text == text


class Sluggish(App):
    child = Users()

    @route("/{slug}")
    async def page(self, slug: str) -> str:
        return f"page {slug}"

    @route("/")
    async def front(self) -> str:
        return "front"

    async def about(self) -> str:
        return "about"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", "front"),
        ("/about", "about"),
        ("/child", "user all"),
        ("/news", "page news"),
        ("/_private", "page _private"),
        ("/page", "page page"),
    ],
)
def test_own_url_goes_before_a_route_path_that_begins_with_a_value(path: str, text: str) -> None:
    assert call(Sluggish(), "GET", path).text == text


# --- WebSockets ---


class Sockets(App):
    users = Users()

    async def chat(self, *rooms: str) -> str:
        return "page"

    async def ws_index(self, ws: Any) -> None:
        await self.tell(ws, "index")

    async def ws_chat(self, ws: Any, room: str = "hall", *, name: str = "anon") -> None:
        await self.tell(ws, f"{room} {name}")

    async def ws_users(self, ws: Any) -> None:
        await self.tell(ws, "users")

    @route("/rooms/{room}/feed")
    async def ws_feed(self, ws: Any, room: int) -> None:
        await self.tell(ws, f"feed {room}")

    async def tell(self, ws: Any, text: str = "") -> None:
        await ws.accept()
        await ws.send_text(text)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/", "index"),
        ("/index", "index"),
        ("/chat", "hall anon"),
        ("/chat/", "hall anon"),
        ("/chat/den", "den anon"),
        ("/chat/a%2Fb?name=Ann", "a/b Ann"),
        ("/chat?room=den&name=Ann", "den Ann"),
        ("/rooms/3/feed", "feed 3"),
        ("/users", "users"),
    ],
)
def test_websocket_path_finds_its_ws_method(path: str, said: str) -> None:
    sent = call_socket(Sockets(), path)
    assert [message.get("text") for message in sent if message["type"] == "websocket.send"] == [said]


@pytest.mark.parametrize("path", ["/nothing", "/chat/a/b", "/ws_chat", "/tell", "/feed/3", "/rooms/3", "/users/posts"])
def test_websocket_without_a_route_is_closed_with_1008(path: str) -> None:
    assert call_socket(Sockets(), path) == [{"type": "websocket.close", "code": 1008, "reason": "404 Not Found"}]


@pytest.mark.parametrize("path", ["/ws_chat", "/ws-chat", "/ws_index", "/feed", "/rooms/3/feed", "/"])
def test_ws_method_is_not_found_over_http(path: str) -> None:
    assert call(Sockets(), "GET", path).status == 404


# --- any path ---


@given(st.text(max_size=20).map(lambda path: "/" + path.replace("\0", "").replace("\ufffd", "")))
def test_any_path_finds_a_handler_that_takes_its_values_or_none(path: str) -> None:
    try:
        found, values = match_path(SHOP._trail, split_path({"path": path}), "GET")
    except HTTPError:
        return
    assert isinstance(found, Route)
    assert len(values) <= found.path_values
