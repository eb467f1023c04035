"""Numbers that were chosen to have one hash: a set of them, or a dict with such keys, takes hours to build.

Python keeps the hashes of text secret, those of numbers are plain arithmetic (`sys.hash_info`): the hash of an integer
is its remainder by 2**61 - 1, and Decimal and UUID follow. Of what fits into 64 bits no more than some thirty share
one, so that only long numbers are suspicious. It looks at documents, before anything is built of them.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

import msgspec

from .._utils.lazy_imports import lazy_pattern

SMALL: Final = 16 * 1024
"""Bytes of a document that cannot hold enough numbers to matter: some 700, which is 10 ms at worst."""
MOST: Final = 100
"""Different numbers of one hash that a document may hold in one place; by chance there is one."""

# What takes more than 64 bits: an integer, a Decimal with an exponent, a UUID.
_LONG: Final = lazy_pattern(rb"[0-9]{18}|[0-9][eE]|[0-9a-fA-F]{12}")
_decode: Final = msgspec.json.Decoder(float_hook=Decimal).decode


def refuse_collisions(document: bytes | memoryview | msgspec.Raw) -> None:
    """Raises ValueError when the JSON `document` holds numbers that collide; also for what is no JSON."""
    view = memoryview(document)
    if len(view) > SMALL and _LONG.search(view):
        for items in _groups(_decode(view)):
            if len(items) > MOST and (_collide(items, _as_number) or _collide(items, _as_uuid)):
                raise ValueError("Too many numbers with one hash")


def _groups(value: object) -> Iterator[Collection[object]]:
    """Everything in `value` that a set may be built of, or whose keys may be numbers."""
    if isinstance(value, dict | list):
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from _groups(item)


def _collide(items: Collection[object], read: Callable[[str], object]) -> bool:
    different = {repr(item): item for item in items}
    return max(Counter(_hash(item, read) for item in different.values()).values()) > MOST


def _hash(item: Any, read: Callable[[str], object]) -> int:
    """The hash of what `item` may become, when its texts are read by `read`."""
    if isinstance(item, dict | list):
        inside = item.values() if isinstance(item, dict) else item
        return hash(tuple(_hash(part, read) for part in inside))
    return hash(read(item) if isinstance(item, str) else item)


def _as_number(text: str) -> object:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return number if number.is_finite() else text


def _as_uuid(text: str) -> object:
    try:
        return UUID(text)
    except ValueError:
        return text
