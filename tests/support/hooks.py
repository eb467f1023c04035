"""This module holds middleware for tests, which records its calls and returns or raises given values."""

from collections.abc import Mapping
from typing import Any

from micropie import HttpMiddleware, Request, WebSocketMiddleware, WebSocketRequest


class Hook(HttpMiddleware):
    """HTTP middleware whose methods return or raise `before` and `after`. Several hooks may share a `log`."""

    def __init__(self, name: str = "", log: list[str] | None = None, *, before: Any = None, after: Any = None) -> None:
        self.name = name
        self.log = log if log is not None else []
        self.before = before
        self.after = after
        self.seen: list[tuple[int, Any, list[tuple[str, str]]]] = []
        """The arguments of each call of `after_request`: status, body, headers."""

    async def before_request(self, request: Request) -> Mapping[str, Any] | None:
        self.log.append(f"before {self.name}")
        return return_or_raise(self.before)

    async def after_request(
        self, request: Request, status_code: int, response_body: Any, extra_headers: list[tuple[str, str]]
    ) -> Mapping[str, Any] | None:
        self.log.append(f"after {self.name}")
        self.seen.append((status_code, response_body, list(extra_headers)))
        return return_or_raise(self.after)

    @property
    def statuses(self) -> list[int]:
        return [status for status, _, _ in self.seen]


class SocketHook(WebSocketMiddleware):
    """WebSocket middleware that does the same as Hook."""

    def __init__(self, name: str = "", log: list[str] | None = None, *, before: Any = None, after: Any = None) -> None:
        self.name = name
        self.log = log if log is not None else []
        self.before = before
        self.after = after

    async def before_websocket(self, request: WebSocketRequest) -> Mapping[str, Any] | None:
        self.log.append(f"before {self.name}")
        return return_or_raise(self.before)

    async def after_websocket(self, request: WebSocketRequest) -> None:
        self.log.append(f"after {self.name}")
        return_or_raise(self.after)


def return_or_raise(value: Any) -> Mapping[str, Any] | None:
    """Return `value`, or raise it if it is an exception."""
    if isinstance(value, BaseException):
        raise value
    response: Mapping[str, Any] | None = value
    return response
