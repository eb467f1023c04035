"""These functions and this app are what the tests of dependencies share."""

from typing import Annotated, Any

from msgspec import Struct

from micropie import App, Body, Depends, Header, Path, Query, UploadFile, WebSocket

Log = list[str]


class Todo(Struct):
    title: str


def handler_of(function: Any) -> App:
    """Return an app whose index returns the result of `function`."""

    class Api(App):
        async def index(self, value: Annotated[Any, Depends(function)]) -> Any:
            return value

    return Api()


def sync(q: str = "-") -> str:
    return f"sync {q}"


async def asynchronous(q: str = "-") -> str:
    return f"async {q}"


class AsyncCallable:
    __hash__ = None  # type: ignore[assignment]  # such things exist: dataclasses that compare

    async def __call__(self, q: str = "-") -> str:
        return f"async object {q}"


def two(first: str, q: str = "-") -> str:
    return f"{first} {q}".strip()


def reads_header(x_key: Annotated[str, Header()]) -> object:
    return x_key


def reads_whole(todo: Todo) -> object:
    return todo.title


def reads_raw(body: Annotated[bytes, Body()]) -> object:
    return len(body)


async def reads_file(file: UploadFile) -> object:
    return [file.filename, (await file.read()).decode()]


def nested(key: Annotated[str, Depends(reads_header)], *, count: Annotated[int, Query(alias="n")]) -> object:
    return [key, count]


def by_id(id: int) -> str:
    return f"user {id}"


def by_text(id: str) -> str:
    return id


def pinned(id: Annotated[int, Path()]) -> str:
    return f"pinned {id}"


class Account(App):
    def _secret(self) -> str:
        return "secret"

    async def me(self, name: Annotated[str, Depends(asynchronous)]) -> str:
        return name

    async def deep(self, value: Annotated[list[Any], Depends(nested)]) -> list[Any]:
        return value

    async def method(self, secret: Annotated[str, Depends(_secret)]) -> str:
        return secret

    async def ws_me(self, ws: WebSocket, name: Annotated[str, Depends(asynchronous)]) -> None:
        await ws.accept()
        await ws.send(name)
