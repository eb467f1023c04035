"""These tests build apps: their attributes, their routes, and the apps that start and stop with them."""

import asyncio
import threading
from contextvars import ContextVar
from typing import Any

import pytest

from micropie import App, HttpMiddleware, Limits, Resource, SetupError, WebSocketMiddleware
from micropie.app.lifespan import _list_apps
from tests.support.asgi import call

VARIABLE: ContextVar[str] = ContextVar("VARIABLE")


class Silent(App):
    """An app whose `__init__` calls no other."""

    def __init__(self) -> None:
        self.greeting = "hello"

    async def index(self) -> str:
        return self.greeting


def test_app_without_super_init_has_its_attributes_and_routes() -> None:
    app = Silent()
    assert (app.middlewares, app.error_handlers, app.limits, app.debug) == ([], {}, Limits(), False)
    assert list(app.routes) == ["/"]
    assert call(app, "GET", "/").text == "hello"


def test_attributes_may_be_set_before_super_init() -> None:
    class Early(App):
        def __init__(self) -> None:
            self.limits = Limits(body=1)
            super().__init__()

    assert Early().limits == Limits(body=1)


def test_routes_have_keys_by_url_method_and_protocol() -> None:
    class Things(Resource):
        async def get(self, id: int) -> str:
            return ""

    class Site(App):
        things = Things()

        async def index(self) -> str:
            return ""

        async def greet(self, name: str, *rest: str) -> str:
            return ""

        async def ws_chat(self, ws: Any) -> None: ...

    routes = Site().routes
    assert list(routes) == ["/", "/greet/{name}/{*rest}", "WEBSOCKET /chat", "GET /things/{id}"]
    assert "def bind(call, request, segments)" in routes["/"].source


def test_setup_error_names_every_handler_that_cannot_work() -> None:
    class Broken(App):
        async def works(self, x: int = 1) -> str:
            return ""

        async def first(self, lock: threading.Thread) -> str:
            return ""

        async def second(self, *, lock: threading.Thread) -> str:
            return ""

    with pytest.raises(SetupError) as refused:
        Broken()
    handlers = [problem.where.partition(" ")[0].rpartition(".")[2] for problem in refused.value.problems]
    assert handlers == ["first", "second"]


@pytest.mark.parametrize("argument", ["openapi_path", "docs_path"])
def test_path_of_a_document_without_a_leading_slash_is_refused(argument: str) -> None:
    arguments: dict[str, Any] = {argument: "docs"}
    with pytest.raises(ValueError, match="'docs'"):
        App(**arguments)


@pytest.mark.parametrize("prefix", ["", "static", "//static", "/a//b"])
def test_mount_below_a_path_that_cannot_be_requested_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match=r"a prefix must start with '/' and contain no '//'"):
        App().mount(prefix, App())


class Hooks(HttpMiddleware, WebSocketMiddleware):
    async def before_request(self, request: Any) -> None: ...
    async def after_request(self, request: Any, status_code: Any, response_body: Any, extra_headers: Any) -> None: ...
    async def before_websocket(self, request: Any) -> None: ...
    async def after_websocket(self, request: Any) -> None: ...


INTERCEPTING: list[tuple[str, Any, set[str]]] = [
    ("middlewares", [Hooks()], {"http"}),
    ("error_handlers", {KeyError: print}, {"http"}),
    ("ws_middlewares", [Hooks()], {"websocket"}),
    ("overrides", {print: print}, {"http", "websocket"}),
    ("startup_handlers", [print], set()),
    ("debug", True, set()),
]


@pytest.mark.parametrize(("attribute", "value", "scope_types"), INTERCEPTING)
def test_held_app_runs_around_requests_if_it_has_hooks(attribute: str, value: Any, scope_types: set[str]) -> None:
    app = App()
    assert [app._intercepts(kind) for kind in ("http", "websocket")] == [False, False]
    setattr(app, attribute, value)
    assert {kind for kind in ("http", "websocket") if app._intercepts(kind)} == scope_types


def test_apps_are_listed_once_and_the_outermost_first() -> None:
    class Holding(Resource):
        def __init__(self, *apps: App) -> None:
            for number, app in enumerate(apps):
                setattr(self, f"app_{number}", app)

    class Site(App):
        def __init__(self, *held: App | Resource) -> None:
            super().__init__()
            for number, tree in enumerate(held):
                setattr(self, f"held_{number}", tree)

    leaf = Silent()
    inner = Site(leaf)
    outer = Site(Holding(inner, leaf), inner)
    assert [type(node.owner).__name__ for node in _list_apps(outer._node, [])] == ["Site", "Site", "Silent"]
    assert [id(node.owner) for node in _list_apps(outer._node, [])] == [id(outer), id(inner), id(leaf)]


def test_blocking_function_runs_in_a_thread_of_the_app() -> None:
    app = App(limits=Limits(threads=1))

    async def main() -> set[tuple[str, int, str]]:
        def look() -> tuple[str, int, str]:
            thread = threading.current_thread()
            return thread.name.partition("_")[0], threading.get_ident(), VARIABLE.get()

        VARIABLE.set("the caller's")
        return set(await asyncio.gather(*(app._run_sync(look) for _ in range(5))))

    try:
        ((name, thread, variable),) = asyncio.run(main())
    finally:
        app._workers.stop()
    assert (name, variable) == ("micropie", "the caller's")
    assert thread != threading.get_ident()
