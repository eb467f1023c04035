"""Handlers that no path reaches, or not with the values that they need, since something else answers first.

It asks `routing.match`, as a request does, with a path that has all values that a handler can take, then one fewer.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from ...binding.signature import Kind
from ...errors import HTTPError
from ...routing.methods import METHODS
from ...routing.route import Route
from ...routing.table import Mount, Trail
from ..route_trace import resolve_route, trace_route
from ..url_list import Entry
from .findings import Finding
from .handlers import Subject


def check_urls(subject: Subject) -> Iterator[Finding]:
    """Whether paths lead to one handler."""
    entry = subject.entry
    reaching = [path for path in _paths(entry) if _reaches(entry, path)]
    if not reaching:
        path = _paths(entry)[0]
        what = f"answers {_shown(entry, path)}, but {_winner(entry, path)} does so before it"
        yield subject.finding("shadowed-url", what, "Rename one of the two, or give it another path with @route")
        return
    needed = [one.name for one in subject.route.signature.parameters if one.index is not None and one.required]
    lost = [path for path in _paths(entry) if len(_values(path)) == len(needed) and path not in reaching]
    if needed and lost and not _is_template(entry):
        names = ", ".join(needed)
        what = f"never gets {names} from the path: {_winner(entry, lost[0])} answers {_shown(entry, lost[0])} before it"
        yield subject.finding(
            "shadowed-value", what, "Rename one of the two, or mark where the value comes from: Query()"
        )


def _winner(entry: Entry, path: Sequence[str]) -> str:
    """What answers `path` first, with whichever method."""
    for method in _methods(entry):
        for one in trace_route(entry.trail[:1], [*_prefix(entry.trail), *path], method):
            if one.outcome != "lost":
                return one.name
    return "something else"


def _shown(entry: Entry, path: Sequence[str]) -> str:
    return "/" + "/".join((*_prefix(entry.trail), *path))


def _reaches(entry: Entry, path: Sequence[str]) -> bool:
    return any(
        _found(entry.trail[:1], [*_prefix(entry.trail), *path], one) is entry.endpoint for one in _methods(entry)
    )


def _found(trail: Trail, segments: Sequence[str], method: str) -> Route | Mount | None:
    """What answers, nested apps included."""
    try:
        return resolve_route(trail, segments, method)[0]
    except HTTPError:
        return None


def _methods(entry: Entry) -> Iterable[str]:
    return ("",) if entry.protocol == "websocket" else entry.methods or METHODS


def _prefix(trail: Trail) -> list[str]:
    """The segments that lead from the outermost app to the owner at the end of `trail`."""
    pairs = pairwise(trail)
    return [next(name for name, node in above.children.items() if node is below) for above, below in pairs]


def _paths(entry: Entry) -> list[list[str]]:
    """Paths below its owner that should reach a handler, values in braces, the longest first."""
    route = entry.endpoint
    if not isinstance(route, Route):
        return []
    segments = [segment for segment in route.path.split("/")[1:] if segment]
    rest = any(one.kind is Kind.VAR_POSITIONAL for one in route.signature.parameters)
    least = len(segments) - rest if _is_template(entry) else len(segments) - len(_values(segments))
    return [segments[:length] for length in range(len(segments), least - 1, -1)]


def _values(path: Sequence[str]) -> list[str]:
    return [segment for segment in path if segment.startswith("{")]


def _is_template(entry: Entry) -> bool:
    node = entry.trail[-1]
    table = node.http if entry.protocol == "http" else node.sockets
    return entry.endpoint in table.template_routes()
