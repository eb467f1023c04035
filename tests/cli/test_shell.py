"""`micropie shell` holds the app and a client, and executes code from an option, a pipe or a terminal."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from micropie.cli.shell import _find_ipython
from tests.support.commands import project, run

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0

SITE = {
    "site_here.py": """
        from micropie import App

        PRICE = 3
        _private = 4

        class Site(App):
            async def index(self) -> str:
                return "home"

        def create():
            return Site()

        other = Site()
        client = "not a client"
    """,
}


@pytest.fixture(autouse=True)
def site(tmp_path: Path) -> Iterator[Path]:
    with project(tmp_path, SITE) as directory:
        yield directory


PIECES = [
    ("print(app is other)", "True\n"),
    ("print(PRICE + _private)", "7\n"),
    ("print(client.get('/').text)", "home\n"),
    ("with client: print(client.get('/nowhere').status_code)", "404\n"),
    ("print(__name__)", "__console__\n"),
    ("for n in range(2):\n    print(n)", "0\n1\n"),
    ("", ""),
    ("1 + 1", ""),
]


@pytest.mark.parametrize(("source", "output"), PIECES)
def test_code_option_is_executed(source: str, output: str) -> None:
    ran = run("shell", "site_here:other", "-c", source)
    assert (ran.exit_code, ran.out, ran.err) == (0, output, "")


def test_app_in_the_prompt_is_the_target() -> None:
    assert run("shell", "site_here:Site", "-c", "print(app is other, type(app) is Site)").out == "False True\n"
    assert run("shell", "--factory", "site_here:create", "-c", "print(type(app).__name__)").out == "Site\n"


FAILURES = [
    ("1 / 0", 1, 'Traceback (most recent call last):\n  File "<micropie shell>", line 1, in <module>\nZeroDivision'),
    ("x = (", 1, '  File "<micropie shell>", line 1\n'),
    ("import sys; sys.exit(4)", 4, ""),
]


@pytest.mark.parametrize(("source", "exit_code", "error"), FAILURES)
def test_traceback_of_typed_code_shows_only_its_lines(source: str, exit_code: int, error: str) -> None:
    ran = run("shell", "site_here:other", "-c", source)
    assert (ran.exit_code, ran.out, ran.err[: len(error)]) == (exit_code, "", error)
    assert "shell.py" not in ran.err


PIPED = [
    ("app is other\n", "True\n", ""),
    ("x = [1,\n2]\nx\n", "[1, 2]\n", ""),
    ("for n in range(2):\n    n\n\n'on'\n", "0\n1\n'on'\n", ""),
    ("for n in range(2):\n    n", "0\n1\n", ""),
    ("1 / 0\n'on'\n", "'on'\n", "ZeroDivisionError"),
    ("x = (", "", "SyntaxError"),
    ("", "", ""),
]


@pytest.mark.parametrize(("lines", "output", "error"), PIPED)
def test_piped_lines_are_executed(lines: str, output: str, error: str) -> None:
    ran = run("shell", "site_here:other", stdin=lines)
    assert (ran.exit_code, ran.out) == (0, output)
    assert error in ran.err
    assert bool(ran.err) is bool(error)


def test_piped_exit_ends_the_shell() -> None:
    assert run("shell", "site_here:other", stdin="import sys; sys.exit(4)\n'on'\n").exit_code == 4


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["site_here:absent"], 3, "has no 'absent'"),
        (["site_here"], 2, "Did you mean site_here:app?"),
        (["site_here:PRICE"], 2, "is of type int, not an app"),
    ],
)
def test_each_mistake_has_its_message_and_its_exit_code(arguments: list[str], exit_code: int, message: str) -> None:
    ran = run("shell", *arguments, "-c", "")
    assert (ran.exit_code, ran.out) == (exit_code, "")
    assert message in ran.err


def test_shell_without_httpx2_has_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "micropie.testing", None)
    assert run("shell", "site_here:Site", "-c", "print(PRICE, client)").out == "3 not a client\n"


def test_terminal_gets_a_banner_a_prompt_and_completion(site: Path) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb", "NO_COLOR": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "micropie", "shell", "site_here:Site"],
        cwd=site, env=environment, stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    try:
        os.write(ours, b"PRI\t * 2\nexit()\n")
        output = b""
        while chunk := _read(ours):
            output += chunk
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert b"app is site_here:Site, client sends requests to it: client.get('/')" in output
    assert b">>> PRICE * 2" in output
    assert b"6\r\n" in output


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # on Linux, this means that the other end has closed
        return b""


def test_ipython_is_used_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[Any] = []
    theirs: Any = ModuleType("IPython")
    theirs.start_ipython = lambda **given: started.append(given)
    monkeypatch.setitem(sys.modules, "IPython", theirs)
    start = _find_ipython("app is here")
    assert start is not None
    start({"app": 1})
    assert started == [{"argv": ["--no-banner"], "user_ns": {"app": 1}}]
    assert capsys.readouterr().out == "app is here\n"
    monkeypatch.setitem(sys.modules, "IPython", None)
    assert _find_ipython("") is None
