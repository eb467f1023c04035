"""This module owns `@route`. It checks the path and the methods, and keeps them on the function."""

import inspect
from collections.abc import Callable, Collection
from types import FunctionType, MethodType
from typing import Any, Final, TypeVar

import msgspec

from .methods import METHODS

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS: Final = "__micropie_route__"


class RouteOptions(msgspec.Struct, frozen=True):
    """The arguments of `@route`."""

    path: str | None = None
    methods: frozenset[str] | None = None
    threaded: bool = True
    session: bool = True


def route(
    path: str | None = None,
    *,
    methods: Collection[str] | None = None,
    threaded: bool = True,
    session: bool = True,
) -> Callable[[F], F]:
    """Declare a handler's path and HTTP methods: `@route("/users/{id}", methods=["GET"])`.

    `path` is relative to the App or Resource that holds the method, with parameters in braces. Without `path` the
    method keeps its automatic URL. `methods` are the HTTP methods that it answers; `threaded=False` keeps a sync method
    on the event loop; `session=False` loads no session for the method. Raises ValueError for a path without a leading
    slash, malformed braces or an unknown method.
    """
    if callable(path):
        raise TypeError("@route needs parentheses: write @route() or @route('/path')")
    if path is not None:
        _check_template(path)
    names = frozenset(method.upper() for method in methods) if methods is not None else None
    if names is not None and (not names or isinstance(methods, str) or not names <= set(METHODS)):
        raise ValueError(f"@route(methods={methods!r}): methods must be a list of {', '.join(METHODS)}")

    def mark(function: F) -> F:
        setattr(function, _OPTIONS, RouteOptions(path, names, threaded, session))
        return function

    return mark


def _check_template(path: str) -> None:
    if not path.startswith("/"):
        raise ValueError(f"@route({path!r}): the path must start with '/'")
    names = list_template_names(path)
    for segment in split_template(path):
        is_parameter = segment.startswith("{") and segment.endswith("}") and segment[1:-1].isidentifier()
        if not is_parameter and ("{" in segment or "}" in segment):
            raise ValueError(f"@route({path!r}): a parameter must be a whole segment, as in '/users/{{id}}'")
    if len(set(names)) != len(names):
        raise ValueError(f"@route({path!r}): each parameter may occur only once")


def read_options(value: object) -> RouteOptions | None:
    """Return the arguments of `@route` on `value`, or None without it. No `__getattr__` of the user's is called."""
    function = value.__func__ if isinstance(value, MethodType | staticmethod | classmethod) else value
    if not (callable(function) or hasattr(type(function), "__get__")):
        # State is left alone: CPython makes an object slower for good once its `__dict__` has been read.
        return None
    if isinstance(function, FunctionType):
        options = vars(function).get(_OPTIONS)
    else:
        options = inspect.getattr_static(function, _OPTIONS, None)
    return options if isinstance(options, RouteOptions) else None


def split_template(path: str) -> list[str]:
    """Return the segments of a `@route` path, parameters with their braces."""
    return path.rstrip("/").split("/")[1:]


def list_template_names(path: str) -> list[str]:
    """Return the names of the parameters in a `@route` path."""
    return [segment[1:-1] for segment in split_template(path) if segment.startswith("{")]
