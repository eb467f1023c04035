"""Bytes that are not text, and malformed multipart bodies, are refused in every source."""

from typing import Annotated, Any, Final

import pytest

from micropie import Cookie, Form, Header, Query, UploadFile
from tests.support.asgi import (
    FORM,
    MULTIPART,
    PROBLEM,
    call,
    form_data,
)

from .bad_input import Flat, Sent, Wheel, cached_target, check, check_plain, check_problem, check_status

UNDECODABLE = ["%ff", "%C3", "%ED%A0%80", "%C0%80", "a%80b", "%F5%80%80%80", "%00", "a%00b"]


@pytest.mark.parametrize("encoded", UNDECODABLE)
@pytest.mark.parametrize("annotation", [str, int, list[str], Any, Flat])
def test_query_or_form_that_is_not_utf8_is_refused_as_a_whole(annotation: Any, encoded: str) -> None:
    for pair in (f"value={encoded}", f"{encoded}=1", f"other={encoded}&value=1"):
        for source, marker in (("query", Query()), ("form", Form())):
            aim = cached_target(Annotated[annotation, marker])
            text = f"The {source} is not valid UTF-8 text"
            sent = Sent(f"/take?{pair}") if source == "query" else Sent(body=pair.encode(), headers=FORM)
            check_plain(sent.to(aim.app), f"400 Bad Request: {text}")
            check_problem(
                sent.to(aim.app, *PROBLEM), PROBLEM_OF_SOURCE % (text.encode(), text.encode(), source.encode())
            )
            assert aim.calls == []


PROBLEM_OF_SOURCE: Final = (
    b'{"type":"about:blank","title":"Bad Request","status":400,"detail":"%b","errors":[{"detail":"%b","in":"%b"}]}'
)


@pytest.mark.parametrize("raw", [b"\xff", b"a\x00b", b"\xed\xa0\x80"])
def test_raw_bytes_that_are_not_utf8_are_refused(raw: bytes) -> None:
    aim = cached_target(Annotated[str, Query()])
    response = call(aim.app, "GET", "/take", query_string=b"value=" + raw)
    check_plain(response, "400 Bad Request: The query is not valid UTF-8 text")
    aim = cached_target(Annotated[str, Form()])
    sent = Sent(body=b"value=" + raw, headers=FORM)
    check_plain(sent.to(aim.app), "400 Bad Request: The form is not valid UTF-8 text")
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
    check(aim, Sent(headers=[(b"value", raw)]), [(("header", "Value"), "Expected UTF-8 text")])


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"value=\xff", "The Cookie header is not valid UTF-8 text"),
        (b"other=\xed\xa0\x80; value=1", "The Cookie header is not valid UTF-8 text"),
        (b"value=a\0b", "The Cookie header holds a NUL"),
    ],
)
@pytest.mark.parametrize("annotation", [str, int, list[str], Flat])
def test_cookies_that_are_not_utf8_are_refused(annotation: Any, raw: bytes, text: str) -> None:
    aim = cached_target(Annotated[annotation, Cookie()])
    sent = Sent(headers=[(b"cookie", raw)])
    check_plain(sent.to(aim.app), f"400 Bad Request: {text}")
    check_problem(sent.to(aim.app, *PROBLEM), PROBLEM_OF_SOURCE % (text.encode(), text.encode(), b"cookie"))
    assert aim.calls == []


def part(disposition: bytes, content: bytes) -> bytes:
    return (
        b"--frontier\r\nContent-Disposition: form-data; "
        + disposition
        + b"\r\n\r\n"
        + content
        + b"\r\n--frontier--\r\n"
    )


MALFORMED_PARTS: list[tuple[bytes, int, str, str]] = [
    (part(b'name="value"', b"\xff"), 400, "Bad Request", "A form field is not valid UTF-8"),
    (part(b'name="value"', b"a\0b"), 400, "Bad Request", "A form field holds a NUL character"),
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
