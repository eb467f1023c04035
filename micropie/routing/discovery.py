"""Which attributes of an App or a Resource are URLs, and the building of their routes.

The rules of SPEC 2 that need no request: what is public, what is a handler and what is state, what nests. Everything
wrong with any handler is collected, so that one report can name it all.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partialmethod
from types import MemberDescriptorType, MethodType
from typing import TYPE_CHECKING, Any, ClassVar, Final

from .._utils.callables import locate_function
from .._utils.resolve_annotations import remember_locals
from ..binding.signature import Role, Signature
from ..binding.signature_reader import read_signature
from ..errors import SetupError, SetupProblem
from ..requests.request import Request
from .decorator import RouteOptions, read_options, template_names, template_segments
from .match import require_fit
from .route import Route, make_route
from .table import Branch, Node, Table, Trail

VERBS: Final = ("get", "head", "post", "put", "patch", "delete", "options")


_PLAIN: Final = RouteOptions()


class Tree:
    """What an App and a Resource have in common: their public methods are URLs, and those they hold are sub-trees."""

    _node: Node
    _builds_itself: ClassVar[bool] = False
    """Whether its URLs are worked out when it is made, and not when something holds it."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        remember_locals(cls, sys._getframe(1))

    if not TYPE_CHECKING:  # pragma: no branch  # else a misspelt attribute would look right to a type checker

        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)
            self._changed(name, value)

        def __delattr__(self, name: str) -> None:
            super().__delattr__(name)
            self._changed(name, inspect.getattr_static(type(self), name, None))

    def _changed(self, name: str, value: object) -> None:
        """A public attribute that changes after the URLs were worked out changes them. Plain state costs nothing."""
        node = self.__dict__.get("_node")
        if node is None or not node.built or name.startswith("_"):
            return
        if name in node.names or callable(value) or isinstance(value, Tree):
            problems = RouteBuilder(self).refresh(name)
            if problems:
                raise SetupError(problems)

    def _intercepts(self, _scope_type: str) -> bool:
        """Whether it has something to do around the requests, of that ASGI type, to what it answers."""
        return False


def get_node(owner: Tree) -> Node:
    """The one node of `owner`, empty until it is built."""
    node: Node | None = owner.__dict__.get("_node")
    if node is None:
        node = Node(owner)
        object.__setattr__(owner, "_node", node)  # it may be a frozen dataclass
    return node


class RouteBuilder:
    """Works out what the attributes of one owner answer."""

    def __init__(self, owner: Tree) -> None:
        self._owner = owner
        self._class = type(owner)
        self._node = get_node(owner)
        self._values = _instance_values(owner)
        bases = [base for base in self._class.__mro__ if not _is_ours(base)]
        self._fields = {name for base in bases for name in inspect.get_annotations(base)}
        self._reserved = _reserved(self._class)
        self._problems: list[SetupProblem] = []

    def build(self) -> list[SetupProblem]:
        """Fill the owner's node, and those of the Resources it holds; return what is wrong with any handler."""
        self._node.built = True  # before what it holds, which may hold it
        for name in _own_names(self._class, self._values):
            if not name.startswith("_"):
                self._add(name)
            elif read_options(vars(self._class).get(name)) is not None:
                self._problems.append(_hidden(self._where(name), name, vars(self._class)[name]))
        verbs, index = [*self._node.http.verbs.values()], self._node.http.named.get("index")
        if verbs and index is not None:
            self._problems.append(_double(self._where("index"), "the Resource's own URL", index, verbs[0]))
        self._node.built = not self._problems
        self._node.forget_paths()
        return self._problems

    def refresh(self, name: str) -> list[SetupProblem]:
        """Work out anew what the attribute `name` answers; return what is wrong with it."""
        try:
            if name in self._node.names:
                _forget(self._node, name)
            self._add(name)
        finally:
            self._node.forget_paths()
        return self._problems

    def private_route(self, name: str) -> Route | None:
        """The route for a method without a URL, if the owner has one of its own by that name. Raises SetupError."""
        handler = self._answering(name)
        if handler is None or isinstance(handler, Tree) or name in (self._node.names | self._reserved):
            return None
        signature, problems = self._read(handler, name)
        if problems:
            raise SetupError(problems)
        return self._route(name, handler, signature, path="")

    def _where(self, name: str) -> str:
        return f"{self._class.__qualname__}.{name}"

    def _add(self, name: str) -> None:
        value = self._answering(name)
        if name in self._reserved:
            value = value or self._answering_from_class(name)
            if value is not None:  # it would silently never be a URL
                self._problems.append(_taken(self._where(name), name, value))
            return
        if value is None:
            return
        self._node.names.add(name)
        if isinstance(value, Tree):
            self._nest(name, value)
        else:
            self._handle(name, value)

    def _answering(self, name: str) -> Any:
        """What the attribute answers with: a sub-tree, a handler, or None for what is state. Evaluates no property."""
        if name not in self._values:
            return self._answering_from_class(name)
        value = self._values[name]
        if isinstance(value, Tree) or read_options(value) is not None:
            return value
        if not isinstance(value, MethodType) or value.__self__ is not self._owner:
            return None
        # A private method that is also kept under a public name is a callback.
        original = getattr(value, "__name__", "")
        is_private = original.startswith("_") and inspect.getattr_static(self._class, original, None) is value.__func__
        return None if is_private else value

    def _answering_from_class(self, name: str) -> Any:
        static = next((vars(base)[name] for base in self._class.__mro__ if name in vars(base)), None)
        if isinstance(static, Tree):
            return static
        inner = static.__func__ if isinstance(static, staticmethod | classmethod) else static
        is_method = callable(inner) and not isinstance(inner, type) and hasattr(type(inner), "__get__")
        if not is_method and not isinstance(inner, partialmethod):
            return None
        if name in self._reserved and _is_ours(inner):
            return None
        if name in self._fields and read_options(inner) is None:
            return None
        return getattr(self._owner, name)

    def _nest(self, name: str, held: Tree) -> None:
        node = get_node(held)
        if not node.built and not held._builds_itself:
            self._problems += RouteBuilder(held).build()
        self._node.hold(name, node)

    def _handle(self, name: str, handler: Callable[..., Any]) -> None:
        where = self._where(name)
        options = read_options(handler) or _PLAIN
        is_socket = name.startswith("ws_")
        names = template_names(options.path) if options.path is not None else None
        signature, problems = self._read(handler, name, template=names, websocket=is_socket)
        if is_socket:
            problems += _socket_problems(where, handler, signature if not problems else None)
        if problems:
            self._problems += problems
            return
        short = name[3:] if is_socket else name
        table = self._node.sockets if is_socket else self._node.http
        path = "/" + ("" if short == "index" else short) if options.path is None else options.path
        if options.path is None and name in VERBS and getattr(self._class, "_verbs", False):
            methods = frozenset({name.upper()})
            table.verbs[name.upper()] = self._route(name, handler, signature, path="", methods=methods)
            return
        made = self._route(name, handler, signature, path=path, methods=None if is_socket else options.methods)
        if options.path is not None:
            self._place_template(table, template_segments(path), made)
            return
        table.named[short] = made
        branch = table.templates.at([] if short == "index" else [short]) if table.templates is not None else None
        if branch is not None and branch.routes:
            self._problems.append(_double(where, path, made, next(iter(branch.routes.values()))))

    def _read(
        self, handler: Callable[..., Any], name: str, template: Sequence[str] | None = None, websocket: bool = False
    ) -> tuple[Signature, list[SetupProblem]]:
        """The signature of a handler, with what it depends on, and what is wrong with either."""
        where, owner = self._where(name), self._class
        signature, problems = read_signature(handler, where, owner=owner, template=template, websocket=websocket)
        if all(one.dependency is None for one in signature.parameters):
            return signature, problems
        from ..binding.dependency_graph import Site, index_path_values, read_dependencies  # which not every app needs

        names = (
            {one: index for index, one in enumerate(template)} if template is not None else index_path_values(signature)
        )
        site = Site(handler, where, self._owner, names, websocket)
        whole, more = read_dependencies(signature, site, template)
        return whole, problems + more

    def _route(
        self,
        name: str,
        handler: Callable[..., Any],
        signature: Signature,
        *,
        path: str,
        methods: frozenset[str] | None = None,
    ) -> Route:
        threaded = (read_options(handler) or _PLAIN).threaded
        qualname = f"{self._class.__module__}.{self._where(name)}"
        made = make_route(handler, signature, path=path, name=qualname, methods=methods, threaded=threaded)
        if not signature.dependencies():
            return made
        from ..binding.dependency_runner import plan_dependencies

        return plan_dependencies(made, self._owner)

    def _place_template(self, table: Table, segments: list[str], made: Route) -> None:
        table.templates = table.templates or Branch()
        branch = table.templates.grow(segments)
        rivals = [(method, branch.routes.setdefault(method, made)) for method in sorted(_declared(made))]
        if len(segments) <= 1:
            rivals.append(("", table.named.get("".join(segments) or "index", made)))
        for method, other in rivals:
            if other is not made:
                url = f"{method} /{'/'.join(segments)}".strip()
                self._problems.append(_double(self._where(made.attribute), url, made, other))


def _declared(made: Route) -> frozenset[str]:
    """The methods under which a route stands in the table: `""` for all; HEAD is GET's."""
    methods = made.methods or frozenset({""})
    return methods - {"HEAD"} if "GET" in methods else methods


def _is_ours(thing: object) -> bool:
    return str(getattr(thing, "__module__", "")).startswith("micropie.")


def _reserved(cls: type) -> frozenset[str]:
    """The names that the framework's own classes define: they can never be URLs."""
    own = [base for base in cls.__mro__ if _is_ours(base) and issubclass(base, Tree)]
    return frozenset(name for base in own for name in (*dir(base), *inspect.get_annotations(base)))


def _own_names(cls: type, values: Mapping[str, Any]) -> list[str]:
    """The names that the user gave: in the classes from the bottom up, then in the instance."""
    names: dict[str, None] = {}
    for base in reversed(cls.__mro__):
        if not _is_ours(base) and base is not object:
            names.update(dict.fromkeys(vars(base)))
    names.update(dict.fromkeys(values))
    return [name for name in names if name not in getattr(cls, "_hooks", ())]


def _instance_values(owner: Tree) -> Mapping[str, Any]:
    """What the instance itself holds, in its dictionary and in slots."""
    values = dict(vars(owner))
    for base in type(owner).__mro__:
        for name, member in vars(base).items():
            if isinstance(member, MemberDescriptorType) and hasattr(owner, name):
                values.setdefault(name, getattr(owner, name))
    return values


def _forget(node: Node, name: str) -> None:
    node.names.discard(name)
    node.children.pop(name, None)
    for table in (node.http, node.sockets):
        for routes in (table.named, table.verbs):
            for key in [key for key, made in routes.items() if made.attribute == name]:
                del routes[key]
        if table.templates is not None:
            _prune(table.templates, name)


def _prune(branch: Branch, name: str) -> None:
    for method in [key for key, made in branch.routes.items() if made.attribute == name]:
        del branch.routes[method]
    for below in (*branch.literals.values(), *([branch.value] if branch.value is not None else [])):
        _prune(below, name)


def _taken(where: str, name: str, value: Any) -> SetupProblem:
    what = f"'{name}' is a name of the framework's own class and never a URL"
    if isinstance(value, Tree):
        return SetupProblem(where, what, "Call the attribute something else")
    remedy = f'Call the method something else; @route("/{name}") gives it this URL all the same'
    return SetupProblem(where, what, remedy, *locate_function(value))


def _hidden(where: str, name: str, handler: Callable[..., Any]) -> SetupProblem:
    remedy = f"Call it '{name.lstrip('_')}': with a path in @route it has no other URL"
    return SetupProblem(where, "@route gives no URL to a name that starts with '_'", remedy, *locate_function(handler))


def _double(where: str, url: str, made: Route, other: Route) -> SetupProblem:
    remedy = "Change one of the two, or give both a path and methods of their own with @route"
    return SetupProblem(where, f"answers {url}, as {other.name} does", remedy, *locate_function(made.handler))


def _socket_problems(where: str, handler: Callable[..., Any], signature: Signature | None) -> list[SetupProblem]:
    """What makes a `ws_` method impossible, beside its `signature` (None when that could not be read)."""
    problems = []
    if signature is not None and all(one.role is not Role.WEBSOCKET for one in signature.parameters):
        what = "a ws_ method takes the connection as its first parameter"
        remedy = "Add a first parameter: `ws: WebSocket`, or `ws: WebSocket[In, Out]`"
        problems.append(SetupProblem(where, what, remedy, *locate_function(handler)))
    if not inspect.iscoroutinefunction(inspect.unwrap(handler)):
        what = "a ws_ method waits for messages, so it cannot be sync"
        problems.append(SetupProblem(where, what, "Make it `async def`", *locate_function(handler)))
    return problems


def find_chosen_route(node: Node, request: Request, method: str) -> tuple[Route, Sequence[str]]:
    """The route that middleware chose by a method's name, and its path values. `method` is `""` for a WebSocket.

    A name that starts with `_` will do: it is no URL, but middleware is not a client. Raises HTTPError 404 and 405.
    """
    name = str(request._route_handler)
    values = [str(value) for value in request.path_params]
    found = (node.http if method else node.sockets).by_handler(name) or node.private.get(name)
    if found is None and method:
        found = RouteBuilder(node.owner).private_route(name)
        if found is not None:
            node.private[name] = found
    return require_fit(found, values, method), values


def list_routes(trail: Trail, prefix: str = "") -> Iterator[tuple[str, Route]]:
    """Every route at the end of `trail` and below, each by its key: `/path`, `METHOD /path`, or `WEBSOCKET /path`."""
    node = trail[-1]
    for label, table in (("", node.http), ("WEBSOCKET ", node.sockets)):
        for made in table.routes():
            methods = " ".join(sorted(_declared(made))) + " " if made.methods else label
            yield f"{methods}{(prefix + made.path.rstrip('/')) or '/'}", made
    for name, child in node.children.items():
        if child not in trail:
            yield from list_routes((*trail, child), f"{prefix}/{name}")
