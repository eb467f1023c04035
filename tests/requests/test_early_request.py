"""A request refuses its body while early middleware runs."""

import asyncio

import pytest

from micropie import Request
from micropie.requests.early_request import hide_body, reveal_body
from tests.support.asgi import JSON, http_scope

OF_BODY = ["body", "body_params", "files", "form", "form_params", "get_json", "json", "json_params", "stream"]


@pytest.mark.parametrize("name", OF_BODY)
def test_body_that_has_not_arrived_is_refused_by_every_name(name: str) -> None:
    request = Request(http_scope("POST", "/?a=1", JSON))
    hide_body(request)
    with pytest.raises(RuntimeError, match=f"`request.{name}` is not there yet"):
        getattr(request, name)
    assert (request.method, request.query("a"), request.headers["content-type"]) == ("POST", "1", "application/json")
    reveal_body(request)
    assert getattr(request, name) is not NotImplemented


def test_body_that_has_arrived_stays() -> None:
    async def main() -> None:
        request = Request(http_scope("GET", "/"))
        request.micropie_body_opened = True
        hide_body(request)
        assert request.body == b""

    asyncio.run(main())
