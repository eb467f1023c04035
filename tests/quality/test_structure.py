"""These tests hold the shape of the package: small modules, small functions, and a map on which every module stands."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "micropie"
MODULES: Final = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}
PACKAGES: Final = {str(path.parent.relative_to(PACKAGE)): path for path in sorted(PACKAGE.glob("*/**/__init__.py"))}

MAX_MODULE: Final = 400
"""Lines of a module. A longer one says in its docstring that it is "longer than 400 lines because" of something."""
MAX_FUNCTION: Final = 50
"""Lines of a function."""


def modules_of(package: Path) -> set[str]:
    """Return the names of the modules and packages inside `package`."""
    modules = {path.stem for path in package.glob("*.py") if not path.stem.startswith("__")}
    return modules | {path.parent.name for path in package.glob("*/__init__.py")}


@pytest.mark.parametrize("name", MODULES)
def test_module_over_400_lines_gives_a_reason(name: str) -> None:
    text = MODULES[name].read_text()
    docstring = " ".join((ast.get_docstring(ast.parse(text)) or "").split())
    assert text.count("\n") <= MAX_MODULE or "longer than 400 lines because" in docstring


@pytest.mark.parametrize("name", MODULES)
def test_no_function_is_over_50_lines(name: str) -> None:
    functions = [
        node
        for node in ast.walk(ast.parse(MODULES[name].read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    sizes = {function.name: (function.end_lineno or 0) - function.lineno + 1 for function in functions}
    assert {function: lines for function, lines in sizes.items() if lines > MAX_FUNCTION} == {}


@pytest.mark.parametrize("name", PACKAGES)
def test_docstring_of_a_package_has_one_line_for_each_module(name: str) -> None:
    docstring = ast.get_docstring(ast.parse(PACKAGES[name].read_text())) or ""
    described = re.findall(r"^- `(\w+)`: .*[^.]$", docstring, re.MULTILINE)
    assert sorted(described) == sorted(modules_of(PACKAGES[name].parent))


def map_rows() -> dict[str, list[str]]:
    """Return the modules that docs/architecture.md lists, by package. The modules at the root have two rows."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| (`\w+`|\(root\)) \| [^|]+ \| ([^|]+) \|$", page, re.MULTILINE)
    listed: dict[str, list[str]] = {}
    for package, modules in rows:
        listed.setdefault(package.strip("`"), []).extend(re.findall(r"`([\w/]+)`", modules))
    return listed


def test_map_lists_every_package() -> None:
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert set(map_rows()) == packages | {"(root)"}


@pytest.mark.parametrize("package", map_rows())
def test_map_lists_every_module_of_a_package_once(package: str) -> None:
    folder = PACKAGE if package == "(root)" else PACKAGE / package
    paths = folder.glob("*.py") if package == "(root)" else folder.rglob("*.py")
    modules = [str(path.relative_to(folder).with_suffix("")) for path in paths if not path.stem.startswith("__")]
    assert sorted(map_rows()[package]) == sorted(modules)


def test_tests_mirror_the_packages() -> None:
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and not path.name.startswith("__")}
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert packages <= folders
    assert folders - packages == {"docs", "quality", "servers", "spec", "support", "typing"}


WITHOUT_TESTS: Final = {"types.py": "it holds aliases only, which the type checkers test"}
"""The modules that have no test module, and why."""


@pytest.mark.parametrize("name", [name for name in MODULES if not Path(name).stem.startswith("__")])
def test_module_has_a_test_module_or_a_reason_for_none(name: str) -> None:
    module = Path(name)
    has_tests = (ROOT / "tests" / module.with_name(f"test_{module.name}")).is_file()
    assert has_tests is (name not in WITHOUT_TESTS)


def test_reasons_for_no_test_module_are_those_of_modules() -> None:
    assert WITHOUT_TESTS.keys() <= MODULES.keys()


def test_no_file_of_tests_is_over_1000_lines() -> None:
    sizes = {str(path): path.read_text().count("\n") for path in (ROOT / "tests").rglob("*.py")}
    assert {path: lines for path, lines in sizes.items() if lines > 1000} == {}
