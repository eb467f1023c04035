"""This module runs another ASGI application below a path.

It makes the scope that the application sees. The body of the application's response goes straight to the server; the
start of the response passes through here, so that middleware sees mounted responses and can add headers to them.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ..errors import ResponseError
from ..requests.context import hide_from_receive
from ..requests.request import Request
from ..responses.handler_results import ExternalBody, Reply
from ..responses.headers import encode_headers
from ..types import ASGIApp, Message, RawHeaders, Receive, Scope, Send


class Mounted(ExternalBody, frozen=True, eq=False):
    """The body of a reply that a mounted application will send."""

    app: ASGIApp
    scope: Scope


def build_mounted_scope(scope: Scope, prefix: Sequence[str]) -> Scope:
    """Return the scope for an application at `prefix`: `root_path` is longer, `path` the same (ASGI HTTP)."""
    root: str = scope.get("root_path", "").rstrip("/")
    changed = {**scope, "root_path": "/".join([root, *prefix])}
    path: str = scope["path"]
    if path != root and not path.startswith(root + "/"):  # the server removed the root, against ASGI
        changed["path"] = root + path
        changed.pop("raw_path", None)
    return changed


async def run_mounted(
    mounted: Mounted,
    request: Request,
    send: Send,
    headers: Sequence[tuple[str, str]],
    failed: Callable[[Exception], Awaitable[Reply]],
    leave: Callable[[Reply], Awaitable[Reply]],
    respond: Callable[[Reply], Awaitable[None]],
    finish: Callable[[RawHeaders], RawHeaders],
) -> None:
    """Let the application respond. `headers`, and those that middleware adds, are added to its own.

    `leave` runs middleware over a reply, and `failed` makes a reply of an exception. `respond` sends another reply in
    place of the application's: when it fails before it has started its response, or when middleware replaces the body.
    `finish` adds the headers about the session.
    """
    started = replaced = False

    async def send_on(message: Message) -> None:
        nonlocal started, replaced
        if replaced:
            raise OSError("Another response was sent in place of this one")
        if message["type"] == "http.response.start":
            reply = await leave((message["status"], None, list(headers)))
            raw: list[Any] = []
            try:
                raw = finish([*message.get("headers", ()), *encode_headers(reply[2])])
            except ResponseError as error:
                reply = await failed(error)
            started, replaced = True, reply[1] is not None
            if replaced:
                await respond(reply)
                return
            message = {**message, "status": reply[0], "headers": raw}
        await send(message)

    try:
        await mounted.app(mounted.scope, _receive_again(request), send_on)
    except Exception as error:
        if started and not replaced:
            raise
        if not started:
            await respond(await leave(await failed(error)))


def _receive_again(request: Request) -> Receive:
    """Return the `receive` of the mounted application: a body that was read for middleware arrives once more."""
    if not request.micropie_body_opened or request.multipart is not None:
        return hide_from_receive(request.receive) if request.has_body else request.receive
    pending: list[Message] = [{"type": "http.request", "body": request.body, "more_body": False}]

    async def receive() -> Message:
        return pending.pop() if pending else await request.receive()

    return receive
