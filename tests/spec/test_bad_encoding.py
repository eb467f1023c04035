"""Bytes that are not text are refused in every source where a parameter asks for them; malformed bodies always."""

from typing import Annotated, Any
from urllib.parse import parse_qsl, unquote_to_bytes

import pytest

from micropie import App, Cookie, Form, Header, Query, UploadFile
from tests.support.asgi import (
    FORM,
    MULTIPART,
    PROBLEM,
    call,
    form_data,
)
from tests.support.shared_types import Wheel

from .bad_input import Flat, Sent, cached_target, check, check_plain, check_problem, check_status, target

UNDECODABLE = ["%ff", "%C3", "%ED%A0%80", "%C0%80", "a%80b", "%F5%80%80%80", "%00", "a%00b"]


@pytest.mark.parametrize("encoded", UNDECODABLE)
@pytest.mark.parametrize("annotation", [str, int, list[str], Any, Flat])
def test_value_that_is_not_utf8_is_refused_where_a_parameter_asks_for_it(annotation: Any, encoded: str) -> None:
    for source, marker in (("query", Query()), ("form", Form())):
        name = "amount" if annotation is Flat else "value"
        pairs = "title=x&" * (annotation is Flat) + f"{name}={encoded}"
        sent = Sent(f"/take?{pairs}") if source == "query" else Sent(body=pairs.encode(), headers=FORM)
        check(cached_target(Annotated[annotation, marker]), sent, [((source, name), fault_of(encoded))])


def fault_of(text: str | bytes) -> str:
    return "Expected text without NUL" if "00" in str(text) else "Expected UTF-8 text"


UNREAD = [f"other={text}" for text in UNDECODABLE] + [f"{text}=1" for text in UNDECODABLE]


@pytest.mark.parametrize("unread", UNREAD)
@pytest.mark.parametrize("annotation", [str, int, list[str], Any, Flat])
def test_name_that_is_not_utf8_costs_nothing_where_no_parameter_asks_for_it(annotation: Any, unread: str) -> None:
    pair = "title=x&amount=1" if annotation is Flat else "value=1"
    cookies = "title=x; amount=1" if annotation is Flat else "value=1"
    raw = unquote_to_bytes(unread)
    for marker, sent in (
        (Query(), Sent(f"/take?{unread}&{pair}")),
        (None, Sent(f"/take?{unread}", pair.encode(), FORM)),
        (Form(), Sent(body=f"{unread}&{pair}".encode(), headers=FORM)),
        (Cookie(), Sent(headers=[(b"cookie", raw + b"; " + cookies.encode())])),
        (None, Sent(body=form_data([*parse_qsl(pair)])[:-14] + part(b'name="other"', raw), headers=MULTIPART)),
    ):
        aim = target(annotation if marker is None else Annotated[annotation, marker])
        assert sent.to(aim.app).status == 204
        assert len(aim.calls) == 1


def test_header_that_is_not_utf8_costs_nothing_where_no_parameter_asks_for_it() -> None:
    aim = target(Annotated[str, Header()])
    assert Sent(headers=[(b"value", b"1"), (b"other", b"\xff")]).to(aim.app).status == 204
    assert aim.calls == [("1",)]


def test_handler_that_asks_the_request_for_a_value_that_is_not_utf8_is_a_bad_request() -> None:
    class Api(App):
        async def take(self) -> list[object]:
            request = self.request
            return [sorted(request.query_params), request.cookies, request.query(request.query("name") or "")]

    app, cookie = Api(), [(b"cookie", b"theme=\xe9; size=2")]
    good = call(app, "GET", "/take?name=b&a=%E9&b=1", headers=cookie)
    assert good.json == [["a", "b", "name"], {"size": "2"}, "1"]
    refused = call(app, "GET", "/take?name=a&a=%E9&b=1", headers=cookie)
    check_plain(refused, "400 Bad Request: Invalid query parameter 'a': Expected UTF-8 text")


@pytest.mark.parametrize("raw", [b"\xff", b"a\x00b", b"\xed\xa0\x80"])
def test_raw_bytes_that_are_not_utf8_are_refused(raw: bytes) -> None:
    aim = cached_target(Annotated[str, Query()])
    response = call(aim.app, "GET", "/take", query_string=b"value=" + raw)
    check_plain(response, f"400 Bad Request: Invalid query parameter 'value': {fault_of(raw)}")
    aim = cached_target(Annotated[str, Form()])
    sent = Sent(body=b"value=" + raw, headers=FORM)
    check_plain(sent.to(aim.app), f"400 Bad Request: Invalid form parameter 'value': {fault_of(raw)}")
    assert aim.calls == []


@pytest.mark.parametrize("encoded", UNDECODABLE)
def test_path_that_is_not_utf8_is_refused(encoded: str) -> None:
    detail = "The path holds a NUL" if "%00" in encoded else "The path is not valid UTF-8 text"
    for path in (f"/take/{encoded}", f"/{encoded}", f"/take/{encoded}/"):
        check_status(cached_target(str), Sent(path), 400, "Bad Request", detail)


@pytest.mark.parametrize("raw", [b"\xff", b"\xc3", b"a\0b", b"\xed\xa0\x80"])
@pytest.mark.parametrize("annotation", [str, int, list[str], Any])
def test_header_that_is_not_utf8_is_refused(annotation: Any, raw: bytes) -> None:
    aim = cached_target(Annotated[annotation, Header()])
    check(aim, Sent(headers=[(b"value", raw)]), [(("header", "Value"), fault_of(raw))])


@pytest.mark.parametrize("raw", [b"\xff", b"\xed\xa0\x80", b"a\0b"])
@pytest.mark.parametrize("annotation", [str, int, list[str], Any])
def test_cookie_that_is_not_utf8_is_refused(annotation: Any, raw: bytes) -> None:
    aim = cached_target(Annotated[annotation, Cookie()])
    check(aim, Sent(headers=[(b"cookie", b"value=" + raw)]), [(("cookie", "value"), fault_of(raw))])


def part(disposition: bytes, content: bytes) -> bytes:
    return (
        b"--frontier\r\nContent-Disposition: form-data; "
        + disposition
        + b"\r\n\r\n"
        + content
        + b"\r\n--frontier--\r\n"
    )


MALFORMED_PARTS: list[tuple[bytes, int, str, str]] = [
    (b"--frontier\r\nContent-Disposition: form-data; name=\"value\"\r\n\r\n1", 400, "Bad Request",
     "Malformed multipart body: it ends before its closing boundary"),
    (form_data([("value", "1")])[:-4], 400, "Bad Request",
     "Malformed multipart body: it ends before its closing boundary"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "title", "detail"), MALFORMED_PARTS)
@pytest.mark.parametrize("annotation", [Annotated[list[str], Form()], Annotated[Wheel, Form()], Wheel])
def test_malformed_multipart_body_is_refused(
    annotation: Any, body: bytes, status: int, title: str, detail: str
) -> None:
    aim = cached_target(annotation)
    for pieces in (body, [body[at : at + 1] for at in range(len(body))]):
        check_status(aim, Sent(body=pieces, headers=MULTIPART), status, title, detail)


@pytest.mark.parametrize("raw", [b"\xff", b"a\0b"])
@pytest.mark.parametrize("annotation", [str, int, Annotated[list[str], Form()], Wheel])
def test_multipart_field_that_is_not_utf8_is_refused(annotation: Any, raw: bytes) -> None:
    name = "size" if annotation is Wheel else "value"
    sent = Sent(body=part(f'name="{name}"'.encode(), raw), headers=MULTIPART)
    check(cached_target(annotation), sent, [(("form", name), fault_of(raw))])


@pytest.mark.parametrize(
    "kind", [b"multipart/form-data", b"multipart/form-data; boundary=", b'multipart/form-data; x="boundary=a"']
)
def test_multipart_body_without_a_boundary_is_refused(kind: bytes) -> None:
    aim = cached_target(Annotated[int, Form()])
    sent = Sent(body=form_data([("value", "1")]), headers=[(b"content-type", kind)])
    check_plain(sent.to(aim.app), "400 Bad Request: Missing boundary")
    check_problem(
        sent.to(aim.app, *PROBLEM),
        b'{"type":"about:blank","title":"Bad Request","status":400,"detail":"Missing boundary",'
        b'"errors":[{"detail":"Missing boundary"}]}',
    )
    assert aim.calls == []


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        (b'filename="a\0b.txt"', "control character in a part's header"),
        (b'filename="\xff.txt"', "Segment header failed to decode"),
    ],
)
def test_file_name_that_is_not_utf8_is_refused(name: bytes, detail: str) -> None:
    sent = Sent(body=part(b'name="value"; ' + name, b"x"), headers=MULTIPART)
    check_status(cached_target(UploadFile), sent, 400, "Bad Request", f"Malformed multipart body: {detail}")
