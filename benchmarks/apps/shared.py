"""This module holds what several apps use. It needs the standard library alone, because all interpreters import it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

TEMPLATES: Final = Path(__file__).parent / "templates"

FILE: Final = Path(os.environ.get("BENCHMARK_FILE", "blob.bin"))
"""The file that /files/blob.bin sends."""

READ: Final = 1024 * 1024
"""Bytes that a handler reads from a file at a time, where the framework lets it choose."""

BODY_LIMIT: Final = 256 * 1024 * 1024
"""Bytes of a body, where a framework limits them: more than any workload sends."""

FIELDS_LIMIT: Final = 50_000
"""Fields of a form, where a framework limits them: more than any workload sends."""


def create_adder(
    count: int, before: str = "", returns: str = "dict[str, int]", convert: str = ""
) -> Callable[..., Any]:
    """Create an async function `total` of `count` integers `p0`, `p1`, … that returns `{"sum": …}`.

    `before` is put before its parameters, as in "self, ". `convert` is called with each value, as in "int". The
    function is compiled from source, so that every framework reads a signature like those that users write.
    """
    annotation = "" if convert else ": int"
    names = [f"p{number}" for number in range(count)]
    parameters = before + ", ".join(f"{name}{annotation}" for name in names)
    values = " + ".join(f"{convert}({name})" for name in names)
    namespace: dict[str, Any] = {"__name__": __name__}  # its annotations refer to names of this module
    exec(f"async def total({parameters}) -> {returns}:\n    return {{'sum': {values}}}\n", namespace)
    total: Callable[..., Any] = namespace["total"]
    return total
