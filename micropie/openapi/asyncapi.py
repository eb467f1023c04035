"""This module makes the AsyncAPI 3.0 document of an app: each WebSocket handler is a channel with its messages.

The messages are the members of `WebSocket[In, Out]`. The document describes the server, so it receives what a client
sends. `websockets.messages` decides how a type travels: text as it is, bytes as a binary message, all else as JSON.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, TypeAlias, get_origin

import msgspec
from msgspec import inspect as mi

from ..conversion.unwrap_annotated import UnsupportedTypeError, describe_annotation, split_union, unwrap_annotated
from ..websockets.messages import is_binary, is_json
from . import inputs
from .docstrings import Docstring
from .document import Documented, build_info, get_docstring, name_optional_values
from .inputs import needs_value, read_credential, read_inputs
from .paths import Endpoint, Url, find_endpoints, is_answered, list_urls
from .schemas import Json, Schemas, format_type_name, make_component_name

ASYNCAPI: Final = "3.0.0"

Action: TypeAlias = Literal["receive", "send"]
"""An action of AsyncAPI: what the application does, which is the server here."""

_ACTIONS: Final[tuple[Action, Action]] = ("receive", "send")
"""The actions in the order of `WebSocket[In, Out]`."""


class Channel(msgspec.Struct, frozen=True, eq=False):
    """One URL of a WebSocket handler."""

    endpoint: Endpoint
    url: Url
    doc: Docstring


def document(app: Documented) -> dict[str, Any]:
    """Return a new AsyncAPI 3.0 document of `app`: its WebSocket handlers, and those of all that it holds."""
    channels = list(_find_channels(app))
    schemas = Schemas(_find_types(channels))
    writer = _Writer(app.session_config.cookie, schemas)
    for channel in channels:
        writer.add(channel)
    shared = {"schemas": schemas.components, "messages": writer.messages, "securitySchemes": writer.schemes}
    asyncapi: Json = {"asyncapi": ASYNCAPI, "info": build_info(app), "channels": writer.channels}
    asyncapi["operations"] = writer.operations
    asyncapi["components"] = {name: members for name, members in shared.items() if members}
    return {name: member for name, member in asyncapi.items() if member or name == "channels"}


def _find_channels(app: Documented) -> Iterator[Channel]:
    for endpoint in find_endpoints(app._trail, websocket=True):
        for url in list_urls(endpoint, ""):
            if is_answered(app._trail, endpoint, url, ""):
                yield Channel(endpoint, url, get_docstring(endpoint))


def _find_types(channels: Sequence[Channel]) -> Iterator[mi.Type]:
    for channel in channels:
        yield from inputs.find_types(channel.endpoint.route.signature.inputs())
        for annotation in channel.endpoint.route.messages:
            yield from (info for member in split_union(annotation) if (info := _describe(member)) is not None)


class _Writer:
    """A writer that collects channels, operations and messages, channel by channel."""

    def __init__(self, cookie: str, schemas: Schemas) -> None:
        self._cookie = cookie
        self._schemas = schemas
        self.channels: dict[str, Json] = {}
        self.operations: dict[str, Json] = {}
        self.messages: dict[str, Json] = {}
        self.schemes: dict[str, Json] = {}

    def add(self, channel: Channel) -> None:
        """Write one channel and its operations."""
        name = self._make_name(channel)
        received, sent = (
            [self._add_message(member, annotation) for member in split_union(annotation)]
            for annotation in channel.endpoint.route.messages
        )
        self.channels[name] = self._write_channel(channel, list(dict.fromkeys(received + sent)))
        security = self._write_security(channel)
        for action, messages in zip(_ACTIONS, (received, sent), strict=True):
            operation: Json = {"action": action, "channel": {"$ref": f"#/channels/{name}"}}
            references = [{"$ref": f"#/channels/{name}/messages/{message}"} for message in dict.fromkeys(messages)]
            operation["messages"] = references
            self.operations[f"{action}_{name}"] = {**operation, "security": security} if security else operation

    def _make_name(self, channel: Channel) -> str:
        """Make a unique name from the place of the handler, without its `ws_`, and its optional path values."""
        attribute = channel.endpoint.route.attribute.removeprefix("ws_")
        name = "_".join((*channel.endpoint.holders, attribute))
        name += name_optional_values(channel.endpoint, channel.url, "")
        return name if name not in self.channels else f"{name}_{len(self.channels)}"

    def _write_channel(self, channel: Channel, messages: Sequence[str]) -> Json:
        channel_inputs = read_inputs(
            channel.endpoint.route.signature.inputs(),
            channel.url,
            "GET",
            names=[parameter.name for parameter in channel.url.parameters],
            texts=channel.doc.parameters,
            schemas=self._schemas,
            cookie=self._cookie,
        )
        self.schemes |= {name: _convert_scheme(scheme) for name, scheme in channel_inputs.schemes.items()}
        by_source: dict[str, list[Json]] = {}
        for parameter in channel_inputs.parameters:
            by_source.setdefault(parameter["in"], []).append(parameter)
        binding = {
            name: _merge_parameters(by_source[source])
            for name, source in (("query", "query"), ("headers", "header"))
            if source in by_source
        }
        members: Json = {
            "address": channel.url.render(),
            "summary": channel.doc.summary,
            "description": channel.doc.description,
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            "parameters": {
                parameter["name"]: self._convert_parameter(parameter) for parameter in by_source.get("path", ())
            },
            "bindings": {"ws": {"method": "GET", **binding, "bindingVersion": "0.1.0"}},
        }
        return {name: member for name, member in members.items() if member}

    def _convert_parameter(self, parameter: Json) -> Json:
        """Convert an OpenAPI path parameter: AsyncAPI's is a text, with a description and perhaps an `enum`."""
        schema = parameter["schema"]
        if "$ref" in schema:
            schema = self._schemas.components[schema["$ref"].rpartition("/")[2]]
        members = {
            "description": parameter.get("description", ""),
            "enum": [str(value) for value in schema.get("enum", ())],
        }
        return {name: member for name, member in members.items() if member}

    def _write_security(self, channel: Channel) -> list[Json]:
        credentials = [
            read_credential(parameter, self._cookie)
            for parameter in channel.endpoint.route.signature.inputs()
            if needs_value(parameter)
        ]
        names = [credential[0] for credential in credentials if credential is not None]
        return [{"$ref": f"#/components/securitySchemes/{name}"} for name in names]

    def _add_message(self, member: Any, annotation: Any) -> str:
        """Write the message for `member` of the union `annotation`, unless it is there already; return its name."""
        if is_binary(member):
            return self._register("binary", {"contentType": "application/octet-stream", "payload": {"type": "string"}})
        others = [other for other in split_union(annotation) if not is_binary(other)]
        info = _describe(member)
        payload = self._schemas.json(info) if info is not None else {}
        message = {"contentType": "application/json" if is_json(others) else "text/plain", "payload": payload}
        return self._register(payload.get("$ref", "").rpartition("/")[2] or _name_type(member), message)

    def _register(self, name: str, message: Json) -> str:
        """Keep the message under `name`, with a number if a different message has that name; return the name."""
        numbered = (f"{name}_{number}" for number in range(2, len(self.messages) + 2))
        named = ({"name": candidate, **message} for candidate in (name, *numbered))
        kept = next(member for member in named if self.messages.setdefault(member["name"], member) == member)
        return str(kept["name"])


def _describe(annotation: Any) -> mi.Type | None:
    """Return msgspec's description of a message; None for bytes, and for what msgspec cannot describe."""
    if is_binary(annotation):
        return None
    try:
        return describe_annotation(annotation)
    except UnsupportedTypeError:
        return None


def _name_type(annotation: Any) -> str:
    """Return a name for the message of a type without a component: `text`, `list_int_`."""
    plain, _ = unwrap_annotated(annotation)
    if plain is str:
        return "text"
    return "choice" if get_origin(plain) is Literal else make_component_name(format_type_name(plain))


def _convert_scheme(scheme: Json) -> Json:
    """Convert an OpenAPI security scheme to AsyncAPI's."""
    return {**scheme, "type": "httpApiKey"}


def _merge_parameters(parameters: Sequence[Json]) -> Json:
    """Merge OpenAPI parameters of one source into the object schema that the WebSocket binding takes."""
    merged: Json = {"type": "object", "properties": {}}
    for parameter in parameters:
        text = {"description": parameter["description"]} if "description" in parameter else {}
        merged["properties"][parameter["name"]] = {**parameter["schema"], **text}
    required = [parameter["name"] for parameter in parameters if parameter.get("required")]
    return {**merged, "required": required} if required else merged
