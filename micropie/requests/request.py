"""This module owns `Request`: views of an ASGI scope, and of the body and the session that arrived with it.

A view costs nothing until it is read. The app does the asynchronous work (receiving a body, loading a session) before
the handler runs, so that every documented attribute is a plain, synchronous one.

It is longer than 400 lines because it holds a single class: every attribute that a handler or a middleware may read is
here in one place.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

import msgspec

from .._utils.after_response import CleanupStack
from .._utils.lazy_imports import asyncio
from ..config import DEFAULT_LIMITS, KIB, Limits, SessionConfig
from ..errors import BadRequest, ClientDisconnected, HTTPError, Invalid
from ..media_types import Media
from ..sentinels import EMPTY, Unset
from ..sessions.state import SessionState, UnloadedSession
from ..types import Message, Receive, RunSync, Scope
from ..uploads.upload_file import UploadFile
from .body import decode_json, decode_json_text, parse_json_keys, read_whole_body, refuse_non_object, require_utf8
from .body_stream import BodyStream, ResumedAwaitable, await_message, build_body_too_large_error, take_message
from .context import hide_from_receive
from .cookies import find_plain_cookie, find_unanimous_cookie, parse_cookies
from .headers import Headers, length_by_digits, media_by_content_type
from .urlencoded import parse_urlencoded

if TYPE_CHECKING:
    from ..uploads.multipart import MultipartBody

T = TypeVar("T")


PAUSED: Final = 64 * KIB
"""Bytes of a body that a server takes before it stops reading, until `receive` is called; uvicorn takes the fewest."""

BODY_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose requests have a body unless Content-Length says otherwise: HTTP/2 needs no header for one."""

_PARSED_HEADERS: Final = frozenset({b"content-type", b"content-length", b"transfer-encoding", b"cookie"})
"""The only headers that are read for every request."""

# Bound to names: asking an Enum for a member takes as long as a call.
_NONE, _JSON, _FORM, _MULTIPART, _OTHER = Media


async def _receive_disconnect() -> dict[str, Any]:
    return {"type": "http.disconnect"}


class Request:
    """An HTTP request.

    `scope` is the ASGI scope, `method` the method in capitals, and `path_params` the path values that the route takes.
    A middleware may set further attributes, under names that do not begin with `micropie_`.
    """

    # Class attributes hold the defaults that few requests change. `__init__` sets what is read for every request, since
    # an instance's own attributes are found faster. An attribute that holds an Enum member gets no default here: with
    # one, CPython 3.11 would not find even the instance's own value fast.
    path_params: Sequence[str] = ()
    has_body: bool
    """True if a body was announced, or may come (RFC 9112 §6.3)."""
    body: bytes = b""
    """The body as it came, unless it is multipart."""
    media: Media
    """The kind of body that arrived; NONE for an empty one that is not a form, and for one that the handler streams."""
    multipart: "MultipartBody | None" = None
    """The reader of a multipart body."""

    # --- set by the framework ---
    # These attributes, and the methods under "called by the framework" below, are internal: the app, the sessions and
    # the dependencies use them, and they may change in any release. The prefix keeps them apart from the attributes
    # that middleware sets.
    micropie_app: Any = None
    """The App that was called with the request: the root of all its URLs."""
    _route_handler: str | None
    """The handler that a middleware chose, by `route_to` or by setting this; documented, in spite of its name."""
    micropie_trail: Any = None
    """The nodes from the App that was called down to the one whose middleware ran last; None before any ran."""
    micropie_middleware: Sequence[Any]
    """The middleware that let the request pass, each with the nodes that lead to its App, the outermost first."""
    micropie_session: SessionState | None
    """The session, once it is loaded or begun. Unlike `session_state`, reading this begins none."""
    micropie_session_config: SessionConfig | None = None
    """The session settings of a nested App that has its own."""
    micropie_cookie_header: bytes
    """All Cookie headers, as one; `b""` without any."""
    micropie_announced_media: Media
    """The kind of body that the Content-Type announces."""
    micropie_body_opened: bool = False
    """True once `read_body` was called."""
    micropie_body_stream: BodyStream | None = None
    """The stream that a body arrives through, unless it is held in memory."""
    micropie_start_after: float | None = None
    """Seconds that the response may wait for the first item of a stream; None if that decides the Content-Type."""
    micropie_cleanup_stack: CleanupStack | None = None
    """The generators of the dependencies, which go on after the response."""
    micropie_needs_cleanup: bool
    """True if `micropie_clean_up` has anything to do."""

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
        self.receive: Receive = receive or _receive_disconnect
        self.limits = limits
        self.micropie_session = self._route_handler = None
        self.micropie_middleware = ()
        self.micropie_needs_cleanup = False
        self.media = _NONE
        self.micropie_announced_media = _OTHER
        self.has_body = self.method in BODY_METHODS
        cookies = b""
        chunked = False
        for name, value in scope["headers"]:
            if name in _PARSED_HEADERS:
                if name == b"content-type":
                    self._content_type = value
                    self.micropie_announced_media = media = media_by_content_type[value]
                    if media is _FORM:
                        self.media = media  # an empty body is a form, too: the client checked no box
                elif name == b"content-length":
                    if not chunked:
                        self._length = length = length_by_digits[value]
                        self.has_body = length > 0
                elif name == b"cookie":
                    # HTTP/2 may split cookies over several lines (RFC 9113 §8.2.3).
                    cookies = cookies + b"; " + value if cookies else value
                else:  # Transfer-Encoding overrides Content-Length (RFC 9112 §6.3), in either order
                    chunked = self.has_body = True
                    self._length = None
        self.micropie_cookie_header = cookies

    # --- headers, query, cookies and state ---

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
            fields: dict[str, str] = {}
            for raw_name, raw_value in self.scope["headers"]:
                name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
                if name in fields:
                    value = f"{fields[name]}{'; ' if name == 'cookie' else ', '}{value}"
                fields[name] = value
            self._headers = Headers(fields)
        return self._headers

    def header_lines(self, name: str) -> list[str]:
        """Return the value of every line of the header `name` (lower case), as UTF-8 text.

        Raises BadRequest for a value that is not UTF-8 or holds NUL.
        """
        raw_name = name.encode("latin-1")
        lines = [value for field, value in self.scope["headers"] if field.lower() == raw_name]
        try:
            texts = [line.decode("utf-8") for line in lines]
            if not any("\0" in text for text in texts):
                return texts
        except UnicodeDecodeError:
            pass
        from ..unreadable_texts import find_text_fault

        faults = [find_text_fault(line.decode("utf-8", "surrogateescape")) for line in lines]
        spelled = "-".join(part.capitalize() for part in name.split("-"))
        raise BadRequest([Invalid(fault, "header", spelled) for fault in faults if fault is not None][:1])

    @property
    def query_params(self) -> dict[str, list[str]]:
        """The names in the query string, each with all its values. Reading some that are not text raises BadRequest."""
        query = self._query
        if query is None:
            raw: bytes = self.scope.get("query_string", b"")
            if len(raw) > self.limits.query:
                raise HTTPError(413, f"The query string is longer than {self.limits.query} bytes")
            self._query = query = parse_urlencoded(raw, "query", self.limits.fields) if raw else {}
        return query

    @property
    def cookie_params(self) -> dict[str, list[str]]:
        """The names of the cookies, each with all its values; reading values that are not text raises BadRequest."""
        if self._cookies is None:
            header = self.micropie_cookie_header.decode("utf-8", "surrogateescape")
            cookies: dict[str, list[str]] = {}
            for name, value in parse_cookies(header):
                cookies.setdefault(name, []).append(value)
            if not self.micropie_cookie_header.isascii() or "\0" in header:
                from ..unreadable_texts import replace_unreadable

                cookies = replace_unreadable(cookies, "cookie")
            self._cookies = cookies
        return self._cookies

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies by name; the first of several with one name. Those that are not text are left out."""
        cookies: dict[str, str] = {}
        for name, values in self.cookie_params.items():
            with suppress(BadRequest):
                cookies[name] = values[0]
        return cookies

    @property
    def state(self) -> dict[str, Any]:
        """Values that middleware and handlers share about this request.

        It starts as a copy of what the lifespan put into the server's state (ASGI lifespan state).
        """
        if self._state is None:
            self._state = dict(self.scope.get("state") or {})
        return self._state

    def route_to(self, handler: str, *segments: str) -> None:
        """Choose, in a middleware, the method `handler` for this request, with `segments` as its path values."""
        self._route_handler = handler
        self.path_params = list(segments)

    # --- the body ---

    @property
    def form_params(self) -> Mapping[str, list[str]]:
        """The text fields of the form that have arrived, urlencoded or multipart."""
        fields = self._form
        if fields is None:
            if self.media is _FORM:
                fields = parse_urlencoded(self.body, "form", self.limits.fields)
            else:
                fields = self.multipart.fields if self.multipart is not None else EMPTY
            self._form = fields
        return fields

    @property
    def file_params(self) -> Mapping[str, Sequence[UploadFile]]:
        """The files of the multipart form that have begun to arrive, by field name."""
        return self.multipart.files if self.multipart is not None else EMPTY

    @property
    def json_params(self) -> Mapping[str, msgspec.Raw]:
        """The top-level keys of a JSON body, each with its value as it was sent.

        Raises BadRequest for malformed JSON, and for JSON that is not an object.
        """
        keys = self._keys
        if not keys:
            self._keys = keys = parse_json_keys(self.body) if self.media is _JSON else EMPTY
            if not keys and self.media is _JSON:
                refuse_non_object(self.body)
        return keys

    @property
    def json_keys(self) -> Mapping[str, msgspec.Raw]:
        """The same as `json_params`, but empty for JSON that is not an object."""
        keys = self._keys
        if keys is None:
            self._keys = keys = parse_json_keys(self.body) if self.media is _JSON else EMPTY
        return keys

    @property
    def body_params(self) -> dict[str, list[str]]:
        """The fields of a form, or the keys of a JSON object, with values as text; other JSON values are JSON text."""
        if self.media is not _JSON:
            return dict(self.form_params)
        return {name: [decode_json_text(value)] for name, value in self.json_keys.items()}

    @property
    def get_json(self) -> Any:
        """The value of the JSON body; None without one. Raises BadRequest for malformed JSON."""
        if self._json is None and self.media is _JSON:
            self._json = decode_json(self.body)
        return self._json

    @property
    def files(self) -> dict[str, dict[str, Any]]:
        """The first file of each field: a mapping with `filename`, `content_type` and `content`, a queue of chunks."""
        return {name: files[0].mapping() for name, files in self.file_params.items()}

    @overload
    def query(self, name: str) -> str | None: ...
    @overload
    def query(self, name: str, default: T) -> str | T: ...
    def query(self, name: str, default: object = None) -> object:
        """Return the first value of `name` in the query string, or `default`."""
        return self.query_params.get(name, (default,))[0]

    @overload
    def form(self, name: str) -> str | None: ...
    @overload
    def form(self, name: str, default: T) -> str | T: ...
    def form(self, name: str, default: object = None) -> object:
        """Return the first value of the form field `name`, or `default`."""
        return self.form_params.get(name, (default,))[0]

    def json(self, name: str | None = None, default: Any = None) -> Any:
        """Return the value of the JSON body, or of its key `name`; `default` if it is missing."""
        value = self.get_json
        if name is None:
            return default if value is None else value
        return value.get(name, default) if isinstance(value, dict) else default

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield the body: chunk by chunk as it arrives, or at once if it was read before the handler ran."""
        if self.micropie_body_stream is None:
            if self.body:
                yield self.body
            return
        while chunk := await self.micropie_body_stream.read():
            yield chunk

    # --- the session ---

    @property
    def session(self) -> dict[str, Any]:
        """The data of the session. Changes are saved when the response starts."""
        state = self.micropie_session or self._begin_session()
        # 60 ns faster than `self.session_state.data`, as two properties are not called.
        return state._data if state.touched else state.data

    @session.setter
    def session(self, data: Mapping[str, Any]) -> None:
        self._begin_session().replace(data)

    @property
    def session_state(self) -> SessionState:
        """The session with its identifier and its history in this request. Reading this begins one if there is none."""
        if self.micropie_session is None:
            self.micropie_session = SessionState()
        return self.micropie_session

    def _begin_session(self) -> SessionState:
        """Return the session, for the user's code: under `SessionConfig(explicit=True)` one that was loaded."""
        if self.micropie_session is None and self.micropie_app is not None:
            config = self.micropie_session_config or self.micropie_app.session_config
            if config.explicit:
                return UnloadedSession()
        return self.session_state

    @property
    def session_params(self) -> Mapping[str, Any]:
        """The data of the session, as a binder reads it: the response then varies by the cookie, even without one."""
        return (self.micropie_session or self.session_state).params

    async def load_session(self) -> dict[str, Any]:
        """Load the session where that was not done before, as in early middleware, and return its data.

        Raises what the store raises, and HTTPError 503 if it takes too long.
        """
        session = self.micropie_session
        if session is None or isinstance(session, UnloadedSession):
            from ..sessions.lifecycle import load_session

            app = self.micropie_app
            self.micropie_session = None
            try:
                await load_session(self, app.session_backend, self.micropie_session_config or app.session_config)
            except BaseException:
                self.micropie_session = session  # an empty one would replace that of the client
                raise
        return self.session_state.data

    def regenerate_session(self) -> None:
        """Give the session a new identifier and end the old one. Call this at every login."""
        self._begin_session().regenerate()

    # --- called by the framework ---

    async def read_body(self, *, raw: bool = False, streaming: bool = False) -> None:
        """Receive the body, as far as the handler needs it. Do nothing if that was done before.

        A body that is held in memory is received whole. `streaming` only prepares `micropie_body_stream`. A multipart
        body gets its reader, `multipart`, and is not received yet; with `raw` it is like any other. Raises HTTPError
        413 for a body over its limit, before receiving any of it if Content-Length says so. Raises HTTPError 408,
        ClientDisconnected, and BadRequest for a missing boundary or for JSON that is not UTF-8.
        """
        if self.micropie_body_opened:
            return
        self.micropie_body_opened = True
        limits = self.limits
        media = self.micropie_announced_media
        arrives_later = streaming or (media is _MULTIPART and not raw)
        size = limits.multipart if arrives_later else limits.body
        length = self._length
        if length is None or length > PAUSED:
            self.receive = hide_from_receive(self.receive)
        if length is not None and length > size:
            raise build_body_too_large_error(size)
        if arrives_later:
            self.micropie_body_stream = self._make_stream(size, limits.multipart_timeout)
            if streaming:
                self.media = _NONE
            else:
                self._open_multipart(self.micropie_body_stream)
            return
        taken = take_message(self.receive)
        if isinstance(taken, ResumedAwaitable):
            taken = await await_message(taken, min(limits.read_timeout, limits.body_timeout))
        message = taken
        body: bytes = message.get("body", b"")
        # Nearly every body comes in one piece. All others, and those over the limit, go through a BodyStream.
        if (
            (message.get("more_body", False) and len(body) != self._length)
            or message["type"] != "http.request"
            or len(body) > size
        ):
            body = await read_whole_body(self._make_stream(size, limits.body_timeout, message))
        if body:
            self.body = body
            self.media = media
            if media is _JSON and not (raw or body.isascii()):
                require_utf8(body)

    def _make_stream(self, size: int, timeout: float, first: Message | None = None) -> BodyStream:
        return BodyStream(
            self.receive,
            size=size,
            read_timeout=self.limits.read_timeout,
            total_timeout=timeout,
            length=self._length,
            first=first,
        )

    def _open_multipart(self, stream: BodyStream) -> None:
        self.media = _MULTIPART
        from ..uploads.multipart import MultipartBody, parse_boundary

        boundary = parse_boundary(self.content_type)
        if boundary is None:
            raise BadRequest([Invalid("Missing boundary")])
        self.multipart = MultipartBody(stream, boundary, self.limits)
        self.micropie_needs_cleanup = True

    def micropie_open_cleanup_stack(self, run_sync: RunSync) -> None:
        """Make the clean-up stack that the request's dependencies enter; `run_sync` runs their blocking functions."""
        if self.micropie_cleanup_stack is None:
            self.micropie_cleanup_stack = CleanupStack(run_sync)
            self.micropie_needs_cleanup = True

    def micropie_record_failure(self, error: BaseException | None) -> None:
        """Keep the error of the response for the dependencies that go on after it."""
        if self.micropie_cleanup_stack is not None:
            self.micropie_cleanup_stack.record_failure(error)

    async def micropie_clean_up(self) -> None:
        """Let the dependencies finish, then close a multipart body. This is the last step of a request."""
        try:
            if self.micropie_cleanup_stack is not None:
                await self.micropie_cleanup_stack.leave(self.scope)
        finally:
            if self.multipart is not None:
                await self.multipart.close()

    async def micropie_receive_after_body(self) -> Message:
        """Receive what is left of the body, and return the message after it: `http.disconnect`.

        What a handler may still read is kept: a multipart body in memory and on disk, another one in memory. When that
        holds more than `Limits.part_memory` bytes, the rest is received once they were read. A failure waits for the
        reader.
        """
        try:
            if self.multipart is not None:
                while await self.multipart.advance():
                    await asyncio.sleep(0)  # a `receive` that never waits must not block the event loop
            elif self.micropie_body_stream is not None:
                await self.micropie_body_stream.read_ahead(self.limits.part_memory)
        except ClientDisconnected:
            return {"type": "http.disconnect"}
        except Exception:  # noqa: BLE001, S110  # the next read raises it, too
            pass
        return await self.receive()

    def session_cookie(self, name: str) -> str | Unset | None:
        """Return the value of the cookie `name`; None without one, UNSET if the client sent different ones."""
        header = self.micropie_cookie_header
        if not header:
            return None
        plain = find_plain_cookie(header, name)
        return find_unanimous_cookie(header, name) if plain is None else plain


class WebSocketRequest(Request):
    """A request that opened a WebSocket, with the connection as `websocket`."""

    websocket: Any
    """The connection, a `micropie.WebSocket`."""
