"""`micropie openapi` writes the document to the right place, and ends with the right exit code."""

import sys
from collections.abc import Generator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from micropie.cli import command_line
from micropie.openapi import asyncapi, document
from tests.support.examples import EXAMPLES, FOLDER, example_app


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command_line(), ["openapi", "--app-dir", str(FOLDER), *arguments])


@pytest.fixture(autouse=True)
def _restored_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[None]:
    """Restore loaded modules and the import path after each command."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("TODOS_DB", str(tmp_path / "todos.db"))
    monkeypatch.chdir(tmp_path)
    yield
    for name in (*EXAMPLES, "plain"):
        sys.modules.pop(name, None)


def test_openapi_prints_json(tmp_path: Path) -> None:
    result = run("todo:app")
    assert (result.exit_code, msgspec.json.decode(result.stdout)) == (0, document(example_app("todo", tmp_path)))


def test_asyncapi_prints_json(tmp_path: Path) -> None:
    result = run("chat:app", "--asyncapi")
    assert (result.exit_code, msgspec.json.decode(result.stdout)) == (
        0,
        asyncapi.document(example_app("chat", tmp_path)),
    )


@pytest.mark.parametrize("name", ["made.json", "made.yaml", "made.YML", "made"])
def test_file_extension_selects_the_format(name: str, tmp_path: Path) -> None:
    result = run("hello:app", "--output", name)
    content = (tmp_path / name).read_bytes()
    decode = msgspec.yaml.decode if name.lower().endswith(("yaml", "yml")) else msgspec.json.decode
    assert (result.exit_code, result.output) == (0, "")
    assert decode(content) == document(example_app("hello", tmp_path))
    assert content.endswith(b"\n")


FAILURES = [
    (["hello"], 2, "is not of the form module:app"),
    (["nowhere:app"], 3, "Module 'nowhere' was not found"),
    (["hello:nothing"], 3, "has no 'nothing'"),
    (["plain:app", "--app-dir", "."], 2, "is an ASGI app, but this command can only inspect a micropie.App"),
    (["hello:app", "--output", "no/such/folder.json"], 2, "No such file or directory"),
    (["hello:app", "--output", "."], 2, "is a directory"),
    (["hello:app", "--format", "json"], 2, "No such option"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), FAILURES)
def test_each_mistake_is_reported_in_a_sentence(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("plain.py").write_text("async def app(scope, receive, send): ...")
    result = run(*arguments)
    text = result.output + capsys.readouterr().err
    assert (result.exit_code, message in text, "Traceback" in text) == (code, True, False), text


def test_yaml_without_pyyaml_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    result = run("hello:app", "--output", "made.yaml")
    assert result.exit_code == 3
    assert (
        "Writing YAML needs PyYAML, which is not installed. Install it with: pip install 'micropie[docs]'"
        in result.output
    )
