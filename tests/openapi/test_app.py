"""These tests show where `App(docs=…, openapi_path=…, docs_path=…)` serves the documents and the page."""

import subprocess
import sys
from typing import Any

import pytest

from micropie import App
from micropie.errors import SetupError
from micropie.openapi import asyncapi, document
from micropie.testing import TestClient


class Shop(App):
    async def index(self) -> str:
        return "shop"


PATHS = ("/openapi.json", "/asyncapi.json", "/docs", "/docs/openapi.json", "/a.json", "/help")
SERVED: list[tuple[dict[str, Any], set[str]]] = [
    ({}, set()),
    ({"docs": False}, set()),
    ({"docs": True}, set(PATHS[:4])),
    ({"docs": True, "openapi_path": None}, {"/docs", "/docs/openapi.json"}),
    ({"docs": True, "docs_path": None}, {"/openapi.json", "/asyncapi.json"}),
    ({"docs": True, "openapi_path": None, "docs_path": None}, set()),
    ({"docs": True, "openapi_path": "/a.json", "docs_path": "/help"}, {"/a.json", "/asyncapi.json", "/help"}),
    ({"openapi_path": "/a.json"}, {"/a.json", "/asyncapi.json"}),
    ({"docs_path": "/help"}, {"/openapi.json", "/asyncapi.json", "/help"}),
    ({"openapi_path": None}, set()),
]


@pytest.mark.parametrize(("arguments", "expected"), SERVED)
def test_arguments_of_app_decide_what_is_served(arguments: dict[str, Any], expected: set[str]) -> None:
    with TestClient(Shop(**arguments)) as client:
        served = {path for path in PATHS if client.get(path).status_code == 200}
    assert served == expected


def test_app_has_methods_that_return_the_documents() -> None:
    app = Shop()
    assert (app.openapi(), app.asyncapi()) == (document(app), asyncapi.document(app))


def test_path_in_use_is_reported_when_the_app_is_made() -> None:
    class Taken(Shop):
        async def docs(self) -> str:
            return ""

    with pytest.raises(SetupError, match=r"cannot serve /docs, which .*Taken.docs answers already"):
        Taken(docs=True)


def test_app_without_documents_does_not_load_the_package() -> None:
    code = "import sys, micropie; micropie.App(); print([name for name in sys.modules if 'micropie.openapi' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
