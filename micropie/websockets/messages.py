"""This module converts between the values of a type and the content of WebSocket messages.

One rule holds in both directions. bytes are a binary message. If the rest of the type is text (str, Literal of str,
StrEnum), a text message is the text itself; otherwise it is JSON. So `bytes | Event` is audio beside JSON events.
Connections are left to `connection.py`.
"""

from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from functools import lru_cache, partial, reduce, wraps
from operator import or_
from typing import Any, Final, Literal, TypeAlias, TypeVar, get_args, get_origin

import msgspec

from .._utils.lazy_imports import lazy_pattern
from ..conversion.converter import get_converter
from ..conversion.converter import make_json_decoder as careful_decoder
from ..conversion.unwrap_annotated import describe_annotation, split_union, unwrap_annotated
from ..errors import Invalid
from .protocol import INVALID_PAYLOAD, POLICY_VIOLATION, UNSUPPORTED_DATA

MAX_CHARACTER_BYTES: Final = 4
"""Bytes of one character in UTF-8, at most (RFC 3629 §3), so that short texts need not be measured."""


def measure_message(data: str | bytes) -> int:
    """Return the bytes that a message with the content `data` has on the wire."""
    if isinstance(data, bytes) or data.isascii():
        return len(data)
    return len(data.encode("utf-8", "surrogatepass"))


T = TypeVar("T")
_Made = TypeVar("_Made")


class InvalidMessage(ValueError):
    """A message from the client that is not what the handler's `In` asks for.

    `detail` says where and what was expected, and never repeats the value; `code` is the close code that answers it:
    1007 for what is not JSON or not UTF-8, 1008 for what is, but does not fit. `find` is asked once, when somebody
    wants to know of every error.
    """

    def __init__(self, detail: str, code: int, find: Callable[[], Sequence[Invalid]] | None = None) -> None:
        super().__init__(detail, code)
        self.detail = detail
        self.code = code
        self._find = find
        self._errors: list[Invalid] | None = None

    def __str__(self) -> str:
        return self.detail

    @property
    def errors(self) -> list[Invalid]:
        """Everything that is wrong with the message, each with its JSON pointer, as for a body over HTTP."""
        if self._errors is None:
            self._errors = [Invalid(self.detail, pointer="")] if self._find is None else list(self._find())
        return self._errors

    def problem(self) -> dict[str, Any]:
        """The answer to the message, as data: `{"type": "invalid", "errors": [{"detail": ..., "pointer": ...}]}`."""
        return {"type": "invalid", "errors": [error.problem() for error in self.errors]}


class WrongMessageKind(InvalidMessage):
    """A text message where the handler asked for a binary one, or a binary one where it asked for text."""

    def __init__(self, wanted: str, got: str, remedy: str) -> None:
        super().__init__(f"Expected a {wanted} message, got a {got} message", UNSUPPORTED_DATA)
        self.add_note(f"{remedy}() takes those")  # for the handler's author; the client is told the rest


_Answer: TypeAlias = Callable[[InvalidMessage], Awaitable[T | None] | T | None]
OnInvalid: TypeAlias = Literal["close", "reply", "skip"] | _Answer[T]
"""What becomes of a message that does not fit: one of three policies, or a function that may return what to answer."""


def check_policy(wanted: OnInvalid[T]) -> OnInvalid[T]:
    """`wanted`. Raises ValueError when it is none."""
    if wanted not in ("close", "reply", "skip") and not callable(wanted):
        raise ValueError(f"on_invalid is 'close', 'reply', 'skip' or a function, not {wanted!r}")
    return wanted


_Decode = Callable[[str | bytes], Any]

_CACHED_TYPES: Final = 256
"""Types kept ready: far more than one app has, and a bound for one that makes types as it runs."""


def _once_per_type(make: Callable[[Any], _Made]) -> Callable[[Any], _Made]:
    cached = lru_cache(_CACHED_TYPES)(make)

    @wraps(make)
    def made(annotation: Any) -> _Made:
        try:
            return cached(annotation)
        except TypeError:  # something unhashable in an Annotated
            return make(annotation)

    return made


# Where msgspec puts the place, which names declared fields only: keys of a dict are `[...]`.
_PATH = lazy_pattern(r" - at (`key` in )?`(\$[\w.\[\]-]*)`$")

# msgspec's errors that repeat what was sent, and what is said instead.
_ECHOES: Final = (
    ("Invalid value", "Not one of the values that are allowed here"),
    ("Invalid enum value", "Not one of the values that are allowed here"),
    ("Object contains unknown field", "Object contains a field that is not known"),
)


def _explain(error: msgspec.ValidationError) -> str:
    """What msgspec found: the place first (a long reason is cut at its end), and nothing that was sent."""
    text = str(error)
    place = ""
    if found := _PATH.search(text):
        text = text[: found.start()]
        place = f"{'a key of ' if found[1] else ''}{found[2]}: "
    return place + next((instead for echo, instead in _ECHOES if text.startswith(echo)), text)


_Find = Callable[[str | bytes], Sequence[Invalid]]


def decoded(decode: Callable[[str | bytes], T], data: str | bytes, find: _Find | None = None) -> T:
    """`decode(data)`. Raises InvalidMessage for all that may be wrong with `data`, of which `find` finds every bit."""
    try:
        return decode(data)
    except InvalidMessage:
        raise
    except msgspec.ValidationError as error:
        raise InvalidMessage(_explain(error), POLICY_VIOLATION, find and partial(find, data)) from error
    except msgspec.DecodeError as error:
        raise InvalidMessage(str(error), INVALID_PAYLOAD) from error
    except UnicodeError as error:
        raise InvalidMessage("Text is not valid UTF-8", INVALID_PAYLOAD) from error
    except RecursionError as error:
        raise InvalidMessage("JSON is nested too deeply", INVALID_PAYLOAD) from error
    except (ValueError, TypeError) as error:  # numbers that are not for this type, or what cannot be in a set
        raise InvalidMessage(str(error), POLICY_VIOLATION, find and partial(find, data)) from error


def _is_binary(member: Any) -> bool:
    return unwrap_annotated(member)[0] in (bytes, bytearray)


def _is_text(member: Any) -> bool:
    plain, _ = unwrap_annotated(member)
    if get_origin(plain) is Literal:
        return all(isinstance(value, str) for value in get_args(plain))
    return plain is str or (isinstance(plain, type) and issubclass(plain, str) and issubclass(plain, Enum))


def _is_json(members: Sequence[Any]) -> bool:
    return not all(map(_is_text, members))


def _union(members: Sequence[Any]) -> Any:
    """The union of `members`. Raises UnsupportedTypeError for one that msgspec would refuse at the first message."""
    union = reduce(or_, members)
    describe_annotation(union)
    return union


@_once_per_type
def make_json_message_decoder(annotation: Any) -> _Decode:
    """The function from JSON, as text or bytes, to a value of the type `annotation`. It raises InvalidMessage."""
    union = _union(split_union(annotation))
    decode = careful_decoder(union, describe_annotation(union))

    def find(data: str | bytes) -> Sequence[Invalid]:
        return get_converter(union).json_errors(data.encode() if isinstance(data, str) else data, "")

    return lambda data: decoded(decode, data, find)


def _as_it_is(members: Sequence[Any], only: type) -> _Decode:
    """What turns a text or binary message into one of `members`, without JSON."""
    if tuple(members) == (only,):
        return lambda data: data
    union = _union(members)
    return lambda data: decoded(partial(msgspec.convert, type=union), data)


def _refuse(wanted: str, got: str) -> _Decode:
    def refuse(_data: str | bytes) -> Any:
        raise InvalidMessage(f"Expected a {wanted} message, got a {got} message", POLICY_VIOLATION)

    return refuse


@_once_per_type
def make_message_decoder(annotation: Any) -> Callable[[str | bytes], Any]:
    """The function from the content of a message to a value of the type `annotation`, made once per type.

    It raises InvalidMessage. Raises UnsupportedTypeError for a type that cannot be decoded.
    """
    members = split_union(annotation)
    binary = [member for member in members if _is_binary(member)]
    others = [member for member in members if not _is_binary(member)]
    if not binary and _is_json(others):
        return make_json_message_decoder(annotation)
    if not others:
        from_text = _refuse("binary", "text")
    elif _is_json(others):
        from_text = make_json_message_decoder(reduce(or_, others))
    else:
        from_text = _as_it_is(others, str)
    from_binary = _as_it_is(binary, bytes) if binary else _refuse("text", "binary")
    return lambda data: from_text(data) if isinstance(data, str) else from_binary(data)


@_once_per_type
def find_plain_type(annotation: Any) -> type | None:
    """The type of values of `annotation` that travel as they are: str or bytes, without constraints; None for none."""
    plain, metadata = unwrap_annotated(annotation)
    constrained = any(isinstance(item, msgspec.Meta) for item in metadata)
    return plain if plain in (str, bytes) and not constrained else None


def read_text(data: str | bytes) -> str:
    """The content of a text message. Raises OtherKind."""
    if isinstance(data, bytes):
        raise WrongMessageKind("text", "binary", "receive_bytes")
    return data


def read_bytes(data: str | bytes) -> bytes:
    """The content of a binary message. Raises OtherKind."""
    if isinstance(data, str):
        raise WrongMessageKind("binary", "text", "receive_text")
    return data


def _encode_plain(value: Any) -> str | bytes:
    return str.__str__(value) if isinstance(value, str) else _encode_json(value)  # of a StrEnum, the text alone


def _encode_json(value: Any) -> str | bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    return msgspec.json.encode(value).decode()


@_once_per_type
def make_message_encoder(annotation: Any) -> Callable[[Any], str | bytes]:
    """The function from a value of the type `annotation` to the content of a message (str: text, bytes: binary)."""
    others = [member for member in split_union(annotation) if not _is_binary(member)]
    return _encode_json if _is_json(others) else _encode_plain
