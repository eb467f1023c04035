"""This module defines the middleware classes that users subclass: a pair of hooks for HTTP, and one for WebSockets.

It calls no hook. `app/http` runs the hooks of HTTP middleware in order; `compose` runs those of WebSocket middleware
and applies what HTTP hooks return.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from ..requests.request import Request, WebSocketRequest


class ResponseDict(TypedDict, total=False):
    """A mapping that an HTTP hook may return: a response, or the parts of it to replace."""

    status_code: int
    body: Any
    """Anything that a handler may return as a body."""
    headers: list[tuple[str, str]]


class CloseDict(TypedDict, total=False):
    """A mapping that a WebSocket hook may return, to refuse the connection."""

    code: int
    """A close code (RFC 6455 §7.4); 1008, policy violation, when absent."""
    reason: str
    """At most 123 bytes of UTF-8 (RFC 6455 §5.5); longer text is cut."""


class HttpMiddleware(ABC):
    """A pair of hooks around HTTP requests. Subclass it and append an instance to `App.middlewares`.

    The list runs in order on the way in and in reverse on the way out.
    """

    early: bool = False
    """True for middleware that runs before the body and the session are loaded, and before all that is not early.

    Its `before_request` cannot read the body. The session it gets by `await request.load_session()`.
    """

    # Both return a plain Mapping, so that an override may be annotated `-> dict[str, Any] | None`.
    # `response_body` is Any, so that an override may name the type that its app returns.

    @abstractmethod
    async def before_request(self, request: Request) -> Mapping[str, Any] | None:
        """Run before the handler. Return None to continue, or a mapping (see `ResponseDict`) to respond."""

    @abstractmethod
    async def after_request(
        self, request: Request, status_code: int, response_body: Any, extra_headers: list[tuple[str, str]]
    ) -> Mapping[str, Any] | None:
        """Run with every response before it is sent: 404, 405, 400 and 500 too.

        Return None to leave the response as it is, or a mapping (see `ResponseDict`) with the parts to replace.

        A response that turns out to be unsendable is replaced, usually by a 500, and the hook runs again with the
        replacement. The hook also runs for a request whose session or body could not be loaded, for which
        `before_request` was not called.
        """


class WebSocketMiddleware(ABC):
    """A pair of hooks around WebSocket connections. Subclass it and append an instance to `App.ws_middlewares`.

    The list runs in order on the way in and in reverse on the way out.
    """

    early: bool = False
    """True for middleware that runs before the session is loaded, and before all that is not early."""

    @abstractmethod
    async def before_websocket(self, request: WebSocketRequest) -> Mapping[str, Any] | None:
        """Run before the handler. Return None to continue, or a mapping (see `CloseDict`) to refuse the handshake."""

    @abstractmethod
    async def after_websocket(self, request: WebSocketRequest) -> None:
        """Run when the handler has ended, also by an exception."""
