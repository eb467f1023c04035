"""These tests render templates: which files are found, which values are escaped, which environments are refused."""

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


def create_templates(directory: Path, **files: str) -> Templates:
    directory.mkdir()
    for name, text in files.items():
        (directory / f"{name}.html").write_text(text)
    return Templates(directory)


def render(templates: Templates, name: str, /, **context: object) -> str:
    return asyncio.run(templates.render(name, context))


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
def test_value_is_escaped_when_the_name_of_the_template_means_markup(directory: Path, name: str, expected: str) -> None:
    templates = create_templates(directory)
    (directory / name).write_text("{{ value }}")
    assert render(templates, name, value=MARKUP) == expected


def test_value_is_escaped_in_a_template_from_a_string(directory: Path) -> None:
    template = create_templates(directory).env.from_string("{{ value }}")
    assert asyncio.run(template.render_async(value=MARKUP)) == ESCAPED


@pytest.mark.parametrize("key", ["name", "context", "title"])
def test_context_may_use_any_name(directory: Path, key: str) -> None:
    templates = create_templates(directory, page=f"{{{{ {key} }}}}")
    assert render(templates, "page.html", **{key: "value"}) == "value"


def test_coroutine_is_awaited_in_a_template(directory: Path) -> None:
    async def price() -> int:
        return 3

    assert render(create_templates(directory, page="{{ price() }}"), "page.html", price=price) == "3"


@pytest.mark.parametrize("missing", ["absent.html", "../secret.html", "/etc/passwd"])
def test_template_outside_the_directory_is_not_found(directory: Path, missing: str) -> None:
    templates = create_templates(directory)
    (directory.parent / "secret.html").write_text("secret")
    with pytest.raises(jinja2.TemplateNotFound) as caught:
        render(templates, missing)
    assert caught.value.name == missing


def test_missing_template_is_reported_with_the_directory_that_was_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(jinja2.TemplateNotFound) as caught:
        render(Templates(), "absent.html")
    assert str(caught.value) == f"'absent.html' not found in search path: {str(tmp_path / 'templates')!r}"


def test_change_of_the_working_directory_does_not_move_the_templates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_templates(tmp_path / "templates", page="text")
    monkeypatch.chdir(tmp_path)
    templates = Templates()
    assert render(templates, "page.html") == "text"
    monkeypatch.chdir("/")
    templates.env.cache = None
    assert render(templates, "page.html") == "text"


def test_filter_that_is_added_to_the_environment_is_kept(directory: Path) -> None:
    templates = create_templates(directory, page="{{ 'hey' | shout }}")
    templates.env.filters["shout"] = str.upper
    assert render(templates, "page.html") == "HEY"


def test_environment_may_be_replaced() -> None:
    templates = Templates()
    templates.env = jinja2.Environment(loader=jinja2.DictLoader({"page": "{{ 1 + 1 }}"}), enable_async=True)
    assert render(templates, "page") == "2"


def test_environment_that_cannot_render_asynchronously_is_refused() -> None:
    with pytest.raises(ValueError, match="enable_async=True"):
        Templates().env = jinja2.Environment()


def test_missing_jinja2_is_reported_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingDependency, match=r"needs jinja2.*pip install 'micropie\[standard\]'"):
        render(Templates(), "page.html")


def test_jinja2_is_not_imported_before_a_template_is_rendered() -> None:
    code = "import sys, micropie.app.templates; micropie.app.templates.Templates(); sys.exit('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0


def test_template_that_was_edited_is_loaded_a_moment_later(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("micropie.app.templates.time.monotonic", lambda: now[0])
    templates = create_templates(directory, page="before")
    assert render(templates, "page.html") == "before"
    (directory / "page.html").write_text("after it was edited")
    os.utime(directory / "page.html", (1, 1))
    seen = []
    for now[0] in (0.5 * LOOK_EVERY, LOOK_EVERY, 1.5 * LOOK_EVERY):
        seen.append(render(templates, "page.html"))
    assert seen == ["before", "after it was edited", "after it was edited"]


@pytest.mark.parametrize(
    ("context", "expected"), [({}, "app own 3"), ({"site": "page"}, "page own 3"), ({"only": "page"}, "app page 3")]
)
def test_context_hides_globals_of_the_template_and_those_hide_globals_of_the_environment(
    directory: Path, context: dict[str, object], expected: str
) -> None:
    templates = create_templates(directory, page="{{ site }} {{ only }} {{ range(4) | last }}")
    env: Any = templates.env  # Jinja2 annotates `globals` with the types of its defaults only
    env.globals.update(site="app", only="app")
    env.get_template("page.html", globals={"only": "own"})
    assert render(templates, "page.html", **context) == expected


def test_exception_in_a_template_names_its_line(directory: Path) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        render(create_templates(directory, page="one\n{{ 1 // zero }}"), "page.html", zero=0)
    frame = caught.traceback[-1]
    assert (Path(frame.path).name, frame.lineno + 1) == ("page.html", 2)
