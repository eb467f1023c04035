"""To be described."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

import msgspec

from ..binding.binder_compiler import Binder, compile_binder
from ..binding.handler import Bind, Mode, Wants, choose_mode
from ..binding.signature import Kind, Role, Signature
from ..requests.request import Request
from .methods import ANY_METHOD

if TYPE_CHECKING:
    from .table import Trail


class Route(msgspec.Struct, frozen=True, eq=False):
    """One handler at one URL, with everything that could be decided about it beforehand."""

    path: str
    """Its URL below its owner, path values in braces."""
    name: str
    """`module.Class.method`."""
    handler: Callable[..., Any]
    methods: frozenset[str] | None
    """The HTTP methods it answers; None for all of `METHODS`, and for a WebSocket."""
    mode: Mode
    call: Callable[..., Any]
    """What the binder calls: the handler, or for a threaded one what keeps the call for the thread."""
    bind: Bind
    source: str
    """The generated binder, for people."""
    wants: Wants
    signature: Signature
    answers: frozenset[str]
    """The methods of requests that reach it; `""` for WebSockets."""
    awaited: bool
    """Whether what `call` returns is a coroutine: then nothing else has to be done to get at its result."""
    path_values: float
    """How many path values it can take."""
    messages: tuple[Any, Any]
    """What a WebSocket handler receives and sends."""
    stream_type: str | None = None
    """The Content-Type of the streams that it returns, where its annotation says it."""
    prepare: "Prepare | None" = None
    """What has to be done with a request first, where the handler has dependencies (`dependencies.py`)."""
    is_plain: bool = False
    """Whether the result of `bind` is awaited and is the answer, and there is nothing else to it."""

    def __post_init__(self) -> None:
        is_plain = self.awaited and self.prepare is None and self.stream_type is None
        msgspec.structs.force_setattr(self, "is_plain", is_plain)

    @property
    def attribute(self) -> str:
        """The method's name."""
        return self.name.rpartition(".")[2]

    def __repr__(self) -> str:
        return f"<Route {self.path} {self.name}>"


Prepare: TypeAlias = Callable[[Request, Any, "Trail"], Route]
"""`prepare(request, app, trail)`: the route that is to be used for this one request."""


def make_route(
    handler: Callable[..., Any],
    signature: Signature,
    *,
    path: str,
    name: str,
    methods: frozenset[str] | None = None,
    threaded: bool = True,
) -> Route:
    """The route for `handler` (bound), whose signature has been read."""
    binder: Binder = compile_binder(signature, name)
    mode = choose_mode(handler, threaded=threaded)
    call = functools.partial(functools.partial, handler) if mode is Mode.THREAD else handler
    if methods is not None and "GET" in methods:
        methods |= {"HEAD"}
    labels = "".join(f"/{{{label}}}" for label in _labels(signature) if f"{{{label}}}" not in path)
    path = path.rstrip("/") + labels if labels else path
    room = signature.path_values
    return Route(
        path,
        name,
        handler,
        methods,
        mode,
        call,
        binder.bind,
        binder.source,
        binder.wants,
        signature,
        methods or ANY_METHOD,
        mode is Mode.ASYNC,
        room,
        _messages(signature),
        signature.returns.stream_type if signature.returns is not None else None,
    )


def _labels(signature: Signature) -> list[str]:
    taking = [parameter for parameter in signature.parameters if parameter.index is not None]
    return [("*" if one.kind is Kind.VAR_POSITIONAL else "") + one.name for one in taking]


def _messages(signature: Signature) -> tuple[Any, Any]:
    """The types in `WebSocket[In, Out]`; text where they are left out."""
    connections = [one for one in signature.parameters if one.role is Role.WEBSOCKET]
    incoming, outgoing = (*(get_args(connections[0].annotation) if connections else ()), str, str)[:2]
    return incoming, outgoing
