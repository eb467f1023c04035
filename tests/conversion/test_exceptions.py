"""What a type's own rule raises is told as its author wrote it, or by a neutral text; what is a bug is raised."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any

import attrs
import msgspec
import pytest
from msgspec import Struct

from micropie import App, FormResult, Query, Session, WebSocket
from micropie.conversion.converter import get_converter
from micropie.conversion.exceptions import get_validator_message
from micropie.testing import TestClient, WebSocketClosed
from tests.conversion.examples import Moody, list_errors
from tests.support.shared_types import Range

NEUTRAL = "Not a valid value"
SECRET = "s3cret"
JSON_LINES = {"content-type": "application/x-ndjson"}
PROBLEM = '{"type":"about:blank","title":"Internal Server Error","status":500}'


class Ruled(Struct):
    text: str

    def __post_init__(self) -> None:
        check(self.text, self)


class RuledRow(Struct, array_like=True):
    text: str

    def __post_init__(self) -> None:
        check(self.text, self)


@dataclass
class RuledData:
    text: str

    def __post_init__(self) -> None:
        check(self.text, self)


@attrs.define
class RuledAttrs:
    text: str = attrs.field()

    @text.validator  # pyright: ignore[reportUntypedFunctionDecorator, reportAttributeAccessIssue]  (an attrs field)
    def _check(self, _: object, text: str) -> None:
        check(text, self)


class LoudError(ValueError):
    """A rule's exception with a message of its own making."""

    def __str__(self) -> str:
        return f"shouted {self.args}"


def check(text: str, value: object) -> None:
    """Raise the exception that `text` names."""
    raise RAISED[text.removesuffix(SECRET)](text, value)


RAISED: dict[str, Callable[[str, object], Exception]] = {
    "text": lambda text, value: ValueError("must be short"),
    "subclass": lambda text, value: LoudError("must be short"),
    "validation": lambda text, value: msgspec.ValidationError("must be short"),
    "several": lambda text, value: ValueError("bad", text, value),
    "object": lambda text, value: ValueError(value),
    "none": lambda text, value: ValueError(),
    "empty": lambda text, value: ValueError(""),
    "bytes": lambda text, value: ValueError(b"must be short"),
    "type": lambda text, value: TypeError(f"a bug with {text}"),
    "key": lambda text, value: KeyError(text),
    "assertion": lambda text, value: AssertionError(text),
}
TOLD = [(name, "must be short" if name in ("text", "subclass", "validation") else NEUTRAL) for name in list(RAISED)[:8]]
BUGS = list(RAISED)[8:]
CLASSES = [Ruled, RuledRow, RuledData, RuledAttrs]


def _write(cls: type, text: str) -> Any:
    return [text] if cls is RuledRow else {"text": text}


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize(("name", "told"), TOLD)
def test_error_of_a_rule_is_told_by_its_text_or_a_neutral_one(cls: type, name: str, told: str) -> None:
    value = _write(cls, name + SECRET)
    assert list_errors(cls, value) == [("", told)]
    assert list_errors(list[cls], [value]) == [("/0", told)]  # type: ignore[valid-type]
    assert list_errors(dict[str, cls | None], {"a": value}) == [("/a", told)]  # type: ignore[valid-type]


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("name", BUGS)
def test_bug_in_a_rule_is_raised_as_it_is(cls: type, name: str) -> None:
    value = _write(cls, name)
    converter = get_converter(cls)
    kind = type(RAISED[name]("", None))
    with pytest.raises(kind):
        converter.find_json_errors(msgspec.json.encode(value), "")
    with pytest.raises(kind):
        converter.find_value_errors(value)


@attrs.define
class Strict:
    low: int = attrs.field(default=0, validator=attrs.validators.lt(10))
    word: str = attrs.field(default="a", validator=attrs.validators.matches_re("a+"))
    choice: int = attrs.field(default=1, validator=attrs.validators.in_([1, 2]))
    kind: Any = attrs.field(default="", validator=attrs.validators.instance_of(str))
    short: str = attrs.field(default="", validator=attrs.validators.and_(attrs.validators.max_len(3)))
    many: list[Any] = attrs.field(
        factory=list, validator=attrs.validators.deep_iterable(attrs.validators.instance_of(str))
    )
    either: Any = attrs.field(
        default=1, validator=attrs.validators.or_(attrs.validators.instance_of(int), attrs.validators.lt(3))
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("low", 12345),
        ("word", SECRET),
        ("choice", 12345),
        ("kind", 12345),
        ("short", SECRET),
        ("many", [12345]),
        ("either", SECRET),
    ],
)
def test_message_of_attrs_is_replaced_by_one_that_names_the_field(name: str, value: object) -> None:
    assert list_errors(Strict, {name: value}) == [("", f"Not a valid value of '{name}'")]


class Api(App):
    async def body(self, item: Ruled) -> None: ...

    async def key(self, item: Ruled, more: Range | None = None) -> None: ...

    async def data(self, item: RuledData) -> None: ...

    async def names(self, item: RuledAttrs) -> None: ...

    async def query(self, item: Annotated[Ruled, Query()]) -> None: ...

    async def lines(self, items: AsyncIterator[Ruled]) -> None:
        async for _ in items:
            pass

    async def form(self, form: FormResult[Ruled]) -> str:
        return " ".join(form.errors[""])

    async def keep(self, text: str) -> None:
        self.request.session["text"] = text

    async def kept(self, item: Annotated[Ruled, Session()]) -> None: ...

    async def ws_items(self, ws: WebSocket[Ruled, str]) -> None:
        await ws.accept(on_invalid="reply")
        async for _ in ws:
            pass


SENT: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/body", {"json": {"text": "{}"}}),
    ("POST", "/key", {"json": {"item": {"text": "{}"}}}),
    ("POST", "/body", {"data": {"text": "{}"}}),
    ("POST", "/data", {"data": {"text": "{}"}}),
    ("POST", "/names", {"json": {"text": "{}"}}),
    ("GET", "/query?text={}", {}),
]


def _fill(sent: Any, text: str) -> Any:
    if isinstance(sent, dict):
        return {name: _fill(value, text) for name, value in sent.items()}
    return sent.replace("{}", text)


@pytest.mark.parametrize(("method", "path", "sent"), SENT)
@pytest.mark.parametrize(("name", "told"), TOLD)
def test_request_that_breaks_a_rule_is_400(method: str, path: str, sent: Any, name: str, told: str) -> None:
    client = TestClient(Api(), raise_server_exceptions=False)
    response = client.request(method, _fill(path, name + SECRET), **_fill(sent, name + SECRET))
    assert response.status_code == 400
    assert told in response.text
    assert SECRET not in response.text


@pytest.mark.parametrize(("method", "path", "sent"), SENT)
@pytest.mark.parametrize("name", BUGS)
def test_request_that_meets_a_bug_in_a_rule_is_a_logged_500(
    method: str, path: str, sent: Any, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = TestClient(Api(), raise_server_exceptions=False)
    response = client.request(method, _fill(path, name), **_fill(sent, name))
    assert response.status_code == 500
    assert response.text in ("500 Internal Server Error", PROBLEM)
    assert [record.exc_info is not None for record in caplog.records] == [True]
    assert type(RAISED[name]("", None)).__name__ in caplog.text


def test_message_that_breaks_a_rule_gets_the_text_of_the_rule() -> None:
    with TestClient(Api()).websocket_connect("/items") as ws:
        ws.send_json({"text": "validation"})
        assert ws.receive_json()["errors"] == [{"detail": "must be short", "pointer": ""}]


@pytest.mark.parametrize(("name", "told"), TOLD)
def test_rule_is_told_alike_in_forms_lines_and_sessions(name: str, told: str) -> None:
    client = TestClient(Api())
    text = name + SECRET
    assert client.post("/form", data={"text": text}).text == told
    lines = client.post("/lines", content=msgspec.json.encode({"text": text}), headers=JSON_LINES)
    assert (lines.status_code, lines.json()["errors"][0]["detail"]) == (400, f"Line 1: {told}")
    client.get("/keep", params={"text": text})
    stored = client.get("/kept")
    assert stored.status_code == 400
    assert told in stored.text


@pytest.mark.parametrize("name", BUGS)
def test_bug_in_a_rule_is_a_500_in_forms_lines_sessions_and_messages(name: str) -> None:
    client = TestClient(Api(), raise_server_exceptions=False)
    assert client.post("/form", data={"text": name}).status_code == 500
    body = msgspec.json.encode({"text": name})
    assert client.post("/lines", content=body, headers=JSON_LINES).status_code == 500
    client.get("/keep", params={"text": name})
    assert client.get("/kept").status_code == 500
    with client.websocket_connect("/items") as ws:
        ws.send_text(body.decode())
        with pytest.raises(WebSocketClosed) as closed:
            ws.receive_text()
    assert closed.value.code == 1011


def test_message_of_a_rule_is_read_from_the_exception_that_msgspec_raises() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert({"low": 2, "high": 1}, Range)
    assert get_validator_message(caught.value) == "low must not be above high"
    assert list_errors(Moody, {"mood": "bad"}) == [("", "bad")]
    assert get_validator_message(msgspec.ValidationError("of msgspec itself")) is None
