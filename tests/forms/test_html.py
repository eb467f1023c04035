"""These tests render a form as HTML: attributes, options and errors. `test_in_browser.py` tries them in a browser."""

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from html.parser import HTMLParser
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from micropie import File, UploadFile
from micropie.forms.html import Html
from tests.forms.examples import FEW, GOOD, TERMS, All, Needs, Pairs, Photo, Signup, Size, blank, filled


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
    tens: Annotated[float, Meta(gt=30, le=100, multiple_of=10)] = 50
    beyond: Annotated[float, Meta(gt=35, lt=95, multiple_of=10)] = 50
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
    "tens": 'type="number" min="40" max="100" step="10" required value="50"',
    "beyond": 'type="number" min="40" max="90" step="10" required value="50"',
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


@pytest.mark.parametrize("name", Shown.__struct_fields__)
def test_constraints_of_a_type_are_attributes_that_a_browser_checks(name: str) -> None:
    start = f'name="{name}" id="{name}"'
    assert blank(Shown).attributes(name) == f"{start} {ATTRIBUTES[name]}".rstrip()


def test_file_is_required_unless_it_is_optional() -> None:
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
def test_another_type_of_input_gets_the_attributes_that_apply_to_it(name: str, type: str, shown: str) -> None:
    form = filled(Shown, [("name", "Ann"), ("age", "x"), ("any_text", ""), ("terms", "on")])
    wanted = shown + (' aria-invalid="true" aria-describedby="age-error"' if name == "age" else "")
    assert form.attributes(name, type=type) == f'name="{name}" id="{name}" {wanted}'


def test_submitted_texts_are_shown_again_beside_the_errors() -> None:
    form = filled(Signup, [("name", '"><script>&'), ("age", "9"), ("nickname", "it's")])
    assert form.attributes("name") == (
        'name="name" id="name" type="text" minlength="2" maxlength="20" required value="&#34;&gt;&lt;script&gt;&amp;"'
    )
    assert form.attributes("age").endswith('value="9" aria-invalid="true" aria-describedby="age-error"')
    assert form.error("age") == ('<span id="age-error" class="error">Expected an integer &gt;= 18 and &lt;= 150</span>')
    assert form.error("name") == form.error() == ""
    assert (form.attributes("news"), form.text("nickname")) == ('name="news" id="news" type="checkbox"', "it's")


def test_checkbox_with_an_invalid_text_is_not_checked() -> None:
    assert filled(All, [FEW, TERMS, ("flag", "maybe")]).attributes("flag") == (
        'name="flag" id="flag" type="checkbox" aria-invalid="true" aria-describedby="flag-error"'
    )


def test_errors_of_the_whole_form_have_a_separate_element() -> None:
    form = filled(Signup, [*GOOD, ("nickname", "Ann")])
    assert form.error() == '<span id="form-error" class="error">The nickname must differ from the name</span>'


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
def test_choices_are_options_in_their_written_order(name: str, pairs: Pairs, shown: list[str]) -> None:
    form = filled(Shown, pairs) if pairs else blank(Shown)
    marks = ((" selected", shown.removesuffix("*")) if shown.endswith("*") else ("", shown) for shown in shown)
    assert form.options(name) == "".join(f'<option value="{text}"{mark}>{text}</option>' for mark, text in marks)


class Unchosen(Struct):
    size: Size
    quoted: Literal['"<'] = '"<'


def test_required_select_without_a_default_begins_with_an_empty_option() -> None:
    form = blank(Unchosen)
    assert form.attributes("size") == 'name="size" id="size" required'
    assert form.options("size").startswith('<option value=""></option><option value="small">')
    assert form.options("quoted") == '<option value="&#34;&lt;" selected>&#34;&lt;</option>'


def test_showing_puts_an_existing_value_into_the_fields() -> None:
    form = blank(Signup).showing(Signup("Ann & Ben", 42, news=False, nickname=None))
    assert (form.submitted, form.value, form.errors) == (False, None, {})
    assert form.attributes("name").endswith('value="Ann &amp; Ben"')
    assert form.attributes("news") == 'name="news" id="news" type="checkbox"'
    assert form.text("nickname") == ""


@pytest.mark.parametrize("method", ["attributes", "options", "text", "error"])
def test_unknown_field_raises_an_error_that_lists_the_fields(method: str) -> None:
    with pytest.raises(LookupError, match="Signup has no field 'nam'; it has name, age, news, nickname, born"):
        getattr(blank(Signup), method)("nam")


def test_field_without_choices_has_no_options() -> None:
    with pytest.raises(LookupError, match="The field 'name' has no choices"):
        blank(Signup).options("name")


def test_templates_insert_the_html_unescaped() -> None:
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
        self.attributes: dict[str, str | None] = {}
        self.tags = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags += 1
        self.attributes = dict(attrs)


@given(st.text())
def test_text_never_leaves_its_attribute(text: str) -> None:
    form = blank(Signup).showing(Signup(text, 1))
    parsed = Attributes(f"<input {form.attributes('name')}>")
    assert parsed.tags == 1
    assert parsed.attributes["value"] == text


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
def test_shown_value_that_is_submitted_unchanged_is_the_same_value(value: Signup) -> None:
    texts = blank(Signup).showing(value).texts
    pairs = [(name, text) for name, values in texts.items() for text in values]
    checked = [pair for pair in pairs if pair != ("news", "false")]  # a browser leaves out an unchecked box
    named = dict.fromkeys(("nickname", "born"), "") | dict(checked)
    assert filled(Signup, [*named.items()]).value == value
