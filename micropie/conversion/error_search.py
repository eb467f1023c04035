"""This module holds the search for errors in one JSON value, and the interface of the checks that it applies.

A check is made once for each type, by `scalar_checks` and `json_errors`. A search lives for one value: it collects the
errors, and it ends early once it has seen enough.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import inspect as mi

from ..config import MAX_ERROR_RESPONSE
from ..errors import Invalid
from .error_wording import describe_expected, describe_kind
from .type_info import CHOICES

MAX_DEPTH: Final = 200
"""Objects within one another that are searched; each takes up to five of the thousand frames that Python allows."""

JSON_TYPES: Final[frozenset[type]] = frozenset({dict, list, str, int, float, bool, type(None)})
_JSON_NOUNS: Final[Mapping[type, str]] = {
    dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null",
}  # fmt: skip
_NUMBERS: Final = (mi.IntType, mi.FloatType, mi.DecimalType)


class TooManyValuesError(Exception):
    """An error for a value that is too large to be searched to its end."""


class TooManyErrorsError(Exception):
    """An error for a search that has found as many errors as it may report."""


class Search:
    """A search for errors in one value, which ends after `max_values` values or `max_errors` errors.

    A hostile body costs no more than one that is merely wrong: errors that the response cannot hold are only counted,
    since each may have a long pointer.
    """

    __slots__ = ("_max_errors", "_text_left", "count", "depth", "errors", "values_left")

    def __init__(self, max_errors: int, max_values: int) -> None:
        self.errors: list[Invalid] = []
        self.count = 0
        self.depth = 0
        self._text_left = MAX_ERROR_RESPONSE
        self.values_left = max_values
        self._max_errors = max_errors

    def add_error(self, detail: str, pointer: str) -> None:
        """Add an error. Raises TooManyErrorsError after the last one that may be reported."""
        self.count += 1
        if self._text_left > 0:
            self.errors.append(Invalid(detail, pointer=pointer))
            self._text_left -= len(detail) + len(pointer)
        if self.count == self._max_errors:
            raise TooManyErrorsError

    def enter_object(self) -> int:
        """Enter an object and return the number of errors so far.

        Raises TooManyValuesError, and RecursionError below `MAX_DEPTH`.
        """
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise RecursionError
        if self.values_left < 0:
            raise TooManyValuesError
        return self.count

    def count_value(self) -> None:
        """Count one more value. Raises TooManyValuesError."""
        self.values_left -= 1
        if self.values_left < 0:
            raise TooManyValuesError

    def apply(self, check: "Check", value: object, pointer: str) -> None:
        """Add the errors that `check` finds in `value`. Raises TooManyValuesError and TooManyErrorsError."""
        self.count_value()
        if not check.is_clearly_valid(value):
            check.find_errors(self, value, pointer)

    def has_errors(self, check: "Check", value: object) -> bool:
        """Return True if `check` finds an error in `value`, but do not add it. Raises TooManyValuesError."""
        search = Search(1, self.values_left)
        search.depth = self.depth
        try:
            search.apply(check, value, "")
        except TooManyErrorsError:
            return True
        finally:
            self.values_left = search.values_left
        return False


class Check:
    """A check of values against one type: it holds all that follows from the type alone.

    This base class is the check of a type that accepts every value.
    """

    kind: type | None = None
    """The Python type whose values can be judged at first sight."""
    is_valid: Callable[[Any], object] | None = None
    """The judgement on values of `kind`; None means that all of them are valid."""
    builds_sets = False
    """True if a value may be invalid although each of its parts is valid: a set may refuse an item without a hash."""

    def __init__(self, info: Any) -> None:
        self._expected = f"Expected {describe_expected(info)}"
        expected_noun = _describe_json(info)
        nouns = {kind: _JSON_NOUNS.get(kind, "a number") for kind in JSON_TYPES}
        # The error for each type of value: it names what came only where that differs from what was expected.
        self._details = {
            kind: self._expected if expected_noun in (None, noun) else f"{self._expected}, got {noun}"
            for kind, noun in nouns.items()
        }

    def is_clearly_valid(self, value: object) -> bool:
        """Return True if `value` is valid at first sight; False means that it needs a closer look."""
        return type(value) is self.kind and (self.is_valid is None or bool(self.is_valid(value)))

    def find_errors(self, search: Search, value: Any, pointer: str) -> None:
        """Add to `search` what is wrong with `value`, which is not valid at first sight."""

    def add_mismatch(self, search: Search, value: object, pointer: str) -> None:
        """Add the error that `value` is not what the type expects."""
        search.add_error(self._details.get(type(value), self._expected), pointer)


def _describe_json(info: mi.Type) -> str | None:
    """Return the noun for the JSON values that `info` is written as; None if they are of several kinds."""
    if isinstance(info, (mi.UnionType, *CHOICES)):
        return None
    noun = describe_kind(info)
    if noun in _JSON_NOUNS.values():
        return noun
    return "a number" if isinstance(info, _NUMBERS) else "a string"
