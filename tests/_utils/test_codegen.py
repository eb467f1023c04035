"""These tests check that generated source becomes a function that can be debugged and never holds a user's text."""

import linecache
import traceback

import pytest

from micropie._utils.codegen import compile_function, indent_lines


def test_lines_are_indented_one_level() -> None:
    assert indent_lines(["a", "    b", ""]) == ["    a", "        b", "    "]


def test_function_is_compiled_from_its_lines_and_reads_its_cells() -> None:
    add = compile_function("add", ["def add(x):", "    return x + one"], {"one": 1}, "<micropie test add>")
    assert add(2) == 3
    assert add.__name__ == "add"
    assert [cell.cell_contents for cell in add.__closure__] == [1]


def test_two_functions_of_the_same_source_have_separate_cells() -> None:
    functions = [compile_function("f", ["def f():", "    return x"], {"x": x}, "<micropie test f>") for x in (1, 2)]
    assert [f() for f in functions] == [1, 2]


def test_function_needs_no_cells() -> None:
    assert compile_function("f", ["def f():", "    return 5"], {}, "<micropie test nothing>")() == 5


def test_generated_lines_appear_in_tracebacks_after_the_cache_was_checked() -> None:
    fail = compile_function("fail", ["def fail(x):", "    return x / zero"], {"zero": 0}, "<micropie test fail>")
    linecache.checkcache()
    with pytest.raises(ZeroDivisionError) as caught:
        fail(1)
    shown = traceback.format_exception(caught.value)
    assert any("<micropie test fail>" in line and "return x / zero" in line for line in shown)
