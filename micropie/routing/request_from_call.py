"""A call in, a request out: where each argument goes, by the same `Parameter`s by which the server finds it.

It is binding, run backwards. The sources of a parameter are tried in the server's own order; a value goes to the first
where it is read as the same value again, and one that is so nowhere is refused. What is written is a
`RequestDraft`: prefixes and percent-encoding are `links.py`'s, sending is `client.py`'s.
"""

import os
from collections.abc import AsyncIterable, Callable, Container, Mapping, Sequence
from typing import Any, Final, get_args

import msgspec

from ..binding.signature import FROM_BODY, Kind, Parameter, Role, derive_header_name, get_form_readers
from ..conversion.converter import Shape
from ..conversion.exceptions import CONVERSION_ERRORS
from ..conversion.to_text import Pairs, is_same_value, value_to_fields, value_to_text, value_to_texts
from ..errors import Source
from ..requests.body import parse_json_keys
from ..requests.cookies import parse_cookies
from ..requests.request import BODY_METHODS
from ..sentinels import ELSEWHERE, EMPTY, UNSET, Unset
from .route import Route

_LONG: Final = 4000
"""Characters of a text that goes into a body where it may: half of the 8000 octets of a request line that everybody
should take (RFC 9112 §3)."""

_CONTROL: Final = frozenset(map(chr, (*range(32), 127))) - {"\t"}
"""What no header's value may hold (RFC 9110 §5.5)."""


class RequestDraft(msgspec.Struct):
    """A request, as data; its texts are still unencoded."""

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
    """A body that is sent as it is: bytes, or an asynchronous iterator of pieces, or of rows."""
    is_lines: bool = False
    """Whether `content` are rows, each a line of JSON."""

    @property
    def has_body(self) -> bool:
        """Whether there is more to it than a path, a query and headers."""
        return bool(self.form or self.files) or self.json is not UNSET or self.content is not UNSET


class _Unfit(ValueError):
    """A value that cannot go where it was tried."""


def draft_request(route: Route, args: Sequence[object], kwargs: Mapping[str, object], *, to_url: bool) -> RequestDraft:
    """The request for a call of the handler of `route` with these arguments; `to_url`, when it has to be a mere URL.

    Raises TypeError for arguments that the handler does not take, and ValueError for a value that would not arrive.
    """
    try:
        return _Drafter(route, to_url).write(args, kwargs)
    except _Unfit as unfit:
        raise ValueError(str(unfit)) from None


class _Drafter:
    """Writes one request."""

    def __init__(self, route: Route, to_url: bool) -> None:
        self._route = route
        self._parameters = route.signature.parameters
        self._to_url = to_url
        self._where = ".".join(route.name.split(".")[-2:])
        self._draft = RequestDraft()
        takes_all = any(one.whole and not FROM_BODY.isdisjoint(one.sources) for one in self._parameters)
        self._has_room = not (to_url or takes_all)
        """Whether there may be a body with something in it that could as well be in the URL."""
        self._prefers_body = self._has_room and route.methods is not None and route.methods <= BODY_METHODS
        """Whether that is where it goes: URLs are logged and kept, and may not tell a password."""
        self._in_body: list[tuple[Parameter, Any]] = []
        """What is in a body of which it is yet to be decided whether it is JSON or a form."""

    def write(self, args: Sequence[object], kwargs: Mapping[str, object]) -> RequestDraft:
        given = self._given(args, kwargs)
        left_out = [one for one in self._parameters if one.name not in given]
        self._write_path(given, kwargs)
        for parameter in self._parameters:
            if parameter.name in given:
                self._place(parameter, given[parameter.name])
        self._write_body()
        self._spell_out_defaults(left_out)
        return self._draft

    def _of(self, parameter: Parameter, what: str) -> str:
        return f"{self._where}: '{parameter.name}' {what}"

    # --- which arguments there are ---

    def _given(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, Any]:
        """The values to be written, by parameter. Raises TypeError, and ValueError for one that is not the caller's."""
        bound = self._bound(args, kwargs)
        arguments = [(one, bound.get(one.name, UNSET)) for one in self._parameters]
        return {one.name: value for one, value in arguments if not self._is_left_out(one, value)}

    def _bound(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, Any]:
        """The arguments by parameter, as a call of the handler would have them. Raises TypeError."""
        named = {one.name: one for one in self._parameters if one.kind in (Kind.POSITIONAL, Kind.KEYWORD)}
        positional = [one.name for one in named.values() if one.kind is Kind.POSITIONAL]
        bound: dict[str, Any] = dict(zip(positional, args, strict=False))
        if surplus := args[len(positional) :]:
            otherwise = f"takes {len(positional)} positional arguments, not {len(args)}"
            bound[self._rest(Kind.VAR_POSITIONAL, otherwise)] = surplus
        unknown = {name: value for name, value in kwargs.items() if name not in named}
        if unknown:
            bound[self._rest(Kind.VAR_KEYWORD, f"no parameter is called '{next(iter(unknown))}'")] = unknown
        for name in kwargs.keys() & named.keys():
            if name in bound:
                raise TypeError(f"{self._where}: '{name}' is given twice")
            bound[name] = kwargs[name]
        return bound

    def _rest(self, kind: Kind, otherwise: str) -> str:
        """The name of `*args` or of `**kwargs`. Raises TypeError where the handler has none."""
        for one in self._parameters:
            if one.kind is kind:
                return one.name
        raise TypeError(f"{self._where}: {otherwise}")

    def _is_left_out(self, parameter: Parameter, value: object) -> bool:
        ours = set(parameter.sources) & {"path", "query"} if self._to_url else set(parameter.sources) - {"session"}
        if value is UNSET:
            if parameter.required and ours:
                raise TypeError(f"{self._where}: missing a required argument: '{parameter.name}'")
            return True
        if value is ELSEWHERE:
            if ours and parameter.required and "session" not in parameter.sources:
                raise ValueError(self._of(parameter, "comes from nowhere else: give its value"))
            return True
        if not ours:
            by_server = set(parameter.sources) <= {"session"}
            what = "is filled by the server" if by_server else "is no part of a URL"
            raise ValueError(self._of(parameter, f"{what}: leave it out, or pass ELSEWHERE"))
        if type(value) is not type(parameter.default) or value != parameter.default:
            return False
        return self._to_url or value is None or value in ((), [], set(), frozenset())

    # --- the path ---

    def _write_path(self, given: dict[str, Any], by_name: Container[str]) -> None:
        """Put what goes there into the path, and take it out of `given`.

        What may be in the path or in the query is in the query where it has a default and was given `by_name`.
        """
        takers = [(one.index, one) for one in self._parameters if one.index is not None]
        takers.sort(key=lambda taker: taker[0])
        needed = max((index for index, one in takers if _needs_path(one, given)), default=-1)
        for index, one in takers:
            if one.kind is Kind.VAR_POSITIONAL:
                self._draft.rest = [self._segment(one, value) for value in given.pop(one.name, ())]
            elif index <= needed:
                self._draft.path[one.name] = self._segment(one, given.pop(one.name, one.default))
            elif one.name not in given or (one.name in by_name and not one.required):
                return  # and what comes after it is in the query too
            elif text := self._fitting_segment(one, given[one.name]):
                self._draft.path[one.name] = text
                del given[one.name]
            else:
                return

    def _fitting_segment(self, parameter: Parameter, value: object) -> str | None:
        """A path value that may as well be in the query; an empty one is too easily lost on the way."""
        try:
            return self._short(parameter, [self._segment(parameter, value)])[0]
        except _Unfit:
            return None

    def _segment(self, parameter: Parameter, value: object) -> str:
        if value is UNSET:
            raise ValueError(self._of(parameter, "is missing, and stands in the path before something that was given"))
        text = self._texts(parameter, value)[0]
        if text in (".", ".."):  # they are taken out on the way, percent-encoded too (RFC 3986 §5.2.4, WHATWG URL)
            raise _Unfit(self._of(parameter, f"cannot be {text!r} in a path, where that is another place"))
        return text

    # --- texts ---

    def _texts(self, parameter: Parameter, value: object) -> list[str]:
        """`value` as one text, or as several where it takes several. Raises _Unfit."""
        reads = parameter.converter
        takes_many = reads.shape is Shape.MANY
        try:
            texts = value_to_texts(value) if takes_many else [value_to_text(value)]
        except ValueError as error:
            raise _Unfit(self._of(parameter, f"cannot be sent as text: {error}")) from None
        if not texts:
            raise _Unfit(self._of(parameter, "cannot be empty: only a JSON body could say so"))
        self._check(parameter, texts)
        if takes_many:
            self._try(parameter, reads.from_texts or list, texts, value)
        else:
            self._try(parameter, reads.from_text or str, texts[0], value)
        return texts

    def _check(self, parameter: Parameter, texts: Sequence[str]) -> None:
        """Raises _Unfit for a text that no server takes."""
        for text in texts:
            try:
                text.encode()
            except UnicodeEncodeError:
                raise _Unfit(self._of(parameter, "holds a lone surrogate, which UTF-8 cannot say")) from None
            if "\0" in text:
                raise _Unfit(self._of(parameter, "holds a NUL, which is refused outside of a JSON body"))

    def _short(self, parameter: Parameter, texts: list[str]) -> list[str]:
        """`texts`, if they are for a URL. Raises _Unfit for long ones, and others, that a body takes."""
        too_long = sum(map(len, texts)) > _LONG
        if self._has_room and not FROM_BODY.isdisjoint(parameter.sources) and (too_long or self._prefers_body):
            raise _Unfit(self._of(parameter, "is too long for a URL" if too_long else "goes into the body"))
        return texts

    def _try(self, parameter: Parameter, read: Callable[[Any], object], written: Any, value: object) -> None:
        """Raises _Unfit when what was `written` for `value` is read as something else."""
        if parameter.converter.shape is Shape.ANY:
            if self._has_room and "body" in parameter.sources and not isinstance(value, str):
                raise _Unfit(self._of(parameter, "would be text"))  # in JSON it keeps its type
            return
        try:
            found = read(written)
        except CONVERSION_ERRORS:
            if self._to_url:
                what = f"does not fit: expected {parameter.converter.expected_text}"
                raise _Unfit(self._of(parameter, what)) from None
            return  # the server will say what is wrong with it
        if not is_same_value(found, value):
            raise _Unfit(self._of(parameter, "would arrive as another value, as its text is read by another type"))

    def _pairs(self, parameter: Parameter, value: Any) -> Pairs:
        """The names and texts of `value`; the files in a structure are put among the files. Raises _Unfit."""
        if not parameter.whole:
            return [(parameter.alias, text) for text in self._texts(parameter, value)]
        try:
            pairs, files = value_to_fields(parameter.converter.info, value)
        except ValueError as error:
            raise _Unfit(self._of(parameter, f"cannot be written as names and texts: {error}")) from None
        texts: dict[str, list[str]] = {}
        for name, text in pairs:
            self._check(parameter, (name, text))
            texts.setdefault(name, []).append(text)
        if not (pairs or files) and (parameter.default is not UNSET or "form" in parameter.sources):
            raise _Unfit(self._of(parameter, "has nothing in it that names and texts could say"))
        form = parameter.converter.form
        if form is not None and not parameter.converter.has_files:
            self._try(parameter, lambda found: form.read(found, EMPTY), texts, value)
        self._draft.files += files
        return pairs

    # --- places ---

    def _place(self, parameter: Parameter, value: Any) -> None:
        """Put `value` where the server finds it. Raises ValueError."""
        if parameter.role not in (Role.VALUE, Role.FILE, Role.FILES):
            if value is None or (value == b"" and parameter.default is not UNSET):
                raise ValueError(self._of(parameter, "cannot be nothing, which no body says"))
            if not isinstance(value, bytes | bytearray | memoryview | AsyncIterable):
                what = f"is a body as it is: bytes, or an asynchronous iterator, not {type(value).__name__}"
                raise ValueError(self._of(parameter, what))
            self._draft.content = value
            self._draft.is_lines = parameter.role is not Role.RAW and get_args(parameter.annotation) != (bytes,)
            return
        if parameter.kind is Kind.VAR_KEYWORD:
            self._place_rest(parameter, value)
            return
        refused: _Unfit | None = None
        spare = () if self._has_room or "query" not in parameter.sources else FROM_BODY
        for source in parameter.sources:
            if source in _PLACES and source not in spare and (source == "query" or not self._to_url):
                try:
                    _PLACES[source](self, parameter, value)
                except _Unfit as unfit:
                    refused = refused or unfit
                else:
                    return
        raise refused or ValueError(self._of(parameter, "is only in the path, and cannot be there"))

    def _place_rest(self, parameter: Parameter, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            if name in parameter.excluded:
                raise ValueError(self._of(parameter, f"cannot have '{name}', by which another parameter is known"))
            self._check(parameter, [name])
            pairs = [(name, text) for text in self._texts(parameter, value)]
            (self._draft.query if "query" in parameter.sources else self._draft.form).extend(pairs)

    def _place_query(self, parameter: Parameter, value: Any) -> None:
        pairs = self._pairs(parameter, value)
        self._short(parameter, [text for _, text in pairs])
        self._draft.query += pairs

    def _place_header(self, parameter: Parameter, value: Any) -> None:
        for name, text in self._pairs(parameter, value):
            if not _CONTROL.isdisjoint(text) or text != text.strip(" \t"):
                what = "holds what a header cannot: control characters, or blanks around it (RFC 9110 §5.5)"
                raise ValueError(self._of(parameter, what))
            self._draft.headers.append((derive_header_name(name) if parameter.whole else name, text))

    def _place_cookie(self, parameter: Parameter, value: Any) -> None:
        for name, text in self._pairs(parameter, value):
            quoted = f'"{text}"' if text != text.strip() or (len(text) > 1 and text[0] == text[-1] == '"') else text
            if parse_cookies(f"{name}={quoted}") != [(name, text)] or not _CONTROL.isdisjoint(text):
                what = "holds what a cookie cannot: a semicolon or control characters (RFC 6265 §4.1.1)"
                raise ValueError(self._of(parameter, what))
            self._draft.cookies.append((name, quoted))

    def _place_body(self, parameter: Parameter, value: Any) -> None:
        if parameter.sources == ("form",):
            self._draft.form += self._pairs(parameter, value)
        else:
            self._in_body.append((parameter, value))

    def _place_file(self, parameter: Parameter, value: Any) -> None:
        files = value if parameter.role is Role.FILES and isinstance(value, list | tuple) else [value]
        if not files:
            raise _Unfit(self._of(parameter, "cannot be empty: no form says that"))
        self._draft.files += [(parameter.alias, file) for file in files]

    # --- the body ---

    def _write_body(self) -> None:
        """Put what is in the body into the kind of body that it has to be."""
        has_files = any(parameter.converter.has_files for parameter, _ in self._in_body)
        if has_files or self._draft.files or self._draft.form:
            for parameter, value in self._in_body:
                if "form" not in parameter.sources and get_form_readers(parameter) is None:
                    what = "needs a JSON body, and something else a form: one body cannot be both"
                    raise ValueError(self._of(parameter, what))
                self._draft.form += self._pairs(parameter, value)
        elif self._in_body:
            self._draft.json = self._json()
        self._check_files()

    def _check_files(self) -> None:
        for name, file in self._draft.files:
            if not isinstance(file, bytes | os.PathLike) and not hasattr(file, "filename"):
                what = f"'{name}' is a file: give bytes, a path or upload(…), not {type(file).__name__}"
                raise ValueError(f"{self._where}: {what}")

    def _json(self) -> bytes:
        whole = [self._encoded(one, value) for one, value in self._in_body if one.whole]
        keys = {one.alias: msgspec.Raw(self._encoded(one, value)) for one, value in self._in_body if not one.whole}
        if not whole:
            return msgspec.json.encode(keys)
        if not keys:
            return whole[0]
        found = parse_json_keys(whole[0])
        if not found or not keys.keys().isdisjoint(found):
            raise ValueError(f"{self._where}: the body is one value, in which there is no room for {', '.join(keys)}")
        return msgspec.json.encode(found | keys)

    def _encoded(self, parameter: Parameter, value: object) -> bytes:
        try:
            return msgspec.json.encode(value)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(self._of(parameter, f"cannot be sent as JSON: {error}")) from None

    def _spell_out_defaults(self, left_out: Sequence[Parameter]) -> None:
        """Say the default of each parameter that would else take what the body has under its name."""
        taken = {name for name, _ in self._draft.form}
        if self._draft.json is not UNSET:
            taken |= set(parse_json_keys(self._draft.json))
        for one in left_out:
            if one.alias in taken and "query" in one.sources and not FROM_BODY.isdisjoint(one.sources):
                try:
                    self._draft.query += self._pairs(one, one.default)
                except _Unfit:  # so it takes that, as for any client
                    continue


_PLACES: Final[Mapping[Source, Callable[[_Drafter, Parameter, Any], None]]] = {
    "query": _Drafter._place_query,
    "header": _Drafter._place_header,
    "cookie": _Drafter._place_cookie,
    "form": _Drafter._place_body,
    "body": _Drafter._place_body,
    "file": _Drafter._place_file,
}


def _needs_path(parameter: Parameter, given: Mapping[str, Any]) -> bool:
    """Whether the value can be nowhere but in the path; a default is said there as well, as `@route` wants it."""
    if parameter.kind is Kind.VAR_POSITIONAL:
        return bool(given.get(parameter.name))
    default = None if parameter.default is UNSET else parameter.default
    return parameter.sources == ("path",) and (parameter.name in given or default is not None)
