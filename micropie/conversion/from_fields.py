"""A structured type from names and their texts: a form, a query string, a set of headers.

Each field is read by the rules of `texts.py`, files included by name; the whole is built by msgspec, so defaults,
constraints and the type's own rules hold. Each type is read up to the first surprise, or explained: then everything
that is wrong is told. What people fill in is read by the rules of browsers (HTML §4.10.21.4): an unchecked box sends
nothing, an empty field an empty text.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

import msgspec
from msgspec import inspect as mi
from msgspec.structs import replace

from .._utils.lazy_imports import lazy_pattern
from ..errors import Invalid, missing_parameter_detail
from .dataclass_defaults import make_defaults_filler
from .error_wording import describe_expected, describe_expected_text
from .exceptions import CONVERSION_ERRORS, validator_message
from .from_text import TextsReader, is_scalar, is_scalar_array, make_text_reader, make_texts_reader
from .type_info import ARRAYS, OBJECTS, is_positional, remove_none, unwrap_metadata

Fields: TypeAlias = Mapping[str, Sequence[str]]
Files: TypeAlias = Mapping[str, Sequence[object]]


_OBJECTS: Final = (*OBJECTS, mi.NamedTupleType)


class FormReaders(Protocol):
    """How a structured type is read from names, and how to tell what is wrong."""

    def read(self, fields: Fields, files: Files, /) -> object:
        """The value. Raises one of `CONVERSION_ERRORS`."""
        ...

    def find_errors(self, fields: Fields, files: Files, /) -> list[Invalid]:
        """Everything that is wrong; the source of an error is for the caller to say."""
        ...


class FormField(msgspec.Struct, frozen=True):
    """One field of a structured type, as a form carries it."""

    name: str
    """Its name on the wire."""
    attribute: str
    required: bool
    info: mi.Type
    is_file: bool
    read: Callable[[Sequence[Any]], object] | None
    """What makes the value of everything with its name; None where texts cannot."""
    absent: Sequence[str] | None = None
    """What it means that nothing has its name, where that is a value."""

    def value(self, found: Sequence[Any]) -> object:
        if self.read is None:
            raise ValueError("a form cannot carry this field")
        return self.read(found)


def _form_field(field: mi.Field) -> FormField:
    info = remove_none(field.type)
    is_file, read = False, _reader(field.type)
    if isinstance(info, mi.CustomType):
        is_file, read = True, _first
    elif isinstance(info, mi.ListType) and isinstance(unwrap_metadata(info.item_type), mi.CustomType):
        is_file, read = True, list
    return FormField(field.encode_name, field.name, field.required, field.type, is_file, read)


def _first(found: Sequence[Any]) -> object:
    return found[0]


def _browser_field(field: mi.Field) -> FormField:
    """The same, as a browser sends it: no name for a box that is not checked or a list of which nothing is chosen."""
    made, whole, info = _form_field(field), unwrap_metadata(field.type), remove_none(field.type)
    if isinstance(info, ARRAYS) or made.read is None:
        return replace(made, absent=[])
    if isinstance(whole, mi.UnionType) and any(
        isinstance(unwrap_metadata(member), mi.NoneType) for member in whole.types
    ):
        return replace(made, read=_or_none(_completed(info, made.read)), absent=[""] if field.required else None)
    return replace(made, read=_completed(info, made.read), absent=["false"] if is_checkbox(info) else None)


def is_checkbox(info: mi.Type) -> bool:
    """Whether it is yes or no, or has to be yes."""
    is_yes = isinstance(info, mi.LiteralType) and all(value is True for value in info.values)
    return isinstance(info, mi.BoolType) or is_yes


def _or_none(read: TextsReader) -> TextsReader:
    return lambda found: read(found) if found[0] else None


def _completed(info: mi.Type, read: TextsReader) -> TextsReader:
    complete = _INCOMPLETE.get(type(info))
    return read if complete is None else lambda texts: read([complete(texts[0])])


def _with_seconds(text: str) -> str:
    """A time of day as an input has it, without seconds (HTML §2.3.5)."""
    return f"{text}:00" if _NO_SECONDS.fullmatch(text) else text


def _with_zero(text: str) -> str:
    """A number as an input has it, perhaps without a digit before the point (HTML §2.3.4.3)."""
    return text.replace(".", "0.", 1) if text.startswith((".", "-.")) else text


_NO_SECONDS: Final = lazy_pattern(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T)?[0-9]{2}:[0-9]{2}")
_INCOMPLETE: Final[Mapping[type[mi.Type], Callable[[str], str]]] = {
    mi.DateTimeType: _with_seconds,
    mi.TimeType: _with_seconds,
    mi.FloatType: _with_zero,
    mi.DecimalType: _with_zero,
}


def _reader(info: mi.Type) -> TextsReader | None:
    """How the texts of one name become `info`; None where they cannot."""
    array = remove_none(info)
    if is_scalar_array(array):
        return make_texts_reader(array)
    if not is_scalar(info):
        return None
    one = make_text_reader(info)
    return _first if one is None else lambda texts: one(texts[0])


class ObjectForm:
    """A type with fields. With `browser` it is read as browsers fill it in."""

    def __init__(self, annotation: Any, info: Any, *, browser: bool = False) -> None:
        self._annotation = annotation
        self._info = info
        self.fields = [(_browser_field if browser else _form_field)(field) for field in info.fields]
        self._tag_field: str | None = getattr(info, "tag_field", None)
        self._tag = str(getattr(info, "tag", None))
        self._known = {field.name for field in self.fields} | {self._tag_field}
        self._closed: bool = getattr(info, "forbid_unknown_fields", False)
        self._positional = is_positional(info)
        self._complete: Callable[[object], object] | None = make_defaults_filler(info, [info])

    @property
    def can_be(self) -> bool:
        """Whether texts and files can carry all that it needs."""
        return not any(field.required and field.read is None for field in self.fields)

    def read(self, fields: Fields, files: Files) -> object:
        values: dict[str, object] = {}
        for error in self._gather(values, fields, files):
            raise ValueError(error.detail)
        return self._build(values)

    def find_errors(self, fields: Fields, files: Files) -> list[Invalid]:
        return self.try_read(fields, files)[1]

    def try_read(self, fields: Fields, files: Files) -> tuple[Any, list[Invalid]]:
        """The value, or None and everything that is wrong."""
        values: dict[str, object] = {}
        errors = list(self._gather(values, fields, files))
        if errors:
            return None, errors
        try:
            return self._build(values), []
        except CONVERSION_ERRORS as failure:
            return None, [Invalid(validator_message(failure) or f"Expected {describe_expected(self._info)}")]

    def _gather(self, values: dict[str, object], texts: Fields, files: Files) -> Iterator[Invalid]:
        """Fills `values`, and yields what is wrong."""
        for field in self.fields:
            found = (files if field.is_file else texts).get(field.name)
            if found is None and field.absent is not None:
                found = field.absent
            if found is not None:
                try:
                    values[field.attribute if self._positional else field.name] = field.value(found)
                except CONVERSION_ERRORS:
                    yield Invalid(f"Expected {describe_expected_text(field.info)}", parameter=field.name)
            elif field.required:
                yield Invalid(missing_parameter_detail(field.name), parameter=field.name)
        if self._tag_field is not None and self._tag not in texts.get(self._tag_field, [self._tag]):
            yield Invalid(f"Expected {self._info.tag!r}", parameter=self._tag_field)
        if self._closed:
            for name in dict.fromkeys((*texts, *files)):
                if name not in self._known:
                    yield Invalid("Unknown field", parameter=name)

    def _build(self, values: dict[str, object]) -> object:
        if self._positional:  # msgspec makes it of arrays only; each field has been checked
            return self._info.cls(**values)
        made = msgspec.convert(values, self._annotation)
        return made if self._complete is None else self._complete(made)


class _DictForm:
    """A dict: every name there is."""

    def __init__(self, annotation: Any, info: mi.DictType, read_value: TextsReader) -> None:
        self._annotation = annotation
        self._info = info
        self._read_key = make_text_reader(info.key_type) or str
        self._read_value = read_value

    def read(self, fields: Fields, _: Files) -> object:
        values = {self._read_key(name): self._read_value(texts) for name, texts in fields.items()}
        return msgspec.convert(values, self._annotation)

    def find_errors(self, fields: Fields, files: Files) -> list[Invalid]:
        errors: list[Invalid] = []
        for name, texts in fields.items():
            if not _reads(self._read_key, name):
                errors.append(
                    Invalid(f"Expected the name to be {describe_expected_text(self._info.key_type)}", parameter=name)
                )
            if not _reads(self._read_value, texts):
                errors.append(Invalid(f"Expected {describe_expected_text(self._info.value_type)}", parameter=name))
        if not errors and not _reads(lambda given: self.read(given, files), fields):
            errors.append(Invalid(f"Expected {describe_expected(self._info)}"))
        return errors


def _reads(read: Callable[[Any], object], given: object) -> bool:
    try:
        read(given)
    except CONVERSION_ERRORS:
        return False
    return True


class _TaggedForm:
    """A union of tagged Structs: the tag's field says which."""

    def __init__(self, infos: Sequence[mi.StructType]) -> None:
        self._name = str(infos[0].tag_field)
        self._members = {str(info.tag): ObjectForm(info.cls, info) for info in infos}
        self._wanted = "one of " + ", ".join(repr(info.tag) for info in infos)

    @property
    def can_be(self) -> bool:
        return all(member.can_be for member in self._members.values())

    def _chosen(self, fields: Fields) -> ObjectForm | None:
        return self._members.get(next(iter(fields.get(self._name, ())), ""))

    def read(self, fields: Fields, files: Files) -> object:
        member = self._chosen(fields)
        if member is None:
            raise ValueError("no such tag")
        return member.read(fields, files)

    def find_errors(self, fields: Fields, files: Files) -> list[Invalid]:
        member = self._chosen(fields)
        if member is None:
            return [Invalid(f"Expected {self._wanted}", parameter=self._name)]
        return member.find_errors(fields, files)


def make_form_readers(annotation: Any, info: mi.Type) -> FormReaders | None:
    """The readers of `annotation`, which `info` describes; None where names and texts cannot make one."""
    info = remove_none(info)
    if isinstance(info, mi.DictType):
        read_value = _reader(info.value_type)
        return _DictForm(annotation, info, read_value) if read_value is not None else None
    form: ObjectForm | _TaggedForm | None = None
    if isinstance(info, _OBJECTS):
        form = ObjectForm(annotation, info)
    elif isinstance(info, mi.UnionType):
        tagged = [one for one in info.types if isinstance(one, mi.StructType) and one.tag_field is not None]
        form = _TaggedForm(tagged) if len(tagged) == len(info.types) else None
    return form if form is not None and form.can_be else None
