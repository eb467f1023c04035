"""One response reports every error of the request, in the order of the parameters."""

import asyncio
from datetime import date
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from micropie import App, Cookie, Header, Query, Session
from tests.support.asgi import (
    FORM,
    JSON,
)
from tests.support.shared_types import Colour, Tag, Todo

from .bad_input import KNOWN, SECRET, Sent, check, check_plain, check_problem, in_json, target


class Everything(App):
    def __init__(self, calls: list[object]) -> None:
        super().__init__()
        self.calls = calls

    async def take(
        self,
        segment: int,
        page: Annotated[int, Query()],
        flavour: Annotated[Colour, Cookie()],
        x_request_id: Annotated[UUID, Header()],
        todo: Todo,
        since: Annotated[date, Query()],
        role: Annotated[Literal["admin"], Session()],
        sizes: Annotated[list[int], Query("size")],
        *,
        missing: Annotated[str, Header("X-Missing")],
    ) -> None:
        self.calls.append(segment)


def test_all_errors_are_reported_at_once_in_the_order_of_the_parameters() -> None:
    calls: list[object] = []
    app = Everything(calls)
    asyncio.run(app.session_backend.save(KNOWN, {"role": SECRET}, 3600))
    sent = Sent(
        f"/take/{SECRET}?size=1&size={SECRET}&since=2024-02-30&page=1_000",
        f'{{"title":"{SECRET}","priority":0,"tags":[{{}}]}}'.encode(),
        [*JSON, (b"cookie", f"session_id={KNOWN}; flavour={SECRET}".encode()), (b"x-request-id", SECRET.encode())],
    )
    response = sent.to(app)
    check_problem(
        response,
        b'{"type":"about:blank","title":"Bad Request","status":400,"detail":"'
        b"Invalid path parameter 'segment': Expected an integer; "
        b"Invalid query parameter 'page': Expected an integer; "
        b"Invalid cookie parameter 'flavour': Expected one of 'red', 'blue'; "
        b"Invalid header parameter 'X-Request-Id': Expected a UUID; "
        b"Invalid value at '/title': Expected text of length >= 1 and <= 5; "
        b"Invalid value at '/priority': Expected an integer >= 1 and <= 5; "
        b"Invalid value at '/tags/0/name': Missing required field; "
        b"Invalid query parameter 'since': Expected an RFC 3339 date; "
        b"Invalid session parameter 'role': Expected one of 'admin' in the stored session; "
        b"Invalid query parameter 'size': Expected values, each an integer; "
        b'Missing required parameter \'X-Missing\'","errors":['
        b'{"detail":"Expected an integer","in":"path","parameter":"segment"},'
        b'{"detail":"Expected an integer","in":"query","parameter":"page"},'
        b'{"detail":"Expected one of \'red\', \'blue\'","in":"cookie","parameter":"flavour"},'
        b'{"detail":"Expected a UUID","in":"header","parameter":"X-Request-Id"},'
        b'{"detail":"Expected text of length >= 1 and <= 5","pointer":"/title"},'
        b'{"detail":"Expected an integer >= 1 and <= 5","pointer":"/priority"},'
        b'{"detail":"Missing required field","pointer":"/tags/0/name"},'
        b'{"detail":"Expected an RFC 3339 date","in":"query","parameter":"since"},'
        b'{"detail":"Expected one of \'admin\' in the stored session",'
        b'"in":"session","parameter":"role"},'
        b'{"detail":"Expected values, each an integer","in":"query","parameter":"size"},'
        b'{"detail":"Missing required parameter \'X-Missing\'","in":"header","parameter":"X-Missing"}]}',
    )
    assert SECRET not in response.text
    assert calls == []


def test_plain_text_has_one_line_for_each_error() -> None:
    calls: list[object] = []
    form = urlencode([("title", SECRET), ("priority", "٥"), ("colour", SECRET)]).encode()
    sent = Sent(f"/take/{SECRET}?page=0x10&size=", form, [*FORM, (b"x-missing", b"here"), (b"x-request-id", b"1")])
    response = sent.to(Everything(calls))
    check_plain(
        response,
        "400 Bad Request: Invalid path parameter 'segment': Expected an integer\n"
        "400 Bad Request: Invalid query parameter 'page': Expected an integer\n"
        "400 Bad Request: Missing required parameter 'flavour'\n"
        "400 Bad Request: Invalid header parameter 'X-Request-Id': Expected a UUID\n"
        "400 Bad Request: Invalid form parameter 'title': Expected text of length >= 1 and <= 5\n"
        "400 Bad Request: Invalid form parameter 'priority': Expected an integer >= 1 and <= 5\n"
        "400 Bad Request: Invalid form parameter 'colour': Expected one of 'red', 'blue'\n"
        "400 Bad Request: Missing required parameter 'since'\n"
        "400 Bad Request: Missing required parameter 'role'\n"
        "400 Bad Request: Invalid query parameter 'size': Expected values, each an integer",
    )
    assert SECRET not in response.text
    assert calls == []


def test_errors_of_two_bodies_are_reported_at_their_keys() -> None:
    aim = target(Todo, list[Tag])
    check(aim, in_json('{"a":{"title":""},"b":[{}]}'), [
        ("/a/title", "Expected text of length >= 1 and <= 5"), ("/b/0/name", "Missing required field"),
    ])  # fmt: skip
    check(aim, in_json('{"a":5}'), [
        ("/a", "Expected an object, got a number"), ("/b", "Missing required parameter 'b'"),
    ])  # fmt: skip
