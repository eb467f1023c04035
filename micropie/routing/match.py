"""Path to route: the table of URLs under one App or Resource, and how a path finds its way through it.

A `Node` holds what one owner answers; nested owners have nodes of their own, so a handler or a sub-tree set late is
one dictionary entry. Which attributes of an owner are URLs is `discovery.py`'s; calling a handler is the app's.
"""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum, auto
from functools import lru_cache
from typing import Any, Final, TypeAlias, get_args
from weakref import WeakSet

import msgspec

from ..binding.binder_compiler import Bind, Binder, Wants, make_binder
from ..binding.signature import Kind, Role, Signature
from ..errors import HTTPError
from ..requests.body import decode_segment
from ..requests.request import Request
from ..types import ASGIApp, Scope

METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
"""What a plain method answers (SPEC 2), in the order in which `Allow` names them."""

_ALL: Final = frozenset((*METHODS, ""))

_PERCENT: Final = ord("%")
"""As a number: Python finds a byte in bytes at once, where for `b"%" in` it first fails to read that as a number."""

_MOST_KNOWN: Final = 10_000
"""Paths that a node remembers: /a-b, /a_b and /a_b/ are three, and clients choose."""


class Mode(Enum):
    """How a handler is called."""

    ASYNC = auto()
    """Its result is awaited."""
    THREAD = auto()
    """In a worker thread, so that it may block."""
    DIRECT = auto()
    """On the event loop: generators, which stream, and what was declared `threaded=False`."""


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
    binder: Binder = make_binder(signature, name)
    mode = mode_of(handler, threaded=threaded)
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
        methods or _ALL,
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


def mode_of(handler: Callable[..., Any], *, threaded: bool) -> Mode:
    """How `handler` is called; `threaded`, when it may block unless it says otherwise."""
    inner = inspect.unwrap(handler)
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(inner):
        return Mode.ASYNC
    if inspect.isasyncgenfunction(inner) or inspect.isgeneratorfunction(inner) or not threaded:
        return Mode.DIRECT
    return Mode.THREAD


class Branch(msgspec.Struct):
    """One place in the tree of `@route` paths."""

    literals: dict[str, "Branch"] = {}
    value: "Branch | None" = None
    routes: dict[str, Route] = {}
    """By method; `""` for a route that answers all."""

    def grow(self, segments: Sequence[str]) -> "Branch":
        """The place at the end of `segments`, of which those in braces are values."""
        branch = self
        for segment in segments:
            if segment.startswith("{"):
                branch.value = branch.value or Branch()
                branch = branch.value
            else:
                branch = branch.literals.setdefault(segment, Branch())
        return branch

    def at(self, segments: Sequence[str]) -> "Branch | None":
        """The place at the end of `segments`, which are literal."""
        branch: Branch | None = self
        for segment in segments:
            branch = branch.literals.get(segment) if branch is not None else None
        return branch

    def find(self, segments: Sequence[str], start: int) -> tuple[Mapping[str, Route], list[str]] | None:
        """The routes at `segments[start:]` and the values on the way there; literal segments go before values."""
        if start == len(segments):
            return (self.routes, []) if self.routes else None
        segment = segments[start]
        literal = self.literals.get(segment)
        found = literal.find(segments, start + 1) if literal is not None else None
        if found is None and self.value is not None:
            found = self.value.find(segments, start + 1)
            if found is not None:
                found[1].insert(0, segment)
        if found is None:
            rest = {method: route for method, route in self.routes.items() if route.path_values == float("inf")}
            found = (rest, list(segments[start:])) if rest else None
        return found

    def walk(self) -> Iterator[Route]:
        """Every route at this place and below."""
        yield from self.routes.values()
        for branch in (*self.literals.values(), *([self.value] if self.value is not None else [])):
            yield from branch.walk()


class Table(msgspec.Struct, eq=False):
    """The routes of one protocol under one owner."""

    named: dict[str, Route] = {}
    """Automatic URLs, by first segment. `index` is among them."""
    verbs: dict[str, Route] = {}
    """A Resource's own answers, by HTTP method."""
    templates: Branch | None = None
    """The `@route` paths."""

    def by_handler(self, name: str) -> Route | None:
        """The route of the method called `name`."""
        templates = self.templates.walk() if self.templates is not None else ()
        made = (*self.named.values(), *self.verbs.values(), *templates)
        return next((route for route in made if route.attribute == name), None)


class Node(msgspec.Struct, eq=False, weakref=True):
    """What one App or Resource answers, and the nodes of those that it holds."""

    owner: Any
    """The App or Resource."""
    http: Table = msgspec.field(default_factory=Table)
    sockets: Table = msgspec.field(default_factory=Table)
    children: dict[str, "Node"] = {}
    mounts: dict[tuple[str, ...], ASGIApp] = {}
    """Other applications, by the segments of their prefix."""
    private: dict[str, Route] = {}
    """Routes of methods that have no URL and that middleware chose by their names."""
    names: set[str] = set()
    """The attributes of the owner that answer something."""
    built: bool = False
    """Whether the owner's attributes have been looked through."""
    known: dict[tuple[str, str], Route] = {}
    """What `find` has found at whole paths, by method and path."""
    begun: dict[tuple[str, str], Route] = {}
    """What `find` has found by the first segment alone, by method and segment."""
    holders: WeakSet["Node"] = msgspec.field(default_factory=WeakSet)
    """The nodes whose child this one is, or was. It keeps none of them: what a class holds outlives its instances."""

    def hold(self, name: str, child: "Node") -> None:
        """Make `child` answer what is below `name`."""
        self.children[name] = child
        child.holders.add(self)

    def changed(self) -> None:
        """Forget what was found so far, here and wherever this node is held: it may be found elsewhere now.

        Called after the change. The memory is a new one, since a `find` in another thread may just be filling the old.
        """
        pending: list[Node] = [self]
        seen: set[Node] = set()
        while pending:
            node = pending.pop()
            node.known = {}
            node.begun = {}
            seen.add(node)
            pending += set(node.holders) - seen

    def find_mount(self, segments: Sequence[str], start: int) -> tuple[ASGIApp, int] | None:
        """The application with the longest prefix of `segments[start:]`, and where its own segments begin.

        One that is mounted at `/` is left out: it answers what nothing else does.
        """
        longest = max(map(len, self.mounts))
        for end in range(min(len(segments), start + longest), start, -1):
            app = self.mounts.get(tuple(segments[start:end]))
            if app is not None:
                return app, end
        return None


Trail: TypeAlias = tuple[Node, ...]
"""The way from the app that was called down to one node: that node, and before it every one that holds it."""


class Mount(msgspec.Struct, frozen=True, eq=False):
    """Another ASGI application, found at a path."""

    app: ASGIApp


Found: TypeAlias = tuple[Route | Trail | Mount, Sequence[str]]
"""What answers a path, and which of its segments are left as path values."""


def find(node: Node, scope: Scope, method: str) -> Found:
    """What answers the path of `scope` in the app of `node`, and the path values: `match`, with a memory.

    A path without values always leads to the same route, so it is looked up once; so does the first segment of a path
    with values, where nothing but a method of that name begins so. Raises what `split_path` and `match` raise.
    """
    if _PERCENT in (scope.get("raw_path") or b"") or scope.get("root_path"):
        # Then one path can be two lists of segments.
        return match((node,), split_path(scope), method)
    path = scope["path"]
    known, begun = node.known, node.begun
    route = known.get((method, path))
    if route is not None:
        return route, []
    segments = _plain_segments(path)
    if segments:
        route = begun.get((method, segments[0]))
        if route is not None and len(segments) - 1 <= route.path_values:
            return route, segments[1:]
    found, values = match((node,), segments, method)
    if isinstance(found, Route):
        if values and len(begun) < _MOST_KNOWN and _is_only(node, segments[0], found):
            begun[method, segments[0]] = found
        elif not values and len(known) < _MOST_KNOWN and _is_steady(node, segments):
            known[method, path] = found
    return found, values


def _is_only(node: Node, name: str, route: Route) -> bool:
    """Whether every path that begins with `name`, and has no more values than `route` takes, leads to `route`."""
    table = node.http
    is_literal = table.templates is not None and name in table.templates.literals
    named = table.named.get(name) or table.named.get(name.replace("-", "_"))
    return named is route and not (node.mounts or is_literal)


def _is_steady(node: Node, segments: Sequence[str]) -> bool:
    """Whether only a change of the tree can make these segments lead elsewhere.

    A nested app may be given middleware at any time, which then has to be asked first.
    """
    place = node
    for segment in segments:
        child = place.children.get(segment) or place.children.get(segment.replace("-", "_"))
        if child is None:
            break
        if child.owner._builds_itself:
            return False
        place = child
    return True


def match(trail: Trail, segments: Sequence[str], method: str) -> Found:
    """What answers `segments` below the last node of `trail`, and which of them are left as path values.

    `method` is an HTTP method, or `""` for a WebSocket. Of the things that could answer, the first of these does: a
    mounted application, a `@route` path that begins literally, a method's own URL, what the owner holds, a `@route`
    path that begins with a value, `index`, an application mounted at `/`. A nested app that wants to be asked before
    its handlers is returned as the trail to it. Raises HTTPError 404, and 405 with `Allow`.
    """
    start, count = 0, len(segments)
    while True:
        node = trail[-1]
        table = node.http if method else node.sockets
        templates = table.templates
        route = None
        if start < count:
            if node.mounts and (mounted := node.find_mount(segments, start)) is not None:
                return Mount(mounted[0]), segments[mounted[1] :]
            name = segments[start]
            if templates is not None and (literal := templates.literals.get(name)) is not None:
                found = literal.find(segments, start + 1)
                if found is not None:
                    return _by_method(found[0], method), found[1]
            route = table.named.get(name)
            if route is None and "-" in name and name not in node.children:
                name = name.replace("-", "_")  # /sign-up is sign_up where nothing is called just so
                route = table.named.get(name)
            if route is not None and count - start - 1 <= route.path_values:
                return (route if method in route.answers else _unmatched(method, route.answers)), segments[start + 1 :]
            child = node.children.get(name)
            if child is not None and child not in trail:  # else it is a way back up, which is no URL
                trail, start = (*trail, child), start + 1
                if child.owner._intercepts("http" if method else "websocket"):
                    return trail, segments[start:]
                continue
        if templates is not None:
            found = templates.find(segments, start)
            if found is not None:
                return _by_method(found[0], method), found[1]
        rest = segments[start:]
        if route is None:
            answer = _verb(table.verbs, method, rest) if table.verbs else _index(table, method, rest)
            if answer is not None:
                return answer, rest
        if () in node.mounts:
            return Mount(node.mounts[()]), rest
        raise HTTPError(404)


def _index(table: Table, method: str, values: Sequence[str]) -> Route | None:
    """`index`, where it has room for the path values. Raises HTTPError 405."""
    route = table.named.get("index")
    return _allowed(route, method) if route is not None and len(values) <= route.path_values else None


def _verb(verbs: Mapping[str, Route], method: str, values: Sequence[str]) -> Route | None:
    """A Resource's answer: the verb whose signature has room for the path values. Raises HTTPError 405."""
    fitting = {verb: route for verb, route in verbs.items() if len(values) <= route.path_values}
    route = fitting.get(method) or (fitting.get("GET") if method == "HEAD" else None)
    return route or (_unmatched(method, frozenset(fitting)) if fitting else None)


def _allowed(route: Route, method: str) -> Route:
    """`route` if it answers `method`. Raises HTTPError 405."""
    return route if method in route.answers else _unmatched(method, route.answers)


def _by_method(routes: Mapping[str, Route], method: str) -> Route:
    route = routes.get(method) or (routes.get("GET") if method == "HEAD" else None) or routes.get("")
    if route is not None:
        return _allowed(route, method)
    return _unmatched(method, frozenset(routes))


def fitting(route: Route | None, values: Sequence[str], method: str) -> Route:
    """`route`, found by other means than its URL, if it takes `values` and answers `method`.

    Raises HTTPError 404 and 405.
    """
    if route is None or len(values) > route.path_values:
        raise HTTPError(404)
    return _allowed(route, method)


def _unmatched(method: str, allowed: frozenset[str]) -> Route:
    """The automatic answer to OPTIONS (RFC 9110 §9.3.7). Raises HTTPError 405 for any other method (§15.5.6)."""
    names = allowed | {"OPTIONS"} | ({"HEAD"} if "GET" in allowed else set())
    allow = ", ".join(name for name in sorted(names) if name)
    if method != "OPTIONS":
        raise HTTPError(405, headers=[("Allow", allow)])
    return _options_route(allow)


@lru_cache(maxsize=256)
def _options_route(allow: str) -> Route:
    def options() -> tuple[int, None, list[tuple[str, str]]]:
        return 204, None, [("Allow", allow)]

    return make_route(options, Signature((), None), path="", name="micropie.options", threaded=False)


def split_path(scope: Scope) -> list[str]:
    """The path's segments below `root_path`, percent-decoded each by itself, so that `a%2Fb` stays one segment.

    One trailing slash is ignored. Raises HTTPError 404 for a path without a leading slash, and 400 for one that is no
    UTF-8 or holds NUL.
    """
    path: str = scope["path"]
    raw: bytes | None = scope.get("raw_path")
    segments = None
    if raw is not None and _PERCENT in raw:
        segments = [decode_segment(segment) for segment in raw.partition(b"?")[0].split(b"/")]
    if segments is None or "/".join(segments) != path:  # who changes only `path` on the way here means that one
        segments = _plain_segments(path)
    else:
        segments = _between_slashes(segments)
    root: str = scope.get("root_path", "")
    return _below(root, segments) if root and root != "/" else segments


def _plain_segments(path: str) -> list[str]:
    """The segments of a decoded path."""
    if "\0" in path or (not path.isascii() and "\ufffd" in path):
        raise HTTPError(400, "The path is not valid UTF-8 text")
    return _between_slashes(path.split("/"))


def _between_slashes(parts: list[str]) -> list[str]:
    """The segments of a path, whose `parts` begin before its leading slash and end after a trailing one."""
    if parts[0]:
        raise HTTPError(404)
    return parts[1:-1] if not parts[-1] else parts[1:]


def prefix_of(scope: Scope, below: Sequence[str]) -> list[str]:
    """The path's segments before those that are `below` something found at it."""
    whole = split_path(scope)
    return whole[: len(whole) - len(below)]


def _below(root: str, segments: list[str]) -> list[str]:
    """`segments` without those of `root`. A server that strips the root itself (not ASGI's way) is understood too."""
    prefix = root.strip("/").split("/")
    return segments[len(prefix) :] if segments[: len(prefix)] == prefix else segments
