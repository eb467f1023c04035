"""These tests call `check`: what it looks at, where each finding is, and in which order."""

import importlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from micropie import App, SetupError
from micropie.inspection.checks import RULES, check, collect_setup_problems

from . import test_handlers, test_templates, test_urls
from .support import HEADER, create_app


def test_every_rule_has_a_case() -> None:
    tables = (test_handlers.FOUND, test_templates.FOUND, test_urls.FOUND)
    findings = [finding for table in tables for _, expected in table.values() for finding in expected]
    assert {"default-type", *(finding.split()[0] for finding in findings)} == set(RULES)


LINES = """
class Users(Resource):
    @route(
        "/{id}"
    )
    async def read(
        self,
        id: int,
        x=1,
    ): ...

    async def page(self) -> str:
        name = "x"
        return await self.app._render_template(
            "gone.html"
        )

class Site(App):
    users = Users()
    again = users

    def get_user(self, id):
        return id
"""


def test_findings_have_their_lines_and_are_sorted(directory: Path) -> None:
    app, problems = create_app(directory, LINES)
    found = check(app, problems)
    lines = (directory / "checked.py").read_text().splitlines()
    assert [(finding.code, lines[(finding.line or 0) - 1].strip()) for finding in found] == [
        ("untyped-return", "async def read("),
        ("untyped-parameter", "x=1,"),
        ("missing-template", '"gone.html"'),
        ("accidental-url", "def get_user(self, id):"),
    ]
    assert {finding.file for finding in found} == {str(directory / "checked.py")}


HOLDING = """
class Held(Resource):
    async def get(self): ...

class Bad(App):
    async def area(self, z: complex) -> str: ...

class Mounted(App):
    async def page(self): ...

class Outer(App):
    held = Held()

    def __init__(self) -> None:
        super().__init__()
        self.bad = Bad()
        self.mount("/mounted", Mounted())

    async def also(self, z: complex) -> str: ...

class Site(App): ...
"""


def test_class_is_checked_with_all_that_it_holds_and_mounts(directory: Path) -> None:
    create_app(directory, HOLDING)
    found = check(importlib.import_module("checked").Outer)
    assert [f"{finding.code} {finding.where}" for finding in found] == [
        "untyped-return Held.get",
        "cannot-work Bad.area (z: complex)",
        "untyped-return Mounted.page",
        "cannot-work Outer.also (z: complex)",
    ]


def test_app_is_refused_again_after_problems_were_collected(directory: Path) -> None:
    create_app(directory, HOLDING)
    outer = importlib.import_module("checked").Outer
    with collect_setup_problems() as problems:
        outer()
    assert [finding.where for finding in problems] == ["Bad.area (z: complex)", "Outer.also (z: complex)"]
    with pytest.raises(SetupError):
        outer()


def test_app_of_another_thread_is_refused_while_problems_are_collected(directory: Path) -> None:
    create_app(directory, HOLDING)
    outer = importlib.import_module("checked").Outer
    with collect_setup_problems() as problems, ThreadPoolExecutor(1) as threads:
        refused = threads.submit(outer).exception()
    assert isinstance(refused, SetupError)
    assert problems == []


DEPENDING = """
def by_marker(user: Annotated[str, Session()]) -> str: ...
def by_hand(request: Request) -> str: return request.session["cart"]
def open_to_all(user: str, n: int = "x", z=3) -> str: ...
def silenced(
    user: str,  # micropie: ignore[session-override]
) -> str: ...

class Site(App):
    async def one(self, a: Annotated[str, Depends(by_marker)], b: Annotated[str, Depends(by_hand)]) -> str: ...
    async def two(self, a: Annotated[str, Depends(open_to_all)], b: Annotated[str, Depends(silenced)]) -> str: ...
    async def three(self, a: Annotated[str, Depends(open_to_all)], cart: list[int]) -> str: ...
"""


def test_dependency_is_checked_once_at_its_definition(directory: Path) -> None:
    app, problems = create_app(directory, DEPENDING)
    assert problems == []
    begin = len(HEADER.splitlines()) + 1
    assert [(f"{finding.code} {finding.where}", (finding.line or 0) - begin) for finding in check(app)] == [
        ("default-type checked.open_to_all (n: int)", 3),
        ("session-override checked.open_to_all (user: str)", 3),
        ("untyped-parameter checked.open_to_all (z)", 3),
        ("session-override Site.three (cart: list[int])", 11),
    ]


def test_pages_of_the_framework_are_not_checked() -> None:
    class Site(App):
        def __init__(self) -> None:
            super().__init__(docs=True)

    class Double(Site):
        async def docs(self) -> Any: ...

    assert check(Site) == []
    assert [finding.code for finding in check(Double)] == ["untyped-return", "cannot-work"]


def test_handler_without_source_code_is_checked_by_its_signature() -> None:
    names = {"App": App}
    exec(
        "class Site(App):\n    def get_user(self, id): return id\n    def page(self, x: int = None) -> str: ...", names
    )
    found = check(names["Site"])
    assert [(finding.code, finding.file, finding.line) for finding in found] == [
        ("accidental-url", "<string>", 2),
        ("default-type", "<string>", 3),
    ]


def test_handler_that_is_set_late_is_checked() -> None:
    async def late(self: App, id): ...  # type: ignore[no-untyped-def]

    app = App()
    app.late = late.__get__(app)  # type: ignore[attr-defined]
    assert [finding.code for finding in check(app)] == ["untyped-parameter", "untyped-return"]
