"""msgspec's description of a type → JSON Schema 2020-12, and readable names for what is shared.

A type has two schemas: as JSON, and as the text of a query, a header or a form field, where nothing is `null` and bytes
are their UTF-8. `msgspec.json.schema_components` has only the first, and loses a type where two generic ones share a
name; where both speak they agree, which the tests hold them to. It knows nothing of OpenAPI but where components are.
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

# What Decimal's own text looks like, when it is a number.
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

# msgspec's constraints, by what they constrain (JSON Schema Validation §6).
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
    """The schemas of one document: those of `infos`, whose classes and enums become its components."""

    def __init__(self, infos: Iterable[mi.Type], prefix: str = "#/components/schemas/") -> None:
        self._named: dict[Any, mi.Type] = {}
        for info in infos:
            self._collect(info)
        self._names = _names(self._named)
        self._prefix = prefix

    @property
    def components(self) -> dict[str, Json]:
        """The schema of each class and enum, by its name."""
        made = {self._names[cls]: self._defined(info) for cls, info in self._named.items()}
        return dict(sorted(made.items()))

    def json(self, info: mi.Type) -> Json:
        """The schema of `info` as JSON; of a class or an enum, the reference to it."""
        info, said = _told(info)
        cls = getattr(info, "cls", None)
        if cls is not None and cls in self._names:
            return {"$ref": self._prefix + self._names[cls], **said}
        return {**self._defined(info), **said}

    def text(self, info: mi.Type) -> Json:
        """The schema of `info` as one text, or as several of one name."""
        inner, said = _told(info)
        said |= _told(remove_none(inner))[1]
        inner = remove_none(inner)
        kind = type(inner)
        if isinstance(inner, mi.UnionType):
            made: Json = {"anyOf": [self.text(member) for member in inner.types]}
        elif isinstance(inner, mi.LiteralType):
            made = {"enum": [value for value in _choices(inner) if value is not None]}
        elif isinstance(inner, (*ARRAYS, mi.TupleType)):
            made = _array(inner, self.text)
        elif kind in _AS_TEXT:
            made = {**_AS_TEXT[kind], **_limits(inner, _TEXT if kind in OCTETS else _BOUNDS)}
        else:
            made = self.json(inner)
        return {**made, **said}

    def form(self, info: mi.Type) -> Json:
        """The schema of a structured `info` as the fields of a form, or as other names with texts."""
        info = remove_none(info)
        if isinstance(info, mi.UnionType):
            return {"anyOf": [self.form(member) for member in info.types]}
        if isinstance(info, mi.DictType):
            return {
                **self._mapping(info),
                **({} if _is_any(info) else {"additionalProperties": self.text(info.value_type)}),
            }
        if not isinstance(info, (*OBJECTS, mi.NamedTupleType)):
            return self.json(info)
        made = self.form_fields(info)
        same = not is_positional(info) and made == _object(info, self.json)
        return self.json(info) if same else made

    def form_fields(self, info: mi.Type) -> Json:
        """The same, written out: an object with `properties`, also where a reference would do."""
        info = remove_none(info)
        if not isinstance(info, (*OBJECTS, mi.NamedTupleType)):
            return self.form(info)
        made = _object(info, self.text)
        for field in info.fields:
            if not field.required and not _is_spelled(field.type):  # a form cannot carry it, and need not
                del made["properties"][field.encode_name]
                continue
            schema = made["properties"][field.encode_name]
            if field.required:
                made["properties"][field.encode_name] = require_one_item(schema)
            if schema.pop("default", None) is not None:  # which no text says
                schema |= default_keyword(_default(field), as_text=True)
        return made

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

    def _defined(self, info: mi.Type) -> Json:
        """The schema itself, not the reference to it."""
        if isinstance(info, mi.UnionType):
            return self._union(info)
        if isinstance(info, mi.EnumType | mi.LiteralType):
            return {**(_titled(info) if isinstance(info, mi.EnumType) else {}), "enum": _choices(info)}
        if isinstance(info, (*ARRAYS, mi.TupleType)):
            return _array(info, self.json)
        if isinstance(info, mi.DictType):
            return self._mapping(info)
        if isinstance(info, (*OBJECTS, mi.NamedTupleType)):
            return {**_titled(info), **(_row if is_positional(info) else _object)(info, self.json)}
        made = dict(_PLAIN.get(type(info), {}))
        if getattr(info, "tz", None) is False:
            made["format"] = _LOCAL[made["format"]]
        return {**made, **_limits(info, {} if isinstance(info, OCTETS) else _BOUNDS | _TEXT)}

    def _mapping(self, info: mi.DictType) -> Json:
        made: Json = {"type": "object", **_limits(info, _ENTRIES)}
        names = self.json(info.key_type) if isinstance(unwrap_metadata(info.key_type), mi.StrType) else {}
        names.pop("type", None)  # all of them are texts
        if names:
            made["propertyNames"] = names
        return made if _is_any(info) else {**made, "additionalProperties": self.json(info.value_type)}

    def _union(self, info: mi.UnionType) -> Json:
        members = [unwrap_metadata(member) for member in info.types]
        made: Json = {"anyOf": [self.json(member) for member in info.types]}
        tagged = [one for one in members if isinstance(one, mi.StructType) and one.tag_field is not None]
        if len(tagged) == len(members):
            mapping = {str(one.tag): self.json(one)["$ref"] for one in tagged}
            made["discriminator"] = {"propertyName": tagged[0].tag_field, "mapping": mapping}
        return made


def _told(info: mi.Type) -> tuple[mi.Type, Json]:
    """`info` without wrappers, and what `msgspec.Meta` said in them: titles, descriptions, examples."""
    said: Json = {}
    while isinstance(info, mi.Metadata):
        said = {**(info.extra_json_schema or {}), **said}
        info = info.type
    return info, said


def _limits(info: Any, words: Mapping[str, str]) -> Json:
    found = {word: getattr(info, name, None) for name, word in words.items()}
    return {word: value for word, value in found.items() if value is not None}


def _is_any(info: mi.DictType) -> bool:
    return isinstance(unwrap_metadata(info.value_type), mi.AnyType)


def _choices(info: mi.EnumType | mi.LiteralType) -> list[Any]:
    if isinstance(info, mi.EnumType):
        return [msgspec.to_builtins(member.value) for member in info.cls]
    return sorted(info.values, key=lambda value: (value is None, str(value)))


def _array(info: Any, schema: Callable[[mi.Type], Json]) -> Json:
    if isinstance(info, mi.TupleType):
        size = len(info.item_types)
        items = {"prefixItems": [schema(item) for item in info.item_types], "items": False} if size else {}
        return {"type": "array", "minItems": size, "maxItems": size, **items}
    made: Json = {"type": "array", **_limits(info, _ITEMS)}
    if not isinstance(unwrap_metadata(info.item_type), mi.AnyType):
        made["items"] = schema(info.item_type)
    if isinstance(info, mi.SetType | mi.FrozenSetType):
        made["uniqueItems"] = True
    return made


def _object(info: AnyObject, schema: Callable[[mi.Type], Json]) -> Json:
    properties: Json = {}
    required = [field.encode_name for field in info.fields if field.required]
    tag_field = getattr(info, "tag_field", None)
    if tag_field is not None:
        properties[tag_field] = {"enum": [getattr(info, "tag", None)]}
        required.insert(0, tag_field)
    properties |= {field.encode_name: _field(field, schema) for field in info.fields}
    made: Json = {"type": "object", "properties": properties}
    if required:
        made["required"] = required
    if getattr(info, "forbid_unknown_fields", False):
        made["additionalProperties"] = False
    return made


def _row(info: AnyObject, schema: Callable[[mi.Type], Json]) -> Json:
    """What is written as an array, by position."""
    fields = [_field(field, schema) for field in info.fields]
    if getattr(info, "tag_field", None) is not None:
        fields.insert(0, {"enum": [getattr(info, "tag", None)]})
    needed = len(fields) - sum(not field.required for field in info.fields)
    made: Json = {"type": "array", "prefixItems": fields, "minItems": needed}
    if isinstance(info, mi.NamedTupleType) or getattr(info, "forbid_unknown_fields", False):
        made["maxItems"] = len(fields)
    return made


def _field(field: mi.Field, schema: Callable[[mi.Type], Json]) -> Json:
    default = _default(field)
    return schema(field.type) | (default_keyword(default) if default is not msgspec.NODEFAULT else {})


def _is_spelled(info: mi.Type) -> bool:
    """Whether texts of one name, or files, can be an `info`."""
    info = remove_none(info)
    item = unwrap_metadata(info.item_type) if isinstance(info, mi.ListType) else info
    return isinstance(item, mi.CustomType) or is_scalar(info) or is_scalar_array(info)


def _default(field: mi.Field) -> Any:
    if field.default is msgspec.NODEFAULT and field.default_factory in (list, dict, set, bytearray):
        return field.default_factory()
    return field.default


def require_one_item(schema: Json) -> Json:
    """The schema of what must be there, as texts of one name: none of them is not there."""
    is_array = schema.get("type") == "array"
    return {**schema, "minItems": max(1, schema.get("minItems", 1))} if is_array else schema


def default_keyword(value: object, *, as_text: bool = False) -> Json:
    """`value` as the `default` of a schema, or of one for text; nothing where JSON cannot say it."""
    try:
        if as_text and isinstance(value, Decimal):  # JSON writes it in quotes, text does not
            return {"default": int(value) if value == int(value) else float(value)}
        if as_text and isinstance(value, bytes):  # JSON has it in base64
            return {"default": value.decode()}
        said = msgspec.json.decode(msgspec.json.encode(value))  # lists where Python has tuples
    except (TypeError, ValueError, ArithmeticError, RecursionError):
        return {}
    return {"default": said} if said is not None or value is None else {}  # JSON's null is also what it has for inf


def _titled(info: Any) -> Json:
    """A class's name, and its docstring where somebody wrote one."""
    cls = get_origin(info.cls) or info.cls
    text = inspect.cleandoc(cls.__doc__ or "")
    generated = text == "An enumeration." or (text.startswith(f"{cls.__name__}(") and text.endswith(")"))
    return {"title": format_type_name(info.cls), **({"description": text} if text and not generated else {})}


# --- names ----------------------------------------------------------------------------------------------------------


def _names(classes: Iterable[Any]) -> dict[Any, str]:
    """A name for each class: its own; with its module where several have that; with a number where even that is one."""
    short: dict[str, list[Any]] = {}
    for cls in classes:
        short.setdefault(make_component_name(format_type_name(cls)), []).append(cls)
    found: dict[Any, str] = {}
    taken: set[str] = set()
    for name, sharing in short.items():
        for cls in sharing:
            wanted = name if len(sharing) == 1 else make_component_name(format_type_name(cls, full=True))
            numbers = (f"{wanted}_{number}" for number in range(2, len(sharing) + 2))
            found[cls] = next(one for one in (wanted, *numbers) if one not in taken)
            taken.add(found[cls])
    return found


def make_component_name(text: str) -> str:
    """`text` in the characters that a component's name may have (OpenAPI 3.1 §4.8.7.1)."""
    return re.sub(r"[^a-zA-Z0-9._-]", "_", text)


def format_type_name(cls: Any, *, full: bool = False) -> str:
    """What a type is called: `Page[Todo]`; in full, with modules."""
    plain = get_origin(cls) or cls
    if not isinstance(plain, type):
        return str(cls).rpartition(".")[2]
    name = f"{plain.__module__}.{plain.__qualname__}" if full and plain.__module__ != "builtins" else plain.__name__
    arguments = ", ".join(format_type_name(argument, full=full) for argument in get_args(cls))
    return f"{name}[{arguments}]" if arguments else name
