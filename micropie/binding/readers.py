"""This module makes the functions that read what the generated code of a binder cannot read in one expression.

Those are the names of a source from which a structured value is built, a submitted form, and a body that has
constraints. The compiled binder and `error_report` read by the same functions, so that they agree.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn, TypeAlias

from ..conversion.type_info import read_constraints, remove_none
from ..errors import HTTPError, Source
from ..forms.form_result import make_form_reader
from ..requests.request import Request
from ..sentinels import UNSET
from .signature import Parameter, derive_header_name, get_form_readers

NamesReader: TypeAlias = Callable[[Request], Mapping[str, Sequence[str]]]
"""Returns names of a source, each with its texts."""

LOOKUPS: Final[Mapping[Source, Callable[[Parameter, Request, Sequence[str]], Any]]] = {
    "path": lambda p, _, segments: [segments[p.index]] if p.index is not None and p.index < len(segments) else UNSET,
    "query": lambda p, request, _: request.query_params.get(p.alias, UNSET),
    "form": lambda p, request, _: request.form_params.get(p.alias, UNSET),
    "body": lambda p, request, _: request.json_params.get(p.alias, UNSET),
    "file": lambda p, request, _: request.file_params.get(p.alias, UNSET),
    "header": lambda p, request, _: request.header_lines(p.alias.lower()) or UNSET,
    "cookie": lambda p, request, _: request.cookie_params.get(p.alias, UNSET),
    "session": lambda p, request, _: request.session_params.get(p.alias, UNSET),
}
"""`LOOKUPS[source](parameter, request, segments)` returns the value under the parameter's name, or UNSET."""


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
    field_names = None
    if hasattr(info, "fields"):
        tag_field = getattr(info, "tag_field", None)
        field_names = [field.encode_name for field in info.fields] + ([tag_field] if tag_field is not None else [])
    if source == "header":
        return _make_headers_reader(field_names)
    names = None if getattr(info, "forbid_unknown_fields", False) else field_names
    if source == "cookie":
        return lambda request: _select(request.cookie_params, names)
    return lambda request: _select(request.query_params, names)


def _make_headers_reader(names: Sequence[str] | None) -> NamesReader:
    if names is None:
        return lambda request: {name: request.header_lines(name) for name in request.headers}
    headers = {name: derive_header_name(name).lower() for name in names}
    return lambda request: {name: lines for name, header in headers.items() if (lines := request.header_lines(header))}


def _select(params: Mapping[str, list[str]], names: Sequence[str] | None) -> Mapping[str, list[str]]:
    """Return the part of `params` under `names`; None selects all."""
    return params if names is None else {name: params[name] for name in names if name in params}


def refuse_media_type(parameter: Parameter) -> NoReturn:
    """Raise HTTPError 415 for a body whose media type `parameter` cannot be read from (RFC 9110 §15.5.16)."""
    accepted = ["application/json"] if "body" in parameter.sources else []
    if get_form_readers(parameter) is not None:
        accepted += ["application/x-www-form-urlencoded", "multipart/form-data"]
    raise HTTPError(415, "The request body must be " + " or ".join(accepted))
