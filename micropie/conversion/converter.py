"""A type in, the functions that read it out: from text, several texts, a form, JSON, a Python value.

Everything is decided here once per type and cached. What a reader raises for bad input is one of
`validation.FAILURES`. Where the value came from is none of this module's business.
"""

import re
from collections.abc import Callable, Sequence
from enum import Enum, auto
from functools import lru_cache, partial
from typing import Any, Final, Union, get_origin

import msgspec
from msgspec import inspect as mi

from .._utils.lazy_imports import lazy_pattern
from ..errors import Invalid
from .dataclass_defaults import make_defaults_filler
from .error_wording import describe_expected, describe_expected_text
from .exceptions import CONVERSION_ERRORS
from .from_fields import FormReaders, make_form_readers
from .from_text import (
    TextReader,
    TextsReader,
    is_scalar,
    is_scalar_array,
    make_text_reader,
    make_texts_reader,
    rank_narrowness,
)
from .hash_collisions import refuse_collisions
from .json_errors import find_errors
from .type_info import OBJECTS, is_positional, remove_none, unwrap_metadata, walk_types
from .unwrap_annotated import UnsupportedTypeError, describe_annotation, split_union, unwrap_annotated


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


class Converter(msgspec.Struct, frozen=True, eq=False):
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
    def info(self) -> mi.Type:
        """All of the type in one description."""
        return self.infos[0] if len(self.infos) == 1 else mi.UnionType(self.infos)

    @property
    def has_files(self) -> bool:
        """Whether uploaded files are part of it."""
        return any(isinstance(part, mi.CustomType) for part in walk_types(self.info))

    @property
    def has_names(self) -> bool:
        """Whether it is written as names and values, as a session is."""
        info = remove_none(self.info)
        members = map(unwrap_metadata, info.types) if isinstance(info, mi.UnionType) else [info]
        return all(isinstance(one, (*OBJECTS, mi.DictType)) and not is_positional(one) for one in members)

    @property
    def expected(self) -> str:
        """What the type wants, in words."""
        return describe_expected(self.info)

    @property
    def expected_text(self) -> str:
        """What the type wants when it is written as text, where nothing is `null` and bytes are UTF-8."""
        return describe_expected_text(self.info)

    def find_json_errors(self, document: bytes | memoryview | msgspec.Raw, pointer: str) -> list[Invalid]:
        """Everything wrong with the JSON `document`, which stands at `pointer` of the body."""
        try:
            value = msgspec.json.decode(document)
        except CONVERSION_ERRORS:
            return [Invalid("Bad JSON", pointer=pointer)]
        try:
            if _may_collide(self.info):  # no other type makes the search build a set or a dict of numbers
                refuse_collisions(document)
            found = list(find_errors(self.info, value, pointer))
        except RecursionError:
            found = [Invalid("Nested too deeply", pointer=pointer)]
        except ValueError as error:
            found = [Invalid(str(error), pointer=pointer)]
        return found or [Invalid(f"Expected {self.expected}", pointer=pointer)]

    def list_classes(self) -> set[type]:
        """The classes with fields that the type is made of."""
        found = [
            getattr(part, "cls", None) for info in self.infos for part in walk_types(info) if hasattr(part, "fields")
        ]
        return {get_origin(cls) or cls for cls in found if cls is not None}

    def find_value_errors(self, value: object) -> list[Invalid]:
        """Everything wrong with `value`, a Python value that does not fit, by JSON pointers into it."""
        try:
            found = list(find_errors(self.info, msgspec.to_builtins(value)))
        except (TypeError, RecursionError):  # nothing that JSON could say
            found = []
        return found or [Invalid(f"Expected {self.expected}")]


# --- annotations ----------------------------------------------------------------------------------------------------


# --- JSON -----------------------------------------------------------------------------------------------------------


def _spelled(word: str) -> str:
    """A pattern for `word` as JSON and Decimal may spell it: letters escaped, underscores anywhere."""
    return r"(?:_|\\u005f)*".join(rf"(?:{c}|\\u00(?:{ord(c):02x}|{ord(c.upper()):02x}))" for c in word)


# What may surround the word in a JSON text such as `" -sNaN1"`, which Decimal reads as a number that is infinite or not
# a number; msgspec leaves such texts to Decimal. An escaped first letter of a word is excluded: each text can then be
# matched in one way only, so that the search takes linear time.
_PADDING: Final = r"[\s_+\x80-\xff-]|\\[bfnrt]|\\u(?!00[46][9e]|00[57]3)[0-9a-f]{4}"
_WORDS: Final = "|".join(map(_spelled, ("nan", "snan", "inf", "infinity")))
_NOT_FINITE: Final = lazy_pattern(
    f'"(?:{_PADDING})*(?:{_WORDS})(?:[0-9]|{_PADDING})*"'.encode("latin-1"), re.IGNORECASE
)
_UNLIMITED: Final = (mi.IntType, mi.DecimalType, mi.UUIDType)


def _then(read: Callable[..., Any], complete: Callable[[Any], Any] | None) -> Callable[..., Any]:
    return read if complete is None else lambda *given: complete(read(*given))


def make_json_decoder(annotation: Any, info: mi.Type) -> Callable[[Any], Any]:
    """JSON, as bytes or text, to `annotation`, which `info` describes. Its function raises one of `CONVERSION_ERRORS`.

    Where msgspec is more lenient or more trusting than it may be, it has a look first.
    """
    decode = _then(msgspec.json.Decoder(annotation).decode, make_defaults_filler(info, walk_types(info)))
    may_collide = _may_collide(info)
    has_decimals = any(isinstance(part, mi.DecimalType) for part in walk_types(info))

    def look_and_decode(document: Any) -> Any:
        octets = document.encode() if isinstance(document, str) else memoryview(document)
        if may_collide:
            refuse_collisions(octets)
        looks_odd = has_decimals and _NOT_FINITE.search(octets)
        if looks_odd and any(find_errors(info, msgspec.json.decode(document))):
            raise ValueError("not a finite number")
        return decode(document)

    return look_and_decode if may_collide or has_decimals else decode


def _may_collide(info: mi.Type) -> bool:
    return any(map(_hashes_numbers, walk_types(info)))


def _hashes_numbers(info: mi.Type) -> bool:
    """Whether `info` is a set or a dict of numbers that have no limit."""
    if isinstance(info, mi.SetType | mi.FrozenSetType):
        return any(isinstance(part, (*_UNLIMITED, mi.AnyType)) for part in walk_types(info.item_type))
    return isinstance(info, mi.DictType) and any(isinstance(part, _UNLIMITED) for part in walk_types(info.key_type))


# --- converters -----------------------------------------------------------------------------------------------------


def get_converter(annotation: Any) -> Converter:
    """The readers of `annotation`, made once. Raises UnsupportedTypeError."""
    try:
        hash(annotation)
    except TypeError:  # an unhashable constraint, such as examples=[...]
        return _make(annotation)
    return _cached(annotation, repr(annotation))


@lru_cache(maxsize=4096)
def _cached(annotation: Any, _written: str) -> Converter:
    """`_make`, remembered; unions are equal in any order, but are described in the one in which they were written."""
    return _make(annotation)


def _make(annotation: Any) -> Converter:
    plain, _ = unwrap_annotated(annotation)
    if plain is Any or plain is object:
        return Converter(Shape.ANY, (mi.AnyType(),), msgspec.json.Decoder().decode, lambda value: value)
    members = split_union(annotation)
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


def _single(annotation: Any, info: mi.Type) -> Converter:
    from_json = make_json_decoder(annotation, info)

    complete = make_defaults_filler(info, walk_types(info))
    from_value = _then(partial(msgspec.convert, type=annotation, str_keys=True), complete)
    if is_scalar(info):
        return Converter(Shape.SCALAR, (info,), from_json, from_value, from_text=make_text_reader(info))
    array = remove_none(info)
    if is_scalar_array(array):
        optional = isinstance(unwrap_metadata(info), mi.UnionType)
        return Converter(Shape.MANY, (info,), from_json, from_value, from_texts=_optional_texts(array, optional))
    return Converter(Shape.STRUCTURED, (info,), from_json, from_value, form=make_form_readers(annotation, info))


def _optional_texts(info: mi.Type, optional: bool) -> TextsReader:
    read = make_texts_reader(info)
    return (lambda texts: None if list(texts) == [""] else read(texts)) if optional else read


def _wide_union(members: Sequence[Any], infos: tuple[mi.Type, ...]) -> Converter:
    """A union of scalars of which several are strings in JSON: each member is tried, the narrowest first."""
    ordered = sorted(zip(members, infos, strict=True), key=lambda pair: rank_narrowness(pair[1]))
    decoders = [make_json_decoder(member, info) for member, info in ordered]

    def from_json(document: Any) -> Any:
        return _first(decoders, document)

    def from_value(value: object) -> Any:
        return _first([partial(msgspec.convert, type=member) for member, _ in ordered], value)

    whole = mi.UnionType(tuple(info for _, info in ordered))
    return Converter(Shape.SCALAR, whole.types, from_json, from_value, from_text=make_text_reader(whole))


def _first(readers: Sequence[Callable[[Any], Any]], given: object) -> Any:
    for read in readers:
        try:
            return read(given)
        except CONVERSION_ERRORS:
            continue
    raise ValueError("fits no member of the union")
