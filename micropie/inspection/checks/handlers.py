"""What one handler's signature says of it: is it meant to be a URL, and does it say what it takes and returns."""

import inspect
import re
from collections.abc import (
    AsyncIterable,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
)
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final, get_origin

from msgspec import inspect as mi

from ..._utils.callables import locate_function
from ...binding.signature import Kind, Parameter, Role, Signature
from ...conversion.converter import Shape
from ...conversion.exceptions import CONVERSION_ERRORS
from ...conversion.unwrap_annotated import UnsupportedTypeError, describe_annotation, unwrap_annotated
from ...routing.decorator import read_options
from ...routing.route import Route
from ...sentinels import UNSET
from ..type_text import format_parameter_type, format_type
from ..url_list import Entry
from .findings import Finding
from .source import Reader, Written

HELPER: Final = re.compile(
    r"_*(?:get|set|load|save|fetch|make|build|create|parse|format|compute|calculate|validate|check|is|has|to|from|as"
    r"|init|setup|configure|helper|util)_\w+|\w+_(?:helper|util)|helper|log|setup"
)
"""Names that functions have which others call."""

SIGNS: Final = 2
"""How many signs of a helper it takes to say so: each by itself is found in handlers too."""

SENDABLE: Final = (
    str, int, float, bytes, bytearray, memoryview, Path, Enum, Mapping, AsyncIterable, Iterable, Awaitable
)  # fmt: skip
"""What can be sent beside what msgspec knows (SPEC 4)."""

BARE: Final = (dict, list, tuple, set, frozenset)


@dataclass(frozen=True, slots=True)
class Subject:
    """One handler that is looked at, or a function that it depends on."""

    entry: Entry
    route: Route
    where: str
    """`Class.method`, or `module.function`."""
    function: Callable[..., Any]
    signature: Signature
    written: Written | None
    called: frozenset[str] = frozenset()
    """The methods that its class's own code calls on `self`."""

    @property
    def is_handler(self) -> bool:
        """Whether it is the handler itself."""
        return self.signature is self.route.signature

    def finding(
        self, code: str, what: str, remedy: str, *, parameter: Parameter | None = None, line: int | None = None
    ) -> Finding:
        """What is wrong with it, at its `def`, at one parameter of it, or at `line`."""
        file, at = locate_function(self.function)
        if self.written is not None:
            at = line or (self.written.line if parameter is None else self.written.line_of(parameter.name))
        shown = format_parameter_type(parameter) if parameter is not None else ""
        named = f" ({parameter.name}{': ' if shown else ''}{shown})" if parameter is not None else ""
        return Finding(code, self.where + named, what, remedy, file, at)


def list_subjects(entries: Iterable[Entry], reader: Reader) -> list[Subject]:
    """The user's handlers among `entries`, each followed by the functions that it depends on."""
    calls: dict[type, frozenset[str]] = {}
    found = []
    for entry in entries:
        route = entry.endpoint
        if isinstance(route, Route) and not _is_ours(route):
            owner = type(entry.owner)
            if owner not in calls:
                calls[owner] = frozenset(name for one in list_own_functions(owner, reader) for name in one.own_calls())
            where, signature, handler = f"{owner.__qualname__}.{route.attribute}", route.signature, route.handler
            found.append(Subject(entry, route, where, handler, signature, reader.written(handler), calls[owner]))
            for one in signature.dependencies():
                function = one.function
                found.append(Subject(entry, route, one.name, function, one.signature, reader.written(function)))
    return found


def _is_ours(route: Route) -> bool:
    """Whether it is the framework's own, such as the page that documents the app."""
    return str(getattr(route.handler, "__module__", "")).startswith("micropie.")


def list_own_functions(owner: type, reader: Reader) -> Iterator[Written]:
    """The methods of a user's class and of those above it, public or not."""
    for cls in owner.__mro__:
        if not cls.__module__.startswith("micropie."):
            for value in vars(cls).values():
                inner = value.fget if isinstance(value, property) else value
                found = reader.written(inner)
                if found is not None:
                    yield found


def check_handler(subject: Subject) -> Iterator[Finding]:
    """What the signature of one handler, or of what it depends on, gives reason to say."""
    if not subject.is_handler:
        yield from _untyped_parameters(subject)
    else:
        yield from list(_accidental(subject)) or (*_untyped_parameters(subject), *_untyped_return(subject))
    for parameter in subject.signature.parameters:
        yield from _ill_typed_default(subject, parameter)


# accidental-url


def _accidental(subject: Subject) -> Iterator[Finding]:
    if subject.entry.protocol == "websocket" or _is_declared(subject):
        return
    unsendable = _unsendable(subject.route)
    signs = [sign for sign, holds in _SIGNS.items() if holds(subject)]
    if unsendable:
        reason = f"returns {unsendable}, which no response can be"
    elif len(signs) >= SIGNS:
        reason = f"looks like a helper: {', '.join(signs)}"
    else:
        return
    name = subject.route.attribute
    remedy = f"Call it '_{name}' if it should have no URL, or annotate what it takes and returns"
    yield subject.finding("accidental-url", f"answers {subject.entry.url}, but {reason}", remedy)


def _is_declared(subject: Subject) -> bool:
    """Whether the URL is no accident: `@route`, a verb, `index`."""
    declared = read_options(subject.route.handler) is not None
    return (
        declared or subject.route.attribute == "index" or subject.route in subject.entry.trail[-1].http.verbs.values()
    )


def _is_unannotated(subject: Subject) -> bool:
    written = inspect.signature(subject.route.handler)
    annotated = [one.annotation is not inspect.Parameter.empty for one in written.parameters.values()]
    return not any(annotated) and written.return_annotation is inspect.Signature.empty


def _is_static(subject: Subject) -> bool:
    found = inspect.getattr_static(subject.entry.owner, subject.route.attribute, None)
    return isinstance(found, staticmethod | classmethod)


_SIGNS: Final[dict[str, Callable[[Subject], bool]]] = {
    "its name is a helper's": lambda subject: HELPER.fullmatch(subject.route.attribute) is not None,
    "nothing is annotated": _is_unannotated,
    "it is a static or a class method": _is_static,
    "its own class calls it": lambda subject: subject.route.attribute in subject.called,
}


def _unsendable(route: Route) -> str:
    """The return type that can never be a response; empty where there is none."""
    returns = route.signature.returns
    promised = (*returns.statuses.values(), *returns.any_status) if returns is not None else ()
    return next((format_type(one) for one in promised if not _is_sendable(one)), "")


def _is_sendable(annotation: Any) -> bool:
    plain, _ = unwrap_annotated(annotation)
    cls = get_origin(plain) or plain
    if cls is Callable:
        return False
    # A protocol or an abstract class says nothing of what will come.
    if not isinstance(cls, type) or issubclass(cls, SENDABLE) or inspect.isabstract(cls) or _is_protocol(cls):
        return True
    try:
        return not isinstance(describe_annotation(plain), mi.CustomType)
    except UnsupportedTypeError:
        return not _is_custom(plain)


def _is_protocol(cls: type) -> bool:
    return bool(getattr(cls, "_is_protocol", False))


def _is_custom(plain: Any) -> bool:
    """Whether msgspec knows nothing of it, and not only of a part of it."""
    try:
        return isinstance(mi.type_info(plain), mi.CustomType)
    except (TypeError, NameError, AttributeError):
        return False


# untyped-parameter, untyped-return


def _untyped_parameters(subject: Subject) -> Iterator[Finding]:
    for parameter in subject.signature.parameters:
        if parameter.role is Role.VALUE and parameter.converter.shape is Shape.ANY and parameter.sources:
            says = "has no annotation" if parameter.annotation is inspect.Parameter.empty else "may be anything"
            what = f"{says}, so it is text, JSON or a file, whichever comes"
            yield subject.finding("untyped-parameter", what, "Annotate it with a type: str, int …", parameter=parameter)


def _untyped_return(subject: Subject) -> Iterator[Finding]:
    if subject.entry.protocol == "websocket":
        return
    returns = subject.route.signature.returns
    if returns is not None:
        bare = [one for one in (*returns.statuses.values(), *returns.any_status) if unwrap_annotated(one)[0] in BARE]
        if bare:
            name = format_type(bare[0])
            what, remedy = f"returns a {name} of anything", f"Say of what: {name}[…], or a class with fields"
            yield subject.finding("untyped-return", what, remedy)
        return
    written = inspect.signature(subject.route.handler).return_annotation
    if written is inspect.Signature.empty:
        what = "has no return annotation"
    else:
        shown = written if isinstance(written, str) else format_type(written)
        what = f"returns {shown}, which promises nothing"
    remedy = "Annotate what it returns: -> str, -> Todo, -> tuple[Literal[201], Todo]"
    yield subject.finding("untyped-return", what, remedy)


# default-type


def _ill_typed_default(subject: Subject, parameter: Parameter) -> Iterator[Finding]:
    default = parameter.default
    if default is UNSET or parameter.kind not in (Kind.POSITIONAL, Kind.KEYWORD) or _fits(parameter, default):
        return
    what = f"the default {default!r} is no {format_parameter_type(parameter)}"
    optional = f"{format_type(parameter.annotation)} | None" if default is None else ""
    remedy = f"Write {optional}" if optional else "Write the default as a value of that type, within its limits"
    yield subject.finding("default-type", what, remedy, parameter=parameter)


def _fits(parameter: Parameter, default: object) -> bool:
    """Whether `default` is what a handler expects who reads the annotation."""
    plain, metadata = unwrap_annotated(parameter.annotation)
    if parameter.role in (Role.FILE, Role.FILES):
        return default is not None or type(None) in getattr(plain, "__args__", ())
    if parameter.role is not Role.VALUE or parameter.converter.shape is Shape.ANY:
        return True
    if isinstance(plain, type) and isinstance(default, plain) and not metadata:
        return True
    try:
        read = parameter.converter.from_value(default)
    except CONVERSION_ERRORS:
        return False
    # What had to be converted fits a request, not a default, which is passed on as it is. An int is a float (PEP 484).
    return (type(read) is type(default) or isinstance(default, int)) and (
        read == default or repr(read) == repr(default)
    )
