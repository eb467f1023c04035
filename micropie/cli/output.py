"""What the commands print: plain when piped, with colours in a terminal unless NO_COLOR is set (no-color.org).

Owns colours, columns and JSON. What is said is each command's own.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

import click
import msgspec

from .loading import WRONG_USAGE

INDENT: Final = "  "


class NotWritten(click.ClickException):
    """Standard output takes nothing more."""

    exit_code = WRONG_USAGE


def emit(text: str | bytes) -> None:
    """Print `text`, which may be styled, as one line or several. Raises NotWritten, but not for a closed pipe."""
    try:
        click.echo(text)
    except BrokenPipeError:  # `micropie routes … | head`: click ends quietly
        raise
    except OSError as error:
        _give_up()
        raise NotWritten(f"What was found cannot be written: {error.strerror}.") from None


def _give_up() -> None:
    """Let what is still to be written vanish, else the interpreter tries again when it ends, and says 120."""
    with suppress(OSError, ValueError):  # ValueError: it has no descriptor, or was closed
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def emit_json(document: object) -> None:
    """Print `document` as indented JSON, in UTF-8 wherever it goes (RFC 8259 §8.1)."""
    emit(msgspec.json.format(msgspec.json.encode(document), indent=2))


def style(text: str, *, colour: str | None = None, bold: bool = False, faint: bool = False) -> str:
    """`text` in a colour, bold or faint. click takes that off again where it prints to no terminal."""
    if os.environ.get("NO_COLOR"):
        return text
    return click.style(text, fg=colour, bold=bold or None, dim=faint or None)


def heading(text: str) -> str:
    """`text` as what stands above other lines."""
    return style(text, bold=True)


def faint(text: str) -> str:
    """`text` as what matters less."""
    return style(text, faint=True)


def format_columns(rows: Iterable[Sequence[str]], *, gap: int = 2) -> list[str]:
    """`rows` as lines, each column as wide as its widest cell; cells may be styled. The last column is not padded."""
    found = [list(row) for row in rows]
    if not found:
        return []
    widths = [max(_width(row[at]) for row in found if at < len(row)) for at in range(max(map(len, found)))]
    return ["".join(_padded(row, widths, gap)).rstrip() for row in found]


def _padded(row: Sequence[str], widths: Sequence[int], gap: int) -> Iterable[str]:
    for cell, width in zip(row, widths, strict=False):
        yield cell + " " * (width - _width(cell) + gap)


def _width(cell: str) -> int:
    return len(click.unstyle(cell))


def indent_lines(lines: Iterable[str], by: int = 1) -> list[str]:
    """`lines`, `by` levels deeper."""
    return [f"{INDENT * by}{line}" if line else line for line in lines]


def count_noun(number: int, thing: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
