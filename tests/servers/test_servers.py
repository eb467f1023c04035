"""The same client uses the same app, `examples/todo.py`, on every server, and gets the same responses."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from websockets.sync.client import connect

from tests.servers.harness import EXAMPLES, KINDS, PATIENCE, Kind, Server, request_head, serving

MILK = {"title": "Milk", "priority": 1, "id": 1, "done": False}
BREAD = {"title": "Brötchen & Käse", "priority": 3, "id": 2, "done": False}
MISSING = {"detail": "Todo 77 does not exist"}

# A body with two errors, as JSON and as a form.
BAD_JSON = b'{"title": "", "priority": 9}'
BAD_FORM = {"title": "", "priority": "9"}


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    kind: Kind = request.param
    with serving(kind, "todo:app", EXAMPLES, tmp_path, TODOS_DB=str(tmp_path / "todos.db")) as running:
        yield running


def test_every_server_serves_the_same_app(server: Server) -> None:
    with httpx2.Client(base_url=server.http, timeout=PATIENCE) as client:
        create(client)
        be_refused(client)
        read_and_change(client)
        ask_for_the_wrong_thing(client)
        spell_paths_differently(client)
        import_and_export(client)
        append(client)
        leave_an_import_unfinished(client, server)
        listen(client, server)
        stay_connected(client)
    assert "Traceback" not in server.log()


def create(client: httpx2.Client) -> None:
    """Add a todo as JSON and another as a form, and list both."""
    assert client.get("/todos").json() == []
    as_json = client.post("/todos", json={"title": "Milk", "priority": 1})
    assert (as_json.status_code, as_json.json(), as_json.headers["location"]) == (201, MILK, "/todos/1")
    assert as_json.headers["content-type"] == "application/json"
    as_form = client.post("/todos", data={"title": BREAD["title"]})
    assert (as_form.status_code, as_form.json()) == (201, BREAD)
    assert client.get("/todos").json() == [MILK, BREAD]
    assert client.get("/todos", params={"done": "no", "limit": 1}).json() == [MILK]


def be_refused(client: httpx2.Client) -> None:
    """Get every error at once, in the format that the client prefers."""
    as_json = client.post("/todos", content=BAD_JSON, headers={"Content-Type": "application/json"})
    assert (as_json.status_code, as_json.headers["content-type"]) == (400, "application/problem+json")
    assert [error["pointer"] for error in as_json.json()["errors"]] == ["/title", "/priority"]
    as_form = client.post("/todos", data=BAD_FORM)
    assert (as_form.status_code, as_form.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    lines = as_form.text.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("400 Bad Request: Invalid") for line in lines)
    in_query = client.get("/todos?done=perhaps&limit=0", headers={"Accept": "application/json"})
    assert in_query.status_code == 400
    assert [(error["in"], error["parameter"]) for error in in_query.json()["errors"]] == [
        ("query", "done"),
        ("query", "limit"),
    ]


def read_and_change(client: httpx2.Client) -> None:
    assert client.get("/todos/1").json() == MILK
    missing = client.get("/todos/77")
    assert (missing.status_code, missing.json()) == (404, MISSING)
    changed = client.patch("/todos/1", json={"done": True})
    assert (changed.status_code, changed.json()) == (200, MILK | {"done": True})
    removed = client.delete("/todos/1")
    assert (removed.status_code, removed.content) == (204, b"")
    assert "content-type" not in removed.headers
    gone = client.delete("/todos/1")
    assert (gone.status_code, gone.text) == (404, "404 Not Found: Todo 1 does not exist")
    assert client.get("/todos").json() == [BREAD]


def ask_for_the_wrong_thing(client: httpx2.Client) -> None:
    """Get 404, 405 with Allow, OPTIONS, and HEAD without a body."""
    assert client.get("/nothing").status_code == 404
    refused = client.put("/todos")
    assert refused.status_code == 405
    assert allowed(refused) == {"GET", "HEAD", "OPTIONS", "POST"}
    options = client.options("/todos/2")
    assert options.status_code == 204
    assert allowed(options) == {"GET", "HEAD", "PATCH", "DELETE", "OPTIONS"}
    got, head = client.get("/todos/2"), client.head("/todos/2")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]
    assert client.get("/todos/2").json() == BREAD  # the HEAD response has left no body on the connection


def allowed(response: httpx2.Response) -> set[str]:
    return set(response.headers["allow"].split(", "))


def spell_paths_differently(client: httpx2.Client) -> None:
    """Find the same todo by percent-encoded paths and with a trailing slash."""
    for path in ("/%74odos/%32", "/todos/2/", "/%74%6f%64%6f%73/2"):
        assert client.get(path).json() == BREAD
    assert client.get("/todos%2F2").status_code == 404  # an encoded slash does not separate segments
    assert client.get("/todos/%ff").status_code == 400


def import_and_export(client: httpx2.Client) -> None:
    """Import a file of JSON Lines, and export the list as a stream of JSON Lines."""
    lines = b'{"title": "one"}\n{"title": "two", "priority": 5}\n'
    imported = client.post("/todos/import", files={"file": ("todos.jsonl", lines, "application/jsonl")})
    assert (imported.status_code, imported.json()) == (201, {"count": 2})
    refused = client.post("/todos/import", files={"file": ("todos.jsonl", b'{"title": "three"}\n{"titel": "4"}')})
    assert refused.status_code == 400
    with client.stream("GET", "/todos/export") as response:
        assert response.headers["content-type"] == "application/jsonl"
        assert [msgspec.json.decode(line)["title"] for line in response.iter_lines()] == [BREAD["title"], "one", "two"]


def append(client: httpx2.Client) -> None:
    """Send JSON Lines as the body: each is added as it arrives, up to the first wrong line."""
    lines = [b'{"title": "three"}\n{"tit', b'le": "four"}\n{"title": ""}\n{"title": "never"}']
    refused = client.post("/todos/append", content=iter(lines), headers={"Content-Type": "application/jsonl"})
    assert (refused.status_code, refused.json()["errors"]) == (
        400,
        [{"detail": "Line 3: Expected text of length >= 1 and <= 120", "pointer": "/title"}],
    )
    added = {todo["title"]: todo for todo in client.get("/todos").json()}
    assert set(added) == {BREAD["title"], "one", "two", "three", "four"}
    for todo in (added["three"], added["four"]):
        assert client.delete(f"/todos/{todo['id']}").status_code == 204


def leave_an_import_unfinished(client: httpx2.Client, server: Server) -> None:
    """Leave during an upload: nothing of it is kept."""
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n{"title": "never"}\n'
    head = request_head("POST", "/todos/import", "Content-Type: multipart/form-data; boundary=x", "Content-Length: 999")
    with server.connect() as leaving:
        leaving.sendall(head.encode() + part)
        leaving.shutdown(socket.SHUT_WR)
        leaving.recv(1000)
    assert [todo["title"] for todo in client.get("/todos").json()] == [BREAD["title"], "one", "two"]


def listen(client: httpx2.Client, server: Server) -> None:
    """Receive the changes of others over the live feed."""
    with connect(f"{server.ws}/live") as socket:
        added = client.post("/todos", json={"title": "News"}).json()
        assert event(socket.recv(PATIENCE)) == {"what": "added", "id": added["id"]}
        client.delete(f"/todos/{added['id']}")
        assert event(socket.recv(PATIENCE)) == {"what": "removed", "id": added["id"]}


def event(message: str | bytes) -> Any:
    return msgspec.json.decode(message)


def stay_connected(client: httpx2.Client) -> None:
    """Send several requests over the same connection, also after errors."""
    responses = [
        client.get("/todos"),
        client.get("/nothing"),
        client.post("/todos", content=BAD_JSON, headers={"Content-Type": "application/json"}),
        client.get("/todos/export"),
        client.head("/todos"),
        client.delete("/todos/77"),
        client.get("/todos"),
    ]
    streams = [response.extensions["network_stream"] for response in responses]
    assert len({stream.get_extra_info("client_addr") for stream in streams}) == 1
