"""This module turns msgspec's description of a type into JSON Schema 2020-12, with readable names for components.

A type has two schemas: one for JSON, and one for the text of a query, a header or a form field, where nothing is `null`
and bytes are their UTF-8. `msgspec.json.schema_components` writes only the first, and loses a type if two generic types
share a name. The tests hold both to the same schemas where both have one. Of OpenAPI, this module needs only the place
of the components.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias, get_args, get_origin

import msgspec
from msgspec import inspect as mi

from ..conversion.from_text import is_scalar, is_scalar_array
from ..conversion.type_info import ARRAYS, OBJECTS, OCTETS, AnyObject, is_positional, remove_none, unwrap_metadata

Json: TypeAlias = dict[str, Any]
"""A JSON object."""

BINARY: Final[Json] = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
"""A file. OpenAPI 3.1 asks for `contentMediaType`; many of its tools still look for `format`."""

# The text of a Decimal that is a number.
_DECIMAL: Final = r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"

_PLAIN: Final[Mapping[type[mi.Type], Json]] = {
    mi.AnyType: {},
    mi.RawType: {},
    mi.NoneType: {"type": "null"},
    mi.BoolType: {"type": "boolean"},
    mi.IntType: {"type": "integer"},
    mi.FloatType: {"type": "number"},
    mi.StrType: {"type": "string"},
    mi.BytesType: {"type": "string", "contentEncoding": "base64"},
    mi.ByteArrayType: {"type": "string", "contentEncoding": "base64"},
    mi.MemoryViewType: {"type": "string", "contentEncoding": "base64"},
    mi.DateTimeType: {"type": "string", "format": "date-time"},
    mi.TimeType: {"type": "string", "format": "time"},
    mi.DateType: {"type": "string", "format": "date"},
    mi.TimeDeltaType: {"type": "string", "format": "duration"},
    mi.UUIDType: {"type": "string", "format": "uuid"},
    mi.DecimalType: {"type": "string", "format": "decimal", "pattern": _DECIMAL},
    mi.CustomType: BINARY,
}
_AS_TEXT: Final[Mapping[type[mi.Type], Json]] = {
    **{octets: {"type": "string"} for octets in OCTETS},
    mi.DecimalType: {"type": "number"},
}

# Keywords for msgspec's constraints, by the kind of type (JSON Schema Validation §6).
_BOUNDS: Final = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
}
_TEXT: Final = {"min_length": "minLength", "max_length": "maxLength", "pattern": "pattern"}
_ITEMS: Final = {"min_length": "minItems", "max_length": "maxItems"}
_ENTRIES: Final = {"min_length": "minProperties", "max_length": "maxProperties"}

_LOCAL: Final = {"date-time": "date-time-local", "time": "time-local"}  # OpenAPI's format registry


class Schemas:
    """The schemas of one document. The classes and enums in `infos` become its components."""

    def __init__(self, infos: Iterable[mi.Type], prefix: str = "#/components/schemas/") -> None:
        self._named: dict[Any, mi.Type] = {}
        for info in infos:
            self._collect(info)
        self._names = _choose_names(self._named)
        self._prefix = prefix

    @property
    def components(self) -> dict[str, Json]:
        """The schema of each class and enum, by its name."""
        schemas = {self._names[cls]: self._define(info) for cls, info in self._named.items()}
        return dict(sorted(schemas.items()))

    def json(self, info: mi.Type) -> Json:
        """Return the schema of `info` as JSON; for a class or an enum, a reference to it."""
        info, notes = _strip_metadata(info)
        cls = getattr(info, "cls", None)
        if cls is not None and cls in self._names:
            return {"$ref": self._prefix + self._names[cls], **notes}
        return {**self._define(info), **notes}

    def text(self, info: mi.Type) -> Json:
        """Return the schema of `info` as one text, or as several texts under one name."""
        inner, notes = _strip_metadata(info)
        notes |= _strip_metadata(remove_none(inner))[1]
        inner = remove_none(inner)
        kind = type(inner)
        if isinstance(inner, mi.UnionType):
            schema: Json = {"anyOf": [self.text(member) for member in inner.types]}
        elif isinstance(inner, mi.LiteralType):
            schema = {"enum": [value for value in _list_choices(inner) if value is not None]}
        elif isinstance(inner, (*ARRAYS, mi.TupleType)):
            schema = _write_array(inner, self.text)
        elif kind in _AS_TEXT:
            schema = {**_AS_TEXT[kind], **_write_limits(inner, _TEXT if kind in OCTETS else _BOUNDS)}
        else:
            schema = self.json(inner)
        return {**schema, **notes}

    def form(self, info: mi.Type) -> Json:
        """Return the schema of a structured `info` as the fields of a form, or as names with texts from elsewhere."""
        info = remove_none(info)
        if isinstance(info, mi.UnionType):
            return {"anyOf": [self.form(member) for member in info.types]}
        if isinstance(info, mi.DictType):
            values = {} if _is_any(info) else {"additionalProperties": self.text(info.value_type)}
            return {**self._write_mapping(info), **values}
        if not isinstance(info, (*OBJECTS, mi.NamedTupleType)):
            return self.json(info)
        schema = self.form_fields(info)
        is_same = not is_positional(info) and schema == _write_object(info, self.json)
        return self.json(info) if is_same else schema

    def form_fields(self, info: mi.Type) -> Json:
        """Return the same as `form`, but for a class always an object with `properties`, never a reference."""
        info = remove_none(info)
        if not isinstance(info, (*OBJECTS, mi.NamedTupleType)):
            return self.form(info)
        form = _write_object(info, self.text)
        for field in info.fields:
            if not field.required and not _can_be_text(field.type):  # a form cannot carry it, and it is optional
                del form["properties"][field.encode_name]
                continue
            schema = form["properties"][field.encode_name]
            if field.required:
                form["properties"][field.encode_name] = require_one_item(schema)
            if schema.pop("default", None) is not None:  # it is JSON's
                schema |= write_default(_get_default(field), as_text=True)
        return form

    def _collect(self, info: Any) -> None:
        info = unwrap_metadata(info)
        cls = getattr(info, "cls", None)
        if cls is not None and not isinstance(info, mi.CustomType):
            if cls in self._named:
                return
            self._named[cls] = info
        for name in ("item_type", "key_type", "value_type"):
            if hasattr(info, name):
                self._collect(getattr(info, name))
        parts = (*getattr(info, "types", ()), *getattr(info, "item_types", ()))
        for part in (*parts, *(field.type for field in getattr(info, "fields", ()))):
            self._collect(part)

    def _define(self, info: mi.Type) -> Json:
        """Return the schema itself, not a reference to it."""
        if isinstance(info, mi.UnionType):
            return self._write_union(info)
        if isinstance(info, mi.EnumType | mi.LiteralType):
            return {**(_describe_class(info) if isinstance(info, mi.EnumType) else {}), "enum": _list_choices(info)}
        if isinstance(info, (*ARRAYS, mi.TupleType)):
            return _write_array(info, self.json)
        if isinstance(info, mi.DictType):
            return self._write_mapping(info)
        if isinstance(info, (*OBJECTS, mi.NamedTupleType)):
            write = _write_row if is_positional(info) else _write_object
            return {**_describe_class(info), **write(info, self.json)}
        schema = dict(_PLAIN.get(type(info), {}))
        if getattr(info, "tz", None) is False:
            schema["format"] = _LOCAL[schema["format"]]
        return {**schema, **_write_limits(info, {} if isinstance(info, OCTETS) else _BOUNDS | _TEXT)}

    def _write_mapping(self, info: mi.DictType) -> Json:
        schema: Json = {"type": "object", **_write_limits(info, _ENTRIES)}
        names = self.json(info.key_type) if isinstance(unwrap_metadata(info.key_type), mi.StrType) else {}
        names.pop("type", None)  # every name is a string
        if names:
            schema["propertyNames"] = names
        return schema if _is_any(info) else {**schema, "additionalProperties": self.json(info.value_type)}

    def _write_union(self, info: mi.UnionType) -> Json:
        members = [unwrap_metadata(member) for member in info.types]
        schema: Json = {"anyOf": [self.json(member) for member in info.types]}
        tagged = [member for member in members if isinstance(member, mi.StructType) and member.tag_field is not None]
        if len(tagged) == len(members):
            mapping = {str(member.tag): self.json(member)["$ref"] for member in tagged}
            schema["discriminator"] = {"propertyName": tagged[0].tag_field, "mapping": mapping}
        return schema


def _strip_metadata(info: mi.Type) -> tuple[mi.Type, Json]:
    """Return `info` without wrappers, and the titles, descriptions and examples of the `msgspec.Meta` in them."""
    notes: Json = {}
    while isinstance(info, mi.Metadata):
        notes = {**(info.extra_json_schema or {}), **notes}
        info = info.type
    return info, notes


def _write_limits(info: Any, keywords: Mapping[str, str]) -> Json:
    """Write the constraints of `info`. `keywords` maps msgspec's names to those of JSON Schema."""
    limits = {keyword: getattr(info, name, None) for name, keyword in keywords.items()}
    return {keyword: value for keyword, value in limits.items() if value is not None}


def _is_any(info: mi.DictType) -> bool:
    return isinstance(unwrap_metadata(info.value_type), mi.AnyType)


def _list_choices(info: mi.EnumType | mi.LiteralType) -> list[Any]:
    if isinstance(info, mi.EnumType):
        return [msgspec.to_builtins(member.value) for member in info.cls]
    return sorted(info.values, key=lambda value: (value is None, str(value)))


def _write_array(info: Any, write: Callable[[mi.Type], Json]) -> Json:
    if isinstance(info, mi.TupleType):
        size = len(info.item_types)
        items = {"prefixItems": [write(item) for item in info.item_types], "items": False} if size else {}
        return {"type": "array", "minItems": size, "maxItems": size, **items}
    schema: Json = {"type": "array", **_write_limits(info, _ITEMS)}
    if not isinstance(unwrap_metadata(info.item_type), mi.AnyType):
        schema["items"] = write(info.item_type)
    if isinstance(info, mi.SetType | mi.FrozenSetType):
        schema["uniqueItems"] = True
    return schema


def _write_object(info: AnyObject, write: Callable[[mi.Type], Json]) -> Json:
    properties: Json = {}
    required = [field.encode_name for field in info.fields if field.required]
    tag_field = getattr(info, "tag_field", None)
    if tag_field is not None:
        properties[tag_field] = {"enum": [getattr(info, "tag", None)]}
        required.insert(0, tag_field)
    properties |= {field.encode_name: _write_field(field, write) for field in info.fields}
    schema: Json = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    if getattr(info, "forbid_unknown_fields", False):
        schema["additionalProperties"] = False
    return schema


def _write_row(info: AnyObject, write: Callable[[mi.Type], Json]) -> Json:
    """Return the schema of a class whose instances are arrays: a NamedTuple, or a Struct with `array_like`."""
    fields = [_write_field(field, write) for field in info.fields]
    if getattr(info, "tag_field", None) is not None:
        fields.insert(0, {"enum": [getattr(info, "tag", None)]})
    needed = len(fields) - sum(not field.required for field in info.fields)
    schema: Json = {"type": "array", "prefixItems": fields, "minItems": needed}
    if isinstance(info, mi.NamedTupleType) or getattr(info, "forbid_unknown_fields", False):
        schema["maxItems"] = len(fields)
    return schema


def _write_field(field: mi.Field, write: Callable[[mi.Type], Json]) -> Json:
    default = _get_default(field)
    return write(field.type) | (write_default(default) if default is not msgspec.NODEFAULT else {})


def _get_default(field: mi.Field) -> Any:
    if field.default is msgspec.NODEFAULT and field.default_factory in (list, dict, set, bytearray):
        return field.default_factory()
    return field.default


def _can_be_text(info: mi.Type) -> bool:
    """Return True if texts under one name, or files, can become an `info`."""
    info = remove_none(info)
    item = unwrap_metadata(info.item_type) if isinstance(info, mi.ListType) else info
    return isinstance(item, mi.CustomType) or is_scalar(info) or is_scalar_array(info)


def require_one_item(schema: Json) -> Json:
    """Return `schema` for a required list of texts under one name: an empty list would be a missing name."""
    is_array = schema.get("type") == "array"
    return {**schema, "minItems": max(1, schema.get("minItems", 1))} if is_array else schema


def write_default(value: object, *, as_text: bool = False) -> Json:
    """Return `value` as the keyword `default` of a schema, or of a schema for text; {} if JSON cannot express it."""
    try:
        if as_text and isinstance(value, Decimal):  # JSON writes a string, text a number
            return {"default": int(value) if value == int(value) else float(value)}
        if as_text and isinstance(value, bytes):  # JSON writes base64
            return {"default": value.decode()}
        default = msgspec.json.decode(msgspec.json.encode(value))  # so that tuples are lists
    except (TypeError, ValueError, ArithmeticError, RecursionError):
        return {}
    return {} if default is None and value is not None else {"default": default}  # msgspec writes inf as null


def _describe_class(info: Any) -> Json:
    """Return the name of a class, and its docstring unless Python generated it."""
    cls = get_origin(info.cls) or info.cls
    text = inspect.cleandoc(cls.__doc__ or "")
    is_generated = text == "An enumeration." or (text.startswith(f"{cls.__name__}(") and text.endswith(")"))
    return {"title": format_type_name(info.cls), **({"description": text} if text and not is_generated else {})}


# --- names ----------------------------------------------------------------------------------------------------------


def _choose_names(classes: Iterable[Any]) -> dict[Any, str]:
    """Choose a unique name for each class.

    It is the class's own name. Classes that share a name get their modules' names in front, and a number if those are
    the same, too.
    """
    by_short_name: dict[str, list[Any]] = {}
    for cls in classes:
        by_short_name.setdefault(make_component_name(format_type_name(cls)), []).append(cls)
    names: dict[Any, str] = {}
    used: set[str] = set()
    for short_name, sharing in by_short_name.items():
        for cls in sharing:
            name = short_name if len(sharing) == 1 else make_component_name(format_type_name(cls, full=True))
            numbered = (f"{name}_{number}" for number in range(2, len(sharing) + 2))
            names[cls] = next(candidate for candidate in (name, *numbered) if candidate not in used)
            used.add(names[cls])
    return names


def make_component_name(text: str) -> str:
    """Replace the characters of `text` that the name of a component cannot have (OpenAPI 3.1 §4.8.7.1)."""
    return re.sub(r"[^a-zA-Z0-9._-]", "_", text)


def format_type_name(cls: Any, *, full: bool = False) -> str:
    """Return the name of a type, such as `Page[Todo]`; with `full`, include the modules."""
    plain = get_origin(cls) or cls
    if not isinstance(plain, type):
        return str(cls).rpartition(".")[2]
    name = f"{plain.__module__}.{plain.__qualname__}" if full and plain.__module__ != "builtins" else plain.__name__
    arguments = ", ".join(format_type_name(argument, full=full) for argument in get_args(cls))
    return f"{name}[{arguments}]" if arguments else name
