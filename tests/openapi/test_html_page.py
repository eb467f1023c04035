"""These tests render OpenAPI documents as HTML pages: everything is shown, and all text is escaped."""

from html.parser import HTMLParser
from typing import Any

import pytest

from micropie.openapi.html_page import STYLE, render_page

EVIL = "<script>alert('x')</script>&\""


def create_document(operation: dict[str, Any] | None = None, **components: Any) -> dict[str, Any]:
    """Create a document with one operation, which has `operation`'s members, and with `components`."""
    whole = {"operationId": "site_index", "tags": ["Site"], "responses": {}} | (operation or {})
    return {
        "info": {"title": "Site", "version": "1"},
        "tags": [{"name": "Site"}],
        "paths": {"/x": {"get": whole}},
        "components": components,
    }


class Tags(HTMLParser):
    """A parser that collects elements, identifiers, links and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.links += [value for name, value in attrs if name == "href" and value]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def render(operation: dict[str, Any] | None = None, **components: Any) -> Tags:
    return Tags(render_page(create_document(operation, **components), "/api", "/api/docs"))


def test_page_names_the_app_its_version_and_the_document() -> None:
    page = render()
    assert "Site" in page.texts
    assert "version 1" in page.text
    assert page.links == ["/api/docs/style.css", "#site_index", "/api/docs/openapi.json"]


def test_operation_stands_below_its_tag_with_the_prefix_before_its_path() -> None:
    page = render({"summary": "Shows x.", "description": "More about x."})
    assert page.ids == ["site_index"]
    assert "GET /api/x Shows x. More about x. Responses" in page.text


TYPES: list[tuple[dict[str, Any] | bool, str]] = [
    ({}, "anything"),
    (True, "anything"),
    ({"type": "integer"}, "integer"),
    ({"type": "string", "format": "date"}, "string (date)"),
    ({"type": "string", "format": "binary"}, "a file"),
    ({"type": "array"}, "array"),
    ({"type": "array", "items": {"type": "integer"}}, "array of integer"),
    ({"type": "object"}, "object"),
    ({"type": "object", "additionalProperties": {"type": "number"}}, "object of number"),
    ({"enum": ["a", 1, None]}, '"a" or 1 or null'),
    ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer or null"),
    ({"allOf": [{"type": "integer"}, {"type": "number"}]}, "integer and number"),
    ({"type": "integer", "minimum": 1, "maximum": 5}, "integer, ≥ 1, ≤ 5"),
    ({"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 5}, "integer, > 1, < 5"),
    ({"type": "number", "multipleOf": 0.5}, "number, a multiple of 0.5"),
    (
        {"type": "string", "minLength": 1, "maxLength": 9, "pattern": "<a>"},
        "string, length ≥ 1, length ≤ 9, matching <a>",
    ),
    ({"type": "array", "minItems": 1, "maxItems": 2}, "array, at least 1 items, at most 2 items"),
    ({"type": "boolean", "default": False}, "boolean, by default false"),
]


@pytest.mark.parametrize(("schema", "text"), TYPES, ids=[text for _, text in TYPES])
def test_type_is_shown_in_a_few_words(schema: Any, text: str) -> None:
    parameter = {"name": "size", "in": "query", "schema": schema, "required": True}
    page = render({"parameters": [parameter | ({} if isinstance(schema, dict) else {"description": "-"})]})
    assert f"size query {text}" in page.text


def test_parameter_is_shown_with_its_source_and_description() -> None:
    page = render({"parameters": [
        {"name": "size", "in": "query", "schema": {"type": "integer", "description": "The size."}},
        {"name": "X-Token", "in": "header", "schema": {"type": "string"}, "required": True, "description": "A token."},
    ]})  # fmt: skip
    assert "Parameters size (optional) query integer The size. X-Token header string A token." in page.text


def test_media_types_with_the_same_body_are_shown_together() -> None:
    structure = {"properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a"]}
    page = render({"requestBody": {"description": "The thing.", "content": {
        "application/json": {"schema": structure},
        "multipart/form-data": {"schema": structure},
        "text/plain": {"schema": {"type": "string"}},
    }}})  # fmt: skip
    assert (
        "Body The thing. application/json, multipart/form-data a integer b (optional) string text/plain string"
    ) in page.text


def test_responses_are_shown_with_their_bodies_and_shared_ones_in_full() -> None:
    page = render(
        {"responses": {
            "200": {"description": "Fine", "content": {"application/json": {"schema": {"type": "integer"}},
                                                       "application/jsonl": {"x-line": {"type": "string"}}}},
            "404": {"$ref": "#/components/responses/Missing"},
            "default": {"description": "Bad"},
        }},
        responses={"Missing": {"description": "There is none"}},
    )  # fmt: skip
    assert (
        "Responses 200 Fine application/json integer application/jsonl string 404 There is none other Bad"
    ) in page.text


@pytest.mark.parametrize(
    ("security", "text"),
    [
        ([{"session": []}], "Credentials session"),
        ([{"session": []}, {}], "Credentials session, or nothing"),
        ([{"session": [], "key": []}], "Credentials session and key"),
    ],
)
def test_credentials_are_shown_with_their_alternatives(security: list[Any], text: str) -> None:
    assert text in render({"security": security}).text


def test_types_are_shown_once_and_linked() -> None:
    page = render(
        {"parameters": [{"name": "t", "in": "query", "schema": {"$ref": "#/components/schemas/Todo"}}]},
        schemas={"Todo": {"description": "A thing to do.", "properties": {"title": {"type": "string"}}}},
    )
    assert "#type-Todo" in page.links
    assert page.ids == ["site_index", "type-Todo"]
    assert "Types Todo A thing to do. title (optional) string" in page.text


def test_all_text_is_escaped() -> None:
    field = {"type": EVIL, "description": EVIL, "default": EVIL, "pattern": EVIL}
    document = {
        "info": {"title": EVIL, "version": EVIL, "description": EVIL},
        "tags": [{"name": EVIL, "description": EVIL}],
        "paths": {
            f"/{EVIL}": {
                "get": {
                    "operationId": EVIL,
                    "tags": [EVIL],
                    "summary": EVIL,
                    "description": EVIL,
                    "parameters": [{"name": EVIL, "in": EVIL, "schema": field, "description": EVIL}],
                    "security": [{EVIL: []}],
                    "requestBody": {"description": EVIL, "content": {EVIL: {"schema": {"enum": [EVIL]}}}},
                    "responses": {EVIL: {"description": EVIL, "content": {EVIL: {"schema": field}}}},
                }
            }
        },
        "components": {"schemas": {EVIL: {"description": EVIL, "properties": {EVIL: {"$ref": f"#/{EVIL}"}}}}},
    }
    page = Tags(render_page(document, f"/{EVIL}", f"/{EVIL}"))
    assert "script" not in page.names
    assert page.text.count("<script>") > 20


def test_style_contains_no_markup_and_loads_nothing() -> None:
    assert "<" not in STYLE
    assert "url(" not in STYLE
    assert "@import" not in STYLE
