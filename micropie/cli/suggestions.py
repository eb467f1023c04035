"""This module finds the name that a user meant, for the question "Did you mean …?"."""

import difflib
from collections.abc import Iterable


def find_close(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that is most like `name`; None if none is close."""
    return next(iter(difflib.get_close_matches(name, list(candidates), n=1)), None)


def suggest(correction: str) -> str:
    """Return the question that proposes `correction`."""
    return f"Did you mean {correction}?"
