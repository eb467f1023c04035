"""This module holds the request that is being handled, in a context variable."""

from contextvars import ContextVar
from typing import Final

from .request import Request

request_variable: Final[ContextVar[Request]] = ContextVar("micropie.request")
"""The request that the current task, or its worker thread, is handling."""

# Bound once, so that callers need not look up `set` and `reset` for every request.
set_current_request: Final = request_variable.set
reset_current_request: Final = request_variable.reset


def get_current_request() -> Request:
    """Return the request that is being handled. Raises RuntimeError outside a request."""
    try:
        return request_variable.get()
    except LookupError:
        raise RuntimeError("No request is being handled here: `request` is for code that runs during one") from None
