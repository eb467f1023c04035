"""This module looks behind callables: it finds the function that a call runs, and the place where it is written."""

import inspect
from functools import partial
from types import FunctionType, MethodType
from typing import Any


def unwrap_callable(function: Any) -> Any:
    """Return what a call of `function` runs: a partial's function, or the method `__call__` of an object."""
    if isinstance(function, partial):
        return unwrap_callable(function.func)
    if isinstance(function, FunctionType | MethodType | type) or inspect.isroutine(function):
        return function
    return getattr(function, "__call__", function)  # noqa: B004  (the method itself is wanted)


def locate_function(function: Any) -> tuple[str, int] | tuple[None, None]:
    """Return the file and the first line of `function`, its decorators included; `(None, None)` without source code.

    Wrappers that keep `__wrapped__`, partials and objects with `__call__` are followed to the function behind them.
    """
    innermost = inspect.unwrap(unwrap_callable(inspect.unwrap(function)))
    code = getattr(innermost, "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code is not None else (None, None)
