"""This module holds the request that is being handled, in a context variable.

A timer or a reader that a server makes lives as long as the connection, with a copy of the context in which it was
made. The variable is therefore empty while the app calls what makes one: `send` for the last message, and `receive` for
a large body. Otherwise each idle connection would keep its last request, with its scope and its body.
"""

from collections.abc import Awaitable
from contextvars import ContextVar
from typing import Any, Final

from ..types import Message, Receive, Send

request_variable: Final[ContextVar[Any]] = ContextVar("micropie.request", default=None)
"""The `Request` that the current task or its thread is handling. (`request` imports this module, hence Any.)"""

# Bound once, so that callers need not look up `set` and `reset` for every request.
set_current_request: Final = request_variable.set
reset_current_request: Final = request_variable.reset


def get_current_request() -> Any:
    """Return the request that is being handled. Raises RuntimeError outside a request."""
    request = request_variable.get()
    if request is None:
        raise RuntimeError(
            "No request is being handled here: read `request` in code that a handler or middleware calls"
        )
    return request


def hide_from_send(send: Send) -> Send:
    """Return `send` with the variable empty while it takes the last message of a response."""

    async def send_last(message: Message) -> None:
        token = set_current_request(None)
        try:
            await send(message)
        finally:
            reset_current_request(token)

    def send_any(message: Message) -> Awaitable[None]:
        is_last = message["type"] != "http.response.start" and not message.get("more_body")
        return send_last(message) if is_last else send(message)

    return send_any


def hide_from_receive(receive: Receive) -> Receive:
    """Return `receive` with the variable empty while it waits: a server that has paused a connection resumes it."""

    async def receive_hidden() -> Message:
        token = set_current_request(None)
        try:
            return await receive()
        finally:
            reset_current_request(token)

    return receive_hidden
