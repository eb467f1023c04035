"""A handler's parameters → what its operation asks for: OpenAPI parameters, a request body, security requirements.

A value that may come from several places is documented in one, the natural one for the operation's method: the path
where the URL has it, else the body where the method has one, else the query. The rest are accepted all the same.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import inspect as mi

from ..binding.signature import FROM_BODY, TAKES_BODY, Kind, Parameter, Role, derive_header_name, get_form_readers
from ..conversion.type_info import OBJECTS, remove_none
from ..errors import Source
from ..forms.form_result import find_file_markers
from ..params import File
from ..requests.request import BODY_METHODS
from ..sentinels import UNSET
from .paths import Url, needs_body, takes_whole_body
from .schemas import BINARY, Json, Schemas, default_keyword, make_component_name, require_one_item

JSON: Final = "application/json"
URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
OCTETS: Final = "application/octet-stream"
LINES: Final = "application/jsonl"

_CARRIES: Final[Mapping[str, frozenset[Source]]] = {
    JSON: frozenset(("body",)),
    URLENCODED: frozenset(("form",)),
    MULTIPART: frozenset(("form", "file")),
}
"""What a body of each media type brings."""

_CREDENTIAL: Final = re.compile(
    r"(proxy-)?authorization|(.*[-_])?(api|access|auth|private|secret)[-_]?(key|token)|(x[-_])?(token|jwt)|"
    r"(.*[-_])?session([-_]?id)?",
    re.IGNORECASE,
)
"""The names of headers and cookies that say who is calling."""

_NOT_DOCUMENTED: Final = ("accept", "content-type")
"""Headers that OpenAPI describes in other ways, and so not as parameters (OpenAPI 3.1 §4.8.12.1)."""


class Inputs(msgspec.Struct, frozen=True):
    """What one operation asks for."""

    parameters: list[Json]
    body: Json | None
    security: list[Json]
    """The alternatives, each the names of schemes that are all needed; empty where nobody need say who they are."""
    schemes: dict[str, Json]
    media_type_matters: bool
    """Whether there are bodies that are refused for their kind alone (415)."""

    @property
    def may_be_invalid(self) -> bool:
        """Whether there is anything about a request that could be wrong."""
        return bool(self.parameters or self.body or self.security)


def read_inputs(
    parameters: Sequence[Parameter],
    url: Url,
    method: str,
    *,
    names: Sequence[str],
    said: Mapping[str, str],
    schemas: Schemas,
    cookie: str,
) -> Inputs:
    """What an operation asks for: `method` at `url`, whose path values are called `names`.

    `parameters` are all inputs of its handler, those of what it depends on among them. `said` is what the docstring
    says of each; `cookie` is the session's.
    """
    writer = _Writer(method, said, schemas)
    for value, name in zip(url.values, names, strict=True):
        writer.path(value, name)
    in_url = {value.index for value in url.values}
    takes_keys = method in BODY_METHODS and not any(map(takes_whole_body, parameters))
    for parameter in parameters:
        is_there = parameter.index is not None and parameter.index in in_url
        if not is_there and parameter.kind is not Kind.VAR_POSITIONAL:
            writer.add(parameter, cookie, takes_keys=takes_keys)
    return writer.finish()


def read_credential(parameter: Parameter, cookie: str) -> tuple[str, Json] | None:
    """The security scheme, by its name, for a parameter that says who is calling: a session, a token, a key."""
    source = parameter.sources[0] if len(parameter.sources) == 1 else None
    if source == "session":
        return "session", {"type": "apiKey", "in": "cookie", "name": cookie}
    if source not in ("header", "cookie") or parameter.whole or not _CREDENTIAL.fullmatch(parameter.alias):
        return None
    name = make_component_name(parameter.alias)
    return name if name != "session" else f"session_{source}", {"type": "apiKey", "in": source, "name": parameter.alias}


class _Writer:
    """Collects what the parameters of one operation come to."""

    def __init__(self, method: str, said: Mapping[str, str], schemas: Schemas) -> None:
        self._method = method
        self._said = said
        self._schemas = schemas
        self._parameters: list[Json] = []
        self._keys: list[Parameter] = []
        self._wholes: list[Parameter] = []
        self._needed: dict[str, list[str]] = {}
        self._optional: dict[str, list[str]] = {}
        self._schemes: dict[str, Json] = {}

    def path(self, parameter: Parameter, name: str) -> None:
        """A value that stands in the URL."""
        more = parameter.kind is Kind.VAR_POSITIONAL
        note = "More segments may follow, each one value." if more else ""
        self._parameter(parameter, name, "path", required=True, note=note)

    def add(self, parameter: Parameter, cookie: str, *, takes_keys: bool) -> None:
        """A value that stands elsewhere."""
        sources: list[Source] = [source for source in parameter.sources if source != "path"]
        if not sources:
            return
        secured = read_credential(parameter, cookie)
        if secured is not None:
            self._schemes[secured[0]] = secured[1]
            (self._needed if needs_value(parameter) else self._optional)[secured[0]] = []
        elif needs_body(parameter) or (takes_keys and not FROM_BODY.isdisjoint(sources)):
            if needs_body(parameter) and not parameter.required and self._method == "GET":
                return  # its handler is a POST, too, and documented there with all of its body
            self._of_body(parameter)
        elif parameter.whole:
            self._from_names(parameter, sources[0])
        else:
            self._parameter(parameter, parameter.alias, sources[0], required=parameter.required)

    def _of_body(self, parameter: Parameter) -> None:
        """Something in the body; what several functions read is there once."""
        known = self._wholes if parameter.whole else self._keys
        if all((one.alias, one.sources) != (parameter.alias, parameter.sources) for one in known):
            known.append(parameter)

    def finish(self) -> Inputs:
        """All of it."""
        security: list[Json] = []
        if self._schemes:
            security = [{**self._needed, **self._optional}]
            if self._optional.keys() - self._needed.keys():
                security.append({**self._needed})
        matters = any(_is_choosy(one) for one in (*self._keys, *self._wholes))
        return Inputs(self._parameters, self._body(), security, self._schemes, matters)

    # --- parameters ---

    def _parameter(self, parameter: Parameter, name: str, source: Source, *, required: bool, note: str = "") -> None:
        if source == "header" and name.lower() in _NOT_DOCUMENTED:
            return
        made: Json = {"name": name, "in": source}
        description = " ".join(filter(None, (self._said.get(parameter.name, ""), note)))
        if parameter.kind is Kind.VAR_KEYWORD:
            value = self._schemas.text(parameter.converter.info)
            made |= {"style": "form", "explode": True, "schema": {"type": "object", "additionalProperties": value}}
        else:
            made["schema"] = self._schemas.text(parameter.converter.info) if source == "path" else self._text(parameter)
            description = description or made["schema"].pop("description", "")
        if description:
            made["description"] = description
        if required:
            made["required"] = True
        self._put(made)

    def _put(self, made: Json) -> None:
        """Write one parameter; what several functions read is written once."""
        if all((one["name"], one["in"]) != (made["name"], made["in"]) for one in self._parameters):
            self._parameters.append(made)

    def _from_names(self, parameter: Parameter, source: Source) -> None:
        """A structured value that is made of all names of the query, the headers or the cookies."""
        info = remove_none(parameter.converter.info)
        if not isinstance(info, (*OBJECTS, mi.NamedTupleType)):
            schema = self._schemas.form_fields(info)
            made = {"name": parameter.alias, "in": source, "schema": schema, "style": "form", "explode": True}
            self._put(made)
            return
        fields = self._schemas.form_fields(info)
        required = fields.get("required", ()) if parameter.required else ()
        for name, schema in fields["properties"].items():
            wire = derive_header_name(name) if source == "header" else name
            made = {"name": wire, "in": source, "schema": schema}
            if "description" in schema:
                made["description"] = schema.pop("description")
            self._put(made | ({"required": True} if name in required else {}))

    def _text(self, parameter: Parameter) -> Json:
        schema = self._schemas.text(parameter.converter.info)
        return require_one_item(schema) if parameter.required else {**schema, **_default(parameter, as_text=True)}

    # --- the body ---

    def _body(self) -> Json | None:
        content = dict(self._contents())
        if not content:
            return None
        made: Json = {"content": content}
        said = [self._said[one.name] for one in self._wholes if one.name in self._said]
        if said:
            made["description"] = said[0]
        elif elsewhere := [one.alias for one in self._keys if "query" in one.sources]:
            which = "Each value" if len(elsewhere) == len(self._keys) else ", ".join(elsewhere)
            made["description"] = f"{which} may also be given in the query, which goes before the body."
        if any(one.required and one.role is not Role.LINES for one in (*self._wholes, *self._keys)):
            made["required"] = True
        return made

    def _contents(self) -> Iterator[tuple[str, Json]]:
        """The Media Type Objects, by media type."""
        taker = next((one for one in self._wholes if one.role in TAKES_BODY), None)
        if taker is not None and taker.role is Role.LINES:
            yield LINES, {"schema": {"type": "string"}, "x-line": self._schemas.json(taker.converter.info)}
        elif taker is not None:
            yield OCTETS, {"schema": BINARY}
        else:
            found = ((media, self._content(media)) for media in _CARRIES)
            yield from ((media, self._described(media, schema)) for media, schema in found if schema is not None)

    def _described(self, media: str, schema: Json) -> Json:
        """The Media Type Object; for files, with what they may be (OpenAPI 3.1 §4.8.15)."""
        markers = {one.alias: one.marker for one in self._keys if isinstance(one.marker, File)}
        for one in self._wholes:
            markers |= find_file_markers(one.default)
        kinds = {name: ", ".join(marker.content_types) for name, marker in markers.items() if marker.content_types}
        encoding = {name: {"contentType": kind} for name, kind in kinds.items()}
        return {"schema": schema, "encoding": encoding} if encoding and media == MULTIPART else {"schema": schema}

    def _content(self, media: str) -> Json | None:
        """The schema of a body of the type `media`; None where it cannot bring what is needed."""
        parts = [self._whole(one, media) for one in self._wholes]
        keys = [one for one in self._keys if _CARRIES[media].intersection(one.sources)]
        left_out = [one for one in self._keys if one not in keys]
        if None in parts or any(one.required for one in left_out) or not (parts or keys):
            return None
        if media == URLENCODED and any(self._has_files(one) for one in self._wholes):
            return None
        schemas = [part for part in parts if part is not None]
        if keys:
            schemas.append(self._object(keys, media))
        return schemas[0] if len(schemas) == 1 else {"allOf": schemas}

    def _whole(self, parameter: Parameter, media: str) -> Json | None:
        info = parameter.converter.info
        if media == JSON:
            if "body" not in parameter.sources or parameter.converter.has_files:
                return None
            return {**self._schemas.json(info), **_default(parameter)}
        return self._schemas.form(info) if get_form_readers(parameter) is not None else None

    @staticmethod
    def _has_files(parameter: Parameter) -> bool:
        return parameter.converter.has_files

    def _object(self, keys: Sequence[Parameter], media: str) -> Json:
        named = [one for one in keys if one.kind is not Kind.VAR_KEYWORD]
        made: Json = {"type": "object", "properties": {one.alias: self._key(one, media) for one in named}}
        if required := [one.alias for one in named if one.required]:
            made["required"] = required
        for rest in (one for one in keys if one.kind is Kind.VAR_KEYWORD):
            made["additionalProperties"] = self._schemas.text(rest.converter.info)
        return made

    def _key(self, parameter: Parameter, media: str) -> Json:
        if parameter.role is Role.FILE:
            made = {**BINARY}
        elif parameter.role is Role.FILES:
            made = {"type": "array", "items": {**BINARY}}
            made = require_one_item(made) if parameter.required else made
        elif media == JSON:
            made = {**self._schemas.json(parameter.converter.info), **_default(parameter)}
        else:
            made = self._text(parameter)
        said = self._said.get(parameter.name, "")
        size = parameter.marker.max_size if isinstance(parameter.marker, File) else None
        note = f"At most {size} bytes." if size is not None else ""
        description = " ".join(filter(None, (said, note)))
        return {**made, "description": description} if description else made


def _default(parameter: Parameter, *, as_text: bool = False) -> Json:
    """The default as a schema has it. None is left out: where it is text, nothing says it."""
    if parameter.default is UNSET or parameter.default is None:
        return {}
    return default_keyword(parameter.default, as_text=as_text)


def needs_value(parameter: Parameter) -> bool:
    """Whether a request without it is refused: a whole session without required fields may be an empty one."""
    fields = getattr(parameter.converter.info, "fields", None) if parameter.whole else None
    return parameter.required and (fields is None or any(field.required for field in fields))


def _is_choosy(parameter: Parameter) -> bool:
    """Whether bodies, or files, are refused for being of the wrong kind."""
    if isinstance(parameter.marker, File):
        return bool(parameter.marker.content_types)
    kinds = (Role.VALUE, Role.LINES)
    return parameter.role in kinds and (parameter.whole or parameter.sources == ("body",))


def infos_of(parameters: Collection[Parameter]) -> Iterator[mi.Type]:
    """What the values of `parameters` are, as msgspec describes it, where a client sends them."""
    for parameter in parameters:
        if parameter.sources not in ((), ("session",)):
            yield from parameter.converter.infos
