"""This module writes server-sent events, the items of a `text/event-stream` (HTML §9.2)."""

import re
from enum import Enum
from typing import Generic, TypeVar

import msgspec

from ..sentinels import UNSET, Unset
from .encoding import encode_json, encode_text

T = TypeVar("T")

# HTML §9.2.5, end-of-line. `str.splitlines` would also split at characters that end no line there.
_LINE_END = re.compile("\r\n|\r|\n")


class ServerSentEvent(msgspec.Struct, Generic[T], frozen=True):
    """An event that a handler yields, and that a browser's `EventSource` receives (HTML §9.2.6).

    Raises ValueError for an `event` or `id` that contains a line end, an `id` with a NUL, and a negative `retry`.
    """

    data: T | Unset = UNSET
    """The content. Text is sent as it is, line by line, and everything else as JSON.

    Without data, a browser dispatches no event.
    """
    event: str | None = None
    """The event's type; `message` when not given."""
    id: str | None = None
    """The value that a browser sends as `Last-Event-ID` when it connects again."""
    retry: int | None = None
    """Milliseconds to wait before connecting again."""
    comment: str | None = None
    """Text that browsers ignore. It keeps proxies from closing an idle connection."""

    def __post_init__(self) -> None:
        for name, value, banned in (("event", self.event, "\r\n"), ("id", self.id, "\r\n\0")):
            if value is not None and any(character in value for character in banned):
                raise ValueError(f"ServerSentEvent {name} must be one line without NUL, not {value!r}")
        if self.retry is not None and self.retry < 0:
            raise ValueError(f"ServerSentEvent retry must be a number of milliseconds, not {self.retry}")

    def encode(self) -> bytes:
        """Return the event as it is sent, with the empty line that ends it."""
        fields: list[tuple[str, str]] = []
        if self.comment is not None:
            fields += [("", line) for line in _LINE_END.split(self.comment)]
        if self.event is not None:
            fields.append(("event", self.event))
        if self.id is not None:
            fields.append(("id", self.id))
        if self.retry is not None:
            fields.append(("retry", str(self.retry)))
        if self.data is not UNSET:
            is_text = isinstance(self.data, str) and not isinstance(self.data, Enum)
            text = str(self.data) if is_text else encode_json(self.data).decode()
            fields += [("data", line) for line in _LINE_END.split(text)]
        return encode_text("".join(f"{name}: {value}\n" for name, value in fields) + "\n")
