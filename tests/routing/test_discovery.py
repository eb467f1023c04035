"""These tests decide which attributes of an App or Resource are URLs and which are state (SPEC 2)."""

import functools
import itertools
import random
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import pytest

from micropie import App, Resource, SetupError, WebSocket, route
from tests.support.asgi import Response, call, call_socket
from tests.support.hooks import Hook

T = TypeVar("T")
Handler = Callable[..., Awaitable[object]]


def late(owner: object, name: str, value: object) -> None:
    setattr(owner, name, value)


def undo(owner: object, name: str) -> None:
    delattr(owner, name)


def statuses(app: App, *paths: str) -> list[int]:
    return [call(app, "GET", path).status for path in paths]


def problems(cls: type[App]) -> list[str]:
    """Return the setup problems of `cls`, each as its place and fault."""
    with pytest.raises(SetupError) as refused:
        cls()
    return [f"{problem.where}: {problem.what}" for problem in refused.value.problems]


# --- what is never a URL (RELIABILITY 28) ---


class Touched(Exception):
    """Raised if the router evaluates what it must not."""


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
    assert statuses(TEMPTING, f"/{name}", f"/{name}/", f"/{name}/x", f"/{encoded}") == [404] * 4
    assert statuses(TEMPTING, f"/{name.replace('_', '-')}") == [404]


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
    assert statuses(TEMPTING, path) == [404]


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
    assert statuses(Holding(), *(f"/inner/{name}" for name in hidden)) == [404] * len(hidden)
    assert statuses(Holding(), "/inner/shown") == [200]


# --- what is a handler ---


def traced(function: Handler) -> Handler:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> object:
        return ["traced", await function(*args, **kwargs)]

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
        ("/decorated/a", '["traced","decorated a"]'),
        ("/cached/a", "cached a"),
        ("/short/a", "lambda a"),
        ("/partial", "plain y"),
    ],
)
def test_public_method_of_any_kind_is_a_url(path: str, text: str) -> None:
    answer = call(Kinds(), "GET", path)
    assert (answer.status, answer.text) == (200, text)


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
    assert statuses(Derived(), "/taken_away") == [404]
    assert statuses(Base(), "/taken_away") == [200]


class Store(Resource, Generic[T]):
    def __init__(self, thing: T) -> None:
        self.thing = thing

    async def get(self) -> T:
        return self.thing


def test_generic_resource_may_be_held_many_times() -> None:
    class Stores(App):
        numbers = Store(1)
        texts = Store("one")

    assert [call(Stores(), "GET", path).text for path in ("/numbers", "/texts")] == ["1", "one"]


# --- handlers set late, and state ---


async def hello(self: App) -> str:
    return "hello"


async def goodbye(self: App) -> str:
    return "goodbye"


def bound(function: Callable[..., object], app: object) -> Any:
    return function.__get__(app)


def test_handler_may_be_set_replaced_and_deleted_after_construction() -> None:
    app = Kinds()
    late(app, "hello", bound(hello, app))
    assert call(app, "GET", "/hello").text == "hello"
    late(app, "hello", bound(goodbye, app))
    assert call(app, "GET", "/hello").text == "goodbye"
    undo(app, "hello")
    assert statuses(app, "/hello") == [404]


def test_handler_that_is_set_late_hides_that_of_the_class_until_it_is_deleted() -> None:
    app = Kinds()
    late(app, "plain", bound(hello, app))
    assert call(app, "GET", "/plain").text == "hello"
    undo(app, "plain")
    assert call(app, "GET", "/plain").text == "plain x"
    late(app, "plain", None)
    assert statuses(app, "/plain") == [404]


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
    late(app, "ws_late", bound(ws_late, app))
    late(app, "templated", bound(templated, app))
    late(app, "unbound", unbound)
    assert call_socket(app, "/late")[0]["reason"] == "late"
    assert call(app, "GET", "/late/3").text == "late 3"
    assert call(app, "GET", "/free/3").text == "free 3"
    late(app, "templated", bound(hello, app))
    undo(app, "ws_late")
    assert statuses(app, "/late/3", "/templated", "/free/3") == [404, 200, 200]
    assert call_socket(app, "/late")[0]["code"] == 1008


def test_sub_tree_may_be_set_replaced_and_deleted_after_construction() -> None:
    app = Kinds()
    late(app, "things", Store(1))
    assert call(app, "GET", "/things").text == "1"
    late(app, "things", Store(2))
    assert call(app, "GET", "/things").text == "2"
    late(app, "things", "no URL")
    assert statuses(app, "/things") == [404]
    late(app, "things", Store(3))
    undo(app, "things")
    assert statuses(app, "/things") == [404]


def test_handler_that_a_held_resource_gets_late_is_a_url() -> None:
    app, store = Kinds(), Store(1)
    late(app, "store", store)
    late(store, "hello", bound(hello, store))
    late(store, "get", bound(goodbye, store))
    assert call(app, "GET", "/store/hello").text == "hello"
    assert call(app, "GET", "/store").text == "goodbye"
    undo(store, "get")
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
    late(app, "state", state)
    late(app, "plain", state)
    assert statuses(app, "/state", "/plain") == [404, 404]


def test_method_of_another_object_is_state() -> None:
    app, other = Kinds(), Kinds()
    late(app, "borrowed", other.plain)
    late(app, "alias", app.plain)
    assert statuses(app, "/borrowed", "/alias") == [404, 200]


def test_private_method_under_a_public_name_is_state() -> None:
    app = Tempting()
    late(app, "exposed", app._private)
    assert statuses(app, "/exposed") == [404]


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
        late(app, "bad", bound(bad, app))
    assert statuses(app, "/bad") == [404]


# --- dataclasses, slots, and no super().__init__() ---


class Database:
    """A dependency that is callable, and could be mistaken for a handler."""

    def __call__(self) -> str:
        raise Touched


@dataclass
class Plain(App):
    db: Database
    clock: Callable[[], float] = time.time
    names: list[str] = field(default_factory=list)
    store: Store[int] = field(default_factory=lambda: Store(7))

    async def index(self) -> str:
        return type(self.db).__name__


@dataclass(frozen=True)
class Frozen(App):
    db: Database
    clock: Callable[[], float] = time.time
    names: list[str] = field(default_factory=list)
    store: Store[int] = field(default_factory=lambda: Store(7))

    async def index(self) -> str:
        return type(self.db).__name__


@dataclass(slots=True)
class Slotted(App):
    db: Database
    clock: Callable[[], float] = time.time
    names: list[str] = field(default_factory=list)
    store: Store[int] = field(default_factory=lambda: Store(7))

    async def index(self) -> str:
        return type(self.db).__name__


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class All(App):
    db: Database
    clock: Callable[[], float] = time.time
    names: list[str] = field(default_factory=list)
    store: Store[int] = field(default_factory=lambda: Store(7))

    async def index(self) -> str:
        return type(self.db).__name__


class Forgetful(App):
    """Never calls super().__init__()."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.clock = time.time
        self.names: list[str] = []
        self.store = Store(7)

    async def index(self) -> str:
        return type(self.db).__name__


WITHOUT_INIT = [Plain, Frozen, Slotted, All, Forgetful]


@pytest.mark.parametrize("cls", WITHOUT_INIT)
def test_fields_of_an_app_are_state_and_super_init_is_optional(cls: Any) -> None:
    app = cls(db=Database())
    assert [call(app, "GET", path).text for path in ("/", "/store")] == ["Database", "7"]
    assert statuses(app, "/db", "/clock", "/names") == [404] * 3
    app.middlewares.append(Hook(after={"status_code": 201}))
    app.error_handlers[Exception] = lambda request, error: 400
    app.mount("/static", Plain(Database()))
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

    made: Any = dataclass(**options)(Todos)

    class Holding(App):
        def __init__(self) -> None:
            self.todos = made(Database())

    app = Holding()
    assert [call(app, "GET", path).text for path in ("/todos/3", "/todos/late")] == ["Database 3", "GET"]
    assert statuses(app, "/todos/db", "/todos/clock") == [400, 400]  # they are values for `get`, and not integers


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
    assert statuses(Slots(Database()), "/slotted") == [404]
    assert statuses(Slots(None), "/slotted") == [404]


# --- nesting ---


class Sub(App):
    def __init__(self, parent: App | None = None) -> None:
        super().__init__()
        self.parent = parent
        self.seen = 0

    async def index(self) -> str:
        return "sub"

    async def boom(self) -> None:
        raise LookupError("secret")

    async def wrong(self, x: int) -> None: ...


class Parent(App):
    shared = Sub()

    def __init__(self) -> None:
        super().__init__()
        self.sub = Sub(self)
        self.after = 0

    async def index(self) -> str:
        return "parent"


def test_reference_back_up_the_tree_is_not_a_url() -> None:
    app = Parent()
    assert statuses(app, "/sub", "/shared", "/sub/parent", "/sub/parent/sub") == [200, 200, 404, 404]
    assert statuses(app.sub, "/", "/parent", "/parent/sub", "/parent/shared") == [200, 200, 404, 200]
    assert call_socket(app, "/sub/parent")[0]["code"] == 1008
    assert [key for key in app.routes if "parent" in key] == []


@pytest.mark.parametrize("order", ["down first", "up first"])
def test_order_of_references_between_two_apps_does_not_matter(order: str) -> None:
    parent, sub = Kinds(), Sub()
    steps: list[tuple[App, str, App]] = [(parent, "sub", sub), (sub, "parent", parent)]
    for holder, name, held in steps if order == "down first" else reversed(steps):
        late(holder, name, held)
    assert statuses(parent, "/sub", "/sub/parent/plain") == [200, 404]
    assert statuses(sub, "/parent/plain", "/parent/sub") == [200, 404]


def test_resources_may_hold_each_other_and_themselves() -> None:
    class Knowing(Resource):
        other: Any = None

        async def index(self) -> str:
            return "known"

    class App2(App):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = Knowing(), Knowing()
            self.a.other, self.b.other = self.b, self.a
            late(self.a, "me", self.a)

    paths = ("/a", "/b", "/a/other", "/b/other", "/a/other/other", "/a/me")
    assert statuses(App2(), *paths) == [200, 200, 200, 200, 404, 404]


class Refusing(Exception):
    pass


def nested_app() -> tuple[App, Sub, list[str]]:
    log: list[str] = []
    app = Parent()
    app.middlewares.append(Hook("outer", log))
    app.sub.middlewares.append(Hook("inner", log))
    return app, app.sub, log


def test_middleware_of_a_nested_app_runs_inside_that_of_its_holder() -> None:
    app, _, log = nested_app()
    assert statuses(app, "/sub") == [200]
    assert log == ["before outer", "before inner", "after inner", "after outer"]
    log.clear()
    assert statuses(app, "/", "/sub/nothing", "/shared") == [200, 404, 200]
    assert log == [
        *("before outer", "after outer"),
        *("before outer", "before inner", "after inner", "after outer"),
        *("before outer", "after outer"),
    ]


def test_middleware_of_a_nested_app_runs_if_its_holder_has_none() -> None:
    app = Parent()
    hook = Hook(before={"status_code": 401})
    app.sub.middlewares.append(hook)
    assert statuses(app, "/sub", "/") == [401, 200]


def test_middleware_of_every_app_on_the_way_runs() -> None:
    log: list[str] = []
    apps = [Sub() for _ in range(4)]
    for number, (holder, held) in enumerate(itertools.pairwise(apps)):
        late(holder, "down", held)
        if number != 1:  # the one in the middle has no middleware
            holder.middlewares.append(Hook(str(number), log))
    assert statuses(apps[0], "/down/down/down") == [200]
    assert log == ["before 0", "before 2", "after 2", "after 0"]


def answer_with(status: int) -> Any:
    return lambda request, error: (status, type(error).__name__)


def raising(error: Exception) -> Any:
    def handler(request: object, _: object) -> None:
        raise error

    return handler


@pytest.mark.parametrize(
    ("inner", "middle", "outer", "expected"),
    [
        ({LookupError: answer_with(501)}, {}, {}, (501, "LookupError")),
        ({}, {LookupError: answer_with(502)}, {}, (502, "LookupError")),
        ({}, {}, {LookupError: answer_with(503)}, (503, "LookupError")),
        ({Exception: answer_with(501)}, {}, {LookupError: answer_with(503)}, (501, "LookupError")),
        ({KeyError: answer_with(501)}, {}, {LookupError: answer_with(503)}, (503, "LookupError")),
        ({LookupError: raising(ValueError())}, {}, {ValueError: answer_with(503)}, (503, "ValueError")),
        ({LookupError: raising(ValueError())}, {LookupError: answer_with(502)}, {}, (500, "500 Internal Server Error")),
    ],
)
def test_error_handler_nearest_to_the_handler_responds(
    inner: Any, middle: Any, outer: Any, expected: tuple[int, str]
) -> None:
    apps = [Sub(), Sub(), Sub()]
    late(apps[0], "down", apps[1])
    late(apps[1], "down", apps[2])
    for app, handlers in zip(apps, (outer, middle, inner), strict=True):
        app.error_handlers.update(handlers)
    answer = call(apps[0], "GET", "/down/down/boom")
    assert (answer.status, answer.text) == expected


def test_error_handler_of_a_nested_app_does_not_respond_for_other_apps() -> None:
    app = Parent()
    app.sub.error_handlers[Exception] = answer_with(501)
    assert statuses(app, "/sub/nothing", "/sub/wrong", "/shared/nothing", "/nothing") == [501, 501, 404, 404]


def test_sub_tree_may_be_shared_by_several_apps() -> None:
    first, second = Parent(), Parent()
    late(Parent.shared, "hello", bound(hello, Parent.shared))
    try:
        assert statuses(first, "/shared/hello") == statuses(second, "/shared/hello") == [200]
    finally:
        undo(Parent.shared, "hello")
    assert statuses(first, "/shared/hello") == [404]


# --- what is refused when the app is made ---


class Broken(Resource):
    async def get(self, x: complex) -> None: ...

    async def fine(self) -> None: ...


def test_every_bad_handler_of_an_app_and_its_resources_is_in_one_report() -> None:
    class Bad(App):
        broken = Broken()
        again = broken

        async def one(self, x: complex) -> None: ...

        async def two(self, y: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    named = [text.partition(":")[0] for text in problems(Bad)]
    assert named == ["Broken.get (x", f"{Bad.__qualname__}.one (x", f"{Bad.__qualname__}.two (y"]
    assert problems(Bad) == problems(Bad)  # the second attempt reports the same


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
    assert [what] == [text.partition(": ")[2] for text in problems(type("Bad", (App,), {name: hello}))]
    if not isinstance(getattr(App, name, None), property):
        # A value of the instance goes before that of the class, so a sub-tree would silently get lost there as well.
        made = type("Bad", (App,), {"__init__": lambda self: late(self, name, Store(1))})
        assert [what] == [text.partition(": ")[2] for text in problems(made)]


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
    assert statuses(app, "/mount", "/debug") == [404, 404]


def test_lifespan_may_be_overridden_and_is_not_a_url() -> None:
    class Living(App):
        def lifespan(self) -> Any:
            raise Touched

    assert statuses(Living(), "/lifespan") == [404]


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
    found = problems(cls)
    assert "Bad.second: " + what.replace("{module}", __name__) in found


def test_index_and_a_route_at_the_root_are_two_handlers_for_one_url() -> None:
    class Bad(App):
        async def index(self) -> None: ...

        @route("/")
        async def front(self) -> None: ...

    assert problems(Bad) == [f"{Bad.__qualname__}.front: answers /, as {__name__}.{Bad.__qualname__}.index does"]


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

    assert problems(Bad) == [
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
    assert sorted(problems(Wrong)) == [
        "Wrong._hidden: @route cannot give a URL to a name that starts with '_'",
        "Wrong.not_ws (ws: micropie.websockets.connection.WebSocket): only a ws_ method can take a WebSocket",
        "Wrong.twice (b: complex): 'builtins.complex' cannot be read from a request",
        "Wrong.unnamed: the @route path names {missing}, which no parameter takes",
        "Wrong.ws_nothing: a ws_ method must take the connection as its first parameter",
        "Wrong.ws_sync: a ws_ method waits for messages, so it cannot be sync",
    ]


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
        answer: Response = call(app, "GET", "/whatever/the/path")
        assert (answer.status, answer.text) == (status, text)


def test_methods_of_a_chosen_handler_apply() -> None:
    answer = call(Routed("templated", "3"), "POST", "/")
    assert (answer.status, answer.header("allow")) == (405, "GET, HEAD, OPTIONS")


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
