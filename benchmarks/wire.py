"""This module speaks HTTP/1.1 and WebSockets over a socket, with little work for the client (RFC 9112, RFC 6455).

It is written for well-behaved servers on this machine. Anything unexpected raises ConnectionError.
"""

import base64
import os
import socket
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Final

from .workloads import MIB, Response, Workload


def encode_request(workload: Workload) -> bytes:
    """Encode the request of `workload` as it is sent over the wire."""
    lines = [f"{workload.method} {workload.path} HTTP/1.1", "Host: 127.0.0.1", "Accept: */*"]
    if workload.body:
        lines += [f"Content-Type: {workload.content_type}", f"Content-Length: {len(workload.body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + workload.body


def read_response(connection: socket.socket) -> Response:
    """Read the next response on `connection` completely."""
    with HTTPResponse(connection) as response:
        response.begin()
        headers = tuple((name.lower(), value) for name, value in response.getheaders())
        return Response(response.status, headers, response.read())


def send_request(connection: socket.socket, workload: Workload) -> Response:
    """Send the request of `workload` and return the response."""
    connection.sendall(encode_request(workload))
    return read_response(connection)


def drain_response(connection: socket.socket, workload: Workload) -> tuple[Response, int]:
    """Send the request of `workload`. Return the response without its body, and the number of bytes of the body."""
    connection.sendall(encode_request(workload))
    buffer = memoryview(bytearray(MIB))
    with HTTPResponse(connection) as response:
        response.begin()
        headers = tuple((name.lower(), value) for name, value in response.getheaders())
        size = 0
        while count := response.readinto(buffer):
            size += count
    return Response(response.status, headers, b""), size


# --- WebSockets ---

_TEXT: Final = 0x81
"""FIN and the opcode of a text message (RFC 6455 §5.2)."""
_MASKED: Final = 0x80
_SHORT: Final = 125
"""The longest payload whose length fits into the second byte."""


def open_websocket(connection: socket.socket, path: str) -> None:
    """Open a WebSocket on `connection` (RFC 6455 §4.1). Raises ConnectionError when the server refuses it."""
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
    response = b""
    while not response.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)  # byte by byte, so that none of the first message is read
        if not piece:
            raise ConnectionError("the server closed the connection in the handshake")
        response += piece
    if not response.startswith(b"HTTP/1.1 101 "):
        raise ConnectionError(response.partition(b"\r\n")[0].decode("latin-1"))


def encode_text_frame(text: str) -> bytes:
    """Encode `text` as a client's frame, masked with zeros, which RFC 6455 allows.

    Raises ValueError when the text is longer than 125 bytes.
    """
    payload = text.encode()
    if len(payload) > _SHORT:
        raise ValueError(f"the text has {len(payload)} bytes; at most {_SHORT} are allowed")
    return bytes([_TEXT, _MASKED | len(payload), 0, 0, 0, 0]) + payload


def exchange_echoes(connection: socket.socket, text: str, count: int, batch: int) -> Iterator[int]:
    """Send `text` `count` times, `batch` at a time. Yield the number of echoes of each batch.

    Raises ConnectionError when the server sends anything else.
    """
    frames = encode_text_frame(text) * batch
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
