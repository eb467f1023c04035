"""Parameters that contradict each other are refused when the app is created (SPEC 3)."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest

from micropie import Body, Form, Header, Query, UploadFile
from tests.binding.signatures import Handler, Todo, assert_refused, positional, read


def two_queries(a: Annotated[int, Query(alias="x")], b: Annotated[int, Query(alias="x")]) -> None: ...
def two_headers(a: Annotated[int, Header("X-A")], b: Annotated[int, Header("x-a")]) -> None: ...
def stream_and_struct(a: AsyncIterator[bytes], b: Todo) -> None: ...
def stream_and_form(a: AsyncIterator[bytes], b: Annotated[int, Form()]) -> None: ...
def stream_and_file(a: UploadFile, b: AsyncIterator[bytes]) -> None: ...
def two_streams(a: AsyncIterator[bytes], b: AsyncIterator[bytes]) -> None: ...
def raw_and_key(a: Annotated[bytes, Body()], b: Annotated[int, Body()]) -> None: ...


@pytest.mark.parametrize(
    ("handler", "options", "what", "remedy"),
    [
        (positional(Annotated[int, Query()]), {"template": ["v"]}, "the @route path names {v}, which no", "Add a"),
        (positional(int), {"template": ["v", "w"]}, "the @route path names {w}, which no parameter", "Add a parameter"),
        (two_queries, {}, "'a' and 'b' both read the query parameter 'x'", "Give one of them another alias"),
        (two_headers, {}, "'a' and 'b' both read the header parameter 'x-a'", "Give one of them another alias"),
        (stream_and_struct, {}, "'a' takes the whole body, so nothing is left for 'b'", "Read the body in one place"),
        (stream_and_form, {}, "'a' takes the whole body, so nothing is left for 'b'", "Read the body in one place"),
        (stream_and_file, {}, "'b' takes the whole body, so nothing is left for 'a'", "Read the body in one place"),
        (two_streams, {}, "'a' takes the whole body, so nothing is left for 'b'", "Read the body in one place"),
        (raw_and_key, {}, "'a' takes the whole body, so nothing is left for 'b'", "Read the body in one place"),
    ],
)
def test_contradicting_parameters_are_refused_with_the_remedy(
    handler: Handler, options: dict[str, Any], what: str, remedy: str
) -> None:
    assert_refused(handler, options, what, remedy)


def test_unmarked_parameters_can_share_a_name() -> None:
    def handler(a: int, b: Annotated[int, Query(alias="a")], c: Annotated[int, Header("a")], **rest: str) -> None: ...

    assert len(read(handler).parameters) == 4
