"""This module decides which attributes of an App or Resource become URLs, and builds their routes.

It owns the rules of SPEC 2 that need no request: which attributes are public, which are handlers and which are state,
and what nests. The problems of all handlers are collected, so that one report names every one.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial, partialmethod
from types import MemberDescriptorType, MethodType
from typing import TYPE_CHECKING, Any, ClassVar, Final

from .._utils.callables import locate_function
from .._utils.resolve_annotations import remember_locals
from ..binding.signature import Role, Signature
from ..binding.signature_reader import read_signature
from ..errors import SetupError, SetupProblem
from ..requests.request import Request
from .decorator import RouteOptions, list_template_names, read_options, split_template
from .match import require_fit
from .route import Route, is_session_pinned, make_route
from .table import Branch, Node, Table, Trail

VERBS: Final = ("get", "head", "post", "put", "patch", "delete", "options")
"""The methods of a Resource that answer the HTTP methods of the same names."""

_DEFAULTS: Final = RouteOptions()


class Tree:
    """A base of App and Resource: its public methods are URLs, the Apps and Resources that it holds are sub-trees."""

    _node: Node
    _builds_itself: ClassVar[bool] = False
    """True if its routes are built when it is created, False if they are built when a Tree holds it."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        remember_locals(cls, sys._getframe(1))

    if not TYPE_CHECKING:  # pragma: no branch  # with `__setattr__` a type checker accepts misspelt attributes

        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)
            self._update_routes(name, value)

        def __delattr__(self, name: str) -> None:
            super().__delattr__(name)
            self._update_routes(name, inspect.getattr_static(type(self), name, None))

    def _update_routes(self, name: str, value: object) -> None:
        """Rebuild the routes of a public attribute that changes after they were built. Plain state costs nothing.

        Raises SetupError for a handler that cannot work.
        """
        node = self.__dict__.get("_node")
        if node is None or not node.built or name.startswith("_"):
            return
        if name in node.names or callable(value) or isinstance(value, Tree):
            problems = RouteBuilder(self).refresh(name)
            if problems:
                raise SetupError(problems)

    def _intercepts(self, _scope_type: str, /) -> bool:
        """Return True if it has middleware or the like for requests of that ASGI type to its handlers."""
        return False


def get_node(owner: Tree) -> Node:
    """Return the one node of `owner`, which is empty until its routes are built."""
    node: Node | None = owner.__dict__.get("_node")
    if node is None:
        node = Node(owner)
        object.__setattr__(owner, "_node", node)  # the owner may be a frozen dataclass
    return node


class RouteBuilder:
    """A builder of the routes of one App or Resource, from its attributes."""

    def __init__(self, owner: Tree) -> None:
        self._owner = owner
        self._class = type(owner)
        self._node = get_node(owner)
        self._values = _read_instance(owner)
        bases = [base for base in self._class.__mro__ if not _is_ours(base)]
        self._fields = {name for base in bases for name in inspect.get_annotations(base)}
        self._reserved = _list_reserved_names(self._class)
        self._problems: list[SetupProblem] = []

    def build(self) -> list[SetupProblem]:
        """Fill the owner's node and the nodes of the Resources that it holds; return the problems of all handlers."""
        self._node.built = True  # first, since what the owner holds may hold the owner
        for name in _list_user_names(self._class, self._values):
            if not name.startswith("_"):
                self._add_attribute(name)
            elif read_options(vars(self._class).get(name)) is not None:
                self._problems.append(_report_private_name(self._qualify(name), name, vars(self._class)[name]))
        verbs, index = [*self._node.http.verbs.values()], self._node.http.named.get("index")
        if verbs and index is not None:
            self._problems.append(_report_taken_url(self._qualify("index"), "the Resource's own URL", index, verbs[0]))
        self._node.built = not self._problems
        self._node.forget_paths()
        return self._problems

    def refresh(self, name: str) -> list[SetupProblem]:
        """Rebuild the routes of the attribute `name`; return its problems."""
        try:
            if name in self._node.names:
                _remove_attribute(self._node, name)
            self._add_attribute(name)
        finally:
            self._node.forget_paths()
        return self._problems

    def make_private_route(self, name: str) -> Route | None:
        """Return a route for the user's method `name`, which has no URL; None without such a method.

        Raises SetupError if the method cannot be a handler.
        """
        handler = self._read_attribute(name)
        if handler is None or isinstance(handler, Tree) or name in (self._node.names | self._reserved):
            return None
        signature, problems = self._read_signature(handler, name)
        if problems:
            raise SetupError(problems)
        return self._make_route(name, handler, signature, path="")

    def _qualify(self, name: str) -> str:
        return f"{self._class.__qualname__}.{name}"

    def _add_attribute(self, name: str) -> None:
        value = self._read_attribute(name)
        if name in self._reserved:
            value = value or self._read_class_attribute(name)
            if value is not None:  # otherwise the handler would silently have no URL
                self._problems.append(_report_reserved_name(self._qualify(name), name, value))
            return
        if value is None:
            return
        self._node.names.add(name)
        if isinstance(value, Tree):
            self._add_subtree(name, value)
        else:
            self._add_handler(name, value)

    def _read_attribute(self, name: str) -> Any:
        """Return the attribute if it is a sub-tree or a handler, None if it is state. No property is evaluated."""
        if name not in self._values:
            return self._read_class_attribute(name)
        value = self._values[name]
        if isinstance(value, Tree) or read_options(value) is not None:
            return value
        if not isinstance(value, MethodType) or value.__self__ is not self._owner:
            return None
        # A private method under a public name is a callback.
        own_name = getattr(value, "__name__", "")
        is_private = own_name.startswith("_") and inspect.getattr_static(self._class, own_name, None) is value.__func__
        return None if is_private else value

    def _read_class_attribute(self, name: str) -> Any:
        static = next((vars(base)[name] for base in self._class.__mro__ if name in vars(base)), None)
        if isinstance(static, Tree):
            return static
        inner = static.__func__ if isinstance(static, staticmethod | classmethod) else static
        is_method = callable(inner) and not isinstance(inner, type | partial) and hasattr(type(inner), "__get__")
        if not is_method and not isinstance(inner, partialmethod):
            return None
        if name in self._reserved and _is_ours(inner):
            return None
        if name in self._fields and read_options(inner) is None:
            return None
        return getattr(self._owner, name)

    def _add_subtree(self, name: str, held: Tree) -> None:
        node = get_node(held)
        if not node.built and not held._builds_itself:
            self._problems += RouteBuilder(held).build()
        self._node.hold(name, node)

    def _add_handler(self, name: str, handler: Callable[..., Any]) -> None:
        where = self._qualify(name)
        options = read_options(handler) or _DEFAULTS
        is_socket = name.startswith("ws_")
        names = list_template_names(options.path) if options.path is not None else None
        signature, problems = self._read_signature(handler, name, template=names, websocket=is_socket)
        if not options.session and not problems and is_session_pinned(signature):
            remedy = "Remove `session=False`, or the Session() parameter"
            what = "@route(session=False) loads no session, but a parameter is read from it"
            problems.append(SetupProblem(where, what, remedy, *locate_function(handler)))
        if is_socket:
            problems += _check_socket_handler(where, handler, signature if not problems else None)
        if problems:
            self._problems += problems
            return
        short = name[3:] if is_socket else name
        table = self._node.sockets if is_socket else self._node.http
        path = "/" + ("" if short == "index" else short) if options.path is None else options.path
        if options.path is None and name in VERBS and getattr(self._class, "_verbs", False):
            methods = frozenset({name.upper()})
            table.verbs[name.upper()] = self._make_route(name, handler, signature, path="", methods=methods)
            return
        route = self._make_route(name, handler, signature, path=path, methods=None if is_socket else options.methods)
        if options.path is not None:
            self._add_template(table, split_template(path), route)
            return
        table.named[short] = route
        branch = table.templates.at([] if short == "index" else [short]) if table.templates is not None else None
        if branch is not None and branch.routes:
            self._problems.append(_report_taken_url(where, path, route, next(iter(branch.routes.values()))))

    def _read_signature(
        self, handler: Callable[..., Any], name: str, template: Sequence[str] | None = None, websocket: bool = False
    ) -> tuple[Signature, list[SetupProblem]]:
        """Return the signature of a handler with its dependencies, and the problems of both."""
        where, owner = self._qualify(name), self._class
        signature, problems = read_signature(handler, where, owner=owner, template=template, websocket=websocket)
        if all(parameter.dependency is None for parameter in signature.parameters):
            return signature, problems
        # Imported here, since not every app has dependencies.
        from ..binding.dependency_graph import Site, index_path_values, read_dependencies

        if template is not None:
            indexes: Mapping[str, int] = {parameter: index for index, parameter in enumerate(template)}
        else:
            indexes = index_path_values(signature)
        site = Site(handler, where, self._owner, indexes, websocket)
        expanded, more = read_dependencies(signature, site, template)
        return expanded, problems + more

    def _make_route(
        self,
        name: str,
        handler: Callable[..., Any],
        signature: Signature,
        *,
        path: str,
        methods: frozenset[str] | None = None,
    ) -> Route:
        options = read_options(handler) or _DEFAULTS
        qualname = f"{self._class.__module__}.{self._qualify(name)}"
        route = make_route(
            handler,
            signature,
            path=path,
            name=qualname,
            methods=methods,
            threaded=options.threaded,
            session=options.session,
        )
        if not signature.dependencies():
            return route
        from ..binding.dependency_runner import plan_dependencies

        return plan_dependencies(route, self._owner)

    def _add_template(self, table: Table, segments: list[str], route: Route) -> None:
        table.templates = table.templates or Branch()
        branch = table.templates.grow(segments)
        rivals = [(method, branch.routes.setdefault(method, route)) for method in sorted(_list_table_methods(route))]
        if len(segments) <= 1:
            rivals.append(("", table.named.get("".join(segments) or "index", route)))
        for method, other in rivals:
            if other is not route:
                url = f"{method} /{'/'.join(segments)}".strip()
                self._problems.append(_report_taken_url(self._qualify(route.attribute), url, route, other))


def _list_table_methods(route: Route) -> frozenset[str]:
    """Return the methods under which a route stands in the table: `""` for every method; GET stands for HEAD, too."""
    methods = route.methods or frozenset({""})
    return methods - {"HEAD"} if "GET" in methods else methods


def _is_ours(value: object) -> bool:
    return str(getattr(value, "__module__", "")).startswith("micropie.")


def _list_reserved_names(cls: type) -> frozenset[str]:
    """Return the names that the framework's own classes define, which can never be URLs."""
    ours = [base for base in cls.__mro__ if _is_ours(base) and issubclass(base, Tree)]
    return frozenset(name for base in ours for name in (*dir(base), *inspect.get_annotations(base)))


def _list_user_names(cls: type, values: Mapping[str, Any]) -> list[str]:
    """Return the names that the user defined: in the classes, the base classes first, then in the instance."""
    names: dict[str, None] = {}
    for base in reversed(cls.__mro__):
        if not _is_ours(base) and base is not object:
            names.update(dict.fromkeys(vars(base)))
    names.update(dict.fromkeys(values))
    return [name for name in names if name not in getattr(cls, "_hooks", ())]


def _read_instance(owner: Tree) -> Mapping[str, Any]:
    """Return the attributes of the instance, in its dictionary and in slots."""
    values = dict(vars(owner))
    for base in type(owner).__mro__:
        for name, member in vars(base).items():
            if isinstance(member, MemberDescriptorType) and hasattr(owner, name):
                values.setdefault(name, getattr(owner, name))
    return values


def _remove_attribute(node: Node, name: str) -> None:
    node.names.discard(name)
    node.children.pop(name, None)
    for table in (node.http, node.sockets):
        for routes in (table.named, table.verbs):
            for key in [key for key, route in routes.items() if route.attribute == name]:
                del routes[key]
        if table.templates is not None:
            _remove_templates(table.templates, name)


def _remove_templates(branch: Branch, name: str) -> None:
    for method in [key for key, route in branch.routes.items() if route.attribute == name]:
        del branch.routes[method]
    for below in (*branch.literals.values(), *([branch.value] if branch.value is not None else [])):
        _remove_templates(below, name)


def _report_reserved_name(where: str, name: str, value: Any) -> SetupProblem:
    what = f"'{name}' is a name of the framework's own class and never a URL"
    if isinstance(value, Tree):
        return SetupProblem(where, what, "Rename the attribute")
    remedy = f'Rename the method, and keep the URL with @route("/{name}")'
    return SetupProblem(where, what, remedy, *locate_function(value))


def _report_private_name(where: str, name: str, handler: Callable[..., Any]) -> SetupProblem:
    remedy = f"Rename it to '{name.lstrip('_')}': the path in @route will be its only URL"
    return SetupProblem(
        where, "@route cannot give a URL to a name that starts with '_'", remedy, *locate_function(handler)
    )


def _report_taken_url(where: str, url: str, route: Route, other: Route) -> SetupProblem:
    remedy = "Change one of the two, or give each of them its own path and methods with @route"
    return SetupProblem(where, f"answers {url}, as {other.name} does", remedy, *locate_function(route.handler))


def _check_socket_handler(where: str, handler: Callable[..., Any], signature: Signature | None) -> list[SetupProblem]:
    """Return the problems of a `ws_` method, besides those of its `signature` (None if it could not be read)."""
    problems = []
    if signature is not None and all(parameter.role is not Role.WEBSOCKET for parameter in signature.parameters):
        what = "a ws_ method must take the connection as its first parameter"
        remedy = "Add a first parameter: `ws: WebSocket`, or `ws: WebSocket[In, Out]`"
        problems.append(SetupProblem(where, what, remedy, *locate_function(handler)))
    if not inspect.iscoroutinefunction(inspect.unwrap(handler)):
        what = "a ws_ method waits for messages, so it cannot be sync"
        problems.append(SetupProblem(where, what, "Make it `async def`", *locate_function(handler)))
    return problems


def find_chosen_route(node: Node, request: Request, method: str) -> tuple[Route, Sequence[str]]:
    """Return the route that middleware chose by a method's name, and its path values.

    `method` is `""` for a WebSocket. The name may start with `_`: such a method has no URL, but middleware is not a
    client. Raises HTTPError 404 and 405.
    """
    name = str(request._route_handler)
    values = [str(value) for value in request.path_params]
    route = (node.http if method else node.sockets).find_by_handler(name) or node.private.get(name)
    if route is None and method:
        route = RouteBuilder(node.owner).make_private_route(name)
        if route is not None:
            node.private[name] = route
    return require_fit(route, values, method), values


def list_routes(trail: Trail, prefix: str = "") -> Iterator[tuple[str, Route]]:
    """Yield every route at the end of `trail` and below, with its key: `/path`, `METHOD /path` or `WEBSOCKET /path`."""
    node = trail[-1]
    for label, table in (("", node.http), ("WEBSOCKET ", node.sockets)):
        for route in table.routes():
            methods = " ".join(sorted(_list_table_methods(route))) + " " if route.methods else label
            yield f"{methods}{(prefix + route.path.rstrip('/')) or '/'}", route
    for name, child in node.children.items():
        if child not in trail:
            yield from list_routes((*trail, child), f"{prefix}/{name}")
