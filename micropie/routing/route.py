"""This module makes routes: a handler with all that can be decided about it before the first request."""

from collections.abc import Callable, Mapping
from typing import Any, get_args

import msgspec

from .._utils.caching import BoundedCache
from ..binding.binder_compiler import bind_handler
from ..binding.handler import BoundHandler
from ..binding.signature import Kind, Role, Signature
from ..responses.handler_results import BODY_CLASSES
from .methods import ANY_METHOD


class Route(BoundHandler, frozen=True, eq=False, kw_only=True):
    """A handler at one URL, with everything that could be decided about it beforehand."""

    path: str
    """The URL below the owner, path values in braces."""
    methods: frozenset[str] | None
    """The HTTP methods that it answers; None for all of `METHODS`, and for a WebSocket."""
    answers: frozenset[str]
    """The methods of requests that reach it; `""` for WebSockets."""
    path_values: float
    """The number of path values that it takes at most; infinity with `*args`."""
    messages: tuple[Any, Any]
    """The types that a WebSocket handler receives and sends."""
    stream_type: str | None = None
    """The Content-Type of the streams that it returns, if the return annotation names it."""
    passes: Mapping[type, bool] = BODY_CLASSES
    """`passes[cls]` is True if a result of class `cls` is sent as it is. All others are split, and held against the
    return annotation."""
    result_class: type | None = None
    """The only class that `passes`, if there is one: a comparison is faster than a look-up."""
    loads_session: bool = True
    """False if no session is loaded for the handler."""
    reads_session: bool = False
    """True if the handler or one of its dependencies has a `Session()` parameter."""
    is_plain: bool = False
    """True if a call only awaits the result of `bind`: it has no dependencies and no thread, and may have a session."""

    def __post_init__(self) -> None:
        is_plain = self.awaited and self.prepare is None and self.loads_session
        msgspec.structs.force_setattr(self, "is_plain", is_plain)

    @property
    def attribute(self) -> str:
        """The name of the handler's method."""
        return self.name.rpartition(".")[2]

    def __repr__(self) -> str:
        return f"<Route {self.path} {self.name}>"


def make_route(
    handler: Callable[..., Any],
    signature: Signature,
    *,
    path: str,
    name: str,
    methods: frozenset[str] | None = None,
    threaded: bool = True,
    session: bool = True,
) -> Route:
    """Return the route for `handler` (bound), whose signature has been read."""
    if methods is not None and "GET" in methods:
        methods |= {"HEAD"}
    labels = "".join(f"/{{{label}}}" for label in _list_labels(signature) if f"{{{label}}}" not in path)
    path = path.rstrip("/") + labels if labels else path
    bound = bind_handler(handler, signature, name, threaded=threaded)
    return Route(
        **msgspec.structs.asdict(bound),
        path=path,
        methods=methods,
        answers=methods or ANY_METHOD,
        path_values=signature.path_values,
        messages=_read_message_types(signature),
        stream_type=signature.returns.stream_type if signature.returns is not None else None,
        result_class=signature.returns.result_class if signature.returns is not None else None,
        passes=BoundedCache(signature.returns.passes) if signature.returns is not None else BODY_CLASSES,
        loads_session=session,
        reads_session=is_session_pinned(signature),
    )


def is_session_pinned(signature: Signature) -> bool:
    """Return True if the handler or one of its dependencies has a `Session()` parameter."""
    return any(parameter.sources == ("session",) for parameter in signature.inputs())


def _list_labels(signature: Signature) -> list[str]:
    """Return the names of the path values as they stand in braces: `id`, `*rest`."""
    parameters = [parameter for parameter in signature.parameters if parameter.index is not None]
    return [("*" if parameter.kind is Kind.VAR_POSITIONAL else "") + parameter.name for parameter in parameters]


def _read_message_types(signature: Signature) -> tuple[Any, Any]:
    """Return the types in `WebSocket[In, Out]`; `str` where they are left out."""
    connections = [parameter for parameter in signature.parameters if parameter.role is Role.WEBSOCKET]
    incoming, outgoing = (*(get_args(connections[0].annotation) if connections else ()), str, str)[:2]
    return incoming, outgoing
