"""These tests check every exception, and the text and data in which clients see it."""

import pytest

from micropie.errors import (
    BadRequest,
    HTTPError,
    Invalid,
    MissingDependency,
    SetupError,
    SetupProblem,
    UploadError,
    describe_missing_parameter,
    reason_phrase,
)
from micropie.responses.error_responses import render_plain_text


@pytest.mark.parametrize(("status", "words"), [(404, "Not Found"), (400, "Bad Request"), (599, "Unknown")])
def test_status_has_its_registered_phrase(status: int, words: str) -> None:
    assert reason_phrase(status) == words


@pytest.mark.parametrize("status", [-1, 0, 200, 302, 399, 600, 1000])
def test_status_outside_the_error_classes_is_refused(status: int) -> None:
    with pytest.raises(ValueError, match=f"400 to 599, not {status}"):
        HTTPError(status)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (HTTPError(404), "404 Not Found"),
        (HTTPError(404, "No such todo"), "404 Not Found: No such todo"),
        (HTTPError(599, "odd"), "599 Unknown: odd"),
        (UploadError(413, "The file is larger than 5 bytes"), None),
        (
            BadRequest([Invalid("one"), Invalid("two", pointer="/a")]),
            "400 Bad Request: one; Invalid value at '/a': two",
        ),
    ],
)
def test_error_as_text_is_its_status_and_detail(error: HTTPError, text: str | None) -> None:
    assert text is None or str(error) == text
    assert str(error) == f"{error.status} {reason_phrase(error.status)}: {error.detail}".removesuffix(": ")
    if not isinstance(error, BadRequest):
        assert render_plain_text(error) == str(error)


def test_headers_of_an_error_are_copied() -> None:
    headers = [("Allow", "GET")]
    error = HTTPError(405, headers=headers)
    error.headers.append(("X", "1"))
    assert headers == [("Allow", "GET")]


@pytest.mark.parametrize(
    ("invalid", "line", "member"),
    [
        (Invalid("Missing boundary"), "Missing boundary", {}),
        (Invalid("Bad JSON", pointer=""), "Bad JSON", {"pointer": ""}),
        (Invalid("Expected text", pointer="/a/0"), "Invalid value at '/a/0': Expected text", {"pointer": "/a/0"}),
        (
            Invalid("Missing required field", pointer="/a"),
            "Invalid value at '/a': Missing required field",
            {"pointer": "/a"},
        ),
        (Invalid(describe_missing_parameter("a"), pointer="/a"), "Missing required parameter 'a'", {"pointer": "/a"}),
        (
            Invalid(describe_missing_parameter("a"), "query", "a"),
            "Missing required parameter 'a'",
            {"in": "query", "parameter": "a"},
        ),
        (
            Invalid("Expected an integer", "header", "X-A"),
            "Invalid header parameter 'X-A': Expected an integer",
            {"in": "header", "parameter": "X-A"},
        ),
        (Invalid("The form is not valid UTF-8 text", "form"), "The form is not valid UTF-8 text", {"in": "form"}),
    ],
)
def test_invalid_is_rendered_as_a_line_and_as_a_member_of_problem_details(
    invalid: Invalid, line: str, member: dict[str, str]
) -> None:
    assert invalid.line() == line
    assert invalid.problem() == {"detail": invalid.detail, **member}
    assert render_plain_text(BadRequest([invalid])) == f"400 Bad Request: {line}"


def test_missing_dependency_names_the_command_that_installs_it() -> None:
    error = MissingDependency("jinja2", "Rendering a template", "standard")
    assert isinstance(error, ImportError)
    assert error.name == "jinja2"
    assert str(error) == (
        "Rendering a template needs jinja2, which is not installed. Install it with: pip install 'micropie[standard]'"
    )


@pytest.mark.parametrize(
    ("count", "heading"), [(1, "1 handler cannot work:\n\n"), (2, "2 problems in the app's handlers:\n\n")]
)
def test_setup_error_reports_every_problem_with_its_remedy_and_place(count: int, heading: str) -> None:
    problems = [SetupProblem(f"Api.h{n}", "cannot work", "Fix it", "app.py", n) for n in range(count)]
    error = SetupError(problems)
    assert error.problems == problems
    assert str(error) == heading + "\n\n".join(
        f"Api.h{n}: cannot work\n    Fix it\n    at app.py:{n}" for n in range(count)
    )


def test_setup_problem_without_a_place_is_reported_without_one() -> None:
    assert str(SetupProblem("Api.h", "cannot work", "Fix it")) == "Api.h: cannot work\n    Fix it"
