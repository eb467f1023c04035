"""The two hooks around a request: one pair for HTTP, one pair for WebSockets.

Only what a user subclasses. The order in which middleware runs and what becomes of a returned mapping are decided
where middleware is composed; nothing here calls anything.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from ..requests.request import Request, WebSocketRequest


class ResponseDict(TypedDict, total=False):
    """What an HTTP hook may return: the response, or the parts of it to replace."""

    status_code: int
    body: Any
    """Whatever a handler may return as a body."""
    headers: list[tuple[str, str]]


class CloseDict(TypedDict, total=False):
    """What a WebSocket hook may return: how to refuse the connection."""

    code: int
    """A close code (RFC 6455 §7.4); 1008, policy violation, when absent."""
    reason: str
    """At most 123 bytes of UTF-8 (RFC 6455 §5.5); longer text is cut."""


class HttpMiddleware(ABC):
    """Subclass it and append an instance to `App.middlewares`.

    The list runs in order on the way in and in reverse on the way out.
    """

    # Both return a plain Mapping and not ResponseDict: an override annotated `-> dict[str, Any] | None` is as good.
    # `response_body` is Any and not object, so that an override may name the type that its app returns.

    @abstractmethod
    async def before_request(self, request: Request) -> Mapping[str, Any] | None:
        """Called before the handler. None goes on; a mapping (see `ResponseDict`) is the answer, and it never runs."""

    @abstractmethod
    async def after_request(
        self, request: Request, status_code: int, response_body: Any, extra_headers: list[tuple[str, str]]
    ) -> Mapping[str, Any] | None:
        """Called with every response before it is sent: 404, 405, 400 and 500 too.

        A reply that cannot be sent after all is replaced (by a 500, mostly), and this is called again with the
        replacement. It also sees the answer to a request whose session or body could not be loaded, for which
        `before_request` was not called. None leaves it as it is; the keys of a mapping (see `ResponseDict`) replace
        what they name.
        """


class WebSocketMiddleware(ABC):
    """Subclass it and append an instance to `App.ws_middlewares`.

    The list runs in order on the way in and in reverse on the way out.
    """

    @abstractmethod
    async def before_websocket(self, request: WebSocketRequest) -> Mapping[str, Any] | None:
        """Called before the handler. None goes on; a mapping (see `CloseDict`) refuses the handshake."""

    @abstractmethod
    async def after_websocket(self, request: WebSocketRequest) -> None:
        """Called when the handler has ended, however it ended."""
