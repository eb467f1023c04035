"""To be described."""

from contextvars import ContextVar
from typing import Final

from .request import Request

request_variable: Final[ContextVar["Request"]] = ContextVar("micropie.request")
"""The request that is being answered, in the task (and the worker threads) that answer it."""


# Bound once: Python looks up what is asked of an imported name at every call.
set_current_request: Final = request_variable.set


reset_current_request: Final = request_variable.reset


def get_current_request() -> "Request":
    """The request that is being answered. Raises RuntimeError outside of one."""
    try:
        return request_variable.get()
    except LookupError:
        raise RuntimeError("There is no request here: `request` is for code that runs while one is answered") from None
