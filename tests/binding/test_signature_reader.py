"""The signature of a handler is read once: the role of each parameter, and every reason why it cannot work (SPEC 3)."""

import functools
import inspect
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from micropie import (
    App,
    Body,
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
from micropie.binding.signature import Role
from micropie.binding.signature_reader import read_signature
from micropie.sentinels import UNSET
from tests.binding.signatures import (
    A_LIST,
    Filter,
    Handler,
    MyRequest,
    Named,
    T,
    Todo,
    User,
    assert_refused,
    only,
    positional,
    read,
    value,
)

# --- the role of a parameter ------------------------------------------------------------------------------------------


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
def test_first_parameter_of_a_websocket_handler_is_the_connection(annotation: Any) -> None:
    assert only(positional(annotation), websocket=True).role is Role.WEBSOCKET


def test_websocket_parameter_is_recognised_by_its_type_at_any_position() -> None:
    def handler(name: str, socket: WebSocket, other) -> None: ...  # type: ignore[no-untyped-def]

    assert [parameter.role for parameter in read(handler, websocket=True).parameters] == [
        Role.VALUE,
        Role.WEBSOCKET,
        Role.VALUE,
    ]


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
def test_parameter_without_a_default_is_required(handler: Handler, is_required: bool, default: object) -> None:
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
        (Annotated[list[int], Body()], True),
        (Annotated[int | None, Body()], True),
        (Annotated[Any, Body()], True),
        (Annotated[list[int], Body("numbers")], False),
        (Annotated[Todo, Body(alias="todo")], False),
        (Annotated[Todo, Session(alias="cart")], False),
        (Annotated[Todo, Session()], True),
    ],
)
def test_structured_type_takes_all_of_its_source_unless_it_has_a_key_there(annotation: Any, whole: bool) -> None:
    assert only(positional(annotation)).whole is whole


def test_each_of_several_structured_parameters_takes_a_key_of_the_body() -> None:
    def handler(
        todo: Todo, user: User, page: Annotated[Filter, Query()], cart: Annotated[Todo, Session()], note: str = ""
    ) -> None: ...

    sources = {parameter.name: (parameter.sources[0], parameter.whole) for parameter in read(handler).parameters}
    assert sources == {
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


def test_return_annotation_is_read() -> None:
    def handler() -> tuple[Literal[201], Todo]:
        return 201, Todo("x")

    returns = read(handler).returns
    assert returns is not None
    assert returns.statuses == {201: Todo}


def test_missing_return_annotation_is_none() -> None:
    def missing(): ...  # type: ignore[no-untyped-def]

    assert read(missing).returns is None


def test_new_type_and_type_alias_are_resolved() -> None:
    parameter = only(positional(Named))
    assert (parameter.annotation, parameter.sources, parameter.alias) == (int, ("query",), "a")


# --- signatures that cannot work --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("handler", "options", "what", "remedy"),
    [
        (positional(complex), {}, "'builtins.complex' cannot be read from a request", "Use a type that msgspec can"),
        (positional("Nope"), {}, "the annotation cannot be resolved: name 'Nope' is not defined", "Import or define"),
        (positional("1 +"), {}, "the annotation cannot be resolved: Forward reference must be", "Import or define"),
        (positional("Meta(ge=1, gt=1)"), {}, "the annotation cannot be resolved: Cannot specify both", "Import or"),
        (positional(Annotated[int | None, Meta(min_length=1)]), {}, "msgspec.Meta(min_length=1) cannot hold", "Use a"),
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
            positional(Annotated[int, Path()]),
            {"template": []},
            "the path has no value called 'v'",
            "Add {v} to the @route",
        ),
        (positional(T), {}, "the type variable ~T has no type here", "Derive from the generic class with"),
        (positional(A_LIST[T]), {}, "the type variable ~T has no type here", "Derive from the generic class"),
        (type, {}, "has no signature", "Make it a plain method"),
    ],
)
def test_signature_that_cannot_work_is_refused_with_the_remedy(
    handler: Handler, options: dict[str, Any], what: str, remedy: str
) -> None:
    assert_refused(handler, options, what, remedy)


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [
        (complex, "Api.h (v: complex)"),
        (inspect.Parameter.empty, "Api.h (v)"),
        ("Nope", "Api.h (v: Nope)"),
        (Annotated[complex, Meta(title="x")], "Api.h (v: Annotated[complex, msgspec.Meta(title='x')])"),
    ],
)
def test_problem_names_the_parameter_and_its_annotation_as_written(annotation: Any, shown: str) -> None:
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
        "Items.post (b: Annotated[int, Query(alias=None), Header(alias=None)])",
    ]
    report = str(caught.value)
    assert report.startswith("4 problems in the app's handlers:\n\n")
    for problem in caught.value.problems:
        assert problem.what in report
        assert problem.remedy in report
        assert f"{__file__}:{problem.line}" in report
