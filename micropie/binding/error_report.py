"""This module lists every error of a request that could not be bound.

It looks where the compiled binder looked, by the same `Parameter`s, but does not stop at the first error. It runs only
for requests that are refused, so it is written to be read and not for speed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from msgspec.structs import replace

from .._utils.lazy_imports import logging
from ..conversion.converter import Converter, Shape
from ..conversion.exceptions import CONVERSION_ERRORS
from ..conversion.json_pointer import escape_token
from ..errors import BadRequest, HTTPError, Invalid, Source, describe_missing_parameter
from ..media_types import Media
from ..requests.request import Request
from ..sentinels import EMPTY, UNSET
from .readers import (
    FORMS,
    LOOKUPS,
    make_bytes_checker,
    make_form_result_reader,
    make_names_reader,
    make_plain_text_reader,
    make_presence_checker,
    refuse_media_type,
)
from .signature import (
    Kind,
    Parameter,
    Role,
    accepts_plain_text,
    derive_header_name,
    get_form_readers,
    is_body_taken_whole,
    is_form_expected,
)

_NOT_READ_YET: Final = (Role.REQUEST, Role.WEBSOCKET, Role.STREAM, Role.LINES)
"""The roles of parameters of which nothing is read before the handler runs."""


def report_errors(parameters: Sequence[Parameter], request: Request, segments: Sequence[str]) -> HTTPError:
    """Return BadRequest with all errors of a request that could not be bound. Raises HTTPError 415.

    Errors of a source as a whole come first, then those of the `parameters` in order, each error once.
    """
    errors: dict[Invalid, None] = {}
    by_name = [parameter for parameter in parameters if not parameter.whole]
    for source in dict.fromkeys(source for parameter in by_name for source in parameter.sources):
        errors.update(_collect(_find_source_errors, source, request))
    has_keys = True
    if any("body" in parameter.sources for parameter in by_name) and not is_body_taken_whole(parameters):
        refused = _collect(_require_object, request)
        errors.update(refused)
        has_keys = not refused
    for parameter in parameters:
        found = _collect(_find_errors, parameter, request, segments, is_form_expected(parameters))
        errors.update((error, None) for error in found if has_keys or not error.pointer)
    if any("body" in parameter.sources for parameter in parameters):
        errors.update(dict.fromkeys(_hint_at_media_type(request)))
    return BadRequest(list(errors) or [Invalid("The request is invalid")])


def _collect(find: Callable[..., Sequence[Invalid]], *args: object) -> dict[Invalid, None]:
    """Return the errors that `find` returns or raises, each once."""
    try:
        return dict.fromkeys(find(*args))
    except BadRequest as error:
        return dict.fromkeys(error.errors)


def _find_source_errors(source: Source, request: Request) -> Sequence[Invalid]:
    """Parse all of `source`, as the binder does before it looks up a name. Raises BadRequest if it is malformed."""
    if source in _PARSE:
        _PARSE[source](request)
    return ()


def _require_object(request: Request) -> Sequence[Invalid]:
    """Raise BadRequest for JSON that is not an object, which the binder refuses where only keys are read."""
    _ = request.json_params
    return ()


_PARSE: Final[Mapping[Source, Callable[[Request], object]]] = {
    "query": lambda request: request.query_params,
    "form": lambda request: request.form_params,
    "body": lambda request: request.json_keys,
}


def _hint_at_media_type(request: Request) -> Sequence[Invalid]:
    """Return the hint that a body which looks like JSON was not read as JSON, since its media type is another one.

    Such a body is what `curl -d` sends without `-H 'Content-Type: application/json'`.
    """
    if request.body.lstrip(b" \t\r\n")[:1] not in (b"{", b"["):
        return ()
    remedy = "to send JSON, set Content-Type: application/json"
    if request.media is Media.FORM:
        return [Invalid(f"The body was read as a form: {remedy}", "form")]
    if request.media is Media.OTHER and not request.content_type:
        return [Invalid(f"The body was not read, as it has no Content-Type: {remedy}", "body")]
    return ()


def _find_errors(
    parameter: Parameter, request: Request, segments: Sequence[str], is_form_expected: bool
) -> Sequence[Invalid]:
    """Return the errors of one parameter. Raises HTTPError."""
    if parameter.role in _NOT_READ_YET:
        return ()
    if parameter.role is Role.FORM:
        make_form_result_reader(parameter)(request)  # for the HTTPError; the handler gets the errors of its fields
        return ()
    if parameter.role is Role.RAW:
        return _find_raw_errors(parameter, request)
    if parameter.kind is Kind.VAR_POSITIONAL:
        rest = segments[parameter.index :]
        return [error for text in rest for error in _find_text_errors(parameter, "path", [text], parameter.name)]
    if parameter.kind is Kind.VAR_KEYWORD:
        return _find_rest_errors(parameter, request)
    if parameter.whole:
        return _find_whole_errors(parameter, request, is_form_expected)
    for source in parameter.sources:
        value = LOOKUPS[source](parameter, request, segments)
        if value is not UNSET:
            return _FINDERS.get(source, _find_text_errors)(parameter, source, value, parameter.alias)
    return [_report_missing(parameter, request)] if parameter.required else ()


def _find_text_errors(parameter: Parameter, source: Source, texts: Any, name: str) -> Sequence[Invalid]:
    """Return the errors of the `texts` under `name`. Raises BadRequest for bytes that are not text."""
    converter, text = parameter.converter, texts[0]
    try:
        if converter.shape is Shape.MANY and converter.from_texts is not None:
            converter.from_texts(texts)
        elif converter.from_text is not None:
            converter.from_text(text)
    except CONVERSION_ERRORS:
        return [Invalid(_describe_expected(converter), source, name)]
    return ()


@lru_cache(maxsize=1024)
def _describe_expected(converter: Converter) -> str:
    return f"Expected {converter.expected_text}"


def _find_json_errors(parameter: Parameter, _: Source, document: Any, name: str) -> Sequence[Invalid]:
    try:
        parameter.converter.from_json(document)
    except CONVERSION_ERRORS:
        return parameter.converter.find_json_errors(document, f"/{escape_token(name)}")
    return ()


def _find_session_errors(parameter: Parameter, source: Source, stored: Any, name: str) -> Sequence[Invalid]:
    try:
        parameter.converter.from_value(stored)
    except CONVERSION_ERRORS:
        logging.getLogger("micropie").warning("The session holds a value that parameter %r cannot take", parameter.name)
        return list(_describe_stored_errors(parameter.converter, source, stored, name))
    return ()


def _describe_stored_errors(converter: Converter, source: Source, stored: object, name: str) -> Iterator[Invalid]:
    """Yield the errors of a value from the session, each with the place of its field."""
    for error in converter.find_value_errors(stored):
        place = f" at '{error.pointer}'" if error.pointer else ""
        yield Invalid(f"{error.detail}{place} in the stored session", source, name)


_FINDERS: Final[Mapping[Source, Callable[[Parameter, Source, Any, str], Sequence[Invalid]]]] = {
    "body": _find_json_errors,
    "file": lambda *_: (),
    "session": _find_session_errors,
}
"""How a value's errors are found, for the sources whose values are not texts."""


def _find_raw_errors(parameter: Parameter, request: Request) -> Sequence[Invalid]:
    check = make_bytes_checker(parameter)
    if check is None or not (request.body or parameter.required):
        return ()
    try:
        check(request.body)
    except CONVERSION_ERRORS:
        return [Invalid(_describe_expected(parameter.converter), "body", parameter.name)]
    return ()


def _find_rest_errors(parameter: Parameter, request: Request) -> Sequence[Invalid]:
    errors: list[Invalid] = []
    seen = set(parameter.excluded)
    for source in parameter.sources:
        params = request.query_params if source == "query" else request.form_params
        for name, texts in params.items():
            if name not in seen:
                seen.add(name)
                errors += _collect(_find_text_errors, parameter, source, texts, name)
    return errors


def _find_whole_errors(parameter: Parameter, request: Request, is_form_expected: bool) -> Sequence[Invalid]:
    """Return the errors of a parameter that takes all of its source. Raises HTTPError 415."""
    source, converter, form = parameter.sources[0], parameter.converter, get_form_readers(parameter)
    if source == "session":
        stored = dict(request.session_params)
        if not stored and not parameter.required:
            return ()
        return _find_session_errors(parameter, source, stored, parameter.alias)
    if form is not None and source in ("query", "header", "cookie"):
        names = make_names_reader(source, parameter)(request)
        if not names and not parameter.required:
            return ()
        return [_locate_error(error, source, parameter.alias) for error in form.find_errors(names, EMPTY)]
    if request.media is Media.JSON and source == "body":
        try:
            converter.from_json(request.body)
        except CONVERSION_ERRORS:
            return converter.find_json_errors(request.body, "")
        return ()
    if request.media is Media.OTHER and accepts_plain_text(parameter):
        try:
            make_plain_text_reader(parameter)(request)
        except CONVERSION_ERRORS:
            return [Invalid(_describe_expected(converter), pointer="")]
        return ()
    if form is not None and request.media in FORMS:
        if not (parameter.required or make_presence_checker(parameter, is_form_expected=is_form_expected)(request)):
            return ()
        errors = form.find_errors(request.form_params, request.file_params)
        return [_locate_error(error, "form", parameter.alias) for error in errors]
    if request.media is Media.NONE:
        return [Invalid("Missing request body", pointer="")] if parameter.required else ()
    return refuse_media_type(parameter)


def _locate_error(error: Invalid, source: Source, whole: str) -> Invalid:
    """Return `error` of a form reader with the `source` that it read, and `whole` as its name if it has none."""
    name = error.parameter
    if name is None:
        return replace(error, source=source, parameter=whole)
    wire_name = derive_header_name(name) if source == "header" else name
    is_missing = error.detail == describe_missing_parameter(name)
    return Invalid(describe_missing_parameter(wire_name) if is_missing else error.detail, source, wire_name)


def _report_missing(parameter: Parameter, request: Request) -> Invalid:
    """Return the error for a missing parameter, at the source where a client would most likely send it."""
    detail = describe_missing_parameter(parameter.alias)
    source, *others = parameter.sources
    if source == "body":
        if request.media not in (Media.JSON, Media.NONE):
            refuse_media_type(parameter)
        return Invalid(detail, pointer=f"/{escape_token(parameter.alias)}")
    if not others:
        return Invalid(detail, source, parameter.alias)
    if request.media is Media.JSON:
        return Invalid(detail, pointer=f"/{escape_token(parameter.alias)}")
    return Invalid(detail, "form" if request.media in FORMS else "query", parameter.alias)
