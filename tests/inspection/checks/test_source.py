"""These tests silence findings with comments in the source code."""

from pathlib import Path

import pytest

from .support import list_findings

IGNORED = {
    "on the line": "def get_user(self, id): return id  # micropie: ignore[accidental-url]",
    "among others": "def get_user(self, id): return id  # micropie: ignore[untyped-return, accidental-url]",
    "with a word about it": "def get_user(self, id): return id  # micropie: ignore[accidental-url]: it is one",
    "spaced as it comes": "def get_user(self, id): return id  #micropie:ignore[ accidental-url ]",
    "where the def begins": """
        def get_user(  # micropie: ignore[accidental-url]
            self, id
        ): return id
        """,
    "where the def ends": """
        def get_user(
            self, id
        ):  # micropie: ignore[accidental-url]
            return id
        """,
    "at a parameter": """
        async def get(
            self,
            x=1,  # micropie: ignore[untyped-parameter]
        ) -> str: ...
        """,
    "at a template": """
        async def page(self) -> str:
            x = 1
            return await self._render_template("gone.html")  # micropie: ignore[missing-template]
        """,
    "at the def of a template": """
        async def page(self) -> str:  # micropie: ignore[missing-template]
            return await self._render_template("gone.html")
        """,
}


@pytest.mark.parametrize("name", IGNORED)
def test_comment_in_a_signature_silences_its_rule(directory: Path, name: str) -> None:
    assert list_findings(directory, IGNORED[name]) == []


NOT_IGNORED = {
    "another rule": "def get_user(self, id): return id  # micropie: ignore[untyped-return]",
    "no rule": "def get_user(self, id): return id  # micropie: ignore",
    "inside": "def get_user(self, id):\n            return id  # micropie: ignore[accidental-url]",
    "what cannot work": "def area(self, z: complex) -> str: ...  # micropie: ignore[cannot-work]",
}


@pytest.mark.parametrize("name", NOT_IGNORED)
def test_other_comment_silences_nothing(directory: Path, name: str) -> None:
    assert len(list_findings(directory, NOT_IGNORED[name])) == 1
