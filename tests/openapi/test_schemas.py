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


def normalize(schema: Any) -> Any:
    """Remove differences without meaning from `schema`: an empty `required`, the order of `anyOf` and `enum`."""
    if isinstance(schema, list):
        return [normalize(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    normalized = {name: normalize(value) for name, value in schema.items() if not (name == "required" and value == [])}
    for name in ("anyOf", "enum"):
        if isinstance(normalized.get(name), list):
            normalized[name] = sorted(normalized[name], key=str)
    return normalized


@pytest.mark.parametrize("annotation", TYPES, ids=str)
def test_json_schema_equals_that_of_msgspec(annotation: Any) -> None:
    prefix = "#/components/schemas/"
    (theirs,), components = msgspec.json.schema_components([annotation], ref_template=prefix + "{name}")
    info = msgspec.inspect.type_info(annotation)
    ours = Schemas([info], prefix)
    assert normalize(ours.json(info)) == flatten(normalize(theirs))
    assert normalize(ours.components) == normalize(components)


def flatten(schema: Any) -> Any:
    """Flatten a union: msgspec puts the tagged members of an optional union into an inner union."""
    members = schema.get("anyOf", [])
    inner = next((member for member in members if "discriminator" in member), None)
    if inner is None:
        return schema
    return {"anyOf": sorted([*inner["anyOf"], *(member for member in members if member is not inner)], key=str)}


# Types for which msgspec leaves out what is known.
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
    first = msgspec.defstruct("Thing", [("x", int)], module="shop.one")
    second = msgspec.defstruct("Thing", [("y", int)], module="shop.two")
    infos = [msgspec.inspect.type_info(cls) for cls in (first, second, Page[first], Page[second], New)]  # type: ignore[valid-type]
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
