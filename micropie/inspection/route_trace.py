"""This module explains why a path leads where it leads: it lists the candidates for it, in the router's order.

`routing.match` decides, this module only describes; both follow `Precedence`. At each App or Resource on the way down,
everything that it holds is compared with the path. The first candidate that fits answers the path, or refuses the
method. A later one that fits has lost to it; the others do not fit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from ..routing.match import Precedence, match_path
from ..routing.methods import METHODS, choose_by_method
from ..routing.route import Route
from ..routing.table import Branch, Mount, Node, Table, Trail
from .type_text import get_class_name

Outcome: TypeAlias = Literal["chosen", "refused", "lost"]
"""It answers; it answers 405, since it has other methods; or it does not answer."""

_ORDER: Final = [*Precedence]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A route or mounted app that could answer a path, and the reason why it does or does not."""

    url: str
    """From the outermost app."""
    methods: tuple[str, ...]
    """Empty if it answers every method."""
    name: str
    """`module.Class.method` of the handler, or the class of a mounted app."""
    outcome: Outcome
    why: str
    endpoint: Route | Mount
    near: bool = True
    """True if it and the path begin with the same segment, or it begins with a value."""


@dataclass(frozen=True, slots=True)
class _Option:
    """A candidate of one App or Resource, not yet compared with the others."""

    kind: Precedence
    url: str
    endpoint: "Route | Mount | Node"
    misfit: str = ""
    """The reason why it does not fit the path; empty if it fits."""
    answers: bool = True
    """True if it answers the method."""
    near: bool = True


def trace_route(trail: Trail, segments: Sequence[str], method: str) -> list[Candidate]:
    """Return every candidate for `segments` below `trail`, in the order in which the router asks them.

    `method` is an HTTP method, or `""` for a WebSocket. No candidate is `chosen` if `match_path` finds nothing.
    """
    candidates: list[Candidate] = []
    start = 0
    while True:
        options = _list_options(trail, segments, start, method)
        first = next((option for option in options if not option.misfit), None)
        prefix = "".join(f"/{segment}" for segment in segments[:start])
        for option in options:
            if not isinstance(option.endpoint, Node):
                candidates.append(_judge(option, option.endpoint, first, prefix))
        if first is None or not isinstance(first.endpoint, Node):
            return candidates
        trail, start = (*trail, first.endpoint), start + 1


def _judge(option: _Option, endpoint: Route | Mount, first: _Option | None, prefix: str) -> Candidate:
    if isinstance(endpoint, Route):
        methods, name = tuple(sorted(endpoint.methods or ())), endpoint.name
    else:
        methods, name = (), get_class_name(endpoint.app)
    url = (prefix + option.url.rstrip("/")) or "/"
    candidate = Candidate(url, methods, name, "lost", option.misfit, endpoint, option.near)
    if option is first:
        return replace(candidate, outcome="chosen" if option.answers else "refused", why=option.kind.value)
    if option.misfit or first is None:
        return candidate
    return replace(candidate, why=_explain_loss(option, first))


def _explain_loss(option: _Option, first: _Option) -> str:
    if option.kind is first.kind:
        return "it fits too, but a name goes before a value, and a value before the remaining segments"
    return f"it fits too, but {first.kind.value} goes before {option.kind.value}"


def _list_options(trail: Trail, segments: Sequence[str], start: int, method: str) -> list[_Option]:
    """Compare everything that the last node of `trail` holds with `segments[start:]`; return it in the order."""
    node, rest = trail[-1], list(segments[start:])
    table = node.http if method else node.sockets
    name = _get_attribute_name(node, table, rest)
    named = table.named.get(name) if name is not None else None
    options = [
        *_compare_mounts(node, rest),
        *_compare_named(table, name, rest, method),
        *_compare_held(trail, name),
        *_compare_templates(table.templates, rest, method),
        *_compare_verbs(table, rest, method, named),
        *_compare_index(table, rest, method, named),
    ]
    return sorted(options, key=lambda option: _ORDER.index(option.kind))


def _get_attribute_name(node: Node, table: Table, rest: Sequence[str]) -> str | None:
    """Return the attribute that the first segment names: `sign-up` names `sign_up` unless the node has "sign-up"."""
    if not rest:
        return None
    exact = "-" not in rest[0] or rest[0] in table.named or rest[0] in node.children
    return rest[0] if exact else rest[0].replace("-", "_")


def _compare_mounts(node: Node, rest: Sequence[str]) -> Iterator[_Option]:
    for prefix, app in sorted(node.mounts.items(), key=lambda item: -len(item[0])):
        if prefix:
            misfit = "" if tuple(rest[: len(prefix)]) == prefix else "its prefix differs"
            yield _Option(Precedence.MOUNT, "/" + "/".join(prefix), Mount(app), misfit, near=rest[:1] == [prefix[0]])
        else:
            yield _Option(Precedence.ROOT_MOUNT, "/", Mount(app))


def _compare_named(table: Table, name: str | None, rest: Sequence[str], method: str) -> Iterator[_Option]:
    for key, route in table.named.items():
        if key == name:
            misfit = _describe_surplus(route, len(rest) - 1)
            yield _Option(Precedence.OWN_URL, route.path, route, misfit, _has_method(route, method))
        elif key != "index":
            yield _Option(Precedence.OWN_URL, route.path, route, "its name differs", near=False)


def _compare_held(trail: Trail, name: str | None) -> Iterator[_Option]:
    child = trail[-1].children.get(name) if name is not None else None
    if child is not None and child not in trail:
        yield _Option(Precedence.HELD, f"/{name}", child)


def _compare_verbs(table: Table, rest: Sequence[str], method: str, named: Route | None) -> Iterator[_Option]:
    """Compare a Resource's verb methods with `rest`, whose first segment names the method `named`."""
    verbs = {verb: route for verb, route in table.verbs.items() if not _describe_surplus(route, len(rest))}
    chosen = choose_by_method(verbs, method)
    for verb, route in table.verbs.items():
        misfit = _describe_named(named) or _describe_surplus(route, len(rest))
        if not misfit and route is not (chosen or next(iter(verbs.values()))):
            misfit = f"it answers {verb}"
        yield _Option(Precedence.VERB, route.path or "/", route, misfit, chosen is not None)


def _compare_index(table: Table, rest: Sequence[str], method: str, named: Route | None) -> Iterator[_Option]:
    index = table.named.get("index")
    if index is not None and not table.verbs and named is not index:
        misfit = _describe_named(named) or _describe_surplus(index, len(rest))
        yield _Option(Precedence.INDEX, index.path, index, misfit, _has_method(index, method))


def _describe_named(named: Route | None) -> str:
    return f"the path names the method {named.attribute}" if named is not None else ""


def _describe_surplus(route: Route, values: int) -> str:
    """Return the reason why `route` cannot take that many path values; empty if it can."""
    if values <= route.path_values:
        return ""
    limit = int(route.path_values)
    return f"it takes {limit or 'no'} path value{'' if limit == 1 else 's'}, and there {_are(values)}"


def _are(number: int) -> str:
    return "is 1" if number == 1 else f"are {number or 'none'}"


def _has_method(route: Route, method: str) -> bool:
    if not method:
        return True
    return method in (METHODS if route.methods is None else route.methods)


# @route paths


@dataclass(frozen=True, slots=True)
class _Place:
    """One place in the tree of `@route` paths."""

    pattern: tuple[str | None, ...]
    """The segments of the path; None for a value."""
    routes: Mapping[str, Route]


def _list_places(branch: Branch, pattern: tuple[str | None, ...] = ()) -> Iterator[_Place]:
    if branch.routes:
        yield _Place(pattern, branch.routes)
    for name, below in branch.literals.items():
        yield from _list_places(below, (*pattern, name))
    if branch.value is not None:
        yield from _list_places(branch.value, (*pattern, None))


def _compare_templates(tree: Branch | None, rest: Sequence[str], method: str) -> list[_Option]:
    """Compare the `@route` paths with `rest`; return those that fit first, in the order in which they are tried."""
    options: list[tuple[tuple[int, ...], _Option]] = []
    for place in _list_places(tree) if tree is not None else ():
        is_literal = bool(place.pattern) and place.pattern[0] is not None
        kind = Precedence.LITERAL_TEMPLATE if is_literal else Precedence.VALUE_TEMPLATE
        misfit = _describe_misfit(place.pattern, rest)
        near = not place.pattern or place.pattern[0] in (None, *rest[:1])
        surplus = len(rest) > len(place.pattern)
        routes = {key: route for key, route in place.routes.items() if not surplus or route.path_values == float("inf")}
        chosen = choose_by_method(routes, method)
        order = _rank_pattern(place.pattern, surplus) if not misfit and routes else _LAST
        for key, route in place.routes.items():
            why = misfit
            if not why and key not in routes:
                why = _describe_length(place.pattern, rest)
            if not why and route is not (chosen or next(iter(routes.values()))):
                why = f"it answers {key}" if key else "another route answers this method"
            answers = chosen is not None and _has_method(chosen, method)
            options.append((order, _Option(kind, route.path, route, why, answers, near)))
    return [option for _, option in sorted(options, key=lambda pair: pair[0])]


_LITERAL, _VALUE, _REMAINING = range(3)
_LAST: Final = (3,)
"""The rank of a pattern that does not fit."""


def _rank_pattern(pattern: Sequence[str | None], surplus: bool) -> tuple[int, ...]:
    """Return a sort key: at each segment a literal goes before a value, and a value before `*args`."""
    return (*(_LITERAL if segment is not None else _VALUE for segment in pattern), *((_REMAINING,) if surplus else ()))


def _describe_misfit(pattern: Sequence[str | None], rest: Sequence[str]) -> str:
    for expected, segment in zip(pattern, rest, strict=False):
        if expected not in (None, segment):
            return f"its segment '{expected}' differs"
    if len(pattern) > len(rest):
        return _describe_length(pattern, rest)
    return ""


def _describe_length(pattern: Sequence[str | None], rest: Sequence[str]) -> str:
    return f"it takes {len(pattern)} segment{'' if len(pattern) == 1 else 's'}, and there {_are(len(rest))}"


def resolve_route(trail: Trail, segments: Sequence[str], method: str) -> tuple[Route | Mount, Sequence[str], Trail]:
    """Return what `match_path` finds in the end, its path values, and the trail to the last app. Raises HTTPError."""
    found: Route | Trail | Mount = trail
    while isinstance(found, tuple):
        trail = found
        found, segments = match_path(trail, segments, method)
    return found, segments, trail
