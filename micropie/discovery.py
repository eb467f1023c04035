"""Which attributes of an App or a Resource are URLs, and the building of their routes.

The rules of SPEC 2 that need no request: what is public, what is a handler and what is state, what nests. Everything
wrong with any handler is collected, so that one report can name it all.
"""

import dataclasses
import inspect
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MethodType
from typing import Any, Final, TypeVar

from .annotations import remember_locals
from .errors import Problem, SetupError
from .routing import METHODS, Branch, Node, Route, Table, make_route
from .signatures import read_signature

F = TypeVar("F", bound=Callable[..., Any])

VERBS: Final = ("get", "head", "post", "put", "patch", "delete", "options")
_OPTIONS: Final = "__micropie_route__"


@dataclass(frozen=True, slots=True)
class RouteOptions:
    """What `@route` was given."""

    path: str | None
    methods: frozenset[str] | None
    threaded: bool


def route(
    path: str | None = None, *, methods: Collection[str] | None = None, threaded: bool = True
) -> Callable[[F], F]:
    """Say what a method's name cannot: `@route("/users/{id}", methods=["GET"])`.

    `path` is below the App or Resource that holds the method, with its parameters in braces; without it the URL stays
    the automatic one. `methods` are the HTTP methods it answers; `threaded=False` keeps a sync method on the event
    loop. Raises ValueError for a path without a leading slash, malformed braces or an unknown method.
    """
    if path is not None:
        _check_template(path)
    wanted = frozenset(method.upper() for method in methods) if methods is not None else None
    if wanted is not None and (not wanted or isinstance(methods, str) or not wanted <= set(METHODS)):
        raise ValueError(f"methods={methods!r}: give a list of {', '.join(METHODS)}")

    def mark(function: F) -> F:
        setattr(function, _OPTIONS, RouteOptions(path, wanted, threaded))
        return function

    return mark


def _check_template(path: str) -> None:
    if not path.startswith("/"):
        raise ValueError(f"@route({path!r}): a path starts with '/'")
    names = _template_names(path)
    for segment in _template_segments(path):
        whole = segment.startswith("{") and segment.endswith("}") and segment[1:-1].isidentifier()
        if not whole and ("{" in segment or "}" in segment):
            raise ValueError(f"@route({path!r}): a parameter is a whole segment, as in '/users/{{id}}'")
    if len(set(names)) != len(names):
        raise ValueError(f"@route({path!r}): each parameter stands once")


def _template_segments(path: str) -> list[str]:
    return path.rstrip("/").split("/")[1:]


def _template_names(path: str) -> list[str]:
    return [segment[1:-1] for segment in _template_segments(path) if segment.startswith("{")]


class Tree:
    """What an App and a Resource have in common: their public methods are URLs, and those they hold are sub-trees."""

    _node: Node

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        remember_locals(cls, sys._getframe(1))

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        self._changed(name)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._changed(name)

    def _changed(self, name: str) -> None:
        """A public attribute that changes after the URLs were worked out changes them."""
        node = self.__dict__.get("_node")
        if node is not None and not name.startswith("_"):
            problems = Builder(self).refresh(node, name)
            if problems:
                raise SetupError(problems)


class Builder:
    """Builds the nodes of an owner and of everything that it holds."""

    def __init__(self, owner: Tree, above: Sequence[Tree] = ()) -> None:
        self._owner = owner
        self._above = (*above, owner)
        self._problems: list[Problem] = []

    def build(self) -> list[Problem]:
        """Give the owner its node, and return what is wrong with its handlers and with those below."""
        node = Node(self._owner)
        object.__setattr__(self._owner, "_node", node)
        for name in _public_names(self._owner):
            self._add(node, name)
        return self._problems

    def refresh(self, node: Node, name: str) -> list[Problem]:
        """Work out anew what the attribute `name` answers."""
        node.children.pop(name, None)
        for table in (node.http, node.sockets):
            _forget(table, name)
        self._add(node, name)
        return self._problems

    def _add(self, node: Node, name: str) -> None:
        if name in _reserved(type(self._owner)) and not isinstance(self._held(name), Tree):
            self._refuse_reserved(name)
            return
        value = _url_value(self._owner, name)
        if isinstance(value, Tree):
            self._nest(node, name, value)
        elif value is not None:
            self._handle(node, name, value)

    def _held(self, name: str) -> object:
        return _instance_values(self._owner).get(name)

    def _refuse_reserved(self, name: str) -> None:
        """A handler by a name of the framework's own would silently never be a URL."""
        static = inspect.getattr_static(type(self._owner), name, None)
        if inspect.isfunction(static) and not static.__module__.startswith("micropie."):
            self._problems.append(_taken(f"{type(self._owner).__qualname__}.{name}", name, static))

    def _nest(self, node: Node, name: str, held: Tree) -> None:
        if any(held is owner for owner in self._above):
            return  # a way back up is state
        known = held.__dict__.get("_node")
        if known is None:
            self._problems += Builder(held, self._above).build()
            known = held._node
        node.children[name] = known

    def _handle(self, node: Node, name: str, handler: Callable[..., Any]) -> None:
        where = f"{type(self._owner).__qualname__}.{name}"
        options: RouteOptions = getattr(handler, _OPTIONS, RouteOptions(None, None, True))
        is_socket = name.startswith("ws_")
        names = _template_names(options.path) if options.path is not None else None
        signature, problems = read_signature(
            handler, where, owner=type(self._owner), template=names, websocket=is_socket
        )
        if is_socket and not any(one.role.name == "WEBSOCKET" for one in signature.parameters) and not problems:
            problems = [_socketless(where, handler)]
        if is_socket and not inspect.iscoroutinefunction(inspect.unwrap(handler)):
            what = "a ws_ method waits for messages, so it cannot be sync"
            problems = [*problems, Problem(where, what, "Make it `async def`", *_place(handler))]
        self._problems += problems
        if problems:
            return
        qualname = f"{type(self._owner).__module__}.{where}"
        methods = None if is_socket else options.methods
        if not is_socket and options.path is None and name in VERBS and _has_verbs(self._owner):
            verb = frozenset({name.upper()})
            made = make_route(handler, signature, path="", name=qualname, methods=verb, threaded=options.threaded)
            node.http.verbs[name.upper()] = made
            return
        short = name[3:] if is_socket else name
        path = options.path if options.path is not None else "/" + ("" if short == "index" else short)
        made = make_route(handler, signature, path=path, name=qualname, methods=methods, threaded=options.threaded)
        table = node.sockets if is_socket else node.http
        if options.path is None:
            table.named[short] = made
        else:
            self._template(table, options.path, made, where)

    def _template(self, table: Table, path: str, made: Route, where: str) -> None:
        table.templates = table.templates or Branch()
        branch = table.templates.grow(_template_segments(path))
        for method in sorted((made.methods or {""}) - ({"HEAD"} if made.methods and "GET" in made.methods else set())):
            other = branch.routes.get(method)
            if other is not None and other.name != made.name:
                what = f"answers {(method + ' ') if method else ''}{path}, as {other.name} does"
                file, line = _place(made.handler)
                self._problems.append(Problem(where, what, "Change one of the two paths, or its methods", file, line))
            branch.routes[method] = made


def _has_verbs(owner: Tree) -> bool:
    return bool(getattr(type(owner), "_verbs", False))


def _reserved(cls: type) -> frozenset[str]:
    """The names that the framework's own classes define: they can never be URLs."""
    own = [base for base in cls.__mro__ if base.__module__.startswith("micropie.") and issubclass(base, Tree)]
    return frozenset(name for base in own for name in (*dir(base), *inspect.get_annotations(base)))


def _overridable(cls: type) -> frozenset[str]:
    return frozenset(getattr(cls, "_hooks", ()))


def _public_names(owner: Tree) -> list[str]:
    """The names that may be URLs: of the class from the bottom up, then of the instance."""
    names: dict[str, None] = {}
    for cls in reversed(type(owner).__mro__):
        if not cls.__module__.startswith("micropie.") and cls not in Tree.__mro__:
            names.update(dict.fromkeys(cls.__dict__))
    names.update(dict.fromkeys(_instance_values(owner)))
    return [name for name in names if not name.startswith("_") and name not in _overridable(type(owner))]


def _instance_values(owner: Tree) -> Mapping[str, Any]:
    values = dict(vars(owner))
    if dataclasses.is_dataclass(owner):
        for item in dataclasses.fields(owner):
            if item.name not in values and hasattr(owner, item.name):
                values[item.name] = getattr(owner, item.name)
    return values


def _url_value(owner: Tree, name: str) -> Any:
    """What `owner.name` answers with: a sub-tree, a handler, or None for what is no URL. Evaluates no property."""
    values = _instance_values(owner)
    if name in values:
        value = values[name]
        if isinstance(value, Tree) or (callable(value) and hasattr(value, _OPTIONS)):
            return value
        return value if isinstance(value, MethodType) and value.__self__ is owner else None
    static = inspect.getattr_static(type(owner), name, None)
    if isinstance(static, Tree):
        return static
    inner = static.__func__ if isinstance(static, staticmethod | classmethod) else static
    if not callable(inner) or isinstance(inner, type) or not hasattr(type(inner), "__get__"):
        return None
    if _is_field(type(owner), name) and not hasattr(inner, _OPTIONS):
        return None
    return getattr(owner, name)


def _is_field(cls: type, name: str) -> bool:
    """Whether the class annotates `name`: then its value is state, whatever it is."""
    return any(name in inspect.get_annotations(base) for base in cls.__mro__)


def _forget(table: Table, name: str) -> None:
    short = name[3:] if name.startswith("ws_") else name
    table.named.pop(short, None)
    table.verbs.pop(name.upper(), None)
    if table.templates is not None:
        _prune(table.templates, name)


def _prune(branch: Branch, name: str) -> None:
    for method in [key for key, made in branch.routes.items() if made.name.rpartition(".")[2] == name]:
        del branch.routes[method]
    for below in (*branch.literals.values(), *([branch.value] if branch.value is not None else [])):
        _prune(below, name)


def _place(handler: Callable[..., Any]) -> tuple[str | None, int | None]:
    code = getattr(inspect.unwrap(handler), "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code is not None else (None, None)


def _taken(where: str, name: str, handler: Callable[..., Any]) -> Problem:
    remedy = f'Call the method something else; @route("/{name}") gives it this URL all the same'
    return Problem(where, f"'{name}' is a name of the framework's own class and never a URL", remedy, *_place(handler))


def _socketless(where: str, handler: Callable[..., Any]) -> Problem:
    remedy = "Add a first parameter: `ws: WebSocket`, or `ws: WebSocket[In, Out]`"
    return Problem(where, "a ws_ method takes the connection as its first parameter", remedy, *_place(handler))


def list_routes(node: Node, prefix: str = "", above: Sequence[Node] = ()) -> Iterator[tuple[str, Route]]:
    """Every route at `node` and below, each under its key: `/path`, `METHOD /path`, or `WEBSOCKET /path`."""
    for label, table in (("", node.http), ("WEBSOCKET ", node.sockets)):
        templates = table.templates.walk() if table.templates is not None else ()
        for made in dict.fromkeys((*table.named.values(), *table.verbs.values(), *templates)):
            methods = " ".join(sorted((made.methods or set()) - {"HEAD"})) + " " if made.methods else label
            yield f"{methods}{prefix}{made.path or ('' if prefix else '/')}", made
    for name, child in node.children.items():
        if child is not node and not any(child is one for one in above):
            yield from list_routes(child, f"{prefix}/{name}", (*above, node))
