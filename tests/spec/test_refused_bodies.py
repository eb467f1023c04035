"""Bodies of the wrong type (415), over a limit (413) or too slow (408) are refused."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
import pytest

from micropie import Body, Form, Limits, Query
from micropie.types import Message
from tests.support.asgi import (
    FORM,
    JSON,
    MULTIPART,
    PROBLEM,
    RawHeaders,
    form_data,
    http_scope,
)
from tests.support.shared_types import Tag, Todo

from .bad_input import (
    Flat,
    Sent,
    Target,
    cached_target,
    check_status,
    in_form,
    in_json,
    in_multipart,
    in_query,
    name_of,
    target,
)

JSON_ONLY: Final = "The request body must be application/json"


FORMS_ONLY: Final = "The request body must be application/x-www-form-urlencoded or multipart/form-data"


ANY_KIND: Final = f"{JSON_ONLY} or application/x-www-form-urlencoded or multipart/form-data"


@pytest.mark.parametrize(
    "kind",
    [
        b"text/plain", b"text/plain; application/json", b"application/octet-stream", b"application/xml", b"", b"json",
        b"application/jsonp", b"text/json", b"*/*", b"application/json-seq",
    ],
)  # fmt: skip
def test_structured_body_of_another_media_type_is_refused(kind: bytes) -> None:
    for annotation, detail in (
        (Flat, ANY_KIND), (Annotated[Flat, Body()], JSON_ONLY), (list[Tag], JSON_ONLY), (Todo, ANY_KIND),
        (Annotated[int, Body()], JSON_ONLY),
    ):  # fmt: skip
        sent = Sent(body=b'{"title":"a","amount":1}', headers=[(b"content-type", kind)])
        check_status(cached_target(annotation), sent, 415, "Unsupported Media Type", detail)


def test_form_for_json_and_json_for_a_form_are_refused() -> None:
    as_form, as_json = in_form([("title", "a"), ("amount", "1")]), in_json('{"title":"a","amount":1}')
    check_status(cached_target(Annotated[Flat, Body()]), as_form, 415, "Unsupported Media Type", JSON_ONLY)
    check_status(cached_target(Annotated[Flat, Form()]), as_json, 415, "Unsupported Media Type", FORMS_ONLY)


SMALL: Final = Limits(body=100, multipart=400, field=50, fields=5, query=60)


TOO_LARGE: Final = HTTPStatus.REQUEST_ENTITY_TOO_LARGE.phrase  # Python 3.13 has RFC 9110's newer phrase


@pytest.mark.parametrize("headers", [JSON, FORM, [(b"content-type", b"text/plain")]], ids=["json", "form", "other"])
@pytest.mark.parametrize("annotation", [Annotated[dict[str, Any], Body()], int, Annotated[bytes, Body()]])
def test_body_over_the_limit_is_refused_declared_or_not(annotation: Any, headers: RawHeaders) -> None:
    aim = target(annotation, limits=SMALL)
    for sent in (
        Sent(body=b"{}", headers=[*headers, (b"content-length", b"101")]),
        Sent(body=b"{}", headers=[*headers, (b"content-length", b"9" * 5000)]),
        Sent(body=[b"x" * 30] * 5, headers=headers),
        Sent(body=b"x" * 101, headers=[*headers, (b"content-length", b"5")]),
    ):
        check_status(aim, sent, 413, TOO_LARGE, "The request body is larger than 100 bytes")


def test_body_that_is_declared_too_large_is_not_read() -> None:
    aim = target(int, limits=SMALL)

    async def receive() -> Message:
        raise AssertionError("the body was asked for")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(aim.app(http_scope("POST", "/take", [*FORM, (b"content-length", b"101")]), receive, send))
    assert (sent[0]["status"], aim.calls) == (413, [])


def test_multipart_body_over_its_limits_is_refused() -> None:
    aim = target(Annotated[list[str], Form()], limits=SMALL)
    whole = form_data([("value", "x" * 500)])
    for sent in (Sent(body=whole, headers=MULTIPART), Sent(body=[whole[:250], whole[250:]], headers=MULTIPART)):
        response = sent.to(aim.app)
        assert (response.status, aim.calls) == (413, [])
    field_too_large = in_multipart([("value", "x" * 51)])
    check_status(aim, field_too_large, 413, TOO_LARGE, "A form field is larger than 50 bytes")


def test_too_many_names_or_parts_and_too_long_queries_are_refused() -> None:
    pairs = [("value", "1")] * 6
    aim = target(Annotated[list[int], Query()], limits=SMALL)
    check_status(aim, in_query(pairs), 400, "Bad Request", "More than 5 names in the query")
    too_long = Sent("/take?value=" + "1" * 55)
    check_status(aim, too_long, 413, TOO_LARGE, "The query string is longer than 60 bytes")
    check_status(aim, Sent("/take?" + "&" * 5), 400, "Bad Request", "More than 5 names in the query")
    aim = target(Annotated[list[int], Form()], limits=SMALL)
    check_status(aim, in_form(pairs), 400, "Bad Request", "More than 5 names in the form")
    aim = target(Annotated[list[int], Form()], limits=Limits(fields=5))
    response = in_multipart(pairs).to(aim.app)
    assert (response.status, aim.calls) == (413, [])


def test_default_limits_are_a_thousand_names_and_64_kib_of_query() -> None:
    aim = target(Annotated[list[int], Query()])
    assert in_query([("value", "1")] * 1000).to(aim.app).status == 204
    aim.calls.clear()
    check_status(aim, in_query([("value", "1")] * 1001), 400, "Bad Request", "More than 1000 names in the query")
    too_long = Sent("/take?value=" + "1" * 65_536)
    check_status(aim, too_long, 413, TOO_LARGE, "The query string is longer than 65536 bytes")


def slow_call(aim: Target, headers: RawHeaders, first: bytes, then: Callable[[], Awaitable[Message]]) -> list[Message]:
    """Send a body whose first chunk arrives at once and whose next chunks come from `then`; return the response."""
    sent: list[Message] = []
    arrived: list[Message] = [{"type": "http.request", "body": first, "more_body": True}]

    async def receive() -> Message:
        return arrived.pop() if arrived else await then()

    async def send(message: Message) -> None:
        sent.append(message)

    framing = (b"transfer-encoding", b"chunked")
    asyncio.run(aim.app(http_scope("POST", "/take", [*headers, framing]), receive, send))
    return sent


async def nothing() -> Message:
    await asyncio.Event().wait()
    raise AssertionError("nothing sets this event")


async def one_byte() -> Message:
    await asyncio.sleep(0.02)
    return {"type": "http.request", "body": b" ", "more_body": True}


async def disconnect() -> Message:
    return {"type": "http.disconnect"}


BODIES: list[tuple[Any, RawHeaders, bytes]] = [
    (dict[str, Any], JSON, b'{"value":'),
    (int, JSON, b'{"value":1'),
    (int, FORM, b"value=1"),
    (Annotated[list[str], Form()], MULTIPART, form_data([("value", "1")]).partition(b"1")[0]),
    (Annotated[bytes, Body()], (), b"raw"),
]


@pytest.mark.parametrize(("annotation", "headers", "first"), BODIES, ids=name_of)
def test_body_that_stalls_or_drips_is_refused_in_time(annotation: Any, headers: RawHeaders, first: bytes) -> None:
    too_late, too_long = "The request body did not arrive in time", "The request body took too long"
    stalls = Limits(read_timeout=0.05), nothing, [too_late]
    drips = Limits(body_timeout=0.2, multipart_timeout=0.2), one_byte, [too_late, too_long]
    for limits, then, details in (stalls, drips):
        aim = target(annotation, limits=limits)
        for more in ((), PROBLEM):
            start, body = slow_call(aim, [*headers, *more], first, then)
            document = {"type": "about:blank", "title": "Request Timeout", "status": 408}
            texts = [f"408 Request Timeout: {detail}".encode() for detail in details]
            problems = [msgspec.json.encode(document | {"detail": detail}) for detail in details]
            assert (start["status"], aim.calls) == (408, [])
            assert body["body"] in (problems if more or headers == JSON else texts)


@pytest.mark.parametrize(("annotation", "headers", "first"), BODIES, ids=name_of)
def test_client_that_leaves_during_the_body_gets_no_response(
    annotation: Any, headers: RawHeaders, first: bytes
) -> None:
    aim = target(annotation)
    assert (slow_call(aim, headers, first, disconnect), aim.calls) == ([], [])
