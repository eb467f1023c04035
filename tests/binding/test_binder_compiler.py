# ruff: noqa: B006  (mutable defaults, which requests must not share, are part of what is tested)
"""A handler gets its values from a compiled binder, by the rules for parameters without a marker (SPEC 3)."""

import linecache
import traceback
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie import App, Cookie, File, Header, Query, Request, Session, UploadFile, WebSocket, route
from micropie.types import Message
from tests.binding.bound_values import Page, Recorder, Todo, bound_value
from tests.support.asgi import FORM, JSON, MULTIPART, RawHeaders, call, call_socket, form_data, http_scope

# --- the source -------------------------------------------------------------------------------------------------------


class Golden(App):
    async def hello(self, name: str = "Guest") -> None: ...

    async def plain(self, request: Request) -> None: ...

    async def add(self, a: int, b: Annotated[int, Query("B's")], *r: float, c: list[int] = [], **d: str) -> None: ...

    async def todos(self, todo: Todo | None = None, *, page: Annotated[Page, Query()]) -> None: ...

    async def upload(
        self,
        picture: Annotated[UploadFile, File(max_size=5)],
        x_token: Annotated[str, Header()],
        user: Annotated[int, Session()],
        theme: Annotated[str, Cookie()] = "dark",
    ) -> None: ...


GOLDEN = {
    "/plain": """\
def bind(call, request, segments):
    return call(request)
""",
    "/hello/{name}": """\
def bind(call, request, segments):
    try:
        count = len(segments)
        query = request.query_params
        form = data = empty
        if request.has_body:
            form = request.form_params
            data = request.json_params
        if count > 0:
            v0 = segments[0]
        elif (value := query.get('name')) is not None:
            v0 = value[0]
        elif (value := form.get('name')) is not None:
            v0 = value[0]
        elif (value := data.get('name')) is not None:
            v0 = j0(value)
        elif (value := request.session_params.get('name', UNSET)) is not UNSET:
            v0 = s0(value)
        else:
            v0 = d0
    except binding_errors:
        raise report_errors(request, segments) from None
    return call(v0)
""",
    "/add/{a}/{*r}": """\
def bind(call, request, segments):
    try:
        count = len(segments)
        query = request.query_params
        form = data = empty
        if request.has_body:
            form = request.form_params
            data = request.json_params
        if count > 0:
            v0 = t0(segments[0])
        elif (value := query.get('a')) is not None:
            v0 = t0(value[0])
        elif (value := form.get('a')) is not None:
            v0 = t0(value[0])
        elif (value := data.get('a')) is not None:
            v0 = j0(value)
        elif (value := request.session_params.get('a', UNSET)) is not UNSET:
            v0 = s0(value)
        else:
            raise Missing
        if (value := query.get("B's")) is not None:
            v1 = t1(value[0])
        else:
            raise Missing
        v2 = [t2(text) for text in segments[1:]]
        if (value := query.get('c')) is not None:
            v3 = m3(value)
        elif (value := form.get('c')) is not None:
            v3 = m3(value)
        elif (value := data.get('c')) is not None:
            v3 = j3(value)
        elif (value := request.session_params.get('c', UNSET)) is not UNSET:
            v3 = s3(value)
        else:
            v3 = d3()
        v4 = {name: value[0] for name, value in {**form, **query}.items() if name not in excluded}
    except binding_errors:
        raise report_errors(request, segments) from None
    return call(v0, v1, *v2, c=v3, **v4)
""",
    "/todos": """\
def bind(call, request, segments):
    try:
        media = request.media
        if media is JSON:
            v0 = j0(request.body)
        elif media in FORMS and (request.form_params or request.file_params):
            v0 = f0(request.form_params, request.file_params)
        elif media not in NONE_OR_FORMS:
            v0 = w0()
        else:
            v0 = d0
        v1 = f1(n1(request), empty)
    except binding_errors:
        raise report_errors(request, segments) from None
    return call(v0, page=v1)
""",
    "/upload": """\
def bind(call, request, segments):
    try:
        files = empty
        if request.has_body:
            files = request.file_params
        if (value := files.get('picture')) is not None:
            v0 = r0(value[0])
        else:
            raise Missing
        if value := request.header_lines('x-token'):
            v1 = value[0]
        else:
            raise Missing
        if (value := request.session_params.get('user', UNSET)) is not UNSET:
            v2 = s2(value)
        else:
            raise Missing
        if value := request.cookie_params.get('theme'):
            v3 = value[0]
        else:
            v3 = d3
    except binding_errors:
        raise report_errors(request, segments) from None
    return call(v0, v1, v2, v3)
""",
}


@pytest.mark.parametrize("key", GOLDEN)
def test_generated_source_is_straight_line_python(key: str) -> None:
    assert Golden().routes[key].source == GOLDEN[key]


def test_text_of_a_user_never_becomes_code() -> None:
    evil = "'] or exit(); ['"

    class Api(App):
        async def h(self, x: Annotated[str, Query(alias=evil)], y: Annotated[str, Header(alias="X-'-`")] = "") -> str:
            return x

    source = Api().routes["/h"].source
    assert f"query.get({evil!r})" in source
    assert call(Api(), "GET", "/h?%27%5D%20or%20exit();%20%5B%27=1").text == "1"


def test_tracebacks_show_the_lines_of_the_binder() -> None:
    class Api(App):
        @route(threaded=False)
        def h(self, x: int) -> str:
            raise RuntimeError(str(x))

    app = Api()
    bind, handler = app.routes["/h/{x}"].bind, app.h
    with pytest.raises(RuntimeError) as caught:
        bind(handler, Request(http_scope("GET", "/h/1")), ["1"])
    shown = "".join(traceback.format_exception(caught.value))
    assert f"<micropie bind {Api.__module__}.{Api.__qualname__}.h>" in shown
    assert "return call(v0)" in shown
    assert linecache.getlines(bind.__code__.co_filename)


@pytest.mark.parametrize(
    ("path", "body", "headers", "value"),
    [
        ("/number/1?v=2", b"v=3", FORM, 1),
        ("/number?v=2", b"v=3", FORM, 2),
        ("/number", b"v=3", FORM, 3),
        ("/number?v=2", b'{"v":4}', JSON, 2),
        ("/number", b'{"v":4}', JSON, 4),
        ("/number", form_data({"v": 5}), MULTIPART, 5),
        ("/number", b"", (), -1),
        ("/keyword?v=2", b"v=3", FORM, 2),
        ("/any", form_data({"v": ("a.txt", "text/plain", b"x")}), MULTIPART, "a file"),
        ("/any?v=q", form_data({"v": ("a.txt", "text/plain", b"x")}), MULTIPART, "q"),
    ],
)
def test_value_comes_from_path_then_query_then_form_or_json_then_file_then_default(
    path: str, body: bytes, headers: RawHeaders, value: object
) -> None:
    assert bound_value("POST", path, body, headers) == value


def test_value_comes_from_the_session_before_the_default_and_after_everything_else() -> None:
    app = Recorder()
    cookie = [(b"cookie", (call(app, "GET", "/login/7").header("set-cookie") or "").partition(";")[0].encode())]
    assert bound_value("GET", "/number", headers=cookie, app=app) == 7
    assert bound_value("GET", "/number?v=1", headers=cookie, app=app) == 1
    assert bound_value("POST", "/number", b"v=2", [*cookie, *FORM], app=app) == 2
    assert bound_value("GET", "/number", app=app) == -1


def test_keyword_only_parameter_is_never_a_path_segment() -> None:
    assert call(Recorder(), "GET", "/keyword/5").status == 404


@pytest.mark.parametrize(
    ("path", "body", "headers", "value"),
    [
        ("/text?v=1&v=2", b"", (), "1"),
        ("/number?v=1&v=x", b"", (), 1),
        ("/text", b"v=1&v=2", FORM, "1"),
        ("/text", form_data([("v", "1"), ("v", "2")]), MULTIPART, "1"),
        ("/text", b'{"v":"1","v":"2"}', JSON, "2"),
        ("/number", b'{"v":"x","v":2}', JSON, 2),
        ("/many?v=1&v=2", b"v=3", FORM, [1, 2]),
        ("/many", b"v=1&v=2", FORM, [1, 2]),
        ("/many", form_data([("v", "1"), ("v", "2")]), MULTIPART, [1, 2]),
        ("/many", b'{"v":[1,2]}', JSON, [1, 2]),
    ],
)
def test_first_of_repeated_names_wins_and_last_of_repeated_json_keys_wins(
    path: str, body: bytes, headers: RawHeaders, value: object
) -> None:
    assert bound_value("POST", path, body, headers) == value


@pytest.mark.parametrize(
    ("body", "value"),
    [(b'{"v":5}', 5), (b'{"v":"5"}', "5"), (b'{"v":null}', None), (b'{"v":[1,{"a":true}]}', [1, {"a": True}])],
)
def test_unannotated_json_value_keeps_its_type(body: bytes, value: object) -> None:
    assert bound_value("POST", "/any", body, JSON) == value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/text/a%2Fb", "a/b"),
        ("/text/a+b", "a+b"),
        ("/text?v=a+b%20c", "a b c"),
        ("/text?v=%C3%A9", "é"),
        ("/text?v=a%26b%3Dc", "a&b=c"),
        ("/text?v=a=b", "a=b"),
        ("/text?v", ""),
        ("/text?v=", ""),
        ("/text?&&v=1&", "1"),
        ("/text?%76=1", "1"),
        ("/text/", ""),
        ("/positional/1", [1, 2]),
        ("/positional/1/3", [1, 3]),
        ("/positional?a=1", [1, 2]),
        ("/args/a/1/2", ["a", 1, 2]),
        ("/args?first=b", ["b"]),
        ("/args//1", ["", 1]),
    ],
)
def test_texts_are_decoded_and_go_to_parameters_in_order(path: str, value: object) -> None:
    assert bound_value("GET", path) == value


@pytest.mark.parametrize(
    ("path", "body", "value"),
    [
        ("/kwargs?a=1&b=2&c=3&b=4", b"", [1, {"b": "2", "c": "3"}]),
        ("/kwargs?b=q", b"b=f&c=f&a=5", [5, {"b": "q", "c": "f"}]),
        ("/kwargs?this=1&a=2&self=3", b"", [2, {"self": "3"}]),
        ("/kwlists?a=1&a=2", b"a=9&b=3", {"a": [1, 2], "b": [3]}),
        ("/kwany?call=1&func=2&cls=3&args=4&import=5&class=6&request=7&v0=8", b"",
         {"call": "1", "func": "2", "cls": "3", "args": "4", "import": "5", "class": "6", "request": "7", "v0": "8"}),
        ("/kwlists?a=1", b"a=x", {"a": [1]}),
        ("/kwquery?a=1", b"b=2", {"a": "1"}),
        ("/kwany?self=1", b"", {}),
    ],
)  # fmt: skip
def test_kwargs_get_the_remaining_names_of_query_and_form_and_the_query_wins(
    path: str, body: bytes, value: object
) -> None:
    assert bound_value("POST", path, body, FORM) == value


@given(st.dictionaries(st.text(), st.text()))
def test_name_in_a_query_never_raises_a_type_error(names: dict[str, str]) -> None:
    query = urlencode(names | {"self": "1", "this": "1", "cls": "1", "request": "1", "a": "1"})
    response = call(Recorder(), "GET", f"/kwargs?{query}")
    assert response.status == (400 if "%00" in query else 200)


@pytest.mark.parametrize("name", ["self", "cls", "func", "args", "kwargs", "handler", "call", "request", "segments"])
def test_name_in_a_query_never_raises_a_type_error_in_a_threaded_handler(name: str) -> None:
    class Api(App):
        def h(self, **rest: str) -> object:
            return {"v": rest}

    assert bound_value("GET", f"/h?{name}=1", app=Api()) == ({name: "1"} if name != "self" else {})


# --- defaults ---------------------------------------------------------------------------------------------------------


class Unhashable:
    __hash__ = None  # type: ignore[assignment]

    def __init__(self) -> None:
        self.items: list[int] = []


SHARED = object()


class Defaults(App):
    async def a_list(self, v: list[int] = []) -> object:
        v.append(1)
        return {"v": v}

    async def a_full_list(self, v: list[list[int]] = [[]]) -> object:
        v[0].append(1)
        return {"v": v[0]}

    async def a_dict(self, v: dict[str, Any] = {}) -> object:
        v["x"] = len(v)
        return {"v": [v["x"] + 1]}

    async def a_set(self, v: set[int] = set()) -> object:
        v.add(len(v))
        return {"v": [len(v)]}

    async def a_tuple(self, v: tuple[list[int], ...] = ([],)) -> object:
        v[0].append(1)
        return {"v": v[0]}

    async def a_struct(self, v: Todo = Todo("x")) -> object:  # noqa: B008
        v.priority -= 2
        return {"v": [v.priority]}

    async def an_object(self, v: Any = Unhashable()) -> object:  # noqa: B008
        v.items.append(1)
        return {"v": v.items}


@pytest.mark.parametrize(
    "path", ["/a_list", "/a_full_list", "/a_dict", "/a_set", "/a_tuple", "/a_struct", "/an_object"]
)
def test_mutable_default_is_never_shared_between_requests(path: str) -> None:
    app = Defaults()
    assert [bound_value("GET", path, app=app) for _ in range(3)] == [[1], [1], [1]]


def test_hashable_default_is_passed_without_a_copy() -> None:
    seen: list[object] = []

    class Api(App):
        async def h(self, v: Any = SHARED, w: int = 5) -> None:
            seen.append(v)

    call(Api(), "GET", "/h")
    assert seen == [SHARED]


# --- websockets -------------------------------------------------------------------------------------------------------


class Sockets(App):
    async def ws_chat(self, ws: WebSocket, room: int, *, loud: bool = False, **rest: str) -> None:
        await ws.accept()
        await ws.send_text(f"{room} {loud} {rest}")

    async def ws_typed(
        self, page: Annotated[Page, Query()], token: Annotated[str, Header()], socket: WebSocket
    ) -> None:
        await socket.accept()
        await socket.send_text(f"{page.page} {token}")


def first_text(messages: list[Message]) -> str:
    return str(next(message["text"] for message in messages if message["type"] == "websocket.send"))


def test_websocket_handler_is_bound_like_any_other() -> None:
    assert first_text(call_socket(Sockets(), "/chat/5?loud=on&x=1")) == "5 True {'x': '1'}"
    assert first_text(call_socket(Sockets(), "/chat?room=6")) == "6 False {}"
    assert first_text(call_socket(Sockets(), "/typed?page=2", headers=[(b"token", b"t")])) == "2 t"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/chat/x?loud=maybe", "Invalid path parameter 'room': Expected an integer; "
                               "Invalid query parameter 'loud': Expected a boolean"),
        ("/chat", "Missing required parameter 'room'"),
        ("/typed?page=x", "Invalid query parameter 'page': Expected an integer; Missing required parameter 'Token'"),
        ("/chat/1?loud=%FF", "Invalid query parameter 'loud': Expected UTF-8 text"),
    ],
)  # fmt: skip
def test_invalid_handshake_is_refused_with_the_reason(path: str, reason: str) -> None:
    sent = call_socket(Sockets(), path)
    assert [(message["type"], message.get("code"), message.get("reason")) for message in sent] == [
        ("websocket.close", 1008, reason)
    ]


# --- all sources ------------------------------------------------------------------------------------------------------


NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


class Law(App):
    async def h(self, t: str, n: int, m: list[int] = [], **rest: str) -> object:
        return [t, n, m, rest.get("o", self.request.json("o"))]


@given(NAMES, st.integers(), st.lists(st.integers(), max_size=5), NAMES)
def test_values_arrive_unchanged_from_every_source(text: str, number: int, numbers: list[int], other: str) -> None:
    rest = urlencode([*(("m", item) for item in numbers), ("o", other)])
    names = urlencode({"t": text, "n": number}) + "&" + rest
    document = msgspec.json.encode({"t": text, "n": number, "m": numbers, "o": other})
    requests: list[tuple[str, bytes, RawHeaders]] = [
        (f"/h?{names}", b"", ()),
        ("/h", names.encode(), FORM),
        ("/h", document, JSON),
        (f"/h/{quote(text, safe='')}/{number}?{rest}", b"", ()),
    ]
    for path, body, headers in requests:
        assert call(Law(), "POST", path, body, headers).json == [text, number, numbers, other]
