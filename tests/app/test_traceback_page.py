"""These tests render the debug page: it shows the exception and its frames, and never the values of variables."""

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from micropie.app.traceback_page import CONTEXT, FRAMES, render_traceback_page

VOID = {"meta"}


class Page(HTMLParser):
    """A page as a browser reads it: its text, its marked lines and its tags, each of which must be closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.headings: list[str] = []
        self.marked: list[str] = []
        self.sources: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)
        if tag == "pre":
            self.sources.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text += data
        if "pre" in self.open:
            self.sources[-1] += data
        if self.open[-1:] == ["mark"]:
            self.marked.append(data)
        if self.open[-1:] in (["h1"], ["h2"]):
            self.headings.append(data)


def render_failure(function: Callable[[], object], method: str = "GET", path: str = "/") -> Page:
    try:
        function()
    except BaseException as error:
        return Page(render_traceback_page(error, method, path))
    raise AssertionError("the function did not raise")


def fails() -> None:
    token = "hunter" + "2"  # so that the source does not contain the value
    raise ValueError("<b>bold</b> & 'quoted'" if token else "")


def wraps_directly() -> None:
    try:
        fails()
    except ValueError as error:
        raise RuntimeError("could not") from error


def fails_while_handling() -> None:
    try:
        fails()
    except ValueError:
        raise RuntimeError("could not") from None


def fails_in_the_handler() -> None:
    try:
        fails()
    except ValueError:
        dict[str, int]().pop("absent")


def fails_twice() -> None:
    raise ExceptionGroup("both", [KeyError("one"), OSError("two")])


def recurses() -> None:
    recurses()


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def unprintable() -> None:
    raise Unprintable


def noted() -> None:
    error = ValueError("bare")
    error.add_note("look <here>")
    raise error


def misspelled() -> None:
    compile("x = = 1", "<recipe>", "exec")


def generated() -> None:
    exec(compile("raise LookupError('made')", "<no such file>", "exec"))


def surrogate() -> None:
    raise ValueError("\ud800")


def multiline() -> None:
    raise ValueError("first\nsecond")


FAILURES = [
    fails, wraps_directly, fails_while_handling, fails_in_the_handler, fails_twice, recurses, unprintable, noted,
    misspelled, generated, surrogate, multiline,
]  # fmt: skip


@pytest.mark.parametrize("function", FAILURES)
def test_page_is_a_well_formed_document_without_scripts_or_external_resources(
    function: Callable[[], object],
) -> None:
    page = render_failure(function)
    assert {"script", "link", "img", "iframe", "a", "b", "here"}.isdisjoint(page.tags)
    assert {"src", "href", "onclick", "style"}.isdisjoint(page.attributes)


def test_exception_and_request_are_at_the_top_of_the_page() -> None:
    page = render_failure(fails, "POST", "/todos/<script>")
    assert page.headings == ["ValueError: <b>bold</b> & 'quoted'"] * 2
    assert "500 Internal Server Error at POST /todos/<script>" in page.text


def test_every_frame_shows_its_place_and_the_lines_around_it() -> None:
    page = render_failure(fails)
    number = fails.__code__.co_firstlineno + 2
    assert [re.sub(r"^\s*\d+\s+", "", line) for line in page.marked] == [
        "function()",
        'raise ValueError("<b>bold</b> & \'quoted\'" if token else "")',
    ]
    assert page.marked[-1].lstrip().startswith(str(number))
    assert f"{__file__}:{number} in fails" in page.text
    shown = [int(line.split()[0]) for line in page.sources[-1].splitlines()]
    assert shown == list(range(number - CONTEXT, number + CONTEXT + 1))


def test_values_of_variables_are_not_shown() -> None:
    page = render_failure(fails)
    assert "token = " in page.text
    assert "hunter" + "2" not in page.text


@pytest.mark.parametrize(
    ("function", "shown", "link"),
    [
        (wraps_directly, ["ValueError", "RuntimeError: could not"], "direct cause"),
        (fails_in_the_handler, ["ValueError", "KeyError: 'absent'"], "While the exception above was handled"),
    ],
)
def test_cause_or_context_of_an_exception_is_shown_before_it(
    function: Callable[[], object], shown: list[str], link: str
) -> None:
    body = render_failure(function).text.partition("500 Internal Server Error")[2]
    first, second = (body.index(text) for text in shown)
    assert first < body.index(link) < second


def test_suppressed_context_is_not_shown() -> None:
    assert render_failure(fails_while_handling).headings == ["RuntimeError: could not"] * 2


def test_every_member_of_a_group_is_shown() -> None:
    text = render_failure(fails_twice).text
    for shown in (
        "ExceptionGroup: both (2 sub-exceptions)",
        "Exception 1 of the group",
        "KeyError: 'one'",
        "OSError: two",
    ):
        assert shown in text


@pytest.mark.parametrize(
    ("function", "shown"),
    [
        (unprintable, "Unprintable: <exception str() failed>"),
        (noted, "look <here>"),
        (misspelled, "SyntaxError: invalid syntax"),
        (misspelled, "x = = 1"),
        (generated, "<no such file>:1 in <module>"),
        (surrogate, "ValueError: \\ud800"),
        (multiline, "first\nsecond"),
    ],
)
def test_message_is_shown_for_every_kind_of_exception(function: Callable[[], object], shown: str) -> None:
    assert shown in render_failure(function).text


def test_last_frames_of_an_endless_recursion_are_shown() -> None:
    page = render_failure(recurses)
    assert len(page.sources) == FRAMES


def test_exception_that_was_never_raised_has_a_page() -> None:
    assert "ValueError: new" in Page(render_traceback_page(ValueError("new"), "GET", "/")).text
