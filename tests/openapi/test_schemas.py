"""These tests show how types become JSON Schema, and how components are named."""

# mypy: disable-error-code="empty-body"
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta, Struct

from micropie import App, UploadFile
from micropie.openapi.schemas import Schemas
from tests.openapi.apps import FILE, Cat, Color, Dog, Movie, New, Page, Pair, Point, Thing, make_document

TYPES: list[Any] = [
    int, float, bool, str, bytes, UUID, date, timedelta, None, Any, Color, Literal["b", "a"],
    Annotated[int, Meta(ge=1, lt=5, multiple_of=2)], Annotated[str, Meta(pattern="^a", max_length=3)],
    Annotated[list[int], Meta(min_length=1)], set[str], frozenset[int], tuple[int, ...], tuple[int, str],
    dict[str, int], Annotated[dict[str, Any], Meta(max_length=2)], dict[Annotated[str, Meta(min_length=1)], int],
    int | None, int | str | None, New, Thing, Page[Thing], Point, Pair, Movie, Cat | Dog, Cat | Dog | None,
    list[Page[New]], Annotated[New, Meta(title="New one", examples=[1])],
]  # fmt: skip


def normal(schema: Any) -> Any:
    """`schema` without what says the same in two ways: an empty `required`, the order of what may be chosen."""
    if isinstance(schema, list):
        return [normal(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: normal(value) for name, value in schema.items() if not (name == "required" and value == [])}
    for name in ("anyOf", "enum"):
        if isinstance(found.get(name), list):
            found[name] = sorted(found[name], key=str)
    return found


@pytest.mark.parametrize("annotation", TYPES, ids=str)
def test_json_schema_equals_that_of_msgspec(annotation: Any) -> None:
    prefix = "#/components/schemas/"
    (theirs,), components = msgspec.json.schema_components([annotation], ref_template=prefix + "{name}")
    info = msgspec.inspect.type_info(annotation)
    ours = Schemas([info], prefix)
    assert (normal(ours.json(info)), normal(ours.components)) == (_flat(normal(theirs)), normal(components))


def _flat(schema: Any) -> Any:
    """msgspec puts the tagged ones of an optional union into a union of their own."""
    members = schema.get("anyOf", [])
    inner = next((one for one in members if "discriminator" in one), None)
    if inner is None:
        return schema
    return {"anyOf": sorted([*inner["anyOf"], *(one for one in members if one is not inner)], key=str)}


# Where msgspec says less than is known.
RICHER: dict[str, tuple[Any, Any]] = {
    "a date and time": (datetime, {"type": "string", "format": "date-time"}),
    "a local one": (Annotated[datetime, Meta(tz=False)], {"type": "string", "format": "date-time-local"}),
    "a local time": (Annotated[time, Meta(tz=False)], {"type": "string", "format": "time-local"}),
    "a file": (UploadFile, FILE),
}


@pytest.mark.parametrize("name", RICHER)
def test_json_schema_has_formats_that_msgspec_leaves_out(name: str) -> None:
    annotation, expected = RICHER[name]
    info = msgspec.inspect.type_info(annotation)
    assert Schemas([info]).json(info) == expected


def test_decimal_is_a_string_in_json_and_a_number_in_text() -> None:
    info = msgspec.inspect.type_info(Decimal)
    assert Schemas([info]).json(info)["type"] == "string"
    assert Schemas([info]).text(info) == {"type": "number"}


def test_types_with_the_same_name_are_named_with_their_modules() -> None:
    one = msgspec.defstruct("Thing", [("x", int)], module="shop.one")
    two = msgspec.defstruct("Thing", [("y", int)], module="shop.two")
    infos = [msgspec.inspect.type_info(cls) for cls in (one, two, Page[one], Page[two], New)]  # type: ignore[valid-type]
    assert sorted(Schemas(infos).components) == [
        "New",
        "shop.one.Thing",
        "shop.two.Thing",
        f"{Page.__module__}.Page_shop.one.Thing_",
        f"{Page.__module__}.Page_shop.two.Thing_",
    ]


def test_types_with_the_same_name_and_module_are_numbered() -> None:
    first, second = (msgspec.defstruct("Thing", [("x", int)], module="shop") for _ in range(2))
    infos = [msgspec.inspect.type_info(cls) for cls in (first, second)]
    assert sorted(Schemas(infos).components) == ["shop.Thing", "shop.Thing_2"]


def test_recursive_class_is_one_component() -> None:
    async def call(self: App, tree: Tree) -> Tree: ...

    assert make_document(call=call)["components"]["schemas"]["Tree"]["properties"]["below"]["items"] == {
        "$ref": "#/components/schemas/Tree"
    }


class Tree(Struct):
    below: list["Tree"] = []
