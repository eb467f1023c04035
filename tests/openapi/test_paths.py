"""These tests show at which URLs, and for which methods, a handler is documented."""

# mypy: disable-error-code="empty-body"

import pytest

from micropie import Resource, route
from tests.openapi.apps import Handlers, list_operations, make_document

OPERATIONS = {
    "nothing": ["GET /call"],
    "optional": ["GET /call", "GET /call/{a}", "GET /call/{a}/{b}"],
    "required": ["GET /call/{a}", "GET /call/{a}/{b}"],
    "keyword": ["GET /call"],
    "rest": ["GET /call/{a}", "GET /call/{a}/{more}"],
    "names": ["GET /call"],
    "body": ["POST /call"],
    "maybe_body": ["GET /call", "GET /call/{a}", "POST /call", "POST /call/{a}"],
    "form": ["POST /call"],
    "file": ["POST /call"],
    "raw": ["POST /call"],
    "stream": ["POST /call"],
    "session": ["GET /call"],
    "request": ["GET /call"],
    "listed": ["GET /call"],
    "posted": ["POST /call"],
    "posted_rest": ["POST /call", "POST /call/{a}/{more}"],
    "posted_there": ["POST /call/{a}"],
    "put_whole": ["PUT /call/{a}"],
    "deleted": ["DELETE /call/{a}"],
    "both": ["GET /call/{a}", "POST /call"],
    "template": ["GET /x/{a}/y/{b}"],
    "template_rest": ["GET /all/{a}", "GET /all/{a}/{more}"],
    "template_any": ["GET /any/{a}"],
    "quoted": ["GET /%C3%BCber%20uns"],
}


@pytest.mark.parametrize("name", [name for name in vars(Handlers) if not name.startswith("_")])
def test_handler_is_documented_at_its_natural_urls(name: str) -> None:
    assert sorted(list_operations(make_document(call=vars(Handlers)[name]))) == OPERATIONS[name]


def test_url_that_another_route_serves_is_left_out() -> None:
    class Sides(Resource):
        async def get(self, a: str = "", b: str = "") -> None: ...

        @route("/{key}", methods=["GET"])
        async def read(self, key: int) -> None: ...

    assert list_operations(make_document(sides=Sides())) == ["GET /sides", "GET /sides/{a}/{b}", "GET /sides/{key}"]
