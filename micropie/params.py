"""The markers that pin a parameter to one source: `Annotated[int, Query()]`; and the function that gives its value.

A marker is data and nothing else; `signatures.py` reads it. `alias` is the name on the wire where it differs from
the parameter's own.
"""

from collections.abc import Callable, Sequence

import msgspec


class Marker(msgspec.Struct, frozen=True):
    """What every marker has: an optional `alias`, the name on the wire."""

    alias: str | None = None


class Path(Marker, frozen=True):
    """A path segment: the next one in order, or the one named in `@route("/{name}")`."""


class Query(Marker, frozen=True):
    """A name in the query string; a structured type is built from the query's names."""


class Form(Marker, frozen=True):
    """A field of an urlencoded or multipart form; a structured type is built from the form's fields."""


class Body(Marker, frozen=True):
    """A top-level key of a JSON body; a structured type is the whole JSON body, `bytes` the body as it came."""


class Header(Marker, frozen=True):
    """A request header: `x_request_id` is `X-Request-Id` unless aliased. A list gets every line of that name."""


class Cookie(Marker, frozen=True):
    """A cookie by name."""


class Session(Marker, frozen=True):
    """A key of the session, which no client can set; a structured type is the whole session."""


class File(Marker, frozen=True):
    """An uploaded file, with what it may be.

    `max_size` is in bytes; a larger file makes reading it raise `UploadError` (413). `content_types` are media types
    such as `"image/png"` or `"image/*"`; another one is refused with 415 before the handler runs.
    """

    max_size: int | None = None
    content_types: Sequence[str] = ()


class Depends(msgspec.Struct, frozen=True):
    """The result of a function that is called before the handler: `Annotated[User, Depends(current_user)]`.

    `function` is anything that can be called. Its own parameters are bound as a handler's are, and it is called once in
    a request, whoever depends on it. A generator function yields the value, and goes on once the response was sent.
    """

    function: Callable[..., object]

    def __repr__(self) -> str:
        function = self.function
        return f"Depends({getattr(function, '__qualname__', None) or repr(function)})"
