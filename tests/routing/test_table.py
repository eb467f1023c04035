"""These tests look up and list the routes of a table."""

from typing import Any

from micropie import App, Resource, Route, route
from tests.support.asgi import call

from .apps import Methods


def test_handler_among_ten_thousand_is_found_by_one_dictionary_lookup() -> None:
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


def test_routes_are_listed_by_their_urls() -> None:
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


def test_repr_of_a_route_shows_its_url_and_handler() -> None:
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
