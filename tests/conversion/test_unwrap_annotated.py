"""Annotations are unwrapped and described; a type that cannot be read is refused, and the error says how to fix it."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, ClassVar, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar, Union

import attrs
import pytest
from msgspec import Meta, Struct
from typing_extensions import TypeAliasType
from typing_extensions import TypeVar as TypeVarWithDefault

from micropie.conversion.converter import get_converter
from micropie.conversion.unwrap_annotated import UnsupportedTypeError, split_union, unwrap_annotated
from tests.support.shared_types import Address, Frozen, Hashed, Identical, Item, Key, User

Age = NewType("Age", int)


ONE, TWO = Meta(ge=1), Meta(le=9)
Young = NewType("Young", Annotated[Age, TWO])  # pyright: ignore[reportGeneralTypeIssues]  (a class, says pyright)
Count = TypeAliasType("Count", Annotated[int, ONE])


@pytest.mark.parametrize(
    ("annotation", "plain", "metadata"),
    [
        (int, int, ()),
        (Annotated[int, ONE], int, (ONE,)),
        (Annotated[Annotated[int, ONE], TWO], int, (ONE, TWO)),
        (Age, int, ()),
        (Young, int, (TWO,)),
        (Annotated[Count, TWO], int, (ONE, TWO)),
    ],
)
def test_annotated_type_is_split_into_type_and_metadata(annotation: Any, plain: Any, metadata: tuple[Any, ...]) -> None:
    assert unwrap_annotated(annotation) == (plain, metadata)


@pytest.mark.parametrize(
    ("annotation", "members"),
    [
        (int, (int,)),
        (Annotated[int, ONE], (Annotated[int, ONE],)),
        (int | None, (int, type(None))),
        (int | Annotated[str | None, "a note"], (int, str, type(None))),
        (Union[int, str], (int, str)),  # noqa: UP007  (the older spelling is another type)
        (Annotated[int | None, ONE], (Annotated[int, ONE], type(None))),
        (Annotated[int | str, ONE, Meta(min_length=1)], (Annotated[int, ONE], Annotated[str, Meta(min_length=1)])),
    ],
)
def test_constraint_around_a_union_applies_to_the_members_that_allow_it(
    annotation: Any, members: tuple[Any, ...]
) -> None:
    assert split_union(annotation) == members


@pytest.mark.parametrize("annotation", [Annotated[str | None, ONE], Annotated[Decimal | bool, ONE]])
def test_constraint_that_no_member_of_a_union_allows_is_refused(annotation: Any) -> None:
    with pytest.raises(UnsupportedTypeError, match="cannot hold for any member of the union"):
        get_converter(annotation)


class LocalNames(Struct):
    x: "Missing"  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore  (that is the point)


class HasCallable(Struct):
    f: Callable[[], int]


@pytest.mark.parametrize(
    ("annotation", "what", "remedy"),
    [
        (complex, "'builtins.complex' cannot be read from a request", "Use a type that msgspec can read"),
        (Callable[[], int], "'collections.abc.Callable' cannot be read", "Use a type"),
        (Iterable[int], "'collections.abc.Iterable' cannot be read", "Use a type"),
        (HasCallable, "the field 'f' of HasCallable: 'collections.abc.Callable' cannot be read", "Use a type"),
        (list[dict[str, complex]], "'builtins.complex' cannot be read", "Use a type"),
        (int | list[complex], "'builtins.complex' cannot be read", "Use a type"),
        (Annotated[str, ONE], "Can only set `ge` on a numeric type", "Use a type"),
        (Annotated[Decimal, ONE], "Can only set `ge` on a numeric type", "constraints are those that msgspec.Meta has"),
        (Item | User, "Type unions may not contain more than one dict-like type", "Use a type"),
        (list[date | datetime], "Type unions may not contain more than one str-like type", "Use a type"),
        (Literal[1.5], "Literal may only contain", "Use a type"),
        (Enum("Odd", {"A": 1.5}), "Enums must contain either all str or all int values", "Use a type"),
        ("text", "Type ''text'' is not supported", "Use a type"),
        (set[Item], "a set cannot hold an object that may change", "frozen=True"),
        (frozenset[User], "a set cannot hold an object that may change", "frozen=True"),
        (set[list[int]], "a set cannot hold an array that may change", "or use list[T]"),
        (dict[str, set[Address]], "a set cannot hold an object that may change", "or use list[T]"),
        (dict[Key, int], "JSON's keys are text, which cannot become these keys", "Use dict[str, T]"),
        (dict[bool, int], "JSON's keys are text", "Use dict[str, T]"),
        (dict[tuple[int, int], int], "JSON's keys are text", "Use dict[str, T]"),
        (dict[int | bool, int], "JSON's keys are text", "Use dict[str, T]"),
        (LocalNames, "name 'Missing' is not defined", "Define at module level the names in the annotations"),
    ],
)  # fmt: skip
def test_type_that_cannot_be_read_is_refused_with_a_remedy(annotation: Any, what: str, remedy: str) -> None:
    with pytest.raises(UnsupportedTypeError) as caught:
        get_converter(annotation)
    assert caught.value.what.startswith(what)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    "annotation",
    [set[Key], set[Frozen], set[Identical], set[Hashed], set[tuple[int, str]], dict[int | None, int], dict[Any, int]],
)
def test_type_that_can_be_read_is_accepted(annotation: Any) -> None:
    get_converter(annotation)


T = TypeVar("T")
TENTH = Meta(multiple_of=0.1)


class LongName(Struct):
    ok: int
    name: Annotated[str | None, Meta(max_length=3)]


class Outer(Struct):
    inner: dict[str, list[LongName]]
    outer: "Outer | None" = None


@dataclass
class Big:
    size: Literal[18446744073709551616]  # type: ignore[valid-type]


class Pets(TypedDict):
    pet: Item | Identical


class Priced(NamedTuple):
    price: Annotated[float, TENTH]


@attrs.define
class Complex:
    z: complex
    limit: ClassVar[complex] = 1j


class Holder(Struct, Generic[T]):
    value: T
    call: Callable[[], int]


@pytest.mark.parametrize(
    ("annotation", "what", "remedy"),
    [
        (LongName, "the field 'name' of LongName: Can only set `max_length`", "Annotated[str, Meta(…)] | None"),
        (Outer, "the field 'name' of LongName: Can only set `max_length`", "Annotated[str, Meta(…)] | None"),
        (
            list[Outer] | None,
            "the field 'name' of LongName: Can only set `max_length`",
            "Annotated[str, Meta(…)] | None",
        ),
        (Big, "the field 'size' of Big: Integer values > (2**63 - 1)", "Use a type"),
        (Pets, "the field 'pet' of Pets: If a type union contains multiple Struct types", "tag=True"),
        (Priced, "the field 'price' of Priced: multiple_of=0.1 cannot be checked", "Use Decimal"),
        (Complex, "the field 'z' of Complex: 'builtins.complex' cannot be read", "Use a type"),
        (Holder[int], "the field 'call' of Holder: 'collections.abc.Callable' cannot be read", "Use a type"),
    ],
)
def test_field_that_cannot_be_read_is_named(annotation: Any, what: str, remedy: str) -> None:
    with pytest.raises(UnsupportedTypeError) as caught:
        get_converter(annotation)
    assert caught.value.what.startswith(what)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    "annotation",
    [Annotated[float, TENTH], list[Annotated[float, TENTH]], dict[str, Annotated[float, Meta(multiple_of=2.5)]]],
)
def test_multiple_of_a_fraction_is_refused(annotation: Any) -> None:
    with pytest.raises(UnsupportedTypeError, match="multiple_of") as caught:
        get_converter(annotation)
    assert "Decimal" in caught.value.remedy


@pytest.mark.parametrize("annotation", [Annotated[float, Meta(multiple_of=2)], Annotated[int, Meta(multiple_of=5)]])
def test_multiple_of_a_whole_number_is_checked(annotation: Any) -> None:
    assert get_converter(annotation).from_json(b"10") == 10
    with pytest.raises(ValueError, match="multiple of"):
        get_converter(annotation).from_json(b"11")


def test_integer_that_msgspec_cannot_compare_is_refused() -> None:
    with pytest.raises(UnsupportedTypeError, match="Integer values"):
        get_converter(Literal[18446744073709551616])


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the type statement is new in Python 3.12")
def test_alias_that_refers_to_itself_is_refused() -> None:
    names: dict[str, Any] = {}
    exec("type Tree = dict[str, Tree] | int\ntype Endless = Endless | int\ntype Rows = list[Rows]", names)
    for name in ("Tree", "Endless", "Rows"):
        with pytest.raises(UnsupportedTypeError, match="refers to itself") as caught:
            get_converter(names[name])
        assert "Use a class" in caught.value.remedy


Counter = TypeVarWithDefault("Counter", default=int)


class Counted(Struct, Generic[Counter]):
    count: Counter


class HasCounted(Struct):
    counted: Counted


@pytest.mark.parametrize(
    "annotation", [Counted, Counted | None, Annotated[Counted, "a note"], Counted[int], list[Counted[int]] | Counted]
)
def test_default_of_a_type_variable_is_enforced(annotation: Any) -> None:
    converter = get_converter(annotation)
    assert converter.from_json(b'{"count":1}') == Counted(1)
    with pytest.raises(ValueError, match="Expected `int`"):
        converter.from_json(b'{"count":"x"}')


@pytest.mark.parametrize("annotation", [list[Counted], dict[str, Counted], HasCounted])
def test_default_of_a_type_variable_inside_a_type_is_refused(annotation: Any) -> None:
    with pytest.raises(UnsupportedTypeError, match="type variables") as caught:
        get_converter(annotation)
    assert caught.value.remedy == "Write the types: Counted[...]"
