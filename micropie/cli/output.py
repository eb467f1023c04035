"""This module prints what the commands write, in colours, columns or JSON.

Output is plain when piped, and coloured in a terminal unless NO_COLOR is set (no-color.org). The texts belong to the
commands.
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
    """An error that says why standard output cannot be written to."""

    exit_code = WRONG_USAGE


def emit(text: str | bytes) -> None:
    """Print `text`, which may be styled and have several lines. Raises NotWritten, but not for a closed pipe."""
    try:
        click.echo(text)
    except BrokenPipeError:  # `micropie routes … | head`: click ends quietly
        raise
    except OSError as error:
        _discard_buffer()
        raise NotWritten(f"Standard output cannot be written to: {error.strerror}.") from None


def _discard_buffer() -> None:
    """Discard what is still buffered. Otherwise the interpreter writes it again at exit, fails, and exits with 120."""
    with suppress(OSError, ValueError):  # ValueError: it has no descriptor, or was closed
        null_device = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null_device, sys.stdout.fileno())
        os.close(null_device)


def emit_json(document: object) -> None:
    """Print `document` as indented JSON, always in UTF-8 (RFC 8259 §8.1)."""
    emit(msgspec.json.format(msgspec.json.encode(document), indent=2))


def style(text: str, *, colour: str | None = None, bold: bool = False, faint: bool = False) -> str:
    """Return `text` in a colour, bold or faint. click removes the style if it does not print to a terminal."""
    if os.environ.get("NO_COLOR"):
        return text
    return click.style(text, fg=colour, bold=bold or None, dim=faint or None)


def style_heading(text: str) -> str:
    """Return `text` in the style of a heading."""
    return style(text, bold=True)


def style_faint(text: str) -> str:
    """Return `text` in the style of what matters less."""
    return style(text, faint=True)


def format_columns(rows: Iterable[Sequence[str]], *, gap: int = 2) -> list[str]:
    """Format `rows` as lines, each column as wide as its widest cell. Cells may be styled; the last is not padded."""
    cells = [list(row) for row in rows]
    if not cells:
        return []
    columns = range(max(map(len, cells)))
    widths = [max(_get_width(row[column]) for row in cells if column < len(row)) for column in columns]
    return ["".join(_pad(row, widths, gap)).rstrip() for row in cells]


def _pad(row: Sequence[str], widths: Sequence[int], gap: int) -> Iterable[str]:
    for cell, width in zip(row, widths, strict=False):
        yield cell + " " * (width - _get_width(cell) + gap)


def _get_width(cell: str) -> int:
    return len(click.unstyle(cell))


def indent_lines(lines: Iterable[str], levels: int = 1) -> list[str]:
    """Indent `lines` by that many levels."""
    return [f"{INDENT * levels}{line}" if line else line for line in lines]


def count_noun(number: int, noun: str) -> str:
    """Return the number with its noun: `1 error`, `2 errors`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
