"""This module makes the functions that read one type: from a text, several texts, a form, JSON, or a Python value.

Everything is decided once per type and cached. For bad input the functions raise one of `CONVERSION_ERRORS`. The source
of a value is left to the binder.
"""

import re
from collections.abc import Callable, Sequence
from enum import Enum, auto
from functools import lru_cache, partial
from typing import Any, Final, TypeVar, get_origin

import msgspec
from msgspec import inspect as mi

from .._utils.lazy_imports import lazy_pattern
from ..errors import Invalid
from .dataclass_defaults import make_defaults_filler
from .error_wording import describe_expected, describe_expected_text, describe_undecodable
from .exceptions import CONVERSION_ERRORS
from .from_fields import FormReaders, make_form_readers
from .from_text import (
    TextReader,
    TextsReader,
    is_scalar,
    is_scalar_array,
    make_name_reader,
    make_text_reader,
    rank_narrowness,
)
from .type_info import OBJECTS, is_positional, make_union, remove_none, unwrap_metadata, walk_types
from .unwrap_annotated import UnsupportedTypeError, describe_annotation, split_union, unwrap_annotated

T = TypeVar("T")


class Shape(Enum):
    """A share of the request that one value takes up."""

    ANY = auto()
    """Anything that was sent: the type is missing, `Any` or `object`."""
    SCALAR = auto()
    """One text or one JSON value."""
    MANY = auto()
    """All texts of one name, or one JSON array."""
    STRUCTURED = auto()
    """Several names: a whole body, or all names of one source."""


class Converter(msgspec.Struct, frozen=True, eq=False):
    """A set of functions that read one type. A function is None if the type cannot come from there."""

    shape: Shape
    infos: tuple[mi.Type, ...]
    """msgspec's description of the type, or of each member of a union that msgspec itself cannot read."""
    from_json: Callable[[Any], Any]
    """Reads JSON, as bytes or text."""
    from_value: Callable[[object], Any]
    """Reads a Python value, such as one from a session."""
    from_text: TextReader | None = None
    """Reads one text; None with the shape SCALAR or ANY means that the text itself is the value.

    With the shape MANY it is None unless one text may be a scalar, as in `int | list[int]`."""
    from_texts: TextsReader | None = None
    """Reads all texts of one name."""
    form: FormReaders | None = None
    """Reads the names of a form or a query."""

    @property
    def info(self) -> mi.Type:
        """The whole type in one description."""
        return self.infos[0] if len(self.infos) == 1 else mi.UnionType(self.infos)

    @property
    def has_files(self) -> bool:
        """True if uploaded files are part of the type."""
        return any(isinstance(part, mi.CustomType) for part in walk_types(self.info))

    @property
    def has_names(self) -> bool:
        """True if the type is written as names and values, as a session is."""
        info = remove_none(self.info)
        members = map(unwrap_metadata, info.types) if isinstance(info, mi.UnionType) else [info]
        return all(isinstance(member, (*OBJECTS, mi.DictType)) and not is_positional(member) for member in members)

    @property
    def expected(self) -> str:
        """The words for what the type expects."""
        return describe_expected(self.info)

    @property
    def expected_text(self) -> str:
        """The words for what the type expects as text, which cannot be `null` and has bytes as UTF-8."""
        return describe_expected_text(self.info)

    def find_json_errors(self, document: bytes | memoryview | msgspec.Raw, pointer: str) -> list[Invalid]:
        """Return the errors in the JSON `document`, which is at `pointer` in the body. There is at least one."""
        from .json_errors import find_errors  # what only refused requests need is imported by the first one

        try:
            value = msgspec.json.decode(document)
        except CONVERSION_ERRORS as error:
            return [Invalid(describe_undecodable(error), pointer=pointer)]
        try:
            if _has_unlimited_numbers(self.info):  # no other type makes the search build a set or a dict of numbers
                from .hash_collisions import refuse_collisions

                refuse_collisions(document)
            errors = find_errors(self.info, value, pointer)
        except RecursionError:
            errors = [Invalid("Nested too deeply", pointer=pointer)]
        except ValueError as error:
            errors = [Invalid(str(error), pointer=pointer)]
        return errors or [Invalid(f"Expected {self.expected}", pointer=pointer)]

    def list_classes(self) -> set[type]:
        """Return the classes with fields that are part of the type."""
        parts = [part for info in self.infos for part in walk_types(info) if hasattr(part, "fields")]
        classes = [getattr(part, "cls", None) for part in parts]
        return {get_origin(cls) or cls for cls in classes if cls is not None}

    def find_value_errors(self, value: object) -> list[Invalid]:
        """Return the errors in the Python `value`, with JSON pointers into it. There is at least one."""
        from .json_errors import find_errors

        try:
            plain = msgspec.to_builtins(value)
        except (TypeError, RecursionError):  # JSON cannot hold the value
            return [Invalid(f"Expected {self.expected}")]
        try:
            errors = find_errors(self.info, plain)
        except RecursionError:
            errors = []
        return errors or [Invalid(f"Expected {self.expected}")]


# --- JSON -----------------------------------------------------------------------------------------------------------


def _make_spelling_pattern(word: str) -> str:
    """Return a pattern for `word` as JSON and Decimal may spell it: letters escaped, underscores anywhere."""
    return r"(?:_|\\u005f)*".join(rf"(?:{c}|\\u00(?:{ord(c):02x}|{ord(c.upper()):02x}))" for c in word)


# What may surround the word in a JSON text such as `" -sNaN1"`, which Decimal reads as a number that is infinite or not
# a number; msgspec leaves such texts to Decimal. An escaped first letter of a word is excluded: each text can then be
# matched in one way only, so that the search takes linear time.
_PADDING: Final = r"[\s_+\x80-\xff-]|\\[bfnrt]|\\u(?!00[46][9e]|00[57]3)[0-9a-f]{4}"
_WORDS: Final = "|".join(map(_make_spelling_pattern, ("nan", "snan", "inf", "infinity")))
_NOT_FINITE: Final = lazy_pattern(
    f'"(?:{_PADDING})*(?:{_WORDS})(?:[0-9]|{_PADDING})*"'.encode("latin-1"), re.IGNORECASE
)
_UNLIMITED_NUMBERS: Final = (mi.IntType, mi.DecimalType, mi.UUIDType)


def _chain(read: Callable[..., Any], fill_defaults: Callable[[Any], Any] | None) -> Callable[..., Any]:
    return read if fill_defaults is None else lambda *arguments: fill_defaults(read(*arguments))


def make_json_decoder(annotation: Any, info: mi.Type) -> Callable[[Any], Any]:
    """Return a function that reads JSON, as bytes or text, as the type `annotation`, which `info` describes.

    The function raises one of `CONVERSION_ERRORS`. It refuses what msgspec would accept: colliding numbers in a set or
    as keys, and Decimals that are infinite or not a number.
    """
    decode = _chain(msgspec.json.Decoder(annotation).decode, make_defaults_filler(info, walk_types(info)))
    may_collide = _has_unlimited_numbers(info)
    has_decimals = any(isinstance(part, mi.DecimalType) for part in walk_types(info))
    if not (may_collide or has_decimals):
        return decode
    from .hash_collisions import refuse_collisions

    def check_and_decode(document: Any) -> Any:
        octets = document.encode() if isinstance(document, str) else memoryview(document)
        if may_collide:
            refuse_collisions(octets)
        is_suspicious = has_decimals and _NOT_FINITE.search(octets)
        return _decode_finite(decode, info, document) if is_suspicious else decode(document)

    return check_and_decode


def _decode_finite(decode: Callable[[Any], T], info: mi.Type, document: Any) -> T:
    """Return `decode(document)`. Raises ValueError if the document holds a Decimal that is not a finite number."""
    from .json_errors import is_valid
    from .scalar_checks import has_only_finite_decimals

    verdict = is_valid(info, msgspec.json.decode(document))
    if verdict is False:
        raise ValueError("not a finite number")
    try:
        value = decode(document)
    except ArithmeticError as error:  # from a rule that compares a NaN
        if verdict is True:
            raise
        raise ValueError("not a finite number") from error
    if verdict is None and not has_only_finite_decimals(value):
        raise ValueError("not a finite number")
    return value


def _has_unlimited_numbers(info: mi.Type) -> bool:
    """Return True if a set or a dict of unlimited numbers is part of `info`."""
    return any(map(_has_hashed_numbers, walk_types(info)))


def _has_hashed_numbers(info: mi.Type) -> bool:
    if isinstance(info, mi.SetType | mi.FrozenSetType):
        return any(isinstance(part, (*_UNLIMITED_NUMBERS, mi.AnyType)) for part in walk_types(info.item_type))
    return isinstance(info, mi.DictType) and any(
        isinstance(part, _UNLIMITED_NUMBERS) for part in walk_types(info.key_type)
    )


# --- converters -----------------------------------------------------------------------------------------------------


def get_converter(annotation: Any) -> Converter:
    """Return the converter of `annotation`, made once. Raises UnsupportedTypeError."""
    try:
        hash(annotation)
    except TypeError:  # an unhashable constraint, such as examples=[...]
        return _make_converter(annotation)
    return _get_cached(annotation, repr(annotation))


@lru_cache(maxsize=4096)
def _get_cached(annotation: Any, _spelling: str) -> Converter:
    """Return the converter of `annotation` as spelled: unions are equal in any order, but errors keep the order."""
    return _make_converter(annotation)


def _make_converter(annotation: Any) -> Converter:
    plain, _ = unwrap_annotated(annotation)
    if plain is Any or plain is object:
        return Converter(Shape.ANY, (mi.AnyType(),), msgspec.json.Decoder().decode, lambda value: value)
    members = split_union(annotation)
    if len(members) == 1:
        return _make_single_converter(members[0], describe_annotation(members[0]))
    infos = tuple(describe_annotation(member) for member in members)
    try:
        whole = make_union(members)
        return _make_single_converter(whole, describe_annotation(whole))
    except UnsupportedTypeError:
        if not all(is_scalar(info) for info in infos):
            raise
    return _make_union_converter(members, infos)


def _make_single_converter(annotation: Any, info: mi.Type) -> Converter:
    from_json = make_json_decoder(annotation, info)

    fill_defaults = make_defaults_filler(info, walk_types(info))
    from_value = _chain(partial(msgspec.convert, type=annotation, str_keys=True), fill_defaults)
    if is_scalar(info):
        return Converter(Shape.SCALAR, (info,), from_json, from_value, from_text=make_text_reader(info))
    read_texts = make_name_reader(info)
    if read_texts is not None:
        from_text = None if is_scalar_array(remove_none(info)) else lambda text: read_texts([text])
        return Converter(Shape.MANY, (info,), from_json, from_value, from_text, from_texts=read_texts)
    return Converter(Shape.STRUCTURED, (info,), from_json, from_value, form=make_form_readers(annotation, info))


def _make_union_converter(members: Sequence[Any], infos: tuple[mi.Type, ...]) -> Converter:
    """Make the converter of a union whose members are strings in JSON: it tries each member, the narrowest first."""
    ordered = sorted(zip(members, infos, strict=True), key=lambda pair: rank_narrowness(pair[1]))
    decoders = [make_json_decoder(member, info) for member, info in ordered]

    def from_json(document: Any) -> Any:
        return _read_by_first(decoders, document)

    def from_value(value: object) -> Any:
        return _read_by_first([partial(msgspec.convert, type=member) for member, _ in ordered], value)

    whole = mi.UnionType(tuple(info for _, info in ordered))
    return Converter(Shape.SCALAR, whole.types, from_json, from_value, from_text=make_text_reader(whole))


def _read_by_first(readers: Sequence[Callable[[Any], Any]], source: object) -> Any:
    for read in readers:
        try:
            return read(source)
        except CONVERSION_ERRORS:
            continue
    raise ValueError("fits no member of the union")
