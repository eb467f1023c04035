"""This module calls an app with plain ASGI messages, as a server would, without a client in between.

`call(app, "GET", "/path?x=1")` sends a complete request. `call_socket(app, "/chat", ["hello"])` runs a complete
WebSocket connection.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

import msgspec

from micropie.types import ASGIApp, Message

RawHeaders: TypeAlias = Sequence[tuple[bytes, bytes]]

JSON: Final[RawHeaders] = ((b"content-type", b"application/json"),)
FORM: Final[RawHeaders] = ((b"content-type", b"application/x-www-form-urlencoded"),)
MULTIPART: Final[RawHeaders] = ((b"content-type", b"multipart/form-data; boundary=frontier"),)
PROBLEM: Final[RawHeaders] = ((b"accept", b"application/problem+json"),)


@dataclass(frozen=True)
class Response:
    """A response: the status, the headers as the app sent them, the complete body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    messages: list[Message]
    """Every message that the app sent; the first is `http.response.start`."""

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    def header(self, name: str) -> str | None:
        """Return the value of the header `name`, in any case. Values of a repeated header are joined by commas."""
        values = [value for key, value in self.headers if key.lower() == name.lower().encode()]
        return b", ".join(values).decode("latin-1") if values else None


def http_scope(method: str, path: str, headers: RawHeaders = (), **overrides: Any) -> dict[str, Any]:
    """Build the scope of a request for `path`, which is percent-encoded and includes the query string."""
    return _scope("http", path, headers) | {"method": method, "scheme": "http", "http_version": "1.1"} | overrides


def _scope(kind: str, path: str, headers: RawHeaders) -> dict[str, Any]:
    raw, _, query = path.partition("?")
    return {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "path": unquote(raw),
        "raw_path": raw.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": list(headers),
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }


def call(
    app: ASGIApp,
    method: str,
    path: str,
    body: bytes | Sequence[bytes] = b"",
    headers: RawHeaders = (),
    **scope_overrides: Any,
) -> Response:
    """Send a request and return its response. A `body` in pieces is sent in chunks, without a Content-Length."""
    return asyncio.run(acall(app, method, path, body, headers, **scope_overrides))


async def acall(
    app: ASGIApp,
    method: str,
    path: str,
    body: bytes | Sequence[bytes] = b"",
    headers: RawHeaders = (),
    **scope_overrides: Any,
) -> Response:
    """Send a request as `call` does, inside a running event loop."""
    framing: list[tuple[bytes, bytes]] = []
    if isinstance(body, bytes):
        pieces = [body]
        if body and not any(name == b"content-length" for name, _ in headers):
            framing = [(b"content-length", str(len(body)).encode())]
    else:
        pieces = list(body)
        framing = [(b"transfer-encoding", b"chunked")]
    scope = http_scope(method, path, [*headers, *framing], **scope_overrides)
    arriving = _request_messages(pieces)
    sent: list[Message] = []

    async def receive() -> Message:
        message = next(arriving, None)
        if message is None:  # everything was sent; the client waits for the response
            await asyncio.Event().wait()
            raise AssertionError("nothing sets this event")
        return message

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert sent, "the app sent no response"
    assert sent[0]["type"] == "http.response.start"
    assert not sent[-1].get("more_body", False), "the response is not complete"
    payload = b"".join(message.get("body", b"") for message in sent[1:])
    return Response(sent[0]["status"], list(sent[0]["headers"]), payload, sent)


def _request_messages(pieces: Sequence[bytes]) -> Iterator[Message]:
    for number, piece in enumerate(pieces, 1):
        yield {"type": "http.request", "body": piece, "more_body": number < len(pieces)}


def call_socket(
    app: ASGIApp,
    path: str,
    messages: Sequence[str | bytes | Message] = (),
    headers: RawHeaders = (),
    **scope_overrides: Any,
) -> list[Message]:
    """Connect, send `messages`, and leave with 1000. Return the messages that the app sent."""
    scope = _scope("websocket", path, headers) | {"scheme": "ws", "subprotocols": []} | scope_overrides
    arriving: Iterator[Message] = iter(
        [{"type": "websocket.connect"}, *map(_socket_message, messages), {"type": "websocket.disconnect", "code": 1000}]
    )
    sent: list[Message] = []

    async def receive() -> Message:
        return next(arriving)

    async def send(message: Message) -> None:
        sent.append(message)

    async def connection() -> None:
        await app(scope, receive, send)

    asyncio.run(connection())
    return sent


def _socket_message(message: str | bytes | Message) -> Message:
    if isinstance(message, str):
        return {"type": "websocket.receive", "text": message}
    if isinstance(message, bytes):
        return {"type": "websocket.receive", "bytes": message}
    return message


def form_data(parts: Mapping[str, object] | Sequence[tuple[str, object]]) -> bytes:
    """Build a multipart body (boundary `frontier`) of text fields and of files `(file name, content type, bytes)`."""
    pairs = parts.items() if isinstance(parts, Mapping) else parts
    return b"".join(_part(name, value) for name, value in pairs) + b"--frontier--\r\n"


def _part(name: str, value: object) -> bytes:
    head = f'--frontier\r\nContent-Disposition: form-data; name="{name}"'
    if isinstance(value, tuple):
        filename, content_type, content = value
        head += f'; filename="{filename}"\r\nContent-Type: {content_type}'
        return head.encode() + b"\r\n\r\n" + bytes(content) + b"\r\n"
    return f"{head}\r\n\r\n{value}\r\n".encode()
