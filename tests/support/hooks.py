"""Middleware for tests: it notes what it sees, and returns or raises what it was told to."""

from collections.abc import Mapping
from typing import Any

from micropie import HttpMiddleware, Request, WebSocketMiddleware, WebSocketRequest


class Hook(HttpMiddleware):
    """`before` and `after` are what its two methods return, or raise; `log` is shared by those whose order matters."""

    def __init__(self, name: str = "", log: list[str] | None = None, *, before: Any = None, after: Any = None) -> None:
        self.name = name
        self.log = log if log is not None else []
        self.before = before
        self.after = after
        self.seen: list[tuple[int, Any, list[tuple[str, str]]]] = []
        """What `after_request` was given."""

    async def before_request(self, request: Request) -> Mapping[str, Any] | None:
        self.log.append(f"before {self.name}")
        return given(self.before)

    async def after_request(
        self, request: Request, status_code: int, response_body: Any, extra_headers: list[tuple[str, str]]
    ) -> Mapping[str, Any] | None:
        self.log.append(f"after {self.name}")
        self.seen.append((status_code, response_body, list(extra_headers)))
        return given(self.after)

    @property
    def statuses(self) -> list[int]:
        return [status for status, _, _ in self.seen]


class SocketHook(WebSocketMiddleware):
    """The same for WebSockets."""

    def __init__(self, name: str = "", log: list[str] | None = None, *, before: Any = None, after: Any = None) -> None:
        self.name = name
        self.log = log if log is not None else []
        self.before = before
        self.after = after

    async def before_websocket(self, request: WebSocketRequest) -> Mapping[str, Any] | None:
        self.log.append(f"before {self.name}")
        return given(self.before)

    async def after_websocket(self, request: WebSocketRequest) -> None:
        self.log.append(f"after {self.name}")
        given(self.after)


def given(what: Any) -> Mapping[str, Any] | None:
    """`what`, raised if it is an exception."""
    if isinstance(what, BaseException):
        raise what
    answer: Mapping[str, Any] | None = what
    return answer
