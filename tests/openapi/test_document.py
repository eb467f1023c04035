"""These tests show what the OpenAPI document of a whole app contains."""

# mypy: disable-error-code="empty-body"
import sys
from pathlib import Path as FilePath

import pytest
from openapi_spec_validator import validate

from micropie import Resource, route
from micropie.openapi import document
from tests.openapi.apps import Handlers, Shop, list_operations, make_document
from tests.support.examples import EXAMPLES, example_app


@pytest.mark.parametrize("name", EXAMPLES)
def test_openapi_documents_of_the_examples_are_valid(name: str, tmp_path: FilePath) -> None:
    doc = document(example_app(name, tmp_path))
    validate(doc)
    assert doc["openapi"] == "3.1.0"
    assert doc["paths"]


def test_handlers_of_held_resources_are_documented() -> None:
    doc = document(Shop())
    validate(doc)
    assert sorted(list_operations(doc)) == [
        "DELETE /things/{id}",
        "GET /",
        "GET /sign_up",
        "GET /things",
        "GET /things/count",
        "GET /things/{id}",
        "GET /{page}",
        "POST /things",
    ]
    assert doc["tags"] == [
        {"name": "Shop", "description": "A shop."},
        {"name": "Things", "description": "All the things. More of them come."},
    ]
    assert doc["info"] == {"title": "Shop", "version": "0", "description": "A shop.\n\nIt sells things."}
    ids = [operation["operationId"] for item in doc["paths"].values() for operation in item.values()]
    assert sorted(ids) == [
        "index",
        "index_by_page",
        "sign_up",
        "things_count",
        "things_delete",
        "things_get",
        "things_get_by_id",
        "things_post",
    ]


def test_operations_at_one_url_share_the_names_of_its_parameters() -> None:
    class Sides(Resource):
        @route("/{name}", methods=["PUT"])
        async def write(self, name: str) -> None: ...

        @route("/{key}", methods=["GET"])
        async def read(self, key: int) -> None: ...

    doc = make_document(sides=Sides())
    assert list_operations(doc) == ["PUT /sides/{name}", "GET /sides/{name}"]
    assert doc["paths"]["/sides/{name}"]["get"]["parameters"][0]["name"] == "name"


def test_operation_ids_are_unique() -> None:
    class Sides(Resource):
        async def get(self) -> None: ...

    doc = make_document(a=Sides(), b=Sides(), call=Handlers.maybe_body, a_get=Handlers.nothing)
    ids = [operation["operationId"] for item in doc["paths"].values() for operation in item.values()]
    assert sorted(ids) == ["a_get", "a_get_2", "b_get", "call_get", "call_get_by_a", "call_post", "call_post_by_a"]


def test_version_is_that_of_the_apps_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[Shop.__module__], "__version__", "1.2.3", raising=False)
    assert document(Shop())["info"]["version"] == "1.2.3"
