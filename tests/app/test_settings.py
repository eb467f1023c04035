"""A nested App's own limits and session settings hold for its URLs, over HTTP and WebSockets (SPEC 2)."""

import asyncio
from typing import Annotated, Any

import pytest

from micropie import App, Body, Limits, Resource, Session, SessionConfig, WebSocket
from tests.support.asgi import JSON, MULTIPART, Response, acall, call, call_socket, form_data
from tests.support.hooks import Hook, SocketHook
from tests.support.read_results import read_close

SMALL = Limits(body=20, query=20, fields=2, multipart=200, websocket_message=10)
OWN = SessionConfig(cookie="inner", path="/inner", timeout=60)
COOKIE = "inner=*; Path=/inner; HttpOnly; SameSite=Lax; Secure"


class Things(Resource):
    async def post(self, text: Annotated[bytes, Body()]) -> bytes:
        return text

    async def get(self, q: str = "", n: int = 0) -> int:
        self.request.session["n"] = self.request.session.get("n", 0) + 1
        return len(q)


class Api(App):
    things = Things()

    async def count(self) -> int:
        self.request.session["n"] = self.request.session.get("n", 0) + 1
        return int(self.request.session["n"])

    async def fill(self, a: str = "") -> str:
        return a

    async def ws_echo(self, ws: WebSocket) -> None:
        self.request.session["n"] = 1
        async for message in ws:
            await ws.send(message)

    async def ws_number(self, ws: WebSocket, n: Annotated[int, Session()]) -> None:
        await ws.close(4000, str(n))


class Middle(App):
    """An App without settings, between two that have some."""


def nest(*, middleware: bool = False, **settings: Any) -> App:
    """Return an App that holds one with `settings` as `inner`, and below that one without any as `inner/deep`."""
    inner = Api(**settings)
    inner.deep = Middle()  # type: ignore[attr-defined]
    inner.deep.api = Api()  # type: ignore[attr-defined]
    outer = Api()
    outer.inner = inner  # type: ignore[attr-defined]
    if middleware:
        outer.middlewares.append(Hook())
        outer.ws_middlewares.append(SocketHook())
    return outer


def read_cookie(answer: Response) -> str | None:
    """Return the Set-Cookie header with `*` for the identifier."""
    header = answer.header("set-cookie")
    if header is None:
        return None
    name, _, rest = header.partition("=")
    return f"{name}=*;{rest.partition(';')[2]}"


WITH_AND_WITHOUT = pytest.mark.parametrize("middleware", [False, True], ids=["bare", "middleware"])
INSIDE = pytest.mark.parametrize("prefix", ["/inner", "/inner/deep/api"])


@WITH_AND_WITHOUT
@INSIDE
@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("POST", "/things", b'"' + b"x" * 30 + b'"', JSON, 413),
        ("POST", "/things", [b'"' + b"x" * 30, b'"'], JSON, 413),
        ("GET", "/things?q=" + "x" * 30, b"", (), 413),
        ("GET", "/things?q=1&n=2&m=3", b"", (), 400),
        ("POST", "/fill", form_data({"a": "x" * 300}), MULTIPART, 413),
    ],
)
def test_limits_of_a_nested_app_hold_for_its_urls_alone(
    middleware: bool, prefix: str, method: str, path: str, body: bytes | list[bytes], headers: Any, status: int
) -> None:
    app = nest(middleware=middleware, limits=SMALL)
    assert call(app, method, prefix + path, body, headers).status == status
    assert call(app, method, path, body, headers).status == 200
    larger = nest(middleware=middleware, limits=Limits())
    larger.limits = SMALL
    assert call(larger, method, prefix + path, body, headers).status == 200
    assert call(larger, method, path, body, headers).status == status


@WITH_AND_WITHOUT
@INSIDE
def test_session_settings_of_a_nested_app_hold_for_its_urls_alone(middleware: bool, prefix: str) -> None:
    async def main() -> None:
        app = nest(middleware=middleware, sessions=OWN)
        first = await acall(app, "GET", f"{prefix}/count")
        assert read_cookie(first) == COOKIE
        cookie = str(first.header("set-cookie")).partition(";")[0].encode()
        both = [(b"cookie", cookie + b"; session_id=" + b"x" * 43)]
        assert (await acall(app, "GET", f"{prefix}/count", headers=both)).text == "2"
        outside = await acall(app, "GET", "/count", headers=both)
        assert (outside.text, str(read_cookie(outside))[:21]) == ("1", "session_id=*; Path=/;")

    asyncio.run(main())


@WITH_AND_WITHOUT
def test_resource_of_a_nested_app_has_the_settings_of_the_app(middleware: bool) -> None:
    app = nest(middleware=middleware, sessions=OWN)
    assert read_cookie(call(app, "GET", "/inner/things")) == COOKIE


def test_middleware_of_the_outer_app_sees_the_session_of_the_nested_one() -> None:
    class Writing(Hook):
        async def before_request(self, request: Any) -> Any:
            request.session["seen"] = [*request.session.get("seen", ()), request.scope["path"]]
            return self.before

    async def main() -> None:
        app = nest(sessions=OWN)
        app.middlewares.append(Writing())
        first = await acall(app, "GET", "/inner/count")
        assert read_cookie(first) == COOKIE
        identifier = str(first.header("set-cookie")).partition(";")[0]
        await acall(app, "GET", "/inner/nothing", headers=[(b"cookie", identifier.encode())])
        stored = await app.session_backend.load(identifier.partition("=")[2])
        assert stored == {"n": 1, "seen": ["/inner/count", "/inner/nothing"]}
        app.middlewares[0] = Writing(before={"body": "instead"})
        assert read_cookie(await acall(app, "GET", "/inner/count")) == COOKIE

    asyncio.run(main())


def test_session_of_a_nested_app_lives_for_its_own_timeout() -> None:
    timeouts: list[int] = []

    async def main() -> None:
        app = nest(sessions=OWN)
        save = app.session_backend.save

        async def note(session_id: str, data: dict[str, Any], timeout: int) -> None:
            timeouts.append(timeout)
            await save(session_id, data, timeout)

        app.session_backend.save = note  # type: ignore[method-assign]  # on purpose
        first = await acall(app, "GET", "/inner/count")
        cookie = str(first.header("set-cookie")).partition(";")[0].encode()
        await acall(app, "GET", "/inner/count", headers=[(b"cookie", cookie)])

    asyncio.run(main())
    assert timeouts == [60, 60]


@WITH_AND_WITHOUT
@INSIDE
def test_settings_of_a_nested_app_hold_for_its_websockets_alone(middleware: bool, prefix: str) -> None:
    app = nest(middleware=middleware, sessions=OWN, limits=SMALL)
    inside = call_socket(app, f"{prefix}/echo", ["x" * 11])
    assert read_close(inside)[0] == 1009
    headers = dict(inside[0]["headers"])
    assert headers[b"set-cookie"].startswith(b"inner=")
    cookie = headers[b"set-cookie"].partition(b";")[0]
    assert read_close(call_socket(app, f"{prefix}/number", headers=[(b"cookie", cookie)])) == (4000, "1")
    outside = call_socket(app, "/echo", ["x" * 11])
    assert outside[1] == {"type": "websocket.send", "text": "x" * 11}
    assert dict(outside[0]["headers"])[b"set-cookie"].startswith(b"session_id=")


@pytest.mark.parametrize(
    ("path", "status"), [("/nothing", 404), ("/inner/nothing", 404), ("/inner", 404), ("/%ff/x", 400)]
)
@WITH_AND_WITHOUT
def test_path_without_a_handler_is_refused(path: str, status: int, middleware: bool) -> None:
    app = nest(middleware=middleware, sessions=OWN, limits=SMALL)
    assert call(app, "GET", path).status == status
