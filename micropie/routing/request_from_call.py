"""This module writes the request that calls a handler with given arguments: it runs the binding of values backwards.

It reads the same `Parameter`s as the server. The sources of a parameter are tried in the server's order. A value goes
to the first source where it is read as the same value again; a value without such a source is refused. The result is a
`RequestDraft`: `reverse.py` adds prefixes and percent-encoding, `client/client.py` sends it.
"""

import os
from collections.abc import AsyncIterable, Callable, Container, Mapping, Sequence
from typing import Any, Final, get_args

import msgspec

from ..binding.readers import is_header_list
from ..binding.signature import FROM_BODY, Kind, Parameter, Role, derive_header_name, get_form_readers
from ..conversion.converter import Shape
from ..conversion.exceptions import CONVERSION_ERRORS
from ..conversion.to_text import Pairs, is_same_value, value_to_fields, value_to_text, value_to_texts
from ..errors import Source
from ..requests.body import parse_json_keys
from ..requests.cookies import parse_cookies
from ..requests.headers import split_list_lines
from ..requests.request import BODY_METHODS
from ..sentinels import EMPTY, UNSET, Unset
from .call_arguments import collect_arguments, describe_handler
from .route import Route

_LONG: Final = 4000
"""The characters from which on a text goes into a body, if it may: half of the 8000 octets of a request line that
every recipient should support (RFC 9112 §3)."""

_CONTROL: Final = frozenset(map(chr, (*range(32), 127))) - {"\t"}
"""The characters that a header's value must not hold (RFC 9110 §5.5)."""


class RequestDraft(msgspec.Struct):
    """A request as data, with texts that are not yet percent-encoded."""

    path: dict[str, str] = {}
    """The path values, by parameter."""
    rest: list[str] = []
    """The path values of `*args`."""
    query: Pairs = []
    headers: Pairs = []
    cookies: Pairs = []
    form: Pairs = []
    files: list[tuple[str, Any]] = []
    json: bytes | Unset = UNSET
    content: Any = UNSET
    """A body that is sent unchanged: bytes, or an asynchronous iterator of chunks or of rows."""
    is_lines: bool = False
    """True if `content` yields rows, each of which becomes a line of JSON."""

    @property
    def has_body(self) -> bool:
        """True if the request has a form, files, JSON or other content."""
        return bool(self.form or self.files) or self.json is not UNSET or self.content is not UNSET


class _Unfit(ValueError):
    """An error for a value that cannot go into the place that was tried."""


def draft_request(route: Route, args: Sequence[object], kwargs: Mapping[str, object], *, to_url: bool) -> RequestDraft:
    """Return the request that calls the handler of `route` with these arguments.

    `to_url` means that the request may only be a URL. Raises TypeError for arguments that the handler does not take,
    and ValueError for a value that would not arrive.
    """
    try:
        return _Drafter(route, to_url).write(args, kwargs)
    except _Unfit as unfit:
        raise ValueError(str(unfit)) from None


class _Drafter:
    """A writer of one request."""

    def __init__(self, route: Route, to_url: bool) -> None:
        self._route = route
        self._parameters = route.signature.parameters
        self._to_url = to_url
        self._handler = describe_handler(route)
        self._draft = RequestDraft()
        has_whole_body = any(
            parameter.whole and not FROM_BODY.isdisjoint(parameter.sources) for parameter in self._parameters
        )
        self._may_use_body = not (to_url or has_whole_body)
        """True if a value that could be in the URL may be in the body."""
        self._prefers_body = self._may_use_body and route.methods is not None and route.methods <= BODY_METHODS
        """True if such a value goes into the body: URLs are logged and kept, and must not show a password."""
        self._in_body: list[tuple[Parameter, Any]] = []
        """The values in the body, before it is decided whether that is JSON or a form."""

    def write(self, args: Sequence[object], kwargs: Mapping[str, object]) -> RequestDraft:
        """Return the request for a call with these arguments. Raises TypeError and ValueError."""
        arguments = collect_arguments(self._route, args, kwargs, to_url=self._to_url)
        left_out = [parameter for parameter in self._parameters if parameter.name not in arguments]
        self._write_path(arguments, kwargs)
        for parameter in self._parameters:
            if parameter.name in arguments:
                self._place(parameter, arguments[parameter.name])
        self._write_body()
        self._spell_out_defaults(left_out)
        return self._draft

    def _describe(self, parameter: Parameter, what: str) -> str:
        return f"{self._handler}: '{parameter.name}' {what}"

    # --- the path ---

    def _write_path(self, arguments: dict[str, Any], by_name: Container[str]) -> None:
        """Move path values from `arguments` into the path.

        A value that may also be in the query goes there if its parameter has a default and was passed `by_name`.
        """
        takers = [(parameter.index, parameter) for parameter in self._parameters if parameter.index is not None]
        takers.sort(key=lambda taker: taker[0])
        needed = max((index for index, parameter in takers if _needs_path(parameter, arguments)), default=-1)
        for index, parameter in takers:
            name = parameter.name
            if parameter.kind is Kind.VAR_POSITIONAL:
                self._draft.rest = [self._write_segment(parameter, value) for value in arguments.pop(name, ())]
            elif index <= needed:
                self._draft.path[name] = self._write_segment(parameter, arguments.pop(name, parameter.default))
            elif name not in arguments or (name in by_name and not parameter.required):
                return  # the later ones go into the query, too
            elif text := self._try_segment(parameter, arguments[name]):
                self._draft.path[name] = text
                del arguments[name]
            else:
                return

    def _try_segment(self, parameter: Parameter, value: object) -> str | None:
        """Return the path segment for a value that could also be in the query; None if it does not fit a path.

        The caller puts an empty segment into the query, since proxies and clients easily lose it.
        """
        try:
            return self._require_short(parameter, [self._write_segment(parameter, value)])[0]
        except _Unfit:
            return None

    def _write_segment(self, parameter: Parameter, value: object) -> str:
        if value is UNSET:
            raise ValueError(self._describe(parameter, "is missing, but a later path value is given: pass it, too"))
        text, *others = self._write_texts(parameter, value)
        if others:
            raise _Unfit(self._describe(parameter, "has several values, but a path segment is one"))
        if text in (".", ".."):  # clients remove them, percent-encoded ones, too (RFC 3986 §5.2.4, WHATWG URL)
            raise _Unfit(self._describe(parameter, f"cannot be {text!r} in a path: clients remove that segment"))
        return text

    # --- texts ---

    def _write_texts(self, parameter: Parameter, value: object) -> list[str]:
        """Return `value` as one text, or as several if the parameter takes several. Raises _Unfit."""
        converter = parameter.converter
        takes_many = converter.shape is Shape.MANY
        try:
            texts = value_to_texts(value) if takes_many else [value_to_text(value)]
        except ValueError as error:
            raise _Unfit(self._describe(parameter, f"cannot be sent as text: {error}")) from None
        if not texts:
            raise _Unfit(self._describe(parameter, "cannot be empty: only a JSON body can hold an empty list"))
        self._check_texts(parameter, texts)
        if takes_many:
            self._check_reading(parameter, converter.from_texts or list, texts, value)
        else:
            self._check_reading(parameter, converter.from_text or str, texts[0], value)
        return texts

    def _check_texts(self, parameter: Parameter, texts: Sequence[str]) -> None:
        """Refuse a text that a server does not accept. Raises _Unfit."""
        for text in texts:
            try:
                text.encode()
            except UnicodeEncodeError:
                raise _Unfit(self._describe(parameter, "holds a lone surrogate, which UTF-8 cannot encode")) from None
            if "\0" in text:
                raise _Unfit(self._describe(parameter, "holds a NUL, which the server accepts only in a JSON body"))

    def _require_short(self, parameter: Parameter, texts: list[str]) -> list[str]:
        """Return `texts` if they belong in a URL. Raises _Unfit if they are long, or the body should hold them."""
        too_long = sum(map(len, texts)) > _LONG
        if self._may_use_body and not FROM_BODY.isdisjoint(parameter.sources) and (too_long or self._prefers_body):
            raise _Unfit(self._describe(parameter, "is too long for a URL" if too_long else "goes into the body"))
        return texts

    def _check_reading(self, parameter: Parameter, read: Callable[[Any], object], written: Any, value: object) -> None:
        """Read what was `written` for `value` as the server will. Raises _Unfit if the result is another value."""
        if parameter.converter.shape is Shape.ANY:
            if self._may_use_body and "body" in parameter.sources and not isinstance(value, str):
                raise _Unfit(self._describe(parameter, "would be text"))  # JSON keeps its type
            return
        try:
            arriving = read(written)
        except CONVERSION_ERRORS:
            if self._to_url:
                what = f"does not fit: expected {parameter.converter.expected_text}"
                raise _Unfit(self._describe(parameter, what)) from None
            return  # the server's response will describe the error
        if not is_same_value(arriving, value):
            raise _Unfit(self._describe(parameter, "would arrive as another value: its text is read as another type"))

    def _write_pairs(self, parameter: Parameter, value: Any) -> Pairs:
        """Return the names and texts of `value`, and add the files in it to the draft's files. Raises _Unfit."""
        if not parameter.whole:
            return [(parameter.alias, text) for text in self._write_texts(parameter, value)]
        try:
            pairs, files = value_to_fields(parameter.converter.info, value)
        except ValueError as error:
            raise _Unfit(self._describe(parameter, f"cannot be written as names and texts: {error}")) from None
        texts: dict[str, list[str]] = {}
        for name, text in pairs:
            self._check_texts(parameter, (name, text))
            texts.setdefault(name, []).append(text)
        if not (pairs or files) and (parameter.default is not UNSET or "form" in parameter.sources):
            raise _Unfit(self._describe(parameter, "is empty, which names and texts cannot express"))
        form = parameter.converter.form
        if form is not None and not parameter.converter.has_files:
            self._check_reading(parameter, lambda fields: form.read(fields, EMPTY), texts, value)
        self._draft.files += files
        return pairs

    # --- places ---

    def _place(self, parameter: Parameter, value: Any) -> None:
        """Put `value` where the server will find it. Raises ValueError."""
        if parameter.role not in (Role.VALUE, Role.FILE, Role.FILES):
            if value is None or (value == b"" and parameter.default is not UNSET):
                raise ValueError(
                    self._describe(parameter, "cannot be empty: the server takes an empty body for a missing one")
                )
            if not isinstance(value, bytes | bytearray | memoryview | AsyncIterable):
                what = f"must be bytes or an asynchronous iterator, not {type(value).__name__}"
                raise ValueError(self._describe(parameter, what))
            self._draft.content = value
            self._draft.is_lines = parameter.role is not Role.RAW and get_args(parameter.annotation) != (bytes,)
            return
        if parameter.kind is Kind.VAR_KEYWORD:
            self._place_rest(parameter, value)
            return
        refused: _Unfit | None = None
        spare = () if self._may_use_body or "query" not in parameter.sources else FROM_BODY
        for source in parameter.sources:
            if source in _PLACES and source not in spare and (source == "query" or not self._to_url):
                try:
                    _PLACES[source](self, parameter, value)
                except _Unfit as unfit:
                    refused = refused or unfit
                else:
                    return
        raise refused or ValueError(self._describe(parameter, "can only be in the path, and does not fit there"))

    def _place_rest(self, parameter: Parameter, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            if name in parameter.excluded:
                raise ValueError(
                    self._describe(parameter, f"cannot hold '{name}', which is the name of another parameter")
                )
            self._check_texts(parameter, [name])
            pairs = [(name, text) for text in self._write_texts(parameter, value)]
            (self._draft.query if "query" in parameter.sources else self._draft.form).extend(pairs)

    def _place_query(self, parameter: Parameter, value: Any) -> None:
        pairs = self._write_pairs(parameter, value)
        self._require_short(parameter, [text for _, text in pairs])
        self._draft.query += pairs

    def _place_header(self, parameter: Parameter, value: Any) -> None:
        for name, text in self._write_pairs(parameter, value):
            if not _CONTROL.isdisjoint(text) or text != text.strip(" \t"):
                what = "cannot be a header: it holds control characters, or blanks around it (RFC 9110 §5.5)"
                raise ValueError(self._describe(parameter, what))
            if not parameter.whole and is_header_list(parameter.converter.info) and split_list_lines([text]) != [text]:
                what = "cannot be an item of a header: it is empty, or holds a comma outside quotes (RFC 9110 §5.6.1)"
                raise ValueError(self._describe(parameter, what))
            self._draft.headers.append((derive_header_name(name) if parameter.whole else name, text))

    def _place_cookie(self, parameter: Parameter, value: Any) -> None:
        for name, text in self._write_pairs(parameter, value):
            quoted = f'"{text}"' if text != text.strip() or (len(text) > 1 and text[0] == text[-1] == '"') else text
            if parse_cookies(f"{name}={quoted}") != [(name, text)] or not _CONTROL.isdisjoint(text):
                what = "cannot be a cookie: it holds a semicolon or control characters (RFC 6265 §4.1.1)"
                raise ValueError(self._describe(parameter, what))
            self._draft.cookies.append((name, quoted))

    def _place_body(self, parameter: Parameter, value: Any) -> None:
        if parameter.sources == ("form",):
            self._draft.form += self._write_pairs(parameter, value)
        else:
            self._in_body.append((parameter, value))

    def _place_file(self, parameter: Parameter, value: Any) -> None:
        files = value if parameter.role is Role.FILES and isinstance(value, list | tuple) else [value]
        if not files:
            raise _Unfit(self._describe(parameter, "cannot be empty: a form cannot hold an empty list of files"))
        self._draft.files += [(parameter.alias, file) for file in files]

    # --- the body ---

    def _write_body(self) -> None:
        """Write the body as a form if a file or another field needs one, else as JSON. Raises ValueError."""
        has_files = any(parameter.converter.has_files for parameter, _ in self._in_body)
        if has_files or self._draft.files or self._draft.form:
            for parameter, value in self._in_body:
                if "form" not in parameter.sources and get_form_readers(parameter) is None:
                    what = "needs a JSON body, but another parameter needs a form"
                    raise ValueError(self._describe(parameter, what))
                self._draft.form += self._write_pairs(parameter, value)
        elif self._in_body:
            self._draft.json = self._write_json()
        self._check_files()

    def _check_files(self) -> None:
        for name, file in self._draft.files:
            if not isinstance(file, bytes | os.PathLike) and not hasattr(file, "filename"):
                what = f"'{name}' is a file: pass bytes, a path or upload(…), not {type(file).__name__}"
                raise ValueError(f"{self._handler}: {what}")

    def _write_json(self) -> bytes:
        """Return the JSON body: a whole value, an object of keys, or a whole object with the keys added to it."""
        encoded = [(parameter, self._encode(parameter, value)) for parameter, value in self._in_body]
        whole = [json for parameter, json in encoded if parameter.whole]
        keys = {parameter.alias: msgspec.Raw(json) for parameter, json in encoded if not parameter.whole}
        if not whole:
            return msgspec.json.encode(keys)
        if not keys:
            return whole[0]
        whole_keys = parse_json_keys(whole[0])
        if not whole_keys or not keys.keys().isdisjoint(whole_keys):
            raise ValueError(f"{self._handler}: the body is one value, to which {', '.join(keys)} cannot be added")
        return msgspec.json.encode(whole_keys | keys)

    def _encode(self, parameter: Parameter, value: object) -> bytes:
        try:
            return msgspec.json.encode(value)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(self._describe(parameter, f"cannot be sent as JSON: {error}")) from None

    def _spell_out_defaults(self, left_out: Sequence[Parameter]) -> None:
        """Write the default of each parameter that would otherwise take a value of the body with its name."""
        taken = {name for name, _ in self._draft.form}
        if self._draft.json is not UNSET:
            taken |= set(parse_json_keys(self._draft.json))
        for parameter in left_out:
            sources = parameter.sources
            if parameter.alias in taken and "query" in sources and not FROM_BODY.isdisjoint(sources):
                try:
                    self._draft.query += self._write_pairs(parameter, parameter.default)
                except _Unfit:  # the parameter takes the body's value, as it would with any client
                    continue


_PLACES: Final[Mapping[Source, Callable[[_Drafter, Parameter, Any], None]]] = {
    "query": _Drafter._place_query,
    "header": _Drafter._place_header,
    "cookie": _Drafter._place_cookie,
    "form": _Drafter._place_body,
    "body": _Drafter._place_body,
    "file": _Drafter._place_file,
}


def _needs_path(parameter: Parameter, arguments: Mapping[str, Any]) -> bool:
    """Return True if the value can only be in the path. A default counts, since a `@route` path needs every value."""
    if parameter.kind is Kind.VAR_POSITIONAL:
        return bool(arguments.get(parameter.name))
    default = None if parameter.default is UNSET else parameter.default
    return parameter.sources == ("path",) and (parameter.name in arguments or default is not None)
