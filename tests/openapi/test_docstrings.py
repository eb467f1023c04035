"""These tests show how docstrings are parsed, and how they describe an operation."""

# mypy: disable-error-code="empty-body"
from functools import partialmethod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie import App
from micropie.openapi import document
from micropie.openapi.docstrings import read_docstring
from tests.openapi.apps import find_operation


def google(self: App, count: int, name: str = "") -> str:
    """Say it.

    More of it.

    Args:
        count: How often,
            at most.
        name (str): Who says it.

    Returns:
        What was said.

    Raises:
        HTTPError: Never.
    """
    return name * count


def numpy(self: App, count: int, name: str = "") -> str:
    """Say it.

    More of it.

    Parameters
    ----------
    count : int
        How often,
        at most.
    name : str, optional
        Who says it.

    Returns
    -------
    What was said.
    """
    return name * count


def sphinx(self: App, count: int, name: str = "") -> str:
    """Say it.

    More of it.

    :param count: How often,
        at most.
    :param str name: Who says it.
    :returns: What was said.
    """
    return name * count


@pytest.mark.parametrize("handler", [google, numpy, sphinx])
def test_docstring_describes_the_operation_and_its_parameters(handler: Any) -> None:
    operation = find_operation(handler, "GET /call/{count}/{name}")
    texts = {parameter["name"]: parameter.get("description") for parameter in operation["parameters"]}
    assert texts == {"count": "How often, at most.", "name": "Who says it."}
    assert (operation["summary"], operation["description"]) == ("Say it.", "More of it.")
    assert operation["responses"]["200"]["description"] == "What was said."


def test_partial_method_has_the_docstring_of_its_method() -> None:
    class Calls(App):
        def _say(self, name: str, *, times: int) -> str:
            """Say it."""
            return name * times

        twice = partialmethod(_say, times=2)

    assert document(Calls())["paths"]["/twice/{name}"]["get"]["summary"] == "Say it."


@given(st.text(st.sampled_from("ab :-\n*(),") | st.characters()))
def test_any_text_can_be_parsed_as_a_docstring(text: str) -> None:
    docstring = read_docstring(text)
    assert docstring.summary == " ".join(docstring.summary.split())
    assert all(name.strip("*") == name for name in docstring.parameters)


DOCSTRINGS: dict[str, tuple[str, dict[str, str], str]] = {
    "Just: a word": ("Just: a word", {}, ""),
    "Line one\nline two\n\nRest": ("Line one line two", {}, ""),
    "Say\n\nArgs:\n    *more: All of them\n    **names (int): By name\n\nReturns: no section": (
        "Say",
        {"more": "All of them", "names": "By name"},
        "",
    ),
    "Say\n\nParameters\n----------\na, b\n    Both\n\nNotes\n-----\nNothing": ("Say", {"a": "Both", "b": "Both"}, ""),
    "Say\n\n:param a: One\n\n:return: Two": ("Say", {"a": "One"}, "Two"),
    "Say\n\nReturns\n-------\nint\n    Two\n    of it": ("Say", {}, "Two of it"),
    "Say\n\nYields:\n    Each one": ("Say", {}, "Each one"),
    "Say\n\nArgs:\n    a: One\nMore of it\n\nReturns:\n    Two": ("Say", {"a": "One"}, "Two"),
    "": ("", {}, ""),
}


@pytest.mark.parametrize("text", DOCSTRINGS)
def test_docstrings_are_read_in_three_styles(text: str) -> None:
    docstring = read_docstring(text)
    assert (docstring.summary, docstring.parameters, docstring.returns) == DOCSTRINGS[text]
