"""A request shows handlers and middleware what arrived, by each documented attribute."""

import asyncio
from collections.abc import Sequence
from typing import Any, TypeVar

import pytest

from micropie import App, HttpMiddleware, Limits, Request, UploadFile, WebSocketRequest
from micropie.errors import BadRequest, ClientDisconnected, HTTPError, UploadError
from micropie.media_types import Media
from micropie.sentinels import UNSET, Unset
from micropie.types import Message
from tests.support.asgi import FORM, JSON, MULTIPART, RawHeaders, call, form_data, http_scope
from tests.support.event_loop import run

T = TypeVar("T")


def request_for(
    path: str = "/", body: bytes = b"", headers: RawHeaders = (), *, method: str = "POST", limits: Limits | None = None
) -> Request:
    """Return a request whose body has arrived, as a handler gets it."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def receive_all() -> Request:
        request = Request(http_scope(method, path, headers), receive, limits or Limits())
        if request.has_body:
            await request.read_body()
        if request.multipart is not None:
            await request.multipart.read_until(lambda: False)
        return request

    return run(receive_all())


# --- scope and headers ----------------------------------------------------------------------------------------------


def test_request_has_its_scope_and_method() -> None:
    scope = http_scope("PATCH", "/x")
    request = Request(scope)
    assert request.scope is scope
    assert (request.method, list(request.path_params)) == ("PATCH", [])


def test_header_lines_are_read_as_utf8() -> None:
    request = request_for(headers=[(b"X-A", "é".encode()), (b"x-b", b"1"), (b"x-a", b"2")])
    assert request.header_lines("x-a") == ["é", "2"]
    assert request.header_lines("x-c") == []


@pytest.mark.parametrize("value", [b"\xe9", b"a\x00"])
def test_header_line_that_is_not_text_is_refused(value: bytes) -> None:
    with pytest.raises(BadRequest, match=r"Invalid header parameter .X.: Expected (text without NUL|UTF-8 text)"):
        request_for(headers=[(b"x", value)]).header_lines("x")


@pytest.mark.parametrize(
    ("headers", "method", "has_body"),
    [
        ([], "GET", False),
        ([], "DELETE", False),
        ([], "POST", True),
        ([], "PUT", True),
        ([], "PATCH", True),
        ([(b"content-length", b"0")], "POST", False),
        ([(b"content-length", b"5")], "GET", True),
        ([(b"content-length", b"0005")], "GET", True),
        ([(b"content-length", b"9" * 5000)], "GET", True),
        ([(b"content-length", b"x")], "POST", False),
        ([(b"content-length", b"-1")], "POST", False),
        ([(b"content-length", b"")], "GET", False),
        ([(b"transfer-encoding", b"chunked")], "GET", True),
    ],
)
def test_has_body_follows_the_method_and_the_framing_headers(headers: RawHeaders, method: str, has_body: bool) -> None:
    assert Request(http_scope(method, "/", headers)).has_body is has_body


def test_state_starts_as_the_state_of_the_lifespan() -> None:
    scope = http_scope("GET", "/", state={"db": 1})
    assert Request(scope).state == {"db": 1}
    empty = Request(http_scope("GET", "/"))
    empty.state["x"] = 1
    assert empty.state == {"x": 1}


# --- query and cookies ----------------------------------------------------------------------------------------------


def test_query_params_hold_every_value_of_every_name() -> None:
    request = request_for("/?a=1&a=2&b=")
    assert request.query_params == {"a": ["1", "2"], "b": [""]}
    assert request.query_params is request.query_params
    assert request.query_params.get("c", [None])[0] is None
    assert (request.query("a"), request.query("c"), request.query("c", "d"), request.query("c", 5)) == (
        "1",
        None,
        "d",
        5,
    )


def test_scope_without_a_query_has_no_query_params() -> None:
    scope = http_scope("GET", "/")
    del scope["query_string"]
    assert Request(scope).query_params == {}


def test_query_string_over_the_limit_is_413() -> None:
    request = request_for("/?a=12345", limits=Limits(query=6))
    with pytest.raises(HTTPError) as caught:
        _ = request.query_params
    assert (caught.value.status, caught.value.detail) == (413, "The query string is longer than 6 bytes")


def test_cookies_hold_the_first_value_of_each_name() -> None:
    request = request_for(headers=[(b"cookie", b"a=1; b=2"), (b"cookie", b"a=3")])
    assert request.cookie_params == {"a": ["1", "3"], "b": ["2"]}
    assert request.cookie_params is request.cookie_params
    assert request.cookies == {"a": "1", "b": "2"}
    assert request_for().cookies == {}


@pytest.mark.parametrize(
    ("cookie", "identifier"),
    [
        (b"sid=1", "1"),
        (b"x=1", None),
        (b"", None),
        (b"sid=1; sid=1", "1"),
        (b"sid=1; sid=2", UNSET),
        (b"x=\xff; sid=1", "1"),
        (b"x=\0; sid=1", "1"),
    ],
)
def test_session_cookie_is_its_one_value_whatever_other_cookies_hold(
    cookie: bytes, identifier: str | Unset | None
) -> None:
    headers = [(b"cookie", cookie)] if cookie else []
    request = request_for(headers=headers)
    assert request.session_cookie("sid") == identifier


# --- bodies ---------------------------------------------------------------------------------------------------------


def test_form_is_read_as_fields() -> None:
    for request in (
        request_for("/", b"a=1&a=2&b=", FORM),
        request_for("/", form_data([("a", "1"), ("a", "2"), ("b", ""), ("f", ("n", "text/plain", b""))]), MULTIPART),
    ):
        assert request.form_params == {"a": ["1", "2"], "b": [""]}
        assert request.form_params is request.form_params
        assert request.body_params == {"a": ["1", "2"], "b": [""]}
        assert (request.form("a"), request.form("c"), request.form("c", "d")) == ("1", None, "d")
        assert request.get_json is None
        assert request.json_params == {}
        assert request.json("a", 5) == 5


def test_json_body_is_read_as_its_value() -> None:
    request = request_for("/", b'{"a":[1],"b":"x","c":null}', JSON)
    assert request.get_json == {"a": [1], "b": "x", "c": None}
    assert request.get_json is request.get_json
    assert request.json() == request.get_json
    assert (request.json("a"), request.json("d"), request.json("d", 5)) == ([1], None, 5)
    assert request.body_params == {"a": ["[1]"], "b": ["x"], "c": ["null"]}
    assert request.body_params.get("username", ["Anonymous"])[0] == "Anonymous"
    assert request.form_params == {}
    assert request.media is Media.JSON


@pytest.mark.parametrize(
    ("body", "value", "key"), [(b"[1]", [1], 5), (b'"x"', "x", 5), (b"null", None, 5), (b"", None, 5)]
)
def test_json_body_that_is_not_an_object_has_no_keys(body: bytes, value: object, key: object) -> None:
    request = request_for("/", body, JSON)
    assert request.get_json == value
    assert request.json(default=7) == (7 if value is None else value)
    assert request.json("a", 5) == key
    assert request.body_params == {}


def test_json_body_that_is_not_utf8_is_refused_when_it_arrives() -> None:
    with pytest.raises(BadRequest, match="Bad JSON"):
        request_for("/", b'{"a":"\xff"}', JSON)


@pytest.mark.parametrize("body", [b"{", b'{"a":1e999}', b'{"a":"\\ud800"}'])
def test_malformed_json_raises_from_every_view(body: bytes) -> None:
    request = request_for("/", body, JSON)
    for look in (lambda: request.get_json, lambda: request.json(), lambda: request.body_params):
        with pytest.raises(BadRequest, match="A number is out of range" if b"1e999" in body else "Bad JSON"):
            look()


def test_files_are_mappings_with_a_queue_of_chunks() -> None:
    async def main() -> None:
        body = form_data([("f", ("../a.txt", "text/plain", b"data")), ("f", ("b", "x/y", b"")), ("t", "text")])

        async def receive() -> Message:
            return {"type": "http.request", "body": body}

        request = Request(http_scope("POST", "/", MULTIPART), receive)
        await request.read_body()
        assert request.multipart is not None
        await request.multipart.read_until(lambda: False)
        assert list(request.files) == ["f"]
        assert {"filename": "a.txt", "content_type": "text/plain"}.items() <= request.files["f"].items()
        assert isinstance(request.files["f"]["content"], asyncio.Queue)
        assert await request.files["f"]["content"].get() == b"data"
        assert await request.files["f"]["content"].get() is None
        assert [file.filename for file in request.file_params["f"]] == ["a.txt", "b"]
        assert all(isinstance(file, UploadFile) for file in request.file_params["f"])
        await request.multipart.close()

    run(main())


def test_request_without_a_body_has_empty_views() -> None:
    request = Request(http_scope("GET", "/"))
    assert (request.body, request.body_params, request.files, request.get_json) == (b"", {}, {}, None)
    assert request.media == Media.NONE


async def chunks_of(request: Request) -> list[bytes]:
    return [chunk async for chunk in request.stream()]


def script(*messages: Message) -> Any:
    left = iter(messages)

    async def receive() -> Message:
        return next(left)

    return receive


CHUNKS = ({"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.request", "body": b"b"})


def test_body_is_streamed_as_it_arrives_or_after_it_was_read() -> None:
    async def main() -> Sequence[object]:
        streamed = Request(http_scope("POST", "/", JSON), script(*CHUNKS))
        await streamed.read_body(streaming=True)
        first = await chunks_of(streamed)
        read = Request(http_scope("POST", "/", JSON), script(*CHUNKS))
        await read.read_body()
        await read.read_body()
        return (
            first,
            streamed.get_json,
            await chunks_of(read),
            read.body,
        )

    assert run(main()) == ([b"a", b"b"], None, [b"ab"], b"ab")


def test_stream_without_a_body_is_empty() -> None:
    assert run(chunks_of(Request(http_scope("GET", "/")))) == []


def test_body_that_was_read_is_not_read_again() -> None:
    async def main() -> Sequence[object]:
        request = Request(http_scope("POST", "/", FORM), script(*CHUNKS))
        await request.read_body()
        await request.read_body(streaming=True)
        return await chunks_of(request)

    assert run(main()) == [b"ab"]


@pytest.mark.parametrize("raw", [True, False])
def test_multipart_body_may_be_read_raw(raw: bool) -> None:
    async def main() -> Sequence[object]:
        request = Request(http_scope("POST", "/", MULTIPART), script(*CHUNKS))
        await request.read_body(raw=raw)
        return request.body, request.multipart is None

    assert run(main()) == ((b"ab", True) if raw else (b"", False))


@pytest.mark.parametrize(
    ("headers", "how", "status"),
    [
        ([*JSON, (b"content-length", b"11")], {}, 413),
        ([*JSON, (b"content-length", b"10")], {}, None),
        ([*MULTIPART, (b"content-length", b"21")], {}, 413),
        ([*MULTIPART, (b"content-length", b"11")], {"raw": True}, 413),
        ([*MULTIPART, (b"content-length", b"20")], {}, None),
        ([*JSON, (b"content-length", b"20")], {"streaming": True}, None),
        ([*JSON, (b"content-length", b"21")], {"streaming": True}, 413),
        ([*JSON, (b"content-length", b"9" * 30)], {}, 413),
        ([(b"content-type", b"multipart/form-data")], {}, 400),
        ([(b"content-type", b"multipart/form-data")], {"raw": True}, None),
        ([(b"content-type", b"multipart/form-data")], {"streaming": True}, None),
    ],
)
def test_body_is_refused_by_its_headers_alone(headers: RawHeaders, how: dict[str, bool], status: int | None) -> None:
    async def main() -> None:
        messages = script() if status is not None else script({"type": "http.request", "body": b""})
        await Request(http_scope("POST", "/", headers), messages, Limits(body=10, multipart=20)).read_body(**how)

    if status is None:
        run(main())
    else:
        with pytest.raises(HTTPError) as caught:
            run(main())
        assert caught.value.status == status


@pytest.mark.parametrize("length", [b"1", b"0", b"99"])
@pytest.mark.parametrize("first", [True, False])
def test_chunked_body_ignores_content_length(length: bytes, first: bool) -> None:
    """RFC 9112 §6.3: Transfer-Encoding overrides Content-Length."""
    framing = [(b"transfer-encoding", b"chunked"), (b"content-length", length)]

    async def main() -> Sequence[object]:
        request = Request(http_scope("POST", "/", [*JSON, *(framing if first else framing[::-1])]), script(*CHUNKS))
        assert request.has_body
        await request.read_body()
        return request.body

    assert run(main()) == b"ab"


def test_request_without_receive_raises_client_disconnected() -> None:
    with pytest.raises(ClientDisconnected):
        run(Request(http_scope("POST", "/")).read_body())


# --- sessions -------------------------------------------------------------------------------------------------------


def test_session_params_begin_no_session() -> None:
    request = request_for()
    assert request.session_params == {}
    assert request.session_state.freeze_changes() is None  # nothing would be saved
    request.session["x"] = 1
    assert request.session_params == {"x": 1}
    request.session = {"y": 2}
    assert request.session == {"y": 2}
    assert request.session_state is request.session_state
    request.regenerate_session()
    assert request.session == {"y": 2}


# --- routing by middleware ------------------------------------------------------------------------------------------


class Rewrite(HttpMiddleware):
    async def before_request(self, request: Request) -> None:
        if request.scope["path"] == "/new":
            request.route_to("old", "a", "5")
        else:
            request._route_handler = "old"
            request.path_params = ["b", "6"]

    async def after_request(self, request: Any, status_code: Any, response_body: Any, extra_headers: Any) -> None:
        return None


@pytest.mark.parametrize(("path", "value"), [("/new", ["a", 5]), ("/documented", ["b", 6])])
def test_middleware_may_choose_the_handler_and_its_path_values(path: str, value: object) -> None:
    class Api(App):
        async def old(self, name: str, number: int) -> object:
            assert list(self.request.path_params) == [name, str(number)]
            return [name, number]

    app = Api()
    app.middlewares.append(Rewrite())
    assert call(app, "GET", path).json == value


def test_websocket_request_is_a_request() -> None:
    scope = {**http_scope("GET", "/?a=1"), "type": "websocket"}
    del scope["method"]
    request = WebSocketRequest(scope)
    request.websocket = "the connection"
    assert isinstance(request, Request)
    assert (request.query("a"), request.has_body) == ("1", False)


FILE_BODY = form_data([("f", ("a.txt", "text/plain", bytes(5000)))])


@pytest.mark.parametrize("left_early", [True, False])
@pytest.mark.parametrize("part_memory", [100, 10_000], ids=["on disk", "in memory"])
@pytest.mark.parametrize("kind", ["multipart", "streamed", "unread", "malformed"])
def test_disconnect_is_received_after_the_body_and_loses_nothing_of_it(
    kind: str, part_memory: int, left_early: bool
) -> None:
    content = b"--frontier\r\n: ?" + bytes(5000) if kind == "malformed" else FILE_BODY
    pieces = [content[start : start + 1000] for start in range(0, len(content), 1000)]
    messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages[-1]["more_body"] = False

    async def main() -> None:
        receive = script(*messages[: -1 if left_early else None], {"type": "http.disconnect"})
        request = Request(http_scope("POST", "/", MULTIPART), receive, Limits(part_memory=part_memory))
        if kind != "unread":
            await request.read_body(streaming=kind == "streamed")

        async def wait_for_disconnect() -> None:
            while (await request.micropie_receive_after_body())["type"] != "http.disconnect":
                pass

        waiting = asyncio.ensure_future(wait_for_disconnect())
        await asyncio.sleep(0)
        if kind == "streamed" and not left_early:
            assert b"".join(await chunks_of(request)) == content
        async with asyncio.timeout(10):
            if kind != "streamed" or part_memory > len(content) or not left_early:
                await waiting
        if request.multipart is not None and kind == "multipart" and not left_early:
            assert await request.file_params["f"][0].read() == bytes(5000)
        elif request.multipart is not None:
            with pytest.raises((UploadError, ClientDisconnected)):
                await request.multipart.advance()
        waiting.cancel()
        await request.micropie_clean_up()

    run(main())
