"""Everything that is wrong with a JSON value: not just the first thing.

msgspec stops at the first error; this walks its description of the type (`msgspec.inspect`) beside the value and
notes each one with its JSON pointer (RFC 6901). It runs only for requests that already failed, so it may be slow, but
it must be plain. No value is ever repeated in a message, only what was wanted.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cached_property
from types import GenericAlias
from typing import Any, Final, get_origin

import msgspec
from msgspec import inspect as mi

from ..errors import Invalid
from ..sentinels import UNSET
from .error_wording import describe_expected, describe_kind
from .exceptions import CONVERSION_ERRORS, validator_message
from .json_pointer import escape_token
from .type_info import (
    ARRAYS,
    LEAVES,
    OBJECTS,
    is_positional,
    read_constraints,
    rebuild_scalar_type,
    remove_none,
    unwrap_metadata,
)

MAX_ERRORS: Final = 1000
"""Errors told of one JSON value: more help nobody, and the answer would be many times the size of the request."""
MAX_VALUES: Final = 50_000
"""Values looked at to find errors in one JSON value: some 0.2 s of work."""

MAX_DEPTH: Final = 200
"""Objects within one another that are looked into; each takes up to five frames of the thousand that Python has."""

_JSON_NAMES: Final[Mapping[type, str]] = {
    dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null",
}  # fmt: skip
_JSON_TYPES: Final[frozenset[type]] = frozenset({dict, list, str, int, float, bool, type(None)})
_NUMBERS: Final = (mi.IntType, mi.FloatType, mi.DecimalType)
_CHOICES: Final = (mi.EnumType, mi.LiteralType)


def _wanted_json(info: mi.Type) -> str | None:
    """The kind of JSON value that `info` is written as; None where there is no one kind."""
    if isinstance(info, (mi.UnionType, *_CHOICES)):
        return None
    noun = describe_kind(info)
    if noun in _JSON_NAMES.values():
        return noun
    return "a number" if isinstance(info, _NUMBERS) else "a string"


class _GaveUp(Exception):
    """The value is too large to look at all of it."""


class _Enough(Exception):
    """As many errors as are wanted have been found."""


class _Search:
    """One search for errors. It ends at `MAX_VALUES`, so that what is hostile costs no more than what is wrong."""

    __slots__ = ("_wanted", "depth", "errors", "left")

    def __init__(self, wanted: int, left: int) -> None:
        self.errors: list[Invalid] = []
        self.depth = 0
        self._wanted = wanted
        self.left = left

    def note(self, detail: str, pointer: str) -> None:
        """Add an error. Raises _Enough after the last one that is wanted."""
        self.errors.append(Invalid(detail, pointer=pointer))
        if len(self.errors) == self._wanted:
            raise _Enough

    def enter(self) -> int:
        """Begin with an object; how many errors there are so far. Raises _GaveUp, and RecursionError at `MAX_DEPTH`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise RecursionError
        if self.left < 0:
            raise _GaveUp
        return len(self.errors)

    def count(self) -> None:
        """One more value is looked at. Raises _GaveUp."""
        self.left -= 1
        if self.left < 0:
            raise _GaveUp

    def look(self, check: "_Check", value: object, pointer: str) -> None:
        """Note what `check` finds wrong with `value`. Raises _GaveUp and _Enough."""
        self.count()
        if not check.knows(value):
            check.look(self, value, pointer)

    def refuses(self, check: "_Check", value: object) -> bool:
        """Whether anything is wrong with `value`; what that is is not noted. Raises _GaveUp."""
        search = _Search(1, self.left)
        search.depth = self.depth
        try:
            search.look(check, value, "")
        except _Enough:
            return True
        finally:
            self.left = search.left
        return False


def find_errors(info: mi.Type, value: object, pointer: str = "") -> list[Invalid]:
    """Everything wrong with `value`, a decoded JSON value, where `info` is expected: at most `MAX_ERRORS` things."""
    search = _Search(MAX_ERRORS, MAX_VALUES)
    try:
        search.look(_check_of(info), value, pointer)
    except _Enough:
        pass
    except _GaveUp:
        search.errors.append(Invalid(f"Only the first {MAX_VALUES} values were checked", pointer=pointer))
    return search.errors


class _Check:
    """What to look for where `info` is expected: all that follows from the type alone, worked out once.

    By itself it is the check of a type that takes whatever comes.
    """

    kind: type | None = None
    judge: Callable[[Any], object] | None = None
    """A type of which every value that the judge finds right is right; without a judge every one."""
    builds_sets = False
    """Whether a value may be wrong though all that it holds is right: only a set finds that an item has no hash."""

    def __init__(self, info: Any) -> None:
        self._expected = f"Expected {describe_expected(info)}"
        wanted = _wanted_json(info)
        names = {kind: _JSON_NAMES.get(kind, "a number") for kind in _JSON_TYPES}
        # What is said of a value by its type: what was wanted and, where that is news, what kind came.
        self._told = {
            kind: self._expected if wanted in (None, name) else f"{self._expected}, got {name}"
            for kind, name in names.items()
        }

    def knows(self, value: object) -> bool:
        """Whether `value` is right at first sight."""
        return type(value) is self.kind and (self.judge is None or bool(self.judge(value)))

    def look(self, search: _Search, value: Any, pointer: str) -> None:
        """Note what is wrong with `value`, which is not right at first sight."""

    def mismatch(self, search: _Search, value: object, pointer: str) -> None:
        """Note that `value` does not fit."""
        search.note(self._told.get(type(value), self._expected), pointer)


class _File(_Check):
    """No JSON value is a file."""

    look = _Check.mismatch


class _Scalar(_Check):
    """One value by itself."""

    def __init__(self, info: Any) -> None:
        super().__init__(info)
        self._box = _box(rebuild_scalar_type(info))
        self.kind, self.judge = _at_sight(info)
        # What JSON writes in one way only is wrong unless it is right at first sight; a float may be written as an int.
        decided = _JSON_TYPES - {int} if self.kind is float else _JSON_TYPES
        self._decided = decided if self.kind is not None else frozenset()

    def look(self, search: _Search, value: Any, pointer: str) -> None:
        if type(value) not in self._decided:
            try:
                msgspec.convert((value,), self._box)
            except CONVERSION_ERRORS:
                pass
            else:
                return
        self.mismatch(search, value, pointer)


def _at_sight(info: Any) -> tuple[type | None, Callable[[Any], object] | None]:
    """The `kind` and the `judge` of a scalar; no kind where only msgspec knows."""
    if isinstance(info, mi.LiteralType):
        kinds = {type(value) for value in info.values}
        return (kinds.pop(), frozenset(info.values).__contains__) if len(kinds) == 1 else (None, None)
    if isinstance(info, mi.IntType | mi.FloatType) and info.multiple_of is None:
        return LEAVES[type(info)][0], _number_judge(info) if read_constraints(info) else None
    if isinstance(info, mi.StrType):
        return str, _text_judge(info) if read_constraints(info) else None
    return (LEAVES[type(info)][0] if isinstance(info, mi.BoolType | mi.NoneType) else None), None


def _number_judge(info: Any) -> Callable[[Any], object]:
    is_float = isinstance(info, mi.FloatType)
    least = -math.inf if info.ge is None else info.ge
    most = math.inf if info.le is None else info.le
    if info.gt is not None:
        least = math.nextafter(info.gt, math.inf) if is_float else info.gt + 1
    if info.lt is not None:
        most = math.nextafter(info.lt, -math.inf) if is_float else info.lt - 1
    return lambda value: least <= value <= most


def _text_judge(info: Any) -> Callable[[str], object]:
    least, most = _room(info)
    search = re.compile(info.pattern or "").search
    if info.min_length is None and info.max_length is None:
        return search
    return lambda text: least <= len(text) <= most and search(text)


class _Decimal(_Scalar):
    """A number that JSON may also write as text."""

    def look(self, search: _Search, value: Any, pointer: str) -> None:
        if isinstance(value, str) and not _may_be_finite(value):
            self.mismatch(search, value, pointer)
        else:
            super().look(search, value, pointer)


def _box(annotation: Any) -> Any:
    """What to convert `(value,)` to: msgspec remembers what it worked out of a Struct, but not of an annotation."""
    return msgspec.defstruct("Box", [("value", annotation)], array_like=True)


def _may_be_finite(text: str) -> bool:
    """Whether `text` is none of those that only Decimal calls a number, such as "NaN"."""
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return True


class _Array(_Check):
    """Any number of items of one type."""

    def __init__(self, info: Any) -> None:
        super().__init__(info)
        self._least, self._most = _room(info)
        self._item = _check_of(info.item_type)
        self.builds_sets = self._item.builds_sets or isinstance(info, mi.SetType | mi.FrozenSetType)

    def look(self, search: _Search, value: Any, pointer: str) -> None:
        if not isinstance(value, list):
            self.mismatch(search, value, pointer)
            return
        if not self._least <= len(value) <= self._most:
            search.note(self._expected, pointer)
        check = self._item
        for index, item in enumerate(value):
            search.count()
            if not check.knows(item):
                check.look(search, item, f"{pointer}/{index}")


def _room(info: Any) -> tuple[int, float]:
    """How many items `info` allows, at least and at most."""
    return info.min_length or 0, math.inf if info.max_length is None else info.max_length


class _Dict(_Check):
    """Any number of names, each with a value of one type."""

    def __init__(self, info: Any) -> None:
        super().__init__(info)
        self._least, self._most = _room(info)
        self._value = _check_of(info.value_type)
        self.builds_sets = self._value.builds_sets
        self._expected_key = f"Expected the key to be {describe_expected(info.key_type)}"
        self._key_fits = _key_fitter(remove_none(info.key_type))

    def look(self, search: _Search, value: Any, pointer: str) -> None:
        if not isinstance(value, dict):
            self.mismatch(search, value, pointer)
            return
        if not self._least <= len(value) <= self._most:
            search.note(self._expected, pointer)
        for key, item in value.items():
            place = f"{pointer}/{escape_token(key)}"
            if not self._key_fits(key):
                search.note(self._expected_key, place)
            search.look(self._value, item, place)


def _key_fitter(info: mi.Type) -> Callable[[str], bool]:
    """What tells whether a name will do for a key. JSON's names are text; a number as a key is spelled in it."""
    if isinstance(info, mi.AnyType) or (isinstance(info, mi.StrType) and not read_constraints(info)):
        return lambda _: True
    box = _box(GenericAlias(dict, (rebuild_scalar_type(info), None)))

    def fits(key: str) -> bool:
        try:
            msgspec.convert(({key: None},), box, str_keys=True)
        except CONVERSION_ERRORS:
            return False
        return not isinstance(info, mi.DecimalType) or _may_be_finite(key)

    return fits


class _Positions(_Check):
    """Items that have each a type of their own: a tuple, or fields that are written as an array."""

    def __init__(self, info: Any) -> None:
        super().__init__(info)
        self._info = info
        if isinstance(info, mi.TupleType):
            self._types = list(info.item_types)
            self._least, self._most = len(self._types), float(len(self._types))
            self.builds_sets = any(_check_of(kind).builds_sets for kind in self._types)
            return
        self._types = [field.type for field in info.fields]
        self._least = sum(field.required for field in info.fields)
        if isinstance(info, mi.StructType) and info.tag_field is not None:
            self._types.insert(0, mi.LiteralType((info.tag,)))
            self._least += 1
        may_go_on = isinstance(info, mi.StructType) and not info.forbid_unknown_fields
        self._most = math.inf if may_go_on else len(self._types)

    @cached_property
    def _items(self) -> list[_Check]:
        return [_check_of(kind) for kind in self._types]  # not before it is needed: it may be among them itself

    @cached_property
    def _rule(self) -> Any:
        return _rule_of(self._info, self._items)

    def look(self, search: _Search, value: Any, pointer: str) -> None:
        if not isinstance(value, list) or not self._least <= len(value) <= self._most:
            self.mismatch(search, value, pointer)
            return
        before = search.enter()
        for index, (check, item) in enumerate(zip(self._items, value, strict=False)):
            search.look(check, item, f"{pointer}/{index}")
        search.depth -= 1
        if self._rule is not None and len(search.errors) == before:
            _obey(self._rule, search, value, pointer)


class _Names(_Check):
    """Fields that are written as an object."""

    def __init__(self, info: Any) -> None:
        super().__init__(info)
        self._info = info
        self._tag_field: str | None = getattr(info, "tag_field", None)
        self._tag: object = getattr(info, "tag", None)
        self._known = {self._tag_field, *(field.encode_name for field in info.fields)}
        self._is_closed: bool = getattr(info, "forbid_unknown_fields", False)

    @cached_property
    def _fields(self) -> list[tuple[str, str, bool, _Check, type | None, Callable[[Any], object] | None]]:
        checks = [(field, _check_of(field.type)) for field in self._info.fields]
        return [
            (field.encode_name, f"/{escape_token(field.encode_name)}", field.required, check, check.kind, check.judge)
            for field, check in checks
        ]

    @cached_property
    def _rule(self) -> Any:
        return _rule_of(self._info, [check for _, _, _, check, _, _ in self._fields])

    def look(self, search: _Search, value: Any, pointer: str) -> None:
        if not isinstance(value, dict):
            self.mismatch(search, value, pointer)
            return
        before = search.enter()
        if self._tag_field is not None and value.get(self._tag_field, self._tag) != self._tag:
            search.note(f"Expected {self._tag!r}", f"{pointer}/{escape_token(self._tag_field)}")
        for name, place, required, check, kind, judge in self._fields:
            item = value.get(name, UNSET)
            if type(item) is kind and (judge is None or judge(item)):  # `check.knows(item)`
                continue
            if item is not UNSET:
                search.left -= 1  # as in `count`; whether any are left is asked where there may be many
                check.look(search, item, pointer + place)
            elif required:
                search.note("Missing required field", pointer + place)
        if self._is_closed:
            for name in value:
                if name not in self._known:
                    search.note("Unknown field", f"{pointer}/{escape_token(name)}")
        search.depth -= 1
        if self._rule is not None and len(search.errors) == before:
            _obey(self._rule, search, value, pointer)


def _rule_of(info: Any, parts: Iterable[_Check]) -> Any:
    """What `_obey` has to ask: the class, where that may say no although each of its `parts` is right; else None.

    A Struct does so by a `__post_init__`; of what other classes are made of we know nothing.
    """
    if isinstance(info, mi.TupleType):
        return None
    cls: Any = info.cls
    is_plain = isinstance(info, mi.StructType) and not hasattr(get_origin(cls) or cls, "__post_init__")
    return None if is_plain and not any(part.builds_sets for part in parts) else cls


def _obey(cls: Any, search: _Search, value: object, pointer: str) -> None:
    """Note what the rule of `cls` says of `value`, of which every part is right by itself."""
    try:
        msgspec.convert(value, cls, str_keys=True)
    except CONVERSION_ERRORS as error:
        words = validator_message(error)
        if words is not None:
            search.note(words, pointer)


class _Union(_Check):
    """One of several types. What is wrong is told of the one that was meant, where that can be known."""

    def __init__(self, info: Any) -> None:
        super().__init__(info)
        members = [(unwrap_metadata(member), _check_of(member)) for member in info.types]
        self._checks = [check for _, check in members]
        self.kind, self.judge = next(((check.kind, check.judge) for check in self._checks if check.kind), (None, None))
        self.builds_sets = any(check.builds_sets for check in self._checks)
        self._arrays = [pair for pair in members if isinstance(pair[0], _IN_ARRAYS) or is_positional(pair[0])]
        self._objects = [pair for pair in members if isinstance(pair[0], _IN_OBJECTS) and not is_positional(pair[0])]
        self._tagged = [kind for kind, _ in members if isinstance(kind, mi.StructType) and kind.tag_field is not None]

    def look(self, search: _Search, value: Any, pointer: str) -> None:
        for check in self._checks:
            if check.knows(value):
                return
        tagged, meant = self._tagged, self._meant(value)
        if len(meant) == 1:
            search.look(meant[0], value, pointer)
        elif tagged and isinstance(value, list if is_positional(tagged[0]) else dict):
            wanted = "one of " + ", ".join(repr(member.tag) for member in tagged)
            place = 0 if is_positional(tagged[0]) else tagged[0].tag_field
            search.note(f"Expected {wanted}", f"{pointer}/{escape_token(place)}")
        elif all(search.refuses(check, value) for check in self._checks):
            self.mismatch(search, value, pointer)

    def _meant(self, value: Any) -> list[_Check]:
        """The members of the kind of `value` and with its tag; one that alone has a tag needs none to be known by."""
        of_its_kind = self._arrays if isinstance(value, list) else self._objects if isinstance(value, dict) else ()
        return [check for member, check in of_its_kind if len(self._tagged) == 1 or _has_tag(value, member)]


def _has_tag(value: Any, member: mi.Type) -> bool:
    """Whether `value` has the tag of `member`, where that has one."""
    if not isinstance(member, mi.StructType) or member.tag_field is None:
        return True
    return (value[:1] == [member.tag]) if isinstance(value, list) else value.get(member.tag_field) == member.tag


_IN_ARRAYS: Final = (*ARRAYS, mi.TupleType)
_IN_OBJECTS: Final = (*OBJECTS, mi.DictType)
_KINDS: Final[Sequence[tuple[Any, Callable[[mi.Type], _Check]]]] = (
    (mi.DecimalType, _Decimal),
    ((*LEAVES, *_CHOICES), _Scalar),
    (ARRAYS, _Array),
    (mi.TupleType, _Positions),
    (mi.DictType, _Dict),
    ((*OBJECTS, mi.NamedTupleType), lambda info: (_Positions if is_positional(info) else _Names)(info)),
    (mi.UnionType, _Union),
    (mi.CustomType, _File),
)

_checks: Final[dict[int, tuple[mi.Type, _Check]]] = {}
_MAX_CHECKS: Final = 4096


def _check_of(info: mi.Type) -> _Check:
    """The check of `info`, made once. A description has no hash; it is known, and kept, for its identity."""
    kept = _checks.get(id(info))
    if kept is None:
        if len(_checks) >= _MAX_CHECKS:
            _checks.clear()
        plain = unwrap_metadata(info)
        make = next((make for kinds, make in _KINDS if isinstance(plain, kinds)), _Check)
        kept = _checks[id(info)] = info, make(plain)
    return kept[1]
