"""To be described."""

import inspect
from collections.abc import Callable, Collection
from types import FunctionType, MethodType
from typing import Any, Final, TypeVar

import msgspec

from .methods import METHODS

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS: Final = "__micropie_route__"


class RouteOptions(msgspec.Struct, frozen=True):
    """What `@route` was given."""

    path: str | None = None
    methods: frozenset[str] | None = None
    threaded: bool = True


def route(
    path: str | None = None, *, methods: Collection[str] | None = None, threaded: bool = True
) -> Callable[[F], F]:
    """Say what a method's name cannot: `@route("/users/{id}", methods=["GET"])`.

    `path` is below the App or Resource that holds the method, with its parameters in braces; without it the URL stays
    the automatic one. `methods` are the HTTP methods it answers; `threaded=False` keeps a sync method on the event
    loop. Raises ValueError for a path without a leading slash, malformed braces or an unknown method.
    """
    if callable(path):
        raise TypeError("@route is called: write @route() or @route('/path')")
    if path is not None:
        _check_template(path)
    wanted = frozenset(method.upper() for method in methods) if methods is not None else None
    if wanted is not None and (not wanted or isinstance(methods, str) or not wanted <= set(METHODS)):
        raise ValueError(f"methods={methods!r}: give a list of {', '.join(METHODS)}")

    def mark(function: F) -> F:
        setattr(function, _OPTIONS, RouteOptions(path, wanted, threaded))
        return function

    return mark


def _check_template(path: str) -> None:
    if not path.startswith("/"):
        raise ValueError(f"@route({path!r}): a path starts with '/'")
    names = template_names(path)
    for segment in template_segments(path):
        whole = segment.startswith("{") and segment.endswith("}") and segment[1:-1].isidentifier()
        if not whole and ("{" in segment or "}" in segment):
            raise ValueError(f"@route({path!r}): a parameter is a whole segment, as in '/users/{{id}}'")
    if len(set(names)) != len(names):
        raise ValueError(f"@route({path!r}): each parameter stands once")


def read_options(value: object) -> RouteOptions | None:
    """What `@route` was given, where it was used. Asks nothing of a value that answers to every name."""
    function = value.__func__ if isinstance(value, MethodType | staticmethod | classmethod) else value
    if not (callable(function) or hasattr(type(function), "__get__")):
        return None  # state, which is left alone: who looks into an object's dictionary makes it slower for good
    plain = isinstance(function, FunctionType)
    found = vars(function).get(_OPTIONS) if plain else inspect.getattr_static(function, _OPTIONS, None)
    return found if isinstance(found, RouteOptions) else None


def template_segments(path: str) -> list[str]:
    return path.rstrip("/").split("/")[1:]


def template_names(path: str) -> list[str]:
    return [segment[1:-1] for segment in template_segments(path) if segment.startswith("{")]
