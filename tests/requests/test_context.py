"""The current request is in a context variable while it is handled."""

import pytest

from micropie import Request
from micropie.requests.context import get_current_request, request_variable
from tests.support.asgi import http_scope


def test_current_request_is_set_while_it_is_handled() -> None:
    request = Request(http_scope("GET", "/"))
    token = request_variable.set(request)
    try:
        assert get_current_request() is request
    finally:
        request_variable.reset(token)
    with pytest.raises(RuntimeError, match="No request is being handled here"):
        get_current_request()
