"""A dataclass that was received without a field that has a default is sent with the default, at every depth."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, NamedTuple, TypedDict, TypeVar

import attrs
import pytest
from msgspec import Struct

from micropie import App, Query
from tests.support.asgi import call

T = TypeVar("T")
JSON = [(b"content-type", b"application/json")]
FORM = [(b"content-type", b"application/x-www-form-urlencoded")]


@dataclass
class Leaf:
    name: str
    count: int = 3
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Tree:
    leaf: Leaf
    more: "list[Tree]" = field(default_factory=list)
    other: "Tree | None" = None
    size: int = 1


@dataclass(slots=True)
class Slotted:
    name: str
    count: int = 3


@dataclass
class Box(Generic[T]):
    value: T
    label: str = "box"


@attrs.define(slots=False)
class Attrs:
    name: str
    count: int = 3


class Held(Struct):
    leaf: Leaf
    pair: tuple[Leaf, int] | None = None
    by_name: dict[str, Leaf] = {}


class Typed(TypedDict, total=False):
    leaf: Leaf
    missing: Leaf


class Named(NamedTuple):
    leaf: Leaf


LEAF = {"name": "a", "count": 3, "tags": []}


def make_echo_app(annotation: Any) -> App:
    async def index(self: App, value: Any) -> Any:
        return value

    index.__annotations__["value"] = annotation
    app_class: type[App] = type("Echo", (App,), {"index": index})
    return app_class()


@pytest.mark.parametrize(
    ("annotation", "sent", "received"),
    [
        (Leaf, b'{"name":"a"}', LEAF),
        (Leaf, b'{"name":"a","count":4}', LEAF | {"count": 4}),
        (Leaf | None, b'{"name":"a"}', LEAF),
        (list[Leaf], b'[{"name":"a"},{"name":"a"}]', [LEAF, LEAF]),
        (dict[str, Leaf], b'{"x":{"name":"a"}}', {"x": LEAF}),
        (Slotted, b'{"name":"a"}', {"name": "a", "count": 3}),
        (Attrs, b'{"name":"a"}', {"name": "a", "count": 3}),
        (Box[Leaf], b'{"value":{"name":"a"}}', {"value": LEAF, "label": "box"}),
        (Box[int] | None, b'{"value":1}', {"value": 1, "label": "box"}),
        (Typed, b'{"leaf":{"name":"a"}}', {"leaf": LEAF}),
        (Named, b'[{"name":"a"}]', [LEAF]),
        (
            Held,
            b'{"leaf":{"name":"a"},"pair":[{"name":"a"},1],"by_name":{"x":{"name":"a"}}}',
            {"leaf": LEAF, "pair": [LEAF, 1], "by_name": {"x": LEAF}},
        ),
        (list[Leaf] | dict[str, Leaf], b'{"x":{"name":"a"}}', {"x": LEAF}),
        (list[Leaf] | dict[str, Leaf], b'[{"name":"a"}]', [LEAF]),
        (
            Tree,
            b'{"leaf":{"name":"a"},"more":[{"leaf":{"name":"a"}}],"other":{"leaf":{"name":"a"}}}',
            {
                "leaf": LEAF,
                "more": [{"leaf": LEAF, "more": [], "other": None, "size": 1}],
                "other": {"leaf": LEAF, "more": [], "other": None, "size": 1},
                "size": 1,
            },
        ),
    ],
)
def test_dataclass_from_json_is_sent_with_its_defaults(annotation: Any, sent: bytes, received: object) -> None:
    response = call(make_echo_app(annotation), "POST", "/", body=sent, headers=JSON)
    assert (response.status, response.json) == (200, received)


def test_dataclass_from_a_form_or_a_query_is_sent_with_its_defaults() -> None:
    assert call(make_echo_app(Leaf), "POST", "/", body=b"name=a", headers=FORM).json == LEAF
    assert call(make_echo_app(Annotated[Leaf, Query()]), "GET", "/?name=a").json == LEAF


def test_stored_dataclass_is_read_with_its_defaults() -> None:
    from micropie.conversion.converter import get_converter

    assert vars(get_converter(Leaf).from_value({"name": "a"})) == LEAF
