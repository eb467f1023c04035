"""The command explains itself, refuses wrong usage and reports each mistake once."""

import sys
from pathlib import Path

import pytest

import micropie
from micropie.cli import EXIT_CODES

from .example_project import micropie_command, run_here


@pytest.mark.parametrize(
    ("arguments", "exit_code", "output"),
    [
        (["--version"], 0, f"micropie {micropie.__version__}\n"),
        (["--help"], 0, "  run      Serve TARGET with uvicorn.\n"),
        (["run", "--help"], 0, "TARGET is module:app"),
    ],
)
def test_version_and_help_are_printed(
    arguments: list[str],
    exit_code: int,
    output: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_here(arguments, monkeypatch) == exit_code
    assert output in capsys.readouterr().out


@pytest.mark.usefixtures("in_project")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serve"], "No such command 'serve'"),
        (["run"], "Missing argument 'TARGET'"),
        (["run", "site_one"], "Did you mean site_one:app?"),
        (["run", "site_one:app", "--port", "70000"], "70000 is not in the range"),
        (["run", "site_one:app", "--workers", "0"], "0 is not in the range"),
        (["run", "site_one:app", "--app-dir", "nowhere"], "Directory 'nowhere' does not exist"),
        (["run", "site_one:app", "--log-level", "loud"], "'loud' is not one of"),
        (
            ["run", "site_one:app", "--reload", "--workers", "2"],
            "Remove --reload, or remove --workers and WEB_CONCURRENCY.",
        ),
    ],
)
def test_wrong_usage_exits_2(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(arguments, monkeypatch) == 2
    assert message in capsys.readouterr().err


def test_exit_codes_are_listed_in_the_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run_here(["--help"], monkeypatch)
    assert EXIT_CODES in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("missing", ["click", "uvicorn"])
@pytest.mark.usefixtures("in_project")
def test_missing_package_is_named_with_the_command_that_installs_it(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    assert run_here(["run", "site_one:app"], monkeypatch) == 3
    error = capsys.readouterr().err
    assert f"needs {missing}, which is not installed. Install it with: pip install 'micropie[standard]'" in error


@pytest.mark.parametrize("more", [[], ["--reload"], ["--workers", "2"]], ids=" ".join)
@pytest.mark.parametrize(
    ("target", "exit_code", "message"),
    [
        ("site_one:answer", 2, "Error: 'site_one:answer' is of type int, not an app."),
        ("raises:app", 3, "Error: 'raises' could not be imported.\nraises.py:4: JSONDecodeError: "),
    ],
)
def test_mistake_ends_the_command_with_one_message_and_no_traceback(
    project: Path, target: str, exit_code: int, message: str, more: list[str]
) -> None:
    ended = micropie_command("run", target, "--port", "0", *more, cwd=project)
    assert (ended.returncode, ended.stdout) == (exit_code, "")
    assert ended.stderr.startswith(message)
    assert [line for line in ended.stderr.splitlines() if line.startswith("Error: ")] == ended.stderr.splitlines()[:1]
    assert "Traceback" not in ended.stderr
