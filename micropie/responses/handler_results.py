"""This module splits what a handler returned into status, body and headers."""

from collections.abc import Mapping
from types import NoneType
from typing import Any, Final, TypeAlias

import msgspec

from .._utils.caching import BoundedCache
from ..errors import ResponseError
from .encoding import build_await_error

Reply: TypeAlias = tuple[int, Any, list[tuple[str, str]]]
"""Status, body and headers of a response. The list of headers belongs to this reply alone."""


class ExternalBody(msgspec.Struct, frozen=True, eq=False):
    """A body that a mounted application sends, and the framework does not."""


def is_body_class(cls: type) -> bool:
    """Return True if instances of `cls` can be sent without awaiting or unpacking them."""
    return cls is not tuple and cls is not NoneType and not hasattr(cls, "__await__")


BODY_CLASSES: Final = BoundedCache(is_body_class)
"""The answers of `is_body_class`, by class."""


def split_result(result: object) -> tuple[int, object, list[tuple[str, str]]]:
    """Split what a handler returned into (status, body, headers). The headers are a new list, which callers may change.

    A plain tuple of two or three items whose first is an int is `(status, body)` or `(status, body, headers)`. Its
    headers are a list of pairs, a mapping or None. None is status 204. Everything else is a body with status 200, a
    NamedTuple too. Raises ResponseError for a status outside 100 to 599, for
    a body that must be awaited, and for headers of another type.
    """
    if type(result) is not tuple:
        return (200 if result is not None else 204), result, []
    if 2 <= len(result) <= 3:
        status = result[0]
        if isinstance(status, int) and not isinstance(status, bool):
            if not 100 <= status <= 599:
                raise ResponseError(
                    f"A tuple that begins with {status} cannot be (status, body): a status is 100 to 599; "
                    "return data as a list"
                )
            if hasattr(result[1], "__await__"):
                raise build_await_error(result[1])
            return int(status), result[1], _list_headers(result[2]) if len(result) == 3 else []
    return 200, result, []


def _list_headers(headers: object) -> list[tuple[str, str]]:
    if headers is None:
        return []
    if isinstance(headers, Mapping):
        return list(headers.items())
    if isinstance(headers, list | tuple):
        return list(headers)
    raise ResponseError(
        f"Headers must be a list of (name, value) pairs or a mapping, not {type(headers).__qualname__}: "
        'return (200, body, [("X-Name", "value")])'
    )
