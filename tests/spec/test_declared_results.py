"""These tests hold every way of sending to one rule: only what the return annotation declares is sent (SPEC 4)."""

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from micropie import App, Depends, HttpMiddleware, Request, Resource, ServerSentEvent, SetupError, WebSocket
from micropie.testing import TestClient
from tests.support.asgi import call, call_socket


class Public(Struct):
    name: str


class Stored(Public):
    password: str = "secret"


class Rows:
    """An iterator that is not a generator."""

    def __init__(self) -> None:
        self._rows = iter([Public("a"), Stored("a")])
        self.closed = False

    def __aiter__(self) -> "Rows":
        return self

    async def __anext__(self) -> Public:
        for row in self._rows:
            return row
        raise StopAsyncIteration


class Users(Resource):
    def get(self) -> Public:
        return Stored("a")


class Results(App):
    users = Users()

    async def plain(self) -> Public:
        return Stored("a")

    def blocking(self) -> Public:
        return Stored("a")

    async def bound(self, *, name: str = "a") -> Public | None:
        return Stored(name)

    async def depending(self, name: Annotated[str, Depends(lambda: "a")]) -> Public:
        return Stored(name)

    async def status(self) -> tuple[Literal[201], Public] | tuple[Literal[404], str]:
        return 201, Stored("a")

    async def headers(self) -> tuple[int, Public, dict[str, str]]:
        return 200, Stored("a"), {"X-A": "b"}

    def items(self) -> list[Public]:
        return [Public("a"), Stored("a")]

    def iterable(self) -> Iterable[Public]:
        return [Public("a"), Stored("a")]

    async def stream(self) -> AsyncIterator[Public]:
        yield Public("a")
        yield Stored("a")

    def blocking_stream(self) -> Iterator[Public]:
        yield Public("a")
        yield Stored("a")

    async def own_stream(self) -> tuple[int, AsyncIterator[Public]]:
        return 200, Rows()

    async def events(self) -> AsyncIterator[ServerSentEvent[Public]]:
        yield ServerSentEvent(Stored("a"), event="row")

    async def anything(self) -> Any:
        return Stored("a")

    async def unannotated(self):  # type: ignore[no-untyped-def]
        return Stored("a")

    async def wrong(self) -> list[Public]:
        return [Public("a"), 5]  # type: ignore[list-item]

    async def wrong_stream(self) -> AsyncIterator[Public]:
        yield Public("a")
        yield 5  # type: ignore[misc]

    async def ws_chat(self, ws: WebSocket[str, Public]) -> None:
        async for _ in ws:
            await ws.send(Stored("a"))

    async def ws_wrong(self, ws: WebSocket[str, Public]) -> None:
        await ws.accept()
        await ws.send({"password": "secret"})  # type: ignore[arg-type]


class Pass(HttpMiddleware):
    async def before_request(self, request: Request) -> None:
        pass

    async def after_request(
        self, request: Request, status_code: int, response_body: object, extra_headers: Any
    ) -> None:
        pass


ROW = '{"name":"a"}'
BODIES = [
    ("plain", ROW),
    ("blocking", ROW),
    ("bound?name=a", ROW),
    ("depending", ROW),
    ("status", ROW),
    ("headers", ROW),
    ("users", ROW),
    ("items", f"[{ROW},{ROW}]"),
    ("iterable", f"[{ROW},{ROW}]"),
    ("stream", f"{ROW}\n{ROW}\n"),
    ("blocking_stream", f"{ROW}\n{ROW}\n"),
    ("own_stream", f"{ROW}\n{ROW}\n"),
    ("events", f"event: row\ndata: {ROW}\n\n"),
]


@pytest.mark.parametrize("prefix", ["", "nested/"])
@pytest.mark.parametrize("middleware", [False, True])
@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(("path", "body"), BODIES)
def test_result_is_sent_with_the_declared_fields_only(
    path: str, body: str, check: bool, middleware: bool, prefix: str
) -> None:
    app = Results()
    app.nested = nested = Results()  # type: ignore[attr-defined]  # pyright: ignore
    if middleware:
        app.middlewares.append(Pass())
        nested.middlewares.append(Pass())
    app.check_returns = check
    response = call(app, "GET", f"/{prefix}{path.partition('?')[0]}", query=path.partition("?")[2])
    assert response.text == body


@pytest.mark.parametrize("path", ["anything", "unannotated"])
def test_result_of_any_type_is_sent_whole(path: str) -> None:
    assert call(Results(), "GET", f"/{path}").text == '{"name":"a","password":"secret"}'


def test_result_that_cannot_be_converted_is_a_500_that_names_handler_and_field(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert call(Results(), "GET", "/wrong").status == 500
    assert "Results.wrong (" in caplog.text
    assert "test_declared_results.py:" in caplog.text
    assert "does not fit the return annotation list[Public]: Expected `Public`, got `int` - at `$[1]`" in caplog.text


def test_stream_breaks_off_at_an_item_that_cannot_be_converted(caplog: pytest.LogCaptureFixture) -> None:
    client = TestClient(Results(), check_returns=False)
    with client, pytest.raises(Exception, match="broke off"):
        client.get("/wrong_stream")
    assert "an item of the stream does not fit the return annotation AsyncIterator[Public]" in caplog.text


def test_message_is_sent_with_the_declared_fields_only() -> None:
    sent = call_socket(Results(), "/chat", ["hi"])
    assert [message.get("text") for message in sent if message["type"] == "websocket.send"] == [ROW]


def test_message_that_cannot_be_converted_closes_the_connection_with_1011(caplog: pytest.LogCaptureFixture) -> None:
    sent = call_socket(Results(), "/wrong")
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert sent[1]["code"] == 1011
    assert "`dict` has no `name` - at `$.name`" in caplog.text


@pytest.mark.parametrize("annotation", ["Nowhere", "list[Nowhere]", "tuple[Literal[201], Nowhere]"])
def test_return_annotation_that_cannot_be_resolved_is_refused_when_the_app_is_made(annotation: str) -> None:
    async def handler(self: App) -> object:
        return self

    handler.__annotations__["return"] = annotation
    with pytest.raises(SetupError, match=r"-> .*Nowhere.*: the annotation cannot be resolved") as caught:
        type("Unresolved", (App,), {"handler": handler})()
    assert "Import or define the name at module level" in str(caught.value)


class Note(Struct):
    text: Annotated[str | None, Meta(max_length=40)]


class Notes(Struct):
    notes: dict[str, list[Note]]


CURE = "Annotated[str, Meta(…)] | None"


@pytest.mark.parametrize(
    ("annotation", "place"),
    [
        (Note, "the field 'text' of Note: "),
        (Notes, "the field 'text' of Note: "),
        (list[Note], "the field 'text' of Note: "),
        (list[Annotated[str | None, Meta(max_length=40)]], ""),
    ],
)
@pytest.mark.parametrize("use", ["parameter", "result", "incoming", "outgoing", "item"])
def test_constraint_around_an_optional_inside_a_type_is_refused_with_the_cure(
    annotation: Any, place: str, use: str
) -> None:
    async def handler(self: App, it: Any = None) -> Any:
        return self, it

    annotations = {
        "parameter": {"it": annotation},
        "result": {"return": annotation},
        "incoming": {"it": WebSocket[annotation, str]},
        "outgoing": {"it": WebSocket[str, annotation]},
        "item": {"return": AsyncIterator[annotation]},
    }
    handler.__annotations__ = annotations[use]
    name = "ws_handler" if use in ("incoming", "outgoing") else "handler"
    with pytest.raises(SetupError) as caught:
        type("Constrained", (App,), {name: handler})()
    assert f"{place}Can only set `max_length`" in str(caught.value)
    assert CURE in str(caught.value)


def test_description_around_an_optional_is_allowed_in_a_result() -> None:
    class Described(App):
        async def handler(self) -> list[Annotated[str | None, Meta(description="d")]]:
            return [None]

    assert call(Described(), "GET", "/handler").text == "[null]"


class Forgetful(App):
    def status(self):  # type: ignore[no-untyped-def]
        return 422, self._render_template("page.html")

    def typed_status(self) -> tuple[int, str]:
        return 422, self._render_template("page.html")  # type: ignore[return-value]

    async def key(self):  # type: ignore[no-untyped-def]
        return {"html": self._render_template("page.html")}

    async def typed_key(self) -> list[Public]:
        return [Public("a"), self._render_template("page.html")]  # type: ignore[list-item]

    async def stream(self):  # type: ignore[no-untyped-def]
        yield self._render_template("page.html")

    async def typed_stream(self) -> AsyncIterator[str]:
        yield self._render_template("page.html")  # type: ignore[misc]


@pytest.mark.parametrize("path", ["status", "typed_status", "key", "typed_key", "stream", "typed_stream"])
def test_coroutine_in_a_result_is_an_error_that_says_that_await_is_missing(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert call(Forgetful(), "GET", f"/{path}").status == 500
    assert "await is missing: the result holds a coroutine of " in caplog.text
    assert "Write `await _render_template(…)`, in an `async def` handler" in caplog.text
