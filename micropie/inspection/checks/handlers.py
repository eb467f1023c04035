"""This module checks signatures: is a method meant to be a URL, and are its parameters and its result annotated?"""

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
from .source import FunctionSource, SourceReader

HELPER: Final = re.compile(
    r"_*(?:get|set|load|save|fetch|make|build|create|parse|format|compute|calculate|validate|check|is|has|to|from|as"
    r"|init|setup|configure|helper|util)_\w+|\w+_(?:helper|util)|helper|log|setup"
)
"""Names that are typical of functions that other functions call."""

SIGNS: Final = 2
"""The number of signs that make a method look like a helper: handlers may show a single one, too."""

SENDABLE: Final = (
    str, int, float, bytes, bytearray, memoryview, Path, Enum, Mapping, AsyncIterable, Iterable, Awaitable
)  # fmt: skip
"""The types that can be sent, besides those that msgspec encodes (SPEC 4)."""

BARE: Final = (dict, list, tuple, set, frozenset)
"""The containers that say nothing about their items if they stand alone."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A handler that is checked, or a function that it depends on."""

    entry: Entry
    route: Route
    where: str
    """`Class.method`, or `module.function`."""
    function: Callable[..., Any]
    signature: Signature
    source: FunctionSource | None
    called: frozenset[str] = frozenset()
    """The methods that the code of its class calls on `self`."""

    @property
    def is_handler(self) -> bool:
        """True for a handler, False for a dependency."""
        return self.signature is self.route.signature

    def make_finding(
        self, code: str, what: str, remedy: str, *, parameter: Parameter | None = None, line: int | None = None
    ) -> Finding:
        """Return a finding about the function, placed at its `def`, at one of its parameters, or at `line`."""
        file, place = locate_function(self.function)
        if self.source is not None:
            place = line or (self.source.line if parameter is None else self.source.find_parameter(parameter.name))
        type_text = format_parameter_type(parameter) if parameter is not None else ""
        suffix = f" ({parameter.name}{': ' if type_text else ''}{type_text})" if parameter is not None else ""
        return Finding(code, self.where + suffix, what, remedy, file, place)


def list_subjects(entries: Iterable[Entry], reader: SourceReader) -> list[Subject]:
    """Return the user's handlers among `entries`, each followed by the functions that it depends on."""
    calls: dict[type, frozenset[str]] = {}
    subjects = []
    for entry in entries:
        route = entry.endpoint
        if isinstance(route, Route) and not _is_ours(route):
            owner = type(entry.owner)
            if owner not in calls:
                sources = list_methods(owner, reader)
                calls[owner] = frozenset(name for source in sources for name in source.list_own_calls())
            where, signature, handler = f"{owner.__qualname__}.{route.attribute}", route.signature, route.handler
            source = reader.find_source(handler)
            subjects.append(Subject(entry, route, where, handler, signature, source, calls[owner]))
            for dependency in signature.dependencies():
                function = dependency.function
                source = reader.find_source(function)
                subjects.append(Subject(entry, route, dependency.name, function, dependency.signature, source))
    return subjects


def _is_ours(route: Route) -> bool:
    """Return True for a route of the framework, such as the page that documents the app."""
    return str(getattr(route.handler, "__module__", "")).startswith("micropie.")


def list_methods(owner: type, reader: SourceReader) -> Iterator[FunctionSource]:
    """Yield the sources of the methods of a user's class and of its base classes, private ones included."""
    for cls in owner.__mro__:
        if not cls.__module__.startswith("micropie."):
            for value in vars(cls).values():
                inner = value.fget if isinstance(value, property) else value
                source = reader.find_source(inner)
                if source is not None:
                    yield source


def check_handler(subject: Subject) -> Iterator[Finding]:
    """Yield what the signature of a handler, or of a dependency, does wrong."""
    if not subject.is_handler:
        yield from _check_parameters(subject)
    else:
        yield from list(_check_helper(subject)) or (*_check_parameters(subject), *_check_return(subject))
    for parameter in subject.signature.parameters:
        yield from _check_default(subject, parameter)


# accidental-url


def _check_helper(subject: Subject) -> Iterator[Finding]:
    if subject.entry.protocol == "websocket" or _is_declared(subject):
        return
    unsendable = _find_unsendable(subject.route)
    signs = [sign for sign, holds in _SIGNS.items() if holds(subject)]
    if unsendable:
        reason = f"returns {unsendable}, which cannot be sent as a response"
    elif len(signs) >= SIGNS:
        reason = f"looks like a helper: {', '.join(signs)}"
    else:
        return
    name = subject.route.attribute
    remedy = f"Rename it to '_{name}' if it should have no URL, or annotate its parameters and its result"
    yield subject.make_finding("accidental-url", f"answers {subject.entry.url}, but {reason}", remedy)


def _is_declared(subject: Subject) -> bool:
    """Return True if the URL is intended: with `@route`, for a verb method, and for `index`."""
    route = subject.route
    has_options = read_options(route.handler) is not None
    return has_options or route.attribute == "index" or route in subject.entry.trail[-1].http.verbs.values()


def _is_unannotated(subject: Subject) -> bool:
    signature = inspect.signature(subject.route.handler)
    annotated = [parameter.annotation is not inspect.Parameter.empty for parameter in signature.parameters.values()]
    return not any(annotated) and signature.return_annotation is inspect.Signature.empty


def _is_static(subject: Subject) -> bool:
    attribute = inspect.getattr_static(subject.entry.owner, subject.route.attribute, None)
    return isinstance(attribute, staticmethod | classmethod)


_SIGNS: Final[dict[str, Callable[[Subject], bool]]] = {
    "it has a helper's name": lambda subject: HELPER.fullmatch(subject.route.attribute) is not None,
    "it has no annotations": _is_unannotated,
    "it is a static or class method": _is_static,
    "its own class calls it": lambda subject: subject.route.attribute in subject.called,
}


def _find_unsendable(route: Route) -> str:
    """Return the return type that cannot be sent as a response; empty if all can be sent."""
    returns = route.signature.returns
    promised = (*returns.statuses.values(), *returns.any_status) if returns is not None else ()
    return next((format_type(annotation) for annotation in promised if not _is_sendable(annotation)), "")


def _is_sendable(annotation: Any) -> bool:
    plain, _ = unwrap_annotated(annotation)
    cls = get_origin(plain) or plain
    if cls is Callable:
        return False
    # A protocol or an abstract class does not say which class the result will have.
    if not isinstance(cls, type) or issubclass(cls, SENDABLE) or inspect.isabstract(cls) or _is_protocol(cls):
        return True
    try:
        return not isinstance(describe_annotation(plain), mi.CustomType)
    except UnsupportedTypeError:
        return not _is_custom(plain)


def _is_protocol(cls: type) -> bool:
    return bool(getattr(cls, "_is_protocol", False))


def _is_custom(plain: Any) -> bool:
    """Return True if msgspec does not support the type itself, and not only a part of it."""
    try:
        return isinstance(mi.type_info(plain), mi.CustomType)
    except (TypeError, NameError, AttributeError):
        return False


# untyped-parameter, untyped-return


def _check_parameters(subject: Subject) -> Iterator[Finding]:
    for parameter in subject.signature.parameters:
        if parameter.role is Role.VALUE and parameter.converter.shape is Shape.ANY and parameter.sources:
            is_missing = parameter.annotation is inspect.Parameter.empty
            fault = "has no annotation" if is_missing else "has a type that allows anything"
            what = f"{fault}, so it may become text, JSON or a file"
            yield subject.make_finding(
                "untyped-parameter", what, "Annotate it with a type: str, int …", parameter=parameter
            )


def _check_return(subject: Subject) -> Iterator[Finding]:
    if subject.entry.protocol == "websocket":
        return
    returns = subject.route.signature.returns
    if returns is not None:
        promised = (*returns.statuses.values(), *returns.any_status)
        bare = [annotation for annotation in promised if unwrap_annotated(annotation)[0] in BARE]
        if bare:
            name = format_type(bare[0])
            what, remedy = f"returns a {name} of anything", f"Annotate its items, {name}[…], or use a class with fields"
            yield subject.make_finding("untyped-return", what, remedy)
        return
    annotation = inspect.signature(subject.route.handler).return_annotation
    if annotation is inspect.Signature.empty:
        what = "has no return annotation"
    else:
        type_text = annotation if isinstance(annotation, str) else format_type(annotation)
        what = f"returns {type_text}, which promises nothing"
    remedy = "Annotate the result: -> str, -> Todo, -> tuple[Literal[201], Todo]"
    yield subject.make_finding("untyped-return", what, remedy)


# default-type


def _check_default(subject: Subject, parameter: Parameter) -> Iterator[Finding]:
    default = parameter.default
    if default is UNSET or parameter.kind not in (Kind.POSITIONAL, Kind.KEYWORD) or _is_valid(parameter, default):
        return
    what = f"the default {default!r} is not of type {format_parameter_type(parameter)}"
    optional = f"{format_type(parameter.annotation)} | None" if default is None else ""
    remedy = f"Annotate it with {optional}" if optional else "Use a default of that type, within its limits"
    yield subject.make_finding("default-type", what, remedy, parameter=parameter)


def _is_valid(parameter: Parameter, default: object) -> bool:
    """Return True if `default` is a value that the annotation promises to the handler."""
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
    # A default is passed on unconverted, so conversion must not change it. An int counts as a float (PEP 484).
    is_same_type = type(read) is type(default) or isinstance(default, int)
    return is_same_type and (read == default or repr(read) == repr(default))
