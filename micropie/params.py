"""The markers that pin a parameter to one source: `Annotated[int, Query()]`.

A marker is data and nothing else; `signatures.py` reads it. `alias` is the name on the wire where it differs from
the parameter's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Marker:
    """What every marker has: an optional `alias`, the name on the wire."""

    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Path(Marker):
    """A path segment: the next one in order, or the one named in `@route("/{name}")`."""


@dataclass(frozen=True, slots=True)
class Query(Marker):
    """A name in the query string; a structured type is built from the query's names."""


@dataclass(frozen=True, slots=True)
class Form(Marker):
    """A field of an urlencoded or multipart form; a structured type is built from the form's fields."""


@dataclass(frozen=True, slots=True)
class Body(Marker):
    """A top-level key of a JSON body; a structured type is the whole JSON body, `bytes` the body as it came."""


@dataclass(frozen=True, slots=True)
class Header(Marker):
    """A request header: `x_request_id` is `X-Request-Id` unless aliased. A list gets every line of that name."""


@dataclass(frozen=True, slots=True)
class Cookie(Marker):
    """A cookie by name."""


@dataclass(frozen=True, slots=True)
class Session(Marker):
    """A key of the session, which no client can set; a structured type is the whole session."""


@dataclass(frozen=True, slots=True)
class File(Marker):
    """An uploaded file, with what it may be.

    `max_size` is in bytes; a larger file makes reading it raise `UploadError` (413). `content_types` are media types
    such as `"image/png"` or `"image/*"`; another one is refused with 415 before the handler runs.
    """

    max_size: int | None = None
    content_types: Sequence[str] = ()
