"""An app → its AsyncAPI 3.0 document: each WebSocket handler is a channel, what travels over it are its messages.

The messages are the members of `WebSocket[In, Out]`: what the client sends is received here, and the other way round.
How a type travels is `messages.py`'s rule: text as it is, bytes as a binary message, all else as JSON.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, TypeAlias, get_origin

import msgspec
from msgspec import inspect as mi

from ..conversion.unwrap_annotated import UnsupportedTypeError, describe_annotation, split_union, unwrap_annotated
from ..websockets.messages import is_binary, is_json
from . import inputs
from .docstrings import Docstring
from .document import Documented, build_info, get_docstring
from .inputs import needs_value, read_credential, read_inputs
from .paths import Found, Url, find_routes, is_answered, list_operation_urls
from .schemas import Json, Schemas, format_type_name, make_component_name

ASYNCAPI: Final = "3.0.0"

Action: TypeAlias = Literal["receive", "send"]
"""As AsyncAPI has it: what the application does, and the application is the server here."""

_ACTIONS: Final[tuple[Action, Action]] = ("receive", "send")
"""In the order of `WebSocket[In, Out]`."""


class Channel(msgspec.Struct, frozen=True, eq=False):
    """One URL of one WebSocket handler."""

    found: Found
    url: Url
    doc: Docstring


def document(app: Documented) -> dict[str, Any]:
    """The AsyncAPI 3.0 document of `app`, an App: its WebSocket handlers and those of what it holds.

    The document is made anew at each call.
    """
    channels = list(_channels(app))
    schemas = Schemas(_infos(channels))
    writer = _Writer(app.session_config.cookie, schemas)
    for channel in channels:
        writer.add(channel)
    shared = {"schemas": schemas.components, "messages": writer.messages, "securitySchemes": writer.schemes}
    made: Json = {"asyncapi": ASYNCAPI, "info": build_info(app), "channels": writer.channels}
    made["operations"] = writer.operations
    made["components"] = {name: members for name, members in shared.items() if members}
    return {name: member for name, member in made.items() if member or name == "channels"}


def _channels(app: Documented) -> Iterator[Channel]:
    for found in find_routes(app._trail, websocket=True):
        for url in list_operation_urls(found, ""):
            if is_answered(app._trail, found, url, ""):
                yield Channel(found, url, get_docstring(found))


def _infos(channels: Sequence[Channel]) -> Iterator[mi.Type]:
    for channel in channels:
        yield from inputs.infos_of(channel.found.route.signature.inputs())
        for annotation in channel.found.route.messages:
            yield from (info for member in split_union(annotation) if (info := _described(member)) is not None)


class _Writer:
    """Collects channels, operations and messages, handler by handler."""

    def __init__(self, cookie: str, schemas: Schemas) -> None:
        self._cookie = cookie
        self._schemas = schemas
        self.channels: dict[str, Json] = {}
        self.operations: dict[str, Json] = {}
        self.messages: dict[str, Json] = {}
        self.schemes: dict[str, Json] = {}

    def add(self, channel: Channel) -> None:
        """Write one channel, and the operations that it has."""
        name = self._name(channel)
        kinds = [[self._message(member, of) for member in split_union(of)] for of in channel.found.route.messages]
        self.channels[name] = self._channel(channel, list(dict.fromkeys(kinds[0] + kinds[1])))
        security = self._security(channel)
        for action, names in zip(_ACTIONS, kinds, strict=True):
            made: Json = {"action": action, "channel": {"$ref": f"#/channels/{name}"}}
            made["messages"] = [{"$ref": f"#/channels/{name}/messages/{one}"} for one in dict.fromkeys(names)]
            self.operations[f"{action}_{name}"] = {**made, "security": security} if security else made

    def _name(self, channel: Channel) -> str:
        """The way to the handler, without the `ws_` that says what it is, and its optional path values."""
        attribute = channel.found.route.attribute.removeprefix("ws_")
        wanted = "_".join((*channel.found.holders, attribute))
        least = next(iter(list_operation_urls(channel.found, "")))
        more = [value.name for value in channel.url.values[len(least.values) :]]
        wanted += "_by_" + "_".join(more) if more else ""
        return wanted if wanted not in self.channels else f"{wanted}_{len(self.channels)}"

    def _channel(self, channel: Channel, messages: Sequence[str]) -> Json:
        values = channel.url.values
        asked = read_inputs(
            channel.found.route.signature.inputs(),
            channel.url,
            "GET",
            names=[value.name for value in values],
            said=channel.doc.parameters,
            schemas=self._schemas,
            cookie=self._cookie,
        )
        self.schemes |= {name: _scheme(made) for name, made in asked.schemes.items()}
        made: Json = {"address": channel.url.template(), "summary": channel.doc.summary}
        made["description"] = channel.doc.description
        made["messages"] = {name: {"$ref": f"#/components/messages/{name}"} for name in messages}
        made["parameters"] = {one["name"]: self._parameter(one) for one in asked.parameters if one["in"] == "path"}
        binding = {
            name: _names([one for one in asked.parameters if one["in"] == source])
            for name, source in (("query", "query"), ("headers", "header"))
            if any(one["in"] == source for one in asked.parameters)
        }
        made["bindings"] = {"ws": {"method": "GET", **binding, "bindingVersion": "0.1.0"}}
        return {name: member for name, member in made.items() if member}

    def _parameter(self, made: Json) -> Json:
        """An OpenAPI path parameter as AsyncAPI has it: a text, described, and perhaps the choices that there are."""
        schema = made["schema"]
        if "$ref" in schema:
            schema = self._schemas.components[schema["$ref"].rpartition("/")[2]]
        found = {"description": made.get("description", "")}
        found["enum"] = [str(value) for value in schema.get("enum", ())]
        return {name: member for name, member in found.items() if member}

    def _security(self, channel: Channel) -> list[Json]:
        schemes = [
            read_credential(one, self._cookie) for one in channel.found.route.signature.inputs() if needs_value(one)
        ]
        return [{"$ref": f"#/components/securitySchemes/{scheme[0]}"} for scheme in schemes if scheme is not None]

    def _message(self, member: Any, annotation: Any) -> str:
        """The name of the message that carries `member` of the union `annotation`; it is written if it is new."""
        if is_binary(member):
            return self._known("binary", {"contentType": "application/octet-stream", "payload": {"type": "string"}})
        others = [one for one in split_union(annotation) if not is_binary(one)]
        info = _described(member)
        payload = self._schemas.json(info) if info is not None else {}
        made = {"contentType": "application/json" if is_json(others) else "text/plain", "payload": payload}
        return self._known(payload.get("$ref", "").rpartition("/")[2] or _in_words(member), made)

    def _known(self, name: str, made: Json) -> str:
        """The name under which the message is: a number is added where another one has it."""
        numbered = (f"{name}_{number}" for number in range(2, len(self.messages) + 2))
        free = (
            one for one in (name, *numbered) if self.messages.get(one, {"name": one, **made}) == {"name": one, **made}
        )
        found = next(free)
        self.messages[found] = {"name": found, **made}
        return found


def _described(annotation: Any) -> mi.Type | None:
    """msgspec's description of what travels; None for bytes, which do as they are, and for what has none."""
    if is_binary(annotation):
        return None
    try:
        return describe_annotation(annotation)
    except UnsupportedTypeError:
        return None


def _in_words(annotation: Any) -> str:
    """A name for the message of a type that has none of its own: `text`, `list_int_`."""
    plain, _ = unwrap_annotated(annotation)
    if plain is str:
        return "text"
    return "choice" if get_origin(plain) is Literal else make_component_name(format_type_name(plain))


def _scheme(made: Json) -> Json:
    """An OpenAPI security scheme as AsyncAPI has it."""
    return {**made, "type": "httpApiKey"}


def _names(parameters: Sequence[Json]) -> Json:
    """OpenAPI parameters of one source as the object that the WebSocket binding wants."""
    said = ({"description": one["description"]} if "description" in one else {} for one in parameters)
    made: Json = {"type": "object"}
    made["properties"] = {one["name"]: {**one["schema"], **more} for one, more in zip(parameters, said, strict=True)}
    required = [one["name"] for one in parameters if one.get("required")]
    return {**made, "required": required} if required else made
