"""Annotations are unwrapped and described; a type that cannot be read is refused, and the error says how to fix it."""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NewType, Union

import pytest
from msgspec import Meta, Struct
from typing_extensions import TypeAliasType

from micropie.conversion.converter import get_converter
from micropie.conversion.unwrap_annotated import UnsupportedTypeError, split_union, unwrap_annotated
from tests.support.types import Address, Frozen, Hashed, Identical, Item, Key, User

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
        (HasCallable, "'collections.abc.Callable' cannot be read", "Use a type"),
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
