"""Source lines in, function out. Knows nothing of HTTP.

The source never holds a user's text: values enter as closure cells under numbered names, so nothing a user wrote is
ever code. Each source is registered with `linecache`, so tracebacks and debuggers show its lines.
"""

import linecache
from collections.abc import Mapping, Sequence
from typing import Any


def indent(lines: Sequence[str]) -> list[str]:
    """`lines`, one level deeper."""
    return ["    " + line for line in lines]


def compile_function(name: str, lines: Sequence[str], cells: Mapping[str, object], filename: str) -> Any:
    """The function `name` that `lines` define, with `cells` as its free variables.

    `filename` is what tracebacks name; by convention `<micropie …>`, which no file can be called.
    """
    source = "\n".join([f"def make({', '.join(cells)}):", *indent(lines), f"    return {name}", ""])
    namespace: dict[str, Any] = {}
    exec(compile(source, filename, "exec"), namespace)  # noqa: S102  (the source is ours, see above)
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    return namespace["make"](**cells)
