"""This module finds handlers that no path reaches, or not with the values that they need, since others answer first.

It routes paths to each handler as a request would: first a path with all values that the handler can take, then paths
with fewer.
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
    """Yield a finding if no path reaches the handler, or none with its required values."""
    entry = subject.entry
    reaching = [path for path in _list_paths(entry) if _is_reached(entry, path)]
    if not reaching:
        path = _list_paths(entry)[0]
        what = f"has the URL {_format_url(entry, path)}, but {_find_winner(entry, path)} answers it first"
        yield subject.make_finding("shadowed-url", what, "Rename one of the two, or give it another path with @route")
        return
    parameters = subject.route.signature.parameters
    needed = [parameter.name for parameter in parameters if parameter.index is not None and parameter.required]
    lost = [path for path in _list_paths(entry) if len(_list_values(path)) == len(needed) and path not in reaching]
    if needed and lost and not _is_template(entry):
        names = ", ".join(needed)
        winner = _find_winner(entry, lost[0])
        what = f"never gets {names} from the path: {winner} answers {_format_url(entry, lost[0])} first"
        yield subject.make_finding("shadowed-value", what, "Rename one of the two, or mark another source: Query()")


def _find_winner(entry: Entry, path: Sequence[str]) -> str:
    """Return the name of what answers `path`, by any method of the handler."""
    for method in _list_methods(entry):
        for candidate in trace_route(entry.trail[:1], [*_list_prefix(entry.trail), *path], method):
            if candidate.outcome != "lost":
                return candidate.name
    return "something else"


def _format_url(entry: Entry, path: Sequence[str]) -> str:
    return "/" + "/".join((*_list_prefix(entry.trail), *path))


def _is_reached(entry: Entry, path: Sequence[str]) -> bool:
    segments = [*_list_prefix(entry.trail), *path]
    return any(_find_endpoint(entry.trail[:1], segments, method) is entry.endpoint for method in _list_methods(entry))


def _find_endpoint(trail: Trail, segments: Sequence[str], method: str) -> Route | Mount | None:
    """Return what answers the path, in nested apps, too; None for a 404 or 405."""
    try:
        return resolve_route(trail, segments, method)[0]
    except HTTPError:
        return None


def _list_methods(entry: Entry) -> Iterable[str]:
    return ("",) if entry.protocol == "websocket" else entry.methods or METHODS


def _list_prefix(trail: Trail) -> list[str]:
    """Return the segments from the outermost app to the owner at the end of `trail`."""
    pairs = pairwise(trail)
    return [next(name for name, node in above.children.items() if node is below) for above, below in pairs]


def _list_paths(entry: Entry) -> list[list[str]]:
    """Return the paths below the owner that should reach a handler, values in braces, the longest first."""
    route = entry.endpoint
    if not isinstance(route, Route):
        return []
    segments = [segment for segment in route.path.split("/")[1:] if segment]
    takes_rest = any(parameter.kind is Kind.VAR_POSITIONAL for parameter in route.signature.parameters)
    least = len(segments) - (takes_rest if _is_template(entry) else len(_list_values(segments)))
    return [segments[:length] for length in range(len(segments), least - 1, -1)]


def _list_values(path: Sequence[str]) -> list[str]:
    return [segment for segment in path if segment.startswith("{")]


def _is_template(entry: Entry) -> bool:
    node = entry.trail[-1]
    table = node.http if entry.protocol == "http" else node.sockets
    return entry.endpoint in table.template_routes()
