"""These tests build markers: they are data that can be compared, and a signature shows them."""

from functools import partial
from typing import Any

import msgspec
import pytest

from micropie import Body, Cookie, Depends, File, Form, Header, Path, Query, Session
from micropie.params import Marker

MARKERS: list[type[Marker]] = [Path, Query, Form, Body, Header, Cookie, Session, File]


def current_user() -> str:
    return "ann"


class Callable:
    def __call__(self) -> int:
        return 1

    def __repr__(self) -> str:
        return "<a callable>"


@pytest.mark.parametrize("marker", MARKERS)
def test_marker_has_an_alias_or_none(marker: type[Marker]) -> None:
    assert [marker().alias, marker("x").alias, marker(alias="x").alias] == [None, "x", "x"]


@pytest.mark.parametrize("marker", MARKERS)
def test_marker_is_frozen_and_compares_by_its_class_and_content(marker: type[Marker]) -> None:
    written: Any = marker("x")
    with pytest.raises(AttributeError, match="immutable"):
        written.alias = "y"
    assert (written, hash(written)) == (marker("x"), hash(marker("x")))
    assert written != marker("y")
    assert [other("x") for other in MARKERS].count(written) == 1


def test_file_has_limits_on_size_and_type() -> None:
    assert msgspec.structs.asdict(File()) == {"alias": None, "max_size": None, "content_types": ()}
    limited = File(max_size=5, content_types=["image/*"])
    assert (limited.alias, limited.max_size, limited.content_types) == (None, 5, ["image/*"])


@pytest.mark.parametrize(
    ("function", "shown"),
    [
        (current_user, "Depends(current_user)"),
        (Callable, "Depends(Callable)"),
        (Callable(), "Depends(<a callable>)"),
        (str.upper, "Depends(str.upper)"),
    ],
)
def test_dependency_is_shown_by_the_name_of_its_function(function: Any, shown: str) -> None:
    assert repr(Depends(function)) == shown


def test_dependency_without_a_name_is_shown_by_its_repr() -> None:
    function = partial(current_user)
    assert repr(Depends(function)) == f"Depends({function!r})"


def test_dependencies_on_one_function_are_equal() -> None:
    assert (Depends(current_user), hash(Depends(current_user))) == (Depends(current_user), hash(Depends(current_user)))
    assert Depends(current_user) != Depends(str)
