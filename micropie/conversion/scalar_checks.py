"""This module checks single JSON values: numbers, texts, choices, and files, which JSON cannot hold."""

import math
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import inspect as mi

from .._utils.lazy_imports import lazy_pattern
from .error_search import JSON_TYPES, Check, Search
from .exceptions import CONVERSION_ERRORS
from .type_info import SCALAR_TYPES, make_box, read_constraints, read_length_limits, rebuild_scalar_type

_Predicate: TypeAlias = Callable[[Any], object]


class FileCheck(Check):
    """A check that refuses every JSON value, since none is a file."""

    find_errors = Check.add_mismatch


class ScalarCheck(Check):
    """A check of a value that has no parts."""

    def __init__(self, info: Any) -> None:
        super().__init__(info)
        self._box = make_box(rebuild_scalar_type(info))
        self.kind, self.is_valid = _judge_at_sight(info)
        # Where JSON has one form for a type, first sight decides about every value; a float may be written as an int.
        decided = JSON_TYPES - {int} if self.kind is float else JSON_TYPES
        self._decided = decided if self.kind is not None else frozenset()

    def find_errors(self, search: Search, value: Any, pointer: str) -> None:
        """Add the error in `value`, if there is one."""
        if type(value) not in self._decided:
            try:
                msgspec.convert((value,), self._box)
            except CONVERSION_ERRORS:
                pass
            else:
                return
        self.add_mismatch(search, value, pointer)


class DecimalCheck(ScalarCheck):
    """A check of a number that JSON may also write as text."""

    def find_errors(self, search: Search, value: Any, pointer: str) -> None:
        """Add the error in `value`, if there is one."""
        if isinstance(value, str) and not is_finite_decimal(value):
            self.add_mismatch(search, value, pointer)
        else:
            super().find_errors(search, value, pointer)


def is_finite_decimal(text: str) -> bool:
    """Return False if `text` is one that only Decimal reads as a number, such as "NaN". msgspec refuses the others."""
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return True


_encode_with_bare_decimals = msgspec.json.Encoder(decimal_format="number").encode
_STRING: Final = lazy_pattern(rb'"(?:[^"\\]|\\.)*"')


def has_only_finite_decimals(value: object) -> bool:
    """Return False if a Decimal that is infinite or not a number is part of `value`, or if that cannot be told."""
    try:
        document = _encode_with_bare_decimals(value)
    except (TypeError, ValueError, RecursionError):
        return False
    outside_strings = _STRING.sub(b"", document)
    return not (b"N" in outside_strings or b"I" in outside_strings)  # `NaN`, `sNaN`, `-Infinity`


def _judge_at_sight(info: Any) -> tuple[type | None, _Predicate | None]:
    """Return `Check.kind` and `Check.is_valid` of a scalar; no kind if only msgspec can judge its values."""
    if isinstance(info, mi.LiteralType):
        kinds = {type(value) for value in info.values}
        return (kinds.pop(), frozenset(info.values).__contains__) if len(kinds) == 1 else (None, None)
    if isinstance(info, mi.IntType | mi.FloatType) and info.multiple_of is None:
        return SCALAR_TYPES[type(info)], _make_number_predicate(info) if read_constraints(info) else None
    if isinstance(info, mi.StrType):
        return str, _make_text_predicate(info) if read_constraints(info) else None
    return (SCALAR_TYPES[type(info)] if isinstance(info, mi.BoolType | mi.NoneType) else None), None


def _make_number_predicate(info: Any) -> _Predicate:
    is_float = isinstance(info, mi.FloatType)
    least = -math.inf if info.ge is None else info.ge
    most = math.inf if info.le is None else info.le
    if (floor := info.gt) is not None:
        least = math.nextafter(floor, math.inf) if is_float else floor + 1
    if (ceiling := info.lt) is not None:
        most = math.nextafter(ceiling, -math.inf) if is_float else ceiling - 1
    return lambda value: least <= value <= most


def _make_text_predicate(info: Any) -> _Predicate:
    shortest, longest = read_length_limits(info)
    search = re.compile(info.pattern or "").search
    if info.min_length is None and info.max_length is None:
        return search
    return lambda text: shortest <= len(text) <= longest and search(text)
