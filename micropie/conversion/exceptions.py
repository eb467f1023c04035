"""To be described."""

from typing import Final

import msgspec

CONVERSION_ERRORS: Final = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)
"""What a conversion may raise for bad input; of msgspec's own, UnicodeDecodeError, TypeError (for what cannot be in a
set) and RecursionError are no MsgspecError."""


def validator_message(error: BaseException) -> str | None:
    """What a type's own rule (`__post_init__` and the like) said, as `error` came of it; None when it was no rule."""
    rule = error.__cause__ if isinstance(error, msgspec.MsgspecError) else error
    return str(rule) if rule is not None and not isinstance(rule, msgspec.MsgspecError) else None
