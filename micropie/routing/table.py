"""This module holds the tables of routes: one `Node` for each App or Resource, and below it the tree of `@route` paths.

Nested owners have separate nodes, so a handler or a sub-tree that is set late changes one dictionary entry. `match.py`
searches the tables; `discovery.py` fills them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias
from weakref import WeakSet

import msgspec

from ..types import ASGIApp
from .route import Route


class Branch(msgspec.Struct):
    """One place in the tree of `@route` paths."""

    literals: dict[str, "Branch"] = {}
    value: "Branch | None" = None
    routes: dict[str, Route] = {}
    """The routes of this path by HTTP method; `""` for a route that answers every method."""

    def grow(self, segments: Sequence[str]) -> "Branch":
        """Return the place at the end of `segments`, created if need be; a segment in braces is a value."""
        branch = self
        for segment in segments:
            if segment.startswith("{"):
                branch.value = branch.value or Branch()
                branch = branch.value
            else:
                branch = branch.literals.setdefault(segment, Branch())
        return branch

    def at(self, segments: Sequence[str]) -> "Branch | None":
        """Return the place at the end of literal `segments`, or None."""
        branch: Branch | None = self
        for segment in segments:
            branch = branch.literals.get(segment) if branch is not None else None
        return branch

    def find(self, segments: Sequence[str], start: int) -> tuple[Mapping[str, Route], list[str]] | None:
        """Return the routes at `segments[start:]` and the values on the way there, or None.

        At each segment a literal goes before a value, and a value before the `*args` of a shorter path.
        """
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
        """Yield every route at this place and below."""
        yield from self.routes.values()
        for branch in (*self.literals.values(), *([self.value] if self.value is not None else [])):
            yield from branch.walk()


class Table(msgspec.Struct, eq=False):
    """The routes of one protocol under one owner."""

    named: dict[str, Route] = {}
    """The automatic URLs, `index` among them, by first segment."""
    verbs: dict[str, Route] = {}
    """The verb methods of a Resource, by HTTP method."""
    templates: Branch | None = None
    """The `@route` paths."""

    def routes(self) -> list[Route]:
        """Return every route of the table, each once: automatic URLs, then verbs, then `@route` paths."""
        return list(dict.fromkeys(self._walk()))

    def template_routes(self) -> list[Route]:
        """Return the routes that have a `@route` path, each once."""
        return list(dict.fromkeys(self.templates.walk())) if self.templates is not None else []

    def find_by_handler(self, name: str) -> Route | None:
        """Return the route of the method called `name`, or None if the table holds none."""
        return next((route for route in self._walk() if route.attribute == name), None)

    def _walk(self) -> Iterator[Route]:
        """Yield every route; one that stands under several names or methods comes several times."""
        yield from self.named.values()
        yield from self.verbs.values()
        if self.templates is not None:
            yield from self.templates.walk()


class Node(msgspec.Struct, eq=False, weakref=True):
    """The routes of one App or Resource, and the nodes of those that it holds."""

    owner: Any
    """The App or Resource."""
    http: Table = msgspec.field(default_factory=Table)
    sockets: Table = msgspec.field(default_factory=Table)
    children: dict[str, "Node"] = {}
    mounts: dict[tuple[str, ...], ASGIApp] = {}
    """Mounted applications, by the segments of their prefix."""
    private: dict[str, Route] = {}
    """The routes of methods without a URL that middleware chose by name."""
    names: set[str] = set()
    """The attributes of the owner that are handlers or sub-trees."""
    built: bool = False
    """True once the owner's attributes have been read."""
    routes_by_path: dict[tuple[str, str], Route] = {}
    """The memory of `find_route` for whole paths, by method and path."""
    routes_by_first_segment: dict[tuple[str, str], Route] = {}
    """The memory of `find_route` for the first segment alone, by method and segment."""
    holders: WeakSet["Node"] = msgspec.field(default_factory=WeakSet)
    """The nodes that hold this one, or did. The references are weak: what a class holds outlives its instances."""

    def hold(self, name: str, child: "Node") -> None:
        """Let `child` answer the paths below `name`."""
        self.children[name] = child
        child.holders.add(self)

    def forget_paths(self) -> None:
        """Forget the remembered paths, here and in every node that holds this one; call it after a change.

        The dictionaries are replaced, not cleared: `find_route` may be filling the old ones in another thread.
        """
        pending: list[Node] = [self]
        seen: set[Node] = set()
        while pending:
            node = pending.pop()
            node.routes_by_path = {}
            node.routes_by_first_segment = {}
            seen.add(node)
            pending += set(node.holders) - seen

    def find_mount(self, segments: Sequence[str], start: int) -> tuple[ASGIApp, int] | None:
        """Return the application with the longest prefix of `segments[start:]`, and the index after the prefix.

        An application mounted at `/` is left out, since it answers only what nothing else does.
        """
        longest = max(map(len, self.mounts))
        for end in range(min(len(segments), start + longest), start, -1):
            app = self.mounts.get(tuple(segments[start:end]))
            if app is not None:
                return app, end
        return None


Trail: TypeAlias = tuple[Node, ...]
"""The nodes from the app that was called down to one node, which is the last."""


class Mount(msgspec.Struct, frozen=True, eq=False):
    """A mounted ASGI application, as the answer to a path."""

    app: ASGIApp
