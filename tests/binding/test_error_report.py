"""A bad request gets every error of every source at once, as text and as JSON, and its handler does not run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import quote
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from micropie import App, Body, Cookie, Form, Header, Limits, Query, Resource, Session, UploadFile
from micropie.errors import Invalid
from tests.support.asgi import FORM, JSON, MULTIPART, PROBLEM, RawHeaders, Response, call, form_data
from tests.support.shared_types import Cat, Closed, Colour, Dog, Point, Range

Rating = Annotated[int, Meta(ge=1, le=5)]
ran: list[object] = []


@pytest.fixture(autouse=True)
def nothing_runs() -> Any:
    """Assert that no handler ran, except those that a test has asked for. Every handler here adds to `ran`."""
    ran.clear()
    yield
    assert ran == []


def app_for(annotation: Any, marker: Any = None) -> App:
    """Return an app whose `/h` takes one parameter `v`, and whose `/store` puts a JSON body into the session."""
    pinned: Any = annotation if marker is None else Annotated[annotation, marker]

    class Api(App):
        async def h(self, v: pinned) -> str:  # pyright: ignore[reportInvalidTypeForm]
            ran.append(v)
            return "ran"

        async def store(self, data: Annotated[dict[str, Any], Body()]) -> str:
            self.request.session = data
            return ""

    return Api()


def logged_in(app: App, data: Mapping[str, object]) -> tuple[bytes, bytes]:
    cookie = call(app, "POST", "/store", msgspec.json.encode(data), JSON).header("set-cookie") or ""
    return b"cookie", cookie.partition(";")[0].encode()


def ask(app: App, source: str, value: object, accept: RawHeaders = ()) -> Response:
    """Send a request with `value` as `v` in `source`: any value for JSON and the session, else a text."""
    if source == "path":
        return call(app, "GET", f"/h/{quote(str(value), safe='')}", headers=accept)
    if source == "query":
        return call(app, "GET", f"/h?v={quote(str(value))}", headers=accept)
    if source == "form":
        return call(app, "POST", "/h", f"v={quote(str(value))}".encode(), [*accept, *FORM])
    if source == "multipart":
        return call(app, "POST", "/h", form_data({"v": value}), [*accept, *MULTIPART])
    if source == "header":
        return call(app, "GET", "/h", headers=[*accept, (b"v", str(value).encode())])
    if source == "cookie":
        return call(app, "GET", "/h", headers=[*accept, (b"cookie", f"v={value}".encode())])
    if source == "json":
        return call(app, "POST", "/h", msgspec.json.encode({"v": value}), [*accept, *JSON])
    return call(app, "GET", "/h", headers=[*accept, logged_in(app, {"v": value})])


# --- one invalid value, of every type, in every source ----------------------------------------------------------------

# The type, an invalid text, an invalid JSON value, and what is expected in place of each.
WRONG: Sequence[tuple[Any, str, object, str, str]] = [
    (int, "x", "x", "an integer", "an integer, got a string"),
    (int, "1_000", 5.5, "an integer", "an integer"),
    (int, "9" * 5000, True, "an integer", "an integer, got a boolean"),
    (float, "nan", "1.5", "a number", "a number, got a string"),
    (float, "1e999", None, "a number", "a number, got null"),
    (bool, "maybe", 1, "a boolean", "a boolean, got a number"),
    (bool, "", "true", "a boolean", "a boolean, got a string"),
    (Decimal, "0x10", "NaN", "a decimal number", "a decimal number, got a string"),
    (Annotated[bytes, Meta(max_length=1)], "ab", "%", "text of length <= 1", "base64 text of length <= 1"),
    (UUID, "5", 5, "a UUID", "a UUID, got a number"),
    (date, "today", "today", "an RFC 3339 date", "an RFC 3339 date"),
    (datetime, "now", "now", "an RFC 3339 date and time", "an RFC 3339 date and time"),
    (time, "noon", [], "an RFC 3339 time", "an RFC 3339 time, got an array"),
    (timedelta, "1h", 3600, "an ISO 8601 duration", "an ISO 8601 duration, got a number"),
    (Colour, "green", "green", "one of 'red', 'blue'", "one of 'red', 'blue'"),
    (Literal["a", 1], "b", 2, "one of 1, 'a'", "one of 1, 'a'"),
    (int | None, "x", "x", "an integer", "an integer or null"),
    (int | bool, "x", "x", "an integer or a boolean", "an integer or a boolean"),
    (date | datetime, "x", 5, "an RFC 3339 date or an RFC 3339 date and time",
     "an RFC 3339 date or an RFC 3339 date and time"),
    (Rating, "6", 6, "an integer >= 1 and <= 5", "an integer >= 1 and <= 5"),
    (Annotated[str, Meta(min_length=3)], "ab", "ab", "text of length >= 3", "text of length >= 3"),
    (Annotated[str, Meta(pattern="^a+$")], "b", 5, "text matching '^a+$'", "text matching '^a+$', got a number"),
]  # fmt: skip
MANY: Sequence[tuple[Any, str, object, str, str]] = [
    (list[int], "x", "x", "values, each an integer", "an array, got a string"),
    (set[Colour], "green", {}, "values, each one of 'red', 'blue'", "an array, got an object"),
    (tuple[int, int], "1", [1], "2 values: an integer, an integer", "an array of length 2"),
    (Annotated[list[str], Meta(min_length=2)], "a", [], "values of length >= 2, each text", "an array of length >= 2"),
]

MARKERS: Mapping[str, Any] = {
    "path": None, "query": Query(), "form": Form(), "multipart": None, "header": Header(alias="V"), "cookie": Cookie(),
}  # fmt: skip


def assert_errors(app: App, source: str, value: object, line: str, member: Mapping[str, str]) -> None:
    """Assert that the response is 400, with exactly `line` as plain text and exactly `member` as problem details."""
    accept = PROBLEM
    if source != "json":
        plain = ask(app, source, value)
        assert (plain.status, plain.header("content-type")) == (400, "text/plain; charset=utf-8")
        assert plain.text == f"400 Bad Request: {line}"
        assert plain.header("content-length") == str(len(plain.body))
    else:
        accept = ()
    problem = ask(app, source, value, accept)
    assert (problem.status, problem.header("content-type")) == (400, "application/problem+json")
    assert problem.json == {
        "type": "about:blank", "title": "Bad Request", "status": 400, "detail": line, "errors": [member],
    }  # fmt: skip


@pytest.mark.parametrize("source", MARKERS)
@pytest.mark.parametrize(("annotation", "text", "_json", "wanted", "_json_wanted"), [*WRONG, *MANY])
def test_invalid_text_is_reported_word_for_word(
    annotation: Any, text: str, _json: object, wanted: str, _json_wanted: str, source: str
) -> None:
    is_many = (annotation, text) in [(case[0], case[1]) for case in MANY]
    if (source == "path" and (is_many or not text)) or (source == "header" and not text):
        return  # a path segment is one text, and an empty segment ends the path
    name = "V" if source == "header" else "v"
    where = "form" if source == "multipart" else source
    line = f"Invalid {where} parameter '{name}': Expected {wanted}"
    member = {"detail": f"Expected {wanted}", "in": where, "parameter": name}
    assert_errors(app_for(annotation, MARKERS[source]), source, text, line, member)


@pytest.mark.parametrize("marker", [None, Body(alias="v")])
@pytest.mark.parametrize(("annotation", "_text", "value", "_wanted", "wanted"), [*WRONG, *MANY])
def test_invalid_json_value_is_reported_word_for_word(
    annotation: Any, _text: str, value: object, _wanted: str, wanted: str, marker: Any
) -> None:
    member = {"detail": f"Expected {wanted}", "pointer": "/v"}
    assert_errors(app_for(annotation, marker), "json", value, f"Invalid value at '/v': Expected {wanted}", member)


@pytest.mark.parametrize("marker", [None, Session()])
@pytest.mark.parametrize(
    ("annotation", "value", "wanted"),
    [
        (int, "x", "an integer, got a string"),
        (Rating, 6, "an integer >= 1 and <= 5"),
        (date, "today", "an RFC 3339 date"),
        (list[int], [1, "x"], "an integer, got a string at '/1'"),
    ],
)
def test_invalid_session_value_is_reported_word_for_word(
    annotation: Any, value: object, wanted: str, marker: Any
) -> None:
    detail = f"Expected {wanted} in the stored session"
    member = {"detail": detail, "in": "session", "parameter": "v"}
    assert_errors(app_for(annotation, marker), "session", value, f"Invalid session parameter 'v': {detail}", member)


# --- missing values ---------------------------------------------------------------------------------------------------

MISSING = "400 Bad Request: Missing required parameter 'v'"


@pytest.mark.parametrize(
    ("annotation", "marker", "body", "headers", "member"),
    [
        (str, None, b"", (), {"in": "query", "parameter": "v"}),
        (int | None, None, b"", (), {"in": "query", "parameter": "v"}),
        (list[int], None, b"", (), {"in": "query", "parameter": "v"}),
        (Any, None, b"", (), {"in": "query", "parameter": "v"}),
        (str, None, b"w=1", FORM, {"in": "form", "parameter": "v"}),
        (str, None, form_data({"w": 1}), MULTIPART, {"in": "form", "parameter": "v"}),
        (str, None, b'{"w":1}', JSON, {"pointer": "/v"}),
        (str, Query(), b'{"v":1}', JSON, {"in": "query", "parameter": "v"}),
        (str, Form(), b"", (), {"in": "form", "parameter": "v"}),
        (str, Body("v"), b"", (), {"pointer": "/v"}),
        (str, Header(alias="v"), b"", (), {"in": "header", "parameter": "v"}),
        (str, Cookie(), b"", (), {"in": "cookie", "parameter": "v"}),
        (str, Session(), b"v=1", FORM, {"in": "session", "parameter": "v"}),
        (UploadFile, None, b"", (), {"in": "file", "parameter": "v"}),
        (list[UploadFile], None, form_data({"v": "x"}), MULTIPART, {"in": "file", "parameter": "v"}),
    ],
)
def test_missing_value_is_reported_at_its_source(
    annotation: Any, marker: Any, body: bytes, headers: RawHeaders, member: Mapping[str, str]
) -> None:
    app = app_for(annotation, marker)
    response = call(app, "POST", "/h", body, [*headers, *PROBLEM])
    detail = "Missing required parameter 'v'"
    assert (response.status, response.json["detail"]) == (400, detail)
    assert response.json["errors"] == [{"detail": detail, **member}]
    if headers is not JSON:
        assert call(app, "POST", "/h", body, headers).text == MISSING


def test_names_are_escaped_in_pointers() -> None:
    app = app_for(int, Body(alias="a/b~c"))
    assert call(app, "POST", "/h", b"{}", JSON).json["errors"][0]["pointer"] == "/a~1b~0c"
    assert call(app, "POST", "/h", b'{"a/b~c":"x"}', JSON).json["errors"][0]["pointer"] == "/a~1b~0c"


def test_header_is_named_as_it_is_written_on_the_wire() -> None:
    class Api(App):
        async def h(self, x_request_id: Annotated[int, Header()]) -> str:
            ran.append(1)
            return ""

    assert call(Api(), "GET", "/h").text == "400 Bad Request: Missing required parameter 'X-Request-Id'"
    response = call(Api(), "GET", "/h", headers=[(b"x-request-id", b"x")])
    assert response.text == "400 Bad Request: Invalid header parameter 'X-Request-Id': Expected an integer"


# --- everything at once -----------------------------------------------------------------------------------------------


class Item(Struct):
    name: Annotated[str, Meta(min_length=1)]
    amount: Annotated[int, Meta(ge=1)] = 1


class Order(Struct, forbid_unknown_fields=True):
    customer: str
    items: list[Item]
    stock: dict[int, int] = {}
    express: bool = False


class Page(Struct):
    page: int = 1
    size: int = 10


@dataclass
class Span:
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low must not be above high")


class Wanted(Struct):
    x_token: int
    accept_language: str


class Picture(Struct):
    title: str
    image: UploadFile


class Moody(Struct):
    """A class whose validator refuses only the first value."""

    x: int

    def __post_init__(self) -> None:
        moods.append(self.x)
        if len(moods) == 1:
            raise ValueError("not today")


moods: list[int] = []


class Api(App):
    async def everything(
        self,
        number: int,
        *rest: int,
        order: Order,
        page: Annotated[Page, Query()],
        x_id: Annotated[UUID, Header()],
        theme: Annotated[Colour, Cookie()],
        user: Annotated[int, Session()],
        limit: Rating,
        when: Annotated[date, Query("at")],
    ) -> None:
        ran.append("everything")

    async def order(self, order: Order) -> None:
        ran.append("order")

    async def pet(self, pet: Cat | Dog) -> None:
        ran.append("pet")

    async def range(self, range: Range) -> None:
        ran.append("range")

    async def span(self, span: Span | None = None) -> None:
        ran.append("span")

    async def two(self, range: Range, order: Order) -> None:
        ran.append("two")

    async def point(self, point: Annotated[Point, Query()]) -> None:
        ran.append("point")

    async def closed(self, closed: Annotated[Closed, Query()]) -> None:
        ran.append("closed")

    async def crumbs(self, closed: Annotated[Closed, Cookie()]) -> None:
        ran.append("crumbs")

    async def wanted(self, wanted: Annotated[Wanted, Header()]) -> None:
        ran.append("wanted")

    async def rule(self, rule: Annotated[Range, Query()]) -> None:
        ran.append("rule")

    async def cart(self, cart: Annotated[Range, Session()]) -> None:
        ran.append("cart")

    async def maybe_cart(self, x: int, cart: Annotated[Range | None, Session()] = None) -> None:
        ran.append("cart")

    async def maybe(
        self,
        x: int,
        page: Annotated[Page | None, Query()] = None,
        data: Annotated[bytes, Body(), Meta(max_length=3)] = b"",
    ) -> None:
        ran.append("maybe")

    async def picture(self, picture: Picture) -> None:
        ran.append("picture")

    async def names(self, names: Annotated[dict[str, int], Form()]) -> None:
        ran.append("names")

    async def kwargs(self, a: str, b: int = 0, *rest: int, **others: int) -> None:
        ran.append("kwargs")

    async def moody(self, moody: Moody) -> None:
        ran.append("moody")

    async def items(self, items: list[Item]) -> None:
        ran.append("items")

    async def store(self, data: Annotated[dict[str, Any], Body()]) -> str:
        self.request.session = data
        return ""


def errors(response: Response) -> list[tuple[str, str, str]]:
    """Return each error as (`pointer` or the source, the pointer or the name, the detail)."""
    assert response.status == 400
    return [
        ("pointer", error["pointer"], error["detail"])
        if "pointer" in error
        else (error["in"], error.get("parameter", ""), error["detail"])
        for error in response.json["errors"]
    ]


def test_errors_of_all_sources_are_reported_at_once() -> None:
    app = Api()
    body = msgspec.json.encode({"customer": 5, "items": [{"name": "", "amount": 0}, 5], "x": 1, "limit": 9})
    login = logged_in(app, {"user": "me"})
    headers = [*JSON, (b"x-id", b"7"), (b"cookie", login[1] + b"; theme=green")]
    response = call(app, "POST", "/everything/x/1/y?page=z&size=w&at=now", body, headers)
    assert errors(response) == [
        ("path", "number", "Expected an integer"),
        ("path", "rest", "Expected an integer"),
        ("pointer", "/customer", "Expected text, got a number"),
        ("pointer", "/items/0/name", "Expected text of length >= 1"),
        ("pointer", "/items/0/amount", "Expected an integer >= 1"),
        ("pointer", "/items/1", "Expected an object, got a number"),
        ("pointer", "/x", "Unknown field"),
        ("pointer", "/limit", "Unknown field"),
        ("query", "page", "Expected an integer"),
        ("query", "size", "Expected an integer"),
        ("header", "X-Id", "Expected a UUID"),
        ("cookie", "theme", "Expected one of 'red', 'blue'"),
        ("session", "user", "Expected an integer, got a string in the stored session"),
        ("pointer", "/limit", "Expected an integer >= 1 and <= 5"),
        ("query", "at", "Expected an RFC 3339 date"),
    ]


def test_valid_values_are_not_reported() -> None:
    app = Api()
    login = logged_in(app, {"user": 5})
    body = msgspec.json.encode({"customer": "c", "items": [{"name": "n"}]})
    headers = [*JSON, (b"x-id", b"1" * 32), (b"cookie", login[1] + b"; theme=red")]
    response = call(app, "POST", "/everything/1?at=2024-01-01&page=1", body, headers)
    assert errors(response) == [("pointer", "/limit", "Missing required parameter 'limit'")]
    response = call(app, "POST", "/two", b'{"range":{"low":1,"high":2}}', JSON)
    assert errors(response) == [("pointer", "/order", "Missing required parameter 'order'")]


def test_all_missing_values_are_reported_at_once_in_plain_text() -> None:
    assert call(Api(), "GET", "/everything").text == "\n".join(
        f"400 Bad Request: {line}"
        for line in (
            "Missing required parameter 'number'",
            "Missing request body",
            "Missing required parameter 'X-Id'",
            "Missing required parameter 'theme'",
            "Missing required parameter 'user'",
            "Missing required parameter 'limit'",
            "Missing required parameter 'at'",
        )
    )


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/order", {}, [("/customer", "Missing required field"), ("/items", "Missing required field")]),
        ("/order", [], [("", "Expected an object, got an array")]),
        ("/order", {"customer": "c", "items": [], "stock": {"a": 1, "2": "b"}, "express": "yes"}, [
            ("/stock/a", "Expected the key to be an integer"),
            ("/stock/2", "Expected an integer, got a string"),
            ("/express", "Expected a boolean, got a string"),
        ]),
        ("/items", [{"name": "a"}, {"amount": 0}], [
            ("/1/name", "Missing required field"), ("/1/amount", "Expected an integer >= 1"),
        ]),
        ("/pet", {"type": "Cow"}, [("/type", "Expected one of 'Cat', 'Dog'")]),
        ("/pet", {"type": "Dog", "name": 5}, [("/name", "Expected text, got a number")]),
        ("/range", {"low": 2, "high": 1}, [("", "low must not be above high")]),
        ("/span", {"low": 2, "high": 1}, [("", "low must not be above high")]),
        ("/span", 5, [("", "Expected an object or null")]),
        ("/two", {"range": {"low": 2, "high": 1}, "order": {"customer": "c", "items": [{}]}}, [
            ("/range", "low must not be above high"), ("/order/items/0/name", "Missing required field"),
        ]),
        ("/two", {"range": 5}, [
            ("/range", "Expected an object, got a number"), ("/order", "Missing required parameter 'order'"),
        ]),
        ("/two", [], [("", "Expected an object, got an array")]),
        ("/picture", {"title": "x", "image": "y"}, [("/image", "Expected a file")]),
    ],
)  # fmt: skip
def test_errors_of_a_json_body_are_reported_with_their_pointers(
    path: str, body: object, expected: list[tuple[str, str]]
) -> None:
    response = call(Api(), "POST", path, msgspec.json.encode(body), JSON)
    assert errors(response) == [("pointer", pointer, detail) for pointer, detail in expected]
    assert response.json["detail"] == "; ".join(Invalid(detail, pointer=pointer).line() for pointer, detail in expected)


@pytest.mark.parametrize(
    ("path", "body", "headers", "expected"),
    [
        ("/range", b"low=2&high=1", FORM, [("form", "range", "low must not be above high")]),
        ("/range", b"low=x", FORM, [
            ("form", "low", "Expected an integer"), ("form", "high", "Missing required parameter 'high'"),
        ]),
        ("/span", form_data({"low": 2, "high": 1}), MULTIPART, [("form", "span", "low must not be above high")]),
        ("/pet", b"type=Cow", FORM, [("form", "type", "Expected one of 'Cat', 'Dog'")]),
        ("/picture", form_data({"image": "text"}), MULTIPART, [
            ("form", "title", "Missing required parameter 'title'"),
            ("form", "image", "Missing required parameter 'image'"),
        ]),
        ("/names", b"a=1&b=x&c=y", FORM, [("form", "b", "Expected an integer"), ("form", "c", "Expected an integer")]),
        ("/point?x=y&y=z", b"", (), [("query", "x", "Expected an integer"), ("query", "y", "Expected an integer")]),
        ("/closed?x=1&y=2", b"", (), [("query", "y", "Unknown field")]),
        ("/crumbs", b"", ((b"cookie", b"x=y; z=1"),), [
            ("cookie", "x", "Expected an integer"), ("cookie", "z", "Unknown field"),
        ]),
        ("/wanted", b"", ((b"x-token", b"x"),), [
            ("header", "X-Token", "Expected an integer"),
            ("header", "Accept-Language", "Missing required parameter 'Accept-Language'"),
        ]),
        ("/rule?low=2&high=1", b"", (), [("query", "rule", "low must not be above high")]),
        ("/cart", b"", (), [
            ("session", "cart", "Missing required field at '/low' in the stored session"),
            ("session", "cart", "Missing required field at '/high' in the stored session"),
        ]),
        ("/maybe_cart/x", b"", (), [("path", "x", "Expected an integer")]),
        ("/maybe/x", b"", (), [("path", "x", "Expected an integer")]),
        ("/maybe/x?page=y", b"abcd", (), [
            ("path", "x", "Expected an integer"), ("query", "page", "Expected an integer"),
            ("body", "data", "Expected text of length <= 3"),
        ]),
        ("/maybe/x", b"abc", (), [("path", "x", "Expected an integer")]),
        ("/kwargs/x/1/y/z?c=w&a=1&d=2", b"c=v&e=u&b=t", FORM, [
            ("path", "rest", "Expected an integer"),
            ("query", "c", "Expected an integer"), ("form", "e", "Expected an integer"),
        ]),
        ("/kwargs?a=x&b=y&d=z", b"", (), [
            ("query", "b", "Expected an integer"), ("query", "d", "Expected an integer"),
        ]),
    ],
)  # fmt: skip
def test_errors_of_names_and_texts_are_all_reported(
    path: str, body: bytes, headers: RawHeaders, expected: list[tuple[str, str, str]]
) -> None:
    assert errors(call(Api(), "POST", path, body, [*headers, *PROBLEM])) == expected


def test_validator_that_accepts_the_value_later_still_refuses_the_request() -> None:
    moods.clear()
    response = call(Api(), "POST", "/moody", b"x=1", FORM)
    assert (response.status, response.text) == (400, "400 Bad Request: The request is invalid")


# --- sources that are malformed as a whole ----------------------------------------------------------------------------

NOT_JSON = [
    b"{", b"nope", b"{'x':1}", b'{"x":1}}', b"\xff", b'{"v":"\xff"}', b'{"v":"\\ud800"}', b"\xef\xbb\xbf{}",
    b'{"v":NaN}', b'{"v":Infinity}', b"[" * 9**5, b"[" * 9**5 + b"]" * 9**5, b'{"v":' * 9**5 + b"1" + b"}" * 9**5,
]  # fmt: skip
ODD_NUMBERS = [b'{"v":1e999}', b'{"v":-1e999}', b'{"v":%s}' % (b"9" * 5000)]


def describe_malformed(body: bytes) -> str:
    return "A number is out of range" if body in ODD_NUMBERS else "Bad JSON"


@pytest.mark.parametrize("body", [*NOT_JSON, *ODD_NUMBERS])
@pytest.mark.parametrize("annotation", [dict, dict[str, Any], dict[str, int], Order, list[Item]])
def test_structured_json_body_that_is_malformed_is_described(annotation: Any, body: bytes) -> None:
    response = call(app_for(annotation), "POST", "/h", body, JSON)
    assert errors(response) == [("pointer", "", describe_malformed(body))]
    assert response.json["detail"] == describe_malformed(body)


@pytest.mark.parametrize("body", [*NOT_JSON, *ODD_NUMBERS])
@pytest.mark.parametrize("annotation", [int, str, float, Any, list[int], dict | int])
def test_json_key_that_is_malformed_is_described_at_the_body_or_the_key(annotation: Any, body: bytes) -> None:
    ((_, pointer, detail),) = errors(call(app_for(annotation), "POST", "/h", body, JSON))
    assert pointer in ("", "/v")
    assert detail == describe_malformed(body)


FORM_HINT = "The body was read as a form: to send JSON, set Content-Type: application/json"
UNREAD_HINT = "The body was not read, as it has no Content-Type: to send JSON, set Content-Type: application/json"


@pytest.mark.parametrize("annotation", [int, Any, Item])
@pytest.mark.parametrize("body", [b'{"v":1,"name":"x"}', b" [1]"])
def test_json_without_its_content_type_is_refused_with_a_hint(annotation: Any, body: bytes) -> None:
    *others, hint = call(app_for(annotation), "POST", "/h", body, FORM).text.splitlines()
    assert others
    assert all("Missing required parameter" in line for line in others)
    assert hint == f"400 Bad Request: {FORM_HINT}"


def test_json_without_any_content_type_is_refused_with_a_hint() -> None:
    assert call(app_for(int), "POST", "/h", b'{"v":1}').text.splitlines()[1:] == [f"400 Bad Request: {UNREAD_HINT}"]
    assert errors(call(app_for(int), "POST", "/h", b'{"v":1}', PROBLEM))[1:] == [("body", "", UNREAD_HINT)]


@pytest.mark.parametrize("annotation", [Annotated[int, Form()], Annotated[int, Query()]])
def test_body_of_a_handler_that_takes_no_json_is_refused_without_the_hint(annotation: Any) -> None:
    assert call(app_for(annotation), "POST", "/h", b'{"v":1}', FORM).text == MISSING


@pytest.mark.parametrize("path", ["/h/5", "/h?v=5"])
def test_malformed_json_body_is_reported_even_if_another_source_has_the_value(path: str) -> None:
    assert errors(call(app_for(int), "POST", path, b"{", JSON)) == [("pointer", "", "Bad JSON")]


BAD_TEXT = ["%FF", "%C3%28", "%ED%A0%80", "%00", "a%00b", "%c0%80"]


def unreadable(bad: str) -> str:
    return "Expected text without NUL" if "00" in bad or "\0" in bad else "Expected UTF-8 text"


class Named(Struct):
    v: str


@pytest.mark.parametrize("bad", BAD_TEXT)
@pytest.mark.parametrize("annotation", [str, Any, int, list[str], Named, dict[str, str]])
def test_query_parameter_with_invalid_utf8_or_nul_is_400(annotation: Any, bad: str) -> None:
    app, detail = app_for(Annotated[annotation, Query()]), unreadable(bad)
    for query in (f"v={bad}", f"v={bad}&v=5"):
        response = call(app, "GET", f"/h?{query}", headers=PROBLEM)
        assert errors(response) == [("query", "v", detail)]
    text = f"400 Bad Request: Invalid query parameter 'v': {detail}"
    assert call(app, "GET", f"/h?v={bad}").text == text


@pytest.mark.parametrize("bad", BAD_TEXT)
@pytest.mark.parametrize("annotation", [str, Any, Named, Annotated[int, Form()], Annotated[dict[str, str], Form()]])
def test_form_field_with_invalid_utf8_or_nul_is_400(annotation: Any, bad: str) -> None:
    response = call(app_for(annotation), "POST", "/h", f"v={bad}".encode(), [*FORM, *PROBLEM])
    assert errors(response) == [("form", "v", unreadable(bad))]


@pytest.mark.parametrize("annotation", [dict[str, str], dict[str, Any], dict[str, list[str]]])
def test_name_with_invalid_utf8_is_400_where_a_parameter_takes_every_name(annotation: Any) -> None:
    response = call(app_for(annotation, Query()), "GET", "/h?v=1&caf%E9=1&w=%00", headers=PROBLEM)
    expected = [("query", "caf\N{REPLACEMENT CHARACTER}", "Expected UTF-8 text"), ("query", "w", unreadable("%00"))]
    assert errors(response) == expected


def test_all_unreadable_values_are_reported_with_the_other_errors() -> None:
    class Api(App):
        async def h(self, a: str, b: int, c: Annotated[Page, Query()], **rest: int) -> None:
            ran.append(a)

    response = call(Api(), "GET", "/h?a=%FF&b=x&page=%00&size=x&rest=%FE&more=x", headers=PROBLEM)
    assert errors(response) == [
        ("query", "a", "Expected UTF-8 text"),
        ("query", "b", "Expected an integer"),
        ("query", "page", "Expected text without NUL"),
        ("query", "size", "Expected an integer"),
        ("query", "rest", "Expected UTF-8 text"),
        ("query", "more", "Expected an integer"),
    ]


@pytest.mark.parametrize("bad", [b"v=\xff", b"v=\xc3%A9", b"v=\x00"])
def test_unencoded_bytes_that_are_not_utf8_in_a_form_or_query_are_400(bad: bytes) -> None:
    assert call(app_for(str), "POST", "/h", bad, FORM).status == 400
    assert call(app_for(str), "GET", "/h", query_string=bad).status == 400


@pytest.mark.parametrize("bad", [b"\xff", b"a\x00b"])
@pytest.mark.parametrize("annotation", [str, list[str], dict[str, str], Wanted])
def test_header_with_invalid_utf8_or_nul_is_400(annotation: Any, bad: bytes) -> None:
    app = app_for(annotation, Header())
    sent = [(b"x-token", bad)] if annotation is Wanted else [(b"v", bad)]
    reported = errors(call(app, "GET", "/h", headers=[*sent, *PROBLEM]))
    assert reported == [("header", "X-Token" if annotation is Wanted else "V", unreadable(bad.decode("latin-1")))]


@pytest.mark.parametrize(
    ("bad", "detail"), [(b"v=\xff", "Expected UTF-8 text"), (b"v=a\x00b", "Expected text without NUL")]
)
@pytest.mark.parametrize("annotation", [str, Named, dict[str, str]])
def test_cookie_with_invalid_utf8_or_nul_is_400(annotation: Any, bad: bytes, detail: str) -> None:
    response = call(app_for(annotation, Cookie()), "GET", "/h", headers=[(b"cookie", bad), *PROBLEM])
    assert errors(response) == [("cookie", "v", detail)]


@pytest.mark.parametrize("bad", ["%FF", "%00", "a%00", "%ED%A0%80"])
def test_path_with_invalid_utf8_or_nul_is_400(bad: str) -> None:
    assert call(app_for(str), "GET", f"/h/{bad}").status == 400


@pytest.mark.parametrize("bad", [b"\xff", b"\x00"])
@pytest.mark.parametrize("annotation", [str, Named, UploadFile])
def test_multipart_field_or_name_with_invalid_utf8_or_nul_is_400(annotation: Any, bad: bytes) -> None:
    field = b'--frontier\r\nContent-Disposition: form-data; name="v"\r\n\r\n' + bad + b"\r\n--frontier--\r\n"
    named = (
        b'--frontier\r\nContent-Disposition: form-data; name="v"; filename="' + bad + b'"\r\n\r\nx\r\n--frontier--\r\n'
    )
    for body in (field, named):
        assert call(app_for(annotation), "POST", "/h", body, MULTIPART).status == 400


# --- limits and media types -------------------------------------------------------------------------------------------


class Limited(App):
    async def h(self, v: int) -> str:
        ran.append(v)
        return ""

    async def whole(self, v: Page) -> str:
        ran.append(v)
        return ""


@pytest.mark.parametrize(
    ("limits", "path", "body", "headers", "status", "text"),
    [
        (Limits(), "/h?" + "&".join(f"n{n}=1" for n in range(1001)), b"", (), 400,
         "400 Bad Request: More than 1000 names in the query"),
        (Limits(), "/h?v=" + "x" * 65_600, b"", (), 413,
         "413 Content Too Large: The query string is longer than 65536 bytes"),
        (Limits(), "/h", b"&".join(b"n=1" for _ in range(1001)), FORM, 400,
         "400 Bad Request: More than 1000 names in the form"),
        (Limits(fields=2), "/h", form_data([("a", 1), ("b", 1), ("c", 1)]), MULTIPART, 413, None),
        (Limits(field=3), "/h", form_data({"v": "1234"}), MULTIPART, 413, None),
        (Limits(body=10), "/whole", b'{"page":12345}', JSON, 413, None),
        (Limits(body=10), "/h", b"v=123456789", FORM, 413,
         "413 Content Too Large: The request body is larger than 10 bytes"),
        (Limits(multipart=50), "/h", form_data({"v": "1234"}), MULTIPART, 413, None),
    ],
)  # fmt: skip
def test_request_over_a_limit_is_refused(
    limits: Limits, path: str, body: bytes, headers: RawHeaders, status: int, text: str | None
) -> None:
    response = call(Limited(limits=limits), "POST", path, body, headers)
    assert response.status == status
    assert text is None or response.text.replace("Request Entity", "Content") == text


def test_request_just_within_the_limits_is_accepted() -> None:
    assert call(Limited(), "GET", "/h?" + "&".join(["v=1"] * 1000)).status == 200
    assert call(Limited(limits=Limits(query=8)), "GET", "/h?v=123456").status == 200
    assert call(Limited(limits=Limits(body=3)), "POST", "/h", b"v=1", FORM).status == 200
    assert ran == [1, 123456, 1]
    ran.clear()


OTHER_TYPES: list[RawHeaders] = [
    (), ((b"content-type", b"text/plain"),), ((b"content-type", b"text/plain; application/json"),),
    ((b"content-type", b"application/xml"),), ((b"content-type", b"application/json, text/plain"),),
    ((b"content-type", b"+json"),),
]  # fmt: skip


@pytest.mark.parametrize("headers", OTHER_TYPES)
@pytest.mark.parametrize(
    ("annotation", "accepted"),
    [
        (Page, "application/json or application/x-www-form-urlencoded or multipart/form-data"),
        (Page | None, "application/json or application/x-www-form-urlencoded or multipart/form-data"),
        (Annotated[Page, Body()], "application/json"),
        (Annotated[Page, Body(alias="p")], "application/json"),
        (Annotated[int, Body()], "application/json"),
        (Annotated[Page, Form()], "application/x-www-form-urlencoded or multipart/form-data"),
        (list[Item], "application/json"),
        (Order, "application/json"),
    ],
)
def test_structured_body_of_another_media_type_is_415(annotation: Any, accepted: str, headers: RawHeaders) -> None:
    response = call(app_for(annotation), "POST", "/h", b'{"page":1}', headers)
    assert (response.status, response.text) == (415, f"415 Unsupported Media Type: The request body must be {accepted}")


@pytest.mark.parametrize("headers", [FORM, MULTIPART])
@pytest.mark.parametrize("annotation", [list[Item], Order, Annotated[Page, Body()], Annotated[int, Body()]])
def test_form_for_a_json_only_parameter_is_415(annotation: Any, headers: RawHeaders) -> None:
    body = b"page=1" if headers is FORM else form_data({"page": 1})
    assert call(app_for(annotation), "POST", "/h", body, headers).status == 415


def test_json_for_a_form_only_parameter_is_415() -> None:
    response = call(app_for(Annotated[Page, Form()]), "POST", "/h", b"{}", JSON)
    assert response.status == 415
    assert response.json["detail"].endswith("application/x-www-form-urlencoded or multipart/form-data")


# --- all requests -----------------------------------------------------------------------------------------------------


@given(st.text("abcdefghijklmnopqrstuvwxyzäöü ", min_size=1).map("§{}§".format))
@pytest.mark.parametrize("source", ["path", "query", "form", "multipart", "header", "cookie", "json", "session"])
def test_sent_value_is_never_in_the_response(source: str, secret: str) -> None:
    markers = {"header": Header(), "cookie": Cookie()}
    for annotation in (int, Colour, list[int], date | UUID, Annotated[str, Meta(pattern="^$")]):
        if source == "path" and annotation == list[int]:
            continue
        response = ask(app_for(annotation, markers.get(source)), source, secret)
        assert response.status == 400
        assert secret not in response.text
        assert quote(secret) not in response.text


@given(st.binary())
@pytest.mark.parametrize("headers", [JSON, FORM, MULTIPART])
@pytest.mark.parametrize("annotation", [int, Any, Order, dict, Annotated[Page, Form()], UploadFile])
def test_any_body_gets_a_response(annotation: Any, headers: RawHeaders, body: bytes) -> None:
    assert call(app_for(annotation), "POST", "/h", body, headers).status in (200, 400, 413, 415)
    ran.clear()


@given(st.binary())
def test_any_query_or_header_gets_a_response(raw: bytes) -> None:
    app = Api()
    for path in ("/kwargs", "/closed", "/point", "/rule"):
        assert call(app, "GET", path, query_string=raw).status in (200, 204, 400, 413)
    for path in ("/wanted", "/crumbs"):
        headers = [(b"x-token", raw), (b"cookie", raw), (b"content-type", raw), (b"content-length", raw)]
        assert call(app, "GET", path, headers=headers).status in (204, 400, 413, 415)
    ran.clear()


def test_resource_reports_the_same_errors() -> None:
    class Orders(Resource):
        async def post(self, order: Order) -> None:
            ran.append(order)

    class Shop(App):
        orders = Orders()

    assert errors(call(Shop(), "POST", "/orders", b'{"items":[]}', JSON)) == [
        ("pointer", "/customer", "Missing required field")
    ]
