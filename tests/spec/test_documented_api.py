"""Every documented name exists, has its documented parameters, and does what the documentation says."""

import asyncio
import inspect
import subprocess
import sys
from abc import ABC
from collections.abc import Callable
from typing import Any

import pytest

import micropie
from micropie import (
    SESSION_TIMEOUT,
    App,
    ConnectionClosed,
    HttpMiddleware,
    InMemorySessionBackend,
    Limits,
    Request,
    Resource,
    SessionBackend,
    SessionConfig,
    WebSocket,
    WebSocketMiddleware,
    WebSocketRequest,
)
from micropie.types import Message, Scope
from tests.support.asgi import FORM, JSON, MULTIPART, call, form_data, http_scope


def parameters(function: Callable[..., Any]) -> list[str]:
    """List the parameters as they are written, without `self` and without annotations."""
    signature = inspect.signature(function)
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    return [str(parameter) for parameter in bare if parameter.name != "self"]


# The documented signatures. Parameters that were added later follow them, and always have a default.
SIGNATURES: list[tuple[object, str, list[str]]] = [
    (SessionBackend, "load", ["session_id"]),
    (SessionBackend, "save", ["session_id", "data", "timeout"]),
    (InMemorySessionBackend, "__init__", []),
    (InMemorySessionBackend, "load", ["session_id"]),
    (InMemorySessionBackend, "save", ["session_id", "data", "timeout"]),
    (HttpMiddleware, "before_request", ["request"]),
    (HttpMiddleware, "after_request", ["request", "status_code", "response_body", "extra_headers"]),
    (WebSocketMiddleware, "before_websocket", ["request"]),
    (WebSocketMiddleware, "after_websocket", ["request"]),
    (WebSocket, "__init__", ["receive", "send"]),
    (WebSocket, "accept", ["subprotocol=None", "session_id=None"]),
    (WebSocket, "receive_text", []),
    (WebSocket, "receive_bytes", []),
    (WebSocket, "send_text", ["data"]),
    (WebSocket, "send_bytes", ["data"]),
    (WebSocket, "close", ["code=1000", "reason=None"]),
    (Request, "query", ["name", "default=None"]),
    (Request, "form", ["name", "default=None"]),
    (Request, "json", ["name=None", "default=None"]),
    (App, "__init__", ["session_backend=None"]),
    (App, "__call__", ["scope", "receive", "send"]),
    (App(), "_asgi_app_http", ["scope", "receive", "send"]),
    (App, "_asgi_app_websocket", ["scope", "receive", "send"]),
    (App, "_parse_cookies", ["cookie_header"]),
    (App, "_parse_multipart", ["reader", "boundary"]),
    (App, "_send_response", ["send", "status_code", "body", "extra_headers=None"]),
    (App, "_send_websocket_close", ["send", "code", "reason"]),
    (App, "_redirect", ["location", "extra_headers=None"]),
    (App, "_render_template", ["name"]),
]


@pytest.mark.parametrize(("cls", "name", "documented"), SIGNATURES, ids=lambda value: getattr(value, "__name__", None))
def test_every_documented_method_has_its_documented_parameters(cls: object, name: str, documented: list[str]) -> None:
    actual = parameters(getattr(cls, name))
    assert actual[: len(documented)] == documented
    optional = list(inspect.signature(getattr(cls, name)).parameters.values())[len(documented) + 1 :]
    named = [one for one in optional if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)]
    assert all(one.default is not one.empty for one in named)


ASYNC = [
    *("__call__", "_asgi_app_http", "_asgi_app_websocket", "_parse_multipart"),
    *("_send_response", "_send_websocket_close", "_render_template"),
]


@pytest.mark.parametrize(
    ("cls", "names"),
    [
        (App, ASYNC),
        (SessionBackend, ["load", "save"]),
        (InMemorySessionBackend, ["load", "save"]),
        (HttpMiddleware, ["before_request", "after_request"]),
        (WebSocketMiddleware, ["before_websocket", "after_websocket"]),
        (WebSocket, ["accept", "receive_text", "receive_bytes", "send_text", "send_bytes", "close"]),
    ],
)
def test_methods_documented_as_async_are_async(cls: type, names: list[str]) -> None:
    assert [name for name in names if not inspect.iscoroutinefunction(getattr(cls, name))] == []


@pytest.mark.parametrize("cls", [SessionBackend, HttpMiddleware, WebSocketMiddleware])
def test_methods_documented_as_abstract_are_abstract(cls: type) -> None:
    assert issubclass(cls, ABC)
    with pytest.raises(TypeError, match="abstract"):
        cls()


def test_documented_classes_have_their_documented_bases() -> None:
    assert issubclass(WebSocketRequest, Request)
    assert issubclass(InMemorySessionBackend, SessionBackend)
    assert issubclass(ConnectionClosed, Exception)
    assert SESSION_TIMEOUT == 8 * 60 * 60


def test_every_exported_name_exists_and_is_exported_once() -> None:
    assert len(set(micropie.__all__)) == len(micropie.__all__)
    assert [name for name in micropie.__all__ if not hasattr(micropie, name)] == []


@pytest.mark.parametrize(
    "package",
    [
        *("app", "client", "forms", "inspection", "middleware", "openapi", "requests", "responses"),
        *("routing", "sessions", "testing", "uploads", "websockets"),
    ],
)
def test_no_exported_name_of_a_package_is_one_of_its_modules(package: str) -> None:
    code = f"""
import types, micropie.{package} as package
print([name for name in package.__all__ if isinstance(getattr(package, name), types.ModuleType)])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_app_has_its_documented_attributes() -> None:
    app = App()
    assert (app.middlewares, app.ws_middlewares, app.startup_handlers, app.shutdown_handlers) == ([], [], [], [])
    assert isinstance(app.session_backend, InMemorySessionBackend)
    assert type(app.env).__name__ == "Environment"


def test_apps_share_no_attributes() -> None:
    one, two = App(), App()
    for name in ("middlewares", "ws_middlewares", "startup_handlers", "shutdown_handlers", "error_handlers"):
        assert getattr(one, name) is not getattr(two, name)
    assert one.session_backend is not two.session_backend


def test_all_parameters_of_app_but_the_session_backend_are_keyword_only() -> None:
    backend, limits, sessions = InMemorySessionBackend(), Limits(body=1), SessionConfig(cookie="sid")
    app = App(backend, limits=limits, sessions=sessions, debug=True, templates="pages")
    assert (app.session_backend, app.limits, app.session_config, app.debug) == (backend, limits, sessions, True)
    with pytest.raises(TypeError):
        App(backend, limits)  # type: ignore[call-arg]


def test_env_can_be_replaced() -> None:
    app = App()
    env = App().env
    app.env = env
    assert app.env is env


def test_request_outside_of_a_request_is_a_runtime_error() -> None:
    with pytest.raises(RuntimeError, match="No request is being handled here"):
        _ = App().request


class Showing(App):
    """An app that returns each documented attribute of a request."""

    async def path(self, *path: str) -> list[str]:
        return list(self.request.path_params)

    async def index(self) -> dict[str, Any]:
        request = self.request
        return {
            "method": request.method,
            "scope": request.scope["type"],
            "query_params": request.query_params,
            "body_params": request.body_params,
            "get_json": request.get_json,
            "session": request.session,
            "files": {name: sorted(file) for name, file in request.files.items()},
            "headers": request.headers["X-Name"],
        }


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b"", (), {}),
        (b"a=1&a=2&b=", FORM, {"body_params": {"a": ["1", "2"], "b": [""]}}),
        (b'{"a": 1, "b": "x"}', JSON, {"body_params": {"a": ["1"], "b": ["x"]}, "get_json": {"a": 1, "b": "x"}}),
        (b"[1]", JSON, {"get_json": [1]}),
        (
            form_data({"a": "1", "f": ("f.txt", "text/plain", b"content")}),
            MULTIPART,
            {"body_params": {"a": ["1"]}, "files": {"f": ["content", "content_type", "filename"]}},
        ),
    ],
)
def test_request_has_its_documented_attributes(body: bytes, headers: Any, expected: dict[str, Any]) -> None:
    response = call(Showing(), "POST", "/?q=1&q=2&r=", body, [*headers, (b"x-name", b"value")])
    assert (
        response.json
        == {
            "method": "POST",
            "scope": "http",
            "query_params": {"q": ["1", "2"], "r": [""]},
            "body_params": {},
            "get_json": None,
            "session": {},
            "files": {},
            "headers": "value",
        }
        | expected
    )
    assert call(Showing(), "GET", "/path/a/b").json == ["a", "b"]


class Asking(App):
    async def index(self) -> list[object]:
        request = self.request
        return [
            [request.query("q"), request.query("no"), request.query("no", "default")],
            [request.form("a"), request.form("no"), request.form("no", "default")],
            [request.json("a"), request.json("no"), request.json("no", "default"), request.json(default="none")],
        ]


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b"", (), [["1", None, "default"], [None, None, "default"], [None, None, "default", "none"]]),
        (b"a=1", FORM, [["1", None, "default"], ["1", None, "default"], [None, None, "default", "none"]]),
        (b'{"a":1}', JSON, [["1", None, "default"], [None, None, "default"], [1, None, "default", {"a": 1}]]),
    ],
)
def test_query_form_and_json_return_one_value_or_the_default(body: bytes, headers: Any, expected: list[object]) -> None:
    assert call(Asking(), "POST", "/?q=1", body, headers).json == expected


@pytest.mark.parametrize(
    ("header", "cookies"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        ("a=1; b=2", {"a": "1", "b": "2"}),
        ("a=1;b=2 ; ", {"a": "1", "b": "2"}),
        ("a=1; a=2", {"a": "1"}),
        ('a="1"', {"a": "1"}),
        ("a=b=c", {"a": "b=c"}),
        ("=1; nameless", {}),
    ],
)
def test_parse_cookies_returns_names_and_values(header: str, cookies: dict[str, str]) -> None:
    assert App()._parse_cookies(header) == cookies


def test_parse_multipart_returns_fields_and_files_with_their_queues() -> None:
    async def main() -> tuple[dict[str, list[str]], dict[str, dict[str, Any]], list[bytes | None]]:
        reader = asyncio.StreamReader()
        reader.feed_data(form_data([("a", "1"), ("a", "2"), ("f", ("f.bin", "text/plain", b"content"))]))
        reader.feed_eof()
        fields, files = await App()._parse_multipart(reader, b"frontier")
        queue = files["f"]["content"]
        return fields, files, [await queue.get(), await queue.get()]

    fields, files, chunks = asyncio.run(main())
    assert fields == {"a": ["1", "2"]}
    assert (files["f"]["filename"], files["f"]["content_type"], chunks) == ("f.bin", "text/plain", [b"content", None])


async def sent_by(function: Callable[..., Any], *arguments: Any) -> list[Message]:
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    await function(send, *arguments)
    return messages


@pytest.mark.parametrize(
    ("arguments", "headers", "body"),
    [
        ((200, "text"), {b"content-type": b"text/html; charset=utf-8", b"content-length": b"4"}, b"text"),
        ((201, {"a": 1}), {b"content-type": b"application/json", b"content-length": b"7"}, b'{"a":1}'),
        (
            (200, b"x", [("X-A", "1")]),
            {b"content-type": b"text/html; charset=utf-8", b"content-length": b"1", b"x-a": b"1"},
            b"x",
        ),
    ],
)
def test_send_response_sends_a_response(arguments: Any, headers: dict[bytes, bytes], body: bytes) -> None:
    start, rest = asyncio.run(sent_by(App()._send_response, *arguments))
    assert (start["status"], dict(start["headers"]), rest["body"]) == (arguments[0], headers, body)


def test_send_response_uses_the_current_request() -> None:
    class ByHand(App):
        async def index(self) -> list[int]:
            sent = await sent_by(self._send_response, 200, (letter for letter in "ab"))
            return [len(message.get("body", b"")) for message in sent]

    assert call(ByHand(), "GET", "/").json == [0, 1, 1, 0]
    assert call(ByHand(), "POST", "/").json == [0, 1, 1, 0]


def test_send_websocket_close_sends_a_close() -> None:
    sent = asyncio.run(sent_by(App()._send_websocket_close, 4001, "why"))
    assert sent == [{"type": "websocket.close", "code": 4001, "reason": "why"}]


@pytest.mark.parametrize(
    ("location", "extra", "expected"),
    [
        ("/there", None, [("Location", "/there")]),
        ("/café", None, [("Location", "/caf%C3%A9")]),
        ("/there", [("X-A", "1")], [("Location", "/there"), ("X-A", "1")]),
    ],
)
def test_redirect_builds_the_result_of_a_handler(location: str, extra: Any, expected: list[tuple[str, str]]) -> None:
    assert App()._redirect(location, extra) == (302, "", expected)


def test_resource_has_redirect_and_request() -> None:
    class Things(Resource):
        async def post(self) -> tuple[int, str, list[tuple[str, str]]]:
            return self._redirect(f"{self.request.scope['path']}/1")

    class Holding(App):
        things = Things()

    response = call(Holding(), "POST", "/things")
    assert (response.status, response.header("location")) == (302, "/things/1")


def test_redirect_to_another_host_needs_external() -> None:
    with pytest.raises(ValueError, match="leaves for another host"):
        App()._redirect("//evil.example")
    assert App()._redirect("//cdn.example/x", external=True)[2] == [("Location", "//cdn.example/x")]


def test_render_template_renders_asynchronously_and_escapes(tmp_path: Any) -> None:
    (tmp_path / "page.html").write_text("<h1>{{ title }}</h1>{{ name }}")

    class Pages(App):
        async def index(self, title: str) -> str:
            return await self._render_template("page.html", title=title, name="a name of the template")

    response = call(Pages(templates=tmp_path), "GET", "/?title=<b>")
    assert response.text == "<h1>&lt;b&gt;</h1>a name of the template"


@pytest.mark.parametrize("kind", ["htp", "", "telnet"])
def test_unknown_scope_type_is_refused(kind: str) -> None:
    async def unused(*_: Any) -> Any:
        raise AssertionError

    scope: Scope = http_scope("GET", "/") | {"type": kind}
    with pytest.raises(ValueError, match="it serves http, websocket and lifespan"):
        asyncio.run(App()(scope, unused, unused))


def test_app_without_handlers_responds_404() -> None:
    assert call(App(), "GET", "/").status == 404


# --- the documentation's own examples ---


class MyApp(App):
    async def index(self) -> str:
        return "Welcome to MicroPie ASGI."

    async def greet(self, name="Guest"):  # type: ignore[no-untyped-def]  # as it is documented
        return f"Hello, {name}!"

    async def hello(self):  # type: ignore[no-untyped-def]
        name = self.request.query_params.get("name", [None])[0]
        return f"Hello {name}!"

    async def submit_default_values(self, username="Anonymous"):  # type: ignore[no-untyped-def]
        return f"Form submitted by: {username}"

    async def submit_catch_all(self):  # type: ignore[no-untyped-def]
        username = self.request.body_params.get("username", ["Anonymous"])[0]
        return f"Submitted by: {username}"

    async def stream(self):  # type: ignore[no-untyped-def]
        async def generator():  # type: ignore[no-untyped-def]
            for i in range(1, 6):
                yield f"Chunk {i}\n"

        return generator()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("method", "path", "body", "text"),
    [
        ("GET", "/", b"", "Welcome to MicroPie ASGI."),
        ("GET", "/greet", b"", "Hello, Guest!"),
        ("GET", "/greet/Alice", b"", "Hello, Alice!"),
        ("GET", "/greet?name=Alice", b"", "Hello, Alice!"),
        ("GET", "/hello?name=Alice", b"", "Hello Alice!"),
        ("POST", "/submit_default_values", b"username=Ann", "Form submitted by: Ann"),
        ("POST", "/submit_default_values", b"", "Form submitted by: Anonymous"),
        ("POST", "/submit_catch_all", b"username=Ann", "Submitted by: Ann"),
        ("GET", "/stream", b"", "".join(f"Chunk {number}\n" for number in range(1, 6))),
    ],
)
def test_examples_of_the_documentation_do_what_they_say(method: str, path: str, body: bytes, text: str) -> None:
    response = call(MyApp(), method, path, body, FORM if body else ())
    assert (response.status, response.text) == (200, text)
