"""This module refuses JSON with numbers that were chosen to share one hash.

A set of such numbers, or a dict with such keys, takes hours to build. Python keeps the hashes of text secret, but those
of numbers are plain arithmetic (`sys.hash_info`): the hash of an integer is its remainder by 2**61 - 1, and Decimal and
UUID follow. At most some thirty numbers that fit into 64 bits share a hash, so only longer numbers are suspicious.

The module looks at a document before anything is built from it. It visits each value once, without recursion, so that
the look costs time in proportion to the document, however deep that is.
"""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias
from uuid import UUID

import msgspec

from .._utils.lazy_imports import lazy_pattern

SMALL: Final = 16 * 1024
"""Bytes of a document that cannot hold enough numbers to matter: some 700, which take 10 ms at worst."""
MOST: Final = 100
"""Different numbers with one hash that a list or the keys of an object may hold; by chance there is one."""

# What takes more than 64 bits: an integer, a Decimal with an exponent, a UUID.
_LONG: Final = lazy_pattern(rb"[0-9]{18}|[0-9][eE]|[0-9a-fA-F]{12}")
_UUID_DIGITS: Final = 32

_CONTAINERS: Final = (dict, list)
_Hashes: TypeAlias = tuple[int, int, int]
"""The hash of a value with its texts read as numbers, the hash with its texts read as UUIDs, and its identity."""


def refuse_collisions(document: bytes | memoryview | msgspec.Raw) -> None:
    """Raise ValueError if the JSON `document` holds numbers that collide, or is malformed."""
    view = memoryview(document)
    if len(view) > SMALL and _LONG.search(view) and has_collisions(_decode(view)):
        raise ValueError("Too many numbers with one hash")


def has_collisions(value: object) -> bool:
    """Return True if more than `MOST` different items of a list, or keys of a dict, in `value` may share a hash."""
    waiting = [value]
    while waiting:
        container = waiting.pop()
        if isinstance(container, list) and len(container) > MOST:
            if _has_collisions_below(container):
                return True
        elif isinstance(container, dict | list):
            if len(container) > MOST and _is_over_limit(map(_hash_scalar, container)):
                return True
            waiting += _list_nested(container)
    return False


def _has_collisions_below(items: list[Any]) -> bool:
    """Return True if `items`, or a list or dict in it, has collisions. It hashes everything, from the bottom up."""
    containers: list[Any] = [items]
    for container in containers:  # grows meanwhile: what a container holds comes after it
        containers += _list_nested(container)
    by_id: dict[int, _Hashes] = {}
    for container in reversed(containers):
        is_dict = isinstance(container, dict)
        hashes = [
            by_id.pop(id(item)) if isinstance(item, _CONTAINERS) else _hash_scalar(item)
            for item in (container.values() if is_dict else container)
        ]
        if len(container) > MOST and _is_over_limit(map(_hash_scalar, container) if is_dict else hashes):
            return True
        by_id[id(container)] = _combine_hashes(container, hashes)
    return False


def _list_nested(container: Any) -> list[Any]:
    return [
        item
        for item in (container.values() if isinstance(container, dict) else container)
        if isinstance(item, _CONTAINERS)
    ]


def _combine_hashes(container: Any, hashes: list[_Hashes]) -> _Hashes:
    """Return the hashes of the tuple or frozen Struct that `container` may become."""
    by_number, by_uuid, identities = zip(*hashes) if hashes else ((), (), ())  # noqa: B905  (strict=True costs 0.3 µs)
    names = tuple(container) if isinstance(container, dict) else None
    return hash(by_number), hash(by_uuid), hash((names, identities))


def _is_over_limit(hashes: Iterable[_Hashes]) -> bool:
    different = {identity: (by_number, by_uuid) for by_number, by_uuid, identity in hashes}.values()
    return (
        max(Counter(by_number for by_number, _ in different).values()) > MOST
        or max(Counter(by_uuid for _, by_uuid in different).values()) > MOST
    )


def _hash_scalar(value: Any) -> _Hashes:
    """Return the hashes of a text, a number, a boolean or None.

    The identity is a hash of text, so only Python can choose it: two values share one if they were written alike.
    """
    if isinstance(value, str):
        return hash(_read_number(value)), hash(_read_uuid(value)), hash(value)
    spelling = hex(value) if type(value) is int else str(value)  # `str` of an integer is quadratic in its digits
    number = hash(value)
    return number, number, hash((type(value), spelling))


def _read_number(text: str) -> object:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return number if number.is_finite() else text


def _read_uuid(text: str) -> object:
    if len(text) < _UUID_DIGITS:  # most texts: 0.1 µs, where `UUID` raises after 1.5 µs
        return text
    try:
        return UUID(text)
    except ValueError:
        return text


_decode_numbers: Final = msgspec.json.Decoder(float_hook=Decimal).decode
_decode_all_numbers: Final = msgspec.json.Decoder(float_hook=_read_number).decode


def _decode(document: memoryview) -> object:
    """Return the value of `document`, in which numbers that Decimal cannot hold remain texts."""
    try:
        return _decode_numbers(document)
    except InvalidOperation:  # as for 1e99999999999999999999; the decoder of the type decides about it
        return _decode_all_numbers(document)
