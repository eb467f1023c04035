"""What several apps use and no framework owns. The standard library alone, because every interpreter reads it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

TEMPLATES: Final = Path(__file__).parent / "templates"

FILE: Final = Path(os.environ.get("BENCHMARK_FILE", "blob.bin"))
"""What /files/blob.bin sends."""

READ: Final = 1024 * 1024
"""Bytes that a handler asks of an uploaded file at a time, where it may say."""

BODY_LIMIT: Final = 256 * 1024 * 1024
"""Bytes of a body, where a framework limits them: more than any workload sends."""

FIELDS_LIMIT: Final = 50_000
"""Fields of a form, where a framework limits them: more than any workload sends."""


def adder(count: int, before: str = "", returns: str = "dict[str, int]", convert: str = "") -> Callable[..., Any]:
    """An async function `total` of `count` integers `p0`, `p1`, … that returns `{"sum": …}`.

    `before` stands before its parameters, as in "self, "; `convert` is called on each value, as in "int". It is made
    from source, so that every framework reads a signature such as a user writes.
    """
    annotation = "" if convert else ": int"
    names = [f"p{number}" for number in range(count)]
    parameters = before + ", ".join(f"{name}{annotation}" for name in names)
    values = " + ".join(f"{convert}({name})" for name in names)
    namespace: dict[str, Any] = {"__name__": __name__}  # whose names its annotations mean
    exec(f"async def total({parameters}) -> {returns}:\n    return {{'sum': {values}}}\n", namespace)
    made: Callable[..., Any] = namespace["total"]
    return made
