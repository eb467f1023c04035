"""HTTP/1.1 and WebSockets over a socket, byte by byte: as little work for the client as possible (RFC 9112, RFC 6455).

It is a client for servers on this machine that are known to behave; anything unexpected raises ConnectionError.
"""

import base64
import os
import socket
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Final

from .workloads import MIB, Answer, Workload


def request_bytes(workload: Workload) -> bytes:
    """The request for `workload` as it goes over the wire."""
    lines = [f"{workload.method} {workload.path} HTTP/1.1", "Host: 127.0.0.1", "Accept: */*"]
    if workload.body:
        lines += [f"Content-Type: {workload.content_type}", f"Content-Length: {len(workload.body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + workload.body


def read(connection: socket.socket) -> Answer:
    """The next answer on `connection`, whole."""
    with HTTPResponse(connection) as response:
        response.begin()
        headers = tuple((name.lower(), value) for name, value in response.getheaders())
        return Answer(response.status, headers, response.read())


def ask(connection: socket.socket, workload: Workload) -> Answer:
    """The answer to `workload`."""
    connection.sendall(request_bytes(workload))
    return read(connection)


def drain(connection: socket.socket, workload: Workload) -> tuple[Answer, int]:
    """The answer to `workload` without its body, and how many bytes that had: they are counted, not kept."""
    connection.sendall(request_bytes(workload))
    buffer = memoryview(bytearray(MIB))
    with HTTPResponse(connection) as response:
        response.begin()
        headers = tuple((name.lower(), value) for name, value in response.getheaders())
        size = 0
        while count := response.readinto(buffer):
            size += count
    return Answer(response.status, headers, b""), size


# --- WebSockets ---

_TEXT: Final = 0x81
"""FIN and the opcode of a text message (RFC 6455 §5.2)."""
_MASKED: Final = 0x80
_SHORT: Final = 125
"""The longest payload whose length stands in the second byte."""


def open_socket(connection: socket.socket, path: str) -> None:
    """Make a WebSocket of `connection` (RFC 6455 §4.1). Raises ConnectionError when the server refuses."""
    key = base64.b64encode(os.urandom(16)).decode()
    head = [
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
    ]
    connection.sendall("\r\n".join([*head, "", ""]).encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)  # no byte of the first message may be taken
        if not piece:
            raise ConnectionError("the server closed the connection in the handshake")
        answer += piece
    if not answer.startswith(b"HTTP/1.1 101 "):
        raise ConnectionError(answer.partition(b"\r\n")[0].decode("latin-1"))


def text_frame(text: str) -> bytes:
    """A client's frame with `text`, of at most 125 bytes, masked with zeros, which RFC 6455 does not forbid."""
    payload = text.encode()
    if len(payload) > _SHORT:
        raise ValueError(f"at most {_SHORT} bytes, not {len(payload)}")
    return bytes([_TEXT, _MASKED | len(payload), 0, 0, 0, 0]) + payload


def echoes(connection: socket.socket, text: str, count: int, batch: int) -> Iterator[int]:
    """Send `text` `count` times, `batch` at a time, and await each batch's echo; how many came back, batch by batch.

    Raises ConnectionError when something else comes back.
    """
    frames = text_frame(text) * batch
    payload = text.encode()
    expected = (bytes([_TEXT, len(payload)]) + payload) * batch
    buffer = bytearray(len(expected))
    view = memoryview(buffer)
    for _ in range(0, count, batch):
        connection.sendall(frames)
        received = 0
        while received < len(expected):
            size = connection.recv_into(view[received:])
            if not size:
                raise ConnectionError("the server closed the connection")
            received += size
        if bytes(buffer) != expected:
            raise ConnectionError("the server echoed something else")
        yield batch
