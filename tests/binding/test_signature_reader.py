"""What is read from a handler's signature, and every signature that cannot work, with its remedy."""

import functools
import inspect
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypeVar

import pytest
from msgspec import Meta, Struct
from typing_extensions import TypeAliasType

from micropie import (
    App,
    Body,
    Cookie,
    File,
    Form,
    Header,
    Path,
    Query,
    Request,
    Resource,
    Session,
    SetupError,
    UploadFile,
    WebSocket,
    WebSocketRequest,
    route,
)
from micropie.binding.signature import Kind, Parameter, Role, Signature, derive_header_name, is_pinned
from micropie.binding.signature_reader import read_signature
from micropie.sentinels import UNSET

T = TypeVar("T")
Handler = Callable[..., Any]


class Todo(Struct):
    title: str


class User(Struct):
    name: str


class Filter(Struct):
    page: int = 1


class Nested(Struct):
    inside: Todo


class Pictures(Struct):
    image: UploadFile


class Album(Struct):
    pictures: list[Pictures]


class Point(NamedTuple):
    x: int


@dataclass
class Pair:
    x: int


class MyRequest(Request):
    pass


Age = NewType("Age", int)
Named = TypeAliasType("Named", Annotated[Age, Query(alias="a")])
A_LIST: Any = list


def read(handler: Handler, **options: Any) -> Signature:
    signature, problems = read_signature(handler, "h", **options)
    assert problems == []
    return signature


def only(handler: Handler, **options: Any) -> Parameter:
    (parameter,) = read(handler, **options).parameters
    return parameter


def value(annotation: Any, default: Any = inspect.Parameter.empty, kind: str = "KEYWORD_ONLY") -> Handler:
    """A handler of one parameter `v`."""

    def handler(*_: object, **__: object) -> None: ...

    parameter = inspect.Parameter("v", getattr(inspect.Parameter, kind), annotation=annotation, default=default)
    handler.__signature__ = inspect.Signature([parameter])  # type: ignore[attr-defined]
    return handler


def positional(annotation: Any = inspect.Parameter.empty, default: Any = inspect.Parameter.empty) -> Handler:
    return value(annotation, default, "POSITIONAL_OR_KEYWORD")


ANY = ("path", "query", "form", "body", "file", "session")
SCALAR = ("path", "query", "form", "body", "session")

# --- where a value comes from -----------------------------------------------------------------------------------------


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
def test_a_keyword_only_parameter_is_never_a_path_segment(annotation: Any, sources: tuple[str, ...]) -> None:
    parameter = only(value(annotation))
    assert (parameter.sources, parameter.index, parameter.kind) == (sources, None, Kind.KEYWORD)


@pytest.mark.parametrize(
    ("annotation", "sources"), [(int, ("path", "query", "session")), (list[int], ("query", "session"))]
)
def test_a_websocket_handshake_has_no_body(annotation: Any, sources: tuple[str, ...]) -> None:
    assert only(positional(annotation), websocket=True).sources == sources


def test_path_values_are_for_positional_parameters_in_order() -> None:
    def handler(
        a: int, request: Request, b: Annotated[int, Query()], c: list[int], d: Todo, e: str, *rest: int, f: int
    ) -> None: ...

    found = {one.name: one.index for one in read(handler).parameters}
    assert found == {"a": 0, "request": None, "b": None, "c": None, "d": None, "e": 1, "rest": 2, "f": None}


def test_path_values_of_a_template_are_for_parameters_by_name() -> None:
    def handler(a: int, b: int = 0, *rest: str, c: int) -> None: ...

    found = {one.name: (one.index, one.sources[0]) for one in read(handler, template=["c", "a"]).parameters}
    assert found == {"a": (1, "path"), "b": (None, "query"), "rest": (2, "path"), "c": (0, "path")}


@pytest.mark.parametrize(
    ("handler", "room"),
    [
        (positional(), 1),
        (value(int), 0),
        (value(int, kind="VAR_POSITIONAL"), float("inf")),
        (value(int, kind="POSITIONAL_ONLY"), 1),
    ],
)
def test_a_signature_says_how_many_path_values_it_takes(handler: Handler, room: float) -> None:
    assert read(handler).path_values == room


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "header"), [("x_request_id", "X-Request-Id"), ("accept", "Accept"), ("ETag", "Etag"), ("x__y", "X--Y")]
)
def test_a_header_is_named_after_its_parameter(name: str, header: str) -> None:
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
def test_a_parameter_has_its_own_name_on_the_wire_or_an_alias(annotation: Any, alias: str) -> None:
    assert only(positional(annotation)).alias == alias


# --- what a parameter is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "role"),
    [
        (int, Role.VALUE),
        (bytes, Role.VALUE),
        (Annotated[bytes, Body()], Role.RAW),
        (Annotated[bytes | None, Body()], Role.RAW),
        (Annotated[bytes, Body(), Meta(max_length=5)], Role.RAW),
        (Annotated[str, Body()], Role.VALUE),
        (Annotated[bytes, Body(alias="key")], Role.VALUE),
        (UploadFile, Role.FILE),
        (Annotated[UploadFile, Meta(description="a picture")], Role.FILE),
        (UploadFile | None, Role.FILE),
        (list[UploadFile], Role.FILES),
        (AsyncIterator[bytes], Role.STREAM),
        (Request, Role.REQUEST),
        (MyRequest, Role.REQUEST),
    ],
)
def test_role_follows_from_the_type(annotation: Any, role: Role) -> None:
    assert only(positional(annotation)).role is role


@pytest.mark.parametrize("annotation", [WebSocketRequest, Request])
def test_websocket_handler_can_take_its_request(annotation: Any) -> None:
    assert only(positional(annotation), websocket=True).role is Role.REQUEST


@pytest.mark.parametrize("annotation", [inspect.Parameter.empty, Any, object, WebSocket, WebSocket[Todo, str]])
def test_the_first_parameter_of_a_websocket_handler_is_the_connection(annotation: Any) -> None:
    assert only(positional(annotation), websocket=True).role is Role.WEBSOCKET


def test_websocket_parameter_is_recognised_by_its_type_at_any_position() -> None:
    def handler(name: str, socket: WebSocket, other) -> None: ...  # type: ignore[no-untyped-def]

    assert [one.role for one in read(handler, websocket=True).parameters] == [Role.VALUE, Role.WEBSOCKET, Role.VALUE]


def test_args_are_never_the_connection() -> None:
    def handler(*args) -> None: ...  # type: ignore[no-untyped-def]

    assert only(handler, websocket=True).role is Role.VALUE


@pytest.mark.parametrize(
    ("handler", "is_required", "default"),
    [
        (value(int | None), True, UNSET),
        (value(int | None, None), False, None),
        (value(int, kind="VAR_KEYWORD"), False, UNSET),
    ],
)
def test_a_parameter_without_a_default_is_required(handler: Handler, is_required: bool, default: object) -> None:
    parameter = only(handler)
    assert (parameter.required, parameter.default) == (is_required, default)


@pytest.mark.parametrize(
    ("annotation", "whole"),
    [
        (Todo, True),
        (Todo | None, True),
        (dict, True),
        (Annotated[Filter, Query()], True),
        (Annotated[bytes, Body()], True),
        (AsyncIterator[bytes], True),
        (int, False),
        (list[int], False),
        (UploadFile, False),
        (Annotated[list[int], Body()], False),
        (Annotated[Todo, Body(alias="todo")], False),
        (Annotated[Todo, Session(alias="cart")], False),
        (Annotated[Todo, Session()], True),
    ],
)
def test_a_structured_type_takes_all_of_its_source_unless_it_has_a_key_there(annotation: Any, whole: bool) -> None:
    assert only(positional(annotation)).whole is whole


def test_each_of_several_structured_parameters_takes_a_key_of_the_body() -> None:
    def handler(
        todo: Todo, user: User, page: Annotated[Filter, Query()], cart: Annotated[Todo, Session()], note: str = ""
    ) -> None: ...

    found = {one.name: (one.sources[0], one.whole) for one in read(handler).parameters}
    assert found == {
        "todo": ("body", False), "user": ("body", False), "page": ("query", True), "cart": ("session", True),
        "note": ("path", False),
    }  # fmt: skip


class Renamed(Struct, rename="camel"):
    page_number: int = 1


class Handlers:
    def method(
        this,  # pyright: ignore[reportSelfClsParameterName]
        a: int,
        b: Annotated[int, Query(alias="B")],
        c: Annotated[int, Header("D")],
        **rest: str,
    ) -> None: ...

    @staticmethod
    def static(a: int, **rest: str) -> None: ...

    @staticmethod
    def whole(todo: Todo, page: Annotated[Renamed, Query()], **rest: str) -> None: ...

    @functools.wraps(method)
    def wrapped(that, *args: Any, **kwargs: Any) -> None: ...


@pytest.mark.parametrize(
    ("handler", "excluded"),
    [
        (Handlers().method, {"this", "a", "b", "B", "c"}),
        (Handlers().static, {"a"}),
        (Handlers().whole, {"todo", "page", *Todo.__struct_encode_fields__, "pageNumber"}),
        (Handlers().wrapped, {"this", "that", "a", "b", "B", "c"}),
        (functools.partial(Handlers.static), {"a"}),
    ],
)
def test_kwargs_exclude_the_names_that_the_call_passes_already(handler: Handler, excluded: set[str]) -> None:
    assert read(handler).parameters[-1].excluded == excluded


def test_the_return_annotation_is_read() -> None:
    def handler() -> tuple[Literal[201], Todo]:
        return 201, Todo("x")

    returns = read(handler).returns
    assert returns is not None
    assert returns.statuses == {201: Todo}


def test_missing_or_unresolvable_return_annotation_is_none() -> None:
    def missing(): ...  # type: ignore[no-untyped-def]

    def unknown() -> "Nowhere": ...  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore

    assert read(missing).returns is None
    assert read(unknown).returns is None


def test_new_type_and_type_alias_are_resolved() -> None:
    parameter = only(positional(Named))
    assert (parameter.annotation, parameter.sources, parameter.alias) == (int, ("query",), "a")


# --- what cannot work -------------------------------------------------------------------------------------------------

ONE_TEXT = "each value of *args or **kwargs is one text, which cannot become this type"
NO_BODY = "a WebSocket handshake has no body"


def two_queries(a: Annotated[int, Query(alias="x")], b: Annotated[int, Query(alias="x")]) -> None: ...
def two_headers(a: Annotated[int, Header("X-A")], b: Annotated[int, Header("x-a")]) -> None: ...
def stream_and_struct(a: AsyncIterator[bytes], b: Todo) -> None: ...
def stream_and_form(a: AsyncIterator[bytes], b: Annotated[int, Form()]) -> None: ...
def stream_and_file(a: UploadFile, b: AsyncIterator[bytes]) -> None: ...
def two_streams(a: AsyncIterator[bytes], b: AsyncIterator[bytes]) -> None: ...
def raw_and_key(a: Annotated[bytes, Body()], b: Annotated[int, Body()]) -> None: ...


@pytest.mark.parametrize(
    ("handler", "options", "what", "remedy"),
    [
        (positional(complex), {}, "'builtins.complex' cannot be read from a request", "Use a type that msgspec can"),
        (positional("Nope"), {}, "the annotation cannot be resolved: name 'Nope' is not defined", "Import or define"),
        (positional("1 +"), {}, "the annotation cannot be resolved: Forward reference must be", "Import or define"),
        (positional("Meta(ge=1, gt=1)"), {}, "the annotation cannot be resolved: Cannot specify both", "Import or"),
        (positional(Annotated[int | None, Meta(min_length=1)]), {}, "msgspec.Meta(min_length=1) can hold", "Use a"),
        (
            positional(Annotated[int, Query(), Header()]),
            {},
            "has more than one marker: Query, Header",
            "Keep one marker",
        ),
        (positional(WebSocket), {}, "only a ws_ method can take a WebSocket", "Name the method ws_…, or remove"),
        (positional(WebSocketRequest), {}, "only a ws_ method can take a WebSocketRequest", "Name the method ws_…"),
        (positional(Annotated[Request, Query()]), {}, "is provided by the framework", "Remove the marker"),
        (
            positional(Request | None),
            {},
            "'micropie.requests.request.Request' cannot be read",
            "Use a type that msgspec can",
        ),
        (positional(AsyncIterator[str]), {}, "only AsyncIterator[bytes] streams a body", "Write AsyncIterator[bytes]"),
        (
            positional(Annotated[AsyncIterator[bytes], Query()]),
            {},
            "only the body can be streamed",
            "Remove the marker",
        ),
        (positional(Annotated[int, File()]), {}, "File() is for UploadFile only", "Write Annotated[UploadFile, File("),
        (positional(Annotated[UploadFile, Form()]), {}, "File() is for UploadFile only", "Write Annotated[UploadFile"),
        (positional(tuple[UploadFile, ...]), {}, "neither JSON nor a form can carry this type", "Use UploadFile and"),
        (positional(Album), {}, "neither JSON nor a form can carry this type", "Use UploadFile and list[UploadFile]"),
        (positional(Annotated[list[int], Path()]), {}, "a path segment is one text", "Use a scalar type, or *args"),
        (positional(Annotated[Filter, Path()]), {}, "a path segment is one text", "Use a scalar type, or *args"),
        (positional(list[int]), {"template": ["v"]}, "a path segment is one text", "Use a scalar type, or *args"),
        (positional(Filter), {"template": ["v"]}, "a path segment is one text", "Use a scalar type, or *args"),
        (positional(UploadFile), {"template": ["v"]}, "File() is for UploadFile only", "Write Annotated[UploadFile"),
        (
            positional(Annotated[int, Path()]),
            {"template": []},
            "the path has no value called 'v'",
            "Add {v} to the @route",
        ),
        (positional(Annotated[int, Query()]), {"template": ["v"]}, "the @route path names {v}, which no", "Add a"),
        (positional(int), {"template": ["v", "w"]}, "the @route path names {w}, which no parameter", "Add a parameter"),
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
        (two_queries, {}, "'a' and 'b' both read the query parameter 'x'", "Give one of them another alias"),
        (two_headers, {}, "'a' and 'b' both read the header parameter 'x-a'", "Give one of them another alias"),
        (stream_and_struct, {}, "'a' takes the whole body, so nothing is left for 'b'", "Read the body in one place"),
        (stream_and_form, {}, "'a' takes the whole body, so nothing is left for 'b'", "Read the body in one place"),
        (stream_and_file, {}, "'b' takes the whole body, so nothing is left for 'a'", "Read the body in one place"),
        (two_streams, {}, "'a' takes the whole body, so nothing is left for 'b'", "Read the body in one place"),
        (raw_and_key, {}, "'a' takes the whole body, so nothing is left for 'b'", "Read the body in one place"),
        (positional(T), {}, "the type variable ~T has no type here", "Derive from the generic class with"),
        (positional(A_LIST[T]), {}, "the type variable ~T has no type here", "Derive from the generic class"),
        (positional(int, Query()), {}, "Query() must be inside Annotated[...]", "Write Annotated[T, Query()]"),
        (positional(int, Query), {}, "Query() must be inside Annotated[...]", "Write Annotated[T, Query()]"),
        (type, {}, "has no signature", "Make it a plain method"),
    ],
)
def test_a_signature_that_cannot_work_is_refused_with_the_remedy(
    handler: Handler, options: dict[str, Any], what: str, remedy: str
) -> None:
    _, problems = read_signature(handler, "Api.h", **options)
    assert [problem.what.startswith(what) for problem in problems] == [True], problems
    assert problems[0].remedy.startswith(remedy)
    assert problems[0].where.startswith("Api.h")


def test_unmarked_parameters_can_share_a_name() -> None:
    def handler(a: int, b: Annotated[int, Query(alias="a")], c: Annotated[int, Header("a")], **rest: str) -> None: ...

    assert len(read(handler).parameters) == 4


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [
        (complex, "Api.h (v: complex)"),
        (inspect.Parameter.empty, "Api.h (v)"),
        ("Nope", "Api.h (v: Nope)"),
        (Annotated[complex, Meta(title="x")], "Api.h (v: typing.Annotated[complex, msgspec.Meta(title='x')])"),
    ],
)
def test_a_problem_names_the_parameter_and_its_annotation_as_written(annotation: Any, shown: str) -> None:
    default = Query() if annotation is inspect.Parameter.empty else inspect.Parameter.empty
    _, (problem,) = read_signature(positional(annotation, default), "Api.h")
    assert problem.where == shown


def test_every_bad_handler_is_in_one_report() -> None:
    class Items(Resource):
        async def post(self, a: complex, b: Annotated[int, Query(), Header()]) -> None: ...

    class Api(App):
        items = Items()

        async def one(self, x: "Nope") -> None: ...  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore

        @route("/two/{id}")
        async def two(self) -> None: ...

        async def three(self, fine: int, todo: Todo) -> None: ...

    with pytest.raises(SetupError) as caught:
        Api()
    where = [problem.where.rpartition(".<locals>.")[2] for problem in caught.value.problems]
    assert sorted(where) == [
        "Api.one (x: Nope)",
        "Api.two",
        "Items.post (a: complex)",
        "Items.post (b: typing.Annotated[int, Query(alias=None), Header(alias=None)])",
    ]
    report = str(caught.value)
    assert report.startswith("4 problems in the app's handlers:\n\n")
    for problem in caught.value.problems:
        assert problem.what in report
        assert problem.remedy in report
        assert f"{__file__}:{problem.line}" in report
