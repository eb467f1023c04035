"""JSON that does not fit is refused at the pointer of each error, and malformed JSON as a whole."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta

from micropie import Body
from tests.support.shared_types import Cat, Closed, Colour, Dog, Level, Point, Range, Tag, Todo, Tree, User, Wheel

from .bad_input import SECRET, Address, Errors, cached_target, check, in_json, name_of, target

Cases: TypeAlias = Sequence[tuple[str, str | Sequence[tuple[str, str]]]]
"""JSON with its errors: an error of the whole document, or errors at pointers."""


DOCUMENTS: list[tuple[Any, Cases]] = [
    (int, [
        ('"5"', "Expected an integer, got a string"), ("5.5", "Expected an integer"),
        ("true", "Expected an integer, got a boolean"), ("null", "Expected an integer, got null"),
        ("[5]", "Expected an integer, got an array"), ("{}", "Expected an integer, got an object"),
        (f'"{SECRET}"', "Expected an integer, got a string"), ("1e3", "Expected an integer"),
    ]),
    (Annotated[int, Meta(ge=1, le=5)], [
        ("0", "Expected an integer >= 1 and <= 5"), ("6", "Expected an integer >= 1 and <= 5"),
        ("9" * 40, "Expected an integer >= 1 and <= 5"),
    ]),
    (float, [('"1.5"', "Expected a number, got a string"), ("true", "Expected a number, got a boolean")]),
    (bool, [("1", "Expected a boolean, got a number"), ('"true"', "Expected a boolean, got a string")]),
    (Annotated[str, Meta(min_length=2, max_length=4)], [
        ('"x"', "Expected text of length >= 2 and <= 4"), (f'"{SECRET}"', "Expected text of length >= 2 and <= 4"),
        ("55", "Expected text of length >= 2 and <= 4, got a number"),
    ]),
    (Annotated[bytes, Meta(max_length=4)], [
        ('"%"', "Expected base64 text of length <= 4"), ('"AAAAAAAA"', "Expected base64 text of length <= 4"),
    ]),
    (Decimal, [('"x"', "Expected a decimal number, got a string")]),
    (UUID, [('"x"', "Expected a UUID"), ("5", "Expected a UUID, got a number")]),
    (date, [('"2024-02-30"', "Expected an RFC 3339 date"), ("5", "Expected an RFC 3339 date, got a number")]),
    (datetime, [('"2024-01-01"', "Expected an RFC 3339 date and time")]),
    (time, [('"24:00:00"', "Expected an RFC 3339 time")]),
    (timedelta, [('"1 day"', "Expected an ISO 8601 duration")]),
    (Colour, [('"RED"', "Expected one of 'red', 'blue'"), ("5", "Expected one of 'red', 'blue'")]),
    (Level, [("3", "Expected one of 1, 2"), ('"1"', "Expected one of 1, 2")]),
    (Literal["a", "b", 1], [('"c"', "Expected one of 1, 'a', 'b'"), ("true", "Expected one of 1, 'a', 'b'")]),
    (int | None, [('""', "Expected an integer or null"), (f'"{SECRET}"', "Expected an integer or null")]),
    (int | str, [("[]", "Expected an integer or text"), ("null", "Expected an integer or text")]),
    (date | datetime, [
        ('"2024"', "Expected an RFC 3339 date or an RFC 3339 date and time"),
    ]),
    (list[int], [
        ("{}", "Expected an array, got an object"), ("5", "Expected an array, got a number"),
        (f'[1,"{SECRET}",2,null]', [
            ("/1", "Expected an integer, got a string"), ("/3", "Expected an integer, got null"),
        ]),
    ]),
    (Annotated[list[int], Meta(max_length=1)], [
        ('[1,"x"]', [("", "Expected an array of length <= 1"), ("/1", "Expected an integer, got a string")]),
    ]),
    (tuple[int, str], [
        ("[1]", "Expected an array of length 2"),
        ('["x",1]', [("/0", "Expected an integer, got a string"), ("/1", "Expected text, got a number")]),
    ]),
    (dict[str, int], [
        ("[]", "Expected an object, got an array"),
        ('{"a/b":"x","c~d":null}', [
            ("/a~1b", "Expected an integer, got a string"), ("/c~0d", "Expected an integer, got null"),
        ]),
    ]),
    (Todo, [
        ("[]", "Expected an object, got an array"), ("null", "Expected an object, got null"),
        ("{}", [("/title", "Missing required field")]),
        ('{"title":"longer","priority":9,"tags":[{"name":""},{},5],"colour":"green"}', [
            ("/title", "Expected text of length >= 1 and <= 5"), ("/priority", "Expected an integer >= 1 and <= 5"),
            ("/tags/0/name", "Expected text of length >= 1"), ("/tags/1/name", "Missing required field"),
            ("/tags/2", "Expected an object, got a number"), ("/colour", "Expected one of 'red', 'blue' or null"),
        ]),
    ]),
    (Closed, [(f'{{"y":"{SECRET}"}}', [("/y", "Unknown field")])]),
    (Range, [('{"low":2,"high":1}', "low must not be above high")]),
    (Cat | Dog, [
        ('{"lives":9}', [("/type", "Expected one of 'Cat', 'Dog'")]),
        (f'{{"type":"{SECRET}"}}', [("/type", "Expected one of 'Cat', 'Dog'")]),
        ('{"type":"Dog"}', [("/name", "Missing required field")]),
        ('{"type":"Cat","lives":"9"}', [("/lives", "Expected an integer, got a string")]),
    ]),
    (User, [('{"born":"x"}', [("/name", "Missing required field"), ("/born", "Expected an RFC 3339 date or null")])]),
    (Address, [('{"street":5,"number":"x"}', [
        ("/number", "Expected an integer, got a string"), ("/street", "Expected text of length <= 9, got a number"),
    ])]),
    (Point, [('[1,"x"]', [("/1", "Expected an integer, got a string")])]),
    (Wheel, [('{"size":"x"}', [("/size", "Expected an integer, got a string")])]),
    (list[Tag], [('[{"name":"a"},{"name":""}]', [("/1/name", "Expected text of length >= 1")])]),
]  # fmt: skip


def below(pointer: str, errors: str | Sequence[tuple[str, str]]) -> Errors:
    pairs = [("", errors)] if isinstance(errors, str) else errors
    return [(pointer + place, detail) for place, detail in pairs]


STRUCTURED = (dict[str, int], Todo, Closed, Range, Cat | Dog, User, Address, Point, Wheel, list[Tag])


@pytest.mark.parametrize(("annotation", "cases"), DOCUMENTS, ids=name_of)
def test_json_key_that_does_not_fit_is_refused_at_its_pointer(annotation: Any, cases: Cases) -> None:
    aim = cached_target(Annotated[annotation, Body("value")] if annotation in STRUCTURED else annotation)
    for document, errors in cases:
        check(aim, in_json(f'{{"value":{document}}}'), below("/value", errors))


# msgspec has no field of several types that JSON writes as text, so only a separate parameter can have such a type.
@pytest.mark.parametrize(
    ("annotation", "cases"), [case for case in DOCUMENTS if case[0] != date | datetime], ids=name_of
)
def test_field_of_the_whole_body_that_does_not_fit_is_refused_at_its_pointer(annotation: Any, cases: Cases) -> None:
    aim = target(msgspec.defstruct("Envelope", [("field", annotation)]))
    for document, errors in cases:
        check(aim, in_json(f'{{"field":{document}}}'), below("/field", errors))


@pytest.mark.parametrize(("annotation", "cases"), [case for case in DOCUMENTS if case[0] in STRUCTURED], ids=name_of)
def test_whole_body_that_does_not_fit_is_refused_at_its_pointers(annotation: Any, cases: Cases) -> None:
    for aim in (cached_target(annotation), cached_target(Annotated[annotation, Body()])):
        for document, errors in cases:
            check(aim, in_json(document), below("", errors))


@pytest.mark.parametrize(
    ("document", "kind"),
    [("[1]", "an array"), ("5", "a number"), ("null", "null"), ('"value"', "a string"), ("true", "a boolean")],
)
def test_json_body_that_is_not_an_object_has_no_keys(document: str, kind: str) -> None:
    check(cached_target(int), in_json(document), [("", f"Expected an object, got {kind}")])


MALFORMED: list[bytes] = [
    b"{", b"{]", b"{\"value\":}", b"{\"value\":1", b"{\"value\":1}}", b"{'value':1}", b"value=1", b"{\"value\":1,}",
    b"{\"value\":NaN}", b"{\"value\":Infinity}", b"{\"value\":-Infinity}", b"{\"value\":05}", b"{\"value\":+5}",
    b"{\"value\":1_000}", b"{\"value\":0x10}", b"{\"value\":.5}", b"{\"value\":5.}", b"{\"value\":1}\0", b"\0",
    b"\xef\xbb\xbf{\"value\":1}", b"\xff\xfe{\0}\0", b"{\"value\":" + b"[" * 100_000, b"[" * 100_000,
    b"{\"value\":" + b"[" * 100_000 + b"]" * 100_000 + b"}", b"{\"a\":" * 100_000 + b"1" + b"}" * 100_000,
    b"\xff", b"{\"value\":\xd9\xa1}",
]  # fmt: skip


@pytest.mark.parametrize("body", MALFORMED, ids=name_of)
@pytest.mark.parametrize("annotation", [int, Todo, dict[str, Any], Any, Tree])
def test_body_that_is_not_json_is_bad_json(annotation: Any, body: bytes) -> None:
    check(cached_target(Annotated[annotation, Body()]), in_json(body), [("", "Bad JSON")])


@pytest.mark.parametrize("raw", [b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xc0\x80"])
def test_json_text_that_is_not_utf8_is_bad_json(raw: bytes) -> None:
    body = b'{"value":"' + raw + b'"}'
    annotations: list[Any] = [str, int, Any, Annotated[str, Meta(max_length=1)], Colour, dict[str, Any], Tree]
    for annotation in annotations:
        check(cached_target(annotation), in_json(body), [("", "Bad JSON")])


TOO_MUCH = ["1e999", "-1e999", "9" * 5000, "[1e999]", "[[" + "9" * 5000 + "]]", '{"x":1e999}']


@pytest.mark.parametrize("document", TOO_MUCH, ids=name_of)
@pytest.mark.parametrize("annotation", [int, float, str, Any, list[int], int | float | None])
def test_json_number_too_large_for_python_is_refused_at_its_pointer(annotation: Any, document: str) -> None:
    check(cached_target(annotation), in_json(f'{{"value":{document}}}'), [("/value", "A number is out of range")])


@pytest.mark.parametrize("document", ['{"value":1e999}', '{"value":' + "9" * 5000 + "}"], ids=name_of)
def test_json_number_too_large_for_python_in_a_whole_body_is_refused(document: str) -> None:
    for annotation in (Tree, dict[str, Any], dict[str, float]):
        check(cached_target(annotation), in_json(document), [("", "A number is out of range")])


NO_TEXT_IN_JSON = [
    b'{"value":"\\ud800"}', b'{"value":"\\udc00\\ud800"}', b'{"value":"\\udfff!"}', b'{"\\ud800":1,"value":1}',
    b'{"\xff":1,"value":1}', b'{"value":"\0"}',
]  # fmt: skip


@pytest.mark.parametrize("body", NO_TEXT_IN_JSON)
@pytest.mark.parametrize("annotation", [str, int, Any, dict[str, Any], Annotated[str, Meta(max_length=1)]])
def test_json_with_surrogates_or_control_characters_is_bad_json(annotation: Any, body: bytes) -> None:
    check(cached_target(annotation), in_json(body), [("", "Bad JSON")])


@pytest.mark.parametrize("text", ["NaN", "-nan", "sNaN1", "Infinity", "-inf", "\\u004eaN", SECRET])
def test_decimal_from_json_text_cannot_be_infinite_or_nan(text: str) -> None:
    wrong = "Expected a decimal number, got a string"
    check(cached_target(Decimal), in_json(f'{{"value":"{text}"}}'), [("/value", wrong)])
    check(cached_target(dict[str, Decimal]), in_json(f'{{"x":"{text}"}}'), [("/x", wrong)])


@pytest.mark.parametrize("depth", [300, 900])
def test_deeply_nested_json_that_does_not_fit_is_refused_without_a_crash(depth: int) -> None:
    document = '{"value":1,"children":[' * depth + '{"value":"x"}' + "]}" * depth
    response = in_json(document).to(cached_target(Tree).app)
    assert (response.status, response.header("content-type")) == (400, "application/problem+json")
    assert cached_target(Tree).calls == []


def test_colliding_keys_are_refused() -> None:
    modulus = 2**61 - 1
    document = "{" + ",".join(f'"{number * modulus}":1' for number in range(1, 5000)) + "}"
    response = in_json(document).to(cached_target(dict[int, int]).app)
    assert (response.status, cached_target(dict[int, int]).calls) == (400, [])
