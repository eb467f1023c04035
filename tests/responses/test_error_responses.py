"""Errors become responses, in the form that the client prefers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie import App
from micropie.errors import BadRequest, HTTPError, Invalid, describe_missing_parameter
from micropie.responses.error_responses import build_error_response, render_plain_text, render_problem_json
from tests.support.asgi import call

# Content-Type, Accept, whether the response is problem details
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


PLAIN = ("", "")
PROBLEM = ("application/json", "")


def is_problem(content_type: str, accept: str) -> bool:
    """Return True if the response to a request with these fields is problem details."""
    _, _, headers = build_error_response(HTTPError(404), content_type, accept)
    return {"application/problem+json": True, "text/plain; charset=utf-8": False}[dict(headers)["Content-Type"]]


@pytest.mark.parametrize(("content_type", "accept", "problem"), PREFERENCES)
def test_form_of_an_error_follows_content_type_and_accept(content_type: str, accept: str, problem: bool) -> None:
    assert is_problem(content_type, accept) is problem


def test_form_is_the_same_for_fields_too_long_to_be_cached() -> None:
    for content_type, accept, problem in PREFERENCES:
        assert is_problem(content_type, "image/png," * 50 + accept) is problem


def test_accept_may_be_sent_in_several_lines() -> None:
    for lines, problem in [
        (["text/plain;q=0.1", "application/json"], True),
        (["application/json;q=0.1", "text/plain"], False),
        ([], False),
    ]:
        headers = [(b"accept", line.encode()) for line in lines]
        response = call(App(), "GET", "/nowhere", headers=[(b"host", b"x"), *headers])
        assert (response.status, response.header("content-type") == "application/problem+json") == (404, problem)


@given(st.text(), st.text())
def test_any_text_in_the_fields_gets_one_of_the_two_forms(content_type: str, accept: str) -> None:
    assert is_problem(content_type, accept) in (True, False)


def test_bad_request_is_the_documented_plain_text() -> None:
    error = BadRequest(
        [Invalid("Missing required parameter 'name'", "query", "name"), Invalid("Expected int", "query", "n")]
    )
    assert build_error_response(error, *PLAIN) == (
        400,
        b"400 Bad Request: Missing required parameter 'name'\n"
        b"400 Bad Request: Invalid query parameter 'n': Expected int",
        [("Content-Type", "text/plain; charset=utf-8")],
    )


def test_error_without_detail_is_the_same_each_time() -> None:
    for _ in range(2):
        for status, phrase in [(404, "Not Found"), (405, "Method Not Allowed"), (599, "Unknown")]:
            assert build_error_response(HTTPError(status), *PLAIN)[1] == f"{status} {phrase}".encode()
            document = json.loads(build_error_response(HTTPError(status), *PROBLEM)[1])
            assert document == {"type": "about:blank", "title": phrase, "status": status}


def test_error_is_problem_details_if_the_client_prefers_them() -> None:
    status, payload, headers = build_error_response(HTTPError(404, "No such todo"), *PROBLEM)
    assert status == 404
    assert json.loads(payload) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "No such todo",
    }
    assert headers == [("Content-Type", "application/problem+json")]


@pytest.mark.parametrize("fields", [PLAIN, PROBLEM], ids=["plain", "problem"])
def test_headers_of_an_error_are_sent_except_for_its_content_type(fields: tuple[str, str]) -> None:
    error = HTTPError(401, headers=[("WWW-Authenticate", "Basic"), ("content-type", "text/html")])
    before = list(error.headers)
    _, _, headers = build_error_response(error, *fields)
    assert [value for name, value in headers if name.lower() == "content-type"] != ["text/html"]
    assert headers[1:] == [("WWW-Authenticate", "Basic")]
    assert error.headers == before


def test_detail_that_has_no_encoding_is_sent_with_question_marks() -> None:
    assert build_error_response(HTTPError(400, "\ud800"), *PLAIN)[1] == b"400 Bad Request: ?"


def test_each_invalid_is_a_line_of_plain_text() -> None:
    error = BadRequest([Invalid(describe_missing_parameter("a"), "query", "a"), Invalid("Expected text", pointer="/b")])
    assert render_plain_text(error) == (
        "400 Bad Request: Missing required parameter 'a'\n400 Bad Request: Invalid value at '/b': Expected text"
    )


@pytest.mark.parametrize(
    ("error", "document"),
    [
        (HTTPError(404), {"type": "about:blank", "title": "Not Found", "status": 404}),
        (HTTPError(403, "No"), {"type": "about:blank", "title": "Forbidden", "status": 403, "detail": "No"}),
        (
            BadRequest(
                [Invalid("Expected text", pointer="/b"), Invalid(describe_missing_parameter("a"), "query", "a")]
            ),
            {
                "type": "about:blank",
                "title": "Bad Request",
                "status": 400,
                "detail": "Invalid value at '/b': Expected text; Missing required parameter 'a'",
                "errors": [
                    {"detail": "Expected text", "pointer": "/b"},
                    {"detail": "Missing required parameter 'a'", "in": "query", "parameter": "a"},
                ],
            },
        ),
    ],
)
def test_error_is_rendered_as_rfc_9457_problem_details(error: HTTPError, document: object) -> None:
    assert json.loads(render_problem_json(error)) == document
