"""This module finds the route for a path: it owns the order of precedence, the walk through the tables, and a memory.

`table.py` holds the tables, `discovery.py` fills them. The app calls the handler.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Final, TypeAlias

from ..binding.signature import Signature
from ..errors import HTTPError
from ..types import Scope
from .methods import allow_field, choose_by_method
from .paths import PERCENT, split_path, split_plain_path
from .route import Route, make_route
from .table import Mount, Node, Table, Trail

_MOST_KNOWN: Final = 10_000
"""Paths that a node remembers. It is bounded because clients choose the paths: /a-b, /a_b and /a_b/ are three."""


Match: TypeAlias = tuple[Route | Trail | Mount, Sequence[str]]
"""A route, the trail to a nested app, or a mounted application; and the segments that are left as path values."""


class Precedence(Enum):
    """The kinds of candidates that can answer a path, in the order in which an App or Resource asks them.

    The first candidate that fits the path answers it, or refuses its method with 405. `inspection.route_trace` sorts
    by this order. `match_path` has it unrolled: one generator of candidates for both made it 50 to 130 % slower for
    paths that it finds (350 ns for each App or Resource on the way). Tests hold both to this table, pair by pair.
    """

    MOUNT = "a mounted app"
    """Its prefix begins the path. The longest prefix goes first."""
    LITERAL_TEMPLATE = "a @route path that begins with a name"
    """Every segment fits. At each segment a literal goes before a value, and a value before `*args`."""
    OWN_URL = "a method's own URL"
    """The first segment is the method's name, and the method takes the others as path values."""
    HELD = "an App or Resource that is held"
    """The first segment is the attribute's name. Its own table decides about the other segments."""
    VALUE_TEMPLATE = "a @route path that begins with a value"
    """As LITERAL_TEMPLATE; the path `/` is among these."""
    VERB = "a Resource's own URL"
    """The first segment does not name a method, and one of the verb methods takes the segments as path values."""
    INDEX = "index, which takes the remaining segments"
    """The owner has no verb methods, the first segment does not name a method, and `index` takes the segments."""
    ROOT_MOUNT = "an app mounted at /"
    """It fits every path."""


def find_route(node: Node, scope: Scope, method: str) -> Match:
    """Return what answers the path of `scope` in the app of `node`, and the path values.

    It is `match_path` with a memory. A path without values always leads to the same route, so the whole path is
    remembered. Where only one method's URL begins with a segment, this first segment is remembered for paths with
    values. Raises what `split_path` and `match_path` raise.
    """
    if PERCENT in (scope.get("raw_path") or b"") or scope.get("root_path"):
        # The same `path` can then stand for two lists of segments.
        return match_path((node,), split_path(scope), method)
    path = scope["path"]
    by_path, by_first_segment = node.routes_by_path, node.routes_by_first_segment
    route = by_path.get((method, path))
    if route is not None:
        return route, []
    segments = split_plain_path(path)
    if segments:
        route = by_first_segment.get((method, segments[0]))
        if route is not None and len(segments) - 1 <= route.path_values:
            return route, segments[1:]
    found, values = match_path((node,), segments, method)
    if isinstance(found, Route):
        if values and len(by_first_segment) < _MOST_KNOWN and _owns_first_segment(found, node, segments[0]):
            by_first_segment[method, segments[0]] = found
        elif not values and len(by_path) < _MOST_KNOWN and _is_stable(node, segments):
            by_path[method, path] = found
    return found, values


def _owns_first_segment(route: Route, node: Node, segment: str) -> bool:
    """Return True if `route` answers every path that begins with `segment` and has no more values than it takes."""
    table = node.http
    is_literal = table.templates is not None and segment in table.templates.literals
    named = table.named.get(segment) or table.named.get(segment.replace("-", "_"))
    return named is route and not (node.mounts or is_literal)


def _is_stable(node: Node, segments: Sequence[str]) -> bool:
    """Return True if only a change of the tree can make these segments lead elsewhere.

    A path through a nested app is not stable: the app may get middleware at any time, which must then run first.
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


def match_path(trail: Trail, segments: Sequence[str], method: str) -> Match:
    """Return what answers `segments` below the last node of `trail`, and the segments that are left as path values.

    `method` is an HTTP method, or `""` for a WebSocket. `Precedence` has the order. A nested app with middleware or
    error handlers is returned as the trail to it, for its own dispatch. Raises HTTPError 404, and 405 with `Allow`.
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
                    return _choose_by_method(found[0], method), found[1]
            route = table.named.get(name)
            if route is None and "-" in name and name not in node.children:
                name = name.replace("-", "_")  # /sign-up is sign_up, unless the owner has something named "sign-up"
                route = table.named.get(name)
            if route is not None and count - start - 1 <= route.path_values:
                if method not in route.answers:
                    route = _answer_unmatched(method, route.answers)
                return route, segments[start + 1 :]
            child = node.children.get(name)
            if child is not None and child not in trail:  # a reference back up the tree is not a URL
                trail, start = (*trail, child), start + 1
                if child.owner._intercepts("http" if method else "websocket"):
                    return trail, segments[start:]
                continue
        if templates is not None:
            found = templates.find(segments, start)
            if found is not None:
                return _choose_by_method(found[0], method), found[1]
        rest = segments[start:]
        if route is None:
            last = _match_verb(table.verbs, method, rest) if table.verbs else _match_index(table, method, rest)
            if last is not None:
                return last, rest
        if () in node.mounts:
            return Mount(node.mounts[()]), rest
        raise HTTPError(404)


def _match_index(table: Table, method: str, values: Sequence[str]) -> Route | None:
    """Return `index` if it takes that many path values. Raises HTTPError 405."""
    route = table.named.get("index")
    return _require_method(route, method) if route is not None and len(values) <= route.path_values else None


def _match_verb(verbs: Mapping[str, Route], method: str, values: Sequence[str]) -> Route | None:
    """Return the Resource's method for the HTTP method, if its signature takes the path values.

    None where no verb takes them. Raises HTTPError 405 where only other verbs do.
    """
    candidates = {verb: route for verb, route in verbs.items() if len(values) <= route.path_values}
    route = choose_by_method(candidates, method)
    return route or (_answer_unmatched(method, frozenset(candidates)) if candidates else None)


def require_fit(route: Route | None, values: Sequence[str], method: str) -> Route:
    """Return `route`, which was found by its name, if it takes `values` and answers `method`.

    Raises HTTPError 404 and 405.
    """
    if route is None or len(values) > route.path_values:
        raise HTTPError(404)
    return _require_method(route, method)


def _require_method(route: Route, method: str) -> Route:
    """Return `route` if it answers `method`. Raises HTTPError 405."""
    return route if method in route.answers else _answer_unmatched(method, route.answers)


def _choose_by_method(routes: Mapping[str, Route], method: str) -> Route:
    route = choose_by_method(routes, method)
    if route is not None:
        return _require_method(route, method)
    return _answer_unmatched(method, frozenset(routes))


def _answer_unmatched(method: str, allowed: frozenset[str]) -> Route:
    """Return the route of the automatic response to OPTIONS (RFC 9110 §9.3.7).

    Raises HTTPError 405 for any other method (§15.5.6).
    """
    allow = allow_field(allowed)
    if method != "OPTIONS":
        raise HTTPError(405, headers=[("Allow", allow)])
    return _options_route(allow)


@lru_cache(maxsize=256)
def _options_route(allow: str) -> Route:
    def options() -> tuple[int, None, list[tuple[str, str]]]:
        return 204, None, [("Allow", allow)]

    return make_route(options, Signature((), None), path="", name="micropie.options", threaded=False)
