"""A handler's signature, read once: what each parameter is called, what it becomes, and where it comes from.

The result is data (`parameters.py`). A signature that cannot work is refused here, with the remedy, before any request
comes.
"""

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from types import MethodType, NoneType
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

import msgspec
from msgspec.structs import replace

from .._utils import http_grammar
from .._utils.callables import locate_function
from .._utils.lazy_imports import lazy_pattern
from .._utils.resolve_annotations import find_type_variables, resolve_annotation
from ..conversion.converter import Converter, Shape, get_converter
from ..conversion.type_info import remove_none
from ..conversion.unwrap_annotated import UnsupportedTypeError, split_union, unwrap_annotated
from ..errors import SetupProblem, Source
from ..forms.form_result import FormResult, FormType
from ..params import Body, Cookie, Depends, File, Form, Header, Marker, Path, Query, Session
from ..requests.request import Request, WebSocketRequest
from ..sentinels import UNSET
from ..uploads.upload_file import UploadFile
from ..websockets.connection import WebSocket
from ..websockets.messages import make_message_decoder
from .return_annotation import ReturnAnnotation, read_return_annotation
from .signature import (
    ANYTHING,
    FROM_BODY,
    TAKES_BODY,
    Dependency,
    Kind,
    Parameter,
    Role,
    Signature,
    derive_header_name,
    is_pinned,
)

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
_UNMARKED_ROLES: Final[dict[Role, tuple[Source, ...]]] = {
    Role.FILE: ("file",),
    Role.FILES: ("file",),
    Role.STREAM: ("body",),
    Role.LINES: ("body",),
    Role.FORM: ("form",),
}

_TOKEN: Final = lazy_pattern(http_grammar.TOKEN)

_KINDS: Final = {
    inspect.Parameter.POSITIONAL_ONLY: Kind.POSITIONAL,
    inspect.Parameter.POSITIONAL_OR_KEYWORD: Kind.POSITIONAL,
    inspect.Parameter.KEYWORD_ONLY: Kind.KEYWORD,
    inspect.Parameter.VAR_POSITIONAL: Kind.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD: Kind.VAR_KEYWORD,
}
_SINGLE: Final = (Kind.POSITIONAL, Kind.KEYWORD)
_RECEIVERS: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


_NO_SIGNATURE: Final = "Make it a plain method, with `self` as its first parameter"


def _buried_markers(annotation: Any) -> Iterator[Marker | Depends]:
    """The markers in the parts of `annotation`: a member of a union, the item of a list."""
    for part in get_args(unwrap_annotated(annotation)[0]):
        yield from (_instance(item) for item in unwrap_annotated(part)[1] if _is_marker(item))
        yield from _buried_markers(part)


def _refuse_markers_in(cls: type, allowed: type[Marker] | None) -> None:
    """Raises _Refused for a marker beside a field of `cls`: msgspec, which fills the fields, knows nothing of it."""
    try:
        hints = get_type_hints(cls, include_extras=True)
    except Exception:  # noqa: BLE001  (msgspec resolved them in a way of its own)
        return
    for name, hint in hints.items():
        for marker in (
            *(_instance(item) for item in unwrap_annotated(hint)[1] if _is_marker(item)),
            *_buried_markers(hint),
        ):
            if allowed is not None and isinstance(marker, allowed):
                continue
            shown = f"{type(marker).__name__}()"
            what = f"{shown} stands beside the field {cls.__name__}.{name}, where it pins nothing"
            raise _Refused(what, f"Take it as a parameter of its own: Annotated[T, {shown}]")


def _refuse_fields(reads: Converter, allowed: type[Marker] | None = None) -> None:
    """Raises _Refused for a type with fields that cannot be filled, or with markers that are not `allowed` there."""
    for cls in reads.classes():
        _refuse_markers_in(cls, allowed)
    if reads.form is None and reads.has_files:
        what = "neither JSON nor a form can carry this type"
        raise _Refused(what, "Put UploadFile or list[UploadFile] beside texts, not into what is nested")


def _layers(handler: Any) -> Iterator[Any]:
    """`handler` and what its decorators are around, from the outside in."""
    while handler is not None:
        yield handler
        handler = getattr(handler, "__wrapped__", None)


class _Refused(Exception):
    """A parameter that cannot work."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        self.remedy = remedy


def _one_text_each() -> _Refused:
    return _Refused("each of these is one text, which cannot become that type", "Annotate it with a scalar type")


def read_signature(
    handler: Callable[..., Any],
    where: str,
    *,
    owner: type | None = None,
    template: Sequence[str] | None = None,
    websocket: bool = False,
    path_values: Mapping[str, int] | None = None,
) -> tuple[Signature, list[SetupProblem]]:
    """The signature of `handler` (bound: without `self`), and every reason why it cannot work.

    `where` names it in problems; `template` holds the names in its `@route` path, whose values come in that order.
    `path_values` says that it is a function which a handler depends on, and has the indexes of the handler's path
    values by name: its parameters take those by their names. What such functions depend on themselves is not read.
    """
    file, line = locate_function(handler)
    try:
        parameters, returns = _written(handler)
    except (ValueError, TypeError) as error:
        remedy = _NO_SIGNATURE if path_values is None else "Call it in a function of your own, and depend on that"
        return Signature((), None), [SetupProblem(where, f"has no signature: {error}", remedy, file, line)]
    reader = _Reader(handler, owner, template, websocket, path_values)
    problems: list[SetupProblem] = []
    for position, parameter in enumerate(parameters):
        try:
            reader.add(parameter, first=position == 0)
        except (_Refused, UnsupportedTypeError) as refused:
            place = f"{where} ({_shown(parameter)})"
            problems.append(SetupProblem(place, refused.what, refused.remedy, file, line))
            reader.refused.add(parameter.name)
    found = reader.finish()
    problems += [SetupProblem(where, refused.what, refused.remedy, file, line) for refused in reader.conflicts(found)]
    return Signature(found, reader.returns(returns) if path_values is None else None), problems


def _written(handler: Callable[..., Any]) -> tuple[Sequence[inspect.Parameter], Any]:
    """The parameters of `handler` and its return annotation, as `inspect.signature` has them. Raises what that does."""
    if isinstance(handler, MethodType):  # a signature without `self` is made of one with it: that one will do
        whole = inspect.signature(handler.__func__)
        receiver, *others = whole.parameters.values() or (None,)
        if receiver is not None and receiver.kind in _RECEIVERS:
            return others, whole.return_annotation
    written = inspect.signature(handler)
    return list(written.parameters.values()), written.return_annotation


def _shown(parameter: inspect.Parameter) -> str:
    if parameter.annotation is inspect.Parameter.empty:
        return parameter.name
    written = parameter.annotation
    return f"{parameter.name}: {written if isinstance(written, str) else inspect.formatannotation(written)}"


class _Reader:
    """Goes through one signature in order."""

    def __init__(
        self,
        handler: Callable[..., Any],
        owner: type | None,
        template: Sequence[str] | None,
        websocket: bool,
        path_values: Mapping[str, int] | None,
    ) -> None:
        self._handler = handler
        self._owner = owner
        self._template = template
        self._websocket = websocket
        self._path_values = path_values
        self._next_index = 0
        self._found: list[Parameter] = []
        self.refused: set[str] = set()
        """The names of parameters that cannot work, of which nothing more need be said."""

    def add(self, parameter: inspect.Parameter, *, first: bool) -> None:
        annotation, marker = self._split(parameter)
        kind = _KINDS[parameter.kind]
        if isinstance(marker, Depends):
            self._depend(parameter, annotation, kind, marker)
            return
        if self._path_values is not None and kind is Kind.VAR_POSITIONAL:
            what = "path values come by name to what a handler depends on, so none are left for *args"
            raise _Refused(what, "Name a parameter as the path value is named")
        role = self._role(annotation, first and kind in _SINGLE and self._path_values is None)
        if role is not Role.VALUE and kind not in _SINGLE:
            raise _one_text_each()
        if role in (Role.REQUEST, Role.WEBSOCKET):
            if marker is not None:
                raise _Refused("is given by the framework and comes from no other source", "Drop the marker")
            if role is Role.WEBSOCKET:
                make_message_decoder(
                    (*get_args(unwrap_annotated(annotation)[0]), str)[0]
                )  # which refuses what no message can become
            self._found.append(Parameter(parameter.name, parameter.name, annotation, kind, role, ()))
            return
        reads, blank = ANYTHING, None
        if role is Role.VALUE and annotation is not inspect.Parameter.empty:
            reads = get_converter(annotation)
            if isinstance(marker, Body) and marker.alias is None and _members(annotation) == [bytes]:
                role = Role.RAW
            if reads.shape is Shape.STRUCTURED:
                _refuse_fields(reads)
        elif role is Role.LINES:
            reads = _items(annotation)
        elif role is Role.FORM:
            reads, blank = _form(annotation)
        sources = self._sources(parameter, kind, role, marker, reads)
        default = UNSET if parameter.default is inspect.Parameter.empty else parameter.default
        if _is_marker(default) or _is_marker(annotation):
            misplaced = default if _is_marker(default) else annotation
            shown = f"{_instance(misplaced).__class__.__name__}()"
            what = f"{shown} stands where it pins nothing"
            raise _Refused(what, f"A marker stands beside the type: Annotated[T, {shown}]")
        index = self._index(parameter.name, kind, sources)
        if index is None:
            sources = _without(sources, ("path",))
        if not sources:
            raise _Refused("can never get a path value", "Name it in the @route path, or give it another source")
        if blank is not None:
            if default is not UNSET:
                raise _Refused("is given by the framework, submitted or not", "Drop the default")
            default = blank
        structured = reads.shape is Shape.STRUCTURED and kind in _SINGLE
        whole = (structured and not self._is_key(marker, reads)) or role in TAKES_BODY
        alias = self._alias(parameter.name, marker, sources, whole)
        self._found.append(
            Parameter(parameter.name, alias, annotation, kind, role, sources, index, default, reads, marker, whole)
        )

    def _depend(self, parameter: inspect.Parameter, annotation: Any, kind: Kind, depends: Depends) -> None:
        if kind not in _SINGLE:
            raise _Refused("what a function returns is one value", "Give it a parameter of its own")
        dependency = Dependency(depends.function)
        name = parameter.name
        self._found.append(Parameter(name, name, annotation, kind, Role.DEPENDENCY, (), dependency=dependency))

    def finish(self) -> tuple[Parameter, ...]:
        """The parameters; of several that want the whole body, each gets the key of its name instead (SPEC 3)."""
        bodies = [one for one in self._found if one.whole and "body" in one.sources and one.role is Role.VALUE]
        if len(bodies) > 1:
            self._found = [replace(one, whole=False) if one in bodies else one for one in self._found]
        if any(one.role in TAKES_BODY for one in self._found):  # nothing of the body is left for others
            self._found = [_without_body(one) for one in self._found]
        if self._found and self._found[-1].kind is Kind.VAR_KEYWORD:
            self._found[-1] = replace(self._found[-1], excluded=self._not_for_kwargs())
        return tuple(self._found)

    def _not_for_kwargs(self) -> frozenset[str]:
        """What a call already has by name, `self` included, and what other parameters read."""
        codes = [one.__code__ for one in _layers(self._handler) if hasattr(one, "__code__")]
        receivers = {name for code in codes for name in code.co_varnames[: min(code.co_argcount, 1)]}
        named = [one for one in self._found if one.kind in _SINGLE]
        aliases = {one.alias for one in named if "query" in one.sources or "form" in one.sources}
        whole = [remove_none(one.converter.info) for one in named if one.whole and one.role is Role.VALUE]
        fields = {field.encode_name for info in whole for field in getattr(info, "fields", ())}
        return frozenset(receivers | aliases | fields | {one.name for one in named})

    @staticmethod
    def _is_key(marker: Marker | None, reads: Converter) -> bool:
        """Whether a structured value is at one key of its source, and not all of it."""
        if isinstance(marker, Session) and not reads.has_names:
            return True
        return isinstance(marker, Body | Session) and marker.alias is not None

    @staticmethod
    def _alias(name: str, marker: Marker | None, sources: tuple[Source, ...], whole: bool) -> str:
        """The name on the wire."""
        alias = marker.alias if marker is not None else None
        if alias is not None and whole:
            raise _Refused("takes all names of its source, so that an alias says nothing", "Drop the alias")
        if sources[0] not in ("header", "cookie"):
            return alias if alias is not None else name
        if alias is None:
            alias = derive_header_name(name) if sources[0] == "header" else name
        if not whole and not _TOKEN.fullmatch(alias):
            raise _Refused(f"'{alias}' cannot be the name of a {sources[0]}", "Give it an alias of ASCII letters and -")
        return alias

    def returns(self, annotation: Any) -> ReturnAnnotation | None:
        """What is promised; None where nothing is, or where the promise cannot be told from here."""
        if annotation is inspect.Signature.empty:
            return None
        try:
            return read_return_annotation(resolve_annotation(self._handler, annotation, self._owner))
        except Exception:  # noqa: BLE001  (whatever an annotation raises, its handler works without a promise)
            return None

    def conflicts(self, found: Sequence[Parameter]) -> list[_Refused]:
        """What is wrong with the parameters taken together."""
        problems = []
        names = self.refused | {parameter.name for parameter in found if parameter.index is not None}
        if all(one.role is not Role.DEPENDENCY for one in found):  # else it may be for what the handler depends on
            problems += [_Refused(*describe_untaken_value(name)) for name in self._template or () if name not in names]
        return problems + _shared_names(found) + _shared_body(found)

    def _split(self, parameter: inspect.Parameter) -> tuple[Any, Marker | Depends | None]:
        """The parameter's type, and the marker that was beside it."""
        if isinstance(parameter.default, Depends):
            shown = repr(parameter.default)
            raise _Refused(f"{shown} is no default", f"It stands beside the type: Annotated[T, {shown}]")
        if parameter.annotation is inspect.Parameter.empty:
            return inspect.Parameter.empty, None
        try:
            resolved = resolve_annotation(self._handler, parameter.annotation, self._owner)
        except Exception as error:  # whatever it is, it is to be mended where the annotation was written
            remedy = "Import or define the name at module level, where it exists when the app is made"
            raise _Refused(f"the annotation cannot be resolved: {error}", remedy) from error
        plain, beside = unwrap_annotated(resolved)
        markers = [_instance(item) for item in beside if _is_marker(item)]
        if len(markers) == 1 and isinstance(markers[0], Depends):  # then the type is for type checkers alone
            return plain, markers[0]
        if variables := find_type_variables(resolved):
            what = f"the type variable {variables[0]} stands for no type here"
            raise _Refused(what, "Derive from the generic class with a type: class Items(Crud[Item])")
        for buried in _buried_markers(resolved):
            shown = f"{type(buried).__name__}()"
            what = f"{shown} stands inside the type, where it pins nothing"
            raise _Refused(what, f"A marker stands around the whole type: Annotated[T | None, {shown}]")
        if len(markers) > 1:
            names = ", ".join(type(marker).__name__ for marker in markers)
            raise _Refused(f"has several sources: {names}", "Keep one marker in Annotated")
        return _without_markers(resolved), markers[0] if markers else None

    def _role(self, annotation: Any, first: bool) -> Role:
        plain, _ = unwrap_annotated(annotation)
        origin = get_origin(plain) or plain
        if self._websocket and first and plain in (inspect.Parameter.empty, Any, object):
            return Role.WEBSOCKET
        if isinstance(origin, type) and issubclass(origin, WebSocket | Request):
            if not self._websocket and issubclass(origin, WebSocket | WebSocketRequest):
                what = f"only a ws_ method has a {origin.__name__}"
                raise _Refused(what, "Name the method ws_…, or drop the parameter")
            return Role.REQUEST if issubclass(origin, Request) else Role.WEBSOCKET
        if origin in (AsyncIterator, AsyncIterable):
            if not get_args(plain) or unwrap_annotated(get_args(plain)[0])[0] is str:
                what = "only AsyncIterator[bytes] streams a body as it comes, and text would be split anywhere"
                raise _Refused(what, "Write AsyncIterator[bytes], or AsyncIterator[Row] for JSON Lines")
            return Role.STREAM if get_args(plain) == (bytes,) else Role.LINES
        if origin is FormResult:
            return Role.FORM
        members = _members(annotation)
        if members == [UploadFile]:
            return Role.FILE
        is_list = len(members) == 1 and get_origin(members[0]) is list
        return Role.FILES if is_list and get_args(members[0]) == (UploadFile,) else Role.VALUE

    def _sources(
        self, parameter: inspect.Parameter, kind: Kind, role: Role, marker: Marker | None, reads: Converter
    ) -> tuple[Source, ...]:
        if kind not in _SINGLE:
            return _rest_sources(kind, marker, reads)
        if marker is not None:
            return (self._pinned(parameter, kind, marker, role, reads),)
        if self._template is not None and parameter.name in self._template:
            return (self._pinned(parameter, Kind.POSITIONAL, Path(), role, reads),)
        if self._path_values is not None and parameter.name in self._path_values:
            self._pinned(parameter, kind, Path(), role, reads)  # which refuses what no path value can become
        sources = _UNMARKED_ROLES.get(role) or _UNMARKED[reads.shape]
        if self._websocket:
            sources = _without(sources, FROM_BODY)
            if not sources:
                raise _no_body()
        by_name = self._path_values is not None
        return sources if kind is Kind.POSITIONAL or by_name else _without(sources, ("path",))

    def _pinned(self, parameter: inspect.Parameter, kind: Kind, marker: Marker, role: Role, reads: Converter) -> Source:
        source, shape = _MARKER_SOURCES[type(marker)], reads.shape
        if (source == "file") != (role in (Role.FILE, Role.FILES)):
            raise _Refused("File() goes with UploadFile, and nothing else does", "Write Annotated[UploadFile, File(…)]")
        if role in (Role.STREAM, Role.LINES) and source != "body":
            raise _Refused("only the body can be streamed", "Drop the marker, or use Body()")
        if role is Role.FORM and source not in ("form", "query"):
            raise _Refused("a form comes in the body or in the query", "Drop the marker, or use Query()")
        if self._websocket and source in FROM_BODY:
            raise _no_body()
        if source == "path" and shape not in (Shape.ANY, Shape.SCALAR):
            raise _Refused("a path segment is one text", "Use a scalar type, or *args for several segments")
        by_name = self._path_values is not None or parameter.name in (self._template or ())
        if source == "path" and kind is Kind.KEYWORD and not by_name:
            raise _Refused("a keyword-only parameter is never a path segment", "Move it before the *, or drop Path()")
        if shape is Shape.STRUCTURED and source not in ("body", "session") and reads.form is None:
            raise _Refused(f"the {source} cannot carry this type", "Use a flat type, or Body()")
        return source

    def _index(self, name: str, kind: Kind, sources: tuple[Source, ...]) -> int | None:
        if "path" not in sources:
            return None
        if self._path_values is not None:
            return self._path_values.get(name)
        if self._template is not None and kind is not Kind.VAR_POSITIONAL:
            return self._template.index(name) if name in self._template else None
        if kind is Kind.VAR_POSITIONAL:
            return max(self._next_index, len(self._template or ()))
        self._next_index += 1
        return self._next_index - 1


def _items(annotation: Any) -> Converter:
    """The converter of what a JSON Lines body has on each line. Raises _Refused and UnsupportedTypeError."""
    (item,) = get_args(unwrap_annotated(annotation)[0])
    reads = get_converter(item)
    if reads.has_files:
        raise _Refused("JSON Lines cannot carry files", "Take them as UploadFile or list[UploadFile]")
    if reads.shape is Shape.STRUCTURED:
        _refuse_fields(reads)
    return reads


def _form(annotation: Any) -> tuple[Converter, FormResult[Any]]:
    """The converter of a form's value, and the form before it is submitted. Raises _Refused, UnsupportedTypeError."""
    plain, _ = unwrap_annotated(annotation)
    if not get_args(plain):
        raise _Refused("does not say what the form has to be", "Write FormResult[Signup], Signup being its fields")
    reads = get_converter(get_args(plain)[0])
    if reads.shape is Shape.STRUCTURED:
        _refuse_fields(reads, File)
    return reads, FormType(get_args(plain)[0], reads).blank


def _rest_sources(kind: Kind, marker: Marker | None, reads: Converter) -> tuple[Source, ...]:
    """Where `*args` and `**kwargs` come from."""
    is_path = kind is Kind.VAR_POSITIONAL
    shapes = (Shape.ANY, Shape.SCALAR) if is_path else (Shape.ANY, Shape.SCALAR, Shape.MANY)
    if reads.shape not in shapes:
        raise _one_text_each()
    sources: tuple[Source, ...] = ("path",) if is_path else ("query", "form")
    if marker is None:
        return sources
    source = _MARKER_SOURCES[type(marker)]
    if source not in sources or marker.alias is not None:
        takes = "*args takes path segments" if is_path else "**kwargs takes the other names of the query or the form"
        raise _Refused(takes, "Drop the marker" if is_path else "Use Query() or Form(), or no marker")
    return (source,)


def _without(sources: Sequence[Source], unwanted: Collection[str]) -> tuple[Source, ...]:
    return tuple(source for source in sources if source not in unwanted)


def _without_body(parameter: Parameter) -> Parameter:
    if is_pinned(parameter):
        return parameter
    return replace(parameter, sources=_without(parameter.sources, FROM_BODY))


def _no_body() -> _Refused:
    return _Refused("a WebSocket handshake has no body", "Take it from the path, the query or a message")


def _shared_names(found: Sequence[Parameter]) -> list[_Refused]:
    """Two parameters that are pinned to one name."""
    problems = []
    taken: dict[tuple[Source, str], str] = {}
    for parameter in found:
        by_name = parameter.kind in _SINGLE and parameter.index is None and not parameter.whole
        if by_name and is_pinned(parameter):
            source = parameter.sources[0]
            name = parameter.alias.lower() if source == "header" else parameter.alias
            other = taken.setdefault((source, name), parameter.name)
            if other != parameter.name:
                what = f"'{other}' and '{parameter.name}' both read the {source} parameter '{parameter.alias}'"
                problems.append(_Refused(what, "Give one of them another alias"))
    return problems


def _shared_body(found: Sequence[Parameter]) -> list[_Refused]:
    """One parameter that takes the body's bytes, and others that need something of it."""
    takers = [one for one in found if one.role in TAKES_BODY]
    others = [one for one in found if one not in takers and FROM_BODY.issuperset(one.sources) and one.sources]
    if not takers or len(takers) + len(others) == 1:
        return []
    what = f"'{takers[0].name}' takes the whole body, so nothing is left for '{(takers[1:] + others)[0].name}'"
    return [_Refused(what, "Read the body in one place")]


def _members(annotation: Any) -> list[Any]:
    """The plain types that `annotation` allows, `None` left out."""
    plain = [unwrap_annotated(member)[0] for member in split_union(annotation)]
    return [member for member in plain if member not in (None, NoneType)]


def describe_untaken_value(name: str) -> tuple[str, str]:
    """What is wrong with a `@route` path with a value called `name` that nobody takes, and the remedy."""
    what = f"the @route path names {{{name}}}, which no parameter takes"
    return what, f"Add a parameter `{name}`, or take it out of the path"


def _is_marker(item: object) -> bool:
    kinds = (Marker, Depends)
    return isinstance(item, kinds) or (isinstance(item, type) and issubclass(item, kinds))


def _instance(item: Any) -> Marker | Depends:
    """A marker may be written without its call: `Annotated[int, Query]`."""
    if item is Depends:
        raise _Refused("Depends stands without its function", "Write Annotated[T, Depends(function)]")
    marker: Marker | Depends = item() if isinstance(item, type) else item
    return marker


def _without_markers(annotation: Any) -> Any:
    """`annotation` with only what msgspec reads beside it."""
    plain, metadata = unwrap_annotated(annotation)
    for meta in metadata:
        if isinstance(meta, msgspec.Meta):
            plain = Annotated[plain, meta]
    return plain
