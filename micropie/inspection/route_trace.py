"""Why a path leads where it leads: what could have answered it, in the order in which `routing.match` asks.

`match` decides; this only tells. At each App or Resource on the way down everything that it holds is held against the
path. The first that fits answers, or refuses the method; what fits but comes later lost to it, the rest do not fit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from ..routing.match import match_path
from ..routing.methods import METHODS
from ..routing.route import Route
from ..routing.table import Branch, Mount, Node, Table, Trail
from .type_text import get_class_name

Outcome: TypeAlias = Literal["chosen", "refused", "lost"]
"""Whether it answers, answers 405 since it has another method, or does not answer."""

_MOUNT: Final = "a mounted app"
_LITERAL: Final = "a @route path that begins with a name"
_NAMED: Final = "a method's own URL"
_CHILD: Final = "what is held"
_VALUE: Final = "a @route path that begins with a value"
_VERB: Final = "a Resource's own answer"
_INDEX: Final = "index, which gets what is left"
_ROOT_MOUNT: Final = "an app mounted at /"
ORDER: Final = (_MOUNT, _LITERAL, _NAMED, _CHILD, _VALUE, _VERB, _INDEX, _ROOT_MOUNT)
"""Who is asked before whom."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that could have answered, and why it did or did not."""

    url: str
    """From the outermost app on."""
    methods: tuple[str, ...]
    """Empty where it answers all."""
    name: str
    """Of the handler, or of a mounted app's class."""
    outcome: Outcome
    why: str
    answer: Route | Mount
    near: bool = True
    """Whether it has more in common with the path than that it begins at the same place."""


@dataclass(frozen=True, slots=True)
class _Option:
    """One candidate at one node, before it is known who was first."""

    rank: str
    url: str
    answer: "Route | Mount | Node"
    misfit: str = ""
    """Why its URL is not this one; empty where it fits."""
    answers: bool = True
    """Whether it answers the method."""
    near: bool = True


def trace_route(trail: Trail, segments: Sequence[str], method: str) -> list[Candidate]:
    """Everything that could have answered `segments` below `trail`, in the order in which it is asked.

    `method` is an HTTP method, or `""` for a WebSocket. None of them is `chosen` where `match` finds nothing.
    """
    found: list[Candidate] = []
    start = 0
    while True:
        options = _options(trail, segments, start, method)
        first = next((option for option in options if not option.misfit), None)
        prefix = "".join(f"/{segment}" for segment in segments[:start])
        for option in options:
            if not isinstance(option.answer, Node):
                found.append(_candidate(option, option.answer, first, prefix))
        if first is None or not isinstance(first.answer, Node):
            return found
        trail, start = (*trail, first.answer), start + 1


def _candidate(option: _Option, answer: Route | Mount, first: _Option | None, prefix: str) -> Candidate:
    if isinstance(answer, Route):
        methods, name = tuple(sorted(answer.methods or ())), answer.name
    else:
        methods, name = (), get_class_name(answer.app)
    url = (prefix + option.url.rstrip("/")) or "/"
    made = Candidate(url, methods, name, "lost", option.misfit, answer, option.near)
    if option is first:
        return replace(made, outcome="chosen" if option.answers else "refused", why=option.rank)
    if option.misfit or first is None:
        return made
    return replace(made, why=_later(option, first))


def _later(option: _Option, first: _Option) -> str:
    if option.rank == first.rank:
        return "it fits too, but names go before values, and values before the rest"
    return f"it fits too, but {first.rank} goes before {option.rank}"


def _options(trail: Trail, segments: Sequence[str], start: int, method: str) -> list[_Option]:
    """What the last node of `trail` holds, in order, each held against `segments[start:]`."""
    node, rest = trail[-1], list(segments[start:])
    table = node.http if method else node.sockets
    name = _own_name(node, table, rest)
    templates = _templates(table.templates, rest, method)
    named = list(_named(table, name, rest, method))
    taken = table.named.get(name) if name is not None else None
    return [
        *_mounts(node, rest),
        *(option for option in templates if option.rank == _LITERAL),
        *named,
        *_children(trail, name),
        *(option for option in templates if option.rank == _VALUE),
        *_last(table, rest, method, taken),
        *(_Option(_ROOT_MOUNT, "/", Mount(app)) for prefix, app in node.mounts.items() if not prefix),
    ]


def _own_name(node: Node, table: Table, rest: Sequence[str]) -> str | None:
    """The attribute that the first segment names: `sign-up` is `sign_up` where nothing is called just so."""
    if not rest:
        return None
    exact = "-" not in rest[0] or rest[0] in table.named or rest[0] in node.children
    return rest[0] if exact else rest[0].replace("-", "_")


def _mounts(node: Node, rest: Sequence[str]) -> Iterator[_Option]:
    for prefix, app in sorted(node.mounts.items(), key=lambda item: -len(item[0])):
        if prefix:
            misfit = "" if tuple(rest[: len(prefix)]) == prefix else "its prefix is another"
            yield _Option(_MOUNT, "/" + "/".join(prefix), Mount(app), misfit, near=rest[:1] == [prefix[0]])


def _named(table: Table, name: str | None, rest: Sequence[str], method: str) -> Iterator[_Option]:
    for key, route in table.named.items():
        if key == name:
            yield _Option(_NAMED, route.path, route, _no_room(route, len(rest) - 1), _answers(route, method))
        elif key != "index":
            yield _Option(_NAMED, route.path, route, "its name is another", near=False)


def _children(trail: Trail, name: str | None) -> Iterator[_Option]:
    child = trail[-1].children.get(name) if name is not None else None
    if child is not None and child not in trail:
        yield _Option(_CHILD, f"/{name}", child)


def _last(table: Table, rest: Sequence[str], method: str, taken: Route | None) -> Iterator[_Option]:
    """`index`, or a Resource's verbs."""
    spoken_for = f"the path names the method {taken.attribute}" if taken is not None else ""
    verbs = {verb: route for verb, route in table.verbs.items() if not _no_room(route, len(rest))}
    chosen = verbs.get(method) or (verbs.get("GET") if method == "HEAD" else None)
    for verb, route in table.verbs.items():
        misfit = spoken_for or _no_room(route, len(rest))
        if not misfit and route is not (chosen or next(iter(verbs.values()))):
            misfit = f"it answers {verb}"
        yield _Option(_VERB, route.path or "/", route, misfit, chosen is not None)
    index = table.named.get("index")
    if index is not None and not table.verbs and taken is not index:
        yield _Option(_INDEX, index.path, index, spoken_for or _no_room(index, len(rest)), _answers(index, method))


def _no_room(route: Route, values: int) -> str:
    """Why `route` cannot take so many path values; empty where it can."""
    if values <= route.path_values:
        return ""
    room = int(route.path_values)
    return f"it takes {room or 'no'} path value{'' if room == 1 else 's'}, and there {_are(values)}"


def _are(number: int) -> str:
    return "is 1" if number == 1 else f"are {number or 'none'}"


def _answers(route: Route, method: str) -> bool:
    if not method:
        return True
    return method in (METHODS if route.methods is None else route.methods)


# @route paths


@dataclass(frozen=True, slots=True)
class _Place:
    """One place in the tree of `@route` paths."""

    pattern: tuple[str | None, ...]
    """Its segments; None for a value."""
    routes: Mapping[str, Route]


def _places(branch: Branch, pattern: tuple[str | None, ...] = ()) -> Iterator[_Place]:
    if branch.routes:
        yield _Place(pattern, branch.routes)
    for name, below in branch.literals.items():
        yield from _places(below, (*pattern, name))
    if branch.value is not None:
        yield from _places(branch.value, (*pattern, None))


def _templates(tree: Branch | None, rest: Sequence[str], method: str) -> list[_Option]:
    """The `@route` paths, those that fit first in the order in which they are tried."""
    found: list[tuple[tuple[int, ...], _Option]] = []
    for place in _places(tree) if tree is not None else ():
        rank = _LITERAL if place.pattern and place.pattern[0] is not None else _VALUE
        misfit = _misfit(place.pattern, rest)
        near = not place.pattern or place.pattern[0] in (None, *rest[:1])
        surplus = len(rest) > len(place.pattern)
        routes = {key: one for key, one in place.routes.items() if not surplus or one.path_values == float("inf")}
        chosen = routes.get(method) or (routes.get("GET") if method == "HEAD" else None) or routes.get("")
        order = _order(place.pattern, surplus) if not misfit and routes else (len(ORDER),)
        for key, route in place.routes.items():
            why = misfit
            if not why and key not in routes:
                why = _another_length(place.pattern, rest)
            if not why and route is not (chosen or next(iter(routes.values()))):
                why = f"it answers {key}" if key else "another answers this method"
            answers = chosen is not None and _answers(chosen, method)
            found.append((order, _Option(rank, route.path, route, why, answers, near)))
    return [option for _, option in sorted(found, key=lambda pair: pair[0])]


def _order(pattern: Sequence[str | None], surplus: bool) -> tuple[int, ...]:
    """Names go before values, at each segment, and values before what takes the rest."""
    return (*(0 if segment is not None else 1 for segment in pattern), *((2,) if surplus else ()))


def _misfit(pattern: Sequence[str | None], rest: Sequence[str]) -> str:
    for wanted, segment in zip(pattern, rest, strict=False):
        if wanted not in (None, segment):
            return f"its segment '{wanted}' is another"
    if len(pattern) > len(rest):
        return _another_length(pattern, rest)
    return ""


def _another_length(pattern: Sequence[str | None], rest: Sequence[str]) -> str:
    return f"it takes {len(pattern)} segment{'' if len(pattern) == 1 else 's'}, and there {_are(len(rest))}"


def resolve_route(trail: Trail, segments: Sequence[str], method: str) -> tuple[Route | Mount, Sequence[str], Trail]:
    """What `match` finds in the end, its path values, and the way to the app that was asked last. Raises HTTPError."""
    found: Route | Trail | Mount = trail
    while isinstance(found, tuple):
        trail = found
        found, segments = match_path(trail, segments, method)
    return found, segments, trail
