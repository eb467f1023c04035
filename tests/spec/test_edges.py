"""These edge cases belong to no single module. Each of them was once wrong."""

import functools
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from msgspec import Struct

from micropie import App, Cookie, Header, Path, Query, Request
from tests.support.asgi import call
from tests.support.shared_types import Cat

JSON = [(b"content-type", b"application/json")]
PARTS = [(b"content-type", b"multipart/form-data; boundary=b")]
UPLOAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--b--\r\n'


class Whole(Struct):
    size: int


def twice(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def inner(me: Any, *args: Any, **kwargs: Any) -> Any:
        return await function(me, *args, **kwargs)

    @functools.wraps(inner)
    async def outer(*args: Any, **kwargs: Any) -> Any:
        return await inner(*args, **kwargs)

    return outer


class Edges(App):
    @twice
    async def wrapped(self, **kwargs: int) -> dict[str, int]:
        return kwargs

    async def query(self, cat: Annotated[Cat, Query()]) -> int:
        return cat.lives

    async def cookie(self, cat: Annotated[Cat, Cookie()]) -> int:
        return cat.lives

    async def header(self, cat: Annotated[Cat, Header()]) -> int:
        return cat.lives

    async def key(self, value: int) -> int:
        return value

    async def body(self, whole: Whole) -> int:
        return whole.size

    async def nothing(self) -> list[str]:
        return list(self.request.files)

    async def segments(self, *args: str) -> list[str]:
        return list(self.request.files)

    async def requested(self, request: Request) -> list[str]:
        return list(request.files)

    async def pinned(self, id: Annotated[int, Path()]) -> list[str]:
        return list(self.request.files)


app = Edges()


def test_query_name_of_a_decorators_receiver_is_not_passed_on() -> None:
    assert call(app, "GET", "/wrapped?me=1&self=2&other=3").json == {"other": 3}


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/query?type=Dog&lives=9", []),
        ("/cookie", [(b"cookie", b"type=Dog; lives=9")]),
        ("/header", [(b"type", b"Dog"), (b"lives", b"9")]),
    ],
)
def test_single_tagged_struct_requires_its_tag_in_every_source(target: str, headers: list[tuple[bytes, bytes]]) -> None:
    response = call(app, "GET", target, headers=headers)
    assert (response.status, "Expected 'Cat'" in response.text) == (400, True)


@pytest.mark.parametrize(
    ("path", "body"), [("/key", b'{"other": "\xff", "value": 1}'), ("/body", b'{"other": "\xff", "size": 1}')]
)
def test_invalid_utf8_is_refused_also_in_parameters_that_no_handler_reads(path: str, body: bytes) -> None:
    response = call(app, "POST", path, body=body, headers=JSON)
    assert (response.status, response.json["detail"]) == (400, "Bad JSON")


@pytest.mark.parametrize(
    ("path", "files"), [("/nothing", ["file"]), ("/segments", ["file"]), ("/requested", ["file"]), ("/pinned/1", [])]
)
def test_handler_without_body_parameters_gets_the_whole_body_unless_it_pins_every_source(
    path: str, files: list[str]
) -> None:
    assert call(app, "POST", path, body=UPLOAD, headers=PARTS).json == files
