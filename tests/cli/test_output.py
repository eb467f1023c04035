"""The output of commands survives prints, narrow encodings and closed streams."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .example_project import PATIENCE, command_environment, micropie_command


def test_prints_while_the_app_is_loaded_go_to_standard_error(project: Path) -> None:
    ended = micropie_command("routes", "prints:app", "--format", "json", cwd=project)
    assert (ended.returncode, ended.stderr) == (0, "hello\n")
    assert [entry["url"] for entry in json.loads(ended.stdout)] == ["/"]


def test_characters_outside_the_terminals_encoding_are_escaped(project: Path) -> None:
    arguments = ["explain", "site_one:app", "/", "-H", "X-Name: \u2192"]
    ran = micropie_command(*arguments, cwd=project, PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert (ran.returncode, ran.stderr) == (0, "")
    ended = micropie_command(*arguments, "--format", "json", cwd=project, PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert ["X-Name", "\u2192"] in json.loads(ended.stdout)["request"]["headers"]


@pytest.mark.parametrize(
    ("command", "exit_code", "error"),
    [
        (
            "routes site_one:app > /dev/full",
            2,
            "Error: Standard output cannot be written to: No space left on device.\n",
        ),
        ("explain site_one:app / -d @- <&-", 2, "Error: Invalid value for -d: standard input is closed.\n"),
        ("shell site_one:app <&-", 0, ""),
        ("routes no_app:zzz 2>&-", 3, ""),
        ("routes site_one:app >&-", 0, ""),
        ("openapi site_one:app | head -n 1 > /dev/null", 0, ""),
    ],
)
def test_closed_or_full_streams_end_the_command_without_a_traceback(
    project: Path, command: str, exit_code: int, error: str
) -> None:
    ended = subprocess.run(
        f"{sys.executable} -m micropie {command}",
        shell=True,
        cwd=project,
        env=command_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (ended.returncode, "Traceback" in ended.stderr) == (exit_code, False)
    assert ended.stderr.endswith(error)
    assert bool(ended.stderr) is bool(error)
