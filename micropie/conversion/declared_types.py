"""This module says what passes as a declared type, and leaves out of all else what the type does not declare.

A value of exactly the declared class passes as it is, after a comparison of classes at every depth where the type holds
a class with fields. Anything else (a subclass, a dict, another object) is converted: each declared field is copied into
data for JSON, and a value that lacks one is refused. Types that hold no class with fields are compared by their own
class alone; what their items are is left to type checkers, debug mode and the test clients. `to_declared` reads types.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from enum import Enum
from operator import attrgetter, countOf
from types import NoneType
from typing import Any, Final, get_args, is_typeddict

import msgspec

from .._utils.lazy_imports import lazy_pattern
from ..responses.encoding import build_await_error
from ..sentinels import UNSET


class UndeclaredError(Exception):
    """A value that cannot be sent as its declared type. The text names the field, what was expected and what came."""


ROOT: Final = "$"
"""The place of a whole value, as msgspec writes it."""


class DeclaredType:
    """A type that something is sent as, taken apart once. This base class is `Any`: every value passes."""

    classes: frozenset[type] = frozenset()
    """The classes of the values that pass as they are, if `is_flat`; a superset of them otherwise."""
    is_flat = True
    """True if the class alone decides whether a value passes as it is."""
    is_open = True
    """True if nothing is left out: the type is `Any`, or holds no class with fields."""

    def fits(self, value: Any) -> bool:  # noqa: ARG002  (subclasses look at it)
        """Return True if `value` passes as it is."""
        return True

    def convert(self, value: Any, place: str = ROOT) -> Any:  # noqa: ARG002  (subclasses name it)
        """Return `value`, which is at `place`, as data with the declared fields only. Raises UndeclaredError."""
        return value


class ScalarType(DeclaredType):
    """A type without parts, or a class whose instances are sent as one piece."""

    def __init__(self, annotation: Any, classes: Iterable[type], *, is_text_form: bool) -> None:
        self._annotation = annotation
        self._is_text_form = is_text_form
        self.classes = frozenset(classes)

    def fits(self, value: Any) -> bool:
        """Return True if `value` passes as it is."""
        return type(value) in self.classes

    def convert(self, value: Any, place: str = ROOT) -> Any:
        """Return `value` with the declared fields only. Raises UndeclaredError."""
        if isinstance(value, tuple(self.classes)) and not has_fields(type(value)):
            return value
        if self._is_text_form:
            try:  # another value that is the same JSON
                msgspec.convert(msgspec.to_builtins(value), self._annotation)
            except (msgspec.ValidationError, TypeError, ValueError, RecursionError):
                pass
            else:
                return value
        raise _build_error(self._annotation, value, place)


class ArrayType(DeclaredType):
    """A list, set or tuple of any length."""

    classes = frozenset((list, tuple, set, frozenset))
    is_flat = is_open = False

    def __init__(self, annotation: Any) -> None:
        self._annotation = annotation

    def finish(self, item: DeclaredType) -> None:
        """Take the type of the items."""
        self._item = item
        self.is_open = self.is_flat = item.is_open
        self._has_fitting = _make_items_check(item)

    def fits(self, value: Any) -> bool:
        """Return True if `value` passes as it is."""
        return type(value) in self.classes and self._has_fitting(value)

    def convert(self, value: Any, place: str = ROOT) -> Any:
        """Return `value` with the declared fields only. Raises UndeclaredError."""
        if not isinstance(value, Collection) or isinstance(value, str | bytes | bytearray | memoryview | Mapping):
            raise _build_error(self._annotation, value, place)
        convert = self._item.convert
        return [convert(item, f"{place}[{index}]") for index, item in enumerate(value)]


class FixedTupleType(DeclaredType):
    """A tuple that declares each of its items."""

    classes = frozenset((tuple, list))
    is_flat = is_open = False

    def __init__(self, annotation: Any) -> None:
        self._annotation = annotation

    def finish(self, items: tuple[DeclaredType, ...]) -> None:
        """Take the types of the items."""
        self._items = items
        self.is_open = all(item.is_open for item in items)

    def fits(self, value: Any) -> bool:
        """Return True if `value` passes as it is."""
        if type(value) not in self.classes or len(value) != len(self._items):
            return False
        return self.is_open or all(item.fits(part) for item, part in zip(self._items, value, strict=True))

    def convert(self, value: Any, place: str = ROOT) -> Any:
        """Return `value` with the declared fields only. Raises UndeclaredError."""
        if not isinstance(value, tuple | list) or len(value) < len(self._items):
            raise _build_error(self._annotation, value, place)
        return [
            item.convert(part, f"{place}[{index}]")
            for index, (item, part) in enumerate(zip(self._items, value, strict=False))
        ]


class MappingType(DeclaredType):
    """A dict, or another mapping, with any keys."""

    is_flat = is_open = False

    def __init__(self, annotation: Any, cls: type) -> None:
        self._annotation = annotation
        self.classes = frozenset((dict, cls))

    def finish(self, item: DeclaredType) -> None:
        """Take the type of the values."""
        self._item = item
        self.is_open = self.is_flat = item.is_open
        self._has_fitting = _make_items_check(item)

    def fits(self, value: Any) -> bool:
        """Return True if `value` passes as it is."""
        return type(value) in self.classes and self._has_fitting(value.values())

    def convert(self, value: Any, place: str = ROOT) -> Any:
        """Return `value` with the declared fields only. Raises UndeclaredError."""
        if not isinstance(value, Mapping):
            raise _build_error(self._annotation, value, place)
        convert = self._item.convert
        return {key: convert(item, f"{place}[...]") for key, item in value.items()}


class Field(msgspec.Struct, frozen=True, eq=False):
    """A field of a class."""

    name: str
    wire: str
    """The name in JSON."""
    type: DeclaredType
    get_default: Callable[[], Any] | None
    """None for a field that every value must have."""


_ATOMS: Final = (str, bytes, bytearray, memoryview, int, float, complex, list, set, frozenset, NoneType, Enum, type)
"""Classes of values that cannot stand for a class with fields."""


class ClassType(DeclaredType):
    """A class with fields: a Struct, dataclass, attrs class, TypedDict or NamedTuple."""

    is_flat = is_open = False

    def __init__(self, annotation: Any, cls: type) -> None:
        self._annotation = annotation
        self.cls = cls
        self._is_dict = is_typeddict(cls)
        self.classes = frozenset((dict if self._is_dict else cls,))
        config = getattr(cls, "__struct_config__", None)
        self._tag = getattr(config, "tag", None)
        self._tag_field = getattr(config, "tag_field", None)
        self._omits_defaults = getattr(config, "omit_defaults", False)
        self._is_array = issubclass(cls, tuple) or getattr(config, "array_like", False)
        # msgspec sends whatever an instance of an attrs class with `slots=False` holds.
        self._has_free_attributes = hasattr(cls, "__attrs_attrs__") and bool(getattr(cls, "__dictoffset__", 0))

    def finish(self, fields: tuple[Field, ...]) -> None:
        """Take the fields."""
        self._fields = fields
        self._names = frozenset(field.name for field in fields)
        self._required = frozenset(field.name for field in fields if field.get_default is None)
        self._checked = tuple(
            (field.name, attrgetter(field.name), field.type) for field in fields if not field.type.is_open
        )
        self.is_flat = not (self._checked or self._is_dict or self._has_free_attributes)

    def fits(self, value: Any) -> bool:
        """Return True if `value` passes as it is."""
        if type(value) not in self.classes:
            return False
        if self._is_dict:
            names = value.keys()
            if not (names == self._names or (names <= self._names and names >= self._required)):
                return False
            return all(declared.fits(value[name]) for name, _, declared in self._checked if name in value)
        if self._has_free_attributes and not vars(value).keys() <= self._names:
            return False
        return all(declared.fits(get(value)) for _, get, declared in self._checked)

    def convert(self, value: Any, place: str = ROOT) -> Any:
        """Return `value` with the declared fields only. Raises UndeclaredError."""
        is_other = self._is_dict or not isinstance(value, self.cls)
        if is_other and (isinstance(value, _ATOMS) or type(value) is tuple or hasattr(value, "__await__")):
            raise _build_error(self._annotation, value, place)
        read = self._read_key if isinstance(value, Mapping) else self._read_attribute
        if isinstance(value, Mapping) and self._tag is not None and value.get(self._tag_field, self._tag) != self._tag:
            raise _build_error(self._annotation, value, place)
        data: dict[str, Any] = {} if self._tag is None else {self._tag_field or "": self._tag}
        for field in self._fields:
            part = read(value, field, f"{place}.{field.name}")
            if part is UNSET or part is msgspec.UNSET:
                continue
            if self._omits_defaults and field.get_default is not None and part == field.get_default():
                continue
            data[field.wire] = field.type.convert(part, f"{place}.{field.name}")
        return list(data.values()) if self._is_array else data

    def _read_key(self, value: Mapping[str, Any], field: Field, place: str) -> Any:
        for name in (field.wire, field.name):
            if name in value:
                return value[name]
        return self._read_default(value, field, place)

    def _read_attribute(self, value: Any, field: Field, place: str) -> Any:
        part = getattr(value, field.name, UNSET)
        return self._read_default(value, field, place) if part is UNSET else part

    def _read_default(self, value: Any, field: Field, place: str) -> Any:
        if field.get_default is None:
            raise UndeclaredError(f"`{format_annotation(type(value))}` has no `{field.name}` - at `{place}`")
        return field.get_default()


class UnionType(DeclaredType):
    """A union of types."""

    is_flat = is_open = False

    def __init__(self, annotation: Any) -> None:
        self._annotation = annotation

    def finish(self, members: tuple[DeclaredType, ...]) -> None:
        """Take the members."""
        self._members = members
        self.classes = frozenset().union(*(member.classes for member in members))
        self.is_open = all(member.is_open for member in members)
        self.is_flat = all(member.is_flat for member in members)

    def fits(self, value: Any) -> bool:
        """Return True if `value` passes as it is."""
        return any(member.fits(value) for member in self._members)

    def convert(self, value: Any, place: str = ROOT) -> Any:
        """Return `value` with the declared fields only. Raises UndeclaredError."""
        if self.fits(value):
            return value
        for cls in type(value).__mro__:  # the nearest class above that of the value
            for member in self._members:
                if isinstance(member, ClassType) and cls is member.cls:
                    return member.convert(value, place)
        results = []
        errors = []
        for member in self._members:
            try:
                results.append(member.convert(value, place))
            except UndeclaredError as error:
                errors.append(error)
        if not results:
            raise errors[-1] if len(errors) == 1 else _build_error(self._annotation, value, place)
        # Of several classes that a dict can be, the one that keeps the most of it.
        return max(results, key=lambda result: len(result) if isinstance(result, dict) else 0)


def _make_items_check(item: DeclaredType) -> Callable[[Collection[Any]], bool]:
    """Return a function that returns True if all items fit. No Python code runs for an item of a flat type."""
    if item.is_open:
        return lambda _: True
    if item.is_flat and len(item.classes) == 1:  # 175 instructions for an item; a loop takes 250
        (cls,) = item.classes
        return lambda values: countOf(map(type, values), cls) == len(values)
    if item.is_flat:
        holds_all = item.classes.issuperset
        return lambda values: holds_all(map(type, values))
    return lambda values: all(map(item.fits, values))


def _build_error(annotation: Any, value: object, place: str) -> UndeclaredError:
    if hasattr(value, "__await__"):
        raise build_await_error(value)
    what = f"Expected `{format_annotation(annotation)}`, got `{format_annotation(type(value))}`"
    return UndeclaredError(what if place == ROOT else f"{what} - at `{place}`")


def format_annotation(annotation: Any) -> str:
    """Return `annotation` as one writes it, without the modules of its names."""
    if annotation in (None, NoneType):
        return "None"
    if isinstance(annotation, str):
        return annotation
    plain = isinstance(annotation, type) and not get_args(annotation)
    return annotation.__name__ if plain else _MODULES.sub("", str(annotation).replace("NoneType", "None"))


_MODULES: Final = lazy_pattern(r"\b(?:\w+\.)+(?:<locals>\.)?")


def has_fields(cls: Any) -> bool:
    """Return True if `cls` is a Struct, dataclass, attrs class, TypedDict or NamedTuple."""
    names = ("__struct_fields__", "__dataclass_fields__", "__attrs_attrs__")
    return (
        any(hasattr(cls, name) for name in names)
        or is_typeddict(cls)
        or (issubclass(cls, tuple) and hasattr(cls, "_fields"))
    )
