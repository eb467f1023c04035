"""Every code block of the README and of docs/ runs.

Python blocks run unchanged, in a namespace for each file. The `curl` commands of console blocks are sent to the file's
`app`, and must print exactly the output that is shown.
"""

import shlex
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sybil import Document, Example, Region, Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from micropie.testing import TestClient

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def curl(client: TestClient, words: list[str]) -> str:
    """Return what `curl` would print with these arguments."""
    method, headers, data, url = "", {}, [], ""
    arguments = iter(words)
    for word in arguments:
        if word == "-H":
            name, _, value = next(arguments).partition(": ")
            headers[name] = value
        elif word == "-d":
            data.append(next(arguments))
        elif word == "-X":
            method = next(arguments)
        else:
            url = word
    if data:
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    response: httpx2.Response = client.request(
        method or ("POST" if data else "GET"),
        url.removeprefix("localhost:8000"),
        headers=headers,
        content="&".join(data).encode() if data else None,
    )
    return response.text


def run_console(example: Example) -> None:
    """Run each `$ curl …` of a console block, and compare the output."""
    app = example.namespace["app"]
    commands = textwrap.dedent(example.parsed).strip("\n").split("$ ")[1:]
    with TestClient(app) as client:
        for command in commands:
            line, _, expected = command.partition("\n")
            words = shlex.split(line)
            assert words[0] == "curl", f"only curl can be shown, not {words[0]}"
            assert curl(client, words[1:]).rstrip("\n") == expected.rstrip("\n")


def console_blocks(document: Document) -> Iterable[Region]:
    """Find the console blocks of a Markdown document."""
    start = 0
    while (start := document.text.find("```console\n", start)) >= 0:
        end = document.text.index("\n```", start)
        yield Region(start, end + 4, document.text[start + len("```console\n") : end], run_console)
        start = end


def documents() -> Iterator[Any]:
    sybil = Sybil(parsers=[PythonCodeBlockParser(), console_blocks])
    for path in FILES:
        yield pytest.param(sybil.parse(path), id=str(path.relative_to(ROOT)))


@pytest.mark.parametrize("document", [*documents()])
def test_every_block_of_code_runs(document: Document) -> None:
    examples = list(document.examples())
    assert examples or "```python" not in document.text
    for example in examples:
        example.evaluate()
