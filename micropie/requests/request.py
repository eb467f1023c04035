"""One request, as handlers and middleware see it: lazy views of an ASGI scope and of what arrived with it.

A view costs nothing until somebody looks. Asynchronous work (a body that has to arrive, a session that has to be
loaded) is done by the app before the handler runs, so that every documented attribute is a plain, synchronous one.
"""

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, TypeVar, overload

import msgspec

from .._utils.after_response import CleanupStack
from .._utils.caching import BoundedCache
from ..config import Limits
from ..errors import BadRequest, HTTPError, Invalid
from ..media_types import Media, parse_content_type
from ..sentinels import EMPTY
from ..sessions import SessionState
from ..types import Receive, RunSync, Scope
from ..uploads.multipart import MultipartBody, parse_boundary
from ..uploads.upload_file import UploadFile
from .body import bad_json_error, decode_json, parse_json_keys, read_whole_body, require_utf8
from .body_stream import BodyStream, ResumedAwaitable, await_message, body_too_large, take_message
from .cookies import find_plain_cookie, parse_cookies
from .urlencoded import parse_urlencoded

T = TypeVar("T")

DEFAULT_LIMITS: Final = Limits()


BODY_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose requests have a body unless Content-Length says otherwise: HTTP/2 needs no header for one."""

_NOTED: Final = frozenset({b"content-type", b"content-length", b"transfer-encoding", b"cookie"})
"""The only headers that every request is asked for."""


def _kind(content_type: bytes) -> Media:
    return parse_content_type(content_type.decode("latin-1"))


def _length(digits: bytes) -> int:
    """The number in a Content-Length; 0 for no number, over any limit for one so long that int() might refuse it."""
    if not digits.isdigit():
        return 0
    return int(digits) if len(digits) < _LONGEST else sys.maxsize


_LONGEST: Final = 19
"""Digits of a Content-Length that nobody sends."""

# Names of their own: asking an Enum for a member takes as long as a call.
_NONE, _JSON, _FORM, _MULTIPART, _OTHER = Media

# Each multipart body has a boundary of its own, and only what is short is kept: clients choose it.
_kinds: Final = BoundedCache(_kind, keeps=lambda text, kind: kind is not _MULTIPART and len(text) < 100)
_lengths: Final = BoundedCache(_length, keeps=lambda digits, _: len(digits) < _LONGEST)


class Headers(dict[str, str]):
    """Header fields by name, in any case; the values of a repeated one are joined by `", "` (RFC 9110 §5.3)."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    @overload
    def get(self, name: str, default: None = None, /) -> str | None: ...
    @overload
    def get(self, name: str, default: str, /) -> str: ...
    @overload
    def get(self, name: str, default: T, /) -> str | T: ...
    def get(self, name: str, default: object = None, /) -> object:
        """The value of `name`, or `default`."""
        return super().get(name.lower(), default)


async def _no_receive() -> dict[str, Any]:
    return {"type": "http.disconnect"}


class Request:
    """An HTTP request.

    `scope` is the ASGI scope, `method` the method in capitals, `path_params` the path values that the route takes.
    A middleware may set any attribute of its own.
    """

    # Class attributes hold the defaults that few requests change. `__init__` sets what is read for every request, since
    # an instance's own attributes are found faster. An attribute that holds an Enum member gets no default here: with
    # one, CPython 3.11 would not find even the instance's own value fast.
    path_params: Sequence[str] = ()
    has_body: bool
    """Whether a body was announced, or may come (RFC 9112 §6.3)."""
    body: bytes = b""
    """The body as it came, unless it is multipart."""
    media: Media
    """The kind of body that arrived; NONE for an empty one that is not a form, and for one that the handler streams."""
    multipart: MultipartBody | None = None
    """The reader of a multipart body."""

    # --- set by the framework ---
    # These attributes, and the methods under "called by the framework" below, are internal: the app, the sessions and
    # the dependencies use them, and they may change in any release.
    root_app: Any = None
    """The App that was called with the request: the root of all its URLs."""
    _route_handler: str | None
    """The handler that a middleware chose, by `route_to` or by setting this; documented, in spite of its name."""
    passed_middleware: Sequence[Any] = ()
    """The middleware that `before_request` got past, in the order in which `after_request` is called."""
    current_session: SessionState | None
    """The session, once it is loaded or begun. Unlike `session_state`, reading this begins none."""
    cookie_header: bytes
    """All Cookie headers, as one; `b""` without any."""
    announced_media: Media
    """The kind of body that the Content-Type announces."""
    body_opened: bool = False
    """Whether `open_body` or `read_body` was called."""
    body_stream: BodyStream | None = None
    """What a body that is not held in memory arrives through."""
    cleanup_stack: CleanupStack | None = None
    """What the request's dependencies have entered."""
    needs_cleanup: bool
    """Whether `clean_up` has anything to do."""

    _content_type: bytes = b""
    _length: int | None = None
    _query: dict[str, list[str]] | None = None
    _form: Mapping[str, list[str]] | None = None
    _keys: Mapping[str, msgspec.Raw] | None = None
    _cookies: dict[str, list[str]] | None = None
    _headers: Headers | None = None
    _json: Any = None
    _state: dict[str, Any] | None = None

    def __init__(self, scope: Scope, receive: Receive | None = None, limits: Limits = DEFAULT_LIMITS) -> None:
        self.scope = scope
        self.method: str = scope.get("method", "GET")
        self.receive: Receive = receive or _no_receive
        self.limits = limits
        self.current_session = self._route_handler = None
        self.needs_cleanup = False
        self.cookie_header = b""
        self.media = _NONE
        self.announced_media = _OTHER
        self.has_body = self.method in BODY_METHODS
        chunked = False
        for name, value in scope["headers"]:
            if name in _NOTED:
                if name == b"content-type":
                    self._content_type = value
                    self.announced_media = media = _kinds[value]
                    if media is _FORM:
                        self.media = media  # an empty one is a form, too: no box was checked
                elif name == b"content-length":
                    if not chunked:
                        self._length = length = _lengths[value]
                        self.has_body = length > 0
                elif name == b"cookie":
                    # HTTP/2 may split cookies over several lines (RFC 9113 §8.2.3).
                    self.cookie_header = self.cookie_header + b"; " + value if self.cookie_header else value
                else:  # Transfer-Encoding overrides Content-Length (RFC 9112 §6.3), wherever it stands
                    chunked = self.has_body = True
                    self._length = None

    # --- what every request has ---

    @property
    def content_type(self) -> str:
        """The Content-Type as it came, `""` without one."""
        return self._content_type.decode("latin-1")

    @content_type.setter
    def content_type(self, content_type: str) -> None:
        self._content_type = content_type.encode("latin-1")

    @property
    def headers(self) -> Headers:
        """The header fields, names in lower case, values as latin-1 text."""
        if self._headers is None:
            found: dict[str, str] = {}
            for raw_name, raw_value in self.scope["headers"]:
                name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
                if name in found:
                    value = f"{found[name]}{'; ' if name == 'cookie' else ', '}{value}"
                found[name] = value
            self._headers = Headers(found)
        return self._headers

    def header_lines(self, name: str) -> list[str]:
        """The value of every line of the header `name` (lower case), as UTF-8 text.

        Raises ValueError for a value that is no UTF-8 or holds NUL.
        """
        wanted = name.encode("latin-1")
        lines = [value.decode("utf-8") for field, value in self.scope["headers"] if field.lower() == wanted]
        if any("\0" in line for line in lines):
            raise ValueError("NUL in a header")
        return lines

    @property
    def query_params(self) -> dict[str, list[str]]:
        """The query string's names, each with every value it has."""
        found = self._query
        if found is None:
            raw: bytes = self.scope.get("query_string", b"")
            if len(raw) > self.limits.query:
                raise HTTPError(413, f"The query string is longer than {self.limits.query} bytes")
            self._query = found = parse_urlencoded(raw, "query", self.limits.fields) if raw else {}
        return found

    @property
    def cookie_params(self) -> dict[str, list[str]]:
        """The cookies' names, each with every value that came."""
        if self._cookies is None:
            try:
                header = self.cookie_header.decode("utf-8")
            except UnicodeDecodeError:
                raise BadRequest([Invalid("The Cookie header is not valid UTF-8 text", "cookie")]) from None
            if "\0" in header:
                raise BadRequest([Invalid("The Cookie header holds a NUL", "cookie")])
            self._cookies = {}
            for name, value in parse_cookies(header):
                self._cookies.setdefault(name, []).append(value)
        return self._cookies

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies by name; of several with one name the first."""
        return {name: values[0] for name, values in self.cookie_params.items()}

    @property
    def state(self) -> dict[str, Any]:
        """A place for what middleware and handlers have to tell each other about this request.

        It begins with what the lifespan put into the server's state (ASGI lifespan state).
        """
        if self._state is None:
            self._state = dict(self.scope.get("state") or {})
        return self._state

    def route_to(self, handler: str, *segments: str) -> None:
        """For middleware: answer this request with the method `handler`, these being its path values."""
        self._route_handler = handler
        self.path_params = list(segments)

    # --- the body ---

    @property
    def form_params(self) -> Mapping[str, list[str]]:
        """The form's text fields that have arrived, urlencoded or multipart."""
        found = self._form
        if found is None:
            if self.media is _FORM:
                found = parse_urlencoded(self.body, "form", self.limits.fields)
            else:
                found = self.multipart.fields if self.multipart is not None else EMPTY
            self._form = found
        return found

    @property
    def file_params(self) -> Mapping[str, Sequence[UploadFile]]:
        """The multipart form's files that have begun to arrive, by field name."""
        return self.multipart.files if self.multipart is not None else EMPTY

    @property
    def json_params(self) -> Mapping[str, msgspec.Raw]:
        """The top-level keys of a JSON body, each value as it was sent."""
        found = self._keys
        if found is None:
            self._keys = found = parse_json_keys(self.body) if self.media is _JSON else EMPTY
        return found

    @property
    def body_params(self) -> dict[str, list[str]]:
        """The body's names as text: a form's fields; of a JSON object its keys, other values than text in JSON."""
        if self.media is not _JSON:
            return dict(self.form_params)
        return {name: [_as_text(value)] for name, value in self.json_params.items()}

    @property
    def get_json(self) -> Any:
        """The JSON body's value; None without one. Raises BadRequest for malformed JSON."""
        if self._json is None and self.media is _JSON:
            self._json = decode_json(self.body)
        return self._json

    @property
    def files(self) -> dict[str, dict[str, Any]]:
        """The files by field name: each a mapping with `filename`, `content_type` and `content`, a queue of chunks."""
        return {name: found[0].mapping() for name, found in self.file_params.items()}

    @overload
    def query(self, name: str) -> str | None: ...
    @overload
    def query(self, name: str, default: T) -> str | T: ...
    def query(self, name: str, default: object = None) -> object:
        """The first value of `name` in the query string, or `default`."""
        return self.query_params.get(name, (default,))[0]

    @overload
    def form(self, name: str) -> str | None: ...
    @overload
    def form(self, name: str, default: T) -> str | T: ...
    def form(self, name: str, default: object = None) -> object:
        """The first value of the form field `name`, or `default`."""
        return self.form_params.get(name, (default,))[0]

    def json(self, name: str | None = None, default: Any = None) -> Any:
        """The JSON body's value, or with `name` the value of that key of it, or `default`."""
        value = self.get_json
        if name is None:
            return default if value is None else value
        return value.get(name, default) if isinstance(value, dict) else default

    async def stream(self) -> AsyncIterator[bytes]:
        """The body chunk by chunk: as it arrives for a handler that asked for a stream, else what was read already."""
        if self.body_stream is None:
            if self.body:
                yield self.body
            return
        while chunk := await self.body_stream.read():
            yield chunk

    # --- the session ---

    @property
    def session(self) -> dict[str, Any]:
        """The session's data; changes are saved when the response starts."""
        state = self.current_session or self.session_state
        return state._data if state.touched else state.data

    @session.setter
    def session(self, data: Mapping[str, Any]) -> None:
        self.session_state.replace(data)

    @property
    def session_state(self) -> SessionState:
        """The session with its identifier and its history in this request."""
        if self.current_session is None:
            self.current_session = SessionState()
        return self.current_session

    @property
    def session_params(self) -> Mapping[str, Any]:
        """The session's data where there is a session; looking here starts none."""
        return self.current_session.data if self.current_session is not None else EMPTY

    def regenerate_session(self) -> None:
        """Give the session a new identifier, and end the old one: call it whenever somebody logs in."""
        self.session_state.regenerate()

    # --- called by the framework ---

    def open_body(self, *, raw: bool = False, streaming: bool = False) -> MultipartBody | None:
        """Begin with the body: a reader of a multipart one, or None when it is to be read whole or streamed.

        With `raw` a multipart body is one like any other; `streaming` is that, for a body that is not held in memory.
        Does nothing the second time. Raises HTTPError 413 for a body that announces more than it may have, and
        BadRequest for a boundary that is missing.
        """
        if self.body_opened:
            return self.multipart
        self.body_opened = True
        limits = self.limits
        media = self.announced_media
        is_multipart = media is _MULTIPART and not (raw or streaming)
        size = limits.multipart if is_multipart or streaming else limits.body
        if self._length is not None and self._length > size:
            raise body_too_large(size)
        self.media = _NONE if streaming else media
        if not (streaming or is_multipart):
            return None
        self.body_stream = BodyStream(
            self.receive,
            size=size,
            read_timeout=limits.read_timeout,
            total_timeout=limits.multipart_timeout,
            length=self._length,
        )
        if is_multipart:
            boundary = parse_boundary(self.content_type)
            if boundary is None:
                raise BadRequest([Invalid("Missing boundary")])
            self.multipart = MultipartBody(self.body_stream, boundary, limits)
            self.needs_cleanup = True
        return self.multipart

    def open_cleanup_stack(self, run_sync: RunSync) -> None:
        """Make the clean-up stack that the request's dependencies enter; `run_sync` runs their blocking functions."""
        if self.cleanup_stack is None:
            self.cleanup_stack = CleanupStack(run_sync)
            self.needs_cleanup = True

    def record_failure(self, error: BaseException | None) -> None:
        """Keep what the response failed with, for the dependencies that go on after it."""
        if self.cleanup_stack is not None:
            self.cleanup_stack.record_failure(error)

    async def clean_up(self) -> None:
        """Leave what the dependencies entered, then close a multipart body. Nothing follows it in a request."""
        try:
            if self.cleanup_stack is not None:
                await self.cleanup_stack.leave(self.scope)
        finally:
            if self.multipart is not None:
                await self.multipart.close()

    async def read_body(self, *, raw: bool = False) -> None:
        """Receive a body that is held in memory; of a multipart one only the reader is made, unless it is wanted `raw`.

        Does nothing the second time. Raises HTTPError 408 or 413, ClientDisconnected.
        """
        if self.body_opened:
            return
        media = self.announced_media
        if media is _MULTIPART and not raw:
            self.open_body()
            return
        self.body_opened = True
        limits = self.limits
        if self._length is not None and self._length > limits.body:
            raise body_too_large(limits.body)
        taken = take_message(self.receive)
        if isinstance(taken, ResumedAwaitable):
            taken = await await_message(taken, min(limits.read_timeout, limits.body_timeout))
        message = taken
        body: bytes = message.get("body", b"")
        if (message.get("more_body", False) and len(body) != self._length) or message["type"] != "http.request":
            stream = BodyStream(
                self.receive,
                size=limits.body,
                read_timeout=limits.read_timeout,
                total_timeout=limits.body_timeout,
                length=self._length,
                first=message,
            )
            body = await read_whole_body(stream)
        elif len(body) > limits.body:  # but nearly every body comes in one piece
            raise body_too_large(limits.body)
        if body:
            self.body = body
            self.media = media
            if media is _JSON and not (raw or body.isascii()):
                require_utf8(body)

    @property
    def body_ended(self) -> bool:
        """Whether nothing of the body is left to arrive, so that the next message can only be a disconnect."""
        if self.body_stream is None:
            return self.body_opened or not self.has_body
        return self.body_stream.ended

    def session_cookie(self, name: str) -> str | None:
        """The session identifier that was sent; None without one, and with several, which one could not trust."""
        header = self.cookie_header
        if not header:
            return None
        if self._cookies is None:
            plain = find_plain_cookie(header, name)
            if plain is not None:
                return plain
        try:
            found = self.cookie_params.get(name, ())
        except BadRequest:
            return None
        return found[0] if len(found) == 1 else None


def _as_text(value: msgspec.Raw) -> str:
    try:
        decoded = msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise bad_json_error() from None
    return decoded if isinstance(decoded, str) else bytes(value).decode("utf-8")


class WebSocketRequest(Request):
    """The request that opened a WebSocket: a Request whose `websocket` is the connection."""

    websocket: Any
    """The connection, a `micropie.WebSocket`."""
