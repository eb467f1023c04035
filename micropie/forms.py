"""A structured type from names and their texts: a form, a query string, a set of headers.

Each field is read by the rules of `texts.py`, files included by name; the whole is built by msgspec, so defaults,
constraints and the type's own rules hold. For each type there are two functions: one that reads and stops at the
first surprise, and one that tells everything that is wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import msgspec
from msgspec import inspect as mi

from .errors import Invalid
from .texts import TextsReader, is_many, is_scalar, text_reader, texts_reader
from .validation import FAILURES, bare, describe

Fields: TypeAlias = Mapping[str, Sequence[str]]
Files: TypeAlias = Mapping[str, Sequence[object]]


_OBJECTS = (mi.StructType, mi.DataclassType, mi.TypedDictType, mi.NamedTupleType)


class FormReaders(NamedTuple):
    """How a structured type is read from names, and how to tell what is wrong. An error's source is the caller's."""

    read: Callable[[Fields, Files], object]
    explain: Callable[[Fields, Files], list[Invalid]]


@dataclass(frozen=True, slots=True)
class _FormField:
    """One field of a structured type, as a form carries it."""

    name: str
    required: bool
    info: mi.Type
    is_file: bool
    many: bool
    read: TextsReader | None

    def find(self, fields: Fields, files: Files) -> Sequence[object] | None:
        return (files if self.is_file else fields).get(self.name)

    def value(self, found: Sequence[Any]) -> object:
        if self.is_file:
            return list(found) if self.many else found[0]
        if self.read is None:
            raise ValueError("a form cannot carry this field")
        return self.read(found)


def _form_field(field: mi.Field) -> _FormField:
    info = _without_none(field.type)
    is_file, many = isinstance(info, mi.CustomType), False
    if isinstance(info, mi.ListType) and isinstance(info.item_type, mi.CustomType):
        is_file, many = True, True
    read: TextsReader | None = None
    if is_many(info):
        many, read = True, texts_reader(info)
    elif is_scalar(field.type):
        one = text_reader(field.type)
        read = (lambda texts: texts[0]) if one is None else (lambda texts: one(texts[0]))
    return _FormField(field.encode_name, field.required, field.type, is_file, many, read)


def _without_none(info: mi.Type) -> mi.Type:
    """`info` without its `None`; a union of more stays as it is."""
    info = bare(info)
    if not isinstance(info, mi.UnionType):
        return info
    rest = [bare(member) for member in info.types if not isinstance(bare(member), mi.NoneType)]
    return rest[0] if len(rest) == 1 else info


def _keep(_: type, value: object) -> object:
    """An uploaded file inside a structured type is itself."""
    return value


def _object_form(annotation: Any, info: Any) -> FormReaders:
    """The readers of a structured type from names and their texts: the value, and every error."""
    fields = [_form_field(field) for field in info.fields]
    tag_field, tag = getattr(info, "tag_field", None), getattr(info, "tag", None)
    known = {field.name for field in fields} | {tag_field}
    closed = getattr(info, "forbid_unknown_fields", False)

    def gather(texts: Fields, files: Files) -> tuple[dict[str, object], list[Invalid]]:
        values: dict[str, object] = {}
        errors: list[Invalid] = []
        for field in fields:
            found = field.find(texts, files)
            if found is None:
                if field.required:
                    errors.append(Invalid(f"Missing required parameter '{field.name}'", parameter=field.name))
                continue
            try:
                values[field.name] = field.value(found)
            except FAILURES:
                errors.append(Invalid(f"Expected {describe(field.info)}", parameter=field.name))
        if tag_field is not None and str(tag) not in texts.get(tag_field, [str(tag)]):
            errors.append(Invalid(f"Expected {tag!r}", parameter=tag_field))
        if closed:
            errors += [Invalid("Unknown field", parameter=name) for name in [*texts, *files] if name not in known]
        return values, errors

    def read(texts: Fields, files: Files) -> object:
        values, errors = gather(texts, files)
        if errors:
            raise ValueError(errors[0].detail)
        return msgspec.convert(values, annotation, dec_hook=_keep)

    def explain(texts: Fields, files: Files) -> list[Invalid]:
        values, errors = gather(texts, files)
        if errors:
            return errors
        try:
            msgspec.convert(values, annotation, dec_hook=_keep)
        except FAILURES as failure:
            return [Invalid(str(failure.__cause__ or f"Expected {describe(info)}"))]
        return []

    return FormReaders(read, explain)


def _dict_form(info: mi.DictType) -> FormReaders:
    read_key = text_reader(info.key_type) or str
    value_info = bare(info.value_type)
    many = texts_reader(value_info) if is_many(value_info) else None
    one = None if many is not None else text_reader(value_info) or str

    def item(key: str, texts: Sequence[str]) -> tuple[object, object]:
        return read_key(key), many(texts) if many is not None else one(texts[0]) if one is not None else None

    def read(fields: Fields, _: Files) -> object:
        return dict(item(key, texts) for key, texts in fields.items())

    def explain(fields: Fields, _: Files) -> list[Invalid]:
        errors = []
        for key, texts in fields.items():
            try:
                item(key, texts)
            except FAILURES:
                errors.append(Invalid(f"Expected {describe(info.value_type)}", parameter=key))
        return errors

    return FormReaders(read, explain)


def _tagged_form(infos: Sequence[mi.StructType]) -> FormReaders:
    """A union of tagged Structs: the tag's field says which."""
    name = str(infos[0].tag_field)
    members = {str(info.tag): _object_form(info.cls, info) for info in infos}
    wanted = "one of " + ", ".join(repr(tag) for tag in members)

    def chosen(fields: Fields) -> str:
        return next(iter(fields.get(name, ())), "")

    def read(fields: Fields, files: Files) -> object:
        if chosen(fields) not in members:
            raise ValueError("no such tag")
        return members[chosen(fields)][0](fields, files)

    def explain(fields: Fields, files: Files) -> list[Invalid]:
        if chosen(fields) not in members:
            return [Invalid(f"Expected {wanted}", parameter=name)]
        return members[chosen(fields)][1](fields, files)

    return FormReaders(read, explain)


def form_readers(annotation: Any, info: mi.Type) -> FormReaders | None:
    """The readers of `annotation`, which `info` describes; None where names and texts cannot make one."""
    info = _without_none(info)
    if isinstance(info, mi.DictType):
        return _dict_form(info)
    if isinstance(info, _OBJECTS):
        return _object_form(annotation, info)
    if isinstance(info, mi.UnionType):
        members = [bare(member) for member in info.types if not isinstance(bare(member), mi.NoneType)]
        tagged = [member for member in members if isinstance(member, mi.StructType) and member.tag_field is not None]
        if len(tagged) == len(members):
            return _tagged_form(tagged)
    return None
