"""This module takes annotations apart and describes them by `msgspec.inspect`.

When the app is made, it refuses the types that cannot be read from a request, and says how to fix each.
"""

from types import UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    NewType,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec
from msgspec import inspect as mi

from ..uploads.upload_file import UploadFile
from .error_wording import describe_expected
from .from_text import is_scalar
from .type_info import has_constraints, remove_none, unwrap_metadata, walk_types


class UnsupportedTypeError(Exception):
    """A type that cannot be read from a request. It has the fault in `what` and the fix in `remedy`."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


def unwrap_annotated(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return `annotation` without `Annotated`, `NewType` and type aliases around it, and the metadata in them."""
    if isinstance(annotation, type):
        return annotation, ()
    metadata: tuple[Any, ...] = ()
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *more = get_args(annotation)
            metadata = (*more, *metadata)
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation, metadata


def strip_qualifiers(annotation: Any) -> Any:
    """Return the annotation of a field without `Required`, `NotRequired` and the like around it."""
    while get_origin(annotation) in (Required, NotRequired, Final) or _is_read_only(annotation):
        (annotation,) = get_args(annotation)
    return annotation


def _is_read_only(annotation: Any) -> bool:
    return getattr(get_origin(annotation), "_name", None) == "ReadOnly"  # PEP 705, Python 3.13


def split_union(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, flattened, each with the constraints around the union; else `annotation` alone.

    Raises UnsupportedTypeError for a constraint that cannot hold for any member, and for a union that holds itself.
    """
    try:
        return _split_union(annotation)
    except RecursionError:
        raise _build_recursion_error() from None


def _split_union(annotation: Any) -> tuple[Any, ...]:
    plain, metadata = unwrap_annotated(annotation)
    if get_origin(plain) not in (Union, UnionType):
        applied = _apply_type_defaults(plain)
        return (annotation if applied is plain else _annotate(applied, metadata),)
    members = [inner for member in get_args(plain) for inner in _split_union(member)]
    for meta in metadata:
        if isinstance(meta, msgspec.Meta):
            constrained = [_constrain(member, meta) for member in members]
            if all(new is old for new, old in zip(constrained, members, strict=True)):
                raise UnsupportedTypeError(f"{meta} cannot hold for any member of the union", _REMEDY)
            members = constrained
    return tuple(members)


def _apply_type_defaults(plain: Any) -> Any:
    """Return the generic class `plain` with the defaults of its type variables (PEP 696), which msgspec ignores."""
    parameters = getattr(plain, "__parameters__", ())
    if not isinstance(plain, type) or not parameters or not all(map(_has_default, parameters)):
        return plain
    generic: Any = plain
    return generic[tuple(parameter.__default__ for parameter in parameters)]


def _has_default(parameter: Any) -> bool:
    return bool(getattr(parameter, "has_default", bool)())


def _annotate(annotation: Any, metadata: tuple[Any, ...]) -> Any:
    for item in metadata:
        annotation = Annotated[annotation, item]
    return annotation


def _constrain(annotation: Any, meta: msgspec.Meta) -> Any:
    """Return `annotation` with the constraint `meta`, or unchanged if it cannot hold (`>= 1` for `None`)."""
    candidate = Annotated[annotation, meta]
    try:
        mi.type_info(candidate)
    except (TypeError, NameError, AttributeError):
        return annotation
    return candidate


_REMEDY: Final = (
    "Use a type that msgspec can read: str, int, float, bool, bytes, Decimal, UUID, date, datetime, time, timedelta, "
    "Enum, Literal, list[T], dict[str, T], a dataclass, Struct, TypedDict, NamedTuple or attrs class; constraints are "
    "those that msgspec.Meta has for it"
)


def describe_annotation(annotation: Any) -> mi.Type:
    """Return msgspec's description of `annotation`. Raises UnsupportedTypeError if it cannot be read."""
    try:
        return _describe(annotation)
    except UnsupportedTypeError as error:
        raise _locate_fault(annotation, set()) or error from None


def _describe(annotation: Any) -> mi.Type:
    try:
        info = mi.type_info(annotation)
        for part in walk_types(info):
            _refuse_unreadable(part)
        msgspec.json.Decoder(annotation)
    except (NameError, AttributeError) as error:
        remedy = "Define at module level the names in the annotations of that class"
        raise UnsupportedTypeError(str(error), remedy) from error
    except RecursionError as error:
        raise _build_recursion_error() from error
    except (TypeError, ValueError, NotImplementedError, OverflowError) as error:
        raise UnsupportedTypeError(str(error).split(" - type ")[0], _find_remedy(annotation, str(error))) from error
    return info


def _build_recursion_error() -> UnsupportedTypeError:
    remedy = "Use a class (a Struct or a dataclass) that has the recursive part as a field"
    return UnsupportedTypeError("the type refers to itself without a class in between", remedy)


def _find_remedy(annotation: Any, fault: str) -> str:
    """Return how to fix `annotation`, which msgspec refuses with the words `fault`."""
    if is_constrained_union(annotation):
        return "Put the constraint on the member that it is for: Annotated[str, Meta(…)] | None"
    if "tagged" in fault:
        return "Tell the classes apart in JSON: class Cat(Struct, tag=True)"
    return _REMEDY


def _locate_fault(annotation: Any, seen: set[int]) -> UnsupportedTypeError | None:
    """Return the error of the first field in the classes of `annotation` that cannot be read, naming the field."""
    plain, _ = unwrap_annotated(annotation)
    if id(plain) in seen:
        return None
    seen.add(id(plain))
    cls = get_origin(plain) or plain
    for name, hint in _read_field_hints(cls).items():
        try:
            _describe(hint)
        except UnsupportedTypeError as error:
            return _locate_fault(hint, seen) or UnsupportedTypeError(
                f"the field '{name}' of {cls.__qualname__}: {error.what}", error.remedy
            )
    for part in get_args(plain):
        located = _locate_fault(part, seen)
        if located is None and is_constrained_union(part):
            try:
                _describe(part)
            except UnsupportedTypeError as error:
                located = error
        if located is not None:
            return located
    return None


def is_constrained_union(annotation: Any) -> bool:
    """Return True for a union with constraints around it, which msgspec refuses unless all members have them."""
    plain, metadata = unwrap_annotated(annotation)
    constrained = any(isinstance(meta, msgspec.Meta) and has_constraints(meta) for meta in metadata)
    return constrained and get_origin(plain) in (Union, UnionType)


def _read_field_hints(cls: Any) -> dict[str, Any]:
    """Return the annotations of the fields of `cls`; none if it has no fields, or if names in them are not defined."""
    if not isinstance(cls, type) or not any(hasattr(cls, mark) for mark in _MARKS_OF_FIELDS):
        return {}
    try:
        hints = get_type_hints(cls, include_extras=True)
    except (NameError, AttributeError, TypeError):
        return {}
    return {name: hint for name, hint in hints.items() if get_origin(hint) is not ClassVar and hint is not ClassVar}


_MARKS_OF_FIELDS: Final = ("__struct_fields__", "__dataclass_fields__", "__attrs_attrs__", "_fields", "__total__")


def _refuse_unreadable(info: mi.Type) -> None:
    """Raise UnsupportedTypeError for a type that msgspec would not refuse before a request comes."""
    cls = getattr(info, "cls", None)
    if isinstance(cls, type) and any(map(_has_default, getattr(cls, "__parameters__", ()))):
        what = f"the defaults of the type variables of {cls.__qualname__} are not applied here"
        raise UnsupportedTypeError(what, f"Write the types: {cls.__name__}[...]")
    if isinstance(info, mi.CustomType) and info.cls is not UploadFile:  # files are read by `uploads`
        raise UnsupportedTypeError(f"'{_get_type_name(info.cls)}' cannot be read from a request", _REMEDY)
    if isinstance(info, mi.FloatType) and info.multiple_of is not None and not float(info.multiple_of).is_integer():
        what = f"multiple_of={info.multiple_of} cannot be checked: no float is exactly such a fraction"
        raise UnsupportedTypeError(what, "Use Decimal, and check it in __post_init__; or count in the smallest unit")
    if isinstance(info, mi.SetType | mi.FrozenSetType) and not _is_hashable(unwrap_metadata(info.item_type)):
        remedy = "Make it frozen (a Struct with frozen=True, @dataclass(frozen=True)), or use list[T]"
        raise UnsupportedTypeError(f"a set cannot hold {describe_expected(info.item_type)} that may change", remedy)
    if isinstance(info, mi.DictType) and not _is_key(info.key_type):
        raise UnsupportedTypeError("JSON's keys are text, which cannot become these keys", "Use dict[str, T]")


def _is_hashable(info: mi.Type) -> bool:
    if isinstance(info, mi.StructType) and info.cls.__hash__ is msgspec.Struct.__hash__:
        return info.cls.__struct_config__.frozen or not info.cls.__struct_config__.eq
    if isinstance(info, mi.DataclassType):
        return info.cls.__hash__ is not None
    return not isinstance(info, mi.ListType | mi.SetType | mi.DictType | mi.TypedDictType)


def _is_key(info: mi.Type) -> bool:
    info = remove_none(info)
    if isinstance(info, mi.UnionType):
        return all(map(_is_key, info.types))
    return is_scalar(info) and not isinstance(info, mi.BoolType | mi.NoneType)


def _get_type_name(cls: Any) -> str:
    return f"{cls.__module__}.{cls.__qualname__}" if isinstance(cls, type) else str(cls)
