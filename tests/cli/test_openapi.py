"""`micropie openapi`: what it writes, where, and how it ends."""

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
def _as_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[None]:
    """What a command loads, and where it looks, is its own."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("TODOS_DB", str(tmp_path / "todos.db"))
    monkeypatch.chdir(tmp_path)
    yield
    for name in (*EXAMPLES, "plain"):
        sys.modules.pop(name, None)


def test_openapi_prints_json(tmp_path: Path) -> None:
    done = run("todo:app")
    assert (done.exit_code, msgspec.json.decode(done.stdout)) == (0, document(example_app("todo", tmp_path)))


def test_asyncapi_prints_json(tmp_path: Path) -> None:
    done = run("chat:app", "--asyncapi")
    assert (done.exit_code, msgspec.json.decode(done.stdout)) == (0, asyncapi.document(example_app("chat", tmp_path)))


@pytest.mark.parametrize("name", ["made.json", "made.yaml", "made.YML", "made"])
def test_file_extension_selects_the_format(name: str, tmp_path: Path) -> None:
    done = run("hello:app", "--output", name)
    content = (tmp_path / name).read_bytes()
    decode = msgspec.yaml.decode if name.lower().endswith(("yaml", "yml")) else msgspec.json.decode
    assert (done.exit_code, done.output) == (0, "")
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


@pytest.mark.parametrize(("arguments", "code", "said"), FAILURES)
def test_each_mistake_is_reported_in_a_sentence(
    arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("plain.py").write_text("async def app(scope, receive, send): ...")
    done = run(*arguments)
    text = done.output + capsys.readouterr().err
    assert (done.exit_code, said in text, "Traceback" in text) == (code, True, False), text


def test_yaml_without_pyyaml_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    done = run("hello:app", "--output", "made.yaml")
    assert done.exit_code == 3
    assert (
        "Writing YAML needs PyYAML, which is not installed. Install it with: pip install 'micropie[docs]'"
        in done.output
    )
