"""This module reads a structured type from names and their texts: from a form, a query string, or headers.

It reads each field by the rules of `from_text`, and files by their names. msgspec builds the whole, so defaults,
constraints and the type's own rules hold. `read` stops at the first error, `find_errors` lists them all. A form that a
user filled in is read by the rules of browsers (HTML §4.10.21.4): an unchecked box sends nothing, an empty field sends
an empty text.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

import msgspec
from msgspec import inspect as mi
from msgspec.structs import replace

from .._utils.lazy_imports import lazy_pattern
from ..errors import BadRequest, Invalid, describe_missing_parameter
from .dataclass_defaults import make_defaults_filler
from .error_wording import describe_expected, describe_expected_text
from .exceptions import CONVERSION_ERRORS, get_validator_message
from .from_text import TextsReader, is_scalar, is_scalar_array, make_name_reader, make_text_reader, make_texts_reader
from .type_info import ARRAYS, OBJECTS, is_positional, remove_none, unwrap_metadata

Fields: TypeAlias = Mapping[str, Sequence[str]]
Files: TypeAlias = Mapping[str, Sequence[object]]


_OBJECTS: Final = (*OBJECTS, mi.NamedTupleType)


class FormReaders(Protocol):
    """An object that reads a structured type from names, and finds the errors in them."""

    def read(self, fields: Fields, files: Files, /) -> object:
        """Return the value. Raises one of `CONVERSION_ERRORS`."""
        ...

    def find_errors(self, fields: Fields, files: Files, /) -> list[Invalid]:
        """Return all errors. The caller adds the source."""
        ...


class FormField(msgspec.Struct, frozen=True):
    """A field of a structured type, as a form carries it."""

    name: str
    """The name in the request."""
    attribute: str
    """The name in Python."""
    required: bool
    info: mi.Type
    is_file: bool
    read: Callable[[Sequence[Any]], object] | None
    """Reads the value from all texts, or all files, of the name; None if texts cannot hold it."""
    absent: Sequence[str] | None = None
    """The texts that the field has when the request lacks its name; None if the field is then missing."""

    def read_value(self, texts: Sequence[Any]) -> object:
        """Return the value of `texts`, or of files. Raises one of `CONVERSION_ERRORS`."""
        if self.read is None:
            raise ValueError("a form cannot carry this field")
        return self.read(texts)


def _make_field(field: mi.Field) -> FormField:
    info = remove_none(field.type)
    is_file, read = False, _make_field_reader(field.type)
    if isinstance(info, mi.CustomType):
        is_file, read = True, _take_first
    elif isinstance(info, mi.ListType) and isinstance(unwrap_metadata(info.item_type), mi.CustomType):
        is_file, read = True, list
    return FormField(field.encode_name, field.name, field.required, field.type, is_file, read)


def _take_first(texts: Sequence[Any]) -> object:
    return texts[0]


def _make_browser_field(field: mi.Field) -> FormField:
    """Make the field as a browser sends it: an unchecked box and a list without a choice have no name."""
    form_field, whole, info = _make_field(field), unwrap_metadata(field.type), remove_none(field.type)
    if isinstance(info, ARRAYS) or form_field.read is None:
        return replace(form_field, absent=[])
    read = _accept_browser_spelling(info, form_field.read)
    if isinstance(whole, mi.UnionType) and any(
        isinstance(unwrap_metadata(member), mi.NoneType) for member in whole.types
    ):
        return replace(form_field, read=_read_empty_as_none(read), absent=[""] if field.required else None)
    return replace(form_field, read=read, absent=["false"] if is_checkbox(info) else None)


def is_checkbox(info: mi.Type) -> bool:
    """Return True if `info` is a boolean, or only accepts True."""
    is_true = isinstance(info, mi.LiteralType) and all(value is True for value in info.values)
    return isinstance(info, mi.BoolType) or is_true


def _read_empty_as_none(read: TextsReader) -> TextsReader:
    return lambda texts: read(texts) if texts[0] else None


def _accept_browser_spelling(info: mi.Type, read: TextsReader) -> TextsReader:
    complete = _COMPLETIONS.get(type(info))
    return read if complete is None else lambda texts: read([complete(texts[0])])


def _add_seconds(text: str) -> str:
    """Add the seconds that an input for a time of day may leave out (HTML §2.3.5)."""
    return f"{text}:00" if _NO_SECONDS.fullmatch(text) else text


def _add_zero(text: str) -> str:
    """Add the digit before the point that an input for a number may leave out (HTML §2.3.4.3)."""
    return text.replace(".", "0.", 1) if text.startswith((".", "-.")) else text


_NO_SECONDS: Final = lazy_pattern(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T)?[0-9]{2}:[0-9]{2}")
_COMPLETIONS: Final[Mapping[type[mi.Type], Callable[[str], str]]] = {
    mi.DateTimeType: _add_seconds,
    mi.TimeType: _add_seconds,
    mi.FloatType: _add_zero,
    mi.DecimalType: _add_zero,
}


def _make_field_reader(info: mi.Type) -> TextsReader | None:
    """Return a function that reads the texts of one name as `info`; None if texts cannot hold it."""
    array = remove_none(info)
    if is_scalar_array(array):
        return make_texts_reader(array)
    if not is_scalar(info):
        return make_name_reader(info)
    read = make_text_reader(info)
    return _take_first if read is None else lambda texts: read(texts[0])


class ObjectForm:
    """A reader of a type with fields. With `browser`, it reads names as browsers send them."""

    def __init__(self, annotation: Any, info: Any, *, browser: bool = False) -> None:
        self._annotation = annotation
        self._info = info
        self.fields = [(_make_browser_field if browser else _make_field)(field) for field in info.fields]
        self._tag_field: str | None = getattr(info, "tag_field", None)
        self._tag = str(getattr(info, "tag", None))
        self._known_names = {field.name for field in self.fields} | {self._tag_field}
        self._refuses_unknown: bool = getattr(info, "forbid_unknown_fields", False)
        self._positional = is_positional(info)
        self._fill_defaults: Callable[[object], object] | None = make_defaults_filler(info, [info])

    @property
    def is_possible(self) -> bool:
        """True if texts and files can hold every required field."""
        return not any(field.required and field.read is None for field in self.fields)

    def read(self, fields: Fields, files: Files) -> object:
        """Return the value. Raises one of `CONVERSION_ERRORS`."""
        values: dict[str, object] = {}
        for error in self._read_fields(values, fields, files):
            raise ValueError(error.detail)
        return self._build(values)

    def find_errors(self, fields: Fields, files: Files) -> list[Invalid]:
        """Return all errors."""
        return self.try_read(fields, files)[1]

    def try_read(self, fields: Fields, files: Files) -> tuple[Any, list[Invalid]]:
        """Return the value and no errors, or None and all errors."""
        values: dict[str, object] = {}
        errors = list(self._read_fields(values, fields, files))
        if errors:
            return None, errors
        try:
            return self._build(values), []
        except CONVERSION_ERRORS as error:
            return None, [Invalid(get_validator_message(error) or f"Expected {describe_expected(self._info)}")]

    def _read_fields(self, values: dict[str, object], texts: Fields, files: Files) -> Iterator[Invalid]:
        """Add the value of each field to `values`, and yield the errors."""
        for field in self.fields:
            sent = (files if field.is_file else texts).get(field.name)
            if sent is None and field.absent is not None:
                sent = field.absent
            if sent is not None:
                try:
                    values[field.attribute if self._positional else field.name] = field.read_value(sent)
                except BadRequest as error:  # bytes that are not text
                    yield from error.errors
                except CONVERSION_ERRORS:
                    yield Invalid(f"Expected {describe_expected_text(field.info)}", parameter=field.name)
            elif field.required:
                yield Invalid(describe_missing_parameter(field.name), parameter=field.name)
        if self._tag_field is not None and self._tag not in texts.get(self._tag_field, [self._tag]):
            yield Invalid(f"Expected {self._info.tag!r}", parameter=self._tag_field)
        if self._refuses_unknown:
            for name in dict.fromkeys((*texts, *files)):
                if name not in self._known_names:
                    yield Invalid("Unknown field", parameter=name)

    def _build(self, values: dict[str, object]) -> object:
        if self._positional:  # msgspec builds it from arrays only; each field has been checked
            return self._info.cls(**values)
        value = msgspec.convert(values, self._annotation)
        return value if self._fill_defaults is None else self._fill_defaults(value)


class _DictForm:
    """A reader of a dict, which takes every name."""

    def __init__(self, annotation: Any, info: mi.DictType, read_value: TextsReader) -> None:
        self._annotation = annotation
        self._info = info
        self._read_key = make_text_reader(info.key_type) or str
        self._read_value = read_value

    def read(self, fields: Fields, _: Files) -> object:
        """Return the value. Raises one of `CONVERSION_ERRORS`."""
        values = {self._read_key(name): self._read_value(texts) for name, texts in fields.items()}
        return msgspec.convert(values, self._annotation)

    def find_errors(self, fields: Fields, files: Files) -> list[Invalid]:
        """Return all errors."""
        errors: list[Invalid] = []
        for name, texts in fields.items():
            if not _is_readable(self._read_key, name):
                errors.append(
                    Invalid(f"Expected the name to be {describe_expected_text(self._info.key_type)}", parameter=name)
                )
            try:
                self._read_value(texts)
            except BadRequest as error:  # bytes that are not text
                errors += error.errors
            except CONVERSION_ERRORS:
                errors.append(Invalid(f"Expected {describe_expected_text(self._info.value_type)}", parameter=name))
        if not errors and not _is_readable(lambda names: self.read(names, files), fields):
            errors.append(Invalid(f"Expected {describe_expected(self._info)}"))
        return errors


def _is_readable(read: Callable[[Any], object], source: object) -> bool:
    try:
        read(source)
    except CONVERSION_ERRORS:
        return False
    return True


class _TaggedForm:
    """A reader of a union of tagged Structs. The text of the tag's field selects the member."""

    def __init__(self, infos: Sequence[mi.StructType]) -> None:
        self._tag_field = str(infos[0].tag_field)
        self._members = {str(info.tag): ObjectForm(info.cls, info) for info in infos}
        self._tags = ", ".join(repr(info.tag) for info in infos)

    @property
    def is_possible(self) -> bool:
        return all(member.is_possible for member in self._members.values())

    def _select_member(self, fields: Fields) -> ObjectForm | None:
        return self._members.get(next(iter(fields.get(self._tag_field, ())), ""))

    def read(self, fields: Fields, files: Files) -> object:
        """Return the value. Raises one of `CONVERSION_ERRORS`."""
        member = self._select_member(fields)
        if member is None:
            raise ValueError("no such tag")
        return member.read(fields, files)

    def find_errors(self, fields: Fields, files: Files) -> list[Invalid]:
        """Return all errors."""
        member = self._select_member(fields)
        if member is None:
            return [Invalid(f"Expected one of {self._tags}", parameter=self._tag_field)]
        return member.find_errors(fields, files)


def make_form_readers(annotation: Any, info: mi.Type) -> FormReaders | None:
    """Return the readers of `annotation`, which `info` describes; None if names and texts cannot hold it."""
    info = remove_none(info)
    if isinstance(info, mi.DictType):
        read_value = _make_field_reader(info.value_type)
        return _DictForm(annotation, info, read_value) if read_value is not None else None
    form: ObjectForm | _TaggedForm | None = None
    if isinstance(info, _OBJECTS):
        form = ObjectForm(annotation, info)
    elif isinstance(info, mi.UnionType):
        tagged = [member for member in info.types if isinstance(member, mi.StructType) and member.tag_field is not None]
        form = _TaggedForm(tagged) if len(tagged) == len(info.types) else None
    return form if form is not None and form.is_possible else None
