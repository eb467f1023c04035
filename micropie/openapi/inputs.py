"""This module turns a handler's parameters into OpenAPI parameters, a request body and security requirements.

A value that may come from several places is documented at the natural one: in the path if the URL has it, else in the
body if the method has one, else in the query. The server accepts it from the other places, too.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import inspect as mi

from ..binding.signature import (
    FROM_BODY,
    TAKES_BODY,
    Kind,
    Parameter,
    Role,
    accepts_plain_text,
    derive_header_name,
    get_form_readers,
)
from ..conversion.type_info import OBJECTS, remove_none
from ..errors import Source
from ..forms.form_result import find_file_markers
from ..params import File
from ..sentinels import UNSET
from .paths import Url, keys_go_to_body, needs_body
from .schemas import BINARY, Json, Schemas, make_component_name, require_one_item, write_default

JSON: Final = "application/json"
URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
TEXT: Final = "text/plain"
OCTETS: Final = "application/octet-stream"
LINES: Final = "application/jsonl"

_CARRIES: Final[Mapping[str, frozenset[Source]]] = {
    JSON: frozenset(("body",)),
    URLENCODED: frozenset(("form",)),
    MULTIPART: frozenset(("form", "file")),
}
"""The sources that a body of each media type brings."""

_CREDENTIAL: Final = re.compile(
    r"(proxy-)?authorization|(.*[-_])?(api|access|auth|private|secret)[-_]?(key|token)|(x[-_])?(token|jwt)|"
    r"(.*[-_])?session([-_]?id)?",
    re.IGNORECASE,
)
"""The names of headers and cookies that identify the caller."""

_NOT_DOCUMENTED: Final = ("accept", "content-type")
"""Headers that OpenAPI does not describe as parameters (OpenAPI 3.1 §4.8.12.1)."""


class Inputs(msgspec.Struct, frozen=True):
    """The parts of a request that an operation takes."""

    parameters: list[Json]
    body: Json | None
    security: list[Json]
    """The alternatives, each with the names of schemes that are needed together; empty without credentials."""
    schemes: dict[str, Json]
    media_type_matters: bool
    """True if a body can be refused for its media type (415)."""

    @property
    def may_be_invalid(self) -> bool:
        """True if a request can be invalid."""
        return bool(self.parameters or self.body or self.security)


def read_inputs(
    parameters: Sequence[Parameter],
    url: Url,
    method: str,
    *,
    names: Sequence[str],
    texts: Mapping[str, str],
    schemas: Schemas,
    cookie: str,
) -> Inputs:
    """Return the inputs of the operation `method` at `url`, with `names` for the parameters in the path.

    `parameters` are all inputs of the handler and of its dependencies. `texts` are the docstring's texts about them, by
    name. `cookie` is the name of the session cookie.
    """
    writer = _Writer(method, texts, schemas)
    for parameter, name in zip(url.parameters, names, strict=True):
        writer.add_path_value(parameter, name)
    in_url = {parameter.index for parameter in url.parameters}
    takes_keys = keys_go_to_body(parameters, method)
    for parameter in parameters:
        is_in_url = parameter.index is not None and parameter.index in in_url
        if not is_in_url and parameter.kind is not Kind.VAR_POSITIONAL:
            writer.add(parameter, cookie, takes_keys=takes_keys)
    return writer.finish()


def read_credential(parameter: Parameter, cookie: str) -> tuple[str, Json] | None:
    """Return the name and the security scheme of a parameter that identifies the caller; None for any other.

    Such a parameter is a session, a token or a key.
    """
    source = parameter.sources[0] if len(parameter.sources) == 1 else None
    if source == "session":
        return "session", {"type": "apiKey", "in": "cookie", "name": cookie}
    if source not in ("header", "cookie") or parameter.whole or not _CREDENTIAL.fullmatch(parameter.alias):
        return None
    name = make_component_name(parameter.alias)
    return name if name != "session" else f"session_{source}", {"type": "apiKey", "in": source, "name": parameter.alias}


class _Writer:
    """A writer that collects the inputs of one operation, parameter by parameter."""

    def __init__(self, method: str, texts: Mapping[str, str], schemas: Schemas) -> None:
        self._method = method
        self._texts = texts
        self._schemas = schemas
        self._parameters: list[Json] = []
        self._keys: list[Parameter] = []
        """The parameters that are keys of the body."""
        self._wholes: list[Parameter] = []
        """The parameters that are made of the whole body."""
        self._required_schemes: dict[str, list[str]] = {}
        self._optional_schemes: dict[str, list[str]] = {}
        self._schemes: dict[str, Json] = {}

    def add_path_value(self, parameter: Parameter, name: str) -> None:
        """Add a parameter whose value is in the path."""
        is_repeated = parameter.kind is Kind.VAR_POSITIONAL
        note = "More segments may follow; each of them is one value." if is_repeated else ""
        self._add_parameter(parameter, name, "path", required=True, note=note)

    def add(self, parameter: Parameter, cookie: str, *, takes_keys: bool) -> None:
        """Add a parameter whose value is not in the path."""
        sources: list[Source] = [source for source in parameter.sources if source != "path"]
        if not sources:
            return
        credential = read_credential(parameter, cookie)
        if credential is not None:
            name, self._schemes[name] = credential
            (self._required_schemes if needs_value(parameter) else self._optional_schemes)[name] = []
        elif needs_body(parameter) or (takes_keys and not FROM_BODY.isdisjoint(sources)):
            if needs_body(parameter) and not parameter.required and self._method == "GET":
                return  # the handler is also documented as POST, with its whole body
            self._add_to_body(parameter)
        elif parameter.whole:
            self._add_fields(parameter, sources[0])
        else:
            self._add_parameter(parameter, parameter.alias, sources[0], required=parameter.required)

    def _add_to_body(self, parameter: Parameter) -> None:
        """Add a part of the body, unless another function reads the same part."""
        body_parameters = self._wholes if parameter.whole else self._keys
        if all((other.alias, other.sources) != (parameter.alias, parameter.sources) for other in body_parameters):
            body_parameters.append(parameter)

    def finish(self) -> Inputs:
        """Return all inputs."""
        security: list[Json] = []
        if self._schemes:
            security = [{**self._required_schemes, **self._optional_schemes}]
            if self._optional_schemes.keys() - self._required_schemes.keys():
                security.append({**self._required_schemes})
        matters = any(map(_refuses_media_types, (*self._keys, *self._wholes)))
        return Inputs(self._parameters, self._write_body(), security, self._schemes, matters)

    # --- parameters ---

    def _add_parameter(
        self, parameter: Parameter, name: str, source: Source, *, required: bool, note: str = ""
    ) -> None:
        if source == "header" and name.lower() in _NOT_DOCUMENTED:
            return
        described: Json = {"name": name, "in": source}
        description = " ".join(filter(None, (self._texts.get(parameter.name, ""), note)))
        if parameter.kind is Kind.VAR_KEYWORD:
            value = self._schemas.text(parameter.converter.info)
            described |= {"style": "form", "explode": True}
            described["schema"] = {"type": "object", "additionalProperties": value}
        else:
            schema = self._schemas.text(parameter.converter.info) if source == "path" else self._write_text(parameter)
            described["schema"] = schema
            description = description or schema.pop("description", "")
        if description:
            described["description"] = description
        if required:
            described["required"] = True
        self._append(described)

    def _append(self, described: Json) -> None:
        """Append a Parameter Object, unless another function reads the same parameter."""
        if all((other["name"], other["in"]) != (described["name"], described["in"]) for other in self._parameters):
            self._parameters.append(described)

    def _add_fields(self, parameter: Parameter, source: Source) -> None:
        """Add one parameter for each field of a structure that is built from the query, the headers or the cookies."""
        info = remove_none(parameter.converter.info)
        if not isinstance(info, (*OBJECTS, mi.NamedTupleType)):
            schema = self._schemas.form_fields(info)
            self._append({"name": parameter.alias, "in": source, "schema": schema, "style": "form", "explode": True})
            return
        fields = self._schemas.form_fields(info)
        required = fields.get("required", ()) if parameter.required else ()
        for name, schema in fields["properties"].items():
            alias = derive_header_name(name) if source == "header" else name
            described = {"name": alias, "in": source, "schema": schema}
            if "description" in schema:
                described["description"] = schema.pop("description")
            self._append(described | ({"required": True} if name in required else {}))

    def _write_text(self, parameter: Parameter) -> Json:
        schema = self._schemas.text(parameter.converter.info)
        return (
            require_one_item(schema) if parameter.required else {**schema, **_describe_default(parameter, as_text=True)}
        )

    # --- the body ---

    def _write_body(self) -> Json | None:
        content = dict(self._list_contents())
        if not content:
            return None
        body: Json = {"content": content}
        texts = [self._texts[parameter.name] for parameter in self._wholes if parameter.name in self._texts]
        if texts:
            body["description"] = texts[0]
        elif in_query := [parameter.alias for parameter in self._keys if "query" in parameter.sources]:
            subject = "Each value" if len(in_query) == len(self._keys) else ", ".join(in_query)
            body["description"] = f"{subject} may also come from the query, which takes precedence over the body."
        if any(parameter.required and parameter.role is not Role.LINES for parameter in (*self._wholes, *self._keys)):
            body["required"] = True
        return body

    def _list_contents(self) -> Iterator[tuple[str, Json]]:
        """Yield each media type of the body with its Media Type Object."""
        taker = next((parameter for parameter in self._wholes if parameter.role in TAKES_BODY), None)
        if taker is not None and taker.role is Role.LINES:
            yield LINES, {"schema": {"type": "string"}, "x-line": self._schemas.json(taker.converter.info)}
        elif taker is not None:
            yield OCTETS, {"schema": BINARY}
        else:
            for media_type in _CARRIES:
                schema = self._write_schema(media_type)
                if schema is not None:
                    yield media_type, {"schema": schema, **self._write_encoding(media_type)}
            texts = [parameter for parameter in self._wholes if accepts_plain_text(parameter)]
            if texts and not any(parameter.required for parameter in self._keys):
                yield TEXT, {"schema": self._schemas.json(texts[0].converter.info)}

    def _write_encoding(self, media_type: str) -> Json:
        """Return the keyword that names the media types of files (OpenAPI 3.1 §4.8.15); empty if they may be any."""
        markers = {parameter.alias: parameter.marker for parameter in self._keys if isinstance(parameter.marker, File)}
        for parameter in self._wholes:
            markers |= find_file_markers(parameter.default)
        types = {name: ", ".join(marker.content_types) for name, marker in markers.items() if marker.content_types}
        encoding = {name: {"contentType": content_type} for name, content_type in types.items()}
        return {"encoding": encoding} if encoding and media_type == MULTIPART else {}

    def _write_schema(self, media_type: str) -> Json | None:
        """Return the schema of a body of `media_type`; None if such a body cannot bring every required value."""
        wholes = [self._write_whole(parameter, media_type) for parameter in self._wholes]
        keys = [parameter for parameter in self._keys if _CARRIES[media_type].intersection(parameter.sources)]
        other_keys = [parameter for parameter in self._keys if parameter not in keys]
        if None in wholes or any(parameter.required for parameter in other_keys) or not (wholes or keys):
            return None
        if media_type == URLENCODED and any(parameter.converter.has_files for parameter in self._wholes):
            return None
        schemas = [schema for schema in wholes if schema is not None]
        if keys:
            schemas.append(self._write_object(keys, media_type))
        return schemas[0] if len(schemas) == 1 else {"allOf": schemas}

    def _write_whole(self, parameter: Parameter, media_type: str) -> Json | None:
        info = parameter.converter.info
        if media_type == JSON:
            if "body" not in parameter.sources or parameter.converter.has_files:
                return None
            return {**self._schemas.json(info), **_describe_default(parameter)}
        return self._schemas.form(info) if get_form_readers(parameter) is not None else None

    def _write_object(self, keys: Sequence[Parameter], media_type: str) -> Json:
        named = [parameter for parameter in keys if parameter.kind is not Kind.VAR_KEYWORD]
        properties = {parameter.alias: self._write_key(parameter, media_type) for parameter in named}
        schema: Json = {"type": "object", "properties": properties}
        if required := [parameter.alias for parameter in named if parameter.required]:
            schema["required"] = required
        for parameter in keys:
            if parameter.kind is Kind.VAR_KEYWORD:
                schema["additionalProperties"] = self._schemas.text(parameter.converter.info)
        return schema

    def _write_key(self, parameter: Parameter, media_type: str) -> Json:
        if parameter.role is Role.FILE:
            schema = {**BINARY}
        elif parameter.role is Role.FILES:
            schema = {"type": "array", "items": {**BINARY}}
            schema = require_one_item(schema) if parameter.required else schema
        elif media_type == JSON:
            schema = {**self._schemas.json(parameter.converter.info), **_describe_default(parameter)}
        else:
            schema = self._write_text(parameter)
        size = parameter.marker.max_size if isinstance(parameter.marker, File) else None
        note = f"At most {size} bytes." if size is not None else ""
        description = " ".join(filter(None, (self._texts.get(parameter.name, ""), note)))
        return {**schema, "description": description} if description else schema


def _describe_default(parameter: Parameter, *, as_text: bool = False) -> Json:
    """Return the keyword `default`. None is left out, as no text means None."""
    if parameter.default is UNSET or parameter.default is None:
        return {}
    return write_default(parameter.default, as_text=as_text)


def needs_value(parameter: Parameter) -> bool:
    """Return True if a request without the value is refused.

    A class without required fields that takes a whole source, such as the session, can be made from nothing.
    """
    fields = getattr(parameter.converter.info, "fields", None) if parameter.whole else None
    return parameter.required and (fields is None or any(field.required for field in fields))


def _refuses_media_types(parameter: Parameter) -> bool:
    """Return True if a body or a file can be refused for its media type."""
    if isinstance(parameter.marker, File):
        return bool(parameter.marker.content_types)
    return parameter.role in (Role.VALUE, Role.LINES) and (parameter.whole or parameter.sources == ("body",))


def find_types(parameters: Collection[Parameter]) -> Iterator[mi.Type]:
    """Yield msgspec's description of the values that a client sends for `parameters`."""
    for parameter in parameters:
        if parameter.sources not in ((), ("session",)):
            yield from parameter.converter.infos
