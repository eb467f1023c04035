"""This module holds the place of texts that cannot be read, so that only a request for them is refused.

A query, a form or a Cookie header may hold bytes that are not text beside the names that a handler asks for.
"""

from collections.abc import Mapping
from typing import NoReturn

from .errors import BadRequest, Invalid, Source


class UnreadableTexts(list[str]):
    """A list in the place of the texts of one name, of which at least one is not text. Reading it raises BadRequest."""

    def __init__(self, error: Invalid) -> None:
        super().__init__()
        self.error = error

    def __getitem__(self, _: object) -> NoReturn:
        raise BadRequest([self.error])

    def __iter__(self) -> NoReturn:
        raise BadRequest([self.error])

    def __len__(self) -> NoReturn:
        raise BadRequest([self.error])

    def __contains__(self, _: object) -> NoReturn:
        raise BadRequest([self.error])


def find_text_fault(text: str) -> str | None:
    """Return what is wrong with `text`, which was decoded with `surrogateescape`; None if it is text."""
    if "\0" in text:
        return "Expected text without NUL"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "Expected UTF-8 text"
    return None


def replace_unreadable(texts_by_name: Mapping[str, list[str]], source: Source) -> dict[str, list[str]]:
    """Return `texts_by_name`, which were decoded with `surrogateescape`, with UnreadableTexts where they are not text.

    A name that is not text itself is spelled with U+FFFD for each byte, so that no parameter can ask for it.
    """
    readable: dict[str, list[str]] = {}
    for name, texts in texts_by_name.items():
        shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        fault = next(filter(None, map(find_text_fault, (name, *texts))), None)
        readable[shown] = texts if fault is None else UnreadableTexts(Invalid(fault, source, shown))
    return readable
