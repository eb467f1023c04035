"""This module takes a type apart into `declared_types`, by which values are sent with the declared fields only."""

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping
from enum import Enum
from functools import lru_cache
from types import NoneType
from typing import Any, Final, Literal, TypeVar, get_args, get_origin, is_typeddict

import msgspec

from .._utils.resolve_annotations import resolve_class_annotations
from ..sentinels import UNSET
from .declared_types import (
    ArrayType,
    ClassType,
    DeclaredType,
    Field,
    FixedTupleType,
    MappingType,
    ScalarType,
    UnionType,
    has_fields,
)
from .type_info import SCALAR_TYPES
from .unwrap_annotated import (
    UnsupportedTypeError,
    describe_annotation,
    is_constrained_union,
    split_union,
    strip_qualifiers,
    unwrap_annotated,
)

_ANYTHING: Final = DeclaredType()


def refuse_all(annotation: Any) -> DeclaredType:
    """Return a type that no value fits; errors say that `annotation` was expected."""
    return ScalarType(annotation, (), is_text_form=False)


def get_declared_type(annotation: Any) -> DeclaredType:
    """Return `annotation` taken apart, once. Raises UnsupportedTypeError, which names the field at fault."""
    try:
        hash(annotation)
    except TypeError:  # an unhashable constraint, such as examples=[...]
        return _Reader().read_whole(annotation)
    return _get_cached(annotation, repr(annotation))


@lru_cache(maxsize=4096)
def _get_cached(annotation: Any, _spelling: str) -> DeclaredType:
    """Return `annotation` as spelled, taken apart: `Literal[1]` and `Literal[True]` are equal."""
    return _Reader().read_whole(annotation)


class _Reader:
    """A reader of one type, which may contain itself."""

    def __init__(self) -> None:
        self._known: dict[object, DeclaredType] = {}
        self._place = ""

    def read_whole(self, annotation: Any) -> DeclaredType:
        """Return the whole type taken apart. Constraints around it may concern single members of a union."""
        try:
            return self.read(unwrap_annotated(annotation)[0])
        except (NameError, AttributeError) as error:
            remedy = "Define at module level the names in the annotations of that class"
            raise UnsupportedTypeError(f"{self._place}{error}", remedy) from error

    def read(self, annotation: Any) -> DeclaredType:
        """Return `annotation` taken apart. Raises UnsupportedTypeError."""
        annotation = strip_qualifiers(annotation)
        if is_constrained_union(annotation):
            try:
                describe_annotation(annotation)
            except UnsupportedTypeError as error:
                raise UnsupportedTypeError(f"{self._place}{error.what}", error.remedy) from error
        plain, _ = unwrap_annotated(annotation)
        if plain is Any or plain is object or isinstance(plain, TypeVar):
            return _ANYTHING
        key = _make_key(plain)
        if key not in self._known:
            members = split_union(plain)
            declared = self._read_union(key, plain, members) if len(members) > 1 else self._read_plain(key, plain)
            self._known[key] = declared
        return self._known[key]

    def _read_union(self, key: object, plain: Any, members: tuple[Any, ...]) -> DeclaredType:
        union = self._known[key] = UnionType(plain)
        parts = tuple(map(self.read, members))
        if _ANYTHING in parts:
            return _ANYTHING
        union.finish(parts)
        return union

    def _read_plain(self, key: object, plain: Any) -> DeclaredType:
        origin = NoneType if plain is None else get_origin(plain) or plain
        arguments = get_args(plain) or _find_base_arguments(origin)
        if origin is Literal:
            return ScalarType(plain, {type(value) for value in arguments}, is_text_form=True)
        if not isinstance(origin, type):
            return _ANYTHING
        if has_fields(origin):
            declared = self._known[key] = ClassType(plain, origin)
            declared.finish(tuple(self._read_fields(origin, plain)))
            return declared
        if issubclass(origin, Mapping):
            mapping = self._known[key] = MappingType(plain, origin)
            mapping.finish(self.read(arguments[1]) if len(arguments) == 2 else _ANYTHING)
            return mapping
        if issubclass(origin, tuple) and arguments and Ellipsis not in arguments:
            fixed = self._known[key] = FixedTupleType(plain)
            fixed.finish(tuple(map(self.read, arguments)))
            return fixed
        if issubclass(origin, Collection) and not issubclass(origin, str | bytes | bytearray | memoryview | Enum):
            array = self._known[key] = ArrayType(plain)
            array.finish(self.read(arguments[0]) if arguments else _ANYTHING)
            return array
        return ScalarType(
            plain, _WIDER.get(origin, (origin,)), is_text_form=origin in _TEXT_FORMS or issubclass(origin, Enum)
        )

    def _read_fields(self, cls: Any, annotation: Any) -> Iterable[Field]:
        outer = self._place
        types = resolve_class_annotations(annotation)
        for name, wire, get_default in _list_fields(cls):
            self._place = f"the field '{name}' of {cls.__qualname__}: "
            yield Field(name, wire, self.read(types.get(name, Any)), get_default)
        self._place = outer


def _make_key(annotation: Any) -> object:
    try:
        hash(annotation)
    except TypeError:
        return repr(annotation)
    return annotation, repr(annotation)


def _find_base_arguments(cls: Any) -> tuple[Any, ...]:
    """Return the type arguments that a class such as `class Rows(list[Row])` passes to its base."""
    return next((get_args(base) for base in getattr(cls, "__orig_bases__", ()) if get_args(base)), ())


_WIDER: Final[Mapping[Any, tuple[type, ...]]] = {int: (int, bool), float: (float, int)}
"""The classes whose values pass for a class besides its own."""
_TEXT_FORMS: Final = frozenset(SCALAR_TYPES.values())


def _list_fields(cls: Any) -> Iterable[tuple[str, str, Callable[[], Any] | None]]:
    """Yield each field's name, its name in JSON, and the function that makes its default, if it has one."""
    if hasattr(cls, "__struct_fields__"):
        for field in msgspec.structs.fields(cls):
            yield field.name, field.encode_name, _make_default(field.default, field.default_factory, msgspec.NODEFAULT)
    elif hasattr(cls, "__dataclass_fields__"):
        for item in dataclasses.fields(cls):
            yield item.name, item.name, _make_default(item.default, item.default_factory, dataclasses.MISSING)
    elif hasattr(cls, "__attrs_attrs__"):
        for attribute in cls.__attrs_attrs__:
            if not attribute.name.startswith("_"):  # msgspec sends no private attribute
                yield attribute.name, attribute.name, _make_attrs_default(attribute.default)
    elif is_typeddict(cls):
        for name in cls.__annotations__:
            yield name, name, None if name in cls.__required_keys__ else lambda: UNSET
    else:
        for name in cls._fields:
            default = cls._field_defaults.get(name, UNSET)
            yield name, name, _make_default(default, UNSET, UNSET)


def _make_default(default: Any, factory: Any, absent: object) -> Callable[[], Any] | None:
    if default is not absent:
        return lambda: default
    return factory if factory is not absent else None


def _make_attrs_default(default: Any) -> Callable[[], Any] | None:
    factory = getattr(default, "factory", None)
    if factory is not None:
        return None if default.takes_self else factory
    return None if type(default).__qualname__ == "_Nothing" else lambda: default
