"""A handler's signature, read once: what each parameter is called, what it becomes, and where it comes from.

The result is data. Binding, documentation, typed clients and checks all read these same `Parameter`s. A signature
that cannot work is refused here, with the remedy, before any request comes.
"""

import inspect
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from types import NoneType
from typing import Annotated, Any, Final, get_args, get_origin

import msgspec

from .annotations import resolve
from .converters import Converter, Shape, UnsupportedTypeError, converter, strip, union_members
from .errors import Problem, Source
from .params import Body, Cookie, File, Form, Header, Marker, Path, Query, Session
from .requests import Request
from .returns import Returns, read_returns
from .types import UNSET
from .uploads import UploadFile
from .websockets import WebSocket


class Role(Enum):
    """What a parameter is given."""

    VALUE = auto()
    """A converted value."""
    FILE = auto()
    FILES = auto()
    RAW = auto()
    """The body's bytes as they came."""
    STREAM = auto()
    """The body's bytes as they come."""
    REQUEST = auto()
    WEBSOCKET = auto()


class Kind(Enum):
    """How a parameter is passed."""

    POSITIONAL = auto()
    KEYWORD = auto()
    VAR_POSITIONAL = auto()
    VAR_KEYWORD = auto()


@dataclass(frozen=True, slots=True, eq=False)
class Parameter:
    """One parameter of a handler."""

    name: str
    alias: str
    """Its name on the wire."""
    annotation: Any
    """Its type, resolved, markers removed; `inspect.Parameter.empty` where none was written."""
    kind: Kind
    role: Role
    sources: tuple[Source, ...]
    """Where its value is looked for, in order. Empty for what the framework itself gives."""
    index: int | None = None
    """Which path value it takes, where it takes one; for `*args` the first."""
    default: object = UNSET
    converter: Converter | None = None
    marker: Marker | None = None
    whole: bool = False
    """Whether it is built from all of its source, not from one name in it."""

    @property
    def required(self) -> bool:
        """Whether a request without it is refused."""
        return self.default is UNSET and self.kind in (Kind.POSITIONAL, Kind.KEYWORD)


@dataclass(frozen=True, slots=True, eq=False)
class Signature:
    """A handler's parameters, in its own order, and what its return annotation promises."""

    parameters: tuple[Parameter, ...]
    returns: Returns | None

    @property
    def path_values(self) -> float:
        """How many path values the handler can take: infinite with `*args`."""
        if any(parameter.kind is Kind.VAR_POSITIONAL for parameter in self.parameters):
            return float("inf")
        return sum(parameter.index is not None for parameter in self.parameters)


_MARKER_SOURCES: Final[dict[type[Marker], Source]] = {
    Path: "path", Query: "query", Form: "form", Body: "body", Header: "header", Cookie: "cookie", Session: "session",
    File: "file",
}  # fmt: skip

# Where a value without a marker is looked for, by how much of a request it takes up (SPEC 3).
_UNMARKED: Final[dict[Shape, tuple[Source, ...]]] = {
    Shape.ANY: ("path", "query", "form", "body", "file", "session"),
    Shape.SCALAR: ("path", "query", "form", "body", "session"),
    Shape.MANY: ("query", "form", "body", "session"),
    Shape.STRUCTURED: ("body",),
}

_KINDS: Final = {
    inspect.Parameter.POSITIONAL_ONLY: Kind.POSITIONAL,
    inspect.Parameter.POSITIONAL_OR_KEYWORD: Kind.POSITIONAL,
    inspect.Parameter.KEYWORD_ONLY: Kind.KEYWORD,
    inspect.Parameter.VAR_POSITIONAL: Kind.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD: Kind.VAR_KEYWORD,
}


class _Refused(Exception):
    """A parameter that cannot work."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        self.remedy = remedy


def read_signature(
    handler: Callable[..., Any],
    where: str,
    *,
    owner: type | None = None,
    template: Sequence[str] | None = None,
    websocket: bool = False,
) -> tuple[Signature, list[Problem]]:
    """The signature of `handler` (bound: without `self`), and every reason why it cannot work.

    `where` names it in problems; `template` holds the names in its `@route` path, whose values come in that order.
    """
    file, line = _place(handler)
    try:
        written = inspect.signature(handler)
    except (ValueError, TypeError) as error:
        return Signature((), None), [Problem(where, f"has no signature: {error}", "Make it a plain method", file, line)]
    reader = _Reader(handler, owner, template, websocket)
    problems: list[Problem] = []
    for position, parameter in enumerate(written.parameters.values()):
        try:
            reader.add(parameter, first=position == 0)
        except _Refused as refused:
            place = f"{where} ({_shown(parameter)})"
            problems.append(Problem(place, refused.what, refused.remedy, file, line))
    found = reader.finish()
    problems += [Problem(where, refused.what, refused.remedy, file, line) for refused in reader.conflicts(found)]
    return Signature(found, reader.returns(written.return_annotation)), problems


def _place(handler: Callable[..., Any]) -> tuple[str | None, int | None]:
    code = getattr(inspect.unwrap(handler), "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code is not None else (None, None)


def _shown(parameter: inspect.Parameter) -> str:
    if parameter.annotation is inspect.Parameter.empty:
        return parameter.name
    text = parameter.annotation if isinstance(parameter.annotation, str) else inspect.formatannotation(parameter.annotation)
    return f"{parameter.name}: {text}"


class _Reader:
    """Goes through one signature in order."""

    def __init__(
        self, handler: Callable[..., Any], owner: type | None, template: Sequence[str] | None, websocket: bool
    ) -> None:
        self._handler = handler
        self._owner = owner
        self._template = template
        self._websocket = websocket
        self._next_index = 0
        self._found: list[Parameter] = []

    def add(self, parameter: inspect.Parameter, *, first: bool) -> None:
        annotation, marker = self._split(parameter)
        kind = _KINDS[parameter.kind]
        role = self._role(annotation, first)
        if role in (Role.REQUEST, Role.WEBSOCKET):
            self._found.append(Parameter(parameter.name, parameter.name, annotation, kind, role, ()))
            return
        reads = self._converter(annotation, role)
        if role is Role.VALUE and isinstance(marker, Body) and strip(annotation)[0] is bytes:
            role = Role.RAW
        sources = self._sources(parameter, kind, role, marker, reads)
        default = UNSET if parameter.default is inspect.Parameter.empty else parameter.default
        index = self._index(parameter.name, kind, sources)
        if "path" in sources and index is None:
            sources = tuple(source for source in sources if source != "path")
        if not sources:
            raise _Refused("can never get a path value", "Name it in the @route path, or give it another source")
        alias = marker.alias if marker is not None and marker.alias else _wire_name(parameter.name, sources)
        structured = reads is not None and reads.shape is Shape.STRUCTURED
        whole = (structured and kind in (Kind.POSITIONAL, Kind.KEYWORD)) or role in (Role.RAW, Role.STREAM)
        self._found.append(
            Parameter(parameter.name, alias, annotation, kind, role, sources, index, default, reads, marker, whole)
        )

    def finish(self) -> tuple[Parameter, ...]:
        """The parameters; of several that want the whole body, each gets the key of its name instead (SPEC 3)."""
        bodies = [one for one in self._found if one.whole and "body" in one.sources and one.role is Role.VALUE]
        if len(bodies) > 1:
            keyed = {id(one) for one in bodies}
            self._found = [_as_key(one) if id(one) in keyed else one for one in self._found]
        return tuple(self._found)

    def returns(self, annotation: Any) -> Returns | None:
        """What is promised; None where nothing is, or where the promise cannot be told from here."""
        if annotation is inspect.Signature.empty:
            return None
        try:
            return read_returns(resolve(self._handler, annotation, self._owner))
        except (NameError, KeyError, TypeError, AttributeError, SyntaxError):
            return None

    def conflicts(self, found: Sequence[Parameter]) -> list[_Refused]:
        """What is wrong with the parameters taken together."""
        problems = []
        names = {parameter.name for parameter in found if parameter.index is not None}
        for name in self._template or ():
            if name not in names:
                what = f"the @route path names {{{name}}}, which no parameter takes"
                problems.append(_Refused(what, f"Add a parameter `{name}`, or take it out of the path"))
        taken: dict[tuple[Source, str], str] = {}
        for parameter in found:
            for source in parameter.sources if not parameter.whole and source_is_pinned(parameter) else ():
                other = taken.setdefault((source, parameter.alias), parameter.name)
                if other != parameter.name and parameter.kind in (Kind.POSITIONAL, Kind.KEYWORD):
                    what = f"'{other}' and '{parameter.name}' both read the {source} parameter '{parameter.alias}'"
                    problems.append(_Refused(what, "Give one of them another alias"))
        streams = [one for one in found if one.role in (Role.RAW, Role.STREAM)]
        others = [one for one in found if one not in streams and "body" in one.sources and source_is_pinned(one)]
        if len(streams) > 1 or (streams and others):
            what = f"'{streams[0].name}' takes the whole body, so nothing is left for '{(streams[1:] + others)[0].name}'"
            problems.append(_Refused(what, "Read the body in one place"))
        return problems

    def _split(self, parameter: inspect.Parameter) -> tuple[Any, Marker | None]:
        """The parameter's type, and the marker that was beside it."""
        if parameter.annotation is inspect.Parameter.empty:
            return inspect.Parameter.empty, None
        try:
            resolved = resolve(self._handler, parameter.annotation, self._owner)
        except (NameError, KeyError, AttributeError, TypeError, SyntaxError, ImportError) as error:
            remedy = "Import or define the name at module level, where it exists when the app is made"
            raise _Refused(f"the annotation cannot be resolved: {_reason(error)}", remedy) from error
        markers = [_instance(item) for item in strip(resolved)[1] if _is_marker(item)]
        if len(markers) > 1:
            names = ", ".join(type(marker).__name__ for marker in markers)
            raise _Refused(f"has several sources: {names}", "Keep one marker in Annotated")
        return _without_markers(resolved), markers[0] if markers else None

    def _role(self, annotation: Any, first: bool) -> Role:
        plain, _ = strip(annotation)
        origin = get_origin(plain) or plain
        if self._websocket and first and plain in (inspect.Parameter.empty, Any, object):
            return Role.WEBSOCKET
        if isinstance(origin, type):
            if issubclass(origin, WebSocket):
                if not self._websocket:
                    raise _Refused("only a ws_ method has a WebSocket", "Name the method ws_…, or drop the parameter")
                return Role.WEBSOCKET
            if issubclass(origin, Request):
                return Role.REQUEST
        if origin is AsyncIterator:
            if get_args(plain) != (bytes,):
                raise _Refused("only AsyncIterator[bytes] streams a body", "Write AsyncIterator[bytes]")
            return Role.STREAM
        members = [member for member in union_members(annotation) if member is not NoneType]
        if members == [UploadFile]:
            return Role.FILE
        listed = get_args(strip(members[0])[0]) if len(members) == 1 else ()
        return Role.FILES if listed == (UploadFile,) else Role.VALUE

    def _converter(self, annotation: Any, role: Role) -> Converter | None:
        if role is not Role.VALUE:
            return None
        try:
            return converter(Any if annotation is inspect.Parameter.empty else annotation)
        except UnsupportedTypeError as unsupported:
            raise _Refused(unsupported.what, unsupported.remedy) from unsupported

    def _sources(
        self, parameter: inspect.Parameter, kind: Kind, role: Role, marker: Marker | None, reads: Converter | None
    ) -> tuple[Source, ...]:
        if kind is Kind.VAR_POSITIONAL or kind is Kind.VAR_KEYWORD:
            return self._rest_sources(kind, marker, reads)
        if marker is not None:
            return (self._pinned(marker, role, reads),)
        if role in (Role.FILE, Role.FILES):
            return ("file",)
        if role in (Role.RAW, Role.STREAM) or reads is None:
            return ("body",)
        if self._template is not None and parameter.name in self._template:
            return ("path",)
        sources = _UNMARKED[reads.shape]
        if self._websocket:
            return tuple(source for source in sources if source in ("path", "query", "session"))
        return sources if kind is Kind.POSITIONAL else tuple(source for source in sources if source != "path")

    def _rest_sources(self, kind: Kind, marker: Marker | None, reads: Converter | None) -> tuple[Source, ...]:
        many = kind is Kind.VAR_KEYWORD and reads is not None and reads.shape is Shape.MANY
        if reads is None or (reads.shape not in (Shape.ANY, Shape.SCALAR) and not many):
            raise _Refused("each of these is one text, which cannot become that type", "Annotate it with a scalar type")
        if kind is Kind.VAR_POSITIONAL:
            return ("path",)
        source = _MARKER_SOURCES[type(marker)] if marker is not None else None
        if source not in (None, "query", "form"):
            raise _Refused(f"**{kind.name} cannot come from the {source}", "Use Query() or Form(), or no marker")
        return (source,) if source is not None else ("query", "form")

    def _pinned(self, marker: Marker, role: Role, reads: Converter | None) -> Source:
        source = _MARKER_SOURCES[type(marker)]
        if (source == "file") != (role in (Role.FILE, Role.FILES)):
            raise _Refused("File() goes with UploadFile, and nothing else does", "Write Annotated[UploadFile, File(…)]")
        if role is Role.STREAM and source != "body":
            raise _Refused("only the body can be streamed", "Drop the marker, or use Body()")
        if self._websocket and source in ("form", "body", "file"):
            raise _Refused("a WebSocket handshake has no body", "Take it from the path, the query or a message")
        shape = reads.shape if reads is not None else None
        if source == "path" and shape not in (Shape.ANY, Shape.SCALAR):
            raise _Refused("a path segment is one text", "Use a scalar type, or *args for several segments")
        if shape is Shape.STRUCTURED and source not in ("body", "session") and reads is not None and reads.form is None:
            raise _Refused(f"the {source} cannot carry this type", "Use a flat type, or Body()")
        return source

    def _index(self, name: str, kind: Kind, sources: tuple[Source, ...]) -> int | None:
        if "path" not in sources:
            return None
        if self._template is not None and kind is not Kind.VAR_POSITIONAL:
            return self._template.index(name) if name in self._template else None
        if kind is Kind.VAR_POSITIONAL:
            return max(self._next_index, len(self._template or ()))
        self._next_index += 1
        return self._next_index - 1


def source_is_pinned(parameter: Parameter) -> bool:
    """Whether the parameter has one source only."""
    return len(parameter.sources) == 1


def _wire_name(name: str, sources: tuple[Source, ...]) -> str:
    return name.replace("_", "-") if sources == ("header",) else name


def _as_key(parameter: Parameter) -> Parameter:
    fields = {name: getattr(parameter, name) for name in Parameter.__slots__}
    return Parameter(**(fields | {"whole": False}))


def _reason(error: Exception) -> str:
    return f"name {error} is not defined" if isinstance(error, KeyError) else str(error)


def _is_marker(item: object) -> bool:
    return isinstance(item, Marker) or (isinstance(item, type) and issubclass(item, Marker))


def _instance(item: Any) -> Marker:
    """A marker may be written without its call: `Annotated[int, Query]`."""
    marker: Marker = item() if isinstance(item, type) else item
    return marker


def _without_markers(annotation: Any) -> Any:
    """`annotation` with only what msgspec reads beside it."""
    plain, metadata = strip(annotation)
    metas = [item for item in metadata if isinstance(item, msgspec.Meta)]
    for meta in metas:
        plain = Annotated[plain, meta]
    return plain
