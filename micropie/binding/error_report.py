"""Everything that is wrong with a request that could not be bound: the slow, ordinary, readable side of binding.

It looks where the compiled binder looked, by the same `Parameter`s, and never stops at the first error. It runs only
for requests that will be refused.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NoReturn

from msgspec.structs import replace

from .._utils.lazy_imports import logging
from ..conversion.converter import Converter, Shape
from ..conversion.exceptions import CONVERSION_ERRORS
from ..conversion.json_pointer import escape_token
from ..errors import BadRequest, HTTPError, Invalid, Source, missing_parameter_detail
from ..media_types import Media
from ..requests.request import Request
from ..sentinels import EMPTY, UNSET
from .readers import LOOKUPS, make_bytes_checker, make_form_result_reader, make_names_reader
from .signature import Kind, Parameter, Role, derive_header_name, get_form_readers

_FORMS: Final = (Media.FORM, Media.MULTIPART)
_NOT_READ_YET: Final = (Role.REQUEST, Role.WEBSOCKET, Role.STREAM, Role.LINES)
"""The roles of parameters of which nothing is read before the handler runs."""


def refuse_media_type(parameter: Parameter) -> NoReturn:
    """Raises the answer to a body of a kind that `parameter` cannot be read from: 415 (RFC 9110 §15.5.16)."""
    accepted = ["application/json"] if "body" in parameter.sources else []
    if get_form_readers(parameter) is not None:
        accepted += ["application/x-www-form-urlencoded", "multipart/form-data"]
    raise HTTPError(415, "The request body must be " + " or ".join(accepted))


def report_errors(parameters: Sequence[Parameter], request: Request, segments: Sequence[str]) -> HTTPError:
    """Everything that is wrong with a request that could not be bound. Raises HTTPError 415 for a wrong media type."""
    errors: dict[Invalid, None] = {}
    for source in dict.fromkeys([one for parameter in parameters if not parameter.whole for one in parameter.sources]):
        errors.update(_found(_open, source, request))
    for parameter in parameters:
        errors.update(_found(_explain, parameter, request, segments))
    return BadRequest(list(errors) or [Invalid("The request does not fit")])


def _found(look: Callable[..., Sequence[Invalid]], *given: object) -> dict[Invalid, None]:
    """What `look` finds, or that the whole source is unreadable; each thing once."""
    try:
        return dict.fromkeys(look(*given))
    except BadRequest as bad:
        return dict.fromkeys(bad.errors)


def _open(source: Source, request: Request) -> Sequence[Invalid]:
    """Look at all of `source`, as the binder does before it looks for a name. Raises BadRequest."""
    if source in _OPEN:
        _OPEN[source](request)
    return ()


_OPEN: Final[Mapping[Source, Callable[[Request], object]]] = {
    "query": lambda request: request.query_params,
    "form": lambda request: request.form_params,
    "body": lambda request: request.json_params,
}


def _explain(parameter: Parameter, request: Request, segments: Sequence[str]) -> Sequence[Invalid]:
    if parameter.role in _NOT_READ_YET:
        return ()
    if parameter.role is Role.FORM:
        make_form_result_reader(parameter)(request)  # what is wrong with its fields is told to the handler
        return ()
    if parameter.role is Role.RAW:
        return _raw_errors(parameter, request)
    if parameter.kind is Kind.VAR_POSITIONAL:
        rest = segments[parameter.index :]
        return [error for text in rest for error in _text_errors(parameter, "path", [text], parameter.name)]
    if parameter.kind is Kind.VAR_KEYWORD:
        return _rest_errors(parameter, request)
    if parameter.whole:
        return _explain_whole(parameter, request)
    for source in parameter.sources:
        try:
            found = LOOKUPS[source](parameter, request, segments)
        except ValueError:
            return [Invalid("Expected UTF-8 text", source, parameter.alias)]
        if found is not UNSET:
            return _ERRORS.get(source, _text_errors)(parameter, source, found, parameter.alias)
    return [_missing(parameter, request)] if parameter.required else ()


def _text_errors(parameter: Parameter, source: Source, found: Any, name: str) -> Sequence[Invalid]:
    reads = parameter.converter
    try:
        if reads.shape is Shape.MANY and reads.from_texts is not None:
            reads.from_texts(found)
        elif reads.from_text is not None:
            reads.from_text(found[0])
    except CONVERSION_ERRORS:
        return [Invalid(_expected_text(reads), source, name)]
    return ()


@lru_cache(maxsize=1024)
def _expected_text(reads: Converter) -> str:
    return f"Expected {reads.expected_text}"


def _json_errors(parameter: Parameter, _: Source, found: Any, name: str) -> Sequence[Invalid]:
    try:
        parameter.converter.from_json(found)
    except CONVERSION_ERRORS:
        return parameter.converter.json_errors(found, f"/{escape_token(name)}")
    return ()


def _session_errors(parameter: Parameter, source: Source, found: Any, name: str) -> Sequence[Invalid]:
    try:
        parameter.converter.from_value(found)
    except CONVERSION_ERRORS:
        logging.getLogger("micropie").warning("What the session holds does not fit the parameter %r", parameter.name)
        return list(_stored_errors(parameter.converter, source, found, name))
    return ()


def _stored_errors(reads: Converter, source: Source, found: object, name: str) -> Iterator[Invalid]:
    """What is wrong with a stored value, and with which of its fields."""
    for error in reads.value_errors(found):
        place = f" at '{error.pointer}'" if error.pointer else ""
        yield Invalid(f"{error.detail}{place}: what the session holds does not fit", source, name)


_ERRORS: Final[Mapping[Source, Callable[[Parameter, Source, Any, str], Sequence[Invalid]]]] = {
    "body": _json_errors,
    "file": lambda *_: (),
    "session": _session_errors,
}


def _raw_errors(parameter: Parameter, request: Request) -> Sequence[Invalid]:
    check = make_bytes_checker(parameter)
    if check is None or not (request.body or parameter.required):
        return ()
    try:
        check(request.body)
    except CONVERSION_ERRORS:
        return [Invalid(_expected_text(parameter.converter), "body", parameter.name)]
    return ()


def _rest_errors(parameter: Parameter, request: Request) -> Sequence[Invalid]:
    errors: list[Invalid] = []
    seen = set(parameter.excluded)
    for source in parameter.sources:
        found = request.query_params if source == "query" else request.form_params
        for name, texts in found.items():
            if name not in seen:
                seen.add(name)
                errors += _text_errors(parameter, source, texts, name)
    return errors


def _explain_whole(parameter: Parameter, request: Request) -> Sequence[Invalid]:
    source, reads, form = parameter.sources[0], parameter.converter, get_form_readers(parameter)
    if source == "session":
        stored = dict(request.session_params)
        if not stored and not parameter.required:
            return ()
        return _session_errors(parameter, source, stored, parameter.alias)
    if form is not None and source in ("query", "header", "cookie"):
        try:
            names = make_names_reader(source, parameter)(request)
        except ValueError:
            return [Invalid("Expected UTF-8 text", source, parameter.alias)]
        if not names and not parameter.required:
            return ()
        return [_at_source(error, source, parameter.alias) for error in form.explain(names, EMPTY)]
    if request.media is Media.JSON and source == "body":
        try:
            reads.from_json(request.body)
        except CONVERSION_ERRORS:
            return reads.json_errors(request.body, "")
        return ()
    if form is not None and request.media in _FORMS:
        found = form.explain(request.form_params, request.file_params)
        return [_at_source(error, "form", parameter.alias) for error in found]
    if request.media is Media.NONE:
        return [Invalid("Missing request body", pointer="")] if parameter.required else ()
    refuse_media_type(parameter)


def _at_source(error: Invalid, source: Source, whole: str) -> Invalid:
    """`error` of a form reader, said of the source that it read; without a name of its own it is of the `whole`."""
    name = error.parameter
    if name is None:
        return replace(error, source=source, parameter=whole)
    wire = derive_header_name(name) if source == "header" else name
    return Invalid(
        missing_parameter_detail(wire) if error.detail == missing_parameter_detail(name) else error.detail, source, wire
    )


def _missing(parameter: Parameter, request: Request) -> Invalid:
    """Where the value of a parameter that came from nowhere should have been."""
    detail = missing_parameter_detail(parameter.alias)
    source, *others = parameter.sources
    if source == "body":
        if request.media not in (Media.JSON, Media.NONE):
            refuse_media_type(parameter)
        return Invalid(detail, pointer=f"/{escape_token(parameter.alias)}")
    if not others:
        return Invalid(detail, source, parameter.alias)
    if request.media is Media.JSON:
        return Invalid(detail, pointer=f"/{escape_token(parameter.alias)}")
    return Invalid(detail, "form" if request.media in _FORMS else "query", parameter.alias)
