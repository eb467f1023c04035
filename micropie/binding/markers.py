"""This module finds markers (`Query()`, `Depends(f)` …) in annotations and refuses those that would have no effect.

A marker counts only in an `Annotated` around the whole type of a parameter. msgspec, which fills the fields of a class,
ignores markers there, and a default value cannot be one.
"""

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_type_hints

import msgspec

from ..conversion.converter import Converter
from ..conversion.unwrap_annotated import unwrap_annotated
from ..params import Depends, Marker
from .signature import SignatureError


def is_marker(item: object) -> bool:
    """Return True for a marker, and for the class of one."""
    kinds = (Marker, Depends)
    return isinstance(item, kinds) or (isinstance(item, type) and issubclass(item, kinds))


def instantiate_marker(item: Any) -> Marker | Depends:
    """Return the marker `item`, which may be written as a class: `Annotated[int, Query]`. Raises SignatureError."""
    if item is Depends:
        raise SignatureError("Depends needs a function", "Write Annotated[T, Depends(function)]")
    marker: Marker | Depends = item() if isinstance(item, type) else item
    return marker


def list_markers(annotation: Any) -> list[Marker | Depends]:
    """Return the markers in the `Annotated` around all of `annotation`."""
    return [instantiate_marker(item) for item in unwrap_annotated(annotation)[1] if is_marker(item)]


def find_buried_markers(annotation: Any) -> Iterator[Marker | Depends]:
    """Yield the markers inside `annotation`: beside a member of a union or the item of a list."""
    wholes = [unwrap_annotated(annotation)[0]]
    for whole in wholes:  # grows meanwhile
        for part in get_args(whole):
            yield from list_markers(part)
            plain = unwrap_annotated(part)[0]
            if not any(plain is known for known in wholes):  # an alias may refer to itself
                wholes.append(plain)


def remove_markers(annotation: Any) -> Any:
    """Return `annotation` with only the metadata that msgspec reads."""
    plain, metadata = unwrap_annotated(annotation)
    for meta in metadata:
        if isinstance(meta, msgspec.Meta):
            plain = Annotated[plain, meta]
    return plain


def refuse_buried_markers(annotation: Any) -> None:
    """Raise SignatureError for a marker inside `annotation`."""
    for marker in find_buried_markers(annotation):
        shown = _show(marker)
        what = f"{shown} must be around the whole type, not inside it"
        raise SignatureError(what, f"Write Annotated[T | None, {shown}]")


def refuse_bare_marker(default: object, annotation: object) -> None:
    """Raise SignatureError if a parameter's default or its whole annotation is a marker."""
    for item in (default, annotation):
        if is_marker(item):
            raise build_bare_marker_error(_show(instantiate_marker(item)))


def build_bare_marker_error(shown: str) -> SignatureError:
    """Return the error for a marker outside `Annotated`; `shown` is the marker as code."""
    return SignatureError(f"{shown} must be inside Annotated[...]", f"Write Annotated[T, {shown}]")


def refuse_unusable_fields(converter: Converter, allowed: type[Marker] | None = None) -> None:
    """Raise SignatureError for a type whose fields cannot be filled, or have a marker that is not an `allowed` one."""
    for cls in converter.list_classes():
        _refuse_field_markers(cls, allowed)
    if converter.form is None and converter.has_files:
        what = "neither JSON nor a form can carry this type"
        raise SignatureError(what, "Use UploadFile and list[UploadFile] only for fields of the outermost class")


def _refuse_field_markers(cls: type, allowed: type[Marker] | None) -> None:
    try:
        hints = get_type_hints(cls, include_extras=True)
    except Exception:  # noqa: BLE001  (msgspec has resolved them by its own rules, which know more names)
        return
    for name, hint in hints.items():
        for marker in (*list_markers(hint), *find_buried_markers(hint)):
            if allowed is None or not isinstance(marker, allowed):
                shown = _show(marker)
                what = f"{shown} has no effect on the field {cls.__name__}.{name}: it is for parameters"
                raise SignatureError(what, f"Add a parameter for the value: Annotated[T, {shown}]")


def _show(marker: Marker | Depends) -> str:
    return f"{type(marker).__name__}()"
