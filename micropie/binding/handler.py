"""This module describes a handler that is ready to be called: its binder, its mode, and what it waits for.

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

Bind: TypeAlias = Callable[[Function, Request, Sequence[str]], Any]
"""`bind(call, request, segments)` calls `call` with the bound values and returns its result. It raises HTTPError."""


class Wants(msgspec.Struct, frozen=True):
    """The parts of a body that must have arrived before a handler can be called."""

    names: tuple[tuple[str, frozenset[Source], int | None], ...]
    """The fields and files read by name, each with all its sources and the index of its path value."""
    everything: bool
    """True if the handler needs the whole body: for a list, for a structured type, or because it may read any part."""
    raw: bool
    """True if the handler takes the body's bytes, even those of a multipart body."""
    streaming: bool
    """True if the handler reads the body itself while it arrives."""

    def arrived(self, request: Request, segments: Sequence[str]) -> bool:
        """Return True if a multipart body has brought everything that the handler waits for."""
        if self.everything:
            return False
        params_by_source: Sequence[tuple[Source, Mapping[str, object]]] = (
            ("form", request.form_params), ("file", request.file_params), ("query", request.query_params)
        )  # fmt: skip
        return all(
            (index is not None and index < len(segments))
            or any(name in params for source, params in params_by_source if source in sources)
            for name, sources, index in self.names
        )


class Mode(Enum):
    """A mode that says how a handler is called."""

    ASYNC = auto()
    """Its result is awaited."""
    THREAD = auto()
    """It runs in a worker thread, so it may block."""
    DIRECT = auto()
    """It runs on the event loop: a generator, which streams, or a sync function with `threaded=False`."""


class BoundHandler(msgspec.Struct, frozen=True, eq=False):
    """A handler with everything that is needed to call it for a request."""

    name: str
    """`module.Class.method`."""
    handler: Function
    mode: Mode
    call: Function
    """The callable that the binder calls: the handler, or for mode THREAD a partial that a thread calls later."""
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


def choose_mode(handler: Function, *, threaded: bool) -> Mode:
    """Return the mode of `handler`. With `threaded`, a sync function runs in a worker thread."""
    inner = inspect.unwrap(handler)
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(inner):
        return Mode.ASYNC
    if inspect.isasyncgenfunction(inner) or inspect.isgeneratorfunction(inner) or not threaded:
        return Mode.DIRECT
    return Mode.THREAD
