"""These tests apply checks to values: a search collects errors, and ends at its limits."""

from typing import Any, Literal

import pytest
from msgspec import inspect as mi

from micropie.conversion.error_search import MAX_DEPTH, Check, Search, TooManyErrorsError, TooManyValuesError
from micropie.errors import Invalid


class NumberCheck(Check):
    """A check that accepts positive integers at first sight, and refuses every other value."""

    kind = int
    is_valid = staticmethod(lambda value: value > 0)
    find_errors = Check.add_mismatch


NUMBER = NumberCheck(mi.IntType())


def test_errors_are_collected_with_their_pointers() -> None:
    search = Search(10, 10)
    for value, pointer in ((1, "/a"), ("x", "/b"), (-1, "/c")):
        search.apply(NUMBER, value, pointer)
    assert search.errors == [
        Invalid("Expected an integer, got a string", pointer="/b"),
        Invalid("Expected an integer", pointer="/c"),
    ]


def test_search_ends_with_the_last_error_that_it_may_report() -> None:
    search = Search(2, 10)
    search.add_error("first", "/0")
    with pytest.raises(TooManyErrorsError):
        search.add_error("second", "/1")
    assert [error.pointer for error in search.errors] == ["/0", "/1"]


def test_search_ends_after_the_values_that_it_may_look_at() -> None:
    search = Search(10, 2)
    search.apply(NUMBER, 1, "/0")
    search.apply(NUMBER, 2, "/1")
    with pytest.raises(TooManyValuesError):
        search.apply(NUMBER, 3, "/2")
    with pytest.raises(TooManyValuesError):
        search.enter_object()


def test_objects_may_be_nested_to_the_greatest_depth() -> None:
    search = Search(10, 10)
    search.add_error("wrong", "")
    assert {search.enter_object() for _ in range(MAX_DEPTH)} == {1}
    with pytest.raises(RecursionError):
        search.enter_object()


@pytest.mark.parametrize(("value", "expected"), [(1, False), (0, True), ("x", True)])
def test_errors_of_a_trial_are_not_added_but_its_values_are_counted(value: object, expected: bool) -> None:
    search = Search(10, 3)
    assert search.has_errors(NUMBER, value) is expected
    assert (search.errors, search.values_left) == ([], 2)


def test_trial_ends_after_the_values_that_the_search_may_look_at() -> None:
    search = Search(10, 0)
    with pytest.raises(TooManyValuesError):
        search.has_errors(NUMBER, 1)
    assert search.values_left < 0


@pytest.mark.parametrize("value", [{}, [], "", 0, 1.5, True, None])
def test_base_check_accepts_every_value(value: object) -> None:
    search = Search(1, 1)
    search.apply(Check(mi.AnyType()), value, "")
    assert search.errors == []


MISMATCHES: list[tuple[Any, object, str]] = [
    (int, "x", "Expected an integer, got a string"),
    (int, 1.5, "Expected an integer"),
    (int, True, "Expected an integer, got a boolean"),
    (int, None, "Expected an integer, got null"),
    (str, 1, "Expected text, got a number"),
    (str, {}, "Expected text, got an object"),
    (bool, [], "Expected a boolean, got an array"),
    (list[int], {}, "Expected an array, got an object"),
    (dict[str, int], [], "Expected an object, got an array"),
    (None, 0, "Expected null, got a number"),
    (Literal["a", 1], 2, "Expected one of 1, 'a'"),
    (int | None, "x", "Expected an integer or null"),
    (int, object(), "Expected an integer"),
]


@pytest.mark.parametrize(("annotation", "value", "detail"), MISMATCHES)
def test_mismatch_names_the_kind_of_value_only_where_it_differs(annotation: Any, value: object, detail: str) -> None:
    search = Search(10, 10)
    Check(mi.type_info(annotation)).add_mismatch(search, value, "/x")
    assert search.errors == [Invalid(detail, pointer="/x")]
