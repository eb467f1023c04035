"""What a handler takes, as data: binding, documentation, typed clients and checks all read these same `Parameter`s.

How one is read from a signature is `signatures.py`'s.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final

import msgspec

from ..conversion.converter import Converter, Shape, get_converter
from ..conversion.from_fields import FormReaders
from ..errors import Source
from ..params import Body, Marker, Session
from ..sentinels import UNSET
from .return_annotation import ReturnAnnotation

ANYTHING: Final = get_converter(Any)
"""The converter of a parameter that takes whatever comes."""

FROM_BODY: Final[frozenset[Source]] = frozenset(("form", "body", "file"))
"""The sources that are parts of a body."""


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
    LINES = auto()
    """The items of a JSON Lines body as they come; the converter is that of one item."""
    FORM = auto()
    """A FormResult; the default is the one of a form that was not submitted, the converter that of its value."""
    REQUEST = auto()
    WEBSOCKET = auto()
    DEPENDENCY = auto()
    """What a function returned that was called before."""


TAKES_BODY: Final = frozenset((Role.RAW, Role.STREAM, Role.LINES))
"""The roles that leave nothing of the body for others."""


class Kind(Enum):
    """How a parameter is passed."""

    POSITIONAL = auto()
    KEYWORD = auto()
    VAR_POSITIONAL = auto()
    VAR_KEYWORD = auto()


class Parameter(msgspec.Struct, frozen=True, eq=False):
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
    converter: Converter = ANYTHING
    """How it is read, where it is a value."""
    marker: Marker | None = None
    whole: bool = False
    """Whether it is built from all of its source, not from one name in it."""
    excluded: frozenset[str] = frozenset()
    """For `**kwargs`: the names that are not for it."""
    dependency: "Dependency | None" = None
    """The function whose result it is given, where its role is that."""

    @property
    def required(self) -> bool:
        """Whether a request without it is refused."""
        return self.default is UNSET and self.kind in (Kind.POSITIONAL, Kind.KEYWORD)


class Signature(msgspec.Struct, frozen=True, eq=False):
    """A handler's parameters, in its own order, and what its return annotation promises."""

    parameters: tuple[Parameter, ...]
    returns: ReturnAnnotation | None

    def dependencies(self) -> "list[Dependency]":
        """The functions that are called before the handler, each once, and after those that it depends on itself."""
        found: dict[Dependency, None] = {}
        for parameter in self.parameters:
            if parameter.dependency is not None:
                found.update(dict.fromkeys(parameter.dependency.signature.dependencies()))
                found[parameter.dependency] = None
        return list(found)

    def inputs(self) -> list[Parameter]:
        """Every parameter that the request, or the framework, gives: the handler's own, then its dependencies'.

        What asks what a request has to contain reads these; what asks how the handler is called reads `parameters`.
        What two functions read in one and the same way comes once; a name that they read as two types comes twice.
        """
        signatures = (self, *(dependency.signature for dependency in self.dependencies()))
        found: dict[object, Parameter] = {}
        for parameter in (one for signature in signatures for one in signature.parameters):
            if parameter.role is not Role.DEPENDENCY:
                found.setdefault(_reading(parameter), parameter)
        return list(found.values())

    @property
    def path_values(self) -> float:
        """How many path values the handler can take: infinite with `*args`."""
        if any(parameter.kind is Kind.VAR_POSITIONAL for parameter in self.parameters):
            return float("inf")
        return len({parameter.index for parameter in self.inputs()} - {None})


class Dependency(msgspec.Struct, frozen=True, eq=False):
    """A function whose result a parameter is given. One route has one of these for each function."""

    function: Callable[..., Any]
    name: str = ""
    """`module.function`."""
    signature: Signature = Signature((), None)
    """Its own parameters; none until they have been read (`depending.py`)."""
    written: Callable[..., Any] | None = None
    """What stands in `Depends`, where that is something else: a method as its class has it, what was overridden."""


def is_kept_in_session(parameter: Parameter) -> bool:
    """Whether it is part of a session that the handler may change: what it changes in it is saved."""
    may_change = parameter.converter.shape in (Shape.MANY, Shape.STRUCTURED)
    return isinstance(parameter.marker, Session) and may_change


def _reading(parameter: Parameter) -> tuple[object, ...]:
    """What tells one way of reading something from another."""
    one = parameter
    return one.alias, one.sources, one.index, one.role, one.kind, one.converter, one.required, one.whole


def derive_header_name(name: str) -> str:
    """The header that a parameter or a field called `name` reads: `x_request_id` is `X-Request-Id`."""
    return "-".join(part.capitalize() for part in name.split("_"))


def is_pinned(parameter: Parameter) -> bool:
    """Whether the parameter has one source only."""
    return len(parameter.sources) == 1


def get_form_readers(parameter: Parameter) -> FormReaders | None:
    """How names and texts become a parameter that takes all of its source; None where they cannot."""
    return parameter.converter.form if parameter.whole and not isinstance(parameter.marker, Body) else None
