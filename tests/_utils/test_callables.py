"""These tests hold `locate_function` to the line that a reader looks for, whatever stands around the function."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from micropie._utils.callables import locate_function


def plain() -> None:
    """Stand in the first line of its own."""


def _logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


@_logged
def decorated() -> None:
    """Stand below a decorator."""


class Service:
    def method(self) -> None:
        """Do nothing."""

    def __call__(self) -> None:
        """Do nothing."""


class Wrapper:
    """A decorator that is an object, and keeps `__wrapped__`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)

    def __call__(self) -> None:
        """Do nothing."""


def _line(function: Any) -> int:
    return int(function.__code__.co_firstlineno)


@pytest.mark.parametrize(
    ("function", "line"),
    [
        (plain, _line(plain)),
        (decorated, _line(inspect.unwrap(decorated))),
        (functools.partial(plain), _line(plain)),
        (functools.partial(functools.partial(decorated)), _line(inspect.unwrap(decorated))),
        (functools.lru_cache(plain), _line(plain)),
        (Service().method, _line(Service.method)),
        (Service(), _line(Service.__call__)),
        (functools.partial(Service()), _line(Service.__call__)),
        (Wrapper(plain), _line(plain)),
    ],
    ids=[
        "function",
        "decorated",
        "partial",
        "nested_partial",
        "cached",
        "method",
        "object",
        "partial_object",
        "wrapper",
    ],
)
def test_function_is_located_behind_what_wraps_it(function: object, line: int) -> None:
    assert locate_function(function) == (__file__, line)


@pytest.mark.parametrize("function", [len, int, Service, functools.partial(len), "text"])
def test_callable_without_source_code_has_no_place(function: object) -> None:
    assert locate_function(function) == (None, None)
