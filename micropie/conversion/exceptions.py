"""This module lists the exceptions that a conversion raises for bad input, and reads their messages."""

from typing import Final

import msgspec

CONVERSION_ERRORS: Final = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)
"""The exceptions that a conversion raises for bad input. msgspec itself also raises UnicodeDecodeError, TypeError (for
an item that a set cannot hold) and RecursionError, which are not a MsgspecError."""


def get_validator_message(error: BaseException) -> str | None:
    """Return the message of a type's own rule, such as `__post_init__`, that raised `error`; None for other errors."""
    rule = error.__cause__ if isinstance(error, msgspec.MsgspecError) else error
    return str(rule) if rule is not None and not isinstance(rule, msgspec.MsgspecError) else None
