"""These tests call the functions by which the binder and the error report read sources."""

import asyncio
from datetime import datetime
from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct

from micropie import Body, Cookie, Form, FormResult, Header, HTTPError, Limits, Query, Request
from micropie.binding.readers import (
    LOOKUPS,
    make_bytes_checker,
    make_form_result_reader,
    make_names_reader,
    make_plain_text_reader,
    make_presence_checker,
    refuse_media_type,
)
from micropie.conversion.exceptions import CONVERSION_ERRORS
from micropie.errors import BadRequest, Invalid, Source
from micropie.sentinels import UNSET
from micropie.types import Message
from tests.binding.signatures import only, positional, value
from tests.support.asgi import FORM, JSON, RawHeaders, http_scope


class Wanted(Struct):
    page: int = 1
    accept_language: str = ""


class Closed(Struct, forbid_unknown_fields=True):
    page: int = 1


class Tagged(Struct, tag=True):
    page: int = 1


class Renamed(Struct, rename="kebab"):
    first_name: str = ""


class Sized(Struct):
    size: int = 0


def request_with(
    query: str = "", headers: RawHeaders = (), body: bytes = b"", session: dict[str, Any] | None = None
) -> Request:
    """Return a request whose body was received."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def build() -> Request:
        length: RawHeaders = ((b"content-length", str(len(body)).encode()),) if body else ()
        request = Request(http_scope("POST", f"/?{query}", [*headers, *length]), receive, Limits())
        if body:
            await request.read_body()
        if session:
            request.session = session
        return request

    return asyncio.run(build())


COOKIE = ((b"cookie", b"v=a; v=b; w=c"),)
SOURCES: list[tuple[Source, Request, object]] = [
    ("query", request_with("v=1&v=2&w=3"), ["1", "2"]),
    ("query", request_with("v="), [""]),
    ("form", request_with(headers=FORM, body=b"v=1&w=2"), ["1"]),
    ("body", request_with(headers=JSON, body=b'{"v": [1], "w": 2}'), b"[1]"),
    ("cookie", request_with(headers=COOKIE), ["a", "b"]),
    ("header", request_with(headers=((b"V", b"x"), (b"v", b"y"))), ["x", "y"]),
    ("session", request_with(session={"v": 5, "w": 6}), 5),
]


@pytest.mark.parametrize(("source", "request_", "expected"), SOURCES, ids=[source for source, _, _ in SOURCES])
def test_value_is_looked_up_by_its_name(source: Source, request_: Request, expected: object) -> None:
    parameter = only(value(int))
    found = LOOKUPS[source](parameter, request_, [])
    assert (bytes(found) if source == "body" else found) == expected


@pytest.mark.parametrize("source", LOOKUPS)
def test_missing_value_is_unset_in_every_source(source: Source) -> None:
    assert LOOKUPS[source](only(value(int)), request_with(), []) is UNSET


@pytest.mark.parametrize(
    ("annotation", "texts"),
    [
        (str, ["a, b", "c"]),
        (list[str], ["a", "b", "c"]),
        (set[int] | None, ["a", "b", "c"]),
        (list[datetime], ["a, b", "c"]),
    ],
)
def test_list_in_a_header_is_split_at_commas_but_a_date_is_not(annotation: Any, texts: list[str]) -> None:
    request = request_with(headers=((b"v", b"a, b"), (b"V", b"c")))
    assert LOOKUPS["header"](only(value(annotation)), request, []) == texts


@pytest.mark.parametrize(("segments", "expected"), [([], UNSET), (["a"], ["a"]), (["a", "b"], ["a"])])
def test_path_value_is_looked_up_by_its_index(segments: list[str], expected: object) -> None:
    assert LOOKUPS["path"](only(positional(int)), request_with(), segments) == expected


QUERY = "page=2&other=3&type=Tagged&first-name=Ann"
HEADERS = ((b"Page", b"5"), (b"page", b"6"), (b"Accept-Language", b"de"), (b"X-Other", b"x"))
COOKIES = ((b"cookie", b"page=7; other=8"),)
NAMES: list[tuple[Source, Any, Request, dict[str, list[str]]]] = [
    ("query", Annotated[Wanted, Query()], request_with(QUERY), {"page": ["2"]}),
    ("query", Annotated[Wanted | None, Query()], request_with(QUERY), {"page": ["2"]}),
    ("query", Annotated[Wanted, Query()], request_with(), {}),
    ("query", Annotated[Tagged, Query()], request_with(QUERY), {"page": ["2"], "type": ["Tagged"]}),
    ("query", Annotated[Renamed, Query()], request_with(QUERY), {"first-name": ["Ann"]}),
    ("query", Annotated[Closed, Query()], request_with("page=2&other=3"), {"page": ["2"], "other": ["3"]}),
    ("query", Annotated[dict[str, str], Query()], request_with("a=1&b=2"), {"a": ["1"], "b": ["2"]}),
    ("cookie", Annotated[Wanted, Cookie()], request_with(headers=COOKIES), {"page": ["7"]}),
    ("cookie", Annotated[Closed, Cookie()], request_with(headers=COOKIES), {"page": ["7"], "other": ["8"]}),
    (
        "header",
        Annotated[Wanted, Header()],
        request_with(headers=HEADERS),
        {"page": ["5", "6"], "accept_language": ["de"]},
    ),
    ("header", Annotated[Closed, Header()], request_with(headers=HEADERS), {"page": ["5", "6"]}),
]


@pytest.mark.parametrize(("source", "annotation", "request_", "expected"), NAMES)
def test_structure_is_built_from_the_names_of_its_fields(
    source: Source, annotation: Any, request_: Request, expected: dict[str, list[str]]
) -> None:
    assert make_names_reader(source, only(value(annotation)))(request_) == expected


def test_dictionary_of_headers_has_every_header() -> None:
    names = make_names_reader("header", only(value(Annotated[dict[str, str], Header()])))(request_with(headers=HEADERS))
    assert {name.lower(): lines for name, lines in names.items()} == {
        "page": ["5", "6"],
        "accept-language": ["de"],
        "x-other": ["x"],
    }


def test_bytes_without_constraints_are_not_checked() -> None:
    assert make_bytes_checker(only(value(Annotated[bytes, Body()]))) is None


@pytest.mark.parametrize("annotation", [bytes, bytes | None])
def test_bytes_are_checked_against_their_constraints(annotation: Any) -> None:
    check = make_bytes_checker(only(value(Annotated[annotation, Meta(min_length=2), Body()])))
    assert check is not None
    assert check(b"ab") == b"ab"
    with pytest.raises(CONVERSION_ERRORS):
        check(b"a")


@pytest.mark.parametrize(
    ("annotation", "accepted"),
    [
        (Wanted, "application/json or application/x-www-form-urlencoded or multipart/form-data"),
        (Annotated[Wanted, Body()], "application/json"),
        (Annotated[Wanted, Form()], "application/x-www-form-urlencoded or multipart/form-data"),
        (list[Wanted], "application/json"),
    ],
)
def test_body_of_another_media_type_is_refused_with_those_that_are_accepted(annotation: Any, accepted: str) -> None:
    with pytest.raises(HTTPError) as refused:
        refuse_media_type(only(value(annotation)))
    assert (refused.value.status, refused.value.detail) == (415, f"The request body must be {accepted}")


def test_form_result_holds_the_submitted_value_or_its_errors() -> None:
    read_form = make_form_result_reader(only(value(FormResult[Sized])))
    results: list[Any] = [read_form(request_with(headers=FORM, body=body)) for body in (b"size=3", b"size=x")]
    assert [(result.submitted, result.value, list(result.errors)) for result in results] == [
        (True, Sized(3), []),
        (True, None, ["size"]),
    ]


def test_form_result_of_a_request_without_a_body_is_not_submitted() -> None:
    result: Any = make_form_result_reader(only(value(FormResult[Sized])))(request_with())
    assert (result.submitted, result.value, result.errors) == (False, None, {})


def test_form_result_of_the_query_is_read_from_there() -> None:
    result: Any = make_form_result_reader(only(value(Annotated[FormResult[Sized], Query()])))(request_with("size=4"))
    assert (result.submitted, result.value) == (True, Sized(4))


def test_form_result_of_another_media_type_is_refused() -> None:
    read_form = make_form_result_reader(only(value(FormResult[Sized])))
    with pytest.raises(HTTPError) as refused:
        read_form(request_with(headers=JSON, body=b"{}"))
    assert refused.value.status == 415


@pytest.mark.parametrize(
    ("annotation", "content_type", "body", "expected"),
    [
        (str, b"text/plain", b"caf\xc3\xa9", "café"),
        (str, b"Text/Plain; charset=UTF-8", b"a", "a"),
        (str, b'text/plain;charset="utf-8"', b"a", "a"),
        (int, b"text/plain", b"5", 5),
    ],
)
def test_plain_text_is_read_as_the_type(annotation: Any, content_type: bytes, body: bytes, expected: object) -> None:
    read_text = make_plain_text_reader(only(value(Annotated[annotation, Body()])))
    assert read_text(request_with(headers=((b"content-type", content_type),), body=body)) == expected


@pytest.mark.parametrize("content_type", [b"text/html", b"text/plain; charset=latin-1", b"application/octet-stream"])
def test_plain_text_of_another_type_or_charset_is_refused(content_type: bytes) -> None:
    read_text = make_plain_text_reader(only(value(Annotated[str, Body()])))
    with pytest.raises(HTTPError) as refused:
        read_text(request_with(headers=((b"content-type", content_type),), body=b"a"))
    assert refused.value.status == 415


def test_plain_text_that_is_not_utf8_is_refused() -> None:
    read_text = make_plain_text_reader(only(value(Annotated[str, Body()])))
    with pytest.raises(BadRequest) as refused:
        read_text(request_with(headers=((b"content-type", b"text/plain"),), body=b"\xff"))
    assert refused.value.errors == [Invalid("Expected UTF-8 text", pointer="")]


@pytest.mark.parametrize(
    ("annotation", "is_form_expected", "body", "expected"),
    [
        (Wanted | None, False, b"other=1", True),
        (Wanted | None, True, b"other=1", False),
        (Wanted | None, True, b"other=1&page=2", True),
        (dict[str, str] | None, True, b"other=1", True),
        (Wanted | None, False, b"", False),
        (Wanted | None, True, b"", False),
    ],
)
def test_form_brings_an_optional_structure_if_it_has_a_name_of_it(
    annotation: Any, is_form_expected: bool, body: bytes, expected: bool
) -> None:
    is_present = make_presence_checker(only(value(annotation)), is_form_expected=is_form_expected)
    assert is_present(request_with(headers=FORM, body=body)) is expected
