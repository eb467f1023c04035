"""To be described."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from ..errors import ResponseError


def split_result(result: object) -> tuple[int, object, list[tuple[str, str]]]:
    """What a handler returned, as (status, body, headers); the headers are a new list, which may be added to.

    A plain tuple of two or three whose first item is an int is `(status, body)` or `(status, body, headers)`, the
    headers a list of pairs, a mapping or None. None is 204. Everything else, a NamedTuple too, is a body with status
    200. Raises ResponseError for a status outside 100 to 599, and for headers that are none of these.
    """
    if type(result) is not tuple:
        return (200 if result is not None else 204), result, []
    if 2 <= len(result) <= 3:
        status = result[0]
        if isinstance(status, int) and not isinstance(status, bool):
            if not 100 <= status <= 599:
                raise ResponseError(
                    f"A tuple that begins with {status} is not (status, body), as a status is 100 to 599: "
                    "return data as a list"
                )
            return int(status), result[1], _pairs(result[2]) if len(result) == 3 else []
    return 200, result, []


def _pairs(headers: object) -> list[tuple[str, str]]:
    if headers is None:
        return []
    if isinstance(headers, Mapping):
        return list(headers.items())
    if isinstance(headers, list | tuple):
        return list(headers)
    raise ResponseError(
        f"Headers are a list of (name, value) pairs or a mapping, not {type(headers).__qualname__}: "
        'return (200, body, [("X-Name", "value")])'
    )


class ExternalBody(msgspec.Struct, frozen=True, eq=False):
    """A body that is not ours to send, because another application sends it."""


Reply: TypeAlias = tuple[int, Any, list[tuple[str, str]]]
"""Status, body, and headers: a list that belongs to this reply alone."""
