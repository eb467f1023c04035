"""A type in, the functions that read it out: from text, several texts, a form, JSON, a Python value.

Everything is decided here once per type and cached. What a reader raises for bad input is one of
`validation.FAILURES`. Where the value came from is none of this module's business.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache, partial
from types import NoneType, UnionType
from typing import Annotated, Any, Final, NewType, Union, get_args, get_origin

import msgspec
from msgspec import inspect as mi

from .errors import Invalid
from .forms import FormReaders, form_readers
from .texts import TextReader, TextsReader, is_many, is_scalar, narrowness, text_reader, texts_reader
from .uploads import UploadFile
from .validation import FAILURES, bare, describe, describe_text, find_errors


class UnsupportedTypeError(Exception):
    """A type that no reader can be made for: what is wrong with it, and the remedy."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


class Shape(Enum):
    """How much of a request one value takes up."""

    ANY = auto()
    """Whatever was sent: unannotated, `Any`, `object`."""
    SCALAR = auto()
    """One text or one JSON value."""
    MANY = auto()
    """Every text of one name, or one JSON array."""
    STRUCTURED = auto()
    """Several names: a whole body, or all names of one source."""


@dataclass(frozen=True, slots=True, eq=False)
class Converter:
    """How one type is read. A reader is None where the type cannot come that way."""

    shape: Shape
    infos: tuple[mi.Type, ...]
    """msgspec's description: one, or one for each member of a union that msgspec itself cannot read."""
    from_json: Callable[[Any], Any]
    """JSON bytes to the value."""
    from_value: Callable[[object], Any]
    """A Python value (a session's) to the value."""
    from_text: TextReader | None = None
    """One text to the value; None with shape SCALAR or ANY means that the text is the value."""
    from_texts: TextsReader | None = None
    form: FormReaders | None = None

    @property
    def expected(self) -> str:
        """What the type wants, in words."""
        return describe(self.infos[0] if len(self.infos) == 1 else mi.UnionType(self.infos))

    @property
    def expected_text(self) -> str:
        """What the type wants when it is written as text, where nothing is `null` and bytes are UTF-8."""
        info = _array_of(self.infos[0]) if self.shape is Shape.MANY else None
        if info is not None:
            items = getattr(info, "item_types", None) or (getattr(info, "item_type", None),)
            wanted = " and ".join(describe_text(item) for item in items if item is not None)
            return f"{describe(info)}: each value {wanted}".replace("an array", "values")
        return describe_text(self.infos[0] if len(self.infos) == 1 else mi.UnionType(self.infos))

    def json_errors(self, document: bytes | memoryview | msgspec.Raw, pointer: str) -> list[Invalid]:
        """Everything wrong with the JSON `document`, which stands at `pointer` of the body."""
        info = self.infos[0] if len(self.infos) == 1 else mi.UnionType(self.infos)
        try:
            found = list(find_errors(info, msgspec.json.decode(document), pointer))
        except RecursionError:
            found = [Invalid("Nested too deeply", pointer=pointer)]
        return found or [Invalid(f"Expected {self.expected}", pointer=pointer)]


# --- annotations ----------------------------------------------------------------------------------------------------


def strip(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """`annotation` without `Annotated`, `NewType` and type aliases around it, and the metadata found on the way."""
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


def union_members(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, flattened, each with the constraints that stood around the whole; else `annotation`."""
    plain, metadata = strip(annotation)
    if get_origin(plain) not in (Union, UnionType):
        return (annotation,)
    metas = tuple(item for item in metadata if isinstance(item, msgspec.Meta))
    members: list[Any] = []
    for member in get_args(plain):
        for inner in union_members(member):
            members.append(_constrained(inner, metas))
    return tuple(members)


def _constrained(annotation: Any, metas: tuple[msgspec.Meta, ...]) -> Any:
    """`annotation` under `metas`, as far as they can hold for it (`>= 1` says nothing of `None`)."""
    for meta in metas:
        candidate = Annotated[annotation, meta]
        try:
            mi.type_info(candidate)
        except TypeError:
            continue
        annotation = candidate
    return annotation


_REMEDY: Final = (
    "Use a type that msgspec can read: str, int, float, bool, bytes, Decimal, UUID, date, datetime, time, timedelta, "
    "Enum, Literal, list[T], dict[str, T], a dataclass, Struct, TypedDict, NamedTuple or attrs class"
)


def describe_annotation(annotation: Any) -> mi.Type:
    """msgspec's description of `annotation`. Raises UnsupportedTypeError, with the remedy, where it could not be read."""
    try:
        info = mi.type_info(annotation)
    except (TypeError, NameError, AttributeError) as error:
        raise UnsupportedTypeError(str(error).split(" - type ")[0], _REMEDY) from error
    unreadable = _find_unreadable(info, set())
    if unreadable is not None:
        raise UnsupportedTypeError(f"{unreadable} cannot be read from a request", _REMEDY)
    return info


def _find_unreadable(info: mi.Type, seen: set[int]) -> str | None:
    """What inside `info` msgspec would only refuse when a request comes. Files are read by their own room."""
    info = bare(info)
    if id(info) in seen:
        return None
    seen.add(id(info))
    if isinstance(info, mi.CustomType):
        return None if info.cls is UploadFile else f"'{_type_name(info.cls)}'"
    if isinstance(info, mi.LiteralType):
        odd = [value for value in info.values if isinstance(value, bool) or not isinstance(value, str | int | NoneType)]
        return f"Literal[{odd[0]!r}]" if odd else None
    found = (_find_unreadable(part, seen) for part in _parts(info))
    return next((name for name in found if name is not None), None)


def _type_name(cls: Any) -> str:
    return f"{cls.__module__}.{cls.__qualname__}" if isinstance(cls, type) else str(cls)


def _parts(info: Any) -> Iterator[mi.Type]:
    """The descriptions directly inside `info`."""
    for name in ("item_type", "key_type", "value_type"):
        if hasattr(info, name):
            yield getattr(info, name)
    yield from getattr(info, "types", ())
    yield from getattr(info, "item_types", ())
    yield from (field.type for field in getattr(info, "fields", ()))


def converter(annotation: Any) -> Converter:
    """The readers of `annotation`, made once. Raises UnsupportedTypeError."""
    try:
        return _cached(annotation)
    except TypeError:  # an unhashable constraint, such as examples=[...]
        return _make(annotation)


def _make(annotation: Any) -> Converter:
    plain, _ = strip(annotation)
    if plain is Any or plain is object:
        return Converter(Shape.ANY, (mi.AnyType(),), msgspec.json.Decoder().decode, lambda value: value)
    members = union_members(annotation)
    if len(members) == 1:
        return _single(members[0], describe_annotation(members[0]))
    infos = tuple(describe_annotation(member) for member in members)
    try:
        whole: Any = Union[members]  # noqa: UP007  (built from a tuple)
        return _single(whole, describe_annotation(whole))
    except UnsupportedTypeError:
        if not all(is_scalar(info) for info in infos):
            raise
    return _wide_union(members, infos)


_cached = lru_cache(maxsize=4096)(_make)


def _single(annotation: Any, info: mi.Type) -> Converter:
    decode = msgspec.json.Decoder(annotation).decode

    def from_value(value: object) -> Any:
        return msgspec.convert(value, annotation)

    if is_scalar(info):
        return Converter(Shape.SCALAR, (info,), decode, from_value, from_text=text_reader(info))
    plain = _array_of(info)
    if plain is not None:
        return Converter(Shape.MANY, (info,), decode, from_value, from_texts=_optional_texts(plain, plain is not info))
    return Converter(Shape.STRUCTURED, (info,), decode, from_value, form=form_readers(annotation, info))


def _array_of(info: mi.Type) -> mi.Type | None:
    """The array of scalars that `info` is, perhaps beside `None`."""
    info = bare(info)
    members = info.types if isinstance(info, mi.UnionType) else (info,)
    arrays = [bare(member) for member in members if not isinstance(bare(member), mi.NoneType)]
    return arrays[0] if len(arrays) == 1 and is_many(arrays[0]) else None


def _optional_texts(info: mi.Type, optional: bool) -> TextsReader:
    read = texts_reader(info)
    return (lambda texts: None if list(texts) == [""] else read(texts)) if optional else read


def _wide_union(members: Sequence[Any], infos: tuple[mi.Type, ...]) -> Converter:
    """A union of scalars of which several are strings in JSON: each member is tried, the narrowest first."""
    ordered = sorted(zip(members, infos, strict=True), key=lambda pair: narrowness(pair[1]))
    decoders = [msgspec.json.Decoder(member).decode for member, _ in ordered]

    def from_json(document: Any) -> Any:
        return _first(decoders, document)

    def from_value(value: object) -> Any:
        return _first([partial(msgspec.convert, type=member) for member, _ in ordered], value)

    whole = mi.UnionType(tuple(info for _, info in ordered))
    return Converter(Shape.SCALAR, whole.types, from_json, from_value, from_text=text_reader(whole))


def _first(readers: Sequence[Callable[[Any], Any]], given: object) -> Any:
    for read in readers:
        try:
            return read(given)
        except FAILURES:
            continue
    raise ValueError("fits no member of the union")
