"""This module finds everything that is wrong with a JSON value, while msgspec stops at the first error.

It walks msgspec's description of the type (`msgspec.inspect`) beside the value and gives each error its JSON pointer
(RFC 6901). It runs only for requests that already failed, so it may be slow, but it must be plain. Errors say what was
expected and never repeat a value. Here are the checks of values with parts; those without are in `scalar_checks`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from types import GenericAlias
from typing import Any, Final, get_origin

import msgspec
from msgspec import inspect as mi

from ..errors import Invalid, make_more_errors
from ..sentinels import UNSET
from .error_search import Check, Search, TooManyErrorsError, TooManyValuesError
from .error_wording import describe_expected
from .exceptions import CONVERSION_ERRORS, get_validator_message
from .json_pointer import escape_token
from .scalar_checks import DecimalCheck, FileCheck, ScalarCheck, is_finite_decimal
from .type_info import (
    ARRAYS,
    CHOICES,
    OBJECTS,
    SCALAR_TYPES,
    is_positional,
    make_box,
    read_constraints,
    read_length_limits,
    rebuild_scalar_type,
    remove_none,
    unwrap_metadata,
)

MAX_ERRORS: Final = 1000
"""Errors that are counted in one JSON value; fewer are listed if their texts are long."""
MAX_VALUES: Final = 50_000
"""Values that are searched for errors in one JSON value: some 0.2 s of work."""


def find_errors(info: mi.Type, value: object, pointer: str = "") -> list[Invalid]:
    """Return the errors in `value`, a decoded JSON value at `pointer` that should be an `info`.

    Errors that the response cannot hold are left out. If some are, or if `value` is larger than `MAX_VALUES`, the last
    entries say so. Raises RecursionError if objects are nested too deeply.
    """
    search, is_exact, ends = Search(MAX_ERRORS, MAX_VALUES), True, list[Invalid]()
    try:
        search.apply(_get_check(info), value, pointer)
    except TooManyErrorsError:
        is_exact = False
    except TooManyValuesError:
        ends = [Invalid(f"Only the first {MAX_VALUES} values were checked", pointer=pointer)]
    left_out = search.count - len(search.errors)
    if left_out:
        ends.insert(0, make_more_errors(left_out, is_exact=is_exact))
    return [*search.errors, *ends]


def is_valid(info: mi.Type, value: object) -> bool | None:
    """Return True if the decoded JSON `value` is an `info`; None if it is too large or too deep to be searched."""
    search = Search(1, MAX_VALUES)
    try:
        search.apply(_get_check(info), value, "")
    except TooManyErrorsError:
        return False
    except (TooManyValuesError, RecursionError):
        return None
    return True


class _ArrayCheck(Check):
    """A check of any number of items of one type."""

    def __init__(self, info: Any) -> None:
        super().__init__(info)
        self._least, self._most = read_length_limits(info)
        self._item_check = _get_check(info.item_type)
        self.builds_sets = self._item_check.builds_sets or isinstance(info, mi.SetType | mi.FrozenSetType)

    def find_errors(self, search: Search, value: Any, pointer: str) -> None:
        """Add the errors in the array `value` and its items."""
        if not isinstance(value, list):
            self.add_mismatch(search, value, pointer)
            return
        if not self._least <= len(value) <= self._most:
            search.add_error(self._expected, pointer)
        check = self._item_check
        for index, item in enumerate(value):
            search.count_value()
            if not check.is_clearly_valid(item):
                check.find_errors(search, item, f"{pointer}/{index}")


class _DictCheck(Check):
    """A check of any number of names, each with a value of one type."""

    def __init__(self, info: Any) -> None:
        super().__init__(info)
        self._least, self._most = read_length_limits(info)
        self._value_check = _get_check(info.value_type)
        self.builds_sets = self._value_check.builds_sets
        self._expected_key = f"Expected the key to be {describe_expected(info.key_type)}"
        self._is_valid_key = _make_key_predicate(remove_none(info.key_type))

    def find_errors(self, search: Search, value: Any, pointer: str) -> None:
        """Add the errors in the keys and values of the object `value`."""
        if not isinstance(value, dict):
            self.add_mismatch(search, value, pointer)
            return
        if not self._least <= len(value) <= self._most:
            search.add_error(self._expected, pointer)
        for key, item in value.items():
            item_pointer = f"{pointer}/{escape_token(key)}"
            if not self._is_valid_key(key):
                search.add_error(self._expected_key, item_pointer)
            search.apply(self._value_check, item, item_pointer)


def _make_key_predicate(info: mi.Type) -> Callable[[str], bool]:
    """Return a function that decides if a JSON name can be the key `info`; a number as a key is spelled in the name."""
    if isinstance(info, mi.AnyType) or (isinstance(info, mi.StrType) and not read_constraints(info)):
        return lambda _: True
    box = make_box(GenericAlias(dict, (rebuild_scalar_type(info), None)))

    def is_valid_key(key: str) -> bool:
        try:
            msgspec.convert(({key: None},), box, str_keys=True)
        except CONVERSION_ERRORS:
            return False
        return not isinstance(info, mi.DecimalType) or is_finite_decimal(key)

    return is_valid_key


class _PositionsCheck(Check):
    """A check of an array whose items each have their type: a tuple, or fields that are written as an array."""

    def __init__(self, info: Any) -> None:
        super().__init__(info)
        self._info = info
        if isinstance(info, mi.TupleType):
            self._types = list(info.item_types)
            self._least, self._most = len(self._types), float(len(self._types))
            self.builds_sets = any(_get_check(item_type).builds_sets for item_type in self._types)
            return
        self._types = [field.type for field in info.fields]
        self._least = sum(field.required for field in info.fields)
        if isinstance(info, mi.StructType) and info.tag_field is not None:
            self._types.insert(0, mi.LiteralType((info.tag,)))
            self._least += 1
        ignores_more = isinstance(info, mi.StructType) and not info.forbid_unknown_fields
        self._most = math.inf if ignores_more else len(self._types)

    @cached_property
    def _item_checks(self) -> list[Check]:
        return [_get_check(item_type) for item_type in self._types]  # made late: this check may be among them

    @cached_property
    def _rule(self) -> Any:
        return _find_rule(self._info, self._item_checks)

    def find_errors(self, search: Search, value: Any, pointer: str) -> None:
        """Add the errors in the array `value` and its items."""
        if not isinstance(value, list) or not self._least <= len(value) <= self._most:
            self.add_mismatch(search, value, pointer)
            return
        errors_before = search.enter_object()
        for index, (check, item) in enumerate(zip(self._item_checks, value, strict=False)):
            search.apply(check, item, f"{pointer}/{index}")
        search.depth -= 1
        if self._rule is not None and search.count == errors_before:
            _check_rule(self._rule, search, value, pointer)


class _FieldsCheck(Check):
    """A check of fields that are written as an object."""

    def __init__(self, info: Any) -> None:
        super().__init__(info)
        self._info = info
        self._tag_field: str | None = getattr(info, "tag_field", None)
        self._tag: object = getattr(info, "tag", None)
        self._known_names = {self._tag_field, *(field.encode_name for field in info.fields)}
        self._refuses_unknown: bool = getattr(info, "forbid_unknown_fields", False)

    @cached_property
    def _fields(self) -> list[tuple[str, str, bool, Check, type | None, Callable[[Any], object] | None]]:
        checks = [(field, _get_check(field.type)) for field in self._info.fields]
        return [
            (
                field.encode_name,
                f"/{escape_token(field.encode_name)}",
                field.required,
                check,
                check.kind,
                check.is_valid,
            )
            for field, check in checks
        ]

    @cached_property
    def _rule(self) -> Any:
        return _find_rule(self._info, [check for _, _, _, check, _, _ in self._fields])

    def find_errors(self, search: Search, value: Any, pointer: str) -> None:
        """Add the errors in the object `value` and its fields."""
        if not isinstance(value, dict):
            self.add_mismatch(search, value, pointer)
            return
        errors_before = search.enter_object()
        if self._tag_field is not None and value.get(self._tag_field, self._tag) != self._tag:
            search.add_error(f"Expected {self._tag!r}", f"{pointer}/{escape_token(self._tag_field)}")
        for name, token, required, check, kind, is_valid in self._fields:
            item = value.get(name, UNSET)
            if type(item) is kind and (is_valid is None or is_valid(item)):  # `check.is_clearly_valid(item)`
                continue
            if item is not UNSET:
                search.values_left -= 1  # as `count_value` does; the limit is checked in `enter_object`
                check.find_errors(search, item, pointer + token)
            elif required:
                search.add_error("Missing required field", pointer + token)
        if self._refuses_unknown:
            for name in value:
                if name not in self._known_names:
                    search.add_error("Unknown field", f"{pointer}/{escape_token(name)}")
        search.depth -= 1
        if self._rule is not None and search.count == errors_before:
            _check_rule(self._rule, search, value, pointer)


def _find_rule(info: Any, checks: Iterable[Check]) -> Any:
    """Return the class to convert to if it may refuse a value whose parts all pass their `checks`; else None.

    A Struct refuses such a value in its `__post_init__`. Other classes may always do so.
    """
    if isinstance(info, mi.TupleType):
        return None
    cls: Any = info.cls
    is_plain = isinstance(info, mi.StructType) and not hasattr(get_origin(cls) or cls, "__post_init__")
    return None if is_plain and not any(check.builds_sets for check in checks) else cls


def _check_rule(cls: Any, search: Search, value: object, pointer: str) -> None:
    """Add the error that `cls` itself raises for `value`, whose parts are all valid."""
    try:
        msgspec.convert(value, cls, str_keys=True)
    except CONVERSION_ERRORS as error:
        message = get_validator_message(error)
        if message is not None:
            search.add_error(message, pointer)


class _UnionCheck(Check):
    """A check against several types. It reports the errors of the member that was meant, if that can be determined."""

    def __init__(self, info: Any) -> None:
        super().__init__(info)
        members = [(unwrap_metadata(member), _get_check(member)) for member in info.types]
        self._checks = [check for _, check in members]
        self.kind, self.is_valid = next(
            ((check.kind, check.is_valid) for check in self._checks if check.kind), (None, None)
        )
        self.builds_sets = any(check.builds_sets for check in self._checks)
        self._arrays = [pair for pair in members if isinstance(pair[0], _IN_ARRAYS) or is_positional(pair[0])]
        self._objects = [pair for pair in members if isinstance(pair[0], _IN_OBJECTS) and not is_positional(pair[0])]
        self._tagged = [
            member for member, _ in members if isinstance(member, mi.StructType) and member.tag_field is not None
        ]

    def find_errors(self, search: Search, value: Any, pointer: str) -> None:
        """Add the errors in `value` by the member that was meant, or that it is not any member."""
        for check in self._checks:
            if check.is_clearly_valid(value):
                return
        tagged, candidates = self._tagged, self._list_candidates(value)
        if len(candidates) == 1:
            search.apply(candidates[0], value, pointer)
        elif tagged and isinstance(value, list if is_positional(tagged[0]) else dict):
            tags = ", ".join(repr(member.tag) for member in tagged)
            token = 0 if is_positional(tagged[0]) else tagged[0].tag_field
            search.add_error(f"Expected one of {tags}", f"{pointer}/{escape_token(token)}")
        elif all(search.has_errors(check, value) for check in self._checks):
            self.add_mismatch(search, value, pointer)

    def _list_candidates(self, value: Any) -> list[Check]:
        """Return the members of the kind and with the tag of `value`; the only tagged member needs no tag."""
        members = self._arrays if isinstance(value, list) else self._objects if isinstance(value, dict) else ()
        return [check for member, check in members if len(self._tagged) == 1 or _has_tag(value, member)]


def _has_tag(value: Any, member: mi.Type) -> bool:
    """Return True if `value` has the tag of `member`, or `member` has none."""
    if not isinstance(member, mi.StructType) or member.tag_field is None:
        return True
    return (value[:1] == [member.tag]) if isinstance(value, list) else value.get(member.tag_field) == member.tag


_IN_ARRAYS: Final = (*ARRAYS, mi.TupleType)
_IN_OBJECTS: Final = (*OBJECTS, mi.DictType)
_CHECK_CLASSES: Final[Sequence[tuple[Any, Callable[[mi.Type], Check]]]] = (
    (mi.DecimalType, DecimalCheck),
    ((*SCALAR_TYPES, *CHOICES), ScalarCheck),
    (ARRAYS, _ArrayCheck),
    (mi.TupleType, _PositionsCheck),
    (mi.DictType, _DictCheck),
    ((*OBJECTS, mi.NamedTupleType), lambda info: (_PositionsCheck if is_positional(info) else _FieldsCheck)(info)),
    (mi.UnionType, _UnionCheck),
    (mi.CustomType, FileCheck),
)

_checks: Final[dict[int, tuple[mi.Type, Check]]] = {}
_MAX_CHECKS: Final = 4096


def _get_check(info: mi.Type) -> Check:
    """Return the check of `info`, made once. A description cannot be hashed: its identity is the key, so it is kept."""
    entry = _checks.get(id(info))
    if entry is None:
        if len(_checks) >= _MAX_CHECKS:
            _checks.clear()
        plain = unwrap_metadata(info)
        make_check = next((make for kinds, make in _CHECK_CLASSES if isinstance(plain, kinds)), Check)
        entry = _checks[id(info)] = info, make_check(plain)
    return entry[1]
