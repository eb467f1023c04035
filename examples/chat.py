"""This chat runs over typed WebSockets: a union of Structs lists the messages, and any other message is refused.

Try it:

    micropie run --app-dir examples chat:app

Then open http://localhost:8000/ in two windows.
"""

from contextlib import suppress
from typing import Annotated

from msgspec import Meta, Struct

from micropie import App, ConnectionClosed, WebSocket

PAGE = """<!doctype html><title>Chat</title>
<ul id="said"></ul>
<form><input name="text" autocomplete="off" autofocus><button>Say</button></form>
<script>
  const name = prompt("Your name?") || "Guest";
  const socket = new WebSocket(`ws://${location.host}/room/lobby?name=${encodeURIComponent(name)}`);
  socket.onmessage = (message) => {
    const event = JSON.parse(message.data);
    const line = document.createElement("li");
    line.textContent = event.type === "said" ? `${event.who}: ${event.text}` : `${event.who} ${event.type}`;
    document.getElementById("said").append(line);
  };
  document.forms[0].onsubmit = (event) => {
    event.preventDefault();
    socket.send(JSON.stringify({ type: "say", text: event.target.text.value }));
    event.target.reset();
  };
</script>
"""

Name = Annotated[str, Meta(min_length=1, max_length=20)]


class Say(Struct, tag="say"):
    text: Annotated[str, Meta(min_length=1, max_length=500)]


class Leave(Struct, tag="leave"):
    pass


class Joined(Struct, tag="joined"):
    who: str


class Said(Struct, tag="said"):
    who: str
    text: str


class Left(Struct, tag="left"):
    who: str


Command = Say | Leave
Event = Joined | Said | Left


class Chat(App):
    def __init__(self) -> None:
        super().__init__()
        self.rooms: dict[str, set[WebSocket[Command, Event]]] = {}

    async def index(self) -> str:
        return PAGE

    async def ws_room(self, ws: WebSocket[Command, Event], room: Name, name: Name) -> None:
        """Join a room: WEBSOCKET /room/lobby?name=Ann."""
        await ws.accept()
        members = self.rooms.setdefault(room, set())
        members.add(ws)
        try:
            await self._broadcast(members, Joined(name))
            async for command in ws:
                match command:
                    case Say(text):
                        await self._broadcast(members, Said(name, text))
                    case Leave():
                        await ws.close()
        finally:
            members.remove(ws)
            if not members:
                del self.rooms[room]
            await self._broadcast(members, Left(name))

    async def _broadcast(self, members: set[WebSocket[Command, Event]], event: Event) -> None:
        for member in list(members):
            with suppress(ConnectionClosed):  # the method of that member notices the disconnect itself
                await member.send(event)


app = Chat()
