"""A docstring → a summary, a description, and what it says of each parameter and of the result.

Reads the three common styles: Google's sections (`Args:`), NumPy's (`Parameters` underlined) and Sphinx's fields
(`:param name: text`). It knows nothing of the function that the docstring belongs to.
"""

import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

_PARAMETERS: Final = frozenset(("args", "arguments", "parameters", "params", "other parameters", "keyword args"))
_RESULT: Final = frozenset(("returns", "return", "yields", "yield"))
_LEFT_OUT: Final = frozenset(("raises", "raise", "attributes", "warns"))
_SECTIONS: Final = _PARAMETERS | _RESULT | _LEFT_OUT

_HEADING: Final = re.compile(r"([A-Za-z][A-Za-z ]*):$")  # Google's: a word and a colon, alone
_UNDERLINE: Final = re.compile(r"-{3,}$")  # NumPy's, below the word
_FIELD: Final = re.compile(r":(\w+)(?:\s+([^:]*))?:\s*(.*)$")  # Sphinx's: `:param int name: text`
_ITEM: Final = re.compile(r"(\*{0,2}\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")  # Google's: `name (int): text`
_NUMPY_ITEM: Final = re.compile(r"(\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?$")  # NumPy's: `a, b : int`


class Docstring(msgspec.Struct, frozen=True):
    """A docstring, taken apart; what it does not say is empty."""

    summary: str = ""
    """Its first paragraph, on one line."""
    description: str = ""
    """The paragraphs after that which are in no section for parameters, results or exceptions."""
    parameters: Mapping[str, str] = {}
    """What is said of each parameter, by its name."""
    returns: str = ""


def read_docstring(text: str | None) -> Docstring:
    """`text` taken apart. Never raises: what has no known form is description."""
    lines = inspect.cleandoc(text or "").splitlines()
    plain: list[str] = []
    parameters: dict[str, str] = {}
    returns = ""
    for section, body in _sections(lines):
        if section in _PARAMETERS:
            parameters |= _items(body)
        elif section in _RESULT:
            returns = returns or _joined(_without_types(body))
        elif section not in _LEFT_OUT:
            plain += body
    fields: dict[tuple[str, str], str] = {}
    plain = list(_without_fields(plain, fields))
    parameters |= {name.split()[-1]: said for (kind, name), said in fields.items() if kind == "param" and name}
    returns = returns or next((said for (kind, _), said in fields.items() if kind in ("return", "returns")), "")
    summary, _, description = "\n".join(plain).strip().partition("\n\n")
    return Docstring(" ".join(summary.split()), description.strip(), parameters, returns)


def _sections(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """The sections with their lines; what stands before, between and after them is of section ''."""
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


def _without_types(lines: Sequence[str]) -> Sequence[str]:
    """What a section says of the result: in NumPy's its type stands at the margin, what is said of it below."""
    return [line for line in lines if line.startswith(" ")] or lines


def _items(lines: Sequence[str]) -> dict[str, str]:
    """The entries of a section of parameters: a name at the margin, what is said of it beside or below."""
    found: dict[str, list[str]] = {}
    said: list[str] = []
    for line in textwrap.dedent("\n".join(lines)).splitlines():
        google, numpy = _ITEM.match(line), _NUMPY_ITEM.match(line)
        item = google or numpy
        if item is None or line.startswith(" "):
            said.append(line)
            continue
        # `name : int` is NumPy's, with the text below; `name: text` is Google's.
        is_numpy = google is None or f"{item[1]} :" in line
        said = [] if is_numpy else [item[2]]
        names = (numpy[1] if is_numpy and numpy else item[1]).split(",")
        found.update(dict.fromkeys((name.strip().lstrip("*") for name in names), said))
    return {name: _joined(words) for name, words in found.items()}


def _without_fields(lines: Sequence[str], fields: dict[tuple[str, str], str]) -> Iterator[str]:
    """The lines that are of no Sphinx field; those go to `fields`, by kind and name."""
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


def _joined(lines: Sequence[str]) -> str:
    return " ".join("\n".join(lines).split())
