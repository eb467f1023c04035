"""The promises hold whatever a client, a handler or the operator does: `faulty.py` runs on every server, over sockets.

If a server makes a promise impossible, `harness.KINDS` says so, and the test allows for it.
"""

import re
from collections.abc import Iterator, Sequence
from http.client import HTTPException
from itertools import count, repeat
from pathlib import Path
from time import sleep
from typing import Final

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.servers.harness import (
    FIXTURES,
    KINDS,
    PATIENCE,
    Ability,
    Kind,
    Reply,
    Server,
    closed_with,
    read_reply,
    request_head,
    serving,
    wait_until,
)

MIB: Final = 1024 * 1024
SECRET: Final = "text that no client may read"

_tokens = count()


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    kind: Kind = request.param
    with serving(kind, "faulty:app", FIXTURES, tmp_path_factory.mktemp(kind.name)) as running:
        yield running


@pytest.fixture
def token() -> str:
    """The name of a request, under which the app notes what happens to it."""
    return f"token{next(_tokens)}"


def noted(server: Server, token: str) -> list[str]:
    notes: list[str] = server.get(f"/noted/{token}").json
    return notes


def wait_for_note(server: Server, token: str, note: str) -> None:
    wait_until(lambda: note in noted(server, token), f"{note!r} to be noted")


def multipart(*parts: tuple[str, str | None, bytes]) -> list[bytes]:
    """Build a multipart body in pieces from (field, file name, content); the boundary is `frontier`."""
    pieces: list[bytes] = []
    for name, filename, content in parts:
        file = f'; filename="{filename}"' if filename else ""
        pieces.append(f'--frontier\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode())
        pieces += [content[start : start + 64 * 1024] for start in range(0, len(content), 64 * 1024)]
        pieces.append(b"\r\n")
    return [*pieces, b"--frontier--\r\n"]


MULTIPART: Final = "Content-Type: multipart/form-data; boundary=frontier"


def upload(server: Server, path: str, pieces: Sequence[bytes]) -> Reply:
    length = sum(map(len, pieces))
    return server.say(request_head("POST", path, MULTIPART, f"Content-Length: {length}"), pieces)


# --- Clients that leave during the body -------------------------------------------------------------------------------

UNFINISHED = {
    "json": ("Content-Type: application/json", "Content-Length: 100", b'{"a": '),
    "form": ("Content-Type: application/x-www-form-urlencoded", "Content-Length: 100", b"a=1"),
    "raw, in chunks": ("Content-Type: text/plain", "Transfer-Encoding: chunked", b"5\r\nhello\r\n"),
    "nothing sent": ("Content-Type: application/json", "Content-Length: 100", b""),
}


@pytest.mark.parametrize("body", UNFINISHED)
def test_client_that_leaves_during_the_body_reaches_no_handler(server: Server, token: str, body: str) -> None:
    content_type, framing, sent = UNFINISHED[body]
    with server.connect() as client:
        client.sendall(request_head("POST", f"/take?token={token}", content_type, framing).encode() + sent)
    if server.can(Ability.PASS_BODIES_ON):
        wait_for_note(server, token, "over")
    assert "handler" not in noted(server, token)


@pytest.mark.parametrize("ending", ["the client leaves", "no closing boundary", "a broken header"])
def test_truncated_upload_is_not_kept(server: Server, token: str, ending: str) -> None:
    whole = multipart(("file", "big.bin", bytes(3 * MIB)))
    path = f"/save?token={token}"
    if ending == "the client leaves":
        with server.connect() as client:
            head = request_head("POST", path, MULTIPART, f"Content-Length: {sum(map(len, whole))}")
            client.sendall(head.encode() + b"".join(whole[:-10]))
        if server.can(Ability.PASS_BODIES_ON):
            wait_for_note(server, token, "over")
    else:
        broken = whole[:-1] + ([b"--frontier\r\n: ?\r\n\r\n--frontier--\r\n"] if ending == "a broken header" else [])
        reply = upload(server, path, broken)
        assert (reply.status, reply.text.splitlines()[0][:37]) == (400, "400 Bad Request: Malformed multipart ")
    assert "saved" not in noted(server, token)
    assert not (server.folder / token).exists()
    assert not list(server.folder.glob(".micropie-*"))
    wait_until(lambda: server.get("/spools").json == [], "temporary files to be gone")


def test_complete_upload_is_kept(server: Server, token: str) -> None:
    reply = upload(server, f"/save?token={token}", multipart(("file", "big.bin", bytes(3 * MIB))))
    assert reply.json == (server.folder / token).stat().st_size == 3 * MIB
    assert noted(server, token) == ["handler", "saved", "over"]


# --- Clients that leave a stream --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", ["ticking", "hasty", "counting"])
def test_client_that_leaves_a_stream_closes_its_generator(server: Server, token: str, stream: str) -> None:
    with server.connect() as client:
        client.sendall(request_head("GET", f"/{stream}?token={token}").encode())
        assert client.recv(64).startswith(b"HTTP/1.1 200")
        assert server.get("/").text == "Hello!"  # meanwhile
        assert "closed" not in noted(server, token)
    wait_for_note(server, token, "over")
    assert noted(server, token) == ["closed", "over"]


@pytest.mark.parametrize("missing", [0, 1000], ids=["whole body", "part of the body"])
@pytest.mark.parametrize(
    "stream", ["unread_file", "begun_file", "read_file", "unread_body", "begun_body", "read_pieces"]
)
def test_client_that_leaves_a_stream_is_noticed_however_much_of_its_body_was_read(
    server: Server, token: str, stream: str, missing: int
) -> None:
    if missing:
        server.needs(Ability.PASS_BODIES_ON)
    body = b"".join(multipart(("file", "a.bin", bytes(300_000))))
    head = request_head("POST", f"/{stream}?token={token}", MULTIPART, f"Content-Length: {len(body)}")
    waits_for_body = missing and stream.startswith("read")
    with server.connect() as client:
        client.sendall(head.encode() + body[: len(body) - missing])
        if not waits_for_body:
            assert client.recv(64).startswith(b"HTTP/1.1 200")
    wait_for_note(server, token, "over")
    assert noted(server, token) == (["over"] if waits_for_body else ["closed", "over"])


# --- Large files ------------------------------------------------------------------------------------------------------

FIRST, SECOND = bytes(3 * MIB), bytes(5 * MIB)


@pytest.mark.parametrize("path", ["/two", "/second_only"])
@pytest.mark.parametrize("order", ["as declared", "the other way round"])
def test_two_large_files_may_be_read_in_any_order_or_not_at_all(server: Server, path: str, order: str) -> None:
    parts = [("first", "1", FIRST), ("second", "2", SECOND)]
    reply = upload(server, path, multipart(*(parts if order == "as declared" else reversed(parts))))
    assert (reply.status, reply.json) == (200, [len(FIRST) if path == "/two" else 0, len(SECOND)])


def test_unread_file_does_not_delay_the_response(server: Server) -> None:
    reply = upload(server, "/unread", multipart(("first", "unread.bin", SECOND)))
    assert (reply.status, reply.text) == (200, "unread.bin")
    assert server.get("/").text == "Hello!"


def test_handler_waits_for_a_field_after_a_large_file(server: Server) -> None:
    reply = upload(server, "/field_after", multipart(("first", "1", FIRST), ("note", None, b"late")))
    assert (reply.status, reply.json) == (200, [len(FIRST), "late"])


# --- Exceptions -------------------------------------------------------------------------------------------------------


def records(server: Server, token: str) -> int:
    """Count the log records that show the exception of `token` with its traceback."""
    return len(re.findall(rf"^RuntimeError: {SECRET} {token}$", server.log(), re.MULTILINE))


@pytest.mark.parametrize("path", ["/fails", "/fails_in_thread", "/fails_at_once"])
def test_exception_is_a_plain_500_and_one_log_record(server: Server, token: str, path: str) -> None:
    reply = server.get(f"{path}?token={token}")
    assert (reply.status, reply.text) == (500, "500 Internal Server Error")
    assert SECRET not in str(reply.headers)
    wait_until(lambda: records(server, token), "the log record")
    assert server.get("/").text == "Hello!"
    assert records(server, token) == 1


@pytest.mark.parametrize("path", ["/fails_later", "/fails_later_in_thread"])
def test_response_that_fails_midway_is_broken_off(server: Server, token: str, path: str) -> None:
    with server.connect() as client:
        client.sendall(request_head("GET", f"{path}?token={token}").encode())
        if server.can(Ability.BREAK_OFF):
            with pytest.raises((HTTPException, ConnectionError)):
                read_reply(client)
        wait_until(lambda: records(server, token), "the log record")
    assert server.get("/").text == "Hello!"
    assert records(server, token) == 1


def test_exception_closes_a_websocket_1011(server: Server, token: str) -> None:
    with connect(f"{server.ws}/fails?token={token}") as client:
        closed = closed_with(client)
    assert closed is not None
    assert closed.code == (1011 if server.can(Ability.CLOSE_1XXX) else 4011)
    assert SECRET not in closed.reason
    wait_until(lambda: records(server, token), "the log record")
    assert records(server, token) == 1


# --- Waiting ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "text"), [("/blocks", "released"), ("/blocks_in_stream", "begun, released")])
def test_blocking_handler_does_not_delay_other_requests(server: Server, token: str, path: str, text: str) -> None:
    with server.connect() as client:
        client.sendall(request_head("GET", f"{path}?token={token}").encode())
        wait_for_note(server, token, "handler")
        server.get(f"/release/{token}")
        assert read_reply(client).text == text


def slowly(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        sleep(0.1)


@pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_body_that_drips_is_refused_with_408(server: Server, framing: str) -> None:
    server.needs(Ability.PASS_BODIES_ON)
    drop = b"1\r\n.\r\n" if "chunked" in framing else b"."
    assert server.say(request_head("POST", "/hurried/body", framing), slowly(repeat(drop, 1000))).status == 408


def test_body_that_stalls_is_refused_with_408(server: Server) -> None:
    server.needs(Ability.PASS_BODIES_ON)
    assert server.say(request_head("POST", "/impatient/body", "Content-Length: 1000"), [b"."]).status == 408


# --- Bodies over the limit --------------------------------------------------------------------------------------------


def test_body_that_is_declared_too_large_is_refused_with_413_before_it_is_sent(server: Server) -> None:
    sent = [] if server.can(Ability.PASS_BODIES_ON) else [bytes(65537)]
    assert server.say(request_head("POST", "/modest/body", "Content-Length: 65537"), sent).status == 413


def test_body_in_chunks_is_refused_with_413_at_the_limit(server: Server) -> None:
    chunk = b"1000\r\n%b\r\n" % bytes(4096)
    sent = repeat(chunk) if server.can(Ability.PASS_BODIES_ON) else [*repeat(chunk, 17), b"0\r\n\r\n"]
    assert server.say(request_head("POST", "/modest/body", "Transfer-Encoding: chunked"), sent).status == 413


def test_body_at_the_limit_is_taken(server: Server) -> None:
    assert server.ask("POST", "/modest/body", bytes(65536)).json == 65536


# --- Bad paths and headers ----------------------------------------------------------------------------------

BAD_PATHS = [
    "/greet/%ff",
    "/greet/%00",
    "/greet/%c3%28",
    "/greet/%ed%a0%80",
    "/greet/\xff",
    "/greet/\x00",
    "/greet?name=%ff",
    "/greet?name=%00",
    "/greet?name=\xff",
    "/%00",
    "/%ff",
]
NO_URLS = [
    "/_private",
    "/%5Fprivate",
    "/__class__",
    "/%5F%5Fclass%5F%5F",
    "/__init__",
    "/request",
    "/middlewares",
    "/session_backend",
    "/mount",
    "/lifespan",
    "/routes",
    "/ws_echo",
    "/echo",
    "/env",
]
TRAVERSAL = [
    "/../../../../etc/passwd",
    "/fetch/../../../../etc/passwd",
    "/fetch/..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/fetch/%2e%2e/%2e%2e/etc/passwd",
    "/fetch/..%5c..%5cetc%5cpasswd",
    "/fetch//etc/passwd",
    "/fetch/%2fetc%2fpasswd",
    "/fetch/passwd.txt/..",
    "fetch/../etc/passwd",
    "etc/passwd",
]


BAD_HEADERS = ["Cookie: a=\xff", "Cookie: session_id=\xff", "X-Odd: \xff", "Content-Type: \xff"]

# These values are refused in any header; only a redirect can send the last one, percent-encoded.
UNFIT = ["a%0d%0aSet-Cookie:%20evil=1", "a%0aEvil:%201", "a%0dEvil:%201", "a%E2%90%80b", "a%7fb", "%e2%82%ac"]
INTO_HEADERS = ["/header", "/header_name", "/cookie", "/location", "/redirect"]


def test_text_that_is_not_utf8_or_contains_nul_is_a_400(server: Server) -> None:
    statuses = {path: server.say(request_head("GET", path)).status for path in BAD_PATHS}
    assert statuses == dict.fromkeys(BAD_PATHS, 400)


def test_headers_that_are_not_utf8_do_no_harm(server: Server) -> None:
    statuses = {header: server.say(request_head("GET", "/greet/Ann", header)).status for header in BAD_HEADERS}
    assert set(statuses.values()) <= {200, 400}, statuses


def test_attributes_that_are_not_handlers_have_no_url(server: Server) -> None:
    assert {path: server.get(path).status for path in NO_URLS} == dict.fromkeys(NO_URLS, 404)


def test_no_path_leads_out_of_the_folder(server: Server) -> None:
    replies = {path: server.say(request_head("GET", path)) for path in TRAVERSAL}
    assert {reply.status for reply in replies.values()} <= {400, 404}, replies


@pytest.mark.parametrize("path", INTO_HEADERS)
def test_header_that_cannot_be_sent_is_a_500(server: Server, path: str) -> None:
    replies = {value: server.get(f"{path}?value={value}") for value in UNFIT}
    if path == "/redirect":
        assert replies.pop("%e2%82%ac").headers["Location"] == "%E2%82%AC"
    for reply in replies.values():
        assert (reply.status, reply.text) == (500, "500 Internal Server Error")
        assert "evil" not in str(reply.headers).lower()


# --- WebSockets -------------------------------------------------------------------------------------------------------


def test_message_over_the_limit_closes_the_websocket(server: Server) -> None:
    with connect(f"{server.ws}/echo", max_size=None) as client:
        client.send("x" * MIB)
        assert client.recv(PATIENCE) == "x" * MIB
        client.send("x" * (MIB + 1))
        closed = closed_with(client)
    assert (closed and closed.code) == (1009 if server.can(Ability.CLOSE_TOO_LARGE) else None)
    assert server.get("/").text == "Hello!"


def test_websocket_without_a_handler_is_refused(server: Server) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(f"{server.ws}/missing"):
        pass
    assert refused.value.response.status_code == 403


# --- The end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_sigterm_lets_all_requests_finish(kind: Kind, token: str, tmp_path: Path) -> None:
    with serving(kind, "faulty:app", FIXTURES, tmp_path) as server:
        with server.connect() as client, connect(f"{server.ws}/echo") as socket:
            client.sendall(request_head("GET", f"/slow?token={token}").encode())
            wait_for_note(server, token, "handler")
            server.process.terminate()
            if server.can(Ability.FINISH_REQUESTS):
                assert read_reply(client).text == "done"
            closed = closed_with(socket)
        server.check_end()
        assert (closed.code if closed else None) in ((1001, 1012) if server.can(Ability.CLOSE_SOCKETS) else (None,))
        if server.can(Ability.RUN_LIFESPAN):
            assert (tmp_path / "lifespan.txt").read_text().split() == ["startup", "shutdown"]
