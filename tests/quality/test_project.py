"""These tests run the tools on the whole project: types, style, layers; and check what `import micropie` loads."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TOOLS = {
    "mypy": ["-m", "mypy"],
    # Without --pythonpath, pyright looks for its packages beside the first `python` of PATH: another environment's.
    "pyright": ["-m", "pyright", "--pythonpath", sys.executable],
    "ty": ["-m", "ty", "check", "--python", sys.executable],
    "pyrefly": ["-m", "pyrefly", "check", "--python-interpreter-path", sys.executable],
    "ruff check": ["-m", "ruff", "check", "."],
    "ruff format": ["-m", "ruff", "format", "--check", "."],
    "import-linter": ["-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", TOOLS)
def test_tool_finds_nothing_wrong_in_the_project(name: str) -> None:
    done = run(sys.executable, *TOOLS[name])
    assert done.returncode == 0, f"{name}:\n{done.stdout}\n{done.stderr}"


def test_importing_micropie_loads_msgspec_and_the_standard_library_only() -> None:
    code = """
import sys
import msgspec
before = set(sys.modules)
import micropie
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(loaded - sys.stdlib_module_names - {"micropie"}))
"""
    # The site's own .pth files may load what they like: -S leaves them out, and the path is given by hand.
    site = next(path for path in sys.path if path.endswith("site-packages"))
    done = run(sys.executable, "-S", "-c", f"import sys; sys.path[:0] = [{str(ROOT)!r}, {site!r}]\n{code}")
    assert (done.stdout.split(), done.stderr) == ([], "")


HEAVY = {"asyncio", "concurrent", "email", "html", "http", "ipaddress", "logging", "mimetypes", "pathlib", "pickle"} | {
    "secrets", "socket", "ssl", "subprocess", "tempfile", "threading", "traceback", "urllib",
}  # fmt: skip


def test_importing_micropie_loads_nothing_heavy_that_not_every_app_needs() -> None:
    # Isolated: what the site's .pth files or the tests' environment load is not micropie's doing.
    code = """
import sys
before = set(sys.modules)
import micropie
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""
    site = next(path for path in sys.path if path.endswith("site-packages"))
    done = run(sys.executable, "-S", "-c", f"import sys; sys.path[:0] = [{str(ROOT)!r}, {site!r}]\n{code}")
    assert "micropie" in done.stdout.split(), done.stderr
    assert HEAVY & set(done.stdout.split()) == set()


LOADED_ON_FIRST_USE = {
    *("app.traceback_page", "app.websocket", "binding.dependency_graph", "binding.dependency_runner"),
    *("binding.error_report", "client", "conversion.hash_collisions", "conversion.json_errors", "forms.html"),
    *("inspection", "openapi", "requests.json_lines", "responses.files", "routing.request_from_call"),
    *("routing.reverse", "sessions.typed_session", "testing", "unreadable_texts", "uploads.chunk_queue"),
}


def test_importing_micropie_loads_no_module_of_ours_that_not_every_app_needs() -> None:
    done = run(sys.executable, "-c", "import sys, micropie; print(*sys.modules)")
    loaded = {name.removeprefix("micropie.") for name in done.stdout.split()}
    assert "app.http" in loaded, done.stderr
    assert LOADED_ON_FIRST_USE & loaded == set()


def test_package_is_marked_as_typed() -> None:
    assert (ROOT / "micropie" / "py.typed").is_file()
