"""An error response is at most 64 KiB, however many errors a request has and however long the client's names are."""

import json
import tracemalloc
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Struct
from msgspec import inspect as mi

from micropie import App, Query, WebSocket
from micropie.config import MAX_ERROR_RESPONSE
from micropie.conversion.json_errors import find_errors
from micropie.testing import TestClient
from tests.support.shared_types import Closed

WIDE = 50_000
ODD = "\x01"  # JSON writes six bytes for it


class Tree(Struct):
    value: int
    below: "dict[str, Tree]" = {}


class Unruly(Struct):
    text: str

    def __post_init__(self) -> None:
        raise ValueError(f"{self.text} is refused")


class Api(App):
    async def lists(self, body: dict[str, list[int]]) -> None: ...

    async def counts(self, body: dict[str, int]) -> None: ...

    async def keys(self, a: dict[str, int], b: list[Closed]) -> None: ...

    async def closed(self, body: Closed) -> None: ...

    async def closed_query(self, names: Annotated[Closed, Query()]) -> None: ...

    async def tree(self, body: Tree) -> None: ...

    async def unruly(self, body: list[Unruly]) -> None: ...

    async def rest(self, **names: int) -> None: ...

    async def ws_lists(self, ws: WebSocket[dict[str, list[int]], Any]) -> None:
        await ws.accept(on_invalid="reply")
        async for _ in ws:
            pass


def _nest(levels: int, key: str) -> dict[str, Any]:
    value: dict[str, Any] = {"value": "x"}
    for _ in range(levels):
        value = {"value": "x", "below": {key: value}}
    return value


WRONG_BODIES: dict[str, list[Any]] = {
    "/lists": [{"k" * WIDE: ["x"] * 12_000}, {"k" * WIDE: "x"}, {ODD * 200 + str(i): ["x"] for i in range(800)}],
    "/counts": [{f"{ODD * 90}{i}": "x" for i in range(900)}, {f"{i}{'é' * 900}": None for i in range(900)}],
    "/keys": [{"a": {ODD * 900 + str(i): "" for i in range(900)}, "b": [{"y" * 900: 1}] * 900}],
    "/closed": [{"y" * 500 + str(i): 1 for i in range(3000)}],
    "/tree": [_nest(90, "k" * 5000), _nest(190, ODD * 200)],
    "/unruly": [[{"text": "t" * WIDE}], [{"text": ODD * WIDE}, {"text": "t"}], [{"text": "t" * 500}] * 900],
}


@pytest.mark.parametrize("accept", ["text/plain", "application/json"])
@pytest.mark.parametrize(("path", "body"), [(path, body) for path in WRONG_BODIES for body in WRONG_BODIES[path]])
def test_response_about_json_is_bounded(path: str, body: object, accept: str) -> None:
    headers = {"content-type": "application/json", "accept": accept}
    response = TestClient(Api()).post(path, content=json.dumps(body), headers=headers)
    assert response.status_code == 400
    assert 0 < len(response.content) <= MAX_ERROR_RESPONSE


@pytest.mark.parametrize("accept", ["text/plain", "application/json"])
@pytest.mark.parametrize("path", ["/rest", "/counts", "/closed"])
@pytest.mark.parametrize("name", ["k" * 5000, ODD * 900])
def test_response_about_a_form_is_bounded(path: str, name: str, accept: str) -> None:
    form = {f"{name}{index}": "x" for index in range(900)} | {f"{index}{name}": "x" for index in range(90)}
    response = TestClient(Api()).post(path, data=form, headers={"accept": accept})
    assert response.status_code == 400
    assert 0 < len(response.content) <= MAX_ERROR_RESPONSE


@pytest.mark.parametrize("path", ["/rest", "/closed_query"])
def test_response_about_a_query_is_bounded(path: str) -> None:
    params = {f"{'k' * 5000}{index}": "x" for index in range(10)}
    response = TestClient(Api()).get(path, params=params, headers={"accept": "application/json"})
    assert response.status_code == 400
    assert 0 < len(response.content) <= 10_000  # the names have 50 000 characters


@pytest.mark.parametrize("body", WRONG_BODIES["/lists"])
def test_reply_to_a_websocket_message_is_bounded(body: object) -> None:
    with TestClient(Api()).websocket_connect("/lists") as ws:
        ws.send_text(json.dumps(body))
        reply = ws.receive_text()
    assert msgspec.json.decode(reply)["type"] == "invalid"
    assert len(reply.encode()) <= MAX_ERROR_RESPONSE


def test_response_that_is_cut_says_how_many_errors_it_leaves_out() -> None:
    form = {f"{'k' * 500}{index}": "x" for index in range(900)}
    response = TestClient(Api()).post("/rest", data=form, headers={"accept": "application/json"})
    *listed, last = response.json()["errors"]
    assert last == {"detail": f"and {900 - len(listed)} more errors"}
    assert response.json()["detail"].endswith(last["detail"])
    assert [error["parameter"][-1] for error in listed] == ["…"] * len(listed)


def test_memory_of_the_search_does_not_grow_with_the_length_of_a_key() -> None:
    document = json.dumps({"k" * 50_000: [None] * 12_000}).encode()
    info, value = mi.type_info(dict[str, list[int]]), msgspec.json.decode(document)
    find_errors(info, value)
    tracemalloc.start()
    assert find_errors(info, value)[-1].detail.startswith("and at least ")
    assert tracemalloc.get_traced_memory()[1] <= 4 * len(document)
    tracemalloc.stop()
