"""These tests show which errors a client raises for statuses that the handler does not promise."""

from typing import Any

import pytest

from micropie import ELSEWHERE, Invalid
from micropie.client import CallError, Client
from tests.client.api import JSON, Api, Todo, Todos, call_once, constant_app, run

# The handler, the arguments, then the status, title, detail and errors of the CallError.
ERRORS: list[tuple[Any, tuple[Any, ...], int, str, str, list[Invalid]]] = [
    (Api.limited, (0, "x"), 400, "Bad Request",
     "Invalid path parameter 'page': Expected an integer >= 1; Invalid query parameter 'size': Expected an integer",
     [Invalid("Expected an integer >= 1", "path", "page"), Invalid("Expected an integer", "query", "size")]),
    (Todos.put, (1, Todo(1, "")), 400, "Bad Request",
     "Invalid value at '/title': Expected text of length >= 1",
     [Invalid("Expected text of length >= 1", pointer="/title")]),
    (Api.me, (ELSEWHERE, ELSEWHERE), 400, "Bad Request", "Missing required parameter 'user'",
     [Invalid("Missing required parameter 'user'", "session", "user")]),
    (Api.forbidden, (), 403, "Forbidden", "Not you", []),
    (Api.moved, (), 404, "Not Found", "", []),
    (Api.any_status, (404,), 404, "Not Found", "", []),
]  # fmt: skip


@pytest.mark.parametrize(("handler", "args", "status", "title", "detail", "errors"), ERRORS)
def test_error_status_that_is_not_promised_raises_call_error(
    handler: Any, args: tuple[Any, ...], status: int, title: str, detail: str, errors: list[Invalid]
) -> None:
    async def work(client: Client[Api]) -> None:
        with pytest.raises(CallError) as caught:
            await client.call(handler, *args)
        error = caught.value
        assert (error.status, error.title, error.detail, error.errors) == (status, title, detail, errors)
        assert f"{status} {title}" in str(error)

    run(work)


# The response, then the status, detail and message of the error.
FOREIGN_ERRORS: list[tuple[int, str, bytes, dict[str, str], int, str, str]] = [
    (500, "text/html", b"<h1>Oops", {}, 500, "", "GET /text: 500 Internal Server Error"),
    (418, "text/plain", b"short and stout", {}, 418, "short and stout", "GET /text: 418 I'm a Teapot: short and stout"),
    (400, JSON, b"{", {}, 400, "", "GET /text: 400 Bad Request"),
    (400, JSON, b'{"detail": 5, "title": "x"}', {}, 400, "", "GET /text: 400 Bad Request"),
    (409, "application/problem+json", b'{"title": "Taken", "detail": "d"}', {}, 409, "d", "GET /text: 409 Taken: d"),
    (301, "", b"", {"location": "/x"}, 301, "", "GET /text: 301 Moved Permanently: see /x"),
    (599, "", b"", {}, 599, "", "GET /text: 599 Unknown"),
]


@pytest.mark.parametrize(("status", "kind", "body", "headers", "seen", "detail", "message"), FOREIGN_ERRORS)
def test_error_of_another_server_is_reported_as_far_as_it_can_be_read(
    status: int, kind: str, body: bytes, headers: dict[str, str], seen: int, detail: str, message: str
) -> None:
    with pytest.raises(CallError) as caught:
        call_once(constant_app(status, kind, body, **headers), Api.text)
    assert (caught.value.status, caught.value.detail, caught.value.body) == (seen, detail, body)
    assert str(caught.value) == message


@pytest.mark.parametrize("status", [302, 404, 500])
def test_handler_without_a_return_annotation_promises_no_error(status: int) -> None:
    with pytest.raises(CallError, match=f"GET /unannotated: {status} "):
        call_once(constant_app(status, JSON, b"{}"), Api.unannotated)


def test_exception_of_the_app_is_not_revealed_to_the_client() -> None:
    async def work(client: Client[Api]) -> None:
        with pytest.raises(CallError, match=r"500 Internal Server Error$"):
            await client.call(Api.broken)

    run(work)
