"""This todo list is a typed JSON API over SQLite, with import, export and a live feed.

    micropie run --app-dir examples todo:app
    curl localhost:8000/todos -d title=Milk -d priority=1
    curl localhost:8000/todos

Try all of it at http://localhost:8000/docs. The list is kept in `todos.db`, or in the file that the environment
variable TODOS_DB names.
"""

import asyncio
import os
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from threading import Lock
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from micropie import App, ConnectionClosed, Depends, File, HTTPError, Resource, UploadFile, WebSocket, route

Title: TypeAlias = Annotated[str, Meta(min_length=1, max_length=120)]
Priority: TypeAlias = Annotated[int, Meta(ge=1, le=5)]
Id: TypeAlias = Annotated[int, Meta(ge=1, le=2**63 - 1)]  # the largest integer of SQLite


class NewTodo(Struct):
    title: Title
    priority: Priority = 3


@dataclass
class Change:
    """The fields that a PATCH may change. Fields that are left out stay as they are."""

    title: Title | None = None
    priority: Priority | None = None
    done: bool | None = None


class Todo(NewTodo, kw_only=True):
    id: int
    done: bool = False


class Missing(Struct):
    detail: str


class Imported(Struct):
    count: int


class Event(Struct):
    """A change of a todo, as the live feed sends it."""

    what: Literal["added", "changed", "removed"]
    id: int


class Store:
    """A store of todos in SQLite. Its methods block, so the handlers that call them are sync and run in threads."""

    def __init__(self, path: str) -> None:
        self._lock = Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS todo"
            " (id INTEGER PRIMARY KEY, title TEXT, priority INTEGER, done INTEGER DEFAULT 0)"
        )

    def close(self) -> None:
        self._db.close()

    def add(self, new: NewTodo) -> Todo:
        with self._lock:
            cursor = self._db.execute("INSERT INTO todo (title, priority) VALUES (?, ?)", (new.title, new.priority))
            return Todo(new.title, new.priority, id=cursor.lastrowid or 0)

    def find(self, id: int) -> Todo | None:
        return next(self._select("WHERE id = ?", id), None)

    def list(self, done: bool | None, limit: int) -> list[Todo]:
        return list(self._select("WHERE ? IS NULL OR done = ? ORDER BY priority, id LIMIT ?", done, done, limit))

    def all(self) -> Iterator[Todo]:
        return self._select("ORDER BY id")

    def change(self, id: int, change: Change) -> Todo | None:
        """Change the fields that are not None, and return the todo, or None if it does not exist."""
        with self._lock:
            self._db.execute(
                "UPDATE todo SET title = coalesce(?, title), priority = coalesce(?, priority), done = coalesce(?, done)"
                " WHERE id = ?",
                (change.title, change.priority, change.done, id),
            )
        return self.find(id)

    def remove(self, id: int) -> bool:
        with self._lock:
            return self._db.execute("DELETE FROM todo WHERE id = ?", (id,)).rowcount > 0

    def _select(self, clause: str, *values: object) -> Iterator[Todo]:
        with self._lock:
            rows = self._db.execute(f"SELECT title, priority, id, done FROM todo {clause}", values).fetchall()
        return (Todo(title, priority, id=key, done=bool(done)) for title, priority, key, done in rows)


class Feed:
    """A feed that sends every event to all listeners. Any thread may publish."""

    def __init__(self) -> None:
        self._listeners: dict[asyncio.Queue[Event], asyncio.AbstractEventLoop] = {}

    def publish(self, event: Event) -> None:
        for queue, loop in list(self._listeners.items()):
            loop.call_soon_threadsafe(queue.put_nowait, event)

    async def listen(self) -> AsyncIterator[Event]:
        """Yield every event from now on."""
        queue: asyncio.Queue[Event] = asyncio.Queue()
        self._listeners[queue] = asyncio.get_running_loop()
        try:
            while True:
                yield await queue.get()
        finally:
            del self._listeners[queue]


@dataclass
class Todos(Resource):
    store: Store
    feed: Feed

    def get(self, *, done: bool | None = None, limit: Annotated[int, Meta(ge=1, le=100)] = 20) -> list[Todo]:
        """List todos: GET /todos?done=no&limit=5."""
        return self.store.list(done, limit)

    def post(self, todo: NewTodo) -> tuple[Literal[201], Todo, dict[str, str]]:
        """Add a todo from JSON or a form: POST /todos."""
        added = self.store.add(todo)
        self.feed.publish(Event("added", added.id))
        return 201, added, {"Location": self.url(Todos.read, added.id)}

    @route("/{id}", methods=["GET"])
    def read(self, id: Id) -> Todo | tuple[Literal[404], Missing]:
        """Return a todo: GET /todos/3."""
        return self.store.find(id) or (404, Missing(f"Todo {id} does not exist"))

    @route("/{id}", methods=["PATCH"])
    def change(self, id: Id, change: Change) -> Todo | tuple[Literal[404], Missing]:
        """Change a todo: PATCH /todos/3."""
        changed = self.store.change(id, change)
        if changed is None:
            return 404, Missing(f"Todo {id} does not exist")
        self.feed.publish(Event("changed", id))
        return changed

    def _find_or_404(self, id: Id) -> Todo:
        """Find the todo for a handler that depends on it. Raises HTTPError 404 if it does not exist."""
        todo = self.store.find(id)
        if todo is None:
            raise HTTPError(404, f"Todo {id} does not exist")
        return todo

    @route("/{id}", methods=["DELETE"])
    def remove(self, id: Id, todo: Annotated[Todo, Depends(_find_or_404)]) -> None:
        """Remove a todo: DELETE /todos/3."""
        self.store.remove(todo.id)
        self.feed.publish(Event("removed", id))

    @route("/export", methods=["GET"])
    def export(self) -> Iterator[Todo]:
        """Stream all todos as JSON Lines: GET /todos/export."""
        yield from self.store.all()

    @route("/import", methods=["POST"])
    async def load(
        self, file: Annotated[UploadFile, File(max_size=10_000_000)]
    ) -> tuple[Literal[201], Imported] | tuple[Literal[400], Missing]:
        """Add all todos of a JSON Lines file, or none if a line is wrong: POST /todos/import."""
        lines = (await file.read()).splitlines()
        try:
            todos = [msgspec.json.decode(line, type=NewTodo) for line in lines if line.strip()]
        except msgspec.MsgspecError:
            return 400, Missing("Every line must be a todo as JSON")
        for todo in todos:
            await self._add(todo)
        return 201, Imported(len(todos))

    @route("/append", methods=["POST"])
    async def append(self, todos: AsyncIterator[NewTodo]) -> tuple[Literal[201], Imported]:
        """Add todos from JSON Lines as they arrive, up to the first wrong line: POST /todos/append."""
        count = 0
        async for todo in todos:
            await self._add(todo)
            count += 1
        return 201, Imported(count)

    async def _add(self, todo: NewTodo) -> None:
        added = await asyncio.to_thread(self.store.add, todo)
        self.feed.publish(Event("added", added.id))


class Api(App):
    def __init__(self, store: Store) -> None:
        super().__init__(docs=True)
        self.store = store
        self.feed = Feed()
        self.todos = Todos(store, self.feed)

    async def index(self) -> dict[str, str]:
        """List the URLs of the API."""
        return {
            "todos": self.url(Todos.get),
            "export": self.url(Todos.export),
            "live": "/live",
            "docs": "/docs",
        }

    async def ws_live(self, ws: WebSocket[str, Event]) -> None:
        """Send every change as it happens, until the client leaves: WEBSOCKET /live."""
        await ws.accept()
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(self._send_events(ws))
            async for _ in ws:  # receives only to notice that the client leaves
                pass
            sending.cancel()

    async def _send_events(self, ws: WebSocket[str, Event]) -> None:
        with suppress(ConnectionClosed):
            async for event in self.feed.listen():
                await ws.send(event)

    @asynccontextmanager
    async def lifespan(self) -> AsyncGenerator[None]:
        yield
        self.store.close()


app = Api(Store(os.environ.get("TODOS_DB", "todos.db")))
