"""`micropie check` reports findings in three formats, and its exit code tells whether there are any."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from micropie.cli.check import FORMATS
from micropie.inspection.checks import RULES, Finding
from tests.support.commands import project, run

ROOT = Path(__file__).parents[2]

SITES = {
    "bad.py": """
        from micropie import App

        class Site(App):
            async def area(self, z: complex) -> str: ...
            async def list(self, page: int = None): ...

        app = Site()
    """,
    "doubtful.py": """
        from micropie import App

        class Site(App):
            async def index(self): ...

        app = Site()
    """,
    "good.py": """
        from micropie import App

        class Site(App):
            async def index(self) -> str: ...

        class Twice(Site):
            async def again(self) -> str: ...

        def create() -> App:
            return Site()

        def create_with_docs() -> App:
            print("made")
            return Twice(docs=True)
    """,
    "late.py": """
        from micropie import App

        class Site(App):
            async def one(self, z: complex) -> str: ...

        class Other(App):
            async def index(self) -> str: ...

        async def late(self, z: complex) -> str: ...

        first = Site()
        app = Other()
        app.late = late.__get__(app)
    """,
    "nested.py": """
        from micropie import App

        class Inner(App):
            async def one(self, z: complex) -> str: ...

        class Outer(App):
            inner = Inner()
            async def two(self, z: complex) -> str: ...

        app = Outer()
    """,
    "fails.py": "1 / 0",
}

TEXT = """\
bad.py:4: error: Site.area (z: complex): 'builtins.complex' cannot be read from a request [cannot-work]
    Use a type that msgspec can read: …
bad.py:5: error: Site.list (page: int): the default None is not of type int [default-type]
    Annotate it with int | None
bad.py:5: warning: Site.list: has no return annotation [untyped-return]
    Annotate the result: -> str, -> Todo, -> tuple[Literal[201], Todo]
2 errors, 1 warning.
"""

GITHUB = """\
::error file=bad.py,line=4,title=micropie cannot-work::Site.area (z: complex): 'builtins.complex' cannot be read from \
a request%0AUse a type that msgspec can read: …
::error file=bad.py,line=5,title=micropie default-type::Site.list (page: int): the default None is not of type int%0A\
Annotate it with int | None
::warning file=bad.py,line=5,title=micropie untyped-return::Site.list: has no return annotation%0A\
Annotate the result: -> str, -> Todo, -> tuple[Literal[201], Todo]
"""


@pytest.fixture(autouse=True)
def sites(tmp_path: Path) -> Iterator[Path]:
    with project(tmp_path, SITES) as directory:
        yield directory


def shortened(text: str) -> str:
    return re.sub(r"(msgspec can read: ).*", r"\1…", text)


@pytest.mark.parametrize(("form", "expected"), [("text", TEXT), ("github", GITHUB)])
def test_report_names_file_line_rule_and_remedy(form: str, expected: str) -> None:
    ran = run("check", "bad:app", "--format", form)
    assert (ran.exit_code, shortened(ran.out), ran.err) == (1, expected, "")


def test_report_is_printed_as_json(sites: Path) -> None:
    ran = run("check", "bad:Site", "--format", "json")
    assert ran.exit_code == 1
    report = msgspec.json.decode(ran.out)
    assert (report["errors"], report["warnings"], len(report["findings"])) == (2, 1, 3)
    assert report["findings"][2] == {
        "level": "warning",
        "code": "untyped-return",
        "where": "Site.list",
        "what": "has no return annotation",
        "remedy": "Annotate the result: -> str, -> Todo, -> tuple[Literal[201], Todo]",
        "file": str(sites / "bad.py"),
        "line": 5,
    }


EXIT_CODES = [
    ("good:Site", 0),
    ("good:Site --strict", 0),
    ("good:create --factory --strict", 0),
    ("doubtful:app", 0),
    ("doubtful:app --strict", 1),
    ("doubtful:app --strict --format json", 1),
    ("doubtful:app --strict --format github", 1),
    ("bad:app", 1),
    ("late:app", 1),
    ("nested:app", 1),
    ("fails:app", 3),
    ("bad:ap", 3),
    ("absent:app", 3),
    ("bad", 2),
    ("bad:app --format xml", 2),
    ("good:create", 2),
]


@pytest.mark.parametrize(("written", "exit_code"), EXIT_CODES)
def test_exit_code_follows_from_the_findings(written: str, exit_code: int) -> None:
    ran = run("check", *written.split())
    assert ran.exit_code == exit_code
    assert "Traceback" not in ran.out + ran.err
    assert bool(ran.err) is (exit_code > 1)


WHOLE = {
    "good:Site": "good:Site: no problems in 1 URL.\n",
    "good:Twice": "good:Twice: no problems in 2 URLs.\n",
}


@pytest.mark.parametrize("target", WHOLE)
def test_report_without_findings_is_one_line(target: str) -> None:
    assert run("check", target).out == WHOLE[target]
    assert run("check", target, "--format", "github").out == ""


@pytest.mark.parametrize("form", ["text", "json", "github"])
def test_prints_while_the_app_is_created_are_not_part_of_the_report(form: str) -> None:
    ran = run("check", "good:create_with_docs", "--factory", "--format", form)
    assert (ran.exit_code, ran.err) == (0, "made\n")
    nothing = {"errors": 0, "warnings": 0, "findings": []}
    assert (msgspec.json.decode(ran.out) == nothing) if form == "json" else ("made" not in ran.out)


REFUSED = {
    "nested:app": ["nested.py:4: error: Inner.one (z: complex)", "nested.py:8: error: Outer.two (z: complex)"],
    "late:app": ["late.py:4: error: Site.one (z: complex)", "late.py:9: error: Other.late (z: complex)"],
}


@pytest.mark.parametrize("target", REFUSED)
def test_app_that_cannot_be_created_is_a_finding_but_a_failed_import_is_not(target: str) -> None:
    ran = run("check", target)
    errors = [line for line in ran.out.splitlines() if "error:" in line]
    assert [line[: len(start)] for line, start in zip(errors, REFUSED[target], strict=True)] == REFUSED[target]


def test_special_characters_are_escaped_in_github_annotations(capsys: pytest.CaptureFixture[str]) -> None:
    awkward = Finding("default-type", "A.b", "50 %, of:\r\nthis", "fix: it, all", f"{os.sep}a,b:c%.py", 1)
    FORMATS["github"]("", None, [awkward])
    assert capsys.readouterr().out == (
        "::error file=/a%2Cb%3Ac%25.py,line=1,title=micropie default-type::A.b: 50 %25, of:%0D%0Athis%0Afix: it, all\n"
    )


def test_finding_without_a_place_is_printed_without_one(capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = Finding("cannot-work", "A.b", "what", "remedy")
    FORMATS["github"]("", None, [nowhere])
    assert capsys.readouterr().out == "::error title=micropie cannot-work::A.b: what%0Aremedy\n"
    FORMATS["text"]("a:b", None, [nowhere])
    assert capsys.readouterr().out.startswith("error: A.b: what [cannot-work]\n")


@pytest.mark.parametrize("example", sorted(path.stem for path in (ROOT / "examples").glob("[!_]*.py")))
def test_every_example_passes(example: str, monkeypatch: pytest.MonkeyPatch, sites: Path) -> None:
    monkeypatch.setenv("TODOS_DB", str(sites / "todos.db"))
    ran = run("check", "--strict", "--app-dir", str(ROOT), f"examples.{example}:app")
    assert (ran.exit_code, ran.err) == (0, ""), ran.out


def test_documentation_has_the_table_of_rules() -> None:
    rows: Any = re.findall(
        r"^\| `([a-z-]+)` \| (error|warning) \| (.+) \|$", (ROOT / "docs" / "cli.md").read_text(), re.M
    )
    assert {code: (level, meaning) for code, level, meaning in rows} == RULES
