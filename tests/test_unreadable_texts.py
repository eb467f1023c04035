"""These tests put lists of texts that cannot be read in the place of texts: only reading one is refused."""

from collections.abc import Callable
from typing import Any

import pytest

from micropie.errors import BadRequest, Invalid
from micropie.unreadable_texts import UnreadableTexts, find_text_fault, replace_unreadable

NOT_UTF8 = "Expected UTF-8 text"
NUL = "Expected text without NUL"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", None),
        ("é\N{SNOWMAN}\n", None),
        ("a\0b", NUL),
        ("\udcff", NOT_UTF8),
        ("a\ud800", NOT_UTF8),
        ("\0\udcff", NUL),
    ],
)
def test_fault_of_a_text_is_found(text: str, fault: str | None) -> None:
    assert find_text_fault(text) == fault


READS: list[Callable[[list[str]], object]] = [
    list,
    len,
    bool,
    lambda texts: texts[0],
    lambda texts: texts[-1:],
    lambda texts: "a" in texts,
    lambda texts: [*texts],
    lambda texts: ", ".join(texts),
]


@pytest.mark.parametrize("read", READS)
def test_reading_texts_that_cannot_be_read_is_refused_with_their_error(read: Callable[[Any], object]) -> None:
    error = Invalid(NOT_UTF8, "query", "name")
    with pytest.raises(BadRequest) as refused:
        read(UnreadableTexts(error))
    assert refused.value.errors == [error]


def test_only_names_with_a_fault_are_replaced() -> None:
    good = ["x", ""]
    replaced = replace_unreadable({"good": good, "bad": ["x", "\udcff"], "nul": ["\0"], "none": []}, "form")
    assert list(replaced) == ["good", "bad", "nul", "none"]
    assert (replaced["good"], replaced["none"]) == (good, [])
    errors = {name: texts.error for name, texts in replaced.items() if isinstance(texts, UnreadableTexts)}
    assert errors == {"bad": Invalid(NOT_UTF8, "form", "bad"), "nul": Invalid(NUL, "form", "nul")}


def test_name_that_is_not_text_is_spelled_with_replacement_characters() -> None:
    replaced = replace_unreadable({"a\udcff\udcfe": ["x"]}, "query")
    ((name, texts),) = replaced.items()
    assert name == "a\ufffd\ufffd"
    assert isinstance(texts, UnreadableTexts)
    assert texts.error == Invalid(NOT_UTF8, "query", "a\ufffd\ufffd")
