"""How a list of middleware wraps around what answers: in order on the way in, in reverse on the way out.

The answer is always in normal form, `(status, body, headers)`. What an exception becomes is the caller's business.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from ..requests.request import Request, WebSocketRequest
from ..responses.handler_results import Reply
from ..websockets.protocol import POLICY_VIOLATION
from .base import HttpMiddleware, WebSocketMiddleware


def _require_mapping(given: object) -> Mapping[str, Any]:
    """What a hook returned, None and all that is empty being nothing. Raises TypeError for what is no mapping."""
    if not given:
        return {}
    if not isinstance(given, Mapping):
        what = type(given).__name__
        raise TypeError(
            f"a middleware hook returns None or a mapping, as ResponseDict and CloseDict have it, not {what}"
        )
    return given


def apply_hook_result(reply: Reply, answer: object) -> Reply:
    """`reply` with what a hook returned in its place; TypeError and ValueError say what a hook may not return.

    A status is one of RFC 9110 §15.
    """
    changes = _require_mapping(answer)
    if not changes:
        return reply
    status, body, headers = reply
    status = changes.get("status_code", status)
    if not isinstance(status, int) or not 100 <= status <= 599:
        raise ValueError(f"a middleware hook returned the status_code {status!r}, which is no int from 100 to 599")
    given: Any = changes.get("headers", headers)
    pairs: list[tuple[str, str]] = list(given.items() if isinstance(given, Mapping) else given or ())
    return int(status), changes.get("body", body), pairs


async def run_after_request(
    due: Sequence[HttpMiddleware],
    request: Request,
    reply: Reply,
    failed: Callable[[Exception], Awaitable[Reply]],
) -> Reply:
    """`reply` as the middleware that is due leaves it. One that fails turns it into what `failed` says."""
    for middleware in due:
        try:
            given = await middleware.after_request(request, *reply)
            if given:
                reply = apply_hook_result(reply, given)
        except Exception as error:
            reply = await failed(error)
    return reply


async def run_websocket_middleware(
    middlewares: Sequence[WebSocketMiddleware],
    request: WebSocketRequest,
    inner: Callable[[], Awaitable[None]],
    refuse: Callable[[int, str], Awaitable[None]],
) -> None:
    """Run `inner` unless a middleware refuses; then `refuse` with its code and reason.

    Every middleware that let the connection pass hears of its end, however it ended, and whatever others raise.
    """
    async with AsyncExitStack() as passed:
        for middleware in tuple(middlewares):
            refused = _require_mapping(await middleware.before_websocket(request))
            if refused:
                await refuse(refused.get("code", POLICY_VIOLATION), refused.get("reason", ""))
                return
            passed.push_async_callback(middleware.after_websocket, request)
        await inner()
