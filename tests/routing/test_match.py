"""SPEC 2: which path leads to which handler, with which path values, and what every other path gets."""

import gc
import weakref
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from micropie import App, HTTPError, HttpMiddleware, Request, Resource, Route, route
from micropie.routing.match import find_route, match_path
from micropie.routing.methods import METHODS
from micropie.routing.paths import split_path
from micropie.routing.table import Mount
from tests.support.asgi import call, call_socket, http_scope

GREETING = "Hello, Ann!"


class Shop(App):
    async def index(self) -> str:
        return "home"

    async def greet(self, name: str = "Guest") -> str:
        return f"Hello, {name}!"

    async def pair(self, first: str, second: str = "-") -> list[str]:
        return [first, second]

    async def anything(self, *rest: str) -> list[str]:
        return list(rest)

    async def keyword(self, *, name: str = "Guest") -> str:
        return name

    async def sign_up(self, name: str = "nobody") -> str:
        return f"signed up {name}"

    async def ws_chat(self, ws: Any) -> None:
        raise AssertionError("nobody connects here")


SHOP = Shop()


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
def test_the_first_segment_names_the_method_and_the_rest_are_its_path_values(path: str, text: str) -> None:
    answer = call(SHOP, "GET", path)
    assert (answer.status, answer.text) == (200, text)


@pytest.mark.parametrize(
    "path", ["/greet/Ann/Bob", "/pair/a/b/c", "/keyword/Ann", "/index/a", "/nothing", "/nothing/greet", "/Greet"]
)
def test_surplus_segments_and_unknown_names_are_not_found(path: str) -> None:
    answer = call(SHOP, "GET", path)
    assert (answer.status, answer.text) == (404, "404 Not Found")


class Blog(App):
    async def index(self, year: int, slug: str = "") -> str:
        return f"{year}:{slug}"

    async def about(self) -> str:
        return "about"


class Wiki(App):
    async def index(self, *titles: str) -> list[str]:
        return list(titles)


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
def test_where_no_method_has_the_name_index_gets_every_segment(app: App, path: str, status: int, text: str) -> None:
    answer = call(app, "GET", path)
    assert (answer.status, answer.text) == (status, text)


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/anything/", []),
        ("/anything//", [""]),
        ("/anything//a", ["", "a"]),
        ("/anything/a//b/", ["a", "", "b"]),
        ("/anything/a%2Fb", ["a/b"]),
        ("/anything/a%2fb/c", ["a/b", "c"]),
        ("/anything/%2F", ["/"]),
        ("/anything/%252F", ["%2F"]),
        ("/anything/a%20b+c", ["a b+c"]),
        ("/anything/caf%C3%A9", ["café"]),
        ("/anything/%EF%BF%BD", ["\ufffd"]),
        ("/anything/..", [".."]),
        ("/anything/%", ["%"]),
    ],
)
def test_segments_are_split_before_they_are_decoded(path: str, segments: list[str]) -> None:
    assert call(SHOP, "GET", path).json == segments


@pytest.mark.parametrize(("path", "segments"), [("//", [""]), ("//greet", ["", "greet"]), ("///", ["", ""])])
def test_an_empty_first_segment_is_no_method(path: str, segments: list[str]) -> None:
    assert call(SHOP, "GET", path).status == 404
    assert call(Wiki(), "GET", path).json == segments


@pytest.mark.parametrize(
    ("scope", "segments"),
    [
        ({"path": "/anything/a/b"}, ["a", "b"]),
        ({"path": "/anything/a b"}, ["a b"]),
        ({"path": "/anything/a/b", "raw_path": b"/anything/a/b"}, ["a", "b"]),
        ({"path": "/anything/a/b", "raw_path": b"/anything/a%2Fb"}, ["a/b"]),
        ({"path": "/anything/a/b", "raw_path": b"/anything/a%2Fb?x=%2F"}, ["a/b"]),
        ({"path": "/anything/a/b", "raw_path": b"/somewhere/else/a%2Fb"}, ["a", "b"]),  # `path` was changed since
        ({"path": "/anything/a/b", "raw_path": None}, ["a", "b"]),
    ],
)
def test_the_raw_path_is_used_where_the_server_gives_one_that_is_the_path(
    scope: dict[str, Any], segments: list[str]
) -> None:
    assert split_path({"raw_path": None, **scope}) == ["anything", *segments]


@pytest.mark.parametrize(
    ("root_path", "path"),
    [
        ("/api", "/api/greet/Ann"),  # ASGI's way: the path has the root in it
        ("/api/", "/api/greet/Ann"),
        ("/v1/api", "/v1/api/greet/Ann"),
        ("/api", "/greet/Ann"),  # some servers have taken it away
        ("/", "/greet/Ann"),
        ("/gr", "/greet/Ann"),  # a prefix of a segment is no prefix of a path
    ],
)
def test_the_root_path_is_no_part_of_what_is_routed(root_path: str, path: str) -> None:
    assert call(SHOP, "GET", path, root_path=root_path).text == GREETING


def test_the_root_itself_is_index() -> None:
    assert call(SHOP, "GET", "/api", root_path="/api").text == "home"


@pytest.mark.parametrize("path", ["/greet/%FF", "/%C3%28", "/greet/%00", "/greet/a%00b", "/greet/%ED%A0%80"])
def test_a_path_that_is_no_text_is_a_bad_request(path: str) -> None:
    answer = call(SHOP, "GET", path)
    assert answer.status == 400
    assert answer.text.startswith("400 Bad Request: The path")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/greet/\0", 400), ("/greet/\ufffd", 400), ("greet", 404), ("*", 404), ("http://x/greet", 404)],
)
def test_so_is_one_that_the_server_could_not_decode_and_one_without_a_leading_slash_is_not_found(
    path: str, status: int
) -> None:
    with pytest.raises(HTTPError) as refused:
        split_path({"path": path})
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("path", "text"),
    [("/sign-up", "signed up nobody"), ("/sign-up/Ann", "signed up Ann"), ("/sign_up", "signed up nobody")],
)
def test_a_hyphen_finds_an_underscore(path: str, text: str) -> None:
    assert call(SHOP, "GET", path).text == text


def test_only_where_nothing_is_called_just_so() -> None:
    app = Shop()

    async def exact(self: Shop) -> str:
        return "exact"

    setattr(app, "sign-up", exact.__get__(app))
    assert call(app, "GET", "/sign-up").text == "exact"
    assert call(app, "GET", "/sign_up").text == "signed up nobody"


# --- methods ---


class Methods(Resource):
    """A verb for each method that a Resource may answer."""

    async def get(self, id: int = 0) -> str:
        return f"get {id}"

    async def post(self) -> str:
        return "post"

    async def delete(self, id: int) -> str:
        return f"delete {id}"

    async def archive(self, year: int) -> str:
        return f"archive {year}"


class Api(App):
    things = Methods()

    async def plain(self) -> str:
        return self.request.method

    @route(methods=["post", "PUT"])
    async def write(self) -> str:
        return self.request.method

    @route(methods={"GET"})
    async def read(self) -> str:
        return "text"


API = Api()


@pytest.mark.parametrize("method", METHODS)
def test_a_plain_method_answers_every_method(method: str) -> None:
    answer = call(API, method, "/plain")
    assert answer.status == 200
    assert answer.text == ("" if method == "HEAD" else method)


ALL = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("TRACE", "/plain", ALL),
        ("CONNECT", "/plain", ALL),
        ("BREW", "/plain", ALL),
        ("get", "/plain", ALL),
        ("GET", "/write", "OPTIONS, POST, PUT"),
        ("POST", "/read", "GET, HEAD, OPTIONS"),
        ("PUT", "/things", "DELETE, GET, HEAD, OPTIONS, POST"),
        ("POST", "/things/3", "DELETE, GET, HEAD, OPTIONS"),  # post takes no path value
    ],
)
def test_any_other_method_is_refused_with_allow(method: str, path: str, allow: str) -> None:
    answer = call(API, method, path)
    assert (answer.status, answer.text, answer.header("allow")) == (405, "405 Method Not Allowed", allow)


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/write", "OPTIONS, POST, PUT"),
        ("/read", "GET, HEAD, OPTIONS"),
        ("/things", "DELETE, GET, HEAD, OPTIONS, POST"),
        ("/things/3", "DELETE, GET, HEAD, OPTIONS"),
    ],
)
def test_options_is_answered_where_methods_are_declared(path: str, allow: str) -> None:
    answer = call(API, "OPTIONS", path)
    assert (answer.status, answer.body, answer.header("allow")) == (204, b"", allow)


@pytest.mark.parametrize("path", ["/plain", "/read", "/things", "/things/3"])
def test_head_is_get_without_its_body(path: str) -> None:
    got, head = call(API, "GET", path), call(API, "HEAD", path)
    assert (head.status, head.body) == (200, b"")
    # What /plain says is the method's name, so that its length differs.
    assert head.header("content-length") == str(len(got.body) if path != "/plain" else len("HEAD"))


@pytest.mark.parametrize("path", ["/write", "/nothing"])
def test_a_refused_head_has_no_body_either(path: str) -> None:
    answer = call(API, "HEAD", path)
    assert answer.status in (404, 405)
    assert answer.body == b""
    assert answer.header("content-length") != "0"


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
def test_a_resources_verbs_answer_its_methods_and_its_other_methods_are_urls_below(
    method: str, path: str, text: str
) -> None:
    answer = call(API, method, path)
    assert (answer.status, answer.text) == (200, text)


@pytest.mark.parametrize("path", ["/things/3/4", "/things/archive/1/2", "/things/get", "/get", "/things/request"])
def test_a_resource_has_nothing_else(path: str) -> None:
    assert call(API, "GET", path).status in (400, 404)


def test_a_value_of_the_wrong_type_is_no_other_resource() -> None:
    answer = call(API, "GET", "/things/x")
    assert (answer.status, answer.text) == (400, "400 Bad Request: Invalid path parameter 'id': Expected an integer")


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
def test_what_an_app_holds_continues_its_urls_to_any_depth(path: str, text: str) -> None:
    assert call(OUTER, "GET", path).text == text


@pytest.mark.parametrize("path", ["/", "/inner_app/ann", "/users/ann/bob", "/inner_app/users/nobody/posts", "/posts"])
def test_what_is_held_has_its_own_404s(path: str) -> None:
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
        ("GET", "/users/me/posts/1", None),  # `me` is no int, but the literal had nothing for it
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
def test_route_gives_a_path_and_literal_segments_go_before_values(method: str, path: str, text: str | None) -> None:
    answer = call(EXPLICIT, method, path)
    assert (answer.status, answer.text) == (
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
def test_the_automatic_url_is_gone_and_nothing_else_matches(path: str) -> None:
    assert call(EXPLICIT, "GET", path).status == 404


def test_of_one_path_each_method_has_its_own_handler_and_the_rest_is_refused() -> None:
    answer = call(EXPLICIT, "POST", "/users/ann")
    assert (answer.status, answer.header("allow")) == (405, "DELETE, GET, HEAD, OPTIONS, PUT")
    assert call(EXPLICIT, "HEAD", "/users/ann").status == 200
    assert call(EXPLICIT, "OPTIONS", "/users/ann").header("allow") == "DELETE, GET, HEAD, OPTIONS, PUT"
    assert call(EXPLICIT, "BREW", "/users/me/name").status == 405


class Mixed(App):
    """One path, of which one method has a handler of its own."""

    @route("/thing", methods=["POST"])
    async def create(self) -> str:
        return "created"

    @route("/thing")
    async def show(self) -> str:
        return f"shown {self.request.method}"


@pytest.mark.parametrize(("method", "text"), [("POST", "created"), ("GET", "shown GET"), ("DELETE", "shown DELETE")])
def test_a_route_without_methods_answers_those_that_no_other_route_does(method: str, text: str) -> None:
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
def test_a_methods_own_url_goes_before_a_path_that_begins_with_a_value(path: str, text: str) -> None:
    assert call(Sluggish(), "GET", path).text == text


@pytest.mark.parametrize(
    ("path", "methods", "complaint"),
    [
        ("users", None, "the path must start with '/'"),
        ("/users/{id", None, "a parameter must be a whole segment, as in '/users/{id}'"),
        ("/users/id}", None, "a parameter must be a whole segment"),
        ("/users/x{id}", None, "a parameter must be a whole segment"),
        ("/users/{}", None, "a parameter must be a whole segment"),
        ("/users/{id:int}", None, "a parameter must be a whole segment"),
        ("/{id}/{id}", None, "each parameter may occur only once"),
        ("/", "GET", "methods must be a list of DELETE, GET"),
        ("/", [], "methods must be a list of"),
        ("/", ["BREW"], "methods must be a list of"),
    ],
)
def test_what_route_cannot_mean_is_refused_at_once(path: str, methods: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint.replace("{", "{").replace("(", r"\(")):
        route(path, methods=methods)


def test_route_without_its_call_is_refused_too() -> None:
    async def handler(self: App) -> None: ...

    with pytest.raises(TypeError, match=r"@route needs parentheses: write @route\(\) or @route\('/path'\)"):
        route(handler)  # type: ignore[arg-type]  # that is the mistake


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
def test_a_websocket_finds_its_ws_method_as_a_request_does(path: str, said: str) -> None:
    sent = call_socket(Sockets(), path)
    assert [message.get("text") for message in sent if message["type"] == "websocket.send"] == [said]


@pytest.mark.parametrize("path", ["/nothing", "/chat/a/b", "/ws_chat", "/tell", "/feed/3", "/rooms/3", "/users/posts"])
def test_without_a_route_it_is_refused_with_1008(path: str) -> None:
    assert call_socket(Sockets(), path) == [{"type": "websocket.close", "code": 1008, "reason": "404 Not Found"}]


@pytest.mark.parametrize("path", ["/ws_chat", "/ws-chat", "/ws_index", "/feed", "/rooms/3/feed", "/"])
def test_a_ws_method_is_no_url_over_http(path: str) -> None:
    assert call(Sockets(), "GET", path).status == 404


# --- the table itself ---


def test_ten_thousand_handlers_are_found_by_one_look_in_a_dictionary() -> None:
    class Counting(dict[str, Route]):
        looks = 0

        def get(self, key: str, default: Any = None) -> Any:
            Counting.looks += 1
            return super().get(key, default)

        def __iter__(self) -> Any:
            raise AssertionError("the table was walked through")

    async def handler(self: App) -> str:
        return "found"

    app: App = type("Many", (App,), {f"h{number}": handler for number in range(10_000)})()
    table = app._node.http
    table.named = Counting(table.named)
    assert call(app, "GET", "/h9999").text == "found"
    assert Counting.looks == 1


def test_the_routes_are_listed_by_their_urls() -> None:
    listed = {key: made.attribute for key, made in Listed().routes.items()}
    assert listed == {
        "/{year}/{slug}": "index",
        "/about": "about",
        "POST PUT /write/{x}": "write",
        "GET /users/{id}": "user",
        "WEBSOCKET /chat/{room}/{*more}": "ws_chat",
        "GET /things/{id}": "get",
        "POST /things": "post",
        "DELETE /things/{id}": "delete",
        "/things/archive/{year}": "archive",
        "/users": "index",
    }


def test_a_route_shows_its_url_and_its_method() -> None:
    assert repr(Listed().routes["/about"]) == f"<Route /about {__name__}.Listed.about>"


class Front(Resource):
    async def index(self) -> str:
        return "front"


class Listed(App):
    things = Methods()
    users = Front()

    async def index(self, year: int, slug: str = "") -> str:
        return ""

    async def about(self, *, name: str = "") -> str:
        return ""

    @route(methods=["PUT", "POST"])
    async def write(self, x: int) -> str:
        return ""

    @route("/users/{id}", methods=["GET"])
    async def user(self, id: int) -> str:
        return ""

    async def ws_chat(self, ws: Any, room: str, *more: str) -> None: ...


SEGMENT = st.text(st.characters(exclude_characters="\0\ufffd", exclude_categories=["Cs"]), max_size=5)


@given(st.lists(SEGMENT, max_size=4))
def test_any_segments_arrive_as_they_were_encoded(segments: list[str]) -> None:
    encoded = "".join("/" + "".join(f"%{byte:02X}" for byte in segment.encode()) for segment in segments)
    path = f"/anything{encoded}/"  # the last slash is ignored, so that the last segment may be empty
    assert call(SHOP, "GET", path).json == segments


@given(st.text(max_size=20).map(lambda path: "/" + path.replace("\0", "").replace("\ufffd", "")))
def test_any_path_finds_a_handler_with_room_for_it_or_none(path: str) -> None:
    try:
        found, values = match_path(SHOP._trail, split_path({"path": path}), "GET")
    except HTTPError:
        return
    assert isinstance(found, Route)
    assert len(values) <= found.path_values


# --- what was found once is remembered, until the tree changes ---


class Shelf(Resource):
    async def get(self) -> str:
        return "shelf"

    async def first_book(self) -> str:
        return "first book"


class Annex(App):
    async def index(self) -> str:
        return "annex"


class Library(App):
    def __init__(self) -> None:
        super().__init__()
        self.shelf = Shelf()
        self.annex = Annex()
        self.other = Shelf()

    async def index(self) -> str:
        return "library"

    async def open(self, door: str = "front") -> str:
        return f"open {door}"


def bound(owner: Any, text: str) -> Any:
    async def handler(self: Any) -> str:
        return text

    return handler.__get__(owner)


def close_open(library: Library) -> None:
    library.open = bound(library, "closed")  # type: ignore[method-assign]  # on purpose


def mount_over(library: Library) -> None:
    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"mounted"})

    library.mount("/shelf", mounted)


def guard_annex(library: Library) -> None:
    class Closed(HttpMiddleware):
        async def before_request(self, request: Request) -> Any:
            return {"status_code": 403, "body": "closed"}

        async def after_request(self, *_: Any, **__: Any) -> None:
            return None

    library.annex.middlewares.append(Closed())


@pytest.mark.parametrize(
    ("change", "path", "before", "after"),
    [
        (close_open, "/open", "open front", "closed"),
        (lambda library: delattr(library, "other"), "/other", "shelf", "404 Not Found"),
        (lambda library: setattr(library, "other", Annex()), "/other", "shelf", "annex"),
        (lambda library: setattr(library.shelf, "first_book", bound(library.shelf, "late")), "/shelf/first-book/",
         "first book", "late"),
        (lambda library: setattr(library, "index", bound(library, "late")), "", "library", "late"),
        (mount_over, "/shelf", "shelf", "mounted"),
        (guard_annex, "/annex", "annex", "closed"),
    ],
)  # fmt: skip
def test_a_change_of_the_tree_is_seen_by_paths_that_were_asked_before(
    change: Any, path: str, before: str, after: str
) -> None:
    library = Library()
    assert [call(library, "GET", path).text for _ in range(2)] == [before, before]
    change(library)
    assert [call(library, "GET", path).text for _ in range(2)] == [after, after]


def test_a_resource_that_is_held_twice_changes_for_both() -> None:
    shelf = Shelf()
    libraries = [Library(), Library()]
    for library in libraries:
        library.other = shelf
        assert call(library, "GET", "/other/first_book").text == "first book"
    shelf.first_book = bound(shelf, "late")  # type: ignore[method-assign]  # on purpose
    assert [call(library, "GET", "/other/first_book").text for library in libraries] == ["late", "late"]


def test_an_encoded_slash_is_not_taken_for_a_path_that_was_asked_before() -> None:
    library = Library()
    scope = {**http_scope("GET", "/shelf/first_book"), "raw_path": b"/shelf%2Ffirst_book"}
    assert call(library, "GET", "/shelf/first_book").text == "first book"
    assert outcome(lambda: find_route(library._node, scope, "GET")) == (404, [])


PIECES = st.sampled_from(["shelf", "first_book", "first-book", "annex", "open", "index", "none", ""])


@given(st.lists(st.tuples(st.sampled_from(METHODS), st.lists(PIECES, max_size=3), st.sampled_from(["", "/open"]))))
def test_what_is_remembered_is_what_would_be_found(asked: list[tuple[str, list[str], str]]) -> None:
    library = Library()
    for method, pieces, root in asked * 2:
        scope = {**http_scope(method, "/" + "/".join(pieces)), "root_path": root}
        found = [outcome(lambda: match_path(library._trail, split_path(scope), method)),  # noqa: B023  # called at once
                 outcome(lambda: find_route(library._node, scope, method))]  # noqa: B023  # fmt: skip
        assert found[0] == found[1]


class Lanes(App):
    """Methods with path values, and all that may come before or after them."""

    def __init__(self) -> None:
        super().__init__()
        self.held = Shelf()

    async def lane(self, a: str = "", b: str = "") -> str:
        return a + b

    async def two_lane(self, a: str = "") -> str:
        return a

    @route(methods=["POST"])
    async def posted(self, a: str = "") -> str:
        return a

    async def crossed(self, a: str = "", b: str = "") -> str:
        return a + b

    @route("/crossed/over/{a}")
    async def over(self, a: str) -> str:
        return a

    @route("/{a}/{b}/{c}")
    async def anywhere(self, a: str, b: str, c: str) -> str:
        return a + b + c

    async def index(self, *rest: str) -> str:
        return "/".join(rest)


def test_a_path_without_its_slash_is_no_first_segment() -> None:
    lanes = Lanes()
    for path, status in (("lane", 404), ("/lane/x", 200), ("lane", 404), ("", 200)):
        assert call(lanes, "GET", path).status == status


LANES = ["lane", "crossed", "two_lane", "two-lane", "posted", "held", "index", "x", ""]
TURNS = [turns for count in range(4) for turns in product(["x", "over", ""], repeat=count)]
LANE_PATHS = [(method, [lane, *turns]) for method in ("GET", "POST", "OPTIONS") for lane in LANES for turns in TURNS]


@settings(max_examples=10)
@given(st.permutations(LANE_PATHS), st.booleans())
def test_what_is_remembered_by_its_first_segment_is_what_would_be_found(
    asked: list[tuple[str, list[str]]], mounted: bool
) -> None:
    lanes = Lanes()
    if mounted:
        lanes.mount("/lane/x", Shelf.__init__)  # type: ignore[arg-type]  # never called
    for method, pieces in asked * 2:
        path = "/" + "/".join(pieces)
        found = [outcome(lambda: match_path(lanes._trail, split_path({"path": path}), method)),  # noqa: B023  # called at once
                 outcome(lambda: find_route(lanes._node, {"path": path}, method))]  # noqa: B023  # fmt: skip
        assert named(found[0]) == named(found[1])


def outcome(look: Any) -> object:
    try:
        return look()
    except HTTPError as error:
        return error.status, error.headers


def test_paths_that_clients_make_up_are_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("micropie.routing.match._MOST_KNOWN", 3)
    library = Library()
    for path in ["/shelf", "/shelf/", "/open", "/open/", "/other", "/shelf/first_book", "/shelf/first-book", "/none"]:
        assert call(library, "GET", path).status == (404 if path == "/none" else 200)
    assert len(library._node.routes_by_path) == 3


class Held(App):
    shelf = Shelf()


def test_what_a_class_holds_does_not_keep_its_instances() -> None:
    held = weakref.ref(Held())
    gc.collect()
    assert held() is None


def test_what_is_found_while_the_tree_changes_is_not_remembered() -> None:
    library = Library()
    hashed = []

    class Meanwhile(str):
        """A method that another thread changes the tree after, between its being found and being remembered."""

        def __hash__(self) -> int:
            hashed.append(self)
            if len(hashed) == 3:  # by path, by first segment, and to be remembered
                close_open(library)
            return super().__hash__()

    scope = http_scope("GET", "/open")
    before, _ = find_route(library._node, scope, Meanwhile("GET"))
    after, _ = find_route(library._node, scope, "GET")
    assert [before, after] == [before, match_path(library._trail, ["open"], "GET")[0]]
    assert before is not after


def named(found: Any) -> object:
    """What was found, a Mount being nothing but its app."""
    return (found[0].app, found[1]) if isinstance(found[0], Mount) else found


OWNERS = st.sampled_from(["library", "shelf", "annex", "other"])
NAMES = st.sampled_from(["open", "first_book", "shelf", "other", "index"])
CHANGES = st.one_of(
    st.tuples(st.just("handler"), OWNERS, NAMES),
    st.tuples(st.just("delete"), OWNERS, NAMES),
    st.tuples(st.just("hold"), OWNERS, NAMES, st.sampled_from(["library", "shelf", "annex", "other"])),
    st.tuples(st.just("mount"), st.sampled_from(["library", "annex"]), st.sampled_from(["/open", "/shelf/open", "/"])),
    st.tuples(st.just("guard"), st.sampled_from(["annex", "library"])),
)
ASKED = ("", "/open", "/shelf", "/other", "/first-book", "/annex", "/shelf/first_book", "/shelf/open",
         "/other/shelf/open", "/annex/open", "/shelf/annex/first_book")  # fmt: skip


@given(st.lists(CHANGES, max_size=8))
def test_whatever_changes_what_is_remembered_is_what_would_be_found(changes: list[tuple[str, ...]]) -> None:
    library = Library()
    owners: dict[str, Any] = {"library": library, "shelf": library.shelf, "annex": library.annex,
                              "other": library.other}  # fmt: skip

    def look() -> None:
        for path in ASKED:
            scope = http_scope("GET", path or "/")
            found = outcome(lambda: find_route(library._node, scope, "GET"))  # noqa: B023  # called at once
            assert named(found) == named(outcome(lambda: match_path(library._trail, split_path(scope), "GET")))  # noqa: B023

    look()
    for kind, owner, *rest in changes:
        changed = owners[owner]
        if kind == "handler":
            setattr(changed, rest[0], bound(changed, "late"))
        elif kind == "delete" and rest[0] in vars(changed):
            delattr(changed, rest[0])
        elif kind == "hold":
            setattr(changed, rest[0], owners[rest[1]])
        elif kind == "mount":
            changed.mount(rest[0], Annex())
        elif kind == "guard":
            changed.middlewares = [object()]
        look()
