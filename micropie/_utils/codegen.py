"""Source lines in, function out. Knows nothing of HTTP.

The source never holds a user's text: values enter as closure cells under numbered names, so nothing a user wrote is
ever code. Each source is registered with `linecache`, so tracebacks and debuggers show its lines.
"""

import linecache
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any


def indent_lines(lines: Sequence[str]) -> list[str]:
    """`lines`, one level deeper."""
    return ["    " + line for line in lines]


def compile_function(name: str, lines: Sequence[str], cells: Mapping[str, object], filename: str) -> Any:
    """The function `name` that `lines` define, with `cells` as its free variables.

    `filename` is what tracebacks name; by convention `<micropie …>`, which no file can be called.
    """
    make, shown = _compiled(name, tuple(lines), tuple(cells))
    function = make(**cells)
    function.__code__ = _renamed(function.__code__, filename)
    linecache.cache[filename] = (sum(map(len, shown)), None, shown, filename)
    return function


@lru_cache(maxsize=1024)
def _compiled(name: str, lines: tuple[str, ...], cells: tuple[str, ...]) -> tuple[Callable[..., Any], list[str]]:
    """What makes the function when it is given its cells, and its source as people see it.

    Remembered, as compiling is slow and many handlers have signatures of one form.
    """
    source = "\n".join([f"def make({', '.join(cells)}):", *indent_lines(lines), f"    return {name}", ""])
    namespace: dict[str, Any] = {}
    exec(compile(source, "<micropie>", "exec"), namespace)  # noqa: S102  (the source is ours, see above)
    return namespace["make"], source.splitlines(keepends=True)


def _renamed(code: CodeType, filename: str) -> CodeType:
    """`code`, and all code inside it, as if it came from `filename`."""
    inside = tuple(_renamed(one, filename) if isinstance(one, CodeType) else one for one in code.co_consts)
    return code.replace(co_filename=filename, co_consts=inside)
