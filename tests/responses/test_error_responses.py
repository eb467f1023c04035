"""Errors as responses, and which form a caller gets."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie import App
from micropie.errors import BadRequest, HTTPError, Invalid
from micropie.responses.error_responses import build_error_response, prefers_problem_json
from tests.support.asgi import call

# Content-Type, Accept, whether the answer is problem details
PREFERENCES = [
    ("", "", False),
    ("application/json", "", True),
    ("Application/JSON; charset=utf-8", "text/html", True),
    ("application/vnd.api+json", "", True),
    ("application/merge-patch+json;x=y", "", True),
    ("text/json", "", False),
    ("+json", "", False),
    ("application/x-www-form-urlencoded", "*/*", False),
    ("", "*/*", False),
    ("", "application/json", True),
    ("", "APPLICATION/JSON", True),
    ("", "application/problem+json", True),
    ("", "application/vnd.github+json", True),
    ("", "application/*", True),
    ("", "application/*, text/*", False),
    ("", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
    ("", "text/html, application/json;q=0.9", False),
    ("", "text/html;q=0.8, application/json;q=0.9", True),
    ("", "application/json, text/plain, */*", False),
    ("", "application/json, text/javascript, */*; q=0.01", True),
    ("", "application/json, */*", True),
    ("", "text/plain, */*", False),
    ("", "application/json;q=0", False),
    ("", "application/json;q=0, */*", False),
    ("", "text/plain;q=0, */*;q=0.1", True),
    ("", "application/json ; version=1 ; q=0.5 , text/plain;q=0.4", True),
    ("", "application/json;Q=0.3, text/plain;q=0.4", False),
    ("", "application/json;q=high, text/plain;q=0.1", False),
    ("", "application/json;q=1.5", False),
    ("", "application/json;q=-1", False),
    ("", "image/png", False),
    ("", ",,;;q=,", False),
]


@pytest.mark.parametrize(("content_type", "accept", "problem"), PREFERENCES)
def test_the_form_of_an_error_follows_what_the_caller_speaks(content_type: str, accept: str, problem: bool) -> None:
    assert prefers_problem_json(content_type, accept) is problem


def test_the_form_is_the_same_for_fields_too_long_to_be_remembered() -> None:
    for content_type, accept, problem in PREFERENCES:
        assert prefers_problem_json(content_type, "image/png," * 50 + accept) is problem


def test_accept_may_come_in_several_lines() -> None:
    for lines, problem in [
        (["text/plain;q=0.1", "application/json"], True),
        (["application/json;q=0.1", "text/plain"], False),
        ([], False),
    ]:
        headers = [(b"accept", line.encode()) for line in lines]
        answer = call(App(), "GET", "/nowhere", headers=[(b"host", b"x"), *headers])
        assert (answer.status, answer.header("content-type") == "application/problem+json") == (404, problem)


@given(st.text(), st.text())
def test_no_field_is_too_strange_to_answer(content_type: str, accept: str) -> None:
    assert prefers_problem_json(content_type, accept) in (True, False)


def test_an_error_is_the_documented_plain_text() -> None:
    error = BadRequest(
        [Invalid("Missing required parameter 'name'", "query", "name"), Invalid("Expected int", "query", "n")]
    )
    assert build_error_response(error, as_problem=False) == (
        400,
        b"400 Bad Request: Missing required parameter 'name'\n"
        b"400 Bad Request: Invalid query parameter 'n': Expected int",
        [("Content-Type", "text/plain; charset=utf-8")],
    )


def test_an_error_that_says_no_more_than_its_status_is_told_alike_each_time() -> None:
    for _ in range(2):
        for status, phrase in [(404, "Not Found"), (405, "Method Not Allowed"), (599, "Unknown")]:
            assert build_error_response(HTTPError(status), as_problem=False)[1] == f"{status} {phrase}".encode()
            document = json.loads(build_error_response(HTTPError(status), as_problem=True)[1])
            assert document == {"type": "about:blank", "title": phrase, "status": status}


def test_an_error_is_problem_details_for_who_prefers_them() -> None:
    status, payload, headers = build_error_response(HTTPError(404, "No such todo"), as_problem=True)
    assert status == 404
    assert json.loads(payload) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "No such todo",
    }
    assert headers == [("Content-Type", "application/problem+json")]


@pytest.mark.parametrize("as_problem", [False, True])
def test_an_errors_own_headers_are_sent_and_cannot_change_what_the_text_is(as_problem: bool) -> None:
    error = HTTPError(401, headers=[("WWW-Authenticate", "Basic"), ("content-type", "text/html")])
    before = list(error.headers)
    _, _, headers = build_error_response(error, as_problem=as_problem)
    assert [value for name, value in headers if name.lower() == "content-type"] != ["text/html"]
    assert headers[1:] == [("WWW-Authenticate", "Basic")]
    assert error.headers == before


def test_a_detail_without_an_encoding_is_still_an_answer() -> None:
    assert build_error_response(HTTPError(400, "\ud800"), as_problem=False)[1] == b"400 Bad Request: ?"
