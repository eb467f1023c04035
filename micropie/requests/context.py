"""To be described."""

from contextvars import ContextVar
from typing import Final

from .request import Request

current: Final[ContextVar["Request"]] = ContextVar("micropie.request")
"""The request that is being answered, in the task (and the worker threads) that answer it."""


# Bound once: Python looks up what is asked of an imported name at every call.
set_current: Final = current.set


reset_current: Final = current.reset


def current_request() -> "Request":
    """The request that is being answered. Raises RuntimeError outside of one."""
    try:
        return current.get()
    except LookupError:
        raise RuntimeError("There is no request here: `request` is for code that runs while one is answered") from None
