"""These tests check templates and session keys that the code names."""

from pathlib import Path

import pytest

from .support import list_findings

FOUND = {
    # missing-template
    "a template that is not there": (
        'async def page(self) -> str: return await self._render_template("gone.html")',
        ["missing-template Site.page"],
    ),
    "a template that is not there, in a helper": (
        'async def _page(self): return await self._render_template("gone.html")',
        ["missing-template Site._page"],
    ),
    "a template that extends one that is not there": (
        'async def page(self) -> str: return await self._render_template("child.html")',
        ["missing-template Site.page"],
    ),
    "a template that is none": (
        'async def page(self) -> str: return await self._render_template("broken.html", x=1)',
        ["missing-template Site.page"],
    ),
    "a template that is not text": (
        'async def page(self) -> str: return await self._render_template("binary.html", x=1)',
        ["missing-template Site.page"],
    ),
    # session-override
    "a name that the session holds": (
        """
        async def login(self, user: str) -> None: self.request.session["user"] = user
        async def mail(self, user: str) -> str: ...
        """,
        ["session-override Site.mail (user: str)"],
    ),
    "a name that a marker says the session holds": (
        """
        async def mail(self, user: str) -> str: ...
        async def me(self, user: Annotated[str, Session()]) -> str: ...
        """,
        ["session-override Site.mail (user: str)"],
    ),
    "a field of a typed session": (
        """
        async def cart(self, cart: Annotated[Cart, Session()]) -> str: ...
        async def buy(self, items: list[str]) -> str: ...
        """,
        ["session-override Site.buy (items: list[str])"],
    ),
    **{
        f"a key of the session: {use}": (
            f"async def index(self) -> None:\n            {use}\n        async def mail(self, user: str) -> str: ...",
            ["session-override Site.mail (user: str)"],
        )
        for use in (
            'x = self.request.session.get("user")',
            'x = self.request.session.pop("user", None)',
            'x = self.request.session.setdefault("user", "")',
            'self.request.session.update(user="ann")',
            'self.request.session.update({"user": "ann"})',
            'self.request.session = {"user": "ann", **{}}',
            'session = self.request.session; session["user"] = "ann"',
            'session: Any = self.request.session; session["user"] = "ann"',
            'x = "user" in self.request.session',
            'if (s := self.request.session): s["user"] += "!"',
        )
    },
}
"""The body of an app, and the findings in it."""

LEFT_ALONE = {
    "a session key that is marked": """
        async def login(self, user: Annotated[str, Form()]) -> None: self.request.session["user"] = user
        async def mail(self, user: Annotated[str, Session()]) -> str: ...
        async def find(self, user: Annotated[str, Query()]) -> str: ...
        @route("/of/{user}")
        async def of(self, user: str) -> str: ...
        """,
    "a session key that the handler sets from what was sent": """
        async def login(self, user: str) -> None:
            self.request.session["user"] = user
        """,
    "something else with keys": """
        async def index(self) -> str: return self.cache["user"] + self.cache.get("user")
        async def mail(self, user: str) -> str: ...
        """,
    "a template that is there": 'async def page(self) -> str: return await self._render_template("good.html")',
    "a template with all that it needs": """
        async def page(self) -> str: return await self._render_template("whole.html")
        async def round(self) -> str: return await self._render_template("round.html")
        """,
    "a template whose name comes later": "async def page(self, n: str) -> str: return await self._render_template(n)",
    "a template of another's": 'async def page(self) -> str: return await self.env.render("gone.html")',
}
"""Bodies of apps without findings."""


@pytest.mark.parametrize("name", FOUND)
def test_missing_template_or_open_session_key_is_found(directory: Path, name: str) -> None:
    body, expected = FOUND[name]
    assert list_findings(directory, body) == expected


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_existing_template_or_marked_session_key_is_left_alone(directory: Path, name: str) -> None:
    assert list_findings(directory, LEFT_ALONE[name]) == []
