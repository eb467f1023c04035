"""These tests create apps with handlers that cannot work, and read the report."""

from typing import Any

import pytest

from micropie import App, Resource, SetupError, WebSocket, route
from tests.support.asgi import call, call_socket

from .support import Store, Touched, get_statuses, hello, list_problems, set_late


class Broken(Resource):
    async def get(self, x: complex) -> None: ...

    async def fine(self) -> None: ...


def test_every_bad_handler_of_an_app_and_its_resources_is_in_one_report() -> None:
    class Bad(App):
        broken = Broken()
        again = broken

        async def one(self, x: complex) -> None: ...

        async def two(self, y: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    named = [text.partition(":")[0] for text in list_problems(Bad)]
    assert named == ["Broken.get (x", f"{Bad.__qualname__}.one (x", f"{Bad.__qualname__}.two (y"]
    assert list_problems(Bad) == list_problems(Bad)  # the second attempt reports the same


def test_problem_names_method_place_and_remedy() -> None:
    class Bad(App):
        async def index(self, x: complex) -> None: ...

    with pytest.raises(SetupError) as refused:
        Bad()
    [problem] = refused.value.problems
    assert problem.file == __file__
    assert problem.line is not None
    assert problem.remedy.startswith("Use a type that msgspec can read")


@pytest.mark.parametrize(
    "name",
    sorted(name for name in {*dir(App), *App.__annotations__} if not name.startswith("_") and name != "lifespan"),
)
def test_handler_or_sub_tree_with_a_name_of_the_framework_is_refused(name: str) -> None:
    what = f"'{name}' is a name of the framework's own class and never a URL"
    assert [what] == [text.partition(": ")[2] for text in list_problems(type("Bad", (App,), {name: hello}))]
    if not isinstance(getattr(App, name, None), property):
        # A value of the instance goes before that of the class, so a sub-tree would silently get lost there as well.
        made = type("Bad", (App,), {"__init__": lambda self: set_late(self, name, Store(1))})
        assert [what] == [text.partition(": ")[2] for text in list_problems(made)]


def test_remedy_for_a_reserved_name_works() -> None:
    class Mended(App):
        @route("/debug")
        async def debugging(self) -> str:
            return "debug"

    assert call(Mended(), "GET", "/debug").text == "debug"


def test_state_with_a_name_of_the_framework_is_accepted() -> None:
    class Own(App):
        debug = True

        def __init__(self) -> None:
            super().__init__()
            self.limits = self.limits
            self.mount = print  # type: ignore[method-assign, assignment]

    app = Own()
    del app.mount
    assert get_statuses(app, "/mount", "/debug") == [404, 404]


def test_lifespan_may_be_overridden_and_is_not_a_url() -> None:
    class Living(App):
        def lifespan(self) -> Any:
            raise Touched

    assert get_statuses(Living(), "/lifespan") == [404]


@pytest.mark.parametrize(
    ("one", "two", "what"),
    [
        (route("/x/{id}"), route("/x/{id}"), "answers /x/{id}, as {module}.Bad.first does"),
        (route("/x"), route("/x/"), "answers /x, as {module}.Bad.first does"),
        (route("/"), route("/"), "answers /, as {module}.Bad.first does"),
        (route("/x/{id}"), route("/x/{number}"), "answers /x/{number}, as {module}.Bad.first does"),
        (
            route("/x/{id}", methods=["GET", "PUT"]),
            route("/x/{id}", methods=["PUT", "GET"]),
            "answers GET /x/{id}, as {module}.Bad.first does",
        ),
        (
            route("/x", methods=["PUT"]),
            route("/x", methods=["PUT", "POST"]),
            "answers PUT /x, as {module}.Bad.first does",
        ),
        (route("/second"), lambda function: function, "answers /second, as {module}.Bad.first does"),
        (lambda function: function, route("/first"), "answers /first, as {module}.Bad.first does"),
    ],
)
def test_two_handlers_for_one_url_are_refused(one: Any, two: Any, what: str) -> None:
    async def first(self: App, id: int = 0, number: int = 0) -> None: ...

    async def second(self: App, id: int = 0, number: int = 0) -> None: ...

    cls = type("Bad", (App,), {"first": one(first), "second": two(second), "__module__": __name__})
    found = list_problems(cls)
    assert "Bad.second: " + what.replace("{module}", __name__) in found


def test_index_and_a_route_at_the_root_are_two_handlers_for_one_url() -> None:
    class Bad(App):
        async def index(self) -> None: ...

        @route("/")
        async def front(self) -> None: ...

    assert list_problems(Bad) == [f"{Bad.__qualname__}.front: answers /, as {__name__}.{Bad.__qualname__}.index does"]


def test_routes_with_different_methods_or_paths_do_not_conflict() -> None:
    class Good(App):
        @route("/x/{id}", methods=["GET"])
        async def get_x(self, id: int) -> str:
            return "get"

        @route("/x/{id}", methods=["POST"])
        async def post_x(self, id: int) -> str:
            return "post"

        @route("/x/{name}/more")
        async def more(self, name: str) -> str:
            return "more"

        @route("/x")
        async def all_x(self) -> str:
            return "all"

        @route("/x")
        async def ws_x(self, ws: WebSocket) -> None:
            await ws.close(4000, "x")

    app = Good()
    assert [call(app, "GET", path).text for path in ("/x", "/x/1", "/x/1/more")] == ["all", "get", "more"]
    assert call_socket(app, "/x")[0]["code"] == 4000


def test_resource_with_verbs_and_index_is_refused() -> None:
    class Both(Resource):
        async def get(self) -> None: ...

        async def index(self) -> None: ...

    class Bad(App):
        both = Both()

    assert list_problems(Bad) == [
        f"{Both.__qualname__}.index: answers the Resource's own URL, as {__name__}.{Both.__qualname__}.get does"
    ]


class Wrong(App):
    @route("/{id}/{missing}")
    async def unnamed(self, id: int) -> None: ...

    @route("/hidden")
    async def _hidden(self) -> None: ...

    async def ws_nothing(self) -> None: ...

    def ws_sync(self, ws: WebSocket) -> None: ...

    async def not_ws(self, ws: WebSocket) -> None: ...

    async def twice(self, *, a: int = 0, b: complex = 0j) -> None: ...


def test_problems_name_what_cannot_work() -> None:
    assert sorted(list_problems(Wrong)) == [
        "Wrong._hidden: @route cannot give a URL to a name that starts with '_'",
        "Wrong.not_ws (ws: micropie.websockets.connection.WebSocket): only a ws_ method can take a WebSocket",
        "Wrong.twice (b: complex): 'builtins.complex' cannot be read from a request",
        "Wrong.unnamed: the @route path names {missing}, which no parameter takes",
        "Wrong.ws_nothing: a ws_ method must take the connection as its first parameter",
        "Wrong.ws_sync: a ws_ method waits for messages, so it cannot be sync",
    ]
