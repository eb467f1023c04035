"""JSON Lines, typed sessions and forms work on every server: `typed.py` is used by a real client."""

from collections.abc import Iterator
from functools import partial

import httpx2
import pytest
from websockets.sync.client import connect

from tests.servers.harness import (
    FIXTURES,
    KINDS,
    PATIENCE,
    Ability,
    Kind,
    Server,
    read_reply,
    request_head,
    serving,
    wait_until,
)

LINES = {"Content-Type": "application/jsonl"}


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    kind: Kind = request.param
    with serving(kind, "typed:app", FIXTURES, tmp_path_factory.mktemp(kind.name)) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.http, timeout=PATIENCE) as running:
        yield running


def taken(server: Server, rows: int) -> bool:
    return bool(server.get("/").json == rows)


def test_bad_json_line_is_named_by_its_number(client: httpx2.Client) -> None:
    body = b'{"id": 1}\n\n{"id": 2, "name": "\xc3\xa9"}\r\n{"id": 3}'
    for content in (body, iter([body[:20], body[20:27], body[27:]])):
        kept = client.post("/keep", content=content, headers=LINES)
        assert (kept.status_code, kept.json()) == (200, 3)
    bad = client.post("/keep", content=body.replace(b"3}", b"0}"), headers=LINES)
    assert (bad.status_code, bad.headers["content-type"]) == (400, "application/problem+json")
    assert bad.json()["errors"] == [{"detail": "Line 4: Expected an integer >= 1", "pointer": "/id"}]
    assert client.post("/keep", content=body, headers={"Content-Type": "application/json"}).status_code == 415
    assert client.post("/keep", content=b" " * 1001, headers=LINES).status_code == 413


def test_json_lines_are_handled_as_they_arrive(server: Server) -> None:
    server.needs(Ability.PASS_BODIES_ON)
    head = request_head("POST", "/keep", "Content-Type: application/jsonl", "Transfer-Encoding: chunked")
    with server.connect() as client:
        client.sendall(head.encode())
        for number in (1, 2, 3):
            client.sendall(b'a\r\n{"id": 1}\n\r\n')
            wait_until(partial(taken, server, number), f"row {number} to be taken")
        client.sendall(b"0\r\n\r\n")
        assert read_reply(client).json == 3


def test_client_that_leaves_ends_the_lines_with_an_error(server: Server) -> None:
    server.needs(Ability.PASS_BODIES_ON)
    head = request_head("POST", "/keep", "Content-Type: application/jsonl", "Content-Length: 1000")
    with server.connect() as client:
        client.sendall(head.encode() + b'{"id": 1}\n{"id": 2}\n{"id"')
        wait_until(partial(taken, server, 2), "two rows to be taken")
    assert taken(server, 2)


def test_handler_may_leave_lines_unread(server: Server) -> None:
    lines = b'{"id": 7}\n' * 10_000
    reply = server.ask("POST", "/first", lines, "Content-Type: application/jsonl")
    assert (reply.status, reply.json) == (200, 7)


def test_typed_session_works_in_requests_and_websockets(server: Server, client: httpx2.Client) -> None:
    assert client.get("/cart").json() == {"items": [], "socket": 0}
    assert "session_id" not in client.cookies
    assert [client.post("/buy", json={"id": number}).json() for number in (1, 2)] == [1, 2]
    cookie = f"session_id={client.cookies['session_id']}"
    with connect(f"{server.ws}/cart", additional_headers={"Cookie": cookie}, origin=None) as socket:
        for wanted in ("2", "4"):
            socket.send("2")
            assert socket.recv(PATIENCE) == wanted
    wait_until(lambda: client.get("/cart").json()["socket"] == 4, "the socket's changes to be saved")
    assert [row["id"] for row in client.get("/cart").json()["items"]] == [1, 2]


def test_form_is_shown_again_until_it_is_valid(client: httpx2.Client) -> None:
    assert client.get("/form").text == 'name="id" id="id" type="number" min="1" required'
    wrong = client.post("/form", data={"id": "0", "name": "x"})
    assert (wrong.status_code, wrong.text.partition("<")[2]) == (
        422,
        'span id="id-error" class="error">Expected an integer &gt;= 1</span>',
    )
    right = client.post("/form", data={"id": "5", "name": "é"})
    assert (right.status_code, right.text) == (201, "5 é")
    assert client.post("/form", json={"id": 5}).status_code == 415
