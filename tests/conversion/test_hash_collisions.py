"""Numbers that were built to share one hash are refused before a set or a dict is made of them.

Nothing here measures time: without the guard these tests take minutes, and an app would.
"""

from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie.conversion.converter import get_converter
from micropie.conversion.exceptions import CONVERSION_ERRORS
from micropie.conversion.hash_collisions import MOST, SMALL, refuse_collisions
from micropie.websockets.messages import InvalidMessage, make_message_decoder

MODULUS = 2**61 - 1  # sys.hash_info.modulus
COUNT = 20_000
COLLIDING = [k * MODULUS + 7 for k in range(1, COUNT)]
EXPONENTS = [f"{7 * pow(10, -e, MODULUS) % MODULUS}e{e}" for e in range(1, 2000)]


def keys(numbers: list[Any]) -> bytes:
    return msgspec.json.encode({str(number): 1 for number in numbers})


@pytest.mark.parametrize(
    "document",
    [
        keys(COLLIDING),
        msgspec.json.encode(COLLIDING),
        msgspec.json.encode({"deep": [{"er": COLLIDING}]}),
        msgspec.json.encode([[number, 1] for number in COLLIDING]),
        msgspec.json.encode([{"a": number} for number in COLLIDING]),
        b"[" + b",".join(text.encode() for text in EXPONENTS) + b"]",
        keys(EXPONENTS),
        keys([UUID(int=number) for number in COLLIDING]),
    ],
    ids=["keys", "items", "nested", "tuples", "objects", "exponents", "decimal keys", "uuids"],
)
def test_numbers_of_one_hash_are_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match="one hash"):
        refuse_collisions(document)


def test_the_table_is_of_numbers_that_do_collide() -> None:
    assert len({hash(number) for number in COLLIDING}) == 1
    assert len({hash(Decimal(text)) for text in EXPONENTS}) == 1
    assert len({hash(UUID(int=number)) for number in COLLIDING}) == 1


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"not JSON but short",
        msgspec.json.encode(COLLIDING[:MOST]),
        msgspec.json.encode(list(range(10**18, 10**18 + 5000))),
        msgspec.json.encode([COLLIDING[0]] * 5000),
        msgspec.json.encode([*COLLIDING[:MOST], "x" * SMALL]),
        keys([UUID(int=2**100 + number) for number in range(2000)]),
        msgspec.json.encode(["sNaN"] * 200 + ["NaN" + "1" * 20] + [f"{number}" * 12 for number in range(5000)]),
    ],
)
def test_other_numbers_are_not(document: bytes) -> None:
    refuse_collisions(document)


@given(st.lists(st.integers() | st.uuids().map(str) | st.decimals(allow_nan=False).map(str) | st.text()))
def test_what_nobody_built_never_collides(items: list[Any]) -> None:
    refuse_collisions(msgspec.json.encode([*items, "9" * 18, ["x" * SMALL]]))


@pytest.mark.parametrize(
    ("annotation", "document"),
    [
        (dict[int, int], keys(COLLIDING)),
        (set[int], msgspec.json.encode(COLLIDING)),
        (set[Any], msgspec.json.encode(COLLIDING)),
        (frozenset[tuple[int, int]], msgspec.json.encode([[number, 1] for number in COLLIDING])),
        (dict[Decimal, int], keys(EXPONENTS)),
        (dict[UUID, int], keys([UUID(int=number) for number in COLLIDING])),
        (dict[str, dict[int, int]], b'{"a":' + keys(COLLIDING) + b"}"),
    ],
)
def test_no_type_is_built_of_them_and_the_reason_is_told(annotation: Any, document: bytes) -> None:
    reads = get_converter(annotation)
    with pytest.raises(CONVERSION_ERRORS):
        reads.from_json(document)
    assert [error.detail for error in reads.json_errors(document, "")] == ["Too many numbers with one hash"]


@pytest.mark.parametrize(
    ("annotation", "message", "detail"),
    [
        (dict[int, int], keys(COLLIDING), "Too many numbers with one hash"),
        (list[Decimal], b'["NaN"]', "/0: Expected a decimal number, got a string"),
        (set[Any], b"[[1]]", "Expected an array"),
    ],
)
def test_no_message_is_read_as_them_either(annotation: Any, message: bytes, detail: str) -> None:
    for data in (message, message.decode()):
        with pytest.raises(InvalidMessage) as caught:
            make_message_decoder(annotation)(data)
        assert (caught.value.detail, caught.value.code) == (detail, 1008)


@pytest.mark.parametrize("annotation", [list[int], dict[str, int], dict, tuple[int, ...]])
def test_types_without_hashed_numbers_take_any(annotation: Any) -> None:
    document = keys(COLLIDING) if annotation in (dict[str, int], dict) else msgspec.json.encode(COLLIDING)
    assert len(get_converter(annotation).from_json(document)) == len(COLLIDING)
