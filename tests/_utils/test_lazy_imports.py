"""These tests show when a lazy module or pattern is loaded, and that it then is the real one."""

import importlib
import re
import subprocess
import sys
from types import ModuleType

import pytest

from micropie._utils import lazy_imports
from micropie._utils.lazy_imports import LazyModule, lazy_pattern

RENAMED = {"email_utils": "email.utils", "futures": "concurrent.futures", "urls": "urllib.parse"}
MODULES = [name for name in lazy_imports.__all__ if name != "lazy_pattern"]


def test_object_is_loaded_at_the_first_access_and_each_attribute_is_looked_up_once() -> None:
    loads: list[str] = []

    class Loaded:
        first = "a"
        second = "b"

    def load() -> object:
        loads.append("load")
        return Loaded

    lazy = LazyModule(load)
    assert loads == []
    assert [lazy.first, lazy.first, lazy.first] == ["a", "a", "a"]
    assert loads == ["load"]
    assert (lazy.second, len(loads)) == ("b", 2)
    assert {"first": "a", "second": "b"}.items() <= vars(lazy).items()


def test_missing_attribute_is_an_attribute_error_of_the_real_object() -> None:
    with pytest.raises(AttributeError, match="module 're' has no attribute 'absent'"):
        _ = LazyModule(lambda: re).absent


@pytest.mark.parametrize("name", MODULES)
def test_lazy_module_has_the_attributes_of_the_real_one(name: str) -> None:
    real: ModuleType = importlib.import_module(RENAMED.get(name, name))
    public = [attribute for attribute in vars(real) if not attribute.startswith("_")]
    assert public
    lazy = getattr(lazy_imports, name)
    assert [attribute for attribute in public if getattr(lazy, attribute) is not getattr(real, attribute)] == []


def test_importing_the_lazy_modules_loads_none_of_them() -> None:
    code = "import sys; from micropie._utils.lazy_imports import *; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}"],
                         capture_output=True, text=True, check=True)  # fmt: skip
    loaded = set(run.stdout.split())
    assert "micropie._utils.lazy_imports" in loaded
    assert {RENAMED.get(name, name) for name in MODULES} & loaded == set()


def test_lazy_pattern_matches_as_the_compiled_one_with_its_flags() -> None:
    pattern = lazy_pattern(r"(a+)b", re.IGNORECASE)
    assert pattern.pattern == r"(a+)b"
    match = pattern.fullmatch("AaB")
    assert match is not None
    assert match[1] == "Aa"
    assert lazy_pattern(rb"\d").findall(b"1a2") == [b"1", b"2"]


def test_malformed_lazy_pattern_is_refused_at_its_first_use() -> None:
    pattern = lazy_pattern("(")
    with pytest.raises(re.error):
        pattern.match("x")
