"""These tests send HTTP methods that a handler answers, and others (SPEC 2)."""

import pytest

from micropie.routing.methods import METHODS
from tests.support.asgi import call

from .apps import API


@pytest.mark.parametrize("method", METHODS)
def test_handler_without_methods_takes_every_method(method: str) -> None:
    response = call(API, method, "/plain")
    assert response.status == 200
    assert response.text == ("" if method == "HEAD" else method)


ALL = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("TRACE", "/plain", ALL),
        ("CONNECT", "/plain", ALL),
        ("BREW", "/plain", ALL),
        ("get", "/plain", ALL),
        ("GET", "/write", "OPTIONS, POST, PUT"),
        ("POST", "/read", "GET, HEAD, OPTIONS"),
        ("PUT", "/things", "DELETE, GET, HEAD, OPTIONS, POST"),
        ("POST", "/things/3", "DELETE, GET, HEAD, OPTIONS"),  # post takes no path value
    ],
)
def test_method_without_a_handler_is_refused_with_allow(method: str, path: str, allow: str) -> None:
    response = call(API, method, path)
    assert (response.status, response.text, response.header("allow")) == (405, "405 Method Not Allowed", allow)


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/write", "OPTIONS, POST, PUT"),
        ("/read", "GET, HEAD, OPTIONS"),
        ("/things", "DELETE, GET, HEAD, OPTIONS, POST"),
        ("/things/3", "DELETE, GET, HEAD, OPTIONS"),
    ],
)
def test_options_gets_an_automatic_response_where_methods_are_declared(path: str, allow: str) -> None:
    response = call(API, "OPTIONS", path)
    assert (response.status, response.body, response.header("allow")) == (204, b"", allow)


@pytest.mark.parametrize("path", ["/plain", "/read", "/things", "/things/3"])
def test_head_gets_the_response_of_get_without_its_body(path: str) -> None:
    got, head = call(API, "GET", path), call(API, "HEAD", path)
    assert (head.status, head.body) == (200, b"")
    # /plain returns the method's name, so the lengths differ.
    assert head.header("content-length") == str(len(got.body) if path != "/plain" else len("HEAD"))


@pytest.mark.parametrize("path", ["/write", "/nothing"])
def test_refused_head_has_no_body(path: str) -> None:
    response = call(API, "HEAD", path)
    assert response.status in (404, 405)
    assert response.body == b""
    assert response.header("content-length") != "0"
