"""The commands in docs/cli.md print what is shown there, for the file that is shown there."""

import re
import shlex
from pathlib import Path

import pytest

from tests.support.commands import project, run

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "cli.md").read_text()
SHOP, QUIET, *_ = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
SESSIONS = re.findall(r"```shell-session\n(.*?)```", DOCUMENT, re.DOTALL)
COMMANDS = [command for session in SESSIONS for command in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.split("\n")[0])
def test_command_prints_what_the_documentation_shows(command: str, tmp_path: Path) -> None:
    line, _, expected = command.partition("\n")
    piped, _, rest = line.rpartition(" | ")
    words = shlex.split(rest)
    assert words[0] == "micropie"
    with project(tmp_path, {"shop.py": SHOP}):
        ran = run(*words[1:], stdin=" ".join(shlex.split(piped)[1:]) + "\n")
    assert ran.out == expected


def test_documentation_shows_every_command() -> None:
    assert {command.split()[1] for command in COMMANDS if command.startswith("micropie")} >= {
        "routes",
        "check",
        "explain",
        "shell",
    }


def test_documented_comment_silences_the_finding(tmp_path: Path) -> None:
    with project(tmp_path, {"shop.py": SHOP + QUIET}):
        assert run("check", "--strict", "shop:Quiet").exit_code == 0
        (tmp_path / "loud.py").write_text(SHOP + QUIET.partition("#")[0] + "\n        return 0\n")
        assert run("check", "--strict", "loud:Quiet").exit_code == 1
