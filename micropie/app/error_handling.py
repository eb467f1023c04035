"""This module turns an exception into a reply: that of an app's error handler, or the framework's own.

It chooses the handler, writes the log record and decides what the client may see. It sends nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from .._utils.lazy_imports import logging
from ..errors import HTTPError
from ..requests.request import Request
from ..responses.error_responses import build_error_response
from ..responses.handler_results import Reply, split_result

ErrorHandler: TypeAlias = Callable[[Request, Any], Any]
"""A function of the request and the exception. It returns what a handler may return, or an awaitable of that."""


async def call_error_handler(
    request: Request, error: Exception, apps: Iterable[Mapping[type[Exception], ErrorHandler]], *, debug: bool
) -> Reply:
    """Return the reply of the first of `apps` that has an error handler for `error`, else the framework's reply.

    Within one app, the handler for the nearest base class wins. If a handler raises, the next app handles what it
    raised.
    """
    for handlers in apps:
        if not handlers:
            continue
        classes: tuple[type[Any], ...] = type(error).__mro__
        handler = next((handlers[cls] for cls in classes if cls in handlers), None)
        if handler is not None:
            try:
                result = handler(request, error)
                return split_result(await result if hasattr(result, "__await__") else result)
            except Exception as raised:
                error = raised
    return respond_to_unhandled(request, error, debug=debug)


def respond_to_unhandled(request: Request, error: Exception, *, debug: bool) -> Reply:
    """Return the framework's reply to an exception that no error handler took.

    An exception that is not an HTTPError is logged, and the client sees a plain 500; with `debug`, a traceback page.
    """
    if not isinstance(error, HTTPError):
        log_failure(request, error)
        if debug:
            from .traceback_page import render_traceback_page

            page = render_traceback_page(error, request.method, request.scope["path"])
            return 500, page, [("Content-Type", "text/html; charset=utf-8")]
        error = HTTPError(500)
    return build_error_response(error, request.content_type, _accept(request))


def _accept(request: Request) -> str:
    """Return the Accept field. `request.headers` would decode all fields for this one."""
    return b", ".join([value for name, value in request.scope["headers"] if name == b"accept"]).decode("latin-1")


def log_failure(request: Request, error: BaseException) -> None:
    """Write the one log record about a request that failed, with the traceback of `error`."""
    logging.getLogger("micropie").error("Failed: %s %r", request.method, request.scope["path"], exc_info=error)
