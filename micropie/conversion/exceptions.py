"""This module lists the exceptions that a conversion raises for bad input, and decides what a client sees of them.

A type may have a rule, such as `__post_init__` or a validator of attrs. A client sees the one text that the author of
the rule wrote. Any other argument may hold the value, so a neutral text replaces it. Exceptions that mean a bug are
raised again.
"""

from types import FrameType
from typing import Final

import msgspec

CONVERSION_ERRORS: Final = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)
"""The exceptions that a conversion raises for bad input. msgspec itself also raises UnicodeDecodeError, TypeError (for
an item that a set cannot hold) and RecursionError, which are not a MsgspecError."""

_OURS: Final = __name__.partition(".")[0]
_ATTRS: Final = ("attr.validators", "attr._make")
_NEUTRAL: Final = "Not a valid value"


def get_validator_message(error: BaseException) -> str | None:
    """Return what a client sees of the rule that raised `error`; None if msgspec itself raised it.

    Raises the rule's own exception if it means a bug, as all do but ValueError and those of msgspec.
    """
    rule = error.__cause__ if isinstance(error, msgspec.MsgspecError) and error.__cause__ is not None else error
    frame = _find_innermost_frame(rule)
    module = "" if frame is None else str(frame.f_globals.get("__name__", ""))
    if frame is None or module.partition(".")[0] == _OURS:  # C code of msgspec has no frame
        return None
    if module in _ATTRS:  # whose messages hold the value, and which raises TypeError on purpose
        name = getattr(frame.f_locals.get("attr"), "name", None)
        return _NEUTRAL if name is None else f"{_NEUTRAL} of '{name}'"
    if isinstance(rule, RecursionError):
        return None
    if not isinstance(rule, (ValueError, msgspec.MsgspecError)):
        raise rule from rule.__cause__
    match rule.args:
        case (str(text),) if text:
            return text
        case _:
            return _NEUTRAL


def _find_innermost_frame(error: BaseException) -> FrameType | None:
    """Return the frame that raised `error`, or that called the C code which raised it."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return None if traceback is None else traceback.tb_frame
