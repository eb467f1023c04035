"""Another ASGI application below a path: the scope that it sees, and what of a response is still ours to change.

Its body goes straight to the server. Only the start of its response passes through here, so that middleware sees
mounted responses too and can add headers to them.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .headers import raw_headers
from .middleware.base import HttpMiddleware
from .middleware.compose import Reply, after_http
from .requests import Request
from .types import ASGIApp, Message, Scope, Send


@dataclass(slots=True, eq=False)
class Mounted:
    """A response that another application will give."""

    app: ASGIApp
    scope: Scope
    due: list[HttpMiddleware] = field(default_factory=list)
    """Whose `after_request` is still to see it, in that order."""


def mounted_scope(scope: Scope, prefix: Sequence[str]) -> Scope:
    """The scope for an application at `prefix`: a longer `root_path`, the same `path` (ASGI HTTP, "root_path")."""
    root = scope.get("root_path", "").rstrip("/")
    return {**scope, "root_path": "/".join([root, *prefix])}


async def run_mounted(
    mounted: Mounted,
    request: Request,
    send: Send,
    headers: Sequence[tuple[str, str]],
    failed: Callable[[Exception], Awaitable[Reply]],
) -> None:
    """Let the application answer; `headers` and those that middleware adds go with its own."""

    async def send_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            status, _, added = await after_http(mounted.due, request, (message["status"], None, list(headers)), failed)
            raw: list[Any] = [*message.get("headers", ()), *raw_headers(added)]
            message = {**message, "status": status, "headers": raw}
        await send(message)

    await mounted.app(mounted.scope, request.receive, send_on)
