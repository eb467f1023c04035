"""`FormResult[Signup]`: what a form gives its handler, filled in as browsers do, and how it is shown again.

What a browser itself makes of the attributes is `test_form_in_browser.py`'s.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from html.parser import HTMLParser
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar
from urllib.parse import urlencode

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from micropie import App, File, Form, FormResult, Limits, Path, Query, SetupError, UploadFile
from micropie.forms.html import Html
from tests.support.asgi import FORM, JSON, MULTIPART, Answer, call, form_data

T = TypeVar("T")
Pairs = Sequence[tuple[str, str]]


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Signup(Struct):
    name: Annotated[str, Meta(min_length=2, max_length=20)]
    age: Annotated[int, Meta(ge=18, le=150)]
    news: bool = True
    nickname: str | None = "Nobody"
    born: date | None = None

    def __post_init__(self) -> None:
        if self.name == self.nickname:
            raise ValueError("The nickname has to be another name")


def shown(value: Any, seen: list[FormResult[Any]]) -> App:
    """An app whose handler keeps the form that it is given."""

    async def signup(self: App, form: Any) -> None:
        seen.append(form)

    generic: Any = FormResult
    signup.__annotations__["form"] = generic[value]
    cls: type[App] = type("Site", (App,), {"signup": signup})
    return cls()


def filled(kind: Any, pairs: Pairs, headers: Any = FORM, method: str = "POST") -> FormResult[Any]:
    """What the handler is given for a form with these names and texts."""
    seen: list[FormResult[Any]] = []
    answer = call(shown(kind, seen), method, "/signup", urlencode(pairs).encode(), headers)
    assert answer.status == 204, answer.text
    return seen[0]


GOOD = [("name", "Ann"), ("age", "42")]


def test_a_form_that_fits_is_a_value() -> None:
    form = filled(Signup, [*GOOD, ("news", "on"), ("nickname", "A"), ("born", "2000-02-29")])
    assert form.value == Signup("Ann", 42, True, "A", date(2000, 2, 29))
    assert (form.submitted, form.errors) == (True, {})
    assert form.texts["age"] == ["42"]


def test_a_form_that_does_not_fit_is_errors_beside_what_was_filled_in() -> None:
    form = filled(Signup, [("name", "A"), ("age", "seven"), ("born", ""), ("nickname", "<A>")])
    assert (form.submitted, form.value) == (True, None)
    assert form.errors == {
        "name": ["Expected text of length >= 2 and <= 20"],
        "age": ["Expected an integer >= 18 and <= 150"],
    }
    assert form.texts == {"name": ["A"], "age": ["seven"], "born": [""], "nickname": ["<A>"]}


@pytest.mark.parametrize("pairs", [[], [("name", ""), ("age", "")]])
def test_what_is_not_filled_in_is_required(pairs: Pairs) -> None:
    form = filled(Signup, pairs)
    assert form.errors == {"name": ["Required"], "age": ["Required"]}
    assert form.submitted


def test_what_is_wrong_with_all_of_it_has_no_name() -> None:
    assert filled(Signup, [*GOOD, ("nickname", "Ann")]).errors == {"": ["The nickname has to be another name"]}


def test_a_form_that_was_not_submitted_holds_the_defaults() -> None:
    seen: list[FormResult[Any]] = []
    app = shown(Signup, seen)
    for method in ("GET", "POST"):
        assert call(app, method, "/signup").status == 204
    for form in seen:
        assert (form.submitted, form.value, form.errors) == (False, None, {})
        assert {name: list(texts) for name, texts in form.texts.items() if texts} == {
            "news": ["true"],
            "nickname": ["Nobody"],
        }


# --- As browsers write ------------------------------------------------------------------------------------------------

Age = NewType("Age", int)


class All(Struct):
    flag: bool = True
    terms: Literal[True] = True
    answer: bool | None = None
    text: str = "x"
    note: str | None = "x"
    count: int | None = 5
    either: int | str | None = 5
    size: Size = Size.SMALL
    plan: Literal["b", "a"] | None = None
    tags: list[str] = []
    sizes: set[Size] = set()
    few: Annotated[list[int], Meta(min_length=1, max_length=2)] = field(default_factory=lambda: [1])
    price: Decimal = Decimal(1)
    weight: float = 1.0
    at: datetime | None = None
    start: time = time(9)
    age: Age = Age(1)


FEW = ("few", "1")
TERMS = ("terms", "on")
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
def test_a_field_is_read_as_browsers_write_it(name: str, texts: Sequence[str], value: object) -> None:
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
def test_and_refused_with_the_texts_kept(name: str, texts: Sequence[str], error: str) -> None:
    others = [pair for pair in (FEW, TERMS) if pair[0] != name]
    form = filled(All, [*others, *((name, text) for text in texts)])
    assert form.errors == {name: [error]}
    assert list(form.texts.get(name, ())) == list(texts)


class Needs(Struct):
    nickname: str | None
    count: int | None
    flag: bool
    tags: list[str]
    picture: UploadFile | None


def test_nothing_has_to_be_sent_for_what_may_be_nothing() -> None:
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
def test_any_type_with_fields_will_do(kind: Any, pairs: Pairs, value: object) -> None:
    assert filled(kind, pairs).value == value


# --- Files ------------------------------------------------------------------------------------------------------------


class Profile(Struct):
    name: str
    picture: Annotated[UploadFile | None, File(max_size=4, content_types=["image/*"])] = None
    papers: Annotated[list[UploadFile], File(content_types=["application/pdf"])] = []


class Photo(Struct):
    picture: Annotated[UploadFile, File]


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
def test_files_are_fields_too(name: str) -> None:
    kind, parts, errors = UPLOADS[name]
    seen: list[FormResult[Any]] = []
    answer = call(shown(kind, seen), "POST", "/signup", form_data(parts), MULTIPART)
    assert (answer.status, seen[0].errors) == (204, errors)
    assert (seen[0].value is None) is bool(errors)


def test_a_file_can_be_read_by_the_handler() -> None:
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
    (b"name=%ff", FORM, 400, "The form is not valid UTF-8 text"),
    (b"name=%00", FORM, 400, "The form is not valid UTF-8 text"),
    (b"x", [(b"content-type", b"multipart/form-data")], 400, "Missing boundary"),
    (b"--frontier\r\nContent-Disposition: form-data; name=x\r\n\r\nunfinished", MULTIPART, 400, ""),
    (b"name=" + b"x" * 100, FORM, 413, "larger than 100 bytes"),
    (b"a&b&c&d", FORM, 400, "More than 3 names in the form"),
]


@pytest.mark.parametrize(("body", "headers", "status", "text"), BAD)
def test_what_is_no_form_is_refused_before_the_handler_runs(body: bytes, headers: Any, status: int, text: str) -> None:
    class Site(App):
        async def signup(self, form: FormResult[Signup]) -> None:
            raise AssertionError("it ran")

    app = Site(limits=Limits(body=100, fields=3))
    answer = call(app, "POST", "/signup", body, headers)
    assert answer.status == status
    assert text in answer.text


def test_other_parameters_are_still_checked_all_at_once() -> None:
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
        "400 Bad Request: The form is not valid UTF-8 text",
        "400 Bad Request: Invalid path parameter 'id': Expected an integer",
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
def test_a_form_may_come_in_the_query(
    query: str, submitted: bool, value: object, errors: Mapping[str, list[str]]
) -> None:
    seen: list[FormResult[Search]] = []

    class Site(App):
        async def search(self, form: Annotated[FormResult[Search], Query()]) -> None:
            seen.append(form)

    assert call(Site(), "GET", f"/search{query}").status == 204
    assert (seen[0].submitted, seen[0].value, seen[0].errors) == (submitted, value, errors)


# --- As HTML ----------------------------------------------------------------------------------------------------------


class Shown(Struct):
    name: Annotated[str, Meta(min_length=2, max_length=20)]
    age: Annotated[int, Meta(gt=17, lt=151)]
    any_text: str
    nick: Annotated[str, Meta(pattern="^[a-z]+$")] | None = None
    code: Annotated[str, Meta(pattern="[0-9]+")] = "1"
    either_end: Annotated[str, Meta(pattern="^a|b$")] = ""
    dollar: Annotated[str, Meta(pattern=r"^a\$")] = "a$"
    odd: Annotated[str, Meta(pattern="(?P<x>a)")] = "a"
    flag: bool = True
    terms: Literal[True] = True
    size: Size = Size.SMALL
    plan: Literal["small", "big"] | None = None
    must: Literal["z", "a"] = "z"
    sizes: list[Size] = []
    price: Decimal = Decimal("1.50")
    even: Annotated[int, Meta(ge=1, le=9, multiple_of=2)] = 2
    tenth: Annotated[float, Meta(gt=0.3, le=1, multiple_of=0.1)] = 0.5
    beyond: Annotated[float, Meta(gt=0.35, lt=0.95, multiple_of=0.1)] = 0.5
    weight: Annotated[float, Meta(ge=0.5, lt=9.5)] = 1
    born: date | None = None
    at: datetime | None = None
    exactly: Annotated[datetime, Meta(tz=True)] | None = None
    start: time = time(9)
    either: int | str | None = None
    numbers: list[int] = []
    picture: Annotated[UploadFile | None, File(content_types=["image/png", "image/*"])] = None
    photo: UploadFile | None = None
    papers: list[UploadFile] = []


ATTRIBUTES: Mapping[str, str] = {
    "name": 'type="text" minlength="2" maxlength="20" required',
    "age": 'type="number" min="18" max="150" required',
    "any_text": 'type="text"',
    "nick": 'type="text" pattern="[a-z]+"',
    "code": 'type="text" pattern=".*(?:[0-9]+).*" required value="1"',
    "either_end": 'type="text" pattern=".*(?:^a|b$).*" required value=""',
    "dollar": r'type="text" pattern=".*(?:^a\$).*" required value="a$"',
    "odd": 'type="text" required value="a"',
    "flag": 'type="checkbox" checked',
    "terms": 'type="checkbox" required checked',
    "size": "required",
    "plan": "",
    "must": "required",
    "sizes": "multiple",
    "price": 'type="number" step="any" required value="1.50"',
    "even": 'type="number" min="2" max="8" step="2" required value="2"',
    "tenth": 'type="number" min="0.4" max="1" step="0.1" required value="0.5"',
    "beyond": 'type="number" min="0.4" max="0.9" step="0.1" required value="0.5"',
    "weight": 'type="number" min="0.5" max="9.5" step="any" required value="1"',
    "born": 'type="date"',
    "at": 'type="datetime-local"',
    "exactly": 'type="text"',
    "start": 'type="time" required value="09:00:00"',
    "either": 'type="text"',
    "numbers": 'type="number"',
    "picture": 'type="file" accept="image/png, image/*"',
    "photo": 'type="file"',
    "papers": 'type="file" multiple',
}


def blank(kind: Any) -> FormResult[Any]:
    seen: list[FormResult[Any]] = []
    call(shown(kind, seen), "GET", "/signup")
    return seen[0]


@pytest.mark.parametrize("name", Shown.__struct_fields__)
def test_a_type_is_shown_as_what_a_browser_checks(name: str) -> None:
    start = f'name="{name}" id="{name}"'
    assert blank(Shown).attributes(name) == f"{start} {ATTRIBUTES[name]}".rstrip()


def test_only_a_file_that_is_insisted_on_is_required() -> None:
    assert blank(Photo).attributes("picture") == 'name="picture" id="picture" type="file" required'
    assert blank(Needs).attributes("picture") == 'name="picture" id="picture" type="file"'


@pytest.mark.parametrize(
    ("name", "type", "shown"),
    [
        ("name", "password", 'type="password" minlength="2" maxlength="20" required'),
        ("name", "email", 'type="email" minlength="2" maxlength="20" required value="Ann"'),
        ("name", "textarea", 'minlength="2" maxlength="20" required'),
        ("age", "range", 'type="range" min="18" max="150" required value="x"'),
        ("age", "hidden", 'type="hidden" required value="x"'),
        ("code", "textarea", "required"),
    ],
)
def test_another_type_of_input_has_what_applies_to_it(name: str, type: str, shown: str) -> None:
    form = filled(Shown, [("name", "Ann"), ("age", "x"), ("any_text", ""), ("terms", "on")])
    wanted = shown + (' aria-invalid="true" aria-describedby="age-error"' if name == "age" else "")
    assert form.attributes(name, type=type) == f'name="{name}" id="{name}" {wanted}'


def test_what_was_filled_in_is_shown_again_beside_the_error() -> None:
    form = filled(Signup, [("name", '"><script>&'), ("age", "9"), ("nickname", "it's")])
    assert form.attributes("name") == (
        'name="name" id="name" type="text" minlength="2" maxlength="20" required value="&#34;&gt;&lt;script&gt;&amp;"'
    )
    assert form.attributes("age").endswith('value="9" aria-invalid="true" aria-describedby="age-error"')
    assert form.error("age") == ('<span id="age-error" class="error">Expected an integer &gt;= 18 and &lt;= 150</span>')
    assert form.error("name") == form.error() == ""
    assert (form.attributes("news"), form.text("nickname")) == ('name="news" id="news" type="checkbox"', "it's")


def test_a_box_with_another_text_is_not_checked() -> None:
    assert filled(All, [FEW, TERMS, ("flag", "maybe")]).attributes("flag") == (
        'name="flag" id="flag" type="checkbox" aria-invalid="true" aria-describedby="flag-error"'
    )


def test_a_get_is_not_a_submission_whatever_it_says_of_itself() -> None:
    assert not filled(Signup, [], method="GET").submitted
    assert filled(Signup, [], method="PUT").submitted
    assert not filled(Signup, [], JSON).submitted


def test_errors_of_the_whole_have_a_place_of_their_own() -> None:
    form = filled(Signup, [*GOOD, ("nickname", "Ann")])
    assert form.error() == '<span id="form-error" class="error">The nickname has to be another name</span>'


@pytest.mark.parametrize(
    ("name", "pairs", "shown"),
    [
        ("size", [], ["small*", "large"]),
        ("size", [("size", "large")], ["small", "large*"]),
        ("size", [("size", "huge")], ["small", "large"]),
        ("plan", [], ["", "small", "big"]),
        ("plan", [("plan", "")], ["*", "small", "big"]),
        ("plan", [("plan", "big")], ["", "small", "big*"]),
        ("must", [], ["z*", "a"]),
        ("sizes", [("sizes", "small"), ("sizes", "large")], ["small*", "large*"]),
    ],
)
def test_choices_are_options_in_the_order_in_which_they_were_written(name: str, pairs: Pairs, shown: list[str]) -> None:
    form = filled(Shown, pairs) if pairs else blank(Shown)
    marks = ((" selected", shown.removesuffix("*")) if shown.endswith("*") else ("", shown) for shown in shown)
    assert form.options(name) == "".join(f'<option value="{text}"{mark}>{text}</option>' for mark, text in marks)


class Unchosen(Struct):
    size: Size
    quoted: Literal['"<'] = '"<'


def test_what_has_to_be_chosen_begins_with_nothing_chosen() -> None:
    form = blank(Unchosen)
    assert form.attributes("size") == 'name="size" id="size" required'
    assert form.options("size").startswith('<option value=""></option><option value="small">')
    assert form.options("quoted") == '<option value="&#34;&lt;" selected>&#34;&lt;</option>'


def test_a_form_may_show_what_there_is_already() -> None:
    form = blank(Signup).showing(Signup("Ann & Ben", 42, news=False, nickname=None))
    assert (form.submitted, form.value, form.errors) == (False, None, {})
    assert form.attributes("name").endswith('value="Ann &amp; Ben"')
    assert form.attributes("news") == 'name="news" id="news" type="checkbox"'
    assert form.text("nickname") == ""


@pytest.mark.parametrize("method", ["attributes", "options", "text", "error"])
def test_a_field_that_is_not_there_is_told_with_those_that_are(method: str) -> None:
    with pytest.raises(LookupError, match="Signup has no field 'nam'; it has name, age, news, nickname, born"):
        getattr(blank(Signup), method)("nam")


def test_only_choices_have_options() -> None:
    with pytest.raises(LookupError, match="The field 'name' has no choices"):
        blank(Signup).options("name")


def test_templates_take_it_for_html() -> None:
    jinja2 = pytest.importorskip("jinja2")
    template = jinja2.Environment(autoescape=True).from_string(
        '<input {{ form.attributes("name") }}>{{ form.error("name") }}{{ form.text("name") }}'
    )
    assert template.render(form=filled(Signup, [("name", "<")])) == (
        '<input name="name" id="name" type="text" minlength="2" maxlength="20" required value="&lt;"'
        ' aria-invalid="true" aria-describedby="name-error">'
        '<span id="name-error" class="error">Expected text of length &gt;= 2 and &lt;= 20</span>&lt;'
    )
    assert Html("<b>").__html__() == "<b>"


class Attributes(HTMLParser):
    """The attributes of the first element."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: dict[str, str | None] = {}
        self.tags = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags += 1
        self.found = dict(attrs)


@given(st.text())
def test_no_text_leaves_its_attribute(text: str) -> None:
    form = blank(Signup).showing(Signup(text, 1))
    parsed = Attributes(f"<input {form.attributes('name')}>")
    assert parsed.tags == 1
    assert parsed.found["value"] == text


@given(
    st.builds(
        Signup,
        name=st.text("abcdefgh", min_size=2, max_size=20),
        age=st.integers(18, 150),
        news=st.booleans(),
        nickname=st.none() | st.text("xyz", min_size=1),
        born=st.none() | st.dates(),
    )
)
def test_what_is_shown_and_sent_back_is_the_same_value(value: Signup) -> None:
    texts = blank(Signup).showing(value).texts
    pairs = [(name, text) for name, found in texts.items() for text in found]
    checked = [pair for pair in pairs if pair != ("news", "false")]  # as a browser leaves out what is not checked
    named = dict.fromkeys(("nickname", "born"), "") | dict(checked)
    assert filled(Signup, [*named.items()]).value == value


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
def test_what_no_form_can_be_is_refused_when_the_app_is_made(annotation: Any, what: str) -> None:
    async def signup(self: App, form: Any) -> None: ...

    signup.__annotations__["form"] = annotation
    cls: type[App] = type("Bad", (App,), {"signup": signup})
    with pytest.raises(SetupError) as caught:
        cls()
    assert [problem.what for problem in caught.value.problems] == [what]


def test_a_form_has_no_default_and_no_websocket_has_a_form() -> None:
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


def test_a_generic_app_has_the_form_of_its_type() -> None:
    class Crud(App, Generic[T]):
        async def new(self, form: FormResult[T]) -> str:
            return form.attributes("age")

    class People(Crud[Signup]): ...

    assert 'max="150"' in call(People(), "GET", "/new").text


def test_forms_beside_each_other_share_nothing() -> None:
    seen: list[FormResult[Any]] = []
    app = shown(Signup, seen)
    answers: list[Callable[[], Answer]] = [
        lambda: call(app, "POST", "/signup", b"name=A", FORM),
        lambda: call(app, "GET", "/signup"),
    ]
    for answer in answers:
        assert answer().status == 204
    assert [form.errors == {} for form in seen] == [False, True]
    assert repr(seen) == "[<FormResult of Signup: errors>, <FormResult of Signup: not submitted>]"
