"""Another ASGI application below a path: the scope that it sees, and what of a response is still ours to change.

Its body goes straight to the server. Only the start of its response passes through here, so that middleware sees
mounted responses too and can add headers to them.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ..errors import ResponseError
from ..requests.request import Request
from ..responses.handler_results import ExternalBody, Reply
from ..responses.headers import encode_headers
from ..types import ASGIApp, Message, Receive, Scope, Send


class Mounted(ExternalBody, frozen=True, eq=False):
    """A response that another application will give."""

    app: ASGIApp
    scope: Scope


def build_mounted_scope(scope: Scope, prefix: Sequence[str]) -> Scope:
    """The scope for an application at `prefix`: a longer `root_path`, the same `path` (ASGI HTTP, "root_path")."""
    root: str = scope.get("root_path", "").rstrip("/")
    changed = {**scope, "root_path": "/".join([root, *prefix])}
    path: str = scope["path"]
    if path != root and not path.startswith(root + "/"):  # the server has taken the root away, which is not ASGI's way
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
) -> None:
    """Let the application answer; `headers` and those that middleware adds go with its own.

    `answer` sends a reply in its place: when it fails before it has begun, and when middleware puts another body there.
    """
    begun = replaced = False

    async def send_on(message: Message) -> None:
        nonlocal begun, replaced
        if replaced:
            raise OSError("Another response was sent in place of this one")
        if message["type"] == "http.response.start":
            reply = await leave((message["status"], None, list(headers)))
            raw: list[Any] = []
            try:
                raw = [*message.get("headers", ()), *encode_headers(reply[2])]
            except ResponseError as error:
                reply = await failed(error)
            begun, replaced = True, reply[1] is not None
            if replaced:
                await respond(reply)
                return
            message = {**message, "status": reply[0], "headers": raw}
        await send(message)

    try:
        await mounted.app(mounted.scope, _receive_again(request), send_on)
    except Exception as error:
        if begun and not replaced:
            raise
        if not begun:
            await respond(await leave(await failed(error)))


def _receive_again(request: Request) -> Receive:
    """`receive` for who comes after middleware: a body that was read for it comes once more."""
    if not request.body_opened or request.multipart is not None:
        return request.receive
    pending: list[Message] = [{"type": "http.request", "body": request.body, "more_body": False}]

    async def receive() -> Message:
        return pending.pop() if pending else await request.receive()

    return receive
