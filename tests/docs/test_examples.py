"""Each example works when `micropie run` serves it to a real client. `tests/servers` uses `todo` on every server."""

import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import msgspec
import pytest
from websockets.exceptions import InvalidStatus
from websockets.frames import Close
from websockets.sync.client import ClientConnection, connect

from tests.servers.harness import EXAMPLES, MICROPIE, PATIENCE, Server, closed_with, request_head, serving

MIB: Final = 1024 * 1024


@contextmanager
def using(example: str, folder: Path, **environment: str) -> Generator[tuple[Server, httpx2.Client]]:
    """Start the example's server and a client. Fail if the log has a traceback."""
    with (
        serving(MICROPIE, f"{example}:app", EXAMPLES, folder, **environment) as server,
        httpx2.Client(base_url=server.http, timeout=PATIENCE) as client,
    ):
        yield server, client
    assert "Traceback" not in server.log()


def test_no_example_is_forgotten() -> None:
    tested = {name.split("_")[1] for name in globals() if name.startswith("test_") and name.endswith("_example")}
    assert tested | {"todo"} == {path.stem for path in EXAMPLES.glob("[!_]*.py")}


def test_hello_example(tmp_path: Path) -> None:
    with using("hello", tmp_path) as (_, client):
        assert client.get("/").text == "Hello, world!"
        assert client.get("/greet/Ann").text == "Hello, Ann!\n"
        assert client.get("/greet?name=Ben&times=2").text == "Hello, Ben!\nHello, Ben!\n"
        refused = client.get("/greet/Ann/many")
        assert (refused.status_code, refused.text[:16]) == (400, "400 Bad Request:")


# --- Uploads ----------------------------------------------------------------------------------------------------------

OUTSIDE = [
    "/fetch/../secret.txt",
    "/fetch/..%2fsecret.txt",
    "/fetch/%2e%2e%5csecret.txt",
    "/fetch/..%2f..%2fetc%2fpasswd",
    "/fetch/%2fetc%2fpasswd",
    "/fetch//etc/passwd",
]


def test_uploads_example(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    film = tmp_path / "film.bin"
    content = bytes(range(256)) * (20 * MIB // 256)
    film.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    kept = tmp_path / "kept"
    with using("uploads", tmp_path, UPLOADS=str(kept)) as (server, client):
        stored = store(client, film, sha256=digest)
        assert stored.status_code == 201
        document = stored.json()
        assert (document["size"], document["sha256"]) == (len(content), digest)
        assert (kept / document["name"]).read_bytes() == content

        refused = store(client, film, sha256="0" * 64)
        assert (refused.status_code, refused.text.split(":")[1]) == (
            422,
            " The file does not have the hash that was announced",
        )
        assert store(client, film, sha256="not a hash").status_code == 400
        assert [path.name for path in kept.iterdir()] == [document["name"]]

        seek_in(client, f"/fetch/{document['name']}", content)
        assert client.get("/fetch/0123456789abcdef.bin").status_code == 404
        for path in OUTSIDE:
            outside = server.say(request_head("GET", path))
            assert (path, outside.status in (400, 404), b"secret" in outside.body) == (path, True, False)


def store(client: httpx2.Client, path: Path, **fields: str) -> httpx2.Response:
    with path.open("rb") as file:
        return client.post("/store", data=fields, files={"file": (path.name, file)})


def seek_in(client: httpx2.Client, path: str, content: bytes) -> None:
    """Send the requests for a file that a player or a browser's cache sends."""
    whole = client.get(path)
    assert (whole.status_code, whole.content, whole.headers["accept-ranges"]) == (200, content, "bytes")
    for wanted, part in {"bytes=100-199": slice(100, 200), "bytes=-50": slice(-50, None)}.items():
        response = client.get(path, headers={"Range": wanted})
        assert (response.status_code, response.content) == (206, content[part])
        start, stop, _ = part.indices(len(content))
        assert response.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(content)}"
    assert client.get(path, headers={"Range": f"bytes={len(content)}-"}).status_code == 416
    for condition in ({"If-None-Match": whole.headers["etag"]}, {"If-Modified-Since": whole.headers["last-modified"]}):
        known = client.get(path, headers=condition)
        assert (known.status_code, known.content) == (304, b"")
    head = client.head(path)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(content)), b"")


# --- Sessions ---------------------------------------------------------------------------------------------------------


def test_sessions_example(tmp_path: Path) -> None:
    with using("sessions", tmp_path) as (server, client):
        assert "Stranger, you have nothing in your cart. Visits: 1." in client.get("/").text
        for item in ("apples", "<b>pears</b>"):
            assert client.post("/add", data={"item": item}).headers["location"] == "/"
        assert "you have apples, &lt;b&gt;pears&lt;/b&gt; in your cart. Visits: 2." in client.get("/").text
        before = client.cookies["session_id"]
        assert client.post("/login", data={"user": "ann", "password": "wrong"}).status_code == 403
        check_logged_out(client)

        assert client.post("/login", data={"user": "ann", "password": "secret"}).status_code == 302
        after = client.cookies["session_id"]
        assert after != before
        assert "ann, you have apples" in client.get("/").text
        for path in ("/account", "/account?user=ben"):
            assert client.get(path).json() == {"user": "ann"}
        with client_with_session(server, before) as other:
            check_logged_out(other)
            assert "Stranger, you have nothing" in other.get("/").text

        assert client.post("/logout").status_code == 302
        check_logged_out(client)
        with client_with_session(server, after) as other:
            check_logged_out(other)


def check_logged_out(client: httpx2.Client) -> None:
    """Check that no source lets a client claim to be logged in."""
    asked = [client.get("/account"), client.get("/account?user=ann"), client.post("/account", data={"user": "ann"})]
    asked += [client.post("/account", json={"user": "ann"}), client.get("/account", headers={"User": "ann"})]
    assert [response.status_code for response in asked] == [401] * len(asked)


def client_with_session(server: Server, session_id: str) -> httpx2.Client:
    return httpx2.Client(base_url=server.http, timeout=PATIENCE, cookies={"session_id": session_id})


# --- Forms ------------------------------------------------------------------------------------------------------------


def test_signup_example(tmp_path: Path) -> None:
    with using("signup", tmp_path) as (_, client):
        assert 'href="/signup"' in client.get("/").text
        page = client.get("/signup")
        assert (page.status_code, "error" in page.text.partition("<form")[2]) == (200, False)
        assert '<select name="plan" id="plan" required><option value=""></option>' in page.text
        wrong = client.post("/signup", data={"name": "<A>", "age": "17", "plan": "small"})
        assert wrong.status_code == 422
        assert '<input name="news" id="news" type="checkbox">' in wrong.text
        assert 'value="&lt;A&gt;" aria-invalid="true"' in wrong.text
        assert '<span id="terms-error" class="error">Required</span>' in wrong.text
        right = {"name": "Ann", "age": "42", "plan": "small", "terms": "on"}
        picture = {"picture": ("a.png", b"x", "image/png")}
        assert "The small plan has no pictures" in client.post("/signup", data=right, files=picture).text
        assert "session_id" not in client.cookies
        assert client.post("/signup", data=right).headers["location"] == "/"
        for visit in (1, 2):
            assert f"Your plan: small. Visits: {visit}." in client.get("/").text


# --- Streaming --------------------------------------------------------------------------------------------------------


def test_streaming_example(tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096
    film = tmp_path / "film.mp4"
    film.write_bytes(content)
    with using("streaming", tmp_path, VIDEO=str(film)) as (_, client):
        assert client.get("/count?to=3").text == "Line 0\nLine 1\nLine 2\n"
        with client.stream("GET", "/count?to=2&pause=3600") as response:
            assert next(response.iter_lines()) == "Line 0"  # long before the next line is produced

        primes = client.get("/primes?below=12")
        assert primes.headers["content-type"] == "application/jsonl"
        assert [msgspec.json.decode(line) for line in primes.iter_lines()] == [
            {"number": number, "value": value} for number, value in enumerate([2, 3, 5, 7, 11], 1)
        ]

        with client.stream("GET", "/clock?pause=0.01") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            lines = response.iter_lines()
            for _ in range(3):
                assert next(lines) == "event: tick"
                assert set(msgspec.json.decode(next(lines).removeprefix("data: "))) == {"now"}
                assert next(lines) == ""

        assert client.get("/video").headers["content-type"] == "video/mp4"
        seek_in(client, "/video", content)


# --- Chat -------------------------------------------------------------------------------------------------------------


def test_chat_example(tmp_path: Path) -> None:
    with using("chat", tmp_path) as (server, client):
        assert "<title>Chat</title>" in client.get("/").text
        with join(server, "lobby", "Ann") as ann, join(server, "cellar", "Zoe") as zoe:
            assert [receive(ann), receive(zoe)] == [joined("Ann"), joined("Zoe")]
            with join(server, "lobby", "Ben") as ben:
                assert [receive(ann), receive(ben)] == [joined("Ben"), joined("Ben")]
                say(ben, "Hello!")
                assert [receive(ann), receive(ben)] == [{"type": "said", "who": "Ben", "text": "Hello!"}] * 2
                ben.send('{"type": "leave"}')
                assert closed_with(ben) == Close(1000, "")
            assert receive(ann) == {"type": "left", "who": "Ben"}
            be_refused(server)
            be_thrown_out(server, ann)
            say(zoe, "Anybody?")
            assert receive(zoe)["text"] == "Anybody?"  # no message of the lobby came before it


def be_refused(server: Server) -> None:
    """Try to join with invalid names: the handshake is refused."""
    for query in ("name=", f"name={'x' * 21}", ""):
        with pytest.raises(InvalidStatus), connect(f"{server.ws}/room/lobby?{query}"):
            pass


def be_thrown_out(server: Server, ann: ClientConnection) -> None:
    """Send messages that are not commands: each ends the connection with the reason."""
    for message, code, reason in [
        ('{"type": "say", "text": ""}', 1008, "/text: "),
        ('{"type": "shout", "text": "Hello!"}', 1008, "/type: "),
        ("Hello!", 1007, "JSON is malformed"),
    ]:
        with join(server, "lobby", "Eve") as eve:
            assert receive(ann) == joined("Eve")
            assert receive(eve) == joined("Eve")
            eve.send(message)
            closed = closed_with(eve)
        assert closed is not None
        assert (closed.code, closed.reason[: len(reason)]) == (code, reason)
        assert receive(ann) == {"type": "left", "who": "Eve"}


def join(server: Server, room: str, name: str) -> ClientConnection:
    return connect(f"{server.ws}/room/{room}?name={name}")


def say(socket: ClientConnection, text: str) -> None:
    socket.send(msgspec.json.encode({"type": "say", "text": text}).decode())


def joined(who: str) -> dict[str, str]:
    return {"type": "joined", "who": who}


def receive(socket: ClientConnection) -> Any:
    return msgspec.json.decode(socket.recv(PATIENCE))
