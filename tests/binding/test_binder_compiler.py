# ruff: noqa: B006  (mutable defaults, and that nobody shares them, are part of what is tested)
"""How a request's values reach a handler: the generated source as it is, and every rule of where a value comes from."""

import asyncio
import linecache
import traceback
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Generic, NamedTuple, TypedDict, TypeVar
from urllib.parse import quote, urlencode

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from micropie import (
    App,
    Body,
    Cookie,
    File,
    Form,
    Header,
    HttpMiddleware,
    InMemorySessionBackend,
    Path,
    Query,
    Request,
    Session,
    UploadFile,
    WebSocket,
    route,
)
from micropie.types import Message
from tests.support.asgi import FORM, JSON, MULTIPART, RawHeaders, call, call_socket, form_data, http_scope

T = TypeVar("T")


class Todo(Struct):
    title: str
    priority: int = 3


class Page(Struct):
    page: int = 1
    size: Annotated[int, Meta(le=100)] = 10


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
        elif media in FORMS:
            v0 = f0(request.form_params, request.file_params)
        elif media is not NONE:
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
def test_the_generated_source_is_straight_line_python(key: str) -> None:
    assert Golden().routes[key].source == GOLDEN[key]


def test_no_text_of_a_user_is_ever_code() -> None:
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


# --- the rules --------------------------------------------------------------------------------------------------------


class Recorder(App):
    """Keeps what its handlers were given."""

    async def any(self, v=None):  # type: ignore[no-untyped-def]
        return {"v": v if not isinstance(v, dict) or "content" not in v else "a file"}

    async def text(self, v: str = "") -> object:
        return {"v": v}

    async def number(self, v: int = -1) -> object:
        return {"v": v}

    async def keyword(self, *, v: int = -1) -> object:
        return {"v": v}

    async def many(self, v: list[int] = []) -> object:
        return {"v": v}

    async def positional(self, a: int, b: int = 2, /) -> object:
        return {"v": [a, b]}

    async def args(self, first: str, *rest: int) -> object:
        return {"v": [first, *rest]}

    async def kwargs(this, a: int = 0, **rest: str) -> object:  # pyright: ignore[reportSelfClsParameterName]
        return {"v": [a, rest]}

    async def kwlists(self, **rest: list[int]) -> object:
        return {"v": rest}

    async def kwany(self, **rest):  # type: ignore[no-untyped-def]
        return {"v": rest}

    async def kwquery(self, **rest: Annotated[str, Query()]) -> object:
        return {"v": rest}

    async def login(self, v: int) -> str:
        self.request.session["v"] = v
        return ""


def v(method: str, path: str, body: bytes = b"", headers: RawHeaders = (), app: App | None = None) -> Any:
    answer = call(app if app is not None else Recorder(), method, path, body, headers)
    assert answer.status == 200, answer.text
    return answer.json["v"]


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
def test_a_value_comes_from_path_then_query_then_form_or_json_then_file_then_default(
    path: str, body: bytes, headers: RawHeaders, value: object
) -> None:
    assert v("POST", path, body, headers) == value


def test_a_value_comes_from_the_session_before_the_default_and_after_everything_else() -> None:
    app = Recorder()
    cookie = [(b"cookie", (call(app, "GET", "/login/7").header("set-cookie") or "").partition(";")[0].encode())]
    assert v("GET", "/number", headers=cookie, app=app) == 7
    assert v("GET", "/number?v=1", headers=cookie, app=app) == 1
    assert v("POST", "/number", b"v=2", [*cookie, *FORM], app=app) == 2
    assert v("GET", "/number", app=app) == -1


def test_a_keyword_only_parameter_is_never_a_path_segment() -> None:
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
def test_of_repeated_names_the_first_wins_and_of_json_keys_the_last(
    path: str, body: bytes, headers: RawHeaders, value: object
) -> None:
    assert v("POST", path, body, headers) == value


@pytest.mark.parametrize(
    ("body", "value"),
    [(b'{"v":5}', 5), (b'{"v":"5"}', "5"), (b'{"v":null}', None), (b'{"v":[1,{"a":true}]}', [1, {"a": True}])],
)
def test_an_unannotated_json_value_keeps_its_type(body: bytes, value: object) -> None:
    assert v("POST", "/any", body, JSON) == value


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
    assert v("GET", path) == value


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
    assert v("POST", path, body, FORM) == value


@given(st.dictionaries(st.text(), st.text()))
def test_no_name_is_ever_a_type_error(names: dict[str, str]) -> None:
    query = urlencode(names | {"self": "1", "this": "1", "cls": "1", "request": "1", "a": "1"})
    answer = call(Recorder(), "GET", f"/kwargs?{query}")
    assert answer.status == (400 if "%00" in query else 200)


@pytest.mark.parametrize("name", ["self", "cls", "func", "args", "kwargs", "handler", "call", "request", "segments"])
def test_no_name_is_a_type_error_in_a_threaded_handler(name: str) -> None:
    class Api(App):
        def h(self, **rest: str) -> object:
            return {"v": rest}

    assert v("GET", f"/h?{name}=1", app=Api()) == ({name: "1"} if name != "self" else {})


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
def test_a_mutable_default_is_never_shared_between_requests(path: str) -> None:
    app = Defaults()
    assert [v("GET", path, app=app) for _ in range(3)] == [[1], [1], [1]]


def test_a_default_that_cannot_change_is_itself() -> None:
    seen: list[object] = []

    class Api(App):
        async def h(self, v: Any = SHARED, w: int = 5) -> None:
            seen.append(v)

    call(Api(), "GET", "/h")
    assert seen == [SHARED]


# --- pinned sources ---------------------------------------------------------------------------------------------------

EVERYWHERE = b'{"x":"1","y":"1"}'


class Pinned(App):
    def __init__(self) -> None:
        super().__init__(InMemorySessionBackend())

    async def path(self, x: Annotated[int, Path()]) -> object:
        return {"v": x}

    async def query(self, x: Annotated[int, Query()] = 0) -> object:
        return {"v": x}

    async def form(self, x: Annotated[int, Form()] = 0) -> object:
        return {"v": x}

    async def body(self, x: Annotated[int, Body()] = 0) -> object:
        return {"v": x}

    async def header(self, x: Annotated[int, Header()] = 0) -> object:
        return {"v": x}

    async def cookie(self, x: Annotated[int, Cookie()] = 0) -> object:
        return {"v": x}

    async def session(self, x: Annotated[int, Session()] = 0) -> object:
        return {"v": x}

    async def login(self) -> str:
        self.request.session = {"x": 1, "cart": {"title": "c"}, "title": "s"}
        return ""

    async def long_header(
        self,
        x_request_id: Annotated[str, Header()],
        accept: Annotated[list[str], Header(alias="ACCEPT")] = [],
    ) -> object:
        return {"v": [x_request_id, accept]}

    async def cookies(self, theme: Annotated[list[str], Cookie(alias="the-me")] = []) -> object:
        return {"v": theme}

    async def session_key(self, cart: Annotated[Todo, Session(alias="cart")]) -> object:
        return {"v": cart}

    async def whole_session(self, cart: Annotated[Todo | None, Session()] = None) -> object:
        return {"v": cart}

    async def body_key(self, todo: Annotated[Todo, Body(alias="t")]) -> object:
        return {"v": todo}


@pytest.mark.parametrize("source", ["query", "form", "body", "header", "cookie", "session"])
def test_a_pinned_value_comes_from_its_source_and_no_other(source: str) -> None:
    app = Pinned()
    login = (call(app, "GET", "/login").header("set-cookie") or "").partition(";")[0].encode()
    sources: dict[str, tuple[str, bytes, list[tuple[bytes, bytes]]]] = {
        "query": ("?x=1", b"", []),
        "form": ("", b"x=1", list(FORM)),
        "body": ("", b'{"x":1}', list(JSON)),
        "header": ("", b"", [(b"x", b"1")]),
        "cookie": ("", b"", [(b"cookie", b"x=1")]),
        "session": ("", b"", [(b"cookie", login)]),
    }
    for other, (query, body, headers) in sources.items():
        assert v("POST", f"/{source}{query}", body, headers, app=app) == (1 if other == source else 0)
        assert call(app, "GET", f"/{source}/1").status == 404


@pytest.mark.parametrize(
    ("name", "value"),
    [(b"x-request-id", b"7"), (b"X-Request-Id", b"7"), (b"X-REQUEST-ID", b"7")],
)
def test_a_header_is_found_in_any_case(name: bytes, value: bytes) -> None:
    headers = [(name, value), (b"accept", b"a, b"), (b"Accept", b"c")]
    assert v("GET", "/long_header", headers=headers, app=Pinned()) == ["7", ["a, b", "c"]]


def test_a_header_is_utf8() -> None:
    assert v("GET", "/long_header", headers=[(b"x-request-id", "é".encode())], app=Pinned()) == ["é", []]


def test_a_cookie_is_read_by_its_alias_and_a_list_gets_all_of_a_name() -> None:
    headers = [(b"cookie", b'the-me="a"; theme=x; the-me=b'), (b"cookie", b"the-me=c")]
    assert v("GET", "/cookies", headers=headers, app=Pinned()) == ["a", "b", "c"]


def test_a_session_is_decoded_whole_or_at_a_key() -> None:
    app = Pinned()
    login = [(b"cookie", (call(app, "GET", "/login").header("set-cookie") or "").partition(";")[0].encode())]
    assert v("GET", "/session_key", headers=login, app=app) == {"title": "c", "priority": 3}
    assert v("GET", "/whole_session", headers=login, app=app) == {"title": "s", "priority": 3}
    assert v("GET", "/whole_session", app=app) is None


def test_a_body_key_is_decoded_by_its_alias() -> None:
    assert v("POST", "/body_key", b'{"t":{"title":"x"}}', JSON, app=Pinned()) == {"title": "x", "priority": 3}


def test_a_pinned_path_value_is_a_path_segment() -> None:
    assert v("GET", "/path/5?x=6", app=Pinned()) == 5


def test_a_path_template_gives_values_by_name() -> None:
    class Api(App):
        @route("/users/{user}/posts/{post}")
        async def h(self, post: int, user: str, page: int = 1) -> object:
            return {"v": [user, post, page]}

        @route("/files/{name}")
        async def files(self, *rest: str, name: str) -> object:
            return {"v": [name, *rest]}

    assert v("GET", "/users/u%2F1/posts/5?page=2&user=x", app=Api()) == ["u/1", 5, 2]
    assert v("GET", "/files/a/b/c", app=Api()) == ["a", "b", "c"]


# --- structured parameters --------------------------------------------------------------------------------------------


@dataclass(slots=True)  # without slots msgspec leaves defaults out of what it encodes
class Data:
    title: str
    priority: int = 3


class Typed(TypedDict):
    title: str


class Named(NamedTuple):
    title: str
    priority: int = 3


@attrs.define
class Attrs:
    title: str
    priority: int = 3


class Box(Struct, Generic[T]):
    title: T


class Cat(Struct, tag=True):
    title: str


class Dog(Struct, tag=True):
    bark: int


def structured(annotation: Any, default: Any = ...) -> App:
    class Api(App):
        async def h(self, v: annotation) -> object:  # pyright: ignore[reportInvalidTypeForm]
            return {"v": v}

        if default is not ...:

            async def o(self, v: annotation = default) -> object:  # pyright: ignore[reportInvalidTypeForm]
                return {"v": v}

    return Api()


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Todo, {"title": "x", "priority": 3}),
        (Data, {"title": "x", "priority": 3}),
        (Typed, {"title": "x"}),
        (Attrs, {"title": "x", "priority": 3}),
        (Box[str], {"title": "x"}),
        (dict, {"title": "x"}),
        (dict[str, str], {"title": "x"}),
        (dict[str, Any], {"title": "x"}),
        (Cat | Dog, {"type": "Cat", "title": "x"}),
        (Todo | None, {"title": "x", "priority": 3}),
    ],
)
def test_a_structured_type_is_the_whole_json_body_or_form(annotation: Any, value: object) -> None:
    app = structured(annotation)
    tag = {"type": "Cat"} if annotation == Cat | Dog else {}
    json = b'{"title":"x"%s}' % (b',"type":"Cat"' if tag else b"")
    assert v("POST", "/h", json, JSON, app) == value
    assert v("POST", "/h", json, [(b"content-type", b"Application/Vnd.Api+JSON; charset=utf-8")], app) == value
    assert v("POST", "/h", b"title=x" + (b"&type=Cat" if tag else b""), FORM, app) == value
    assert v("POST", "/h", form_data({"title": "x"} | tag), MULTIPART, app) == value


def test_a_named_tuple_is_an_array_in_json_and_names_in_a_form() -> None:
    app = structured(Named)
    assert v("POST", "/h", b'["x"]', JSON, app) == ["x", 3]
    assert v("POST", "/h", b"title=x&priority=5", FORM, app) == ["x", 5]


@pytest.mark.parametrize(
    ("annotation", "body", "value"),
    [
        (list[Todo], b'[{"title":"x"}]', [{"title": "x", "priority": 3}]),
        (list[list[int]], b"[[1],[2]]", [[1], [2]]),
        (dict[str, Todo], b'{"a":{"title":"x"}}', {"a": {"title": "x", "priority": 3}}),
        (dict[int, bool], b'{"1":true}', {"1": True}),
        (Todo | None, b"null", None),
        (Box[Box[list[int]]], b'{"title":{"title":[1]}}', {"title": {"title": [1]}}),
    ],
)
def test_a_structured_type_may_be_any_json(annotation: Any, body: bytes, value: object) -> None:
    assert v("POST", "/h", body, JSON, structured(annotation)) == value


@pytest.mark.parametrize("annotation", [Todo | None, dict | None, list[Todo] | None])
def test_an_optional_body_is_its_default_when_there_is_none(annotation: Any) -> None:
    app = structured(annotation, None)
    assert v("GET", "/o", app=app) is None
    assert v("POST", "/o", app=app) is None
    assert v("POST", "/o", headers=JSON, app=app) is None
    assert call(app, "POST", "/o", b"x", [(b"content-type", b"text/plain")]).status == 415
    assert call(app, "GET", "/h").status == 400


class Two(App):
    async def h(self, a: Todo, b: Box[int], note: str = "", page: Annotated[Page, Query()] = Page()) -> object:  # noqa: B008
        return {"v": [a.title, b.title, note, page.page]}


def test_two_structured_parameters_are_top_level_keys() -> None:
    body = b'{"b":{"title":5},"a":{"title":"x"},"note":"n","page":7}'
    assert v("POST", "/h?page=2", body, JSON, Two()) == ["x", 5, "n", 2]
    assert call(Two(), "POST", "/h", b"a=1&b=2", FORM).status == 415


class Sources(App):
    async def query(self, page: Annotated[Page, Query()], q: str = "") -> object:
        return {"v": [page.page, page.size, q]}

    async def maybe_query(self, page: Annotated[Page | None, Query()] = None) -> object:
        return {"v": page}

    async def all_query(self, names: Annotated[dict[str, list[str]], Query()]) -> object:
        return {"v": names}

    async def maybe_all(self, names: Annotated[dict[str, str] | None, Query()] = None) -> object:
        return {"v": names}

    async def union(self, pet: Annotated[Cat | Dog, Query()]) -> object:
        return {"v": pet}

    async def form(self, todo: Annotated[Todo, Form()], page: Annotated[Page, Query()]) -> object:
        return {"v": [todo.title, page.page]}

    async def header(self, wanted: Annotated["Wanted", Header()]) -> object:
        return {"v": [wanted.x_request_id, wanted.accept]}

    async def maybe_header(self, wanted: Annotated["Wanted | None", Header()] = None) -> object:
        return {"v": wanted}

    async def all_headers(self, headers: Annotated[dict[str, str], Header()]) -> object:
        return {"v": headers}

    async def cookie(self, crumbs: Annotated[Todo, Cookie()]) -> object:
        return {"v": crumbs}

    async def named(self, point: Annotated[Named, Query()]) -> object:
        return {"v": point}


class Wanted(Struct):
    x_request_id: int
    accept: list[str] = []


@pytest.mark.parametrize(
    ("path", "body", "headers", "value"),
    [
        ("/query?page=2&q=x&other=1", b"", (), [2, 10, "x"]),
        ("/query", b"", (), [1, 10, ""]),
        ("/maybe_query?q=x", b"", (), None),
        ("/maybe_query?size=5", b"", (), {"page": 1, "size": 5}),
        ("/all_query?a=1&a=2&b=", b"", (), {"a": ["1", "2"], "b": [""]}),
        ("/maybe_all", b"", (), None),
        ("/maybe_all?a=1", b"", (), {"a": "1"}),
        ("/union?type=Dog&bark=5", b"", (), {"type": "Dog", "bark": 5}),
        ("/form?page=2&title=q", b"title=f&page=9", FORM, ["f", 2]),
        ("/header", b"", [(b"X-Request-ID", b"5"), (b"accept", b"a"), (b"accept", b"b")], [5, ["a", "b"]]),
        ("/maybe_header", b"", [(b"host", b"x")], None),
        ("/all_headers", b"", [(b"X-A", b"1"), (b"b", b"2"), (b"B", b"3")], {"x-a": "1", "b": "2"}),
        ("/cookie", b"", [(b"cookie", b"title=x; priority=5; other=1")], {"title": "x", "priority": 5}),
        ("/named?title=x", b"", (), ["x", 3]),
    ],
)
def test_a_structured_type_is_built_of_the_names_of_its_source(
    path: str, body: bytes, headers: RawHeaders, value: object
) -> None:
    assert v("POST" if body else "GET", path, body, headers, Sources()) == value


# --- the body as bytes ------------------------------------------------------------------------------------------------


class Bytes(App):
    async def raw(self, data: Annotated[bytes, Body()]) -> object:
        return {"v": data.decode()}

    async def maybe(self, data: Annotated[bytes | None, Body()] = None) -> object:
        return {"v": None if data is None else data.decode()}

    async def short(self, data: Annotated[bytes, Body(), Meta(min_length=1, max_length=3)]) -> object:
        return {"v": data.decode()}

    async def stream(self, data: AsyncIterator[bytes], name: str = "") -> object:
        return {"v": [name, *[chunk.decode() async for chunk in data]]}


OTHER: RawHeaders = ((b"content-type", b"text/csv"),)


@pytest.mark.parametrize("headers", [(), OTHER, JSON, FORM, MULTIPART])
@pytest.mark.parametrize("body", [b'{"a"', form_data({"a": 1}), b""])
def test_bytes_are_the_body_as_it_came_whatever_it_is(headers: RawHeaders, body: bytes) -> None:
    assert v("POST", "/raw", body, headers, Bytes()) == body.decode()


@pytest.mark.parametrize(("body", "value"), [(b"", None), (b"x", "x")])
def test_bytes_with_a_default_are_it_for_an_empty_body(body: bytes, value: object) -> None:
    assert v("POST", "/maybe", body, OTHER, Bytes()) == value


@pytest.mark.parametrize(("body", "status"), [(b"", 400), (b"abc", 200), (b"abcd", 400)])
def test_bytes_are_checked(body: bytes, status: int) -> None:
    answer = call(Bytes(), "POST", "/short", body, OTHER)
    assert answer.status == status
    if status == 400:
        wanted = "400 Bad Request: Invalid body parameter 'data': Expected text of length >= 1 and <= 3"
        assert answer.text == wanted


@pytest.mark.parametrize("headers", [(), OTHER, JSON, FORM, MULTIPART])
def test_an_async_iterator_of_bytes_is_the_body_as_it_comes(headers: RawHeaders) -> None:
    answer = call(Bytes(), "POST", "/stream?name=n", [b"one", b"", b"two"], headers)
    assert answer.json == {"v": ["n", "one", "two"]}
    assert v("GET", "/stream", headers=headers, app=Bytes()) == [""]


class Nothing(HttpMiddleware):
    async def before_request(self, request: Request) -> None:
        return None

    async def after_request(self, request: Any, status_code: Any, response_body: Any, extra_headers: Any) -> None:
        return None


@pytest.mark.parametrize("headers", [(), OTHER, JSON, FORM, MULTIPART])
@pytest.mark.parametrize("path", ["/stream", "/raw"])
def test_middleware_that_may_look_at_a_body_first_takes_nothing_of_it(path: str, headers: RawHeaders) -> None:
    app = Bytes()
    app.middlewares.append(Nothing())
    assert "".join(v("POST", path, b"title=x", headers, app)) == "title=x"


def test_a_stream_begins_before_the_body_has_ended() -> None:
    seen: list[bytes] = []

    class Api(App):
        async def h(self, data: AsyncIterator[bytes]) -> str:
            async for chunk in data:
                seen.append(chunk)
                arrived.set()
            return "done"

    async def main() -> Message:
        first: Message = {"type": "http.request", "body": b"one", "more_body": True}
        messages = iter([first, {"type": "http.request"}])
        sent: list[Message] = []

        async def receive() -> Message:
            if seen:
                await arrived.wait()
            return next(messages)

        async def send(message: Message) -> None:
            sent.append(message)

        await Api()(http_scope("POST", "/h", [(b"transfer-encoding", b"chunked")]), receive, send)
        return sent[0]

    arrived = asyncio.Event()
    assert asyncio.run(asyncio.wait_for(main(), 10))["status"] == 200
    assert seen == [b"one"]


# --- uploads ----------------------------------------------------------------------------------------------------------


class Album(Struct):
    title: str
    cover: UploadFile
    pages: list[UploadFile] = []
    note: int | None = None


async def shown(file: UploadFile | None) -> object:
    return None if file is None else [file.filename, file.content_type, (await file.read()).decode()]


class Uploads(App):
    async def one(self, f: UploadFile, title: str = "") -> object:
        return {"v": [title, await shown(f)]}

    async def maybe(self, f: UploadFile | None = None) -> object:
        return {"v": await shown(f)}

    async def several(self, f: list[UploadFile] = []) -> object:
        return {"v": [await shown(one) for one in f]}

    async def album(self, album: Album) -> object:
        return {"v": [album.title, await shown(album.cover), [await shown(one) for one in album.pages], album.note]}

    async def limited(
        self, f: Annotated[UploadFile, File(alias="file", max_size=3, content_types=["image/*"])]
    ) -> object:
        return {"v": await shown(f)}

    async def each_limited(self, f: Annotated[list[UploadFile], File(max_size=3)]) -> object:
        return {"v": [await shown(one) for one in f]}

    async def form_over_query(self, title: Annotated[str, Form()], f: UploadFile) -> object:
        return {"v": title}


A, B = ("a.txt", "text/plain", b"aaa"), ("b.png", "image/png", b"bbb")
SHOWN_A, SHOWN_B = ["a.txt", "text/plain", "aaa"], ["b.png", "image/png", "bbb"]


@pytest.mark.parametrize(
    ("path", "parts", "value"),
    [
        ("/one", [("f", A), ("title", "x"), ("f", B)], ["x", SHOWN_A]),
        ("/one?title=q", [("f", A)], ["q", SHOWN_A]),
        ("/one", [("f", A)], ["", SHOWN_A]),
        ("/maybe", [("other", "x")], None),
        ("/maybe", [("f", A)], SHOWN_A),
        ("/several", [("f", A), ("x", "y"), ("f", B)], [SHOWN_A, SHOWN_B]),
        ("/several", [("x", "y")], []),
        ("/album", [("pages", A), ("cover", B), ("title", "x"), ("pages", B)],
         ["x", SHOWN_B, [SHOWN_A, SHOWN_B], None]),
        ("/album", [("cover", B), ("note", "5"), ("title", "x")], ["x", SHOWN_B, [], 5]),
        ("/limited", [("file", B)], SHOWN_B),
        ("/each_limited", [("f", A), ("f", B)], [SHOWN_A, SHOWN_B]),
        ("/form_over_query?title=q&f=q", [("f", A), ("title", "late")], "late"),
        ("/form_over_query", [("title", A), ("f", A), ("title", "text")], "text"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [7, 10_000])
def test_files_and_fields_are_bound_in_any_order_and_any_pieces(
    path: str, parts: list[tuple[str, object]], value: object, size: int
) -> None:
    body = form_data(parts)
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    answer = call(Uploads(), "POST", path, pieces, MULTIPART)
    assert (answer.status, answer.json) == (200, {"v": value})


@pytest.mark.parametrize(
    ("path", "parts", "status", "text"),
    [
        ("/one", [("f", "a text")], 400, "400 Bad Request: Missing required parameter 'f'"),
        ("/limited", [("file", A)], 415, None),
        ("/limited", [("file", ("b.png", "image/png", b"bbbb"))], 413, None),
        ("/each_limited", [("f", ("b.png", "image/png", b"bbbb"))], 413, None),
        ("/album", [("title", "x"), ("cover", "x"), ("note", "y")], 400,
         "400 Bad Request: Missing required parameter 'cover'\n"
         "400 Bad Request: Invalid form parameter 'note': Expected an integer"),
    ],
)  # fmt: skip
def test_a_file_that_is_missing_or_not_as_asked_for_is_refused(
    path: str, parts: list[tuple[str, object]], status: int, text: str | None
) -> None:
    answer = call(Uploads(), "POST", path, form_data(parts), MULTIPART)
    assert answer.status == status
    assert text is None or answer.text == text


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        (((b"content-type", b"multipart/form-data"),), "400 Bad Request: Missing boundary"),
        (((b"content-type", b"multipart/form-data; boundary="),), "400 Bad Request: Missing boundary"),
    ],
)
def test_a_missing_boundary_is_told(headers: RawHeaders, text: str) -> None:
    answer = call(Uploads(), "POST", "/one", b"x", headers)
    assert (answer.status, answer.text) == (400, text)


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


def test_a_websocket_handler_is_bound_like_any_other() -> None:
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
        ("/chat/1?a=%FF", "The query is not valid UTF-8 text"),
    ],
)  # fmt: skip
def test_a_handshake_that_does_not_fit_is_refused_with_the_reason(path: str, reason: str) -> None:
    sent = call_socket(Sockets(), path)
    assert [(message["type"], message.get("code"), message.get("reason")) for message in sent] == [
        ("websocket.close", 1008, reason)
    ]


# --- the law ----------------------------------------------------------------------------------------------------------

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


class Law(App):
    async def h(self, t: str, n: int, m: list[int] = [], **rest: str) -> object:
        return [t, n, m, rest.get("o", self.request.json("o"))]


@given(NAMES, st.integers(), st.lists(st.integers(), max_size=5), NAMES)
def test_what_is_sent_is_what_arrives_from_every_source(text: str, number: int, numbers: list[int], other: str) -> None:
    rest = urlencode([*(("m", one) for one in numbers), ("o", other)])
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
