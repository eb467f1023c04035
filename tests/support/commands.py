"""This module runs the command line in this process, on a small project that the test writes."""

import os
import sys
import textwrap
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from micropie.cli import command_line


@dataclass(frozen=True)
class Ran:
    """The result of a command."""

    exit_code: int
    out: str
    err: str


def run(*arguments: str, stdin: str | bytes = "", color: bool = False, **environment: str) -> Ran:
    """Run `micropie` with `arguments`. Exceptions that are not mistakes of the user are raised."""
    environment.setdefault("NO_COLOR", "")
    result = CliRunner().invoke(
        command_line(), arguments, input=stdin, env=environment, color=color, catch_exceptions=False
    )
    return Ran(result.exit_code, result.stdout, result.stderr)


@contextmanager
def project(directory: Path, files: Mapping[str, str]) -> Generator[Path]:
    """Write `files` into `directory` and work there. Afterwards, modules imported from it are forgotten."""
    for name, text in files.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip("\n"))
    before, path, known = Path.cwd(), sys.path[:], set(sys.modules)
    os.chdir(directory)
    try:
        yield directory
    finally:
        os.chdir(before)
        sys.path[:] = path
        for name in set(sys.modules) - known:
            if str(directory) in str(getattr(sys.modules[name], "__spec__", "")):
                del sys.modules[name]
