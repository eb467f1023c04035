"""This module applies what a middleware hook returns, and runs WebSocket middleware around a connection.

A reply is always in normal form, `(status, body, headers)`. The caller handles exceptions.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from ..requests.request import WebSocketRequest
from ..responses.handler_results import Reply
from ..websockets.protocol import POLICY_VIOLATION
from .base import CloseDict, ResponseDict, WebSocketMiddleware

M = TypeVar("M")


def split_early(middlewares: Iterable[M]) -> tuple[list[M], list[M]]:
    """Return the middleware that is early, and the rest, each in the order of the list."""
    early: list[M] = []
    late: list[M] = []
    for middleware in middlewares:
        (early if getattr(middleware, "early", False) else late).append(middleware)
    return early, late


def _require_mapping(result: object, keys: Collection[str]) -> Mapping[str, Any]:
    """Return what a hook returned, or `{}` for None and anything empty.

    Raises TypeError unless it is a mapping that has no other keys than `keys`.
    """
    if not result:
        return {}
    if not isinstance(result, Mapping):
        returned = type(result).__name__
        raise TypeError(
            f"a middleware hook must return None or a mapping like ResponseDict or CloseDict, not {returned}"
        )
    for key in result:
        if key not in keys:
            meant = ["status_code"] if key == "status" and "status_code" in keys else sorted(keys)
            raise TypeError(
                f"a middleware hook returned a mapping with the key {key!r}, which means nothing: use "
                + " or ".join(map(repr, meant))
            )
    return result


def apply_hook_result(reply: Reply, result: object) -> Reply:
    """Return `reply` with the parts replaced that the `result` of an HTTP hook names.

    Raises TypeError unless the result is None or a mapping with the keys of ResponseDict, and ValueError unless its
    status is one of RFC 9110 §15.
    """
    changes = _require_mapping(result, ResponseDict.__annotations__)
    if not changes:
        return reply
    status, body, headers = reply
    status = changes.get("status_code", status)
    if not isinstance(status, int) or not 100 <= status <= 599:
        raise ValueError(f"a middleware hook returned the status_code {status!r}: use an int from 100 to 599")
    replaced: Any = changes.get("headers", headers)
    pairs: list[tuple[str, str]] = list(replaced.items() if isinstance(replaced, Mapping) else replaced or ())
    return int(status), changes.get("body", body), pairs


async def run_websocket_middleware(
    middlewares: Sequence[WebSocketMiddleware],
    request: WebSocketRequest,
    inner: Callable[[], Awaitable[None]],
    refuse: Callable[[int, str], Awaitable[None]],
) -> None:
    """Run `inner`, or if a middleware refuses the connection, `refuse` with its code and reason.

    `after_websocket` runs for every middleware that let the connection pass, whatever the handler or another hook
    raises.
    """
    async with AsyncExitStack() as passed:
        for middleware in tuple(middlewares):
            refusal = _require_mapping(await middleware.before_websocket(request), CloseDict.__annotations__)
            if refusal:
                await refuse(refusal.get("code", POLICY_VIOLATION), refusal.get("reason", ""))
                return
            passed.push_async_callback(middleware.after_websocket, request)
        await inner()
