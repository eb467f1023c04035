"""This module decides where the value of a parameter is looked for: its sources, its path value, its name on the wire.

The rules are those of SPEC 3. A marker pins one source; the type of a parameter without a marker allows several.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from .._utils.http_grammar import TOKEN
from .._utils.lazy_imports import lazy_pattern
from ..conversion.converter import Converter, Shape
from ..errors import Source
from ..params import Body, Cookie, File, Form, Header, Marker, Path, Query, Session
from .signature import FROM_BODY, SINGLE, Kind, Role, SignatureError, derive_header_name

_MARKER_SOURCES: Final[dict[type[Marker], Source]] = {
    Path: "path", Query: "query", Form: "form", Body: "body", Header: "header", Cookie: "cookie", Session: "session",
    File: "file",
}  # fmt: skip

# The sources of a parameter without a marker, in order, by how much of a request its value takes up (SPEC 3).
_UNMARKED: Final[dict[Shape, tuple[Source, ...]]] = {
    Shape.ANY: ("path", "query", "form", "body", "file", "session"),
    Shape.SCALAR: ("path", "query", "form", "body", "session"),
    Shape.MANY: ("path", "query", "form", "body", "session"),
    Shape.STRUCTURED: ("body",),
}
# Roles that come before the shape.
_UNMARKED_ROLES: Final[dict[Role, tuple[Source, ...]]] = {
    Role.FILE: ("file",),
    Role.FILES: ("file",),
    Role.STREAM: ("body",),
    Role.LINES: ("body",),
    Role.FORM: ("form",),
}

_TOKEN: Final = lazy_pattern(TOKEN)  # the names of headers (RFC 9110 §5.1) and of cookies (RFC 6265 §4.1.1)


class SourceChooser:
    """A chooser of the sources of one signature's parameters, which it must be asked about in their order.

    `template` holds the names in the `@route` path. `path_values` holds the indexes of the handler's path values by
    name; it is None for the handler itself, which takes them by position.
    """

    def __init__(
        self, template: Sequence[str] | None, path_values: Mapping[str, int] | None, *, websocket: bool
    ) -> None:
        self._template = template
        self._path_values = path_values
        self._websocket = websocket
        self._next_index = 0

    def choose(
        self, name: str, kind: Kind, role: Role, marker: Marker | None, converter: Converter
    ) -> tuple[Source, ...]:
        """Return the sources of the parameter `name`, in order. Raises SignatureError."""
        if kind not in SINGLE:
            return _choose_rest_sources(kind, marker, converter)
        if marker is not None:
            return (self._pin(name, kind, marker, role, converter),)
        if self._template is not None and name in self._template:
            return (self._pin(name, Kind.POSITIONAL, Path(), role, converter),)
        if self._path_values is not None and name in self._path_values:
            self._pin(name, kind, Path(), role, converter)  # only to refuse a type that no path value can become
        sources = _UNMARKED_ROLES.get(role) or _UNMARKED[converter.shape]
        if not _fits_segment(converter):
            sources = drop_sources(sources, ("path",))
        if self._websocket:
            sources = drop_sources(sources, FROM_BODY)
            if not sources:
                raise _make_no_body_error()
        by_name = self._path_values is not None
        return sources if kind is Kind.POSITIONAL or by_name else drop_sources(sources, ("path",))

    def choose_index(self, name: str, kind: Kind, sources: tuple[Source, ...]) -> int | None:
        """Return the index of the path value that the parameter takes, of `*args` the first; None if it takes none."""
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

    def _pin(self, name: str, kind: Kind, marker: Marker, role: Role, converter: Converter) -> Source:
        """Return the source of `marker`. Raises SignatureError if the parameter cannot come from there."""
        source, shape = _MARKER_SOURCES[type(marker)], converter.shape
        if (source == "file") != (role in (Role.FILE, Role.FILES)):
            what = "File() is for UploadFile only, and UploadFile takes no other marker"
            raise SignatureError(what, "Write Annotated[UploadFile, File(…)]")
        if role in (Role.STREAM, Role.LINES) and source != "body":
            raise SignatureError("only the body can be streamed", "Remove the marker, or use Body()")
        if role is Role.FORM and source not in ("form", "query"):
            raise SignatureError("a FormResult comes from the body or the query", "Remove the marker, or use Query()")
        if self._websocket and source in FROM_BODY:
            raise _make_no_body_error()
        if source == "path" and not _fits_segment(converter):
            what = "a path segment is one text, which cannot become this type"
            raise SignatureError(what, "Use a scalar type, or *args for several segments")
        by_name = self._path_values is not None or name in (self._template or ())
        if source == "path" and kind is Kind.KEYWORD and not by_name:
            what = "a keyword-only parameter is never a path segment"
            raise SignatureError(what, "Move it before the *, or remove Path()")
        if shape is Shape.STRUCTURED and source not in ("body", "session") and converter.form is None:
            raise SignatureError(f"the {source} cannot carry this type", "Use a flat type, or Body()")
        return source


def _fits_segment(converter: Converter) -> bool:
    """Return True if one text can be the value."""
    return converter.shape in (Shape.ANY, Shape.SCALAR) or converter.from_text is not None


def choose_alias(name: str, marker: Marker | None, sources: tuple[Source, ...], *, whole: bool) -> str:
    """Return the name on the wire of the parameter `name`. Raises SignatureError.

    `whole` says that the parameter takes all of its source, so that it needs no name there.
    """
    alias = marker.alias if marker is not None else None
    if alias is not None and whole:
        raise SignatureError("takes all names of its source, so an alias has no effect", "Remove the alias")
    if sources[0] not in ("header", "cookie"):
        return alias if alias is not None else name
    if alias is None:
        alias = derive_header_name(name) if sources[0] == "header" else name
    if not whole and not _TOKEN.fullmatch(alias):
        what = f"'{alias}' cannot be the name of a {sources[0]}"
        raise SignatureError(what, "Give it an alias of ASCII letters, digits and -")
    return alias


def drop_sources(sources: Sequence[Source], unwanted: Collection[str]) -> tuple[Source, ...]:
    """Return `sources` without the `unwanted` ones."""
    return tuple(source for source in sources if source not in unwanted)


def make_single_text_error() -> SignatureError:
    """Return the error for `*args` and `**kwargs` of a type that is not read from one text."""
    what = "each value of *args or **kwargs is one text, which cannot become this type"
    return SignatureError(what, "Annotate it with a scalar type")


def _make_no_body_error() -> SignatureError:
    return SignatureError("a WebSocket handshake has no body", "Take it from the path, the query or a message")


def _choose_rest_sources(kind: Kind, marker: Marker | None, converter: Converter) -> tuple[Source, ...]:
    """Return the sources of `*args` or `**kwargs`. Raises SignatureError."""
    is_path = kind is Kind.VAR_POSITIONAL
    shapes = (Shape.ANY, Shape.SCALAR) if is_path else (Shape.ANY, Shape.SCALAR, Shape.MANY)
    if converter.shape not in shapes:
        raise make_single_text_error()
    sources: tuple[Source, ...] = ("path",) if is_path else ("query", "form")
    if marker is None:
        return sources
    source = _MARKER_SOURCES[type(marker)]
    if source in sources and marker.alias is None:
        return (source,)
    if is_path:
        raise SignatureError("*args takes only path segments", "Remove the marker")
    what = "**kwargs takes only the remaining names of the query or the form"
    raise SignatureError(what, "Use Query() or Form(), or no marker")
