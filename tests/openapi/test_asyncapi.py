"""These tests show the channels, operations and messages of the AsyncAPI document."""

from enum import StrEnum
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from micropie import App, Cookie, Header, Path, Resource, Session, WebSocket, route
from micropie.openapi import asyncapi
from tests.support.examples import EXAMPLES, example_app


class Say(Struct, tag="say"):
    text: Annotated[str, Meta(min_length=1)]


class Leave(Struct, tag="leave"):
    pass


class Told(Struct):
    """A text that every client receives."""

    who: str


class Mood(StrEnum):
    GOOD = "good"


class Talk:
    """Handlers, for which `MESSAGES` lists the messages that they receive and send."""

    async def bare(self, ws: WebSocket) -> None: ...
    async def unannotated(self, ws) -> None: ...  # type: ignore[no-untyped-def]  # the missing annotation is what is tested
    async def structures(self, ws: WebSocket[Say | Leave, Told]) -> None: ...
    async def octets(self, ws: WebSocket[bytes, bytes | Told]) -> None: ...
    async def listed(self, ws: WebSocket[list[int], Any]) -> None: ...
    async def choices(self, ws: WebSocket[Literal["a", "b"], Mood]) -> None: ...
    async def text_in_json(self, ws: WebSocket[str | Say, str]) -> None: ...


TEXT = {"name": "text", "contentType": "text/plain", "payload": {"type": "string"}}
BINARY = {"name": "binary", "contentType": "application/octet-stream", "payload": {"type": "string"}}


def make_json_message(name: str, payload: Any) -> dict[str, Any]:
    return {"name": name, "contentType": "application/json", "payload": payload}


def make_message(name: str) -> dict[str, Any]:
    return make_json_message(name, {"$ref": f"#/components/schemas/{name}"})


MESSAGES: dict[str, tuple[list[str], list[str], list[dict[str, Any]]]] = {
    "bare": (["text"], ["text"], [TEXT]),
    "unannotated": (["text"], ["text"], [TEXT]),
    "structures": (
        ["Say", "Leave"],
        ["Told"],
        [make_message("Say"), make_message("Leave"), make_message("Told")],
    ),
    "octets": (["binary"], ["binary", "Told"], [BINARY, make_message("Told")]),
    "listed": (
        ["list_int_"],
        ["Any"],
        [make_json_message("list_int_", {"type": "array", "items": {"type": "integer"}}), make_json_message("Any", {})],
    ),
    "choices": (
        ["choice"],
        ["Mood"],
        [
            {"name": "choice", "contentType": "text/plain", "payload": {"enum": ["a", "b"]}},
            {"name": "Mood", "contentType": "text/plain", "payload": {"$ref": "#/components/schemas/Mood"}},
        ],
    ),
    "text_in_json": (
        ["text", "Say"],
        ["text_2"],
        [make_json_message("text", {"type": "string"}), make_message("Say"), {**TEXT, "name": "text_2"}],
    ),
}


def make_document(**handlers: Any) -> dict[str, Any]:
    return asyncapi.document(type("Talks", (App,), handlers)())


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_are_the_members_of_the_union(name: str) -> None:
    received, sent, messages = MESSAGES[name]
    doc = make_document(ws_talk=vars(Talk)[name])
    assert {
        key: [message["$ref"].rpartition("/")[2] for message in operation["messages"]]
        for key, operation in doc["operations"].items()
    } == {"receive_talk": received, "send_talk": sent}
    assert list(doc["components"]["messages"].values()) == messages
    assert list(doc["channels"]["talk"]["messages"]) == [message["name"] for message in messages]


def test_operations_describe_the_server() -> None:
    operations = make_document(ws_talk=Talk.structures)["operations"]
    actions = {name: operation["action"] for name, operation in operations.items()}
    assert actions == {"receive_talk": "receive", "send_talk": "send"}
    assert {operation["channel"]["$ref"] for operation in operations.values()} == {"#/channels/talk"}


class Places:
    """Handlers, for which `CHANNELS` lists the channels."""

    async def index(self, ws: WebSocket) -> None: ...
    async def values(self, ws: WebSocket, room: str, page: int = 1) -> None: ...
    @route("/rooms/{room}/talk")
    async def template(self, ws: WebSocket, room: str) -> None: ...
    async def pinned(self, ws: WebSocket, mood: Annotated[Mood, Path()]) -> None: ...


CHANNELS: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {
    "index": {"call": ("/call", {})},
    "values": {
        "call": ("/call/{room}", {"room": {}}),
        "call_by_page": ("/call/{room}/{page}", {"room": {}, "page": {}}),
    },
    "template": {"call": ("/rooms/{room}/talk", {"room": {}})},
    "pinned": {"call": ("/call/{mood}", {"mood": {"enum": ["good"]}})},
}


@pytest.mark.parametrize("name", CHANNELS)
def test_each_url_is_a_channel(name: str) -> None:
    channels = make_document(ws_call=vars(Places)[name])["channels"]
    assert {key: (channel["address"], channel.get("parameters", {})) for key, channel in channels.items()} == CHANNELS[
        name
    ]


def test_handlers_of_held_resources_are_channels() -> None:
    class Rooms(Resource):
        async def ws_talk(self, ws: WebSocket) -> None: ...

    class Talks(App):
        a, b = Rooms(), Rooms()

        async def ws_index(self, ws: WebSocket) -> None: ...
        async def page(self) -> None: ...

    channels = asyncapi.document(Talks())["channels"]
    assert {name: channel["address"] for name, channel in channels.items()} == {
        "index": "/",
        "a_talk": "/a/talk",
        "b_talk": "/b/talk",
    }


def test_parameters_of_the_handshake_are_documented() -> None:
    async def ws_talk(
        self: App,
        ws: WebSocket,
        mood: Literal["good", "bad"],
        *,
        limit: Annotated[int, Meta(ge=1)],
        x_tag: Annotated[str, Header()] = "",
        session_id: Annotated[str, Cookie()],
        user: Annotated[str, Session()],
    ) -> None:
        """Talk.

        At length.

        :param mood: How it goes.
        :param limit: How long.
        """

    doc = make_document(ws_talk=ws_talk)
    channel = doc["channels"]["talk"]
    assert (channel["summary"], channel["description"]) == ("Talk.", "At length.")
    assert channel["parameters"] == {"mood": {"description": "How it goes.", "enum": ["bad", "good"]}}
    assert channel["bindings"]["ws"] == {
        "method": "GET",
        "query": {
            "type": "object",
            "properties": {"limit": {"type": "integer", "minimum": 1, "description": "How long."}},
            "required": ["limit"],
        },
        "headers": {"type": "object", "properties": {"X-Tag": {"type": "string", "default": ""}}},
        "bindingVersion": "0.1.0",
    }
    assert doc["components"]["securitySchemes"] == {
        "session_id": {"type": "httpApiKey", "in": "cookie", "name": "session_id"},
        "session": {"type": "httpApiKey", "in": "cookie", "name": "session_id"},
    }
    assert doc["operations"]["receive_talk"]["security"] == [
        {"$ref": "#/components/securitySchemes/session_id"},
        {"$ref": "#/components/securitySchemes/session"},
    ]


def test_schema_has_the_docstring_of_its_type() -> None:
    schemas = make_document(ws_talk=Talk.structures)["components"]["schemas"]
    assert schemas["Told"]["description"] == "A text that every client receives."


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_reference_can_be_resolved(name: str, tmp_path: FilePath) -> None:
    doc = asyncapi.document(example_app(name, tmp_path))
    for reference in list_references(doc):
        target: Any = doc
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


def list_references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [reference for item in value for reference in list_references(item)]
    if not isinstance(value, dict):
        return []
    own = [value["$ref"]] if "$ref" in value else []
    return own + [reference for item in value.values() for reference in list_references(item)]
