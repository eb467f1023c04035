"""This module takes annotations apart and describes them by `msgspec.inspect`.

When the app is made, it refuses the types that cannot be read from a request, and says how to fix each.
"""

from types import UnionType
from typing import Annotated, Any, Final, NewType, Union, get_args, get_origin

import msgspec
from msgspec import inspect as mi

from ..uploads.upload_file import UploadFile
from .error_wording import describe_expected
from .from_text import is_scalar
from .type_info import remove_none, unwrap_metadata, walk_types


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


def split_union(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, flattened, each with the constraints around the union; else `annotation` alone.

    Raises UnsupportedTypeError for a constraint that cannot hold for any member.
    """
    plain, metadata = unwrap_annotated(annotation)
    if get_origin(plain) not in (Union, UnionType):
        return (annotation,)
    members = [inner for member in get_args(plain) for inner in split_union(member)]
    for meta in metadata:
        if isinstance(meta, msgspec.Meta):
            constrained = [_constrain(member, meta) for member in members]
            if all(new is old for new, old in zip(constrained, members, strict=True)):
                raise UnsupportedTypeError(f"{meta} cannot hold for any member of the union", _REMEDY)
            members = constrained
    return tuple(members)


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
        info = mi.type_info(annotation)
    except (NameError, AttributeError) as error:
        remedy = "Define at module level the names in the annotations of that class"
        raise UnsupportedTypeError(str(error), remedy) from error
    except TypeError as error:
        raise UnsupportedTypeError(str(error).split(" - type ")[0], _REMEDY) from error
    for part in walk_types(info):
        _refuse_unreadable(part)
    return info


def _refuse_unreadable(info: mi.Type) -> None:
    """Raise UnsupportedTypeError for a type that msgspec would not refuse before a request comes."""
    if isinstance(info, mi.CustomType) and info.cls is not UploadFile:  # files are read by `uploads`
        raise UnsupportedTypeError(f"'{_get_type_name(info.cls)}' cannot be read from a request", _REMEDY)
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
