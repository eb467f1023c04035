"""An idle keep-alive connection keeps nothing of the requests that it carried."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.servers.harness import FIXTURES, Kind, Server, read_reply, request_head, serving, wait_until

CONNECTIONS = 50
LARGE = b"x" * 900_000


def _uvicorn(http: str, loop: str) -> Kind:
    options = ["--http", http, "--loop", loop, "--timeout-keep-alive", "60"]
    return Kind(
        f"uvicorn-{http}-{loop}",
        lambda target, port: ["-m", "uvicorn", *options, "--port", port, target],
        clean=-signal.SIGTERM,
    )


KINDS = [_uvicorn("httptools", "uvloop"), _uvicorn("httptools", "asyncio"), _uvicorn("h11", "asyncio")]

JSON = b'{"name": "%s"}' % LARGE
FORM = b"name=" + LARGE
MULTIPART = (
    b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + LARGE + b"\r\n--frontier--\r\n"
)

REQUESTS = {
    "text": ("GET", "/", "", b""),
    "JSON keys": ("POST", "/keys", "application/json", JSON),
    "form": ("POST", "/keys", "application/x-www-form-urlencoded", FORM),
    "raw body": ("POST", "/raw", "text/plain", LARGE),
    "raw body that does not fit": ("POST", "/raw", "application/json", LARGE),
    "upload": ("POST", "/upload", "multipart/form-data; boundary=frontier", MULTIPART),
    "streamed body": ("POST", "/pieces", "text/plain", LARGE),
    "upload that is streamed back": ("POST", "/echoed", "multipart/form-data; boundary=frontier", MULTIPART),
    "stream": ("GET", "/numbers", "", b""),
    "sync stream": ("GET", "/numbers_in_thread", "", b""),
    "events": ("GET", "/events", "", b""),
    "HEAD of a stream": ("HEAD", "/numbers", "", b""),
    "large answer": ("GET", "/large", "", b""),
    "file": ("GET", "/file", "", b""),
    "large file": ("GET", "/large_file", "", b""),
    "no content": ("GET", "/nothing", "", b""),
    "sync handler": ("GET", "/in_thread", "", b""),
    "dependency": ("GET", "/depends", "", b""),
    "session": ("GET", "/writes_session", "", b""),
    "failure": ("GET", "/fails", "", b""),
    "refusal": ("GET", "/refuses", "", b""),
    "missing": ("GET", "/missing", "", b""),
    "missing value": ("GET", "/keys", "", b""),
    "body of a mounted app": ("POST", "/plain", "text/plain", LARGE),
    "mounted app": ("GET", "/below", "", b""),
    "stream of a mounted app": ("GET", "/below/numbers", "", b""),
}


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    kind: Kind = request.param
    with serving(kind, "idle:app", FIXTURES, tmp_path_factory.mktemp(kind.name)) as running:
        yield running


@pytest.mark.parametrize("name", REQUESTS)
def test_idle_connection_keeps_no_request(server: Server, name: str) -> None:
    method, path, content_type, body = REQUESTS[name]
    headers = [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"] if content_type else []
    with ExitStack() as stack:
        for _ in range(CONNECTIONS):
            client = stack.enter_context(server.connect())
            client.sendall(request_head(method, path, *headers).encode() + body)
            read_reply(client, method)
        wait_until(lambda: server.get("/left").json == [], "the requests to be gone")
