"""A dependency is bound by its own signature. One that cannot work is refused when the app is created (SPEC 3, 9)."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import pytest

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
from tests.binding.dependencies import (
    Todo,
    by_id,
    nested,
    pinned,
    reads_file,
    reads_header,
    reads_raw,
    reads_whole,
    sync,
)
from tests.support.asgi import FORM, JSON, MULTIPART, call, form_data

# --- what a dependency gets -------------------------------------------------------------------------------------------


def reads_request(request: Request) -> object:
    return [request.method, request.form("title")]


def reads_session(user: Annotated[str, Session()] = "guest") -> object:
    return user


def reads_rest(**names: int) -> object:
    return names


@pytest.mark.parametrize(
    ("function", "target", "body", "headers", "expected"),
    [
        (reads_header, "/", b"", [(b"x-key", b"k")], "k"),
        (reads_whole, "/", b'{"title": "Milk"}', JSON, "Milk"),
        (reads_whole, "/", b"title=Milk", FORM, "Milk"),
        (reads_request, "/", b"title=Milk", FORM, ["POST", "Milk"]),
        (reads_request, "/", form_data({"title": "Milk"}), MULTIPART, ["POST", "Milk"]),
        (reads_session, "/?user=root", b"", [], "guest"),
        (reads_rest, "/?a=1&b=2", b"", [], {"a": 1, "b": 2}),
        (reads_raw, "/", b"12345", [], 5),
        (reads_file, "/", form_data({"file": ("a.txt", "text/plain", b"x")}), MULTIPART, ["a.txt", "x"]),
        (nested, "/?n=3", b"", [(b"x-key", b"k")], ["k", 3]),
    ],
)
def test_parameters_of_a_dependency_are_bound_like_those_of_a_handler(
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
def test_dependency_can_check_the_bytes_that_the_handler_reads_as_json(length: bytes, status: int) -> None:
    class Api(App):
        async def index(self, todo: Todo, _: Annotated[None, Depends(signed)]) -> str:
            return todo.title

    assert call(Api(), "POST", "/", b'{"title": "Milk"}', [*JSON, (b"x-length", length)]).status == status


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
def test_dependency_takes_path_values_by_name(path: str, status: int, text: str) -> None:
    response = call(Users(), "GET", path)
    assert (response.status, response.text) == (status, text)


def test_route_shows_a_path_value_that_only_a_dependency_takes() -> None:
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
def test_method_of_the_class_is_called_on_its_object(app: App, path: str, text: str) -> None:
    assert call(app, "GET", path).text == text


def test_quoted_annotation_can_name_a_local_function() -> None:
    def local(q: str) -> str:
        return q

    class Api(App):
        async def index(self, value: "Annotated[str, Depends(local)]") -> str:
            return value

    assert call(Api(), "GET", "/?q=x").text == "x"


CurrentTodo = Annotated[Todo, Depends(lambda title: Todo(title))]


def test_type_alias_can_hold_a_dependency() -> None:
    class Api(App):
        async def index(self, todo: CurrentTodo) -> str:
            return todo.title

    assert call(Api(), "GET", "/?title=Milk").text == "Milk"


# --- dependencies that cannot work ------------------------------------------------------------------------------------


# pyright resolves a quoted annotation where its function begins.
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
def test_dependency_that_cannot_work_is_refused_when_the_app_is_created(function: Any, where: str, what: str) -> None:
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


def test_untaken_path_value_is_refused() -> None:
    class Api(App):
        @route("/read/{id}/{name}")
        async def read(self, value: Annotated[str, Depends(by_id)]) -> None: ...

    with pytest.raises(SetupError, match=r"the @route path names \{name\}, which no parameter takes"):
        Api()


@pytest.mark.parametrize("function", [reads_whole, reads_raw, reads_file])
def test_dependency_of_a_websocket_handler_cannot_read_a_body(function: Any) -> None:
    class Api(App):
        async def ws_index(self, ws: WebSocket, value: Annotated[Any, Depends(function)]) -> None: ...

    with pytest.raises(SetupError, match="a WebSocket handshake has no body"):
        Api()


def test_raw_body_leaves_nothing_for_a_file() -> None:
    class Api(App):
        async def index(self, file: UploadFile, value: Annotated[Any, Depends(reads_raw)]) -> None: ...

    with pytest.raises(SetupError, match="'body' takes the whole body, so nothing is left for 'file'"):
        Api()
