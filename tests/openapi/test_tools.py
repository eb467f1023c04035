"""These tests run the tools that read the documents: schemathesis, TypeScript, and a browser.

Tests of a tool that is not installed are skipped. If MICROPIE_ALL_TESTS is set, they fail instead.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

import httpx2
import msgspec
import pytest
from jsonschema import Draft7Validator

from micropie import App
from micropie.openapi import asyncapi, document
from tests.servers.harness import MICROPIE, Server, serving
from tests.support.browser import Page, browsing, find_browser
from tests.support.examples import EXAMPLES, FOLDER, example_app

TOOLS: Final = Path(__file__).parents[1] / "support"
SECONDS: Final = 120
"""Seconds after which a tool is considered stuck."""


def skip_without(what: str) -> NoReturn:
    """Skip the test, or fail it if MICROPIE_ALL_TESTS is set."""
    if os.environ.get("MICROPIE_ALL_TESTS"):
        pytest.fail(f"{what} is missing, and MICROPIE_ALL_TESTS is set")
    pytest.skip(f"{what} is missing")


def run(*command: str | Path, cwd: Path) -> str:
    """Run `command`, assert that it succeeds, and return its output."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def write(path: Path, content: Any) -> Path:
    path.write_bytes(msgspec.json.encode(content))
    return path


# --- schemathesis -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_conforms_to_its_document(example: str, tmp_path: Path) -> None:
    described = write(tmp_path / "openapi.json", document(example_app(example, tmp_path)))
    (tmp_path / "film.mp4").write_bytes(bytes(range(256)) * 400)
    kept = {"TODOS_DB": "served.db", "UPLOADS": "uploads", "VIDEO": "film.mp4"}
    environment = {name: str(tmp_path / file) for name, file in kept.items()}
    with serving(MICROPIE, f"{example}:app", FOLDER, tmp_path, **environment) as server:
        if example == "todo":
            httpx2.post(f"{server.http}/todos", json={"title": "The first"}).raise_for_status()
        exercise(described, server)


def exercise(described: Path, server: Server) -> None:
    """Send the requests that schemathesis generates, the same ones in every run."""
    options = ["--generation-deterministic", "--max-examples", "25", "--request-timeout", "10", "--no-color"]
    # With -P, Python looks for no modules in the folder of the tools, whose `types` hides that of the standard library.
    command = [sys.executable, "-P", "-m", "schemathesis.cli", "--config-file", str(TOOLS / "schemathesis.toml"), "run"]
    run(*command, str(described), "--url", server.http, *options, cwd=TOOLS)


# --- TypeScript -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def npm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the packages of `support/package.json`. MICROPIE_NPM names a folder to keep between runs."""
    command = shutil.which("npm") or skip_without("npm")
    kept = os.environ.get("MICROPIE_NPM")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("npm")
    wanted = (TOOLS / "package.json").read_text()
    installed = folder / "package.json"
    if not installed.exists() or installed.read_text() != wanted:
        folder.mkdir(exist_ok=True, parents=True)
        installed.write_text(wanted)
        run(command, "install", "--no-audit", "--no-fund", "--no-package-lock", cwd=folder)
    return folder


def find_binary(npm: Path, name: str) -> Path:
    return npm / "node_modules" / ".bin" / name


def compile_typescript(npm: Path, *sources: Path) -> None:
    """Check `sources` with TypeScript at its strictest."""
    options = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--target", "es2022"]
    # Not in the folder of the npm packages, where TypeScript would check their types, too.
    folder = sources[0].parent
    run(find_binary(npm, "tsc"), *options, "--moduleResolution", "bundler", "--module", "esnext", *sources, cwd=folder)


def write_openapi_types(npm: Path, app: App, path: Path) -> Path:
    described = write(path.with_suffix(".openapi.json"), document(app))
    run(find_binary(npm, "openapi-typescript"), described, "-o", path, cwd=npm)
    return path


def write_message_types(npm: Path, app: App, path: Path) -> Path:
    """Write a TypeScript type for each schema of the app's AsyncAPI document."""
    schemas = asyncapi.document(app).get("components", {}).get("schemas", {})
    text = msgspec.json.encode(schemas).replace(b"#/components/schemas/", b"#/$defs/")
    whole = {
        "title": "Anything",
        "$defs": msgspec.json.decode(text),
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in schemas],
    }
    described = write(path.with_suffix(".schema.json"), whole)
    run(find_binary(npm, "json2ts"), "-i", described, "-o", path, cwd=npm)
    return path


def test_documents_of_the_examples_compile_to_typescript(npm: Path, tmp_path: Path) -> None:
    apps = {example: example_app(example, tmp_path) for example in EXAMPLES}
    sources = [write_openapi_types(npm, app, tmp_path / f"{example}.d.ts") for example, app in apps.items()]
    talking = {example: app for example, app in apps.items() if asyncapi.document(app)["channels"]}
    sources += [
        write_message_types(npm, app, tmp_path / f"{example}.messages.d.ts") for example, app in talking.items()
    ]
    compile_typescript(npm, *sources)


def test_typescript_client_compiles_against_the_types(npm: Path, tmp_path: Path) -> None:
    write_openapi_types(npm, example_app("todo", tmp_path), tmp_path / "todo.d.ts")
    write_message_types(npm, example_app("chat", tmp_path), tmp_path / "chat.d.ts")
    shutil.copy(TOOLS / "client.ts", tmp_path)
    compile_typescript(npm, tmp_path / "client.ts")


@pytest.mark.parametrize("example", EXAMPLES)
def test_asyncapi_documents_of_the_examples_are_valid(npm: Path, example: str, tmp_path: Path) -> None:
    schema = npm / "node_modules" / "@asyncapi" / "specs" / "schemas" / "3.0.0.json"
    doc = asyncapi.document(example_app(example, tmp_path))
    Draft7Validator(msgspec.json.decode(schema.read_bytes())).validate(doc)


# --- a browser --------------------------------------------------------------------------------------------------------

DOCUMENTED: Final = """
import sys
sys.path.insert(0, {examples!r})
if not {swagger}:
    sys.modules["swagger_ui_bundle"] = None
from todo import app
"""


@contextmanager
def open_docs(folder: Path, *, swagger: bool) -> Generator[tuple[Page, Server]]:
    """Open the page of the todo example in a browser; assert that it asks only the server, and without errors."""
    command = find_browser() or skip_without("Chromium")
    (folder / "documented.py").write_text(DOCUMENTED.format(examples=str(FOLDER), swagger=swagger))
    profile = folder / "profile"
    with (
        serving(MICROPIE, "documented:app", folder, folder, TODOS_DB=str(folder / "todos.db")) as server,
        browsing(command, profile) as page,
    ):
        page.visit(f"{server.http}/docs")
        yield page, server
        elsewhere = [url for url in page.requests if not url.startswith((f"{server.http}/", "data:"))]
        assert (elsewhere, page.complaints) == ([], [])


def open_operation(page: Page, name: str) -> str:
    """Unfold an operation, press "Try it out", and return the CSS selector of the operation."""
    place = f"#operations-Todos-{name}"
    page.click(f"{place} .opblock-summary-control")
    page.click(f"{place} .try-out__btn")
    return place


def execute(page: Page, place: str) -> str:
    """Send the request, wait for the response, and return its text."""
    page.click(f"{place} .execute")
    return str(page.wait(f"document.querySelector('{place} .live-responses-table .response')?.innerText"))


def test_swagger_ui_sends_requests(tmp_path: Path) -> None:
    with open_docs(tmp_path, swagger=True) as (page, server):
        place = open_operation(page, "todos_post")
        assert "201" in execute(page, place)
        place = open_operation(page, "todos_get")
        assert '"priority": 3' in execute(page, place)
        assert f"{server.http}/todos?limit=20" in page.requests
        place = open_operation(page, "todos_load")
        page.wait(f"document.querySelector('{place} input[type=file]') !== null")


def test_page_without_the_extra_has_no_javascript(tmp_path: Path) -> None:
    with open_docs(tmp_path, swagger=False) as (page, server):
        page.wait("document.querySelectorAll('article').length")
        assert page.run("document.scripts.length") == 0
        page.wait("getComputedStyle(document.querySelector('article')).borderTopStyle === 'solid'")
        assert page.requests == [f"{server.http}/docs", f"{server.http}/docs/style.css"]
