"""This module makes the functions that read what the generated code of a binder cannot read in one expression.

Those are the names of a source from which a structured value is built, a submitted form, and a body that has
constraints. The compiled binder and `error_report` read by the same functions, so that they agree.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn, TypeAlias

from msgspec import inspect as mi

from ..conversion.from_text import is_scalar_array
from ..conversion.type_info import read_constraints, remove_none, unwrap_metadata, walk_types
from ..errors import BadRequest, HTTPError, Invalid, Source
from ..forms.form_result import make_form_reader
from ..media_types import Media
from ..requests.headers import split_list_lines
from ..requests.request import Request
from ..sentinels import UNSET
from .signature import Parameter, accepts_plain_text, derive_header_name, get_form_readers

NamesReader: TypeAlias = Callable[[Request], Mapping[str, Sequence[str]]]
"""Returns names of a source, each with its texts."""
HeaderReader: TypeAlias = Callable[[Request, str], list[str]]
"""Returns the texts of a header, whose name is in lower case."""

FORMS: Final = (Media.FORM, Media.MULTIPART)

LOOKUPS: Final[Mapping[Source, Callable[[Parameter, Request, Sequence[str]], Any]]] = {
    "path": lambda p, _, segments: [segments[p.index]] if p.index is not None and p.index < len(segments) else UNSET,
    "query": lambda p, request, _: request.query_params.get(p.alias, UNSET),
    "form": lambda p, request, _: request.form_params.get(p.alias, UNSET),
    "body": lambda p, request, _: request.json_keys.get(p.alias, UNSET),
    "file": lambda p, request, _: request.file_params.get(p.alias, UNSET),
    "header": lambda p, request, _: choose_header_reader(p.converter.info)(request, p.alias.lower()) or UNSET,
    "cookie": lambda p, request, _: request.cookie_params.get(p.alias, UNSET),
    "session": lambda p, request, _: request.session_params.get(p.alias, UNSET),
}
"""`LOOKUPS[source](parameter, request, segments)` returns the value under the parameter's name, or UNSET."""


def is_header_list(info: mi.Type) -> bool:
    """Return True if one line of a header may hold several values of `info`, separated by commas.

    Not so for dates, since HTTP's have a comma (RFC 9110 §5.6.7).
    """
    info = remove_none(info)
    members = map(unwrap_metadata, info.types) if isinstance(info, mi.UnionType) else [info]
    return any(map(is_scalar_array, members)) and not any(isinstance(p, mi.DateTimeType) for p in walk_types(info))


def choose_header_reader(info: mi.Type) -> HeaderReader:
    """Return the function that reads the texts of a header for a value of `info`."""
    return read_header_list if is_header_list(info) else Request.header_lines


def read_header_list(request: Request, name: str) -> list[str]:
    """Return the items of the header `name`, a list. Raises BadRequest for bytes that are not UTF-8."""
    return split_list_lines(request.header_lines(name))


def make_form_result_reader(parameter: Parameter) -> Callable[[Request], object]:
    """Return a function that reads the FormResult of `parameter`. It raises HTTPError for a body that is not a form."""
    blank: Any = parameter.default
    return make_form_reader(blank, of_query=parameter.sources == ("query",))


def make_bytes_checker(parameter: Parameter) -> Callable[[object], Any] | None:
    """Return a function that checks the body's bytes against the constraints of `parameter`; None without any."""
    return parameter.converter.from_value if read_constraints(remove_none(parameter.converter.info)) else None


def make_names_reader(source: Source, parameter: Parameter) -> NamesReader:
    """Return a function that reads the names from which a structured `parameter` is built: those of its type's fields.

    A type that forbids unknown fields gets all names of the query or the cookies, so that it can refuse them. It gets
    only its own headers, since clients and proxies add others to every request.
    """
    info: Any = remove_none(parameter.converter.info)
    if source == "header":
        return _make_headers_reader(info)
    field_names = None
    if hasattr(info, "fields"):
        tag_field = getattr(info, "tag_field", None)
        field_names = [field.encode_name for field in info.fields] + ([tag_field] if tag_field is not None else [])
    names = None if getattr(info, "forbid_unknown_fields", False) else field_names
    if source == "cookie":
        return lambda request: _select(request.cookie_params, names)
    return lambda request: _select(request.query_params, names)


def _make_headers_reader(info: Any) -> NamesReader:
    if not hasattr(info, "fields"):
        read_any = choose_header_reader(getattr(info, "value_type", mi.AnyType()))
        return lambda request: {name: read_any(request, name) for name in request.headers}
    types = {field.encode_name: field.type for field in info.fields}
    if getattr(info, "tag_field", None) is not None:
        types[info.tag_field] = mi.StrType()
    headers = [(name, derive_header_name(name).lower(), choose_header_reader(of)) for name, of in types.items()]
    return lambda request: {name: texts for name, header, read in headers if (texts := read(request, header))}


def _select(params: Mapping[str, list[str]], names: Sequence[str] | None) -> Mapping[str, list[str]]:
    """Return the part of `params` under `names`; None selects all."""
    return params if names is None else {name: params[name] for name in names if name in params}


def make_presence_checker(parameter: Parameter, *, is_form_expected: bool) -> Callable[[Request], bool]:
    """Return a function that tells whether a form brings a value for the optional structure `parameter`.

    A form without a name is as good as none. Where a form is expected for another parameter's sake, it must bring a
    name of the structure's own.
    """
    fields = getattr(remove_none(parameter.converter.info), "fields", None)
    if fields is None or not is_form_expected:
        return lambda request: bool(request.form_params or request.file_params)
    names = frozenset(field.encode_name for field in fields)
    return lambda request: not (names.isdisjoint(request.form_params) and names.isdisjoint(request.file_params))


def make_plain_text_reader(parameter: Parameter) -> Callable[[Request], object]:
    """Return a function that reads a `text/plain` body. It raises HTTPError 415 for another type or charset."""
    read = parameter.converter.from_text or str

    def read_text(request: Request) -> object:
        media_type, _, attributes = request.content_type.lower().partition(";")
        charset = attributes.strip().removeprefix("charset=").strip('"')
        if media_type.strip() != "text/plain" or charset not in ("", "utf-8", "utf8", "us-ascii"):
            refuse_media_type(parameter)
        try:
            return read(request.body.decode())
        except UnicodeDecodeError:
            raise BadRequest([Invalid("Expected UTF-8 text", pointer="")]) from None

    return read_text


def refuse_media_type(parameter: Parameter) -> NoReturn:
    """Raise HTTPError 415 for a body whose media type `parameter` cannot be read from (RFC 9110 §15.5.16)."""
    accepted = ["application/json"] if "body" in parameter.sources else []
    if accepts_plain_text(parameter):
        accepted.append("text/plain")
    if get_form_readers(parameter) is not None:
        accepted += ["application/x-www-form-urlencoded", "multipart/form-data"]
    raise HTTPError(415, "The request body must be " + " or ".join(accepted))
