"""What an exception becomes: the answer of an app's own error handler, or the framework's.

It knows which handler is the nearest, what is logged and what a client may see. It does not send anything.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from .._utils.lazy_imports import logging
from ..errors import HTTPError
from ..requests.request import Request
from ..responses.error_responses import build_error_response
from ..responses.handler_results import Reply, split_result

ErrorHandler: TypeAlias = Callable[[Request, Any], Any]
"""Called with the request and the exception; returns, or awaits to, anything that a handler may return."""


async def call_error_handler(
    request: Request, error: Exception, apps: Iterable[Mapping[type[Exception], ErrorHandler]], *, debug: bool
) -> Reply:
    """The answer to `error`: of the first of `apps` with a handler for its class, or the nearest one above that.

    A handler that fails hands its own exception on to the next app. Where there is none the answer is ours.
    """
    for handlers in apps:
        if not handlers:
            continue
        handler = next((handlers[cls] for cls in type(error).__mro__ if cls in handlers), None)
        if handler is not None:
            try:
                result = handler(request, error)
                return split_result(await result if hasattr(result, "__await__") else result)
            except Exception as again:
                error = again
    return respond_to_unhandled(request, error, debug=debug)


def respond_to_unhandled(request: Request, error: Exception, *, debug: bool) -> Reply:
    """The answer to an exception that nobody handles. Anything but an HTTPError is logged, and shown to nobody."""
    if not isinstance(error, HTTPError):
        log_failure(request, error)
        if debug:
            from .traceback_page import render_traceback_page

            page = render_traceback_page(error, request.method, request.scope["path"])
            return 500, page, [("Content-Type", "text/html; charset=utf-8")]
        error = HTTPError(500)
    return build_error_response(error, request.content_type, _accept(request))


def _accept(request: Request) -> str:
    """The Accept field; `request.headers` would decode all of them for this one."""
    return b", ".join([value for name, value in request.scope["headers"] if name == b"accept"]).decode("latin-1")


def log_failure(request: Request, error: BaseException) -> None:
    """The one log record about what failed in answering `request`, with the traceback."""
    logging.getLogger("micropie").error("Failed: %s %r", request.method, request.scope["path"], exc_info=error)
