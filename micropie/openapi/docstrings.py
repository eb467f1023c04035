"""This module parses a docstring into a summary, a description, and texts about each parameter and the result.

It reads the three common styles: Google's sections (`Args:`), NumPy's (`Parameters`, underlined) and Sphinx's fields
(`:param name: text`). It does not look at the function that the docstring belongs to.
"""

import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

_PARAMETERS: Final = frozenset(("args", "arguments", "parameters", "params", "other parameters", "keyword args"))
_RESULT: Final = frozenset(("returns", "return", "yields", "yield"))
_OMITTED: Final = frozenset(("raises", "raise", "attributes", "warns"))
_SECTIONS: Final = _PARAMETERS | _RESULT | _OMITTED

_HEADING: Final = re.compile(r"([A-Za-z][A-Za-z ]*):$")  # Google's: a word and a colon, alone
_UNDERLINE: Final = re.compile(r"-{3,}$")  # NumPy's, below the word
_FIELD: Final = re.compile(r":(\w+)(?:\s+([^:]*))?:\s*(.*)$")  # Sphinx's: `:param int name: text`
_ITEM: Final = re.compile(r"(\*{0,2}\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")  # Google's: `name (int): text`
_NUMPY_ITEM: Final = re.compile(r"(\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?$")  # NumPy's: `a, b : int`


class Docstring(msgspec.Struct, frozen=True):
    """The parts of a docstring; a part that it does not have is empty."""

    summary: str = ""
    """The first paragraph, on one line."""
    description: str = ""
    """The other paragraphs, without the sections for parameters, results and exceptions."""
    parameters: Mapping[str, str] = {}
    """The text about each parameter, by its name."""
    returns: str = ""
    """The text about the result."""


def read_docstring(docstring: str | None) -> Docstring:
    """Parse a docstring. Never raises: a text in an unknown form is part of the description."""
    lines = inspect.cleandoc(docstring or "").splitlines()
    plain: list[str] = []
    parameters: dict[str, str] = {}
    returns = ""
    for section, body in _split_sections(lines):
        if section in _PARAMETERS:
            parameters |= _read_items(body)
        elif section in _RESULT:
            returns = returns or _join_lines(_strip_types(body))
        elif section not in _OMITTED:
            plain += body
    fields: dict[tuple[str, str], str] = {}
    plain = list(_take_fields(plain, fields))
    parameters |= {name.split()[-1]: text for (kind, name), text in fields.items() if kind == "param" and name}
    returns = returns or next((text for (kind, _), text in fields.items() if kind in ("return", "returns")), "")
    summary, _, description = "\n".join(plain).strip().partition("\n\n")
    return Docstring(" ".join(summary.split()), description.strip(), parameters, returns)


def _split_sections(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each section's name and lines. Lines outside of sections have the name ''."""
    section, body, indented = "", list[str](), False
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        heading = _HEADING.match(line)
        google = heading[1].lower() if heading and (following.startswith(" ") or not following) else ""
        numpy = line.strip().lower() if _UNDERLINE.match(following) else ""
        if google in _SECTIONS or numpy in _SECTIONS:
            yield section, body
            section, body, indented = google or numpy, [], bool(google)
        elif section and ((indented and line and not line.startswith(" ")) or (numpy and not indented)):
            yield section, body
            section, body = "", [line]
        elif not (section and not indented and _UNDERLINE.match(line)):
            body.append(line)
    yield section, body


def _strip_types(lines: Sequence[str]) -> Sequence[str]:
    """Return the lines about the result: NumPy's style has the type at the margin, and the text indented below it."""
    return [line for line in lines if line.startswith(" ")] or lines


def _read_items(lines: Sequence[str]) -> dict[str, str]:
    """Return the texts of a section of parameters by name: the name is at the margin, its text beside it or below."""
    items: dict[str, list[str]] = {}
    text: list[str] = []
    for line in textwrap.dedent("\n".join(lines)).splitlines():
        google, numpy = _ITEM.match(line), _NUMPY_ITEM.match(line)
        item = google or numpy
        if item is None or line.startswith(" "):
            text.append(line)
            continue
        # `name : int` is NumPy's, with the text below; `name: text` is Google's.
        is_numpy = google is None or f"{item[1]} :" in line
        text = [] if is_numpy else [item[2]]
        names = (numpy[1] if is_numpy and numpy else item[1]).split(",")
        items.update(dict.fromkeys((name.strip().lstrip("*") for name in names), text))
    return {name: _join_lines(words) for name, words in items.items()}


def _take_fields(lines: Sequence[str], fields: dict[tuple[str, str], str]) -> Iterator[str]:
    """Yield the lines outside of Sphinx fields, and put the fields into `fields`, by kind and name."""
    current: tuple[str, str] | None = None
    for line in lines:
        field = _FIELD.match(line)
        if field:
            current = (field[1], (field[2] or "").strip())
            fields[current] = field[3]
        elif current is not None and line.startswith(" "):
            fields[current] = f"{fields[current]} {line.strip()}".strip()
        else:
            current = None
            yield line


def _join_lines(lines: Sequence[str]) -> str:
    return " ".join("\n".join(lines).split())
