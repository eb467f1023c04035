"""Numbers that were chosen to share one hash are refused before a set or a dict is built from them.

Nothing here measures time: without the guard these tests take minutes, and an app would.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from types import FrameType
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie.conversion import hash_collisions
from micropie.conversion.converter import get_converter
from micropie.conversion.exceptions import CONVERSION_ERRORS
from micropie.conversion.hash_collisions import MOST, SMALL, has_collisions, refuse_collisions
from micropie.websockets.messages import InvalidMessage, make_message_decoder

MODULUS = 2**61 - 1  # sys.hash_info.modulus
COUNT = 20_000
COLLIDING = [k * MODULUS + 7 for k in range(1, COUNT)]
EXPONENTS = [f"{7 * pow(10, -e, MODULUS) % MODULUS}e{e}" for e in range(1, 2000)]


def encode_keys(numbers: list[Any]) -> bytes:
    return msgspec.json.encode({str(number): 1 for number in numbers})


@pytest.mark.parametrize(
    "document",
    [
        encode_keys(COLLIDING),
        msgspec.json.encode(COLLIDING),
        msgspec.json.encode({"deep": [{"er": COLLIDING}]}),
        msgspec.json.encode([[number, 1] for number in COLLIDING]),
        msgspec.json.encode([{"a": number} for number in COLLIDING]),
        b"[" + b",".join(text.encode() for text in EXPONENTS) + b"]",
        encode_keys(EXPONENTS),
        encode_keys([UUID(int=number) for number in COLLIDING]),
    ],
    ids=["keys", "items", "nested", "tuples", "objects", "exponents", "decimal keys", "uuids"],
)
def test_numbers_of_one_hash_are_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match="one hash"):
        refuse_collisions(document)


def test_numbers_of_the_tables_share_one_hash() -> None:
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
        encode_keys([UUID(int=2**100 + number) for number in range(2000)]),
        msgspec.json.encode(["sNaN"] * 200 + ["NaN" + "1" * 20] + [f"{number}" * 12 for number in range(5000)]),
        b"[" + b",".join([b"1e99999999999999999999"] * 5000) + b"]",
    ],
)
def test_other_numbers_are_accepted(document: bytes) -> None:
    refuse_collisions(document)


@given(st.lists(st.integers() | st.uuids().map(str) | st.decimals(allow_nan=False).map(str) | st.text()))
def test_random_items_never_collide(items: list[Any]) -> None:
    refuse_collisions(msgspec.json.encode([*items, "9" * 18, ["x" * SMALL]]))


@pytest.mark.parametrize(
    ("annotation", "document"),
    [
        (dict[int, int], encode_keys(COLLIDING)),
        (set[int], msgspec.json.encode(COLLIDING)),
        (set[Any], msgspec.json.encode(COLLIDING)),
        (frozenset[tuple[int, int]], msgspec.json.encode([[number, 1] for number in COLLIDING])),
        (dict[Decimal, int], encode_keys(EXPONENTS)),
        (dict[UUID, int], encode_keys([UUID(int=number) for number in COLLIDING])),
        (dict[str, dict[int, int]], b'{"a":' + encode_keys(COLLIDING) + b"}"),
    ],
)
def test_colliding_numbers_are_reported_by_every_type_that_would_hash_them(annotation: Any, document: bytes) -> None:
    converter = get_converter(annotation)
    with pytest.raises(CONVERSION_ERRORS):
        converter.from_json(document)
    assert [error.detail for error in converter.find_json_errors(document, "")] == ["Too many numbers with one hash"]


@pytest.mark.parametrize(
    ("annotation", "message", "detail"),
    [
        (dict[int, int], encode_keys(COLLIDING), "Too many numbers with one hash"),
        (list[Decimal], b'["NaN"]', "/0: Expected a decimal number, got a string"),
        (set[Any], b"[[1]]", "Expected an array"),
    ],
)
def test_message_that_cannot_be_hashed_is_invalid(annotation: Any, message: bytes, detail: str) -> None:
    for data in (message, message.decode()):
        with pytest.raises(InvalidMessage) as caught:
            make_message_decoder(annotation)(data)
        assert (caught.value.detail, caught.value.code) == (detail, 1008)


@pytest.mark.parametrize("annotation", [list[int], dict[str, int], dict, tuple[int, ...]])
def test_types_that_hash_no_numbers_accept_colliding_ones(annotation: Any) -> None:
    document = encode_keys(COLLIDING) if annotation in (dict[str, int], dict) else msgspec.json.encode(COLLIDING)
    assert len(get_converter(annotation).from_json(document)) == len(COLLIDING)


@pytest.mark.parametrize("annotation", [set[int], set[Decimal], dict[int, float]])
def test_exponent_that_no_decimal_can_hold_is_a_conversion_error(annotation: Any) -> None:
    document = b"[" + b",".join([b"1e99999999999999999999"] * 1000) + b"]"
    with pytest.raises(CONVERSION_ERRORS):
        get_converter(annotation).from_json(document)


# --- the cost -------------------------------------------------------------------------------------------------------


def measure_work(document: bytes, patch: pytest.MonkeyPatch) -> Counter[str]:
    """Return the work for `document`: function calls, hashes computed, and how much went into those hashes."""
    work = Counter[str]()

    def count_and_hash(value: object) -> int:
        work["hashes"] += 1
        work["hashed"] += len(value) if isinstance(value, tuple) else len(str(value))
        return hash(value)

    def count_call(frame: FrameType, event: str, _: object) -> None:
        in_module = frame.f_globals.get("__name__") == hash_collisions.__name__
        work["calls"] += in_module and event in ("call", "c_call")

    patch.setattr(hash_collisions, "hash", count_and_hash, raising=False)
    sys.setprofile(count_call)
    try:
        refuse_collisions(document)
    finally:
        sys.setprofile(None)
    return work


LONG = "9" * 4000  # near the limit of `sys.get_int_max_str_digits`


def nest(depth: int, text: str) -> str:
    return "[" * depth + text + "]" * depth


def nest_wide_lists(depth: int) -> str:
    """Return nested lists of more than `MOST` items: each needs the hashes of all lists below it."""
    return f"[{LONG}," + "".join(f"{'1,' * MOST}[" for _ in range(depth)) + "]" * depth + "]"


SHAPES: dict[str, Callable[[int], str]] = {
    "nested lists of many items": lambda size: nest_wide_lists(size * 3),
    "deeply nested lists": lambda size: "[" + ",".join(nest(200, "1" * 18) for _ in range(size)) + "]",
    "long numbers nested deeply": lambda size: "[" + ",".join(nest(200, LONG) for _ in range(size)) + "]",
    "long numbers below nested lists": lambda size: nest(300, ",".join([LONG] * size)),
    "long numbers": lambda size: "[" + ",".join([LONG] * size) + "]",
    "long decimals": lambda size: "[" + ",".join([f"0.{LONG}"] * size) + "]",
    "one long decimal": lambda size: f"[0.{LONG * size}{',1' * MOST}]",
    "one long text": lambda size: f'["{LONG * size}"{",1" * MOST}]',
    "many numbers": lambda size: "[" + ",".join(str(10**18 + number) for number in range(size * 50)) + "]",
    "many empty lists": lambda size: "[1e9" + ",[]" * size * 100 + "]",
    "objects of objects": lambda size: "".join(f'{{"{10**60}":1,"a":' for _ in range(size * 3)) + "1" + "}" * size * 3,
    "objects of many names": lambda size: (
        "".join("{" + ",".join(f'"{10**18 + name}":1' for name in range(MOST)) + ',"a":' for _ in range(size * 3))
        + "1"
        + "}" * size * 3
    ),
    "objects below lists of many items": lambda size: (
        ("[" + "1," * MOST + f'{{"a":{10**18},"b":') * size + "1" + "}]" * size
    ),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_twice_the_document_takes_twice_the_work(shape: Callable[[int], str], monkeypatch: pytest.MonkeyPatch) -> None:
    size = 110
    small, large = shape(size).encode(), shape(2 * size).encode()
    assert len(small) > SMALL
    assert 1.9 < len(large) / len(small) < 2.1
    before, after = measure_work(small, monkeypatch), measure_work(large, monkeypatch)
    assert before["calls"]
    for kind, amount in after.items():
        assert amount <= 2.5 * max(before[kind], 100), kind


# --- the law --------------------------------------------------------------------------------------------------------


def walk_groups(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from walk_groups(item)


def read_number(text: str) -> object:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return number if number.is_finite() else text


def read_uuid(text: str) -> object:
    try:
        return UUID(text)
    except ValueError:
        return text


def hash_again(item: Any, read: Callable[[str], object]) -> int:
    if isinstance(item, dict | list):
        return hash(tuple(hash_again(part, read) for part in (item.values() if isinstance(item, dict) else item)))
    return hash(read(item) if isinstance(item, str) else item)


def has_collisions_by_definition(value: object, most: int) -> bool:
    """Decide as `has_collisions` does, but hash everything again at each level."""
    for group in walk_groups(value):
        different = {repr(item): item for item in group}.values()
        for read in (read_number, read_uuid):
            if len(group) > most and max(Counter(hash_again(item, read) for item in different).values()) > most:
                return True
    return False


SCALARS = st.sampled_from(
    [
        *(7 + times * MODULUS for times in range(4)),
        *(str(7 + times * MODULUS) for times in range(4)),
        *(str(UUID(int=7 + times * MODULUS)) for times in range(4)),
        *map(Decimal, EXPONENTS[:3]),
        *EXPONENTS[:3],
        *(7, 7.0, "7.0", "+7", "0x7", "NaN", "sNaN", "Infinity", "", "a", "7", 0, 1, True, False, None, -1, -2),
    ]
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(SCALARS.map(str), inner, max_size=6),
    max_leaves=25,
)


@given(DOCUMENTS, st.integers(1, 4))
def test_collisions_are_those_of_the_definition(value: object, most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hash_collisions, "MOST", most)
        assert has_collisions(value) is has_collisions_by_definition(value, most)
