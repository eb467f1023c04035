"""This module defines the markers that pin a parameter to one source, as in `Annotated[int, Query()]`, and `Depends`.

A marker is data and nothing else; `binding/signature_reader.py` reads it.
"""

from collections.abc import Callable, Sequence

import msgspec


class Marker(msgspec.Struct, frozen=True):
    """The base of all markers. `alias` is the name on the wire, where it differs from the parameter's own."""

    alias: str | None = None


class Path(Marker, frozen=True):
    """A path segment: the next in order, or the one that `@route("/{name}")` names."""


class Query(Marker, frozen=True):
    """A name in the query string. A structured type is built from the query's names."""


class Form(Marker, frozen=True):
    """A field of an urlencoded or multipart form. A structured type is built from the form's fields."""


class Body(Marker, frozen=True):
    """The whole JSON body; a top-level key of it with an alias, or beside another `Body()` or `Form()`.

    `bytes` is the body as it came, and `str` may also be a `text/plain` body.
    """


class Header(Marker, frozen=True):
    """A request header. `x_request_id` reads `X-Request-Id` unless aliased. A list gets every line of that name."""


class Cookie(Marker, frozen=True):
    """A cookie by name."""


class Session(Marker, frozen=True):
    """A key of the session, which no client can set. A structured type is the whole session."""


class File(Marker, frozen=True):
    """An uploaded file, with limits on its size and type.

    `max_size` is in bytes. Reading a larger file raises `UploadError` (413). `content_types` are media types such as
    `"image/png"` or `"image/*"`. A file of another type is refused with 415 before the handler runs.
    """

    max_size: int | None = None
    content_types: Sequence[str] = ()


class Depends(msgspec.Struct, frozen=True):
    """The result of a function that is called before the handler: `Annotated[User, Depends(current_user)]`.

    `function` is any callable. Its parameters are bound as a handler's are, and it is called once per request, however
    many parameters depend on it. A generator function yields the value, and continues once the response was sent.
    """

    function: Callable[..., object]

    def __repr__(self) -> str:
        function = self.function
        return f"Depends({getattr(function, '__qualname__', None) or repr(function)})"
