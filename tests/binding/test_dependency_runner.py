"""Dependencies (SPEC 3, 9): what can be one, what it is given, when it is called and left, and what overrides it."""

import asyncio
import functools
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from msgspec import Struct

from micropie import (
    App,
    Body,
    Depends,
    Header,
    HTTPError,
    Path,
    Query,
    Request,
    Resource,
    Session,
    SetupError,
    UploadFile,
    WebSocket,
    route,
)
from micropie.types import Message
from tests.support.asgi import FORM, JSON, MULTIPART, Answer, call, call_socket, form_data, http_scope
from tests.support.hooks import Hook

Log = list[str]


class Todo(Struct):
    title: str


def handler_of(function: Any) -> App:
    """An app whose index returns what `function` gives."""

    class Api(App):
        async def index(self, value: Annotated[Any, Depends(function)]) -> Any:
            return value

    return Api()


# --- what can be a dependency ---------------------------------------------------------------------------------------


def sync(q: str = "-") -> str:
    return f"sync {q}"


async def asynchronous(q: str = "-") -> str:
    return f"async {q}"


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


class AsyncCallable:
    __hash__ = None  # type: ignore[assignment]  # such things exist: dataclasses that compare

    async def __call__(self, q: str = "-") -> str:
        return f"async object {q}"


def two(first: str, q: str = "-") -> str:
    return f"{first} {q}".strip()


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
def test_whatever_can_be_called_can_be_depended_on(function: Any, expected: object) -> None:
    answer = call(handler_of(function), "GET", "/?q=x")
    assert (answer.json if isinstance(expected, dict) else answer.text) == expected


def test_a_class_without_parameters_is_called_with_none() -> None:
    class Api(App):
        async def index(self, made: Annotated[Plain, Depends(Plain)]) -> bool:
            return type(made) is Plain

    assert call(Api(), "GET", "/").json is True


@pytest.mark.parametrize(
    ("function", "is_loop"),
    [(sync, False), (generator, False), (Made, False), (asynchronous, True), (async_generator, True)],
)
def test_what_may_block_runs_in_a_worker_thread(function: Any, is_loop: bool) -> None:
    seen: list[int] = []

    @functools.wraps(function)
    def noted(*args: Any, **kwargs: Any) -> Any:
        seen.append(threading.get_ident())
        return function(*args, **kwargs)

    call(handler_of(noted), "GET", "/")
    assert [one == threading.get_ident() for one in seen] == [is_loop]


@pytest.mark.parametrize(("path", "on_the_loop"), [("/blocks", False), ("/direct", True), ("/streams", False)])
def test_every_kind_of_handler_may_have_dependencies(path: str, on_the_loop: bool) -> None:
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


# --- what it is given -----------------------------------------------------------------------------------------------


def reads_header(x_key: Annotated[str, Header()]) -> object:
    return x_key


def reads_whole(todo: Todo) -> object:
    return todo.title


def reads_request(request: Request) -> object:
    return [request.method, request.form("title")]


def reads_session(user: Annotated[str, Session()] = "nobody") -> object:
    return user


def reads_rest(**names: int) -> object:
    return names


def reads_raw(body: Annotated[bytes, Body()]) -> object:
    return len(body)


async def reads_file(file: UploadFile) -> object:
    return [file.filename, (await file.read()).decode()]


def nested(key: Annotated[str, Depends(reads_header)], *, count: Annotated[int, Query(alias="n")]) -> object:
    return [key, count]


@pytest.mark.parametrize(
    ("function", "target", "body", "headers", "expected"),
    [
        (reads_header, "/", b"", [(b"x-key", b"k")], "k"),
        (reads_whole, "/", b'{"title": "Milk"}', JSON, "Milk"),
        (reads_whole, "/", b"title=Milk", FORM, "Milk"),
        (reads_request, "/", b"title=Milk", FORM, ["POST", "Milk"]),
        (reads_request, "/", form_data({"title": "Milk"}), MULTIPART, ["POST", "Milk"]),
        (reads_session, "/?user=root", b"", [], "nobody"),
        (reads_rest, "/?a=1&b=2", b"", [], {"a": 1, "b": 2}),
        (reads_raw, "/", b"12345", [], 5),
        (reads_file, "/", form_data({"file": ("a.txt", "text/plain", b"x")}), MULTIPART, ["a.txt", "x"]),
        (nested, "/?n=3", b"", [(b"x-key", b"k")], ["k", 3]),
    ],
)
def test_its_parameters_are_bound_as_a_handlers_are(
    function: Any, target: str, body: bytes, headers: Any, expected: object
) -> None:
    class Api(App):
        async def index(self, value: Annotated[Any, Depends(function)]) -> list[Any]:
            return [value]

    assert call(Api(), "POST", target, body, headers).json == [expected]


def signed(body: Annotated[bytes, Body()], x_length: Annotated[int, Header()]) -> None:
    if len(body) != x_length:
        raise HTTPError(401)


@pytest.mark.parametrize(("length", "status"), [(b"17", 200), (b"1", 401)])
def test_a_dependency_may_check_the_bytes_that_a_handler_reads_as_json(length: bytes, status: int) -> None:
    class Api(App):
        async def index(self, todo: Todo, _: Annotated[None, Depends(signed)]) -> str:
            return todo.title

    assert call(Api(), "POST", "/", b'{"title": "Milk"}', [*JSON, (b"x-length", length)]).status == status


def by_id(id: int) -> str:
    return f"user {id}"


def by_text(id: str) -> str:
    return id


def pinned(id: Annotated[int, Path()]) -> str:
    return f"pinned {id}"


def keyword(*, id: int) -> str:
    return f"keyword {id}"


class Users(App):
    async def own(self, user: Annotated[str, Depends(by_id)], id: int) -> str:
        return f"{user} {id}"

    @route("/template/{id}")
    async def template(self, user: Annotated[str, Depends(by_id)]) -> str:
        return user

    @route("/pinned/{id}")
    async def pinned(self, user: Annotated[str, Depends(pinned)]) -> str:
        return user

    @route("/keyword/{name}/{id}")
    async def keyword(self, name: str, user: Annotated[str, Depends(keyword)]) -> str:
        return f"{name}: {user}"

    async def free(self, user: Annotated[str, Depends(by_id)]) -> str:
        return user

    async def rest(self, user: Annotated[str, Depends(by_id)], **names: str) -> dict[str, str]:
        return names


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/own/3", 200, "user 3 3"),
        ("/own?id=3", 200, "user 3 3"),
        ("/template/3", 200, "user 3"),
        ("/template/3?id=4", 200, "user 3"),
        ("/template/x", 400, "400 Bad Request: Invalid path parameter 'id': Expected an integer"),
        ("/pinned/3", 200, "pinned 3"),
        ("/keyword/Ann/3", 200, "Ann: keyword 3"),
        ("/free?id=3", 200, "user 3"),
        ("/free/3", 404, "404 Not Found"),
        ("/rest?id=3&x=1", 200, '{"x":"1"}'),
    ],
)
def test_it_gets_path_values_by_their_names(path: str, status: int, text: str) -> None:
    answer = call(Users(), "GET", path)
    assert (answer.status, answer.text) == (status, text)


def test_a_url_shows_a_path_value_that_only_a_dependency_takes() -> None:
    assert {key for key in Users().routes if "{id}" in key} == {
        "/own/{id}", "/template/{id}", "/pinned/{id}", "/keyword/{name}/{id}"
    }  # fmt: skip


class Shop(App):
    def __init__(self) -> None:
        super().__init__()
        self.prices = {"tea": 3}
        self.stock = Stock()

    def _prices(self, factor: int = 1) -> dict[str, int]:
        return {item: factor * price for item, price in self.prices.items()}

    @staticmethod
    def _static(factor: int = 1) -> int:
        return factor

    @classmethod
    def _class(cls) -> str:
        return cls.__name__

    async def price(self, item: str, prices: Annotated[dict[str, int], Depends(_prices)]) -> int:
        return prices[item]

    async def others(
        self, one: Annotated[int, Depends(_static)], two: Annotated[str, Depends(_class)]
    ) -> tuple[str, int]:
        return two, one

    async def postponed(self, prices: "Annotated[dict[str, int], Depends(_prices)]") -> "dict[str, int]":
        return prices


class Stock(Resource):
    left = 5

    def _left(self, factor: int = 1) -> int:
        return factor * self.left

    def _half(self, left: Annotated[int, Depends(_left)]) -> int:
        return left // 2

    def get(self, left: Annotated[int, Depends(_half)]) -> int:
        return left


class DearShop(Shop):
    def _prices(self, factor: int = 1) -> dict[str, int]:
        return {"tea": 30}


@pytest.mark.parametrize(
    ("app", "path", "text"),
    [
        (Shop(), "/price/tea?factor=2", "6"),
        (DearShop(), "/price/tea", "30"),
        (Shop(), "/others?factor=2", '["Shop",2]'),
        (DearShop(), "/others", '["DearShop",1]'),
        (Shop(), "/postponed", '{"tea":3}'),
        (Shop(), "/stock?factor=2", "5"),
    ],
)
def test_a_method_of_the_class_is_called_on_its_object(app: App, path: str, text: str) -> None:
    assert call(app, "GET", path).text == text


def test_an_annotation_in_quotes_may_name_a_function_of_a_function() -> None:
    def local(q: str) -> str:
        return q

    class Api(App):
        async def index(self, value: "Annotated[str, Depends(local)]") -> str:
            return value

    assert call(Api(), "GET", "/?q=x").text == "x"


CurrentTodo = Annotated[Todo, Depends(lambda title: Todo(title))]


def test_a_name_may_stand_for_the_annotation() -> None:
    class Api(App):
        async def index(self, todo: CurrentTodo) -> str:
            return todo.title

    assert call(Api(), "GET", "/?title=Milk").text == "Milk"


# --- when it is called ----------------------------------------------------------------------------------------------


def test_it_is_called_once_a_request_whoever_depends_on_it() -> None:
    made: list[object] = []

    def connection() -> object:
        made.append(object())
        return made[-1]

    def first(found: Annotated[object, Depends(connection)]) -> object:
        return found

    async def second(found: Annotated[object, Depends(connection)], _: Annotated[object, Depends(first)]) -> object:
        return found

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
    assert len(made) == 2


def test_methods_of_one_object_are_one_function() -> None:
    made: Log = []

    class Pool:
        def connection(self) -> None:
            made.append("connection")

    pool = Pool()

    class Api(App):
        async def index(
            self, one: Annotated[None, Depends(pool.connection)], two: Annotated[None, Depends(pool.connection)]
        ) -> None: ...

    call(Api(), "GET", "/")
    assert made == ["connection"]


def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_called() -> None:
    called: Log = []

    def key(x_key: Annotated[str, Header()], page: int) -> None:
        called.append("key")

    async def user(_: Annotated[None, Depends(key)], page: int, size: int = 5) -> None:
        called.append("user")

    class Api(App):
        async def index(self, count: int, user: Annotated[None, Depends(user)]) -> None:
            called.append("index")

    answer = call(Api(), "GET", "/?page=x&size=y")
    assert answer.text.splitlines() == [
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
def test_an_error_of_a_dependency_is_the_answer(error: Exception, status: int, text: str) -> None:
    app = handler_of(fails(error))
    app.error_handlers[Expired] = lambda request, error: (419, "expired")
    app.middlewares.append(hook := Hook())
    answer = call(app, "GET", "/")
    assert (answer.status, answer.text) == (status, text)
    assert [seen[0] for seen in hook.seen] == [status]


# --- when it is left ------------------------------------------------------------------------------------------------


class Transactions(App):
    """Its dependencies and handlers write into `log` what happens to them."""

    def __init__(self) -> None:
        super().__init__()
        self.log: Log = []

    def _outer(self) -> Generator[str, None, None]:
        self.log.append("enter outer")
        try:
            yield "outer"
        except BaseException as error:
            self.log.append(f"outer: {type(error).__name__}")
            raise
        finally:
            self.log.append("leave outer")

    async def _inner(self, outer: Annotated[str, Depends(_outer)]) -> AsyncGenerator[str, None]:
        self.log.append("enter inner")
        try:
            yield "inner"
        except BaseException as error:
            self.log.append(f"inner: {type(error).__name__}")
            raise
        finally:
            await asyncio.sleep(0)
            self.log.append("leave inner")

    def _broken(self, inner: Annotated[str, Depends(_inner)]) -> None:
        raise KeyError

    async def returns(self, inner: Annotated[str, Depends(_inner)]) -> str:
        return inner

    def blocks(self, inner: Annotated[str, Depends(_inner)]) -> str:
        return inner

    async def refuses(self, inner: Annotated[str, Depends(_inner)]) -> str:
        raise HTTPError(409)

    async def fails(self, inner: Annotated[str, Depends(_inner)]) -> str:
        raise ValueError

    async def stops(self, inner: Annotated[str, Depends(_inner)]) -> str:
        raise StopAsyncIteration

    async def unfit(self, inner: Annotated[str, Depends(_inner)]) -> object:
        return object()

    async def follows(self, broken: Annotated[None, Depends(_broken)]) -> None: ...

    async def lines(self, inner: Annotated[str, Depends(_inner)]) -> AsyncIterator[str]:
        yield "line"
        self.log.append("line")

    def blocking_lines(self, inner: Annotated[str, Depends(_inner)]) -> Iterator[str]:
        yield "line"
        self.log.append("line")

    async def no_line(self, inner: Annotated[str, Depends(_inner)]) -> AsyncIterator[str]:
        if self.log:
            raise ValueError
        yield "line"

    async def breaks_off(self, inner: Annotated[str, Depends(_inner)]) -> AsyncIterator[str]:
        yield "line"
        raise ValueError

    async def endless(self, inner: Annotated[str, Depends(_inner)]) -> AsyncIterator[str]:
        try:
            while True:
                yield "line"
        finally:
            self.log.append("closed")

    async def waits(self, inner: Annotated[str, Depends(_inner)]) -> None:
        self.log.append("waits")
        await asyncio.Event().wait()

    async def reads(self, inner: Annotated[str, Depends(_inner)], body: AsyncIterator[bytes]) -> None:
        async for _ in body:
            pass

    async def ws_echo(self, ws: WebSocket, inner: Annotated[str, Depends(_inner)]) -> None:
        async for text in ws:
            if text == "fail":
                raise ValueError
            await ws.send(f"{inner} {text}")

    async def ws_receives(self, ws: WebSocket, inner: Annotated[str, Depends(_inner)]) -> None:
        await ws.accept()
        while True:
            await ws.receive_text()


ENTERED = ["enter outer", "enter inner"]
LEFT = ["leave inner", "leave outer"]


def thrown(name: str) -> Log:
    return [f"inner: {name}", "leave inner", f"outer: {name}", "leave outer"]


def run(app: Transactions, path: str, *, leave_after: int | None = None, cancel: bool = False) -> list[Message]:
    """What the app sends for a POST that never says more; `sent` goes into its log too."""
    sent: list[Message] = []
    first = iter([{"type": "http.request", "body": b"x", "more_body": path == "/reads"}])
    gone = asyncio.Event()

    async def receive() -> Message:
        message = next(first, None)
        if message is None:
            if path != "/reads":
                await gone.wait()
            return {"type": "http.disconnect"}
        return message

    async def send(message: Message) -> None:
        sent.append(message)
        app.log.append(f"sent {message['type'].rpartition('.')[2]}")
        if leave_after is not None and len(sent) > leave_after:
            gone.set()
            raise OSError

    async def request() -> None:
        task = asyncio.create_task(app(http_scope("POST", path), receive, send))
        while cancel and "waits" not in app.log and len(sent) < 3:
            await asyncio.sleep(0)
        if cancel:
            task.cancel()
        await task

    asyncio.run(request())
    return sent


ANSWERED = ["sent start", "sent body"]


@pytest.mark.parametrize(
    ("path", "status", "between"),
    [
        ("/returns", 200, [*ANSWERED, *LEFT]),
        ("/blocks", 200, [*ANSWERED, *LEFT]),
        ("/refuses", 409, [*ANSWERED, *thrown("HTTPError")]),
        ("/fails", 500, [*ANSWERED, *thrown("ValueError")]),
        ("/stops", 500, [*ANSWERED, *thrown("StopAsyncIteration")]),
        ("/unfit", 500, [*ANSWERED, *thrown("ResponseError")]),
        ("/follows", 500, [*ANSWERED, *thrown("KeyError")]),
        ("/lines", 200, [*ANSWERED, "line", "sent body", *LEFT]),
        ("/blocking_lines", 200, [*ANSWERED, "line", "sent body", *LEFT]),
        ("/no_line", 500, [*ANSWERED, *thrown("ValueError")]),
    ],
)
def test_it_goes_on_once_the_response_was_sent(path: str, status: int, between: Log) -> None:
    app = Transactions()
    (start, *_) = run(app, path)
    assert start["status"] == status
    assert app.log == [*ENTERED, *between]


def test_it_hears_of_a_stream_that_broke_off() -> None:
    app = Transactions()
    with pytest.raises(Exception, match="broke off"):
        run(app, "/breaks_off")
    assert app.log == [*ENTERED, *ANSWERED, *thrown("ValueError")]


@pytest.mark.parametrize(
    ("path", "leave_after", "log"),
    [
        ("/returns", 0, [*ENTERED, "sent start", *LEFT]),
        ("/endless", 2, [*ENTERED, *ANSWERED, "sent body", "closed", *LEFT]),
        ("/reads", None, [*ENTERED, *thrown("ClientDisconnected")]),
    ],
)
def test_it_is_left_when_the_client_leaves(path: str, leave_after: int | None, log: Log) -> None:
    app = Transactions()
    run(app, path, leave_after=leave_after)
    assert app.log == log


@pytest.mark.parametrize(
    ("path", "log"),
    [
        ("/waits", [*ENTERED, "waits", *thrown("CancelledError")]),
        ("/endless", [*ENTERED, *ANSWERED, "sent body", "closed", *thrown("CancelledError")]),
    ],
)
def test_it_is_left_when_the_request_is_cancelled(path: str, log: Log) -> None:
    app = Transactions()
    with pytest.raises(asyncio.CancelledError):
        run(app, path, cancel=True)
    assert app.log == log


def test_what_a_middleware_makes_of_the_answer_is_sent_first() -> None:
    app = Transactions()
    app.middlewares.append(Hook("hook", app.log))
    run(app, "/returns")
    assert app.log == ["before hook", *ENTERED, "after hook", *ANSWERED, *LEFT]


def test_an_error_of_a_middleware_is_one_of_the_request() -> None:
    app = Transactions()
    app.middlewares.append(Hook("hook", app.log, after=KeyError()))
    run(app, "/returns")
    assert app.log[-4:] == thrown("KeyError")


@pytest.mark.parametrize(
    ("path", "messages", "log", "code"),
    [
        ("/echo", ["a"], [*ENTERED, *LEFT], None),
        ("/echo", ["fail"], [*ENTERED, *thrown("ValueError")], 1011),
        ("/receives", [], [*ENTERED, *thrown("ConnectionClosed")], None),
    ],
)
def test_it_is_left_when_a_connection_ends(path: str, messages: list[str], log: Log, code: int | None) -> None:
    app = Transactions()
    sent = call_socket(app, path, messages)
    assert app.log == log
    assert [message["code"] for message in sent if message["type"] == "websocket.close"] == ([code] if code else [])


def test_it_is_left_after_the_connection_was_closed() -> None:
    log: Log = []

    async def room() -> AsyncIterator[str]:
        yield "room"
        log.append("left")

    class Api(App):
        async def ws_index(self, ws: WebSocket, room: Annotated[str, Depends(room)]) -> None:
            await ws.accept()

    async def connect() -> None:
        async def receive() -> Message:
            return {"type": "websocket.connect"}

        async def send(message: Message) -> None:
            log.append(message["type"])

        await Api()(http_scope("GET", "/") | {"type": "websocket"}, receive, send)

    asyncio.run(connect())
    assert log == ["websocket.accept", "websocket.close", "left"]


@pytest.mark.parametrize(
    ("headers", "code", "reason"),
    [([], 1008, "Missing required parameter 'X-Key'"), ([(b"x-key", b"no")], 1008, "401 Unauthorized: no")],
)
def test_it_may_refuse_a_handshake(headers: Any, code: int, reason: str) -> None:
    def user(x_key: Annotated[str, Header()]) -> None:
        raise HTTPError(401, x_key)

    class Api(App):
        async def ws_index(self, ws: WebSocket, user: Annotated[None, Depends(user)]) -> None:
            await ws.accept()

    (message,) = call_socket(Api(), "/", [], headers)
    assert (message["type"], message["code"], message["reason"]) == ("websocket.close", code, reason)


def test_it_may_have_the_connection() -> None:
    async def greeted(ws: WebSocket) -> str:
        await ws.accept()
        await ws.send("Hello")
        return "greeted"

    class Api(App):
        async def ws_index(self, ws: WebSocket, state: Annotated[str, Depends(greeted)]) -> None:
            await ws.send(state)

    assert [message.get("text") for message in call_socket(Api(), "/")][1:3] == ["Hello", "greeted"]


# --- leaving that goes wrong ----------------------------------------------------------------------------------------


def leaving(log: Log, name: str, error: BaseException | None = None) -> Callable[[], Iterator[str]]:
    def dependency() -> Iterator[str]:
        try:
            yield name
        finally:
            log.append(name)
            if error is not None:
                raise error

    return dependency


@pytest.mark.parametrize("handler_fails", [False, True])
def test_one_that_fails_to_leave_is_logged_and_the_others_are_left(
    handler_fails: bool, caplog: pytest.LogCaptureFixture
) -> None:
    log: Log = []
    one, two, three = (leaving(log, "1", OSError(1)), leaving(log, "2"), leaving(log, "3", KeyError(3)))

    class Api(App):
        async def index(
            self, a: Annotated[str, Depends(one)], b: Annotated[str, Depends(two)], c: Annotated[str, Depends(three)]
        ) -> str:
            if handler_fails:
                raise HTTPError(404)
            return "fine"

    assert call(Api(), "GET", "/").status == (404 if handler_fails else 200)
    assert log == ["3", "2", "1"]
    failures = [record.exc_info[1] for record in caplog.records if record.exc_info is not None]
    assert [str(failure) for failure in failures] == ["3", "1"]
    assert all("leaving.<locals>.dependency" in record.getMessage() for record in caplog.records)


def test_one_that_deals_with_the_error_hides_it_from_those_around_it_but_not_from_the_client() -> None:
    log: Log = []

    def outer() -> Iterator[None]:
        try:
            yield
            log.append("outer is fine")
        except KeyError:
            log.append("outer")

    def inner(_: Annotated[None, Depends(outer)]) -> Iterator[None]:
        try:
            yield
        except KeyError:
            log.append("inner")

    class Api(App):
        async def index(self, _: Annotated[None, Depends(inner)]) -> None:
            raise KeyError

    assert call(Api(), "GET", "/").status == 500
    assert log == ["inner", "outer is fine"]


def yields_nothing() -> Iterator[str]:
    yield from ()


async def yields_nothing_async() -> AsyncIterator[str]:
    for name in list[str]():
        yield name


def yields_twice() -> Iterator[str]:
    yield "once"
    yield "twice"


async def yields_twice_async() -> AsyncIterator[str]:
    yield "once"
    yield "twice"


@pytest.mark.parametrize(
    ("function", "status", "said"),
    [
        (yields_nothing, 500, "didn't yield"),
        (yields_nothing_async, 500, "didn't yield"),
        (yields_twice, 200, "didn't stop"),
        (yields_twice_async, 200, "didn't stop"),
    ],
)
def test_a_generator_yields_once(function: Any, status: int, said: str, caplog: pytest.LogCaptureFixture) -> None:
    assert call(handler_of(function), "GET", "/").status == status
    (record,) = caplog.records
    assert record.exc_info is not None
    assert said in str(record.exc_info[1])
    assert function.__name__ in f"{record.getMessage()} {getattr(record.exc_info[1], '__notes__', '')}"


def test_a_blocking_one_that_was_still_being_entered_when_the_request_was_cancelled_is_left() -> None:
    log: Log = []
    entering, going_on = threading.Event(), threading.Event()

    def slow() -> Iterator[None]:
        entering.set()
        going_on.wait()
        log.append("entered")
        try:
            yield
        finally:
            log.append("left")

    app = handler_of(slow)

    async def request() -> None:
        async def receive() -> Message:
            return {"type": "http.request"}

        async def send(message: Message) -> None:
            raise AssertionError("nobody is to be answered")

        task = asyncio.create_task(app(http_scope("GET", "/"), receive, send))
        while not entering.is_set():
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        going_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(request())
    assert log == ["entered", "left"]


def test_the_others_are_left_when_leaving_is_cancelled() -> None:
    log: Log = []

    async def outer() -> AsyncIterator[None]:
        yield
        log.append("outer")

    async def inner(_: Annotated[None, Depends(outer)]) -> AsyncIterator[None]:
        yield
        log.append("inner")
        await asyncio.Event().wait()

    app = handler_of(inner)

    async def request() -> None:
        async def receive() -> Message:
            return {"type": "http.request"}

        async def send(message: Message) -> None: ...

        task = asyncio.create_task(app(http_scope("GET", "/"), receive, send))
        while not log:
            await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(request())
    assert log == ["inner"]


VARIABLE: ContextVar[str] = ContextVar("variable", default="unset")


async def sets() -> AsyncIterator[None]:
    token = VARIABLE.set("set")
    yield
    VARIABLE.reset(token)


def sets_blocking() -> Iterator[None]:
    token = VARIABLE.set("set")
    yield
    VARIABLE.reset(token)


@pytest.mark.parametrize(("function", "seen"), [(sets, "set"), (sets_blocking, "unset")])
def test_context_variables_can_be_reset(function: Any, seen: str, caplog: pytest.LogCaptureFixture) -> None:
    class Api(App):
        async def index(self, _: Annotated[None, Depends(function)]) -> str:
            return VARIABLE.get()  # what a thread sets is not seen outside

    assert call(Api(), "GET", "/").text == seen
    assert caplog.records == []


# --- what cannot work -----------------------------------------------------------------------------------------------


# pyright looks for what is in quotes where the function begins.
def cycle_a(b: "Annotated[int, Depends(cycle_b)]") -> int:  # pyright: ignore[reportUndefinedVariable]
    return b


def cycle_b(a: Annotated[int, Depends(cycle_a)]) -> int:
    return a


def itself(again: "Annotated[int, Depends(itself)]") -> int:  # pyright: ignore[reportUndefinedVariable]
    return again


def bad_type(value: Callable[[], int]) -> None: ...
def two_markers(value: Annotated[int, Query(), Depends(sync)]) -> None: ...
def rest_of_path(*names: str) -> None: ...
def no_such_path(name: Annotated[str, Path()]) -> None: ...
def many(id: list[int]) -> None: ...
def streams(body: AsyncIterator[bytes]) -> None: ...
def connected(ws: WebSocket) -> None: ...
def depends_on_rest(*names: Annotated[str, Depends(sync)]) -> None: ...
def depends_inside(name: Annotated[str, Depends(sync)] | None) -> None: ...
def no_function(name: Annotated[str, Depends]) -> None: ...
def unresolved(name: "Annotated[str, Depends(nowhere)]") -> None: ...  # pyright: ignore  # noqa: F821
def as_default(name: str = Depends(sync)) -> None: ...  # type: ignore[assignment]  # as FastAPI has it


@pytest.mark.parametrize(
    ("function", "where", "what"),
    [
        (5, "Api.read", "Depends(5) needs a function"),
        (sync(), "Api.read", "Depends('sync -') needs a function"),
        (cycle_a, "Api.read", "depends on itself: cycle_a → cycle_b → cycle_a"),
        (itself, "Api.read", "depends on itself: itself → itself"),
        (dict, "Api.read → dict", "has no signature: no signature found for builtin type <class 'dict'>"),
        (Shop._prices, "Api.read → Shop._prices", "is a method, and needs an object to be called on"),
        (bad_type, "Api.read → bad_type (value: collections.abc.Callable[[], int])", "Callable"),
        (two_markers, "Api.read → two_markers", "has more than one marker: Query, Depends"),
        (rest_of_path, "Api.read → rest_of_path (names: str)", "a dependency takes path values by name"),
        (no_such_path, "Api.read → no_such_path", "the path has no value called 'name'"),
        (many, "Api.read → many", "a path segment is one text"),
        (streams, "Api.read", "'body' takes the whole body, so nothing is left for 'file'"),
        (connected, "Api.read → connected", "only a ws_ method can take a WebSocket"),
        (depends_on_rest, "Api.read → depends_on_rest", "*args and **kwargs cannot take the result of a function"),
        (depends_inside, "Api.read → depends_inside", "Depends() must be around the whole type, not inside it"),
        (no_function, "Api.read → no_function", "Depends needs a function"),
        (unresolved, "Api.read → unresolved", "the annotation cannot be resolved"),
        (as_default, "Api.read → as_default", "Depends(sync) must be inside Annotated[...]"),
    ],
)
def test_what_cannot_work_is_found_when_the_app_is_made(function: Any, where: str, what: str) -> None:
    class Api(App):
        @route("/read/{id}")
        async def read(self, id: int, file: UploadFile, value: Annotated[Any, Depends(function)]) -> None: ...

    with pytest.raises(SetupError) as caught:
        Api()
    (problem,) = caught.value.problems
    assert problem.where.rpartition("<locals>.")[2].startswith(where)
    assert what in problem.what
    assert problem.remedy
    assert problem.file == __file__ or function is dict


def test_a_path_value_that_nobody_takes_is_found() -> None:
    class Api(App):
        @route("/read/{id}/{name}")
        async def read(self, value: Annotated[str, Depends(by_id)]) -> None: ...

    with pytest.raises(SetupError, match=r"the @route path names \{name\}, which no parameter takes"):
        Api()


@pytest.mark.parametrize("function", [reads_whole, reads_raw, reads_file])
def test_a_handshake_has_no_body_for_a_dependency_either(function: Any) -> None:
    class Api(App):
        async def ws_index(self, ws: WebSocket, value: Annotated[Any, Depends(function)]) -> None: ...

    with pytest.raises(SetupError, match="a WebSocket handshake has no body"):
        Api()


def test_bytes_leave_nothing_for_a_file() -> None:
    class Api(App):
        async def index(self, file: UploadFile, value: Annotated[Any, Depends(reads_raw)]) -> None: ...

    with pytest.raises(SetupError, match="'body' takes the whole body, so nothing is left for 'file'"):
        Api()


# --- overrides ------------------------------------------------------------------------------------------------------


class Account(App):
    def _secret(self) -> str:
        return "secret"

    async def me(self, name: Annotated[str, Depends(asynchronous)]) -> str:
        return name

    async def deep(self, value: Annotated[list[Any], Depends(nested)]) -> list[Any]:
        return value

    async def method(self, secret: Annotated[str, Depends(_secret)]) -> str:
        return secret

    async def ws_me(self, ws: WebSocket, name: Annotated[str, Depends(asynchronous)]) -> None:
        await ws.accept()
        await ws.send(name)


def fake(n: int = 0) -> str:
    return f"fake {n}"


def fake_body(todo: Todo) -> str:
    return todo.title


def fake_generator(name: Annotated[str, Depends(fake)]) -> Iterator[str]:
    yield f"generated {name}"


def test_an_override_is_called_instead_until_it_is_taken_back() -> None:
    app = Account()

    def me() -> Answer:
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
def test_an_override_is_bound_by_its_own_signature(
    overridden: Any, other: Any, path: str, body: bytes, text: str
) -> None:
    app = Account()
    app.overrides[overridden] = other
    assert call(app, "POST" if body else "GET", path, body, JSON if body else ()).text == text


def test_a_method_can_be_overridden_as_the_method_of_the_app() -> None:
    app = Account()
    app.overrides[app._secret] = lambda: "other"
    assert call(app, "GET", "/method").text == "other"


def test_an_override_counts_for_websockets() -> None:
    app = Account()
    app.overrides[asynchronous] = fake
    assert [message.get("text") for message in call_socket(app, "/me?n=1")][1] == "fake 1"


def loop(name: Annotated[str, Depends(asynchronous)]) -> str:
    return name


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (5, f"5, which overrides {__name__}.asynchronous, cannot be called"),
        (bad_type, "Account.me → bad_type (value: collections.abc.Callable[[], int])"),
        (loop, "depends on itself: loop → loop"),
    ],
)
def test_an_override_that_cannot_work_is_told_when_it_is_used(
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
def test_the_app_that_was_called_overrides_what_the_one_inside_does(overriding: list[str], text: str) -> None:
    class Between(Resource):
        def __init__(self) -> None:
            self.inner = Account()

    class Outer(App):
        def __init__(self) -> None:
            super().__init__()
            self.between = Between()
            self.inner = self.between.inner

    app = Outer()
    for name, one in (("outer", app), ("inner", app.inner)):
        if name in overriding:
            one.overrides[asynchronous] = functools.partial(two, name, "")
    assert [call(app, "GET", path).text for path in ("/inner/me", "/between/inner/me")] == [text, text]


# --- what others read -----------------------------------------------------------------------------------------------


def test_inputs_are_everything_that_a_request_has_to_contain() -> None:
    signature = Account().routes["/deep"].signature
    assert [one.name for one in signature.parameters] == ["value"]
    assert [(one.name, one.alias) for one in signature.inputs()] == [("x_key", "X-Key"), ("count", "n")]
    assert [one.name.rpartition(".")[2] for one in signature.dependencies()] == ["reads_header", "nested"]


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (by_id, [("id", int)]),
        (pinned, [("id", int), ("id", int)]),
        (by_text, [("id", int), ("id", str)]),
    ],
)
def test_an_input_that_is_read_in_one_way_comes_once(function: Any, found: list[Any]) -> None:
    class Api(App):
        async def read(self, id: int, value: Annotated[Any, Depends(function)]) -> None: ...

    signature = Api().routes["/read/{id}"].signature
    assert [(one.name, one.annotation) for one in signature.inputs()] == found
    assert signature.path_values == 1


def test_the_source_of_a_route_shows_every_binder() -> None:
    source = Account().routes["/deep"].source
    titles = [line for line in source.splitlines() if line.startswith("#")]
    assert titles == [f"# {__name__}.{name}" for name in ("reads_header", "nested", "Account.deep")]
    assert "return lambda results: call(results[0], count=v1)" in source


def test_a_request_is_prepared_before_it_is_bound() -> None:
    made = Account().routes["/me"]
    with pytest.raises(RuntimeError, match=r"call Route\.prepare first"):
        asyncio.run(made.bind(made.call, Request(http_scope("GET", "/me")), []))


def test_a_route_without_dependencies_has_nothing_to_prepare() -> None:
    class Api(App):
        async def index(self) -> None: ...

    assert Api().routes["/"].prepare is None


def test_depends_shows_its_function() -> None:
    assert [repr(one) for one in (Depends(sync), Depends(AsyncCallable))] == ["Depends(sync)", "Depends(AsyncCallable)"]
