"""This module describes a handler that is ready to be called: its binder, its mode and what it waits for.

`binder_compiler` makes one (`bind_handler`), `dependency_runner` puts the dependencies in front of it, and
`routing.route` gives it a URL.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Any, TypeAlias

import msgspec

from ..errors import Source
from ..requests.request import Request
from ..types import RunSync
from .signature import Signature

Function: TypeAlias = Callable[..., Any]
Overrides: TypeAlias = Mapping[Function, Function]
"""`overrides[function]` is called in place of `function`, which handlers depend on."""

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


class BoundHandler(msgspec.Struct, frozen=True, eq=False):
    """A handler with everything that is needed to call it for a request."""

    name: str
    """`module.Class.method`."""
    handler: Function
    mode: Mode
    call: Function
    """The callable that the binder calls: the handler, or for a threaded one a partial that keeps the call."""
    bind: Bind
    source: str
    """The generated code of the binder, for people to read."""
    wants: Wants
    signature: Signature
    awaited: bool
    """True if `bind` returns a coroutine, so that awaiting it gives the result."""
    prepare: "Prepare | None" = None
    """Called before `bind` if the handler has dependencies; returns the handler for this request."""


Prepare: TypeAlias = Callable[[Request, RunSync, Overrides], BoundHandler]
"""`prepare(request, run_sync, overrides)` opens the request's `CleanupStack`, whose blocking functions `run_sync` runs.

It returns the handler with `overrides` in place, and raises SetupError for overrides that cannot work.
"""


def choose_mode(handler: Callable[..., Any], *, threaded: bool) -> Mode:
    """How `handler` is called; `threaded`, when it may block unless it says otherwise."""
    inner = inspect.unwrap(handler)
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(inner):
        return Mode.ASYNC
    if inspect.isasyncgenfunction(inner) or inspect.isgeneratorfunction(inner) or not threaded:
        return Mode.DIRECT
    return Mode.THREAD
