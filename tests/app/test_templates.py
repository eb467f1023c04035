"""Templates: what is found, what is escaped, what is refused."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import pytest

from micropie.app.templates import LOOK_EVERY, Templates
from micropie.errors import MissingDependency

MARKUP = "<b>"
ESCAPED = "&lt;b&gt;"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "pages"


def templates(directory: Path, **files: str) -> Templates:
    directory.mkdir()
    for name, text in files.items():
        (directory / f"{name}.html").write_text(text)
    return Templates(directory)


def render(found: Templates, name: str, /, **context: object) -> str:
    return asyncio.run(found.render(name, context))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("page.html", ESCAPED),
        ("page.htm", ESCAPED),
        ("page.xhtml", ESCAPED),
        ("image.svg", ESCAPED),
        ("feed.xml", ESCAPED),
        ("page.j2", ESCAPED),
        ("page.jinja2", ESCAPED),
        ("page.jinja", ESCAPED),
        ("page.html.j2", ESCAPED),
        ("mail.txt.j2", ESCAPED),
        ("PAGE.HTML", ESCAPED),
        ("mail.txt", MARKUP),
        ("page.html.txt", MARKUP),
        ("html", MARKUP),
    ],
)
def test_values_are_escaped_where_the_name_says_markup(directory: Path, name: str, expected: str) -> None:
    found = templates(directory)
    (directory / name).write_text("{{ value }}")
    assert render(found, name, value=MARKUP) == expected


def test_values_are_escaped_in_a_template_from_a_string(directory: Path) -> None:
    template = templates(directory).env.from_string("{{ value }}")
    assert asyncio.run(template.render_async(value=MARKUP)) == ESCAPED


@pytest.mark.parametrize("key", ["name", "context", "title"])
def test_any_name_may_be_used_in_the_context(directory: Path, key: str) -> None:
    found = templates(directory, page=f"{{{{ {key} }}}}")
    assert render(found, "page.html", **{key: "value"}) == "value"


def test_coroutines_are_awaited_in_a_template(directory: Path) -> None:
    async def price() -> int:
        return 3

    assert render(templates(directory, page="{{ price() }}"), "page.html", price=price) == "3"


@pytest.mark.parametrize("missing", ["absent.html", "../secret.html", "/etc/passwd"])
def test_a_template_that_is_not_below_the_directory_is_not_found(directory: Path, missing: str) -> None:
    found = templates(directory)
    (directory.parent / "secret.html").write_text("secret")
    with pytest.raises(jinja2.TemplateNotFound) as caught:
        render(found, missing)
    assert caught.value.name == missing


def test_a_missing_template_is_reported_with_the_directory_that_was_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(jinja2.TemplateNotFound) as caught:
        render(Templates(), "absent.html")
    assert str(caught.value) == f"'absent.html' not found in search path: {str(tmp_path / 'templates')!r}"


def test_a_later_change_of_the_working_directory_does_not_move_the_templates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    templates(tmp_path / "templates", page="found")
    monkeypatch.chdir(tmp_path)
    found = Templates()
    assert render(found, "page.html") == "found"
    monkeypatch.chdir("/")
    found.env.cache = None
    assert render(found, "page.html") == "found"


def test_what_is_added_to_the_environment_is_kept(directory: Path) -> None:
    found = templates(directory, page="{{ 'hey' | shout }}")
    found.env.filters["shout"] = str.upper
    assert render(found, "page.html") == "HEY"


def test_the_environment_may_be_replaced() -> None:
    found = Templates()
    found.env = jinja2.Environment(loader=jinja2.DictLoader({"page": "{{ 1 + 1 }}"}), enable_async=True)
    assert render(found, "page") == "2"


def test_an_environment_that_cannot_render_asynchronously_is_refused() -> None:
    with pytest.raises(ValueError, match="enable_async=True"):
        Templates().env = jinja2.Environment()


def test_without_jinja2_the_error_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingDependency, match=r"needs jinja2.*pip install 'micropie\[standard\]'"):
        render(Templates(), "page.html")


def test_jinja2_is_not_imported_before_a_template_is_rendered() -> None:
    code = "import sys, micropie.app.templates; micropie.app.templates.Templates(); sys.exit('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0


def test_a_template_that_was_edited_is_seen_a_moment_later(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("micropie.app.templates.time.monotonic", lambda: now[0])
    found = templates(directory, page="before")
    assert render(found, "page.html") == "before"
    (directory / "page.html").write_text("after it was edited")
    os.utime(directory / "page.html", (1, 1))
    seen = []
    for now[0] in (0.5 * LOOK_EVERY, LOOK_EVERY, 1.5 * LOOK_EVERY):
        seen.append(render(found, "page.html"))
    assert seen == ["before", "after it was edited", "after it was edited"]


@pytest.mark.parametrize(
    ("context", "expected"), [({}, "app own 3"), ({"site": "page"}, "page own 3"), ({"only": "page"}, "app page 3")]
)
def test_the_context_comes_before_a_templates_globals_and_those_before_the_environments(
    directory: Path, context: dict[str, object], expected: str
) -> None:
    found = templates(directory, page="{{ site }} {{ only }} {{ range(4) | last }}")
    env: Any = found.env  # Jinja2's own annotations take its defaults for all that may be in `globals`
    env.globals.update(site="app", only="app")
    env.get_template("page.html", globals={"only": "own"})
    assert render(found, "page.html", **context) == expected


def test_what_a_template_raises_names_its_line(directory: Path) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        render(templates(directory, page="one\n{{ 1 // zero }}"), "page.html", zero=0)
    frame = caught.traceback[-1]
    assert (Path(frame.path).name, frame.lineno + 1) == ("page.html", 2)
