"""The debug page: what it shows of a failure, and what it never shows."""

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from micropie.app.traceback_page import CONTEXT, FRAMES, render_traceback_page

VOID = {"meta"}


class Page(HTMLParser):
    """The page as a browser has it: its text, its marked lines, and the tags in it, each of which must be closed."""

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


def page_of(function: Callable[[], object], method: str = "GET", path: str = "/") -> Page:
    try:
        function()
    except BaseException as error:
        return Page(render_traceback_page(error, method, path))
    raise AssertionError("it must fail")


def fails() -> None:
    token = "hunter" + "2"  # so that the value itself stands nowhere in the source
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
def test_the_page_is_one_well_formed_document_without_scripts_or_anything_from_elsewhere(
    function: Callable[[], object],
) -> None:
    page = page_of(function)
    assert {"script", "link", "img", "iframe", "a", "b", "here"}.isdisjoint(page.tags)
    assert {"src", "href", "onclick", "style"}.isdisjoint(page.attributes)


def test_the_exception_and_the_request_stand_on_top() -> None:
    page = page_of(fails, "POST", "/todos/<script>")
    assert page.headings == ["ValueError: <b>bold</b> & 'quoted'"] * 2
    assert "500 Internal Server Error at POST /todos/<script>" in page.text


def test_every_frame_shows_its_place_and_its_line_among_the_lines_around() -> None:
    page = page_of(fails)
    number = fails.__code__.co_firstlineno + 2
    assert [re.sub(r"^\s*\d+\s+", "", line) for line in page.marked] == [
        "function()",
        'raise ValueError("<b>bold</b> & \'quoted\'" if token else "")',
    ]
    assert page.marked[-1].lstrip().startswith(str(number))
    assert f"{__file__}:{number} in fails" in page.text
    shown = [int(line.split()[0]) for line in page.sources[-1].splitlines()]
    assert shown == list(range(number - CONTEXT, number + CONTEXT + 1))


def test_what_variables_held_is_not_shown() -> None:
    page = page_of(fails)
    assert "token = " in page.text
    assert "hunter" + "2" not in page.text


@pytest.mark.parametrize(
    ("function", "shown", "link"),
    [
        (wraps_directly, ["ValueError", "RuntimeError: could not"], "direct cause"),
        (fails_in_the_handler, ["ValueError", "KeyError: 'absent'"], "While the exception above was handled"),
    ],
)
def test_what_led_to_an_exception_comes_before_it(function: Callable[[], object], shown: list[str], link: str) -> None:
    body = page_of(function).text.partition("500 Internal Server Error")[2]
    first, second = (body.index(text) for text in shown)
    assert first < body.index(link) < second


def test_a_suppressed_context_is_not_shown() -> None:
    assert page_of(fails_while_handling).headings == ["RuntimeError: could not"] * 2


def test_every_member_of_a_group_is_shown() -> None:
    text = page_of(fails_twice).text
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
def test_every_kind_of_exception_has_its_message(function: Callable[[], object], shown: str) -> None:
    assert shown in page_of(function).text


def test_of_an_endless_recursion_the_last_frames_are_shown() -> None:
    page = page_of(recurses)
    assert len(page.sources) == FRAMES


def test_an_exception_that_was_never_raised_has_a_page() -> None:
    assert "ValueError: new" in Page(render_traceback_page(ValueError("new"), "GET", "/")).text
