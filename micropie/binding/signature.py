"""This module describes what a handler takes, as data: binding, documentation, clients and checks read it.

`signature_reader` reads the description from a function; nothing here looks at one.
"""

from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import Any, Final

import msgspec
from msgspec import inspect as mi

from ..conversion.converter import Converter, Shape, get_converter
from ..conversion.from_fields import FormReaders
from ..conversion.type_info import remove_none
from ..errors import Source
from ..params import Body, Form, Marker, Session
from ..sentinels import UNSET
from .return_annotation import ReturnAnnotation

ANYTHING: Final = get_converter(Any)
"""The converter of a parameter that takes any value as it comes."""

FROM_BODY: Final[frozenset[Source]] = frozenset(("form", "body", "file"))
"""The sources that are parts of a body."""


class SignatureError(Exception):
    """An error that says why a signature cannot work, and how to fix it. It becomes a SetupProblem."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


class Role(Enum):
    """A role that says which kind of value a parameter gets."""

    VALUE = auto()
    """A converted value."""
    FILE = auto()
    FILES = auto()
    RAW = auto()
    """The bytes of the whole body."""
    STREAM = auto()
    """The body's bytes while they arrive."""
    LINES = auto()
    """The items of a JSON Lines body while they arrive; the converter is that of one item."""
    FORM = auto()
    """A FormResult; the default is the one of a form that was not submitted, the converter that of its value."""
    REQUEST = auto()
    WEBSOCKET = auto()
    DEPENDENCY = auto()
    """The result of a function that is called before the handler."""


TAKES_BODY: Final = frozenset((Role.RAW, Role.STREAM, Role.LINES))
"""The roles that leave nothing of the body to other parameters."""


class Kind(Enum):
    """A kind that says how a parameter is passed to the handler."""

    POSITIONAL = auto()
    KEYWORD = auto()
    VAR_POSITIONAL = auto()
    VAR_KEYWORD = auto()


SINGLE: Final = (Kind.POSITIONAL, Kind.KEYWORD)
"""The kinds of parameters that take one value: not `*args`, not `**kwargs`."""


class Parameter(msgspec.Struct, frozen=True, eq=False):
    """A parameter of a handler or of a dependency."""

    name: str
    alias: str
    """Its name on the wire."""
    annotation: Any
    """Its resolved type without markers; `inspect.Parameter.empty` if it has no annotation."""
    kind: Kind
    role: Role
    sources: tuple[Source, ...]
    """Where its value is looked for, in order. Empty if the framework provides the value."""
    index: int | None = None
    """The index of the path value that it takes, of `*args` the first; None if it takes none."""
    default: object = UNSET
    converter: Converter = ANYTHING
    """The converter that reads a value."""
    marker: Marker | None = None
    whole: bool = False
    """True if it is built from all of its source, not from one name there."""
    excluded: frozenset[str] = frozenset()
    """For `**kwargs`: the names that it does not take."""
    dependency: "Dependency | None" = None
    """For the role DEPENDENCY: the function whose result it gets."""

    @property
    def required(self) -> bool:
        """Return True if a request without the value is refused."""
        return self.default is UNSET and self.kind in SINGLE


class Signature(msgspec.Struct, frozen=True, eq=False):
    """A handler's parameters, in their order, and its return annotation."""

    parameters: tuple[Parameter, ...]
    returns: ReturnAnnotation | None

    def dependencies(self) -> "list[Dependency]":
        """Return the functions that are called before the handler, each once, and after those that it depends on."""
        ordered: dict[Dependency, None] = {}
        for parameter in self.parameters:
            if parameter.dependency is not None:
                ordered.update(dict.fromkeys(parameter.dependency.signature.dependencies()))
                ordered[parameter.dependency] = None
        return list(ordered)

    def inputs(self) -> list[Parameter]:
        """Return every parameter that the request or the framework fills: the handler's, then its dependencies'.

        Use it to know what a request must contain, and `parameters` to know how the handler is called. Parameters that
        two functions read in the same way are returned once; a name that they read as two types is returned twice.
        """
        signatures = (self, *(dependency.signature for dependency in self.dependencies()))
        inputs: dict[object, Parameter] = {}
        for signature in signatures:
            for parameter in signature.parameters:
                if parameter.role is not Role.DEPENDENCY:
                    inputs.setdefault(_get_input_key(parameter), parameter)
        return list(inputs.values())

    @property
    def path_values(self) -> float:
        """The number of path values that the handler can take; infinite with `*args`."""
        if any(parameter.kind is Kind.VAR_POSITIONAL for parameter in self.parameters):
            return float("inf")
        return len({parameter.index for parameter in self.inputs()} - {None})


class Dependency(msgspec.Struct, frozen=True, eq=False):
    """A function whose result a parameter gets. A route has one Dependency for each function."""

    function: Callable[..., Any]
    name: str = ""
    """`module.function`."""
    signature: Signature = Signature((), None)
    """The function's signature; without parameters until `dependency_graph` has read it."""
    written: Callable[..., Any] | None = None
    """The callable written in `Depends`, if it is not `function`: a method of the class, or what was overridden."""


def is_body_taken_whole(parameters: Iterable[Parameter]) -> bool:
    """Return True if one of `parameters` reads the whole body, which then need not be an object with keys."""
    return any(parameter.whole and "body" in parameter.sources for parameter in parameters)


def is_form_expected(parameters: Iterable[Parameter]) -> bool:
    """Return True if one of `parameters`, a file or a field that is marked `Form()`, can only come in a form."""
    return any(
        parameter.role in (Role.FILE, Role.FILES) or isinstance(parameter.marker, Form) for parameter in parameters
    )


def accepts_plain_text(parameter: Parameter) -> bool:
    """Return True if `parameter` is a text that the whole body may be."""
    is_whole = parameter.whole and parameter.role is Role.VALUE and isinstance(parameter.marker, Body)
    return is_whole and isinstance(remove_none(parameter.converter.info), mi.StrType)


def is_kept_in_session(parameter: Parameter) -> bool:
    """Return True if the value is a mutable part of the session, whose changes are saved."""
    may_change = parameter.converter.shape in (Shape.MANY, Shape.STRUCTURED)
    return isinstance(parameter.marker, Session) and may_change


def _get_input_key(parameter: Parameter) -> tuple[object, ...]:
    """Return a key that is equal for parameters that read the same thing in the same way."""
    return (
        parameter.alias,
        parameter.sources,
        parameter.index,
        parameter.role,
        parameter.kind,
        parameter.converter,
        parameter.required,
        parameter.whole,
    )


def derive_header_name(name: str) -> str:
    """Return the header that a parameter or a field called `name` reads: `x_request_id` is `X-Request-Id`."""
    return "-".join(part.capitalize() for part in name.split("_"))


def is_pinned(parameter: Parameter) -> bool:
    """Return True if the parameter has exactly one source."""
    return len(parameter.sources) == 1


def get_form_readers(parameter: Parameter) -> FormReaders | None:
    """Return the readers of form fields for a parameter that takes all of its source; None if fields cannot fill it."""
    return parameter.converter.form if parameter.whole and not isinstance(parameter.marker, Body) else None
