"""These tests read a form as its handler gets it: filled in as browsers do, with its errors, files and source."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Generic, NamedTuple, TypedDict

import attrs
import pytest
from msgspec import Meta, Struct

from micropie import App, File, Form, FormResult, Limits, Path, Query, SetupError, UploadFile
from tests.forms.examples import FEW, GOOD, TERMS, All, Needs, Pairs, Photo, Signup, Size, T, filled, shown
from tests.support.asgi import FORM, JSON, MULTIPART, Response, call, form_data


def test_valid_form_is_a_value() -> None:
    form = filled(Signup, [*GOOD, ("news", "on"), ("nickname", "A"), ("born", "2000-02-29")])
    assert form.value == Signup("Ann", 42, True, "A", date(2000, 2, 29))
    assert (form.submitted, form.errors) == (True, {})
    assert form.texts["age"] == ["42"]


def test_invalid_form_holds_its_errors_and_the_submitted_texts() -> None:
    form = filled(Signup, [("name", "A"), ("age", "seven"), ("born", ""), ("nickname", "<A>")])
    assert (form.submitted, form.value) == (True, None)
    assert form.errors == {
        "name": ["Expected text of length >= 2 and <= 20"],
        "age": ["Expected an integer >= 18 and <= 150"],
    }
    assert form.texts == {"name": ["A"], "age": ["seven"], "born": [""], "nickname": ["<A>"]}


@pytest.mark.parametrize("pairs", [[], [("name", ""), ("age", "")]])
def test_empty_required_field_is_reported_as_required(pairs: Pairs) -> None:
    form = filled(Signup, pairs)
    assert form.errors == {"name": ["Required"], "age": ["Required"]}
    assert form.submitted


def test_error_of_the_whole_form_has_an_empty_name() -> None:
    assert filled(Signup, [*GOOD, ("nickname", "Ann")]).errors == {"": ["The nickname must differ from the name"]}


def test_unsubmitted_form_holds_the_defaults() -> None:
    seen: list[FormResult[Any]] = []
    app = shown(Signup, seen)
    for method in ("GET", "POST"):
        assert call(app, method, "/signup").status == 204
    for form in seen:
        assert (form.submitted, form.value, form.errors) == (False, None, {})
        assert {name: list(texts) for name, texts in form.texts.items() if texts} == {
            "news": ["true"],
            "nickname": ["Guest"],
        }


# --- As browsers write ------------------------------------------------------------------------------------------------


WRITTEN: Sequence[tuple[str, Sequence[str], object]] = [
    ("flag", [], False),
    ("flag", ["on"], True),
    ("flag", ["true"], True),
    ("flag", ["0"], False),
    ("answer", [], None),
    ("answer", [""], None),
    ("answer", ["no"], False),
    ("text", [""], ""),
    ("text", [], "x"),
    ("note", [""], None),
    ("note", [], "x"),
    ("note", [" "], " "),
    ("count", [""], None),
    ("count", ["7"], 7),
    ("either", [""], None),
    ("either", ["7"], 7),
    ("either", ["x"], "x"),
    ("size", ["large"], Size.LARGE),
    ("plan", [""], None),
    ("plan", ["a"], "a"),
    ("tags", [], []),
    ("tags", ["a", "", "b"], ["a", "", "b"]),
    ("sizes", ["small", "large", "small"], {Size.SMALL, Size.LARGE}),
    ("price", ["1.50"], Decimal("1.50")),
    ("price", [".5"], Decimal("0.5")),
    ("weight", ["-.5"], -0.5),
    ("weight", ["1e3"], 1000.0),
    ("at", ["2026-11-23T10:30"], datetime(2026, 11, 23, 10, 30)),
    ("at", ["2026-11-23T10:30:15.5"], datetime(2026, 11, 23, 10, 30, 15, 500000)),
    ("at", ["2026-11-23T10:30:00Z"], datetime(2026, 11, 23, 10, 30, tzinfo=UTC)),
    ("at", [""], None),
    ("start", ["08:15"], time(8, 15)),
    ("start", ["08:15:30"], time(8, 15, 30)),
    ("age", ["5"], 5),
    ("age", ["5", "6"], 5),
]


@pytest.mark.parametrize(("name", "texts", "value"), WRITTEN)
def test_field_is_read_as_browsers_write_it(name: str, texts: Sequence[str], value: object) -> None:
    form = filled(All, [FEW, TERMS, *((name, text) for text in texts)])
    assert form.errors == {}
    assert getattr(form.value, name) == value


REFUSED: Sequence[tuple[str, Sequence[str], str]] = [
    ("flag", ["maybe"], "Expected a boolean"),
    ("terms", [], "Required"),
    ("terms", ["false"], "Expected one of true"),
    ("terms", [""], "Required"),
    ("count", [" 5"], "Expected an integer"),
    ("count", ["1_000"], "Expected an integer"),
    ("size", [""], "Required"),
    ("size", ["huge"], "Expected one of 'small', 'large'"),
    ("sizes", ["small", "huge"], "Expected values, each one of 'small', 'large'"),
    ("few", [], "Required"),
    ("few", ["1", "2", "3"], "Expected values of length >= 1 and <= 2, each an integer"),
    ("price", ["NaN"], "Expected a decimal number"),
    ("price", ["."], "Expected a decimal number"),
    ("weight", [""], "Required"),
    ("start", ["8"], "Expected an RFC 3339 time"),
    ("start", ["25:00"], "Expected an RFC 3339 time"),
]


@pytest.mark.parametrize(("name", "texts", "error"), REFUSED)
def test_invalid_field_is_refused_and_keeps_its_texts(name: str, texts: Sequence[str], error: str) -> None:
    others = [pair for pair in (FEW, TERMS) if pair[0] != name]
    form = filled(All, [*others, *((name, text) for text in texts)])
    assert form.errors == {name: [error]}
    assert list(form.texts.get(name, ())) == list(texts)


def test_optional_fields_may_be_left_out() -> None:
    assert filled(Needs, []).value == Needs(None, None, False, [], None)


@dataclass
class Data:
    name: str
    tags: list[str] = field(default_factory=lambda: ["a", "b"])


class Typed(TypedDict, total=False):
    name: str
    count: int


@attrs.define
class Attrs:
    name: str
    count: int = 3


class Box(Struct, Generic[T]):
    value: T


class Camel(Struct, rename="camel"):
    first_name: str


@pytest.mark.parametrize(
    ("kind", "pairs", "value"),
    [
        (Data, [("name", "x")], Data("x", [])),
        (Typed, [("count", "1")], {"count": 1}),
        (Attrs, [("name", "x")], Attrs("x")),
        (Box[int], [("value", "5")], Box(5)),
        (Camel, [("firstName", "x")], Camel("x")),
        (Signup | None, [("name", "Ann"), ("age", "42")], Signup("Ann", 42, news=False)),
    ],
)
def test_any_type_with_fields_is_read_from_a_form(kind: Any, pairs: Pairs, value: object) -> None:
    assert filled(kind, pairs).value == value


# --- Files ------------------------------------------------------------------------------------------------------------


class Profile(Struct):
    name: str
    picture: Annotated[UploadFile | None, File(max_size=4, content_types=["image/*"])] = None
    papers: Annotated[list[UploadFile], File(content_types=["application/pdf"])] = []


NO_FILE = ("", "application/octet-stream", b"")


PNG, BIG, PDF = ("a.png", "image/png", b"1234"), ("a.png", "image/png", b"12345"), ("a.pdf", "application/pdf", b"x")


UPLOADS: Mapping[str, tuple[Any, Sequence[tuple[str, object]], Mapping[str, list[str]]]] = {
    "all of them": (Profile, [("name", "x"), ("picture", PNG), ("papers", PDF), ("papers", PDF)], {}),
    "none chosen": (Profile, [("name", "x"), ("picture", NO_FILE), ("papers", NO_FILE)], {}),
    "another type": (Profile, [("name", "x"), ("picture", PDF)], {"picture": ["Expected a file of type image/*"]}),
    "too large": (Profile, [("name", "x"), ("picture", BIG)], {"picture": ["The file is larger than 4 bytes"]}),
    "one of several": (
        Profile,
        [("name", "x"), ("papers", PDF), ("papers", PNG)],
        {"papers": ["Expected a file of type application/pdf"]},
    ),
    "beside another error": (
        Profile,
        [("picture", PDF)],
        {"name": ["Required"], "picture": ["Expected a file of type image/*"]},
    ),
    "required": (Photo, [("picture", NO_FILE)], {"picture": ["Required"]}),
    "as text": (Photo, [("picture", "text")], {"picture": ["Required"]}),
}


@pytest.mark.parametrize("name", UPLOADS)
def test_file_is_checked_as_a_field_of_the_form(name: str) -> None:
    kind, parts, errors = UPLOADS[name]
    seen: list[FormResult[Any]] = []
    response = call(shown(kind, seen), "POST", "/signup", form_data(parts), MULTIPART)
    assert (response.status, seen[0].errors) == (204, errors)
    assert (seen[0].value is None) is bool(errors)


def test_handler_reads_a_file_of_the_form() -> None:
    class Site(App):
        async def signup(self, form: FormResult[Profile]) -> list[object]:
            assert form.value is not None
            assert form.value.picture is not None
            return [form.value.name, form.value.picture.filename, (await form.value.picture.read()).decode()]

    body = form_data([("picture", PNG), ("name", "x")])
    assert call(Site(), "POST", "/signup", body, MULTIPART).json == ["x", "a.png", "1234"]


# --- What still is a bad request --------------------------------------------------------------------------------------


BAD: Sequence[tuple[bytes, Any, int, str]] = [
    (b'{"name": "Ann"}', JSON, 415, "must be application/x-www-form-urlencoded or multipart/form-data"),
    (b"name=Ann", (), 415, "must be application/x-www-form-urlencoded or multipart/form-data"),
    (b"name=Ann", [(b"content-type", b"text/plain")], 415, "must be application/x-www-form-urlencoded"),
    (b"name=%ff", FORM, 400, "Expected UTF-8 text"),
    (b"name=%00", FORM, 400, "Expected text without NUL"),
    (b"x", [(b"content-type", b"multipart/form-data")], 400, "Missing boundary"),
    (b"--frontier\r\nContent-Disposition: form-data; name=x\r\n\r\nunfinished", MULTIPART, 400, ""),
    (b"name=" + b"x" * 100, FORM, 413, "larger than 100 bytes"),
    (b"a&b&c&d", FORM, 400, "More than 3 names in the form"),
]


@pytest.mark.parametrize(("body", "headers", "status", "text"), BAD)
def test_body_that_is_not_a_form_is_refused_before_the_handler_runs(
    body: bytes, headers: Any, status: int, text: str
) -> None:
    class Site(App):
        async def signup(self, form: FormResult[Signup]) -> None:
            raise AssertionError("it ran")

    app = Site(limits=Limits(body=100, fields=3))
    response = call(app, "POST", "/signup", body, headers)
    assert response.status == status
    assert text in response.text


def test_errors_of_other_parameters_are_reported_together() -> None:
    class Site(App):
        async def signup(self, id: int, form: FormResult[Signup], csrf: Annotated[str, Form()]) -> list[object]:
            return [id, csrf, form.value is None]

    good = call(Site(), "POST", "/signup/1", b"csrf=x&name=", FORM)
    assert (good.status, good.json) == (200, [1, "x", True])
    bad = call(Site(), "POST", "/signup/x", b"name=", FORM)
    assert (bad.status, bad.text.splitlines()) == (
        400,
        [
            "400 Bad Request: Invalid path parameter 'id': Expected an integer",
            "400 Bad Request: Missing required parameter 'csrf'",
        ],
    )
    malformed = call(Site(), "POST", "/signup/x", b"name=%ff", FORM)
    assert malformed.text.splitlines() == [
        "400 Bad Request: Invalid path parameter 'id': Expected an integer",
        "400 Bad Request: Invalid form parameter 'name': Expected UTF-8 text",
        "400 Bad Request: Missing required parameter 'csrf'",
    ]


class Search(Struct):
    text: str = ""
    page: Annotated[int, Meta(ge=1)] = 1


@pytest.mark.parametrize(
    ("query", "submitted", "value", "errors"),
    [
        ("", False, None, {}),
        ("?utm=x", False, None, {}),
        ("?text=tea", True, Search("tea"), {}),
        ("?text=tea&page=0&utm=x", True, None, {"page": ["Expected an integer >= 1"]}),
    ],
)
def test_form_is_read_from_the_query(
    query: str, submitted: bool, value: object, errors: Mapping[str, list[str]]
) -> None:
    seen: list[FormResult[Search]] = []

    class Site(App):
        async def search(self, form: Annotated[FormResult[Search], Query()]) -> None:
            seen.append(form)

    assert call(Site(), "GET", f"/search{query}").status == 204
    assert (seen[0].submitted, seen[0].value, seen[0].errors) == (submitted, value, errors)


def test_get_without_a_body_is_not_a_submission_whatever_its_content_type() -> None:
    assert not filled(Signup, [], method="GET").submitted
    assert filled(Signup, [], method="PUT").submitted
    assert not filled(Signup, [], JSON).submitted


# --- Signatures -------------------------------------------------------------------------------------------------------


class Point(NamedTuple):
    x: int


class Nested(Struct):
    inner: Signup


class Marked(Struct):
    name: Annotated[str, Query()]


BARE: Any = FormResult


@pytest.mark.parametrize(
    ("annotation", "what"),
    [
        (BARE, "FormResult has no class for its fields"),
        (FormResult[int], "a form cannot carry this type's fields"),
        (FormResult[dict[str, str]], "a form cannot carry this type's fields"),
        (FormResult[list[Signup]], "a form cannot carry this type's fields"),
        (FormResult[Nested], "a form cannot carry this type's fields"),
        (FormResult[Point], "a form cannot carry this type's fields"),
        (FormResult[Marked], "Query() has no effect on the field Marked.name: it is for parameters"),
        (Annotated[FormResult[Signup], Path()], "a FormResult comes from the body or the query"),
        (Annotated[FormResult[Signup], Form("x")], "takes all names of its source, so an alias has no effect"),
    ],
)
def test_annotation_that_no_form_can_carry_is_a_setup_problem(annotation: Any, what: str) -> None:
    async def signup(self: App, form: Any) -> None: ...

    signup.__annotations__["form"] = annotation
    cls: type[App] = type("Bad", (App,), {"signup": signup})
    with pytest.raises(SetupError) as caught:
        cls()
    assert [problem.what for problem in caught.value.problems] == [what]


def test_form_with_a_default_or_in_a_websocket_handler_is_a_setup_problem() -> None:
    class Bad(App):
        async def signup(self, form: FormResult[Signup] | None = None) -> None: ...

        async def other(self, form: FormResult[Signup] = None) -> None: ...  # type: ignore[assignment]

        async def ws_chat(self, ws: Any, form: FormResult[Signup]) -> None: ...

    with pytest.raises(SetupError) as caught:
        Bad()
    assert [problem.what for problem in caught.value.problems] == [
        "'micropie.forms.form_result.FormResult' cannot be read from a request",
        "a FormResult is always provided, so its default is never used",
        "a WebSocket handshake has no body",
    ]


def test_form_of_a_generic_app_is_of_its_type_argument() -> None:
    class Crud(App, Generic[T]):
        async def new(self, form: FormResult[T]) -> str:
            return form.attributes("age")

    class People(Crud[Signup]): ...

    assert 'max="150"' in call(People(), "GET", "/new").text


def test_forms_of_two_requests_share_no_state() -> None:
    seen: list[FormResult[Any]] = []
    app = shown(Signup, seen)
    requests: list[Callable[[], Response]] = [
        lambda: call(app, "POST", "/signup", b"name=A", FORM),
        lambda: call(app, "GET", "/signup"),
    ]
    for send_request in requests:
        assert send_request().status == 204
    assert [form.errors == {} for form in seen] == [False, True]
    assert repr(seen) == "[<FormResult of Signup: errors>, <FormResult of Signup: not submitted>]"
