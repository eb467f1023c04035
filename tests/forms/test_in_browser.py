"""These tests submit `examples/signup.py` in a real browser, which checks a part of the form before it sends it."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from tests.servers.harness import EXAMPLES, MICROPIE, Server, serving
from tests.support.browser import Page, browsing, find_browser
from tests.support.optional_tools import missing

WRONG = {"name": "A<", "age": "17", "about": 'Line 1\n"<b>', "born": "2026-01-31"}
RIGHT = {"name": "Ann", "age": "42", "plan": "large"}


@contextmanager
def the_form(folder: Path) -> Generator[tuple[Page, Server]]:
    """Yield the page of the form, and fail if the server logged a traceback."""
    command = find_browser() or missing("Chromium")
    with (
        serving(MICROPIE, "signup:app", EXAMPLES, folder) as server,
        browsing(command, folder / "profile") as page,
    ):
        page.visit(f"{server.http}/signup")
        page.wait("document.querySelector('form') !== null")
        yield page, server
    assert "Traceback" not in server.log()


def fill(page: Page, texts: Mapping[str, str]) -> None:
    page.run(f"for (const [name, text] of Object.entries({js(texts)})) document.getElementById(name).value = text")


def submit(page: Page) -> None:
    """Press the button, and wait for the next page."""
    page.run("window.before = true")
    page.click("button")
    page.wait("window.before === undefined && document.readyState === 'complete'")


def js(value: object) -> str:
    return msgspec.json.encode(value).decode()


def of(page: Page, name: str, what: str) -> Any:
    return page.run(f"document.getElementById({js(name)}).{what}")


def errors(page: Page) -> dict[str, str]:
    script = "Object.fromEntries([...document.querySelectorAll('.error')].map(e => [e.id, e.innerText]))"
    texts: dict[str, str] = page.run(script)
    return texts


def test_form_is_submitted_with_errors_and_then_without(tmp_path: Path) -> None:
    with the_form(tmp_path) as (page, server):
        page.run("document.forms[0].noValidate = true")
        fill(page, WRONG)
        page.click("#news")  # which was checked
        submit(page)
        assert errors(page) == {
            "name-error": "Expected text of length >= 2 and <= 20 and matching '^[A-Za-z]+$'",
            "age-error": "Expected an integer >= 18 and <= 150",
            "plan-error": "Required",
            "terms-error": "Required",
        }
        assert {name: of(page, name, "value") for name in WRONG} == WRONG
        assert [of(page, name, "checked") for name in ("news", "terms")] == [False, False]
        assert of(page, "age", "getAttribute('aria-invalid')") == "true"
        assert of(page, of(page, "age", "getAttribute('aria-describedby')"), "className") == "error"

        fill(page, RIGHT)
        page.click("#terms")
        submit(page)  # with the browser's own checks
        assert page.run("document.querySelector('h1').innerText") == "Welcome, Ann"
        assert "Your plan: large. Visits: 1." in page.run("document.body.innerText")
        page.visit(f"{server.http}/")
        page.wait("document.body?.innerText.includes('Visits: 2.')")


def test_browser_refuses_what_the_server_would_refuse(tmp_path: Path) -> None:
    checks: dict[str, list[tuple[str, str]]] = {
        "name": [("", "valueMissing"), ("Ann5", "patternMismatch"), ("Ann", "valid")],
        "age": [("", "valueMissing"), ("17", "rangeUnderflow"), ("151", "rangeOverflow"), ("18.5", "stepMismatch")],
        "plan": [("", "valueMissing"), ("medium", "valid")],
        "born": [("", "valid"), ("2026-01-31", "valid")],
        "about": [("", "valid")],
    }
    with the_form(tmp_path) as (page, _):
        for name, cases in checks.items():
            for text, state in cases:
                fill(page, {name: text})
                assert (name, text, of(page, name, f"validity.{state}")) == (name, text, True)
        assert of(page, "terms", "validity.valueMissing") is True
        assert of(page, "news", "validity.valid") is True
        assert (of(page, "name", "maxLength"), of(page, "name", "minLength")) == (20, 2)
        assert of(page, "picture", "accept") == "image/*"
        fill(page, RIGHT)
        assert page.run("document.forms[0].checkValidity()") is False  # the terms
        page.click("#terms")
        assert page.run("document.forms[0].checkValidity()") is True
        assert page.complaints == []
