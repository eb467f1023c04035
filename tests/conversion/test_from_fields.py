"""Structured types are built from names and their texts, and all errors are reported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Generic, NamedTuple, NotRequired, TypedDict, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct
from msgspec import inspect as mi

from micropie.conversion.exceptions import CONVERSION_ERRORS
from micropie.conversion.from_fields import FormReaders, make_form_readers
from micropie.uploads.upload_file import UploadFile
from tests.support.shared_types import Cat, Closed, Range, Wheel

T = TypeVar("T")


class Colour(Enum):
    RED = "red"


class Signup(Struct):
    name: Annotated[str, Meta(min_length=1)]
    age: Annotated[int, Meta(ge=18)] | None = None
    tags: list[str] = []
    colour: Colour = Colour.RED
    price: Decimal = Decimal(0)
    newsletter: bool = False
    secret: bytes = b""


class Renamed(Struct, rename="kebab"):
    first_name: str


class Row(Struct, array_like=True, rename="upper"):
    x: int
    y: str = "why"

    def __post_init__(self) -> None:
        if self.x > 9:
            raise ValueError("x is a digit")


class Dog(Struct, tag=True, forbid_unknown_fields=True):
    name: str


class One(Struct, tag=1, tag_field="version"):
    x: int


class Two(Struct, tag=2, tag_field="version"):
    y: int


class Box(Struct, Generic[T]):
    content: T


class Nested(Struct):
    inside: Closed
    x: int = 0


class MaybeNested(Struct):
    x: int
    inside: Closed | None = None


class NestedCat(Struct, tag=True):
    inside: Closed


class Picky(Struct):
    x: int

    def __post_init__(self) -> None:
        raise msgspec.ValidationError(f"{self.x}")


class Pictures(Struct):
    title: str
    image: UploadFile
    more: list[UploadFile] = []
    thumbnail: UploadFile | None = None


@dataclass
class User:
    name: str
    born: date | None = None
    groups: set[str] = field(default_factory=set)


class Address(TypedDict):
    street: str
    number: NotRequired[int]


class Point(NamedTuple):
    x: int
    y: int = 5
    z: Annotated[int, Meta(ge=0)] = 0


def make_form(annotation: Any) -> FormReaders:
    form = make_form_readers(annotation, mi.type_info(annotation))
    assert form is not None
    return form


def texts(**names: str | Sequence[str]) -> Mapping[str, Sequence[str]]:
    return {name: [value] if isinstance(value, str) else value for name, value in names.items()}


@pytest.mark.parametrize(
    ("annotation", "names", "value"),
    [
        (Signup, texts(name="A"), Signup("A")),
        (
            Signup,
            texts(
                name=["A", "B"],
                age="18",
                tags=["x", "y"],
                colour="red",
                price="1.10",
                newsletter="on",
                secret="é",
                x="",
            ),
            Signup("A", 18, ["x", "y"], Colour.RED, Decimal("1.10"), True, "é".encode()),
        ),
        (Signup, texts(name="A", age=""), Signup("A", None)),
        (Signup | None, texts(name="A"), Signup("A")),
        (Renamed, {"first-name": ["A"]}, Renamed("A")),
        (Row, texts(X="1"), Row(1)),
        (Row, texts(X="1", Y="a"), Row(1, "a")),
        (Closed, {}, Closed()),
        (Closed, texts(x="5"), Closed(5)),
        (Cat, texts(lives="9"), Cat(9)),
        (Cat, texts(type="Cat", lives="9"), Cat(9)),
        (Cat | Dog, texts(type="Dog", name="x"), Dog("x")),
        (Cat | Dog | None, texts(type="Cat", lives="9", name="x"), Cat(9)),
        (One | Two, texts(version="2", y="5"), Two(5)),
        (Box[date], texts(content="2024-01-01"), Box(date(2024, 1, 1))),
        (MaybeNested, texts(x="1"), MaybeNested(1)),
        (Range, texts(low="1", high="2"), Range(1, 2)),
        (User, texts(name="A", born="2000-01-01", groups=["a", "a"]), User("A", date(2000, 1, 1), {"a"})),
        (Address, texts(street="x"), {"street": "x"}),
        (Address, texts(street="x", number="5", other="y"), {"street": "x", "number": 5}),
        (Point, texts(x="1"), Point(1)),
        (Point, texts(x="1", z="3"), Point(1, 5, 3)),
        (Wheel, texts(size="5"), Wheel(5)),
        (dict, texts(a=["1", "2"], b=""), {"a": "1", "b": ""}),
        (dict[str, int], texts(a=["1", "2"]), {"a": 1}),
        (dict[str, list[int]], texts(a=["1", "2"]), {"a": [1, 2]}),
        (dict[int, str] | None, {"1": ["a"]}, {1: "a"}),
        (dict[str, Any], texts(a="x"), {"a": "x"}),
    ],
)
def test_structured_type_is_built_from_names_and_texts(
    annotation: Any, names: Mapping[str, Sequence[str]], value: object
) -> None:
    form = make_form(annotation)
    result = form.read(names, {})
    assert (result, type(result)) == (value, type(value))
    assert form.find_errors(names, {}) == []


@pytest.mark.parametrize(
    ("annotation", "names", "errors"),
    [
        (Signup, {}, [("name", "Missing required parameter 'name'")]),
        (Signup, texts(name="", age="17", tags="x", colour="blue", price="nan", newsletter="maybe"), [
            ("name", "Expected text of length >= 1"),
            ("age", "Expected an integer >= 18"),
            ("colour", "Expected one of 'red'"),
            ("price", "Expected a decimal number"),
            ("newsletter", "Expected a boolean"),
        ]),
        (Renamed, texts(first_name="A"), [("first-name", "Missing required parameter 'first-name'")]),
        (Row, texts(x="1"), [("X", "Missing required parameter 'X'")]),
        (Row, texts(X="x"), [("X", "Expected an integer")]),
        (Row, texts(X="10"), [(None, "x is a digit")]),
        (Closed, texts(x="x", y="1", z="2"), [
            ("x", "Expected an integer"), ("y", "Unknown field"), ("z", "Unknown field"),
        ]),
        (Cat, texts(type="Dog", lives="x"), [("lives", "Expected an integer"), ("type", "Expected 'Cat'")]),
        (Cat | Dog, texts(lives="9"), [("type", "Expected one of 'Cat', 'Dog'")]),
        (Cat | Dog, texts(type="Cow"), [("type", "Expected one of 'Cat', 'Dog'")]),
        (Cat | Dog, texts(type="Dog", lives="9"), [
            ("name", "Missing required parameter 'name'"), ("lives", "Unknown field"),
        ]),
        (One | Two, texts(version="3"), [("version", "Expected one of 1, 2")]),
        (Box[date], texts(content="x"), [("content", "Expected an RFC 3339 date")]),
        (MaybeNested, texts(x="1", inside="x"), [("inside", "Expected an object")]),
        (Range, texts(low="2", high="1"), [(None, "low must not be above high")]),
        (Range, texts(low="2", high="x"), [("high", "Expected an integer")]),
        (Picky, texts(x="1"), [(None, "1")]),
        (User, texts(born="x"), [
            ("name", "Missing required parameter 'name'"), ("born", "Expected an RFC 3339 date"),
        ]),
        (Address, texts(number="x"), [
            ("street", "Missing required parameter 'street'"), ("number", "Expected an integer"),
        ]),
        (Point, texts(x="1", z="-1"), [("z", "Expected an integer >= 0")]),
        (dict[str, int], texts(a="x", b="1", c="y"), [("a", "Expected an integer"), ("c", "Expected an integer")]),
        (dict[str, list[int]], texts(a=["1", "x"]), [("a", "Expected values, each an integer")]),
        (dict[int, int], texts(a="x"), [("a", "Expected the name to be an integer"), ("a", "Expected an integer")]),
        (Annotated[dict[str, int], Meta(max_length=1)], texts(a="1", b="2"), [
            (None, "Expected an object of length <= 1"),
        ]),
    ],
)  # fmt: skip
def test_all_errors_are_reported(
    annotation: Any, names: Mapping[str, Sequence[str]], errors: list[tuple[str | None, str]]
) -> None:
    form = make_form(annotation)
    with pytest.raises(CONVERSION_ERRORS):
        form.read(names, {})
    # msgspec lists the required fields of a dataclass first, so errors come in that order.
    assert sorted((e.parameter or "", e.detail) for e in form.find_errors(names, {})) == sorted(
        (name or "", detail) for name, detail in errors
    )


# These stand for uploads, which forms only pass on.
IMAGE, OTHER = UploadFile.__new__(UploadFile), UploadFile.__new__(UploadFile)


def test_files_fill_the_fields_of_their_names() -> None:
    result = make_form(Pictures).read(texts(title="x"), {"image": [IMAGE, OTHER], "more": [OTHER, IMAGE]})
    assert isinstance(result, Pictures)
    assert (result.title, result.image, result.more, result.thumbnail) == (
        "x",
        IMAGE,
        [OTHER, IMAGE],
        None,
    )


def test_optional_file_that_is_sent_fills_its_field() -> None:
    result = make_form(Pictures).read(texts(title="x"), {"image": [IMAGE], "thumbnail": [OTHER]})
    assert isinstance(result, Pictures)
    assert result.thumbnail is OTHER


def test_text_in_place_of_a_file_is_reported_as_a_missing_file() -> None:
    (error,) = make_form(Pictures).find_errors(texts(title="x", image="y"), {})
    assert (error.parameter, error.detail) == ("image", "Missing required parameter 'image'")


def test_unknown_file_for_a_closed_type_is_reported() -> None:
    (error,) = make_form(Closed).find_errors({}, {"image": [IMAGE]})
    assert (error.parameter, error.detail) == ("image", "Unknown field")


@pytest.mark.parametrize(
    "annotation",
    [
        Nested,
        NestedCat | Cat,
        list[Signup],
        Signup | list[int],
        dict[str, Signup],
        dict[str, list[Signup]],
        dict[str, UploadFile],
        dict[str, dict[str, int]],
        UploadFile,
    ],
)
def test_type_that_names_and_texts_cannot_hold_has_no_form_readers(annotation: Any) -> None:
    assert make_form_readers(annotation, mi.type_info(annotation)) is None


@given(st.dictionaries(st.sampled_from(["name", "age", "tags", "price", "x", ""]), st.lists(st.text(), min_size=1)))
@pytest.mark.parametrize("annotation", [Signup, Closed, User, Point, Cat | Dog, dict[str, int], dict[int, str]])
def test_errors_are_found_exactly_if_reading_fails(annotation: Any, names: Mapping[str, Sequence[str]]) -> None:
    form = make_form(annotation)
    try:
        form.read(names, {})
    except CONVERSION_ERRORS:
        assert form.find_errors(names, {})
    else:
        assert form.find_errors(names, {}) == []
