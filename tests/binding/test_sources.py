# ruff: noqa: B006  (mutable defaults, which requests must not share, are part of what is tested)
"""A parameter has sources, and a name there, that follow from its type and its marker (SPEC 3)."""

import inspect
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from micropie import (
    App,
    Body,
    Cookie,
    File,
    Form,
    Header,
    InMemorySessionBackend,
    Path,
    Query,
    Request,
    Session,
    UploadFile,
    route,
)
from micropie.binding.signature import Kind, derive_header_name, is_pinned
from tests.binding.bound_values import Todo, bound_value
from tests.binding.signatures import (
    ANY,
    SCALAR,
    Filter,
    Handler,
    Nested,
    Pair,
    Point,
    assert_refused,
    only,
    positional,
    read,
    value,
)
from tests.support.asgi import FORM, JSON, MULTIPART, RawHeaders, call, form_data

# --- the sources of a parameter ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "sources"),
    [
        (inspect.Parameter.empty, ANY),
        (Any, ANY),
        (object, ANY),
        (str, SCALAR),
        (int | None, SCALAR),
        (Literal["a"], SCALAR),
        (list[int], ("query", "form", "body", "session")),
        (set[str] | None, ("query", "form", "body", "session")),
        (Todo, ("body",)),
        (Pair | None, ("body",)),
        (Point, ("body",)),
        (dict, ("body",)),
        (list[Todo], ("body",)),
        (UploadFile, ("file",)),
        (UploadFile | None, ("file",)),
        (list[UploadFile], ("file",)),
        (list[UploadFile] | None, ("file",)),
        (AsyncIterator[bytes], ("body",)),
        (Annotated[int, Path()], ("path",)),
        (Annotated[int, Query()], ("query",)),
        (Annotated[int, Query], ("query",)),
        (Annotated[int, Meta(ge=1), Form()], ("form",)),
        (Annotated[int, Body()], ("body",)),
        (Annotated[int, Header()], ("header",)),
        (Annotated[int, Cookie()], ("cookie",)),
        (Annotated[int, Session()], ("session",)),
        (Annotated[UploadFile, File(max_size=5)], ("file",)),
        (Annotated[list[UploadFile] | None, File()], ("file",)),
        (Annotated[Filter, Query()], ("query",)),
        (Annotated[Filter, Header()], ("header",)),
        (Annotated[Nested, Session()], ("session",)),
        (Annotated[Nested, Body()], ("body",)),
        (Annotated[bytes, Body()], ("body",)),
        (Annotated[AsyncIterator[bytes], Body()], ("body",)),
    ],
)
def test_sources_follow_from_the_type_and_its_marker(annotation: Any, sources: tuple[str, ...]) -> None:
    parameter = only(positional(annotation))
    assert parameter.sources == sources
    assert is_pinned(parameter) is (len(sources) == 1)


@pytest.mark.parametrize(("annotation", "sources"), [(inspect.Parameter.empty, ANY[1:]), (int, SCALAR[1:])])
def test_keyword_only_parameter_is_never_a_path_segment(annotation: Any, sources: tuple[str, ...]) -> None:
    parameter = only(value(annotation))
    assert (parameter.sources, parameter.index, parameter.kind) == (sources, None, Kind.KEYWORD)


@pytest.mark.parametrize(
    ("annotation", "sources"), [(int, ("path", "query", "session")), (list[int], ("query", "session"))]
)
def test_websocket_handshake_has_no_body(annotation: Any, sources: tuple[str, ...]) -> None:
    assert only(positional(annotation), websocket=True).sources == sources


def test_path_values_are_for_positional_parameters_in_order() -> None:
    def handler(
        a: int, request: Request, b: Annotated[int, Query()], c: list[int], d: Todo, e: str, *rest: int, f: int
    ) -> None: ...

    indexes = {parameter.name: parameter.index for parameter in read(handler).parameters}
    assert indexes == {"a": 0, "request": None, "b": None, "c": None, "d": None, "e": 1, "rest": 2, "f": None}


def test_path_values_of_a_template_are_for_parameters_by_name() -> None:
    def handler(a: int, b: int = 0, *rest: str, c: int) -> None: ...

    parameters = read(handler, template=["c", "a"]).parameters
    places = {parameter.name: (parameter.index, parameter.sources[0]) for parameter in parameters}
    assert places == {"a": (1, "path"), "b": (None, "query"), "rest": (2, "path"), "c": (0, "path")}


@pytest.mark.parametrize(
    ("handler", "count"),
    [
        (positional(), 1),
        (value(int), 0),
        (value(int, kind="VAR_POSITIONAL"), float("inf")),
        (value(int, kind="POSITIONAL_ONLY"), 1),
    ],
)
def test_signature_states_how_many_path_values_it_takes(handler: Handler, count: float) -> None:
    assert read(handler).path_values == count


# --- the names of a parameter -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "header"), [("x_request_id", "X-Request-Id"), ("accept", "Accept"), ("ETag", "Etag"), ("x__y", "X--Y")]
)
def test_header_is_named_after_its_parameter(name: str, header: str) -> None:
    assert derive_header_name(name) == header


@pytest.mark.parametrize(
    ("annotation", "alias"),
    [
        (int, "v"),
        (Annotated[int, Query(alias="page[size]")], "page[size]"),
        (Annotated[int, Query("p")], "p"),
        (Annotated[int, Header()], "V"),
        (Annotated[int, Header(alias="x-a")], "x-a"),
        (Annotated[int, Cookie(alias="c")], "c"),
        (Annotated[int, Session(alias="user.id")], "user.id"),
        (Annotated[int, Body(alias="")], ""),
        (Annotated[UploadFile, File(alias="f")], "f"),
    ],
)
def test_parameter_has_its_own_name_on_the_wire_or_an_alias(annotation: Any, alias: str) -> None:
    assert only(positional(annotation)).alias == alias


# --- sources that cannot work -----------------------------------------------------------------------------------------


ONE_TEXT = "each value of *args or **kwargs is one text, which cannot become this type"
NO_BODY = "a WebSocket handshake has no body"


@pytest.mark.parametrize(
    ("handler", "options", "what", "remedy"),
    [
        (
            positional(Annotated[AsyncIterator[bytes], Query()]),
            {},
            "only the body can be streamed",
            "Remove the marker",
        ),
        (positional(Annotated[int, File()]), {}, "File() is for UploadFile only", "Write Annotated[UploadFile, File("),
        (positional(Annotated[UploadFile, Form()]), {}, "File() is for UploadFile only", "Write Annotated[UploadFile"),
        (positional(Annotated[list[int], Path()]), {}, "a path segment is one text", "Use a scalar type, or *args"),
        (positional(Annotated[Filter, Path()]), {}, "a path segment is one text", "Use a scalar type, or *args"),
        (positional(list[int]), {"template": ["v"]}, "a path segment is one text", "Use a scalar type, or *args"),
        (positional(Filter), {"template": ["v"]}, "a path segment is one text", "Use a scalar type, or *args"),
        (positional(UploadFile), {"template": ["v"]}, "File() is for UploadFile only", "Write Annotated[UploadFile"),
        (value(Annotated[int, Path()]), {}, "a keyword-only parameter is never a path", "Move it before the *, or"),
        (positional(Annotated[Nested, Query()]), {}, "the query cannot carry this type", "Use a flat type, or Body()"),
        (positional(Annotated[list[Todo], Form()]), {}, "the form cannot carry this type", "Use a flat type"),
        (positional(Annotated[Nested, Cookie()]), {}, "the cookie cannot carry this type", "Use a flat type"),
        (positional(Annotated[Filter, Query(alias="f")]), {}, "takes all names of its source", "Remove the alias"),
        (positional(Annotated[str, Header(alias="X Y")]), {}, "'X Y' cannot be the name of a header", "Give it an"),
        (positional(Annotated[str, Cookie(alias="a;b")]), {}, "'a;b' cannot be the name of a cookie", "Give it an"),
        (value(list[int], kind="VAR_POSITIONAL"), {}, ONE_TEXT, "Annotate it with a scalar type"),
        (value(UploadFile, kind="VAR_POSITIONAL"), {}, ONE_TEXT, "Annotate it with a scalar type"),
        (value(Request, kind="VAR_POSITIONAL"), {}, ONE_TEXT, "Annotate it with a scalar type"),
        (value(Todo, kind="VAR_KEYWORD"), {}, ONE_TEXT, "Annotate it with a scalar type"),
        (value(list[UploadFile], kind="VAR_KEYWORD"), {}, ONE_TEXT, "Annotate it with a scalar type"),
        (
            value(Annotated[int, Query()], kind="VAR_POSITIONAL"),
            {},
            "*args takes only path segments",
            "Remove the marker",
        ),
        (
            value(Annotated[int, Header()], kind="VAR_KEYWORD"),
            {},
            "**kwargs takes only the remaining names",
            "Use Query() or",
        ),
        (
            value(Annotated[int, Query("x")], kind="VAR_KEYWORD"),
            {},
            "**kwargs takes only the remaining names",
            "Use Query()",
        ),
        (positional(Todo), {"websocket": True}, NO_BODY, "Take it from the path, the query or a message"),
        (value(UploadFile), {"websocket": True}, NO_BODY, "Take it from the path, the query or a message"),
        (positional(AsyncIterator[bytes]), {"websocket": True}, NO_BODY, "Take it from the path"),
        (positional(Annotated[int, Form()]), {"websocket": True}, NO_BODY, "Take it from the path"),
    ],
)
def test_parameter_that_its_source_cannot_fill_is_refused_with_the_remedy(
    handler: Handler, options: dict[str, Any], what: str, remedy: str
) -> None:
    assert_refused(handler, options, what, remedy)


# --- values of pinned parameters --------------------------------------------------------------------------------------


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

    async def body(self, x: Annotated[int, Body("x")] = 0) -> object:
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
def test_pinned_value_comes_from_its_source_and_no_other(source: str) -> None:
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
        assert bound_value("POST", f"/{source}{query}", body, headers, app=app) == (1 if other == source else 0)
        assert call(app, "GET", f"/{source}/1").status == 404


@pytest.mark.parametrize(
    ("name", "value"),
    [(b"x-request-id", b"7"), (b"X-Request-Id", b"7"), (b"X-REQUEST-ID", b"7")],
)
def test_header_is_found_in_any_case(name: bytes, value: bytes) -> None:
    headers = [(name, value), (b"accept", b"a, b"), (b"Accept", b"c")]
    assert bound_value("GET", "/long_header", headers=headers, app=Pinned()) == ["7", ["a", "b", "c"]]


def test_header_is_decoded_as_utf8() -> None:
    assert bound_value("GET", "/long_header", headers=[(b"x-request-id", "é".encode())], app=Pinned()) == ["é", []]


def test_cookie_is_read_by_its_alias_and_a_list_gets_all_of_a_name() -> None:
    headers = [(b"cookie", b'the-me="a"; theme=x; the-me=b'), (b"cookie", b"the-me=c")]
    assert bound_value("GET", "/cookies", headers=headers, app=Pinned()) == ["a", "b", "c"]


def test_session_is_decoded_whole_or_at_a_key() -> None:
    app = Pinned()
    login = [(b"cookie", (call(app, "GET", "/login").header("set-cookie") or "").partition(";")[0].encode())]
    assert bound_value("GET", "/session_key", headers=login, app=app) == {"title": "c", "priority": 3}
    assert bound_value("GET", "/whole_session", headers=login, app=app) == {"title": "s", "priority": 3}
    assert bound_value("GET", "/whole_session", app=app) is None


def test_body_key_is_decoded_by_its_alias() -> None:
    assert bound_value("POST", "/body_key", b'{"t":{"title":"x"}}', JSON, app=Pinned()) == {"title": "x", "priority": 3}


def test_pinned_path_value_is_a_path_segment() -> None:
    assert bound_value("GET", "/path/5?x=6", app=Pinned()) == 5


def test_path_template_gives_values_by_name() -> None:
    class Api(App):
        @route("/users/{user}/posts/{post}")
        async def h(self, post: int, user: str, page: int = 1) -> object:
            return {"v": [user, post, page]}

        @route("/files/{name}")
        async def files(self, *rest: str, name: str) -> object:
            return {"v": [name, *rest]}

    assert bound_value("GET", "/users/u%2F1/posts/5?page=2&user=x", app=Api()) == ["u/1", 5, 2]
    assert bound_value("GET", "/files/a/b/c", app=Api()) == ["a", "b", "c"]


class Lists(Struct):
    ids: list[int] = []
    since: list[datetime] = []
    tag: str = ""


class ListHeaders(App):
    async def numbers(self, ids: Annotated[list[int], Header()] = []) -> object:
        return {"v": ids}

    async def words(self, ids: Annotated[set[str] | None, Header()] = None) -> object:
        return {"v": sorted(ids or ())}

    async def pair(self, ids: Annotated[tuple[int, str], Header()]) -> object:
        return {"v": ids}

    async def text(self, ids: Annotated[str, Header()]) -> object:
        return {"v": ids}

    async def dates(self, ids: Annotated[list[datetime], Header()]) -> object:
        return {"v": [date.year for date in ids]}

    async def structure(self, lists: Annotated[Lists, Header()]) -> object:
        return {"v": [lists.ids, [date.year for date in lists.since], lists.tag]}

    async def names(self, lists: Annotated[dict[str, list[str]], Header()]) -> object:
        return {"v": lists["ids"]}


DATE = "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("handler", "lines", "value"),
    [
        ("numbers", ["1,2, 3"], [1, 2, 3]),
        ("numbers", ["1", "2,3"], [1, 2, 3]),
        ("numbers", [""], []),
        ("words", ['b, "a,c"', "d"], ['"a,c"', "b", "d"]),
        ("pair", ["1, a"], [1, "a"]),
        ("pair", ["1", "a"], [1, "a"]),
        ("text", ["1, a"], "1, a"),
        ("dates", [DATE, DATE], [2026, 2026]),
        ("structure", ["1,2"], [[1, 2], [], ""]),
        ("names", ["1,2", "3"], ["1", "2", "3"]),
    ],
)
def test_header_of_a_list_may_be_repeated_or_separated_by_commas(handler: str, lines: list[str], value: object) -> None:
    headers = [(b"Ids", line.encode()) for line in lines]
    assert bound_value("GET", f"/{handler}", headers=headers, app=ListHeaders()) == value


def test_header_item_that_does_not_fit_is_reported_at_its_header() -> None:
    response = call(ListHeaders(), "GET", "/numbers", headers=[(b"ids", b"1,x")])
    assert response.status == 400
    assert response.text == "400 Bad Request: Invalid header parameter 'Ids': Expected values, each an integer"


def test_dates_and_texts_in_a_structure_of_headers_keep_their_commas() -> None:
    headers = [(b"since", DATE.encode()), (b"tag", b"a,b"), (b"ids", b"1"), (b"ids", b"2,3")]
    assert bound_value("GET", "/structure", headers=headers, app=ListHeaders()) == [[1, 2, 3], [2026], "a,b"]


# --- one value or several ---------------------------------------------------------------------------------------------


class Chosen(Struct):
    v: int | list[int] | None = None


class Either(App):
    async def some(self, v: int | list[int] | None = None) -> object:
        return {"v": v}

    async def text(self, v: str | tuple[str, ...]) -> object:
        return {"v": v}

    async def mixed(self, v: int | list[str]) -> object:
        return {"v": v}

    async def header(self, v: Annotated[int | list[int], Header()]) -> object:
        return {"v": v}

    async def cookie(self, v: Annotated[bool | list[bool], Cookie()]) -> object:
        return {"v": v}

    async def field(self, chosen: Chosen) -> object:
        return {"v": chosen.v}

    async def names(self, chosen: Annotated[Chosen, Query()]) -> object:
        return {"v": chosen.v}

    @route("/at/{v}")
    async def at(self, v: int | list[int]) -> object:
        return {"v": v}


@pytest.mark.parametrize(
    ("path", "body", "headers", "expected"),
    [
        ("/some", b"", (), None),
        ("/some?v=", b"", (), None),
        ("/some?v=1", b"", (), 1),
        ("/some?v=1&v=2", b"", (), [1, 2]),
        ("/some/5", b"", (), 5),
        ("/at/5", b"", (), 5),
        ("/some", b"v=1", FORM, 1),
        ("/some", b"v=1&v=2", FORM, [1, 2]),
        ("/some", form_data([("v", "1"), ("v", "2")]), MULTIPART, [1, 2]),
        ("/some", b'{"v": 1}', JSON, 1),
        ("/some", b'{"v": [1]}', JSON, [1]),
        ("/some", b'{"v": null}', JSON, None),
        ("/text/5", b"", (), "5"),
        ("/text?v=a&v=b", b"", (), ["a", "b"]),
        ("/mixed?v=5", b"", (), 5),
        ("/mixed?v=x", b"", (), ["x"]),
        ("/header", b"", [(b"v", b"1")], 1),
        ("/header", b"", [(b"v", b"1"), (b"v", b"2")], [1, 2]),
        ("/cookie", b"", [(b"cookie", b"v=on")], True),
        ("/cookie", b"", [(b"cookie", b"v=on; v=off")], [True, False]),
        ("/field", b"v=1", FORM, 1),
        ("/field", b"v=1&v=2", FORM, [1, 2]),
        ("/field", b"v=", FORM, None),
        ("/names?v=1&v=2", b"", (), [1, 2]),
        ("/names?v=1", b"", (), 1),
    ],
)
def test_union_of_a_scalar_and_a_list_takes_one_value_as_the_scalar_and_several_as_the_list(
    path: str, body: bytes, headers: RawHeaders, expected: object
) -> None:
    assert bound_value("POST", path, body, headers, Either()) == expected


@pytest.mark.parametrize("path", ["/some/x", "/some?v=x", "/some?v=1&v=x", "/at/x", "/names?v=x"])
def test_text_that_fits_neither_the_scalar_nor_the_list_is_refused(path: str) -> None:
    answer = call(Either(), "GET", path)
    assert (answer.status, "parameter 'v': Expected an integer or values, each an integer" in answer.text) == (
        400,
        True,
    )
