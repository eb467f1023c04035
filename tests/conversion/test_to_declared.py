"""These tests show how a type is taken apart into declared types."""

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct

from micropie.conversion.to_declared import get_declared_type, refuse_all


class Public(Struct):
    name: str


@dataclass
class PublicData:
    name: str
    owner: Public


@pytest.mark.parametrize("annotation", [Public, str, dict[str, str], list[int], list[Any], Public | None])
def test_class_alone_decides_where_no_class_with_fields_is_inside(annotation: Any) -> None:
    assert get_declared_type(annotation).is_flat


@pytest.mark.parametrize("annotation", [PublicData, list[Public], dict[str, Public], tuple[int, Public]])
def test_class_alone_does_not_decide_where_a_class_with_fields_is_inside(annotation: Any) -> None:
    assert not get_declared_type(annotation).is_flat


def test_type_is_taken_apart_once() -> None:
    assert get_declared_type(list[Public]) is get_declared_type(list[Public])
    assert get_declared_type(Annotated[Public, Meta(examples=[[1]])]).is_flat


def test_no_value_fits_a_refused_type() -> None:
    assert not refuse_all(Public).fits(Public("a"))
