"""To be described."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Any, TypeAlias

import msgspec

from ..errors import Source
from ..requests.request import Request

Bind: TypeAlias = Callable[[Callable[..., Any], Request, Sequence[str]], Any]
"""`bind(call, request, segments)`: calls `call` with the values and returns what it returns. Raises HTTPError."""


class Wants(msgspec.Struct, frozen=True):
    """What of a body has to have arrived before a handler can be called."""

    names: tuple[tuple[str, frozenset[Source], int | None], ...]
    """The fields and files asked for by name, each with where else it may be, and the index of its path value."""
    everything: bool
    """Whether it takes all of the body to know: a list of values, a structured type, or nobody says what is read."""
    raw: bool
    """Whether the body's bytes are wanted as they came, multipart or not."""
    streaming: bool
    """Whether the handler reads the body itself."""

    def arrived(self, request: Request, segments: Sequence[str]) -> bool:
        """Whether a multipart body has brought all of it so far."""
        if self.everything:
            return False
        here: Sequence[tuple[Source, Mapping[str, object]]] = (
            ("form", request.form_params), ("file", request.file_params), ("query", request.query_params)
        )  # fmt: skip
        return all(
            (index is not None and index < len(segments))
            or any(name in found for source, found in here if source in sources)
            for name, sources, index in self.names
        )


class Mode(Enum):
    """How a handler is called."""

    ASYNC = auto()
    """Its result is awaited."""
    THREAD = auto()
    """In a worker thread, so that it may block."""
    DIRECT = auto()
    """On the event loop: generators, which stream, and what was declared `threaded=False`."""


def choose_mode(handler: Callable[..., Any], *, threaded: bool) -> Mode:
    """How `handler` is called; `threaded`, when it may block unless it says otherwise."""
    inner = inspect.unwrap(handler)
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(inner):
        return Mode.ASYNC
    if inspect.isasyncgenfunction(inner) or inspect.isgeneratorfunction(inner) or not threaded:
        return Mode.DIRECT
    return Mode.THREAD
