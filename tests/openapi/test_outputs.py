"""These tests show how return annotations become responses, and which refusals are documented."""

# mypy: disable-error-code="empty-body"
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path as FilePath
from typing import Any, Literal

import pytest
from openapi_spec_validator import validate

from micropie import App, HTTPError, ServerSentEvent
from micropie.openapi import document
from tests.openapi.apps import (
    ERRORS,
    FILE,
    JSON,
    REF,
    TEXT,
    Handlers,
    Page,
    Problem,
    Shop,
    Thing,
    find_operation,
    make_document,
)

REFUSALS = {
    "nothing": ["default"],
    "optional": ["400", "default"],
    "session": ["400", "default"],
    "posted": ["400", "413", "default"],
    "body": ["400", "413", "415", "default"],
    "form": ["400", "413", "default"],
    "raw": ["400", "413", "default"],
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_are_documented_where_they_can_occur(name: str) -> None:
    responses = find_operation(vars(Handlers)[name])["responses"]
    assert [status for status in responses if status != "204"] == REFUSALS[name]


class Unknown:
    """A class that msgspec cannot describe."""


class Returning:
    async def text(self) -> str: ...
    async def octets(self) -> bytes: ...
    async def choice(self) -> Literal["a", "b"]: ...
    async def nothing(self) -> None: ...
    async def thing(self) -> Thing: ...
    async def maybe(self) -> Thing | None: ...
    async def either(self) -> Thing | str | list[int]: ...
    async def anything(self) -> Any: ...
    async def unannotated(self): ...  # type: ignore[no-untyped-def]  # the missing annotation is what is tested
    async def file(self) -> FilePath: ...
    async def statuses(self) -> tuple[Literal[201], Thing] | tuple[Literal[404, 410], dict[str, str]]: ...
    async def with_headers(self) -> tuple[Literal[201], Thing, dict[str, str]]: ...
    async def no_content(self) -> tuple[Literal[204], None]: ...
    async def empty(self) -> tuple[Literal[202], None]: ...
    async def perhaps_empty(self) -> tuple[Literal[202], Thing | None]: ...
    async def iterable(self) -> Iterable[Thing]: ...
    async def any_status(self) -> tuple[int, str]: ...
    async def pair(self) -> tuple[str, int]: ...
    async def page(self) -> Page[Thing]: ...
    async def lines(self) -> AsyncIterator[Thing]:
        yield Thing(title="", id=1)

    def texts(self) -> Iterator[str]:
        yield ""

    async def events(self) -> AsyncIterator[ServerSentEvent[Thing]]:
        yield ServerSentEvent(Thing(title="", id=1))

    async def any_items(self) -> AsyncIterator[Any]:
        yield 1

    async def unknown(self) -> Unknown: ...
    async def plain_events(self) -> AsyncIterator[ServerSentEvent[Any]]:
        yield ServerSentEvent("")


RESPONSES: dict[str, dict[str, Any]] = {
    "text": {"200": {"text/html": TEXT}},
    "octets": {"200": {"text/html": TEXT}},
    "choice": {"200": {"text/html": {"schema": {"enum": ["a", "b"]}}}},
    "nothing": {"204": None},
    "thing": {"200": {JSON: {"schema": REF}}},
    "maybe": {"200": {JSON: {"schema": REF}}, "204": None},
    "either": {
        "200": {
            JSON: {"schema": {"anyOf": [REF, {"type": "array", "items": {"type": "integer"}}]}},
            "text/html": TEXT,
        }
    },
    "anything": {"200": {"*/*": {}}},
    "unannotated": {"200": {"*/*": {}}},
    "file": {"200": {"*/*": {"schema": FILE}}, "206": {"*/*": {"schema": FILE}}, "304": None},
    "statuses": {
        "201": {JSON: {"schema": REF}},
        "404": {JSON: {"schema": {"type": "object", "additionalProperties": {"type": "string"}}}},
        "410": {JSON: {"schema": {"type": "object", "additionalProperties": {"type": "string"}}}},
    },
    "with_headers": {"201": {JSON: {"schema": REF}}},
    "no_content": {"204": None},
    "empty": {"202": None},
    "perhaps_empty": {"202": {JSON: {"schema": REF}}},
    "iterable": {
        "200": {JSON: {"schema": {"type": "array", "items": REF}}, "application/jsonl": {**TEXT, "x-line": REF}}
    },
    "any_status": {"default": {"text/html": TEXT, **ERRORS}},
    "pair": {
        "200": {
            JSON: {
                "schema": {
                    "type": "array",
                    "minItems": 2,
                    "maxItems": 2,
                    "prefixItems": [{"type": "string"}, {"type": "integer"}],
                    "items": False,
                }
            }
        }
    },
    "page": {"200": {JSON: {"schema": {"$ref": "#/components/schemas/Page_Thing_"}}}},
    "lines": {"200": {"application/jsonl": {**TEXT, "x-line": REF}}},
    "texts": {"200": {"text/html": TEXT}},
    "events": {"200": {"text/event-stream": {**TEXT, "x-event-data": REF}}},
    "any_items": {"200": {"*/*": {}}},
    "unknown": {"200": {JSON: {"schema": {}}}},
    "plain_events": {"200": {"text/event-stream": TEXT}},
}


@pytest.mark.parametrize("name", RESPONSES)
def test_each_status_of_a_return_annotation_is_documented(name: str) -> None:
    responses = find_operation(vars(Returning)[name])["responses"]
    contents = {status: response.get("content") for status, response in responses.items() if "$ref" not in response}
    assert contents == RESPONSES[name]
    assert "default" in responses


def test_status_of_the_handler_is_merged_with_the_refusal() -> None:
    async def call(self: App, a: int) -> tuple[Literal[400], Thing] | str: ...

    response = find_operation(call)["responses"]["400"]
    assert response["content"] == {JSON: {"schema": REF}, **ERRORS}


def test_errors_of_an_app_with_an_error_handler_have_no_format() -> None:
    app = Shop()
    app.error_handlers[HTTPError] = lambda *_: (400, "no")
    doc = document(app)
    validate(doc)
    assert "Problem" not in doc["components"]["schemas"]
    assert "content" not in doc["components"]["responses"]["BadRequest"]


def test_problem_class_of_the_user_keeps_its_name() -> None:
    async def call(self: App) -> tuple[Literal[404], Problem]: ...

    schemas = make_document(call=call)["components"]["schemas"]
    assert list(schemas["Problem"]["properties"]) == ["code"]
    assert "errors" in schemas["micropie.Problem"]["properties"]
