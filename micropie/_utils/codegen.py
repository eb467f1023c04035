"""This module compiles generated source lines to a function.

The source never holds a user's text: values enter as closure cells under numbered names, so that nothing a user wrote
is ever code. Each source is registered with `linecache`, so that tracebacks and debuggers show its lines.
"""

import linecache
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any


def indent_lines(lines: Sequence[str]) -> list[str]:
    """Return `lines`, each indented by one level."""
    return ["    " + line for line in lines]


def compile_function(name: str, lines: Sequence[str], cells: Mapping[str, object], filename: str) -> Any:
    """Compile `lines`, which define the function `name`, and return it with `cells` as its free variables.

    Tracebacks show `filename`. By convention it is `<micropie …>`, so that it never looks like a file of the user's.
    """
    make, shown = _compile_maker(name, tuple(lines), tuple(cells))
    function = make(**cells)
    function.__code__ = _replace_filename(function.__code__, filename)
    linecache.cache[filename] = (sum(map(len, shown)), None, shown, filename)
    return function


@lru_cache(maxsize=1024)
def _compile_maker(name: str, lines: tuple[str, ...], cells: tuple[str, ...]) -> tuple[Callable[..., Any], list[str]]:
    """Return a function that takes the cells and returns the function `name`, and the source lines that are shown.

    The result is cached, because compiling is slow and the signatures of many handlers have the same form.
    """
    source = "\n".join([f"def make({', '.join(cells)}):", *indent_lines(lines), f"    return {name}", ""])
    namespace: dict[str, Any] = {}
    exec(compile(source, "<micropie>", "exec"), namespace)  # noqa: S102  (the source is ours, see above)
    return namespace["make"], source.splitlines(keepends=True)


def _replace_filename(code: CodeType, filename: str) -> CodeType:
    """Return a copy of `code`, and of all code inside it, that names `filename` as its file."""
    constants = tuple(
        _replace_filename(constant, filename) if isinstance(constant, CodeType) else constant
        for constant in code.co_consts
    )
    return code.replace(co_filename=filename, co_consts=constants)
