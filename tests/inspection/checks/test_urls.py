"""These tests check handlers that no path reaches, or not with their values."""

from pathlib import Path

import pytest

from .support import list_findings

FOUND = {
    # shadowed-url
    "a method where an app is mounted": ("async def static(self) -> str: ...", ["shadowed-url Site.static"]),
    "a method with values where an app is mounted": (
        "async def static(self, name: str) -> str: ...",
        ["shadowed-url Site.static"],
    ),
    "a path where an app is mounted": (
        '@route("/static/{name}")\n        async def logo(self, name: str) -> str: ...',
        ["shadowed-url Site.logo"],
    ),
    "a path below an attribute": (
        """
        @route("/{name}/list")
        async def lists(self, name: str) -> str: ...
        @route("/{name}/{which}", methods=["GET"])
        async def which(self, name: str, which: str) -> str: ...
        """,
        [],
    ),
    "a socket's path": (
        '@route("/static/live")\n        async def ws_live(self, ws: WebSocket) -> None: ...',
        ["shadowed-url Site.ws_live"],
    ),
    # shadowed-value
    "a path value that a path takes": (
        """
        async def price(self, item: str) -> str: ...
        @route("/price/{name}")
        async def named(self, name: str) -> str: ...
        """,
        ["shadowed-value Site.price"],
    ),
}
"""The body of an app, and the findings in it."""

LEFT_ALONE = {
    "a list and its items": """
        async def items(self, page: int = 1) -> str: ...
        @route("/items/{id}")
        async def item(self, id: int) -> str: ...
        """,
    "index and others": """
        async def index(self, *rest: str) -> str: ...
        async def items(self, page: int) -> str: ...
        @route("/{name}", methods=["POST"])
        async def make(self, name: str) -> str: ...
        """,
}
"""Bodies of apps without findings."""


@pytest.mark.parametrize("name", FOUND)
def test_shadowed_handler_is_found(directory: Path, name: str) -> None:
    body, expected = FOUND[name]
    assert list_findings(directory, body) == expected


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_reachable_handler_is_left_alone(directory: Path, name: str) -> None:
    assert list_findings(directory, LEFT_ALONE[name]) == []
