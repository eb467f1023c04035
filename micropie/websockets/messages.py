"""This module converts between the values of a type and the content of WebSocket messages.

One rule holds in both directions. bytes are a binary message. If the rest of the type is text (str, Literal of str,
StrEnum), a text message is the text itself; otherwise it is JSON. So `bytes | Event` is audio beside JSON events.
Connections are left to `connection.py`.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from enum import Enum
from functools import lru_cache, partial, reduce, wraps
from operator import or_
from typing import Any, Final, Literal, TypeAlias, TypeVar, get_args, get_origin

import msgspec
from msgspec.structs import replace

from ..conversion.converter import Converter, get_converter, make_json_decoder
from ..conversion.declared_types import UndeclaredError
from ..conversion.error_wording import BAD_JSON, describe_expected, describe_kind
from ..conversion.json_pointer import escape_token
from ..conversion.to_declared import get_declared_type
from ..conversion.type_info import unwrap_metadata, walk_types
from ..conversion.unwrap_annotated import describe_annotation, split_union, unwrap_annotated
from ..errors import Invalid, ResponseError, limit_errors
from .protocol import INVALID_PAYLOAD, POLICY_VIOLATION, UNSUPPORTED_DATA

T = TypeVar("T")
_Product = TypeVar("_Product")

MAX_CHARACTER_BYTES: Final = 4
"""Bytes of one character in UTF-8, at most (RFC 3629 §3), so that short texts need not be measured."""


def measure_message(data: str | bytes) -> int:
    """Return the bytes that a message with the content `data` has on the wire."""
    if isinstance(data, bytes) or data.isascii():
        return len(data)
    return len(data.encode("utf-8", "surrogatepass"))


# --- Messages that are not valid -------------------------------------------------------------------------------------


class InvalidMessage(ValueError):
    """A message from the client that does not fit the handler's `In`.

    `detail` says where the message is wrong and what was expected, and never repeats what the client sent. `code` is
    the close code for it: 1007 for a message that is not JSON or not UTF-8, and 1008 for one that does not fit.
    `errors` lists what is wrong with it, each error with its JSON pointer, as for a body over HTTP.
    """

    def __init__(self, detail: str, code: int, errors: Sequence[Invalid] | None = None) -> None:
        super().__init__(detail, code)
        self.detail = detail
        self.code = code
        self.errors = [Invalid(detail, pointer="")] if errors is None else limit_errors(errors)

    def __str__(self) -> str:
        return self.detail

    def problem(self) -> dict[str, Any]:
        """Return the reply to the message: `{"type": "invalid", "errors": [{"detail": ..., "pointer": ...}]}`."""
        return {"type": "invalid", "errors": [error.problem() for error in self.errors]}


class WrongMessageKind(InvalidMessage):
    """A text message where the handler asked for a binary one, or a binary one where it asked for text."""

    def __init__(self, wanted: str, got: str, remedy: str) -> None:
        super().__init__(f"Expected a {wanted} message, got a {got} message", UNSUPPORTED_DATA)
        self.add_note(f"Call {remedy}() for {got} messages")  # for the handler's author; the client gets the text above


_OnInvalidFunction: TypeAlias = Callable[[InvalidMessage], Awaitable[T | None] | T | None]
OnInvalid: TypeAlias = Literal["close", "reply", "skip"] | _OnInvalidFunction[T]
"""The policy for messages that do not fit: one of three names, or a function that may return a reply."""


def check_policy(policy: OnInvalid[T]) -> OnInvalid[T]:
    """Return `policy`. Raises ValueError if it is not a policy."""
    if policy not in ("close", "reply", "skip") and not callable(policy):
        raise ValueError(f"on_invalid must be 'close', 'reply', 'skip' or a function, not {policy!r}")
    return policy


def _build_misfit(errors: Sequence[Invalid], place: str) -> InvalidMessage:
    """Return the error for a message that could be read but does not fit; `place` says where the first error is."""
    detail = errors[0].detail
    # The place comes first, since a long reason is cut at its end.
    return InvalidMessage(f"{place}: {detail}" if place else detail, POLICY_VIOLATION, errors)


def _build_json_misfit(converter: Converter, data: str | bytes) -> InvalidMessage:
    document = data.encode() if isinstance(data, str) else data
    errors = converter.find_json_errors(document, "")
    if errors[0].detail == BAD_JSON and _is_malformed(document):  # the decoder met a misfit before the malformed part
        return InvalidMessage(BAD_JSON, INVALID_PAYLOAD, errors)
    pointer = errors[0].pointer
    return _build_misfit(errors, _hide_keys(pointer, document, converter) if pointer else "")


def _is_malformed(document: bytes) -> bool:
    """Return True if `document` is not JSON. A number that is too large to decode is JSON."""
    try:
        msgspec.json.decode(document)
    except msgspec.ValidationError:
        return False
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True
    return False


def _build_plain_misfit(converter: Converter, data: str | bytes) -> InvalidMessage:
    if isinstance(data, str):
        return _build_misfit([replace(error, pointer="") for error in converter.find_value_errors(data)], "")
    # The converter's own words are for JSON, where bytes are base64 text.
    info = unwrap_metadata(converter.info)
    limits = describe_expected(info).removeprefix(describe_kind(info))
    return InvalidMessage(f"Expected bytes{limits}", POLICY_VIOLATION)


def _hide_keys(pointer: str, document: bytes, converter: Converter) -> str:
    """Return `pointer` with `*` for every name that the client chose: a key of a dict, an unknown field."""
    declared = set[str]()
    for info in walk_types(converter.info):
        names = [field.encode_name for field in getattr(info, "fields", ())]
        declared.update(map(escape_token, [*names, getattr(info, "tag_field", "")]))
    place = ""
    value: Any = msgspec.json.decode(document)
    for token in pointer.split("/")[1:]:
        place += f"/{token}" if isinstance(value, list) or token in declared else "/*"
        members: Iterable[tuple[object, Any]] = ()
        if isinstance(value, list):
            members = enumerate(value)
        elif isinstance(value, dict):
            members = value.items()
        value = next((member for name, member in members if escape_token(name) == token), None)
    return place


def _decode_checked(
    decode: Callable[[str | bytes], T], data: str | bytes, build_misfit: Callable[[str | bytes], InvalidMessage]
) -> T:
    """Return `decode(data)`. Raises InvalidMessage if that fails, which `build_misfit` makes if `data` can be read."""
    try:
        return decode(data)
    except msgspec.ValidationError as error:
        raise build_misfit(data) from error
    except msgspec.DecodeError as error:
        raise InvalidMessage(str(error), INVALID_PAYLOAD) from error
    except UnicodeError as error:
        raise InvalidMessage("Text is not valid UTF-8", INVALID_PAYLOAD) from error
    except RecursionError as error:
        raise InvalidMessage("JSON is nested too deeply", INVALID_PAYLOAD) from error
    except (ValueError, TypeError) as error:  # a number outside its type's range, or an item that a set cannot hold
        raise build_misfit(data) from error


# --- How types travel ------------------------------------------------------------------------------------------------

_Decode = Callable[[str | bytes], Any]

_CACHED_TYPES: Final = 256
"""Types kept ready. An app has far fewer; an app that makes types as it runs needs the bound."""


def _cache_per_type(make: Callable[[Any], _Product]) -> Callable[[Any], _Product]:
    cached = lru_cache(_CACHED_TYPES)(make)

    @wraps(make)
    def make_once(annotation: Any) -> _Product:
        """Return `make(annotation)`, from the cache if possible."""
        try:
            return cached(annotation)
        except TypeError:  # an Annotated holds something unhashable
            return make(annotation)

    return make_once


def is_binary(member: Any) -> bool:
    """Return True if values of `member`, which is not a union, travel as binary messages."""
    return unwrap_annotated(member)[0] in (bytes, bytearray)


def _is_text(member: Any) -> bool:
    plain, _ = unwrap_annotated(member)
    if get_origin(plain) is Literal:
        return all(isinstance(value, str) for value in get_args(plain))
    return plain is str or (isinstance(plain, type) and issubclass(plain, str) and issubclass(plain, Enum))


def is_json(members: Sequence[Any]) -> bool:
    """Return True if values of the union of `members`, none of them binary, travel as JSON."""
    return not all(map(_is_text, members))


def _make_union(members: Sequence[Any]) -> Any:
    """Return the union of `members`. Raises UnsupportedTypeError for one that msgspec would refuse at first use."""
    union = reduce(or_, members)
    describe_annotation(union)
    return union


@_cache_per_type
def make_json_message_decoder(annotation: Any) -> _Decode:
    """Return the function from JSON, as text or bytes, to a value of `annotation`.

    That function raises InvalidMessage. Raises UnsupportedTypeError for a type that cannot be decoded.
    """
    union = _make_union(split_union(annotation))
    decode = make_json_decoder(union, describe_annotation(union))

    def build_misfit(data: str | bytes) -> InvalidMessage:
        return _build_json_misfit(get_converter(union), data)

    return lambda data: _decode_checked(decode, data, build_misfit)


def _make_plain_decoder(members: Sequence[Any], plain: type) -> _Decode:
    """Return the function from the content of a message, which is `plain`, to one of `members`, without JSON."""
    if tuple(members) == (plain,):
        return lambda data: data
    union = _make_union(members)

    def build_misfit(data: str | bytes) -> InvalidMessage:
        return _build_plain_misfit(get_converter(union), data)

    return lambda data: _decode_checked(partial(msgspec.convert, type=union), data, build_misfit)


def _make_refusal(wanted: str, got: str) -> _Decode:
    def refuse(_data: str | bytes) -> Any:
        raise InvalidMessage(f"Expected a {wanted} message, got a {got} message", POLICY_VIOLATION)

    return refuse


@_cache_per_type
def make_message_decoder(annotation: Any) -> Callable[[str | bytes], Any]:
    """Return the function from the content of a message to a value of `annotation`.

    That function raises InvalidMessage. Raises UnsupportedTypeError for a type that cannot be decoded.
    """
    members = split_union(annotation)
    binary = [member for member in members if is_binary(member)]
    others = [member for member in members if not is_binary(member)]
    if not binary and is_json(others):
        return make_json_message_decoder(annotation)
    if not others:
        from_text = _make_refusal("binary", "text")
    elif is_json(others):
        from_text = make_json_message_decoder(reduce(or_, others))
    else:
        from_text = _make_plain_decoder(others, str)
    from_binary = _make_plain_decoder(binary, bytes) if binary else _make_refusal("text", "binary")
    return lambda data: from_text(data) if isinstance(data, str) else from_binary(data)


@_cache_per_type
def find_plain_type(annotation: Any) -> type[Any] | None:
    """Return str or bytes if values of `annotation` are a message's content as they are, without checks; else None."""
    plain, metadata = unwrap_annotated(annotation)
    constrained = any(isinstance(item, msgspec.Meta) for item in metadata)
    return plain if plain in (str, bytes) and not constrained else None


def read_text(data: str | bytes) -> str:
    """Return the content of a text message. Raises WrongMessageKind for a binary one."""
    if isinstance(data, bytes):
        raise WrongMessageKind("text", "binary", "receive_bytes")
    return data


def read_bytes(data: str | bytes) -> bytes:
    """Return the content of a binary message. Raises WrongMessageKind for a text one."""
    if isinstance(data, str):
        raise WrongMessageKind("binary", "text", "receive_text")
    return data


def _encode_plain(value: Any) -> str | bytes:
    # A StrEnum may define a `__str__` that is not its text.
    return str.__str__(value) if isinstance(value, str) else _encode_json(value)


def _encode_json(value: Any) -> str | bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    return msgspec.json.encode(value).decode()


@_cache_per_type
def make_message_encoder(annotation: Any) -> Callable[[Any], str | bytes]:
    """Return the function from a value of `annotation` to the content of a message (str: text, bytes: binary).

    Only what `annotation` declares is sent. That function raises ResponseError for a value that cannot be sent as it.
    """
    others = [member for member in split_union(annotation) if not is_binary(member)]
    encode = _encode_json if is_json(others) else _encode_plain
    declared = get_declared_type(annotation)

    def keep_and_encode(value: Any) -> str | bytes:
        if not declared.fits(value):
            try:
                value = declared.convert(value)
            except UndeclaredError as error:
                raise ResponseError(f"The message does not fit the type that is sent: {error}") from None
        return encode(value)

    return keep_and_encode
