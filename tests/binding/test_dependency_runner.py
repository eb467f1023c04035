"""Dependencies are called before the handler: once for each request, or an override in their place (SPEC 3, 9)."""

import functools
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from msgspec import Struct

from micropie import App, Depends, Header, HTTPError, Resource, WebSocket, route
from tests.binding.dependencies import (
    Account,
    AsyncCallable,
    Log,
    Todo,
    asynchronous,
    handler_of,
    nested,
    reads_header,
    sync,
    two,
)
from tests.support.asgi import JSON, Response, call, call_socket
from tests.support.hooks import Hook

# --- what can be a dependency -----------------------------------------------------------------------------------------


def generator(q: str = "-") -> Iterator[str]:
    yield f"generator {q}"


async def async_generator(q: str = "-") -> AsyncIterator[str]:
    yield f"async generator {q}"


@contextmanager
def manager(q: str = "-") -> Generator[str]:
    yield f"manager {q}"


@asynccontextmanager
async def async_manager(q: str = "-") -> AsyncGenerator[str]:
    yield f"async manager {q}"


@dataclass
class Made:
    q: str = "-"


class MadeStruct(Struct):
    q: "str" = "-"


class Plain:
    pass


class Callable_:
    def __init__(self, greeting: str) -> None:
        self.greeting = greeting

    def __call__(self, q: "str" = "-") -> str:
        return f"{self.greeting} {q}"

    def method(self, q: str = "-") -> str:
        return f"method {q}"


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (sync, "sync x"),
        (asynchronous, "async x"),
        (generator, "generator x"),
        (async_generator, "async generator x"),
        (manager, "manager x"),
        (async_manager, "async manager x"),
        (wrapped(sync), "sync x"),
        (wrapped(asynchronous), "async x"),
        (wrapped(generator), "generator x"),
        (wrapped(async_generator), "async generator x"),
        (lambda q: asynchronous(q), "async x"),
        (Made, {"q": "x"}),
        (MadeStruct, {"q": "x"}),
        (Callable_("object"), "object x"),
        (AsyncCallable(), "async object x"),
        (Callable_("object").method, "method x"),
        (functools.partial(two, "partial"), "partial x"),
        (functools.partial(asynchronous), "async x"),
        (staticmethod(sync), "sync x"),
    ],
)
def test_any_callable_can_be_a_dependency(function: Any, expected: object) -> None:
    response = call(handler_of(function), "GET", "/?q=x")
    assert (response.json if isinstance(expected, dict) else response.text) == expected


def test_class_without_parameters_is_called_without_arguments() -> None:
    class Api(App):
        async def index(self, value: Annotated[Plain, Depends(Plain)]) -> bool:
            return type(value) is Plain

    assert call(Api(), "GET", "/").json is True


@pytest.mark.parametrize(
    ("function", "is_loop"),
    [(sync, False), (generator, False), (Made, False), (asynchronous, True), (async_generator, True)],
)
def test_sync_dependency_runs_in_a_worker_thread(function: Any, is_loop: bool) -> None:
    seen: list[int] = []

    @functools.wraps(function)
    def noting(*args: Any, **kwargs: Any) -> Any:
        seen.append(threading.get_ident())
        return function(*args, **kwargs)

    call(handler_of(noting), "GET", "/")
    assert [thread == threading.get_ident() for thread in seen] == [is_loop]


@pytest.mark.parametrize(("path", "on_the_loop"), [("/blocks", False), ("/direct", True), ("/streams", False)])
def test_dependency_works_for_every_kind_of_handler(path: str, on_the_loop: bool) -> None:
    class Api(App):
        def blocks(self, value: Annotated[str, Depends(asynchronous)]) -> str:
            return f"{value}, on the loop: {threading.get_ident() == main}"

        @route(threaded=False)
        def direct(self, value: Annotated[str, Depends(asynchronous)]) -> str:
            return f"{value}, on the loop: {threading.get_ident() == main}"

        def streams(self, value: Annotated[str, Depends(asynchronous)]) -> Iterator[str]:
            yield f"{value}, on the loop: {threading.get_ident() == main}"

    main = threading.get_ident()
    assert call(Api(), "GET", path).text == f"async -, on the loop: {on_the_loop}"


# --- when it is called ------------------------------------------------------------------------------------------------


def test_shared_dependency_is_called_once_per_request() -> None:
    connections: list[object] = []

    def connection() -> object:
        connections.append(object())
        return connections[-1]

    def first(opened: Annotated[object, Depends(connection)]) -> object:
        return opened

    async def second(opened: Annotated[object, Depends(connection)], _: Annotated[object, Depends(first)]) -> object:
        return opened

    class Api(App):
        async def index(
            self,
            one: Annotated[object, Depends(first)],
            two: Annotated[object, Depends(second)],
            three: Annotated[object, Depends(connection)],
            *,
            four: Annotated[object, Depends(connection)],
        ) -> bool:
            return one is two is three is four

    app = Api()
    assert [call(app, "GET", "/").json for _ in range(2)] == [True, True]
    assert len(connections) == 2


def test_shared_method_of_an_object_is_called_once_per_request() -> None:
    log: Log = []

    class Pool:
        def connection(self) -> None:
            log.append("connection")

    pool = Pool()

    class Api(App):
        async def index(
            self, one: Annotated[None, Depends(pool.connection)], two: Annotated[None, Depends(pool.connection)]
        ) -> None: ...

    call(Api(), "GET", "/")
    assert log == ["connection"]


def test_errors_of_all_functions_are_reported_before_any_is_called() -> None:
    called: Log = []

    def key(x_key: Annotated[str, Header()], page: int) -> None:
        called.append("key")

    async def user(_: Annotated[None, Depends(key)], page: int, size: int = 5) -> None:
        called.append("user")

    class Api(App):
        async def index(self, count: int, user: Annotated[None, Depends(user)]) -> None:
            called.append("index")

    response = call(Api(), "GET", "/?page=x&size=y")
    assert response.text.splitlines() == [
        "400 Bad Request: Missing required parameter 'count'",
        "400 Bad Request: Missing required parameter 'X-Key'",
        "400 Bad Request: Invalid query parameter 'page': Expected an integer",
        "400 Bad Request: Invalid query parameter 'size': Expected an integer",
    ]
    assert called == []


class Expired(Exception):
    pass


def fails(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (HTTPError(401, "Who are you?"), 401, "401 Unauthorized: Who are you?"),
        (Expired(), 419, "expired"),
        (KeyError("x"), 500, "500 Internal Server Error"),
        (StopIteration(), 500, "500 Internal Server Error"),
    ],
)
def test_error_of_a_dependency_becomes_the_response(error: Exception, status: int, text: str) -> None:
    app = handler_of(fails(error))
    app.error_handlers[Expired] = lambda request, error: (419, "expired")
    app.middlewares.append(hook := Hook())
    response = call(app, "GET", "/")
    assert (response.status, response.text) == (status, text)
    assert [seen[0] for seen in hook.seen] == [status]


@pytest.mark.parametrize(
    ("headers", "code", "reason"),
    [([], 1008, "Missing required parameter 'X-Key'"), ([(b"x-key", b"no")], 1008, "401 Unauthorized: no")],
)
def test_dependency_can_refuse_a_handshake(headers: Any, code: int, reason: str) -> None:
    def user(x_key: Annotated[str, Header()]) -> None:
        raise HTTPError(401, x_key)

    class Api(App):
        async def ws_index(self, ws: WebSocket, user: Annotated[None, Depends(user)]) -> None:
            await ws.accept()

    (message,) = call_socket(Api(), "/", [], headers)
    assert (message["type"], message["code"], message["reason"]) == ("websocket.close", code, reason)


def test_dependency_can_use_the_websocket() -> None:
    async def greeted(ws: WebSocket) -> str:
        await ws.accept()
        await ws.send("Hello")
        return "greeted"

    class Api(App):
        async def ws_index(self, ws: WebSocket, state: Annotated[str, Depends(greeted)]) -> None:
            await ws.send(state)

    assert [message.get("text") for message in call_socket(Api(), "/")][1:3] == ["Hello", "greeted"]


# --- overrides --------------------------------------------------------------------------------------------------------


def fake(n: int = 0) -> str:
    return f"fake {n}"


def fake_body(todo: Todo) -> str:
    return todo.title


def fake_generator(name: Annotated[str, Depends(fake)]) -> Iterator[str]:
    yield f"generated {name}"


def test_override_is_called_until_it_is_removed() -> None:
    app = Account()

    def me() -> Response:
        return call(app, "GET", "/me?q=x&n=1")

    assert me().text == "async x"
    app.overrides[asynchronous] = fake
    assert me().text == "fake 1"
    app.overrides[asynchronous] = lambda: "Ann"
    assert me().text == "Ann"
    del app.overrides[asynchronous]
    assert me().text == "async x"


@pytest.mark.parametrize(
    ("overridden", "other", "path", "body", "text"),
    [
        (asynchronous, fake, "/me?n=2", b"", "fake 2"),
        (asynchronous, fake, "/me?n=x", b"", "400 Bad Request: Invalid query parameter 'n': Expected an integer"),
        (asynchronous, fake_body, "/me", b'{"title":"Milk"}', "Milk"),
        (asynchronous, fake_generator, "/me?n=1", b"", "generated fake 1"),
        (reads_header, fake, "/deep?n=1", b"", '["fake 1",1]'),
        (nested, lambda: [1], "/deep", b"", "[1]"),
        (Account._secret, lambda: "other", "/method", b"", "other"),
        (sync, fake, "/me", b"", "async -"),
    ],
)
def test_override_is_bound_by_its_own_signature(overridden: Any, other: Any, path: str, body: bytes, text: str) -> None:
    app = Account()
    app.overrides[overridden] = other
    assert call(app, "POST" if body else "GET", path, body, JSON if body else ()).text == text


def test_method_can_be_overridden_as_the_method_of_the_app() -> None:
    app = Account()
    app.overrides[app._secret] = lambda: "other"
    assert call(app, "GET", "/method").text == "other"


def test_override_applies_to_websockets() -> None:
    app = Account()
    app.overrides[asynchronous] = fake
    assert [message.get("text") for message in call_socket(app, "/me?n=1")][1] == "fake 1"


def bad_type(value: Callable[[], int]) -> None: ...


def loop(name: Annotated[str, Depends(asynchronous)]) -> str:
    return name


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (5, f"5, which overrides {asynchronous.__module__}.asynchronous, cannot be called"),
        (bad_type, "Account.me → bad_type (value: collections.abc.Callable[[], int])"),
        (loop, "depends on itself: loop → loop"),
    ],
)
def test_override_that_cannot_work_is_reported_when_it_is_used(
    other: Any, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = Account()
    app.overrides[asynchronous] = other
    assert call(app, "GET", "/me").status == 500
    (record,) = caplog.records
    assert record.exc_info is not None
    assert what in str(record.exc_info[1])


@pytest.mark.parametrize(
    ("overriding", "text"),
    [([], "async -"), (["outer"], "outer"), (["inner"], "inner"), (["outer", "inner"], "outer")],
)
def test_override_of_the_called_app_wins_over_that_of_a_held_app(overriding: list[str], text: str) -> None:
    class Between(Resource):
        def __init__(self) -> None:
            self.inner = Account()

    class Outer(App):
        def __init__(self) -> None:
            super().__init__()
            self.between = Between()
            self.inner = self.between.inner

    app = Outer()
    for name, overrider in (("outer", app), ("inner", app.inner)):
        if name in overriding:
            overrider.overrides[asynchronous] = functools.partial(two, name, "")
    assert [call(app, "GET", path).text for path in ("/inner/me", "/between/inner/me")] == [text, text]


# --- the source -------------------------------------------------------------------------------------------------------


def test_source_of_a_route_shows_every_binder() -> None:
    source = Account().routes["/deep"].source
    titles = [line for line in source.splitlines() if line.startswith("#")]
    assert titles == [f"# {Account.__module__}.{name}" for name in ("reads_header", "nested", "Account.deep")]
    assert "return lambda results: call(results[0], count=v1)" in source


def test_repr_of_depends_names_its_function() -> None:
    assert [repr(depends) for depends in (Depends(sync), Depends(AsyncCallable))] == [
        "Depends(sync)",
        "Depends(AsyncCallable)",
    ]
