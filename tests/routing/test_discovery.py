"""These tests decide which attributes of an App or Resource are URLs and which are state (SPEC 2)."""

import functools
import random
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from micropie import App, Resource, SetupError, WebSocket, route
from tests.support.asgi import Response, call, call_socket
from tests.support.hooks import Hook

from .support import Store, Sub, Touched, bind_method, delete, get_statuses, hello, set_late

Handler = Callable[..., Awaitable[object]]


# --- what is never a URL ---


class Tempting(App):
    """An app with attributes of all kinds that must not be URLs."""

    public_number = 5
    public_list: ClassVar[list[int]] = [1]
    public_class = dict
    partial = functools.partial(random.random)
    builtin = time.time
    annotated: Callable[[], float] = time.time
    declared: Callable[..., object] = lambda self: "called"

    def __init__(self) -> None:
        super().__init__()
        self.client = random.Random(1)
        self.factory = dict
        self.callback = lambda: "called"
        self.method_of_another = self.client.random
        self.on_event = self._private

    @property
    def evaluated(self) -> str:
        raise Touched

    @functools.cached_property
    def cached(self) -> str:
        raise Touched

    async def _private(self) -> str:
        raise Touched

    async def __mangled(self) -> str:
        raise Touched

    async def ws_chat(self, ws: WebSocket) -> None:
        raise Touched

    async def greet(self) -> str:
        return "Hello!"


TEMPTING = Tempting()


HIDDEN = sorted({*dir(TEMPTING), *vars(TEMPTING), *dir(App), *App.__annotations__} - {"greet"})


@pytest.mark.parametrize("name", HIDDEN)
def test_hidden_attribute_is_not_found_and_not_evaluated(name: str) -> None:
    encoded = "".join(f"%{byte:02x}" for byte in name.encode())
    assert get_statuses(TEMPTING, f"/{name}", f"/{name}/", f"/{name}/x", f"/{encoded}") == [404] * 4
    assert get_statuses(TEMPTING, f"/{name.replace('_', '-')}") == [404]


def test_hidden_attributes_include_private_ones_properties_and_state() -> None:
    wanted = {"evaluated", "cached", "_private", "ws_chat", "callback", "on_event", "__class__", "mount", "request"}
    assert wanted < set(HIDDEN)
    assert call(TEMPTING, "GET", "/greet").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/__class__",
        "/__class__/__mro__",
        "/%5F_class__",
        "/%5f%5fclass%5f%5f",
        "/greet/__call__",
        "/_Tempting__mangled",
    ],
)
def test_special_attributes_are_not_found(path: str) -> None:
    assert get_statuses(TEMPTING, path) == [404]


@pytest.mark.parametrize("name", HIDDEN)
def test_hidden_attribute_is_not_found_as_a_websocket(name: str) -> None:
    assert [message["code"] for message in call_socket(TEMPTING, f"/{name}")] == [1008]


def test_hidden_attributes_of_a_resource_are_not_found() -> None:
    class Hiding(Resource):
        @property
        def evaluated(self) -> str:
            raise Touched

        async def _private(self) -> str:
            raise Touched

        async def shown(self) -> str:
            return "shown"

    class Holding(App):
        inner = Hiding()

    hidden = sorted({*dir(Hiding()), "_node"} - {"shown"})
    assert get_statuses(Holding(), *(f"/inner/{name}" for name in hidden)) == [404] * len(hidden)
    assert get_statuses(Holding(), "/inner/shown") == [200]


# --- what is a handler ---


def traced(function: Handler) -> Handler:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> object:
        return f"traced {await function(*args, **kwargs)}"

    return wrapper


class Kinds(App):
    async def coroutine(self, name: str = "x") -> str:
        return f"coroutine {name}"

    def plain(self, name: str = "x") -> str:
        return f"plain {name}"

    @staticmethod
    async def static(name: str = "x") -> str:
        return f"static {name}"

    @classmethod
    async def of_class(cls, name: str = "x") -> str:
        return f"{cls.__name__} {name}"

    @traced
    async def decorated(self, name: str = "x") -> str:
        return f"decorated {name}"

    @functools.lru_cache  # noqa: B019  # the app of a test lives long enough
    def cached(self, name: str = "x") -> str:
        return f"cached {name}"

    short = lambda self, name="x": f"lambda {name}"  # noqa: E731
    partial = functools.partialmethod(plain, name="y")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/coroutine/a", "coroutine a"),
        ("/plain/a", "plain a"),
        ("/static/a", "static a"),
        ("/of_class/a", "Kinds a"),
        ("/decorated/a", "traced decorated a"),
        ("/cached/a", "cached a"),
        ("/short/a", "lambda a"),
        ("/partial", "plain y"),
    ],
)
def test_public_method_of_any_kind_is_a_url(path: str, text: str) -> None:
    response = call(Kinds(), "GET", path)
    assert (response.status, response.text) == (200, text)


class Base(App):
    async def shared(self) -> str:
        return "base"

    async def replaced(self) -> str:
        return "base"

    async def taken_away(self) -> str:
        return "base"


class Mixin:
    async def mixed_in(self) -> str:
        return "mixin"


class Abstract(ABC):
    @abstractmethod
    async def promised(self) -> str: ...


class Derived(Mixin, Base, Abstract):
    taken_away = None  # type: ignore[assignment]  # a subclass removes a URL in this way

    async def replaced(self) -> str:
        return "derived, not " + await super().replaced()

    async def promised(self) -> str:
        return "kept"


@pytest.mark.parametrize(
    ("path", "text"),
    [("/shared", "base"), ("/replaced", "derived, not base"), ("/mixed_in", "mixin"), ("/promised", "kept")],
)
def test_handlers_are_inherited_and_mixed_in(path: str, text: str) -> None:
    assert call(Derived(), "GET", path).text == text


def test_handler_that_a_subclass_sets_to_none_has_no_url() -> None:
    assert get_statuses(Derived(), "/taken_away") == [404]
    assert get_statuses(Base(), "/taken_away") == [200]


def test_generic_resource_may_be_held_many_times() -> None:
    class Stores(App):
        numbers = Store(1)
        texts = Store("one")

    assert [call(Stores(), "GET", path).text for path in ("/numbers", "/texts")] == ["1", "one"]


# --- handlers set late, and state ---


async def goodbye(self: App) -> str:
    return "goodbye"


def test_handler_may_be_set_replaced_and_deleted_after_construction() -> None:
    app = Kinds()
    set_late(app, "hello", bind_method(hello, app))
    assert call(app, "GET", "/hello").text == "hello"
    set_late(app, "hello", bind_method(goodbye, app))
    assert call(app, "GET", "/hello").text == "goodbye"
    delete(app, "hello")
    assert get_statuses(app, "/hello") == [404]


def test_handler_that_is_set_late_hides_that_of_the_class_until_it_is_deleted() -> None:
    app = Kinds()
    set_late(app, "plain", bind_method(hello, app))
    assert call(app, "GET", "/plain").text == "hello"
    delete(app, "plain")
    assert call(app, "GET", "/plain").text == "plain x"
    set_late(app, "plain", None)
    assert get_statuses(app, "/plain") == [404]


def test_websocket_handler_and_route_path_may_be_set_late() -> None:
    async def ws_late(self: App, ws: WebSocket) -> None:
        await ws.close(4000, "late")

    @route("/late/{id}")
    async def templated(self: App, id: int) -> str:
        return f"late {id}"

    @route("/free/{id}")
    async def unbound(id: int) -> str:
        return f"free {id}"

    app = Kinds()
    set_late(app, "ws_late", bind_method(ws_late, app))
    set_late(app, "templated", bind_method(templated, app))
    set_late(app, "unbound", unbound)
    assert call_socket(app, "/late")[0]["reason"] == "late"
    assert call(app, "GET", "/late/3").text == "late 3"
    assert call(app, "GET", "/free/3").text == "free 3"
    set_late(app, "templated", bind_method(hello, app))
    delete(app, "ws_late")
    assert get_statuses(app, "/late/3", "/templated", "/free/3") == [404, 200, 200]
    assert call_socket(app, "/late")[0]["code"] == 1008


def test_sub_tree_may_be_set_replaced_and_deleted_after_construction() -> None:
    app = Kinds()
    set_late(app, "things", Store(1))
    assert call(app, "GET", "/things").text == "1"
    set_late(app, "things", Store(2))
    assert call(app, "GET", "/things").text == "2"
    set_late(app, "things", "no URL")
    assert get_statuses(app, "/things") == [404]
    set_late(app, "things", Store(3))
    delete(app, "things")
    assert get_statuses(app, "/things") == [404]


def test_handler_that_a_held_resource_gets_late_is_a_url() -> None:
    app, store = Kinds(), Store(1)
    set_late(app, "store", store)
    set_late(store, "hello", bind_method(hello, store))
    set_late(store, "get", bind_method(goodbye, store))
    assert call(app, "GET", "/store/hello").text == "hello"
    assert call(app, "GET", "/store").text == "goodbye"
    delete(store, "get")
    assert call(app, "GET", "/store").text == "1"


class Answering:
    """A client that has every attribute, as proxies do."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self) -> str:
        raise Touched


@pytest.mark.parametrize(
    "state", [Answering(), lambda: "called", print, dict, Kinds.static, functools.partial(print), Answering().anything]
)
def test_other_callable_of_an_instance_is_state(state: object) -> None:
    app = Kinds()
    set_late(app, "state", state)
    set_late(app, "plain", state)
    assert get_statuses(app, "/state", "/plain") == [404, 404]


def test_method_of_another_object_is_state() -> None:
    app, other = Kinds(), Kinds()
    set_late(app, "borrowed", other.plain)
    set_late(app, "alias", app.plain)
    assert get_statuses(app, "/borrowed", "/alias") == [404, 200]


def test_private_method_under_a_public_name_is_state() -> None:
    app = Tempting()
    set_late(app, "exposed", app._private)
    assert get_statuses(app, "/exposed") == [404]


def test_assigning_state_does_not_rebuild_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counter(App):
        def __init__(self) -> None:
            super().__init__()
            self.hits = 0

        async def index(self) -> int:
            self.hits += 1
            self.last: str | None = self.request.method
            return self.hits

    app = Counter()
    monkeypatch.setattr("micropie.routing.discovery.RouteBuilder", None)
    assert [call(app, "GET", "/").text for _ in range(2)] == ["1", "2"]


def test_bad_handler_that_is_set_late_is_refused() -> None:
    async def bad(self: App, x: complex) -> str:
        return ""

    app = Kinds()
    with pytest.raises(SetupError, match=r"Kinds.bad \(x: complex\)"):
        set_late(app, "bad", bind_method(bad, app))
    assert get_statuses(app, "/bad") == [404]


# --- dataclasses, slots, and no super().__init__() ---


class Database:
    """A dependency that is callable, and could be mistaken for a handler."""

    def __call__(self) -> str:
        raise Touched


def create_dataclass(**options: bool) -> Any:
    """Create an App class that `dataclass(**options)` gives its `__init__`."""

    class WithFields(App):
        db: Database
        clock: Callable[[], float] = time.time
        names: list[str] = field(default_factory=list)
        store: Store[int] = field(default_factory=lambda: Store(7))

        async def index(self) -> str:
            return type(self.db).__name__

    return dataclass(**options)(WithFields)


class Forgetful(App):
    """Never calls super().__init__()."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.clock = time.time
        self.names: list[str] = []
        self.store = Store(7)

    async def index(self) -> str:
        return type(self.db).__name__


WITHOUT_INIT = {
    "plain": create_dataclass(),
    "frozen": create_dataclass(frozen=True),
    "slots": create_dataclass(slots=True),
    "all options": create_dataclass(frozen=True, slots=True, kw_only=True, order=True),
    "no dataclass": Forgetful,
}


@pytest.mark.parametrize("cls", WITHOUT_INIT.values(), ids=WITHOUT_INIT)
def test_fields_of_an_app_are_state_and_super_init_is_optional(cls: Any) -> None:
    app = cls(db=Database())
    assert [call(app, "GET", path).text for path in ("/", "/store")] == ["Database", "7"]
    assert get_statuses(app, "/db", "/clock", "/names") == [404] * 3
    app.middlewares.append(Hook(after={"status_code": 201}))
    app.error_handlers[Exception] = lambda request, error: 400
    app.mount("/static", create_dataclass()(Database()))
    assert [call(app, "GET", path).status for path in ("/", "/static/store")] == [201, 201]


@pytest.mark.parametrize(
    "options", [{}, {"frozen": True}, {"slots": True}, {"frozen": True, "slots": True, "eq": False}]
)
def test_resource_may_be_a_dataclass(options: dict[str, bool]) -> None:
    class Todos(Resource):
        db: Database
        clock: Callable[[], float] = time.time

        async def get(self, id: int = 0) -> str:
            return f"{type(self.db).__name__} {id}"

        async def late(self) -> str:
            return self.request.method

    decorated: Any = dataclass(**options)(Todos)

    class Holding(App):
        def __init__(self) -> None:
            self.todos = decorated(Database())

    app = Holding()
    assert [call(app, "GET", path).text for path in ("/todos/3", "/todos/late")] == ["Database 3", "GET"]
    assert get_statuses(app, "/todos/db", "/todos/clock") == [400, 400]  # they are values for `get`, and not integers


class Named:
    __slots__ = ("slotted",)
    slotted: Any


def test_value_in_a_slot_is_an_instance_attribute() -> None:
    class Slots(Named, App):
        def __init__(self, value: object) -> None:
            super().__init__()
            if value is not None:
                self.slotted = value

    assert call(Slots(Store(1)), "GET", "/slotted").text == "1"
    assert get_statuses(Slots(Database()), "/slotted") == [404]
    assert get_statuses(Slots(None), "/slotted") == [404]


# --- middleware may route ---


class Routed(App):
    def __init__(self, handler: str, *values: Any, old: bool = False) -> None:
        super().__init__()
        self.middlewares.append(Router(handler, values, old))
        self.sub = Sub()

    async def greet(self, name: str = "Guest", times: int = 1) -> str:
        return f"Hello, {name}!" * times

    @route("/by/{id}", methods=["GET"])
    async def templated(self, id: int) -> str:
        return f"templated {id}"

    async def _get_record(self, user: str, record: int) -> str:
        return f"{user}'s {record}"

    def _sync(self) -> str:
        return "sync"

    async def _broken(self, x: complex) -> None: ...

    async def ws_chat(self, ws: WebSocket) -> None: ...

    @property
    def evaluated(self) -> str:
        raise Touched


class Router(Hook):
    def __init__(self, handler: str, values: tuple[Any, ...], old: bool) -> None:
        super().__init__()
        self.handler, self.values, self.old = handler, values, old

    async def before_request(self, request: Any) -> None:
        if self.old:
            request._route_handler = self.handler
            request.path_params = list(self.values)
        else:
            request.route_to(self.handler, *self.values)


@pytest.mark.parametrize("old", [False, True], ids=["route_to", "_route_handler"])
@pytest.mark.parametrize(
    ("handler", "values", "status", "text"),
    [
        ("greet", [], 200, "Hello, Guest!"),
        ("greet", ["Ann"], 200, "Hello, Ann!"),
        ("greet", ["Ann", 2], 200, "Hello, Ann!Hello, Ann!"),
        ("templated", ["3"], 200, "templated 3"),
        ("_get_record", ["ann", 3], 200, "ann's 3"),
        ("_sync", [], 200, "sync"),
        ("greet", ["Ann", 1, 2], 404, "404 Not Found"),
        ("_get_record", ["ann", 3, 4], 404, "404 Not Found"),
        ("_get_record", ["ann"], 400, "400 Bad Request: Missing required parameter 'record'"),
        ("nothing", [], 404, "404 Not Found"),
        ("ws_chat", [], 404, "404 Not Found"),
        ("sub", [], 404, "404 Not Found"),
        ("evaluated", [], 404, "404 Not Found"),
        ("_redirect", ["/"], 404, "404 Not Found"),
        ("__init__", [], 404, "404 Not Found"),
        ("__class__", [], 404, "404 Not Found"),
        ("_broken", [], 500, "500 Internal Server Error"),
    ],
)
def test_middleware_may_choose_a_handler_by_name(
    handler: str, values: list[Any], status: int, text: str, old: bool
) -> None:
    app = Routed(handler, *values, old=old)
    for _ in range(2):
        response: Response = call(app, "GET", "/whatever/the/path")
        assert (response.status, response.text) == (status, text)


def test_methods_of_a_chosen_handler_apply() -> None:
    response = call(Routed("templated", "3"), "POST", "/")
    assert (response.status, response.header("allow")) == (405, "GET, HEAD, OPTIONS")


def test_websocket_middleware_may_choose_a_handler_by_name() -> None:
    class Choosing(App):
        async def ws_room(self, ws: WebSocket, name: str) -> None:
            await ws.close(4000, name)

    class Choice(Hook):
        async def before_websocket(self, request: Any) -> None:
            request.route_to("ws_room", "den")

        async def after_websocket(self, request: Any) -> None: ...

    app = Choosing()
    app.ws_middlewares.append(Choice())  # type: ignore[arg-type]
    assert call_socket(app, "/whatever")[0]["reason"] == "den"


def test_route_path_is_listed_with_its_braces() -> None:
    assert re.fullmatch(r"GET /by/\{id\}", next(key for key in Routed("greet").routes if "by" in key))
