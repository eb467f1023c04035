"""These tests read a session, or a key of it, as a type that the handler changes: `Annotated[Cart, Session()]`.

Each case is a stored session, one request, and what is stored after it. A counting store shows if anything was saved.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, NamedTuple, NotRequired, TypedDict
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct
from msgspec import field as named

from micropie import App, Depends, InMemorySessionBackend, Session, SetupError, WebSocket
from micropie.sessions.snapshot import thaw
from micropie.sessions.typed_session import to_plain
from micropie.types import Message
from tests.support.asgi import Response, call, call_socket

ID = "x" * 43
COOKIE = ((b"cookie", f"session_id={ID}".encode()),)


class Store(InMemorySessionBackend):
    """A store that counts its saves."""

    def __init__(self, **stored: Any) -> None:
        super().__init__()
        self.saves = 0
        if stored:
            self._save(ID, stored, 60)

    async def save(self, session_id: str, data: dict[str, Any], timeout: int) -> None:
        self.saves += 1
        await super().save(session_id, data, timeout)

    def stored(self, session_id: str = ID) -> dict[str, Any]:
        entry = self._find(session_id)
        return {} if entry is None else thaw(entry[0])


class Item(Struct):
    name: str
    count: int = 1


class Cart(Struct):
    items: list[Item] = []
    note: str | None = None


class Guest(Struct):
    name: str
    visits: int = 0


class Level(Enum):
    LOW = "low"
    HIGH = "high"


@dataclass
class Settings:
    theme: str = "light"
    sizes: list[int] = field(default_factory=list)
    inner: dict[str, "Settings"] = field(default_factory=dict)


@attrs.define
class Place:
    town: str = "Rome"
    tags: set[str] = attrs.field(factory=set)


class Draft(TypedDict, total=False):
    title: str
    body: NotRequired[str]


class Frozen(Struct, frozen=True):
    user: str = "guest"
    roles: list[str] = []


class Renamed(Struct, rename="camel", omit_defaults=True):
    last_seen: int = 0
    is_admin: bool = False
    old: str = named(default="", name="previous")


class Signed(Struct, tag="signed", tag_field="kind"):
    user: str


class Anonymous(Struct, tag="anonymous", tag_field="kind"):
    token: int = 0


class Point(NamedTuple):
    x: int
    seen: list[int]


class Kinds(Struct):
    when: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    price: Decimal = Decimal("1.50")
    id: UUID = UUID(int=1)
    level: Level = Level.LOW
    raw: bytes = b"\xff"
    days: dict[int, set[int]] = {}
    touched: int = 0


Change = Callable[[Any], object]


def serving(annotation: Any, change: Change, store: Store, default: Any = ...) -> App:
    """Return an app whose handler applies `change` to its argument, and returns nothing."""

    async def edit(self: App, it: Any) -> None:
        change(it)

    edit.__annotations__["it"] = annotation
    if default is not ...:
        edit.__defaults__ = (default,)
    cls: type[App] = type("Shop", (App,), {"edit": edit})
    return cls(store)


def edited(annotation: Any, change: Change, stored: Mapping[str, Any], default: Any = ...) -> tuple[Store, Response]:
    store = Store(**stored)
    response = call(serving(annotation, change, store, default), "GET", "/edit", headers=COOKIE)
    return store, response


def change_all(it: object, **values: object) -> None:
    for name, value in values.items():
        setattr(it, name, value)


def setting(name: str, value: object) -> Change:
    return lambda it: setattr(it, name, value)


WHOLE = Session()

CHANGES: Mapping[str, tuple[Any, Change, dict[str, Any], dict[str, Any]]] = {
    "a field": (Annotated[Cart, WHOLE], setting("note", "soon"), {"note": "later"}, {"note": "soon", "items": []}),
    "a list": (
        Annotated[Cart, WHOLE],
        lambda it: it.items.clear(),
        {"items": [{"name": "a"}]},
        {"items": [], "note": None},
    ),
    "deep inside": (
        Annotated[Cart, WHOLE],
        lambda it: setattr(it.items[0], "count", 2),
        {"items": [{"name": "a", "count": 1}], "note": "x"},
        {"items": [{"name": "a", "count": 2}], "note": "x"},
    ),
    "keys that the type lacks stay": (
        Annotated[Guest, WHOLE],
        setting("visits", 2),
        {"name": "Ann", "visits": 1, "csrf": "token", "cart": {"x": 1}},
        {"name": "Ann", "visits": 2, "csrf": "token", "cart": {"x": 1}},
    ),
    "a dataclass": (
        Annotated[Settings, WHOLE],
        lambda it: it.inner.update(a=Settings("dark")),
        {"theme": "dark"},
        {"theme": "dark", "sizes": [], "inner": {"a": {"theme": "dark", "sizes": [], "inner": {}}}},
    ),
    "attrs": (Annotated[Place, WHOLE], lambda it: it.tags.add("a"), {"town": "Oslo"}, {"town": "Oslo", "tags": ["a"]}),
    "a TypedDict": (
        Annotated[Draft, WHOLE],
        lambda it: it.update(body="b"),
        {"title": "t", "other": 1},
        {"title": "t", "body": "b", "other": 1},
    ),
    "a removed key": (
        Annotated[Draft, WHOLE],
        lambda it: it.pop("body"),
        {"title": "t", "body": "b", "other": 1},
        {"title": "t", "other": 1},
    ),
    "a dict": (Annotated[dict[str, int], WHOLE], lambda it: it.update(b=2), {"a": 1}, {"a": 1, "b": 2}),
    "a list in a frozen struct": (
        Annotated[Frozen, WHOLE],
        lambda it: it.roles.append("admin"),
        {"user": "ann", "roles": []},
        {"user": "ann", "roles": ["admin"]},
    ),
    "other names on the wire": (
        Annotated[Renamed, WHOLE],
        lambda it: change_all(it, last_seen=5, old="x"),
        {"lastSeen": 4},
        {"lastSeen": 5, "previous": "x"},
    ),
    "back to a default that is left out": (
        Annotated[Renamed, WHOLE],
        setting("last_seen", 0),
        {"lastSeen": 4, "isAdmin": True},
        {"isAdmin": True},
    ),
    "a tagged union": (
        Annotated[Signed | Anonymous, WHOLE],
        setting("token", 7),
        {"kind": "anonymous", "token": 1},
        {"kind": "anonymous", "token": 7},
    ),
    "one key": (
        Annotated[Cart, Session("cart")],
        lambda it: it.items.append(Item("b")),
        {"cart": {"items": []}, "user": "ann"},
        {"cart": {"items": [{"name": "b", "count": 1}], "note": None}, "user": "ann"},
    ),
    "a list under its name": (
        Annotated[list[str], WHOLE],
        lambda it: it.append("b"),
        {"it": ["a"]},
        {"it": ["a", "b"]},
    ),
    "a list of structures": (
        Annotated[list[Item], WHOLE],
        lambda it: it.append(Item("b")),
        {"it": []},
        {"it": [{"name": "b", "count": 1}]},
    ),
    "a NamedTuple under its name": (
        Annotated[Point, WHOLE],
        lambda it: it.seen.append(2),
        {"it": [1, []]},
        {"it": (1, [2])},
    ),
    "an instance that was stored unconverted": (
        Annotated[Cart, Session("cart")],
        setting("note", "x"),
        {"cart": Cart(note="y")},
        {"cart": {"items": [], "note": "x"}},
    ),
    "scalars stay what they are": (
        Annotated[Kinds, Session("k")],
        setting("touched", 1),
        {"k": {"days": {1: {2}}, "level": "high"}},
        {
            "k": {
                "when": datetime(2026, 1, 1, tzinfo=UTC),
                "price": Decimal("1.50"),
                "id": UUID(int=1),
                "level": "high",
                "raw": b"\xff",
                "days": {1: [2]},
                "touched": 1,
            }
        },
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_change_in_place_is_saved(name: str) -> None:
    annotation, change, before, after = CHANGES[name]
    store, response = edited(annotation, change, before)
    assert (response.status, response.text) == (204, "")
    assert store.stored() == after
    assert store.saves == 1


@pytest.mark.parametrize("name", CHANGES)
def test_saved_value_is_read_again_and_not_saved_again(name: str) -> None:
    annotation, _, _, after = CHANGES[name]
    store, response = edited(annotation, lambda it: None, after)
    assert (response.status, store.saves, store.stored()) == (204, 0, after)


UNTOUCHED: Mapping[str, tuple[Any, Change, dict[str, Any]]] = {
    "nothing is done": (Annotated[Cart, WHOLE], lambda it: None, {"note": "x"}),
    "defaults alone": (Annotated[Cart, WHOLE], lambda it: None, {"other": "x"}),
    "looked at": (Annotated[Cart, WHOLE], lambda it: [*it.items], {"items": [{"name": "a"}]}),
    "put back": (Annotated[Cart, WHOLE], lambda it: [it.items.append(1), it.items.pop()], {"items": [{"name": "a"}]}),
    "the same again": (Annotated[Cart, WHOLE], setting("note", "".join(["lo", "ng"])), {"note": "long"}),
    "a set": (Annotated[set[str], WHOLE], lambda it: None, {"it": {"a", "b", "c"}}),
    "an optional value that is None": (Annotated[Cart | None, Session("cart")], lambda it: None, {"cart": None}),
}


@pytest.mark.parametrize("name", UNTOUCHED)
def test_nothing_is_saved_when_nothing_changed(name: str) -> None:
    annotation, change, stored = UNTOUCHED[name]
    store, response = edited(annotation, change, stored)
    assert (response.status, store.saves, response.header("set-cookie")) == (204, 0, None)
    assert response.header("vary") == "Cookie"


# --- Nothing stored ---------------------------------------------------------------------------------------------------


def begun(annotation: Any, change: Change, default: Any = ...) -> tuple[Response, dict[str, Any] | None]:
    """Return the response to a client without a cookie, and what is then stored for it; None if it gets no session."""
    store = Store()
    response = call(serving(annotation, change, store, default), "GET", "/edit")
    cookie = response.header("set-cookie")
    if cookie is None:
        assert store.saves == 0
        return response, None
    return response, store.stored(cookie.removeprefix("session_id=").partition(";")[0])


@pytest.mark.parametrize("default", [..., Cart(note="x")])
def test_first_visitor_gets_the_defaults_and_no_session(default: Any) -> None:
    seen: list[Any] = []
    response, stored = begun(Annotated[Cart, WHOLE], seen.append, default)
    assert (response.status, stored) == (204, None)
    assert seen == [Cart() if default is ... else default]
    assert response.header("vary") == "Cookie"


BEGINNINGS: Mapping[str, tuple[Any, Change, Any, dict[str, Any]]] = {
    "the type's defaults": (Annotated[Cart, WHOLE], setting("note", "x"), ..., {"items": [], "note": "x"}),
    "the parameter's default, whole": (
        Annotated[Guest, WHOLE],
        setting("visits", 1),
        Guest("Stranger"),
        {"name": "Stranger", "visits": 1},
    ),
    "a default at one key": (
        Annotated[Cart, Session("cart")],
        setting("note", "x"),
        Cart(),
        {"cart": {"items": [], "note": "x"}},
    ),
    "a list": (Annotated[list[str], WHOLE], lambda it: it.append("a"), [], {"it": ["a"]}),
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_session_begins_with_the_first_change(name: str) -> None:
    annotation, change, default, wanted = BEGINNINGS[name]
    for _ in range(2):  # the second visitor does not see what the first did to the default
        response, stored = begun(annotation, change, default)
        assert (response.status, stored) == (204, wanted)
        assert response.header("cache-control") == "private, no-store"


@dataclass(eq=False)
class Counter:
    """A hashable default, which requests would share if it belonged to a parameter of another source."""

    count: int = 0


def test_default_is_never_shared() -> None:
    def more(it: Any) -> None:
        it.count += 1

    shared = Counter()
    for _ in range(2):
        assert begun(Annotated[Counter, WHOLE], more, shared)[1] == {"count": 1}
    assert shared.count == 0


@pytest.mark.parametrize(
    ("annotation", "stored", "line"),
    [
        (
            Annotated[Guest, WHOLE],
            {},
            "session parameter 'it': Missing required field at '/name' in the stored session",
        ),
        (Annotated[Guest, Session("guest")], {"x": 1}, "Missing required parameter 'guest'"),
        (Annotated[list[str], WHOLE], {"x": 1}, "Missing required parameter 'it'"),
        (
            Annotated[Guest, WHOLE],
            {"name": "Ann", "visits": "many"},
            "session parameter 'it': Expected an integer, got a string at '/visits' in the stored session",
        ),
        (
            Annotated[Guest, Session("guest")],
            {"guest": "Ann"},
            "session parameter 'guest': Expected an object, got a string in the stored session",
        ),
    ],
)
def test_stored_data_that_does_not_fit_is_an_error_and_stays_unchanged(
    annotation: Any, stored: dict[str, Any], line: str
) -> None:
    store, response = edited(annotation, lambda it: pytest.fail("it ran"), stored)
    assert response.status == 400
    assert response.text.endswith(line)
    assert (store.saves, store.stored()) == (0, stored)


# --- What may go wrong ------------------------------------------------------------------------------------------------

SPOILED: Mapping[str, tuple[Any, Change, dict[str, Any]]] = {
    "a wrong type": (Annotated[Guest, WHOLE], setting("visits", "many"), {"name": "Ann"}),
    "a broken constraint": (Annotated[list[str], Meta(max_length=1), WHOLE], lambda it: it.extend("ab"), {"it": []}),
    "a value that JSON cannot express": (Annotated[Guest, WHOLE], setting("name", object()), {"name": "Ann"}),
    "a function": (Annotated[dict[str, Any], WHOLE], lambda it: it.update(f=lambda: 1), {"name": "Ann"}),
}


@pytest.mark.parametrize("name", SPOILED)
def test_value_that_could_not_be_read_again_is_not_saved(name: str) -> None:
    """It is a 500 that leaves the session unchanged: otherwise every later request of this client would be a 400."""
    annotation, change, stored = SPOILED[name]
    store, response = edited(annotation, change, stored)
    assert (response.status, response.text) == (500, "500 Internal Server Error")
    assert store.stored() == stored


def test_changes_of_a_failing_handler_are_saved() -> None:
    def fail(it: Any) -> None:
        it.visits += 1
        raise ValueError("secret")

    store, response = edited(Annotated[Guest, WHOLE], fail, {"name": "Ann"})
    assert (response.status, store.stored()) == (500, {"name": "Ann", "visits": 1})


class Shop(App):
    async def logout(self, guest: Annotated[Guest, Session()]) -> None:
        guest.visits += 1
        self.request.session.clear()

    async def login(self, guest: Annotated[Guest, Session()]) -> None:
        guest.visits = 0
        self.request.regenerate_session()

    async def both(self, cart: Annotated[Cart, Session()], guest: Annotated[Guest, Session()]) -> None:
        cart.note = "from the cart"
        guest.name = "Ben"
        self.request.session["direct"] = 1

    async def default(self, cart: Annotated[Cart, Session()]) -> None:
        cart.items.append(Item("a"))
        self.request.session["note"] = "from the dict"

    async def twice(self, a: Annotated[Guest, Session()], b: Annotated[Guest, Session()]) -> None:
        a.visits = 1
        b.name = "Ben"

    async def clash(self, a: Annotated[Guest, Session()], b: Annotated[Guest, Session()]) -> None:
        a.name, b.name = "Ann", "Ben"

    async def stream(self, guest: Annotated[Guest, Session()]) -> AsyncIterator[str]:
        yield "a"
        guest.visits += 1
        yield "b"

    def sync(self, guest: Annotated[Guest, Session()]) -> None:
        guest.visits += 1

    async def unmarked(self, names: list[str]) -> None:
        names.append("x")

    async def ws_chat(self, ws: WebSocket, guest: Annotated[Guest, Session()], *, before: bool = False) -> None:
        if before:
            guest.visits += 1
        await ws.accept()
        async for _ in ws:
            guest.visits += 1


CALLS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "a cleared session keeps only what changed": ("/logout", {"visits": 2}),
    "each value writes its own keys": (
        "/both",
        {"note": "from the cart", "items": [], "name": "Ben", "visits": 1, "direct": 1},
    ),
    "a default does not overwrite what came meanwhile": (
        "/default",
        {"name": "Ann", "visits": 1, "items": [{"name": "a", "count": 1}], "note": "from the dict"},
    ),
    "two values write only what each changed": ("/twice", {"name": "Ben", "visits": 1}),
    "the later of two conflicting values wins": ("/clash", {"name": "Ben", "visits": 1}),
    "changes in a stream are saved at its end": ("/stream", {"name": "Ann", "visits": 2}),
    "a sync handler in a worker thread": ("/sync", {"name": "Ann", "visits": 2}),
    "a value without a marker is not saved": ("/unmarked", {"name": "Ann", "visits": 1, "names": ["a"]}),
}


@pytest.mark.parametrize("name", CALLS)
def test_typed_values_and_the_dict_are_saved_together(name: str) -> None:
    path, wanted = CALLS[name]
    stored: dict[str, Any] = {"name": "Ann", "visits": 1}
    store = Store(**stored, **({"names": ["a"]} if path == "/unmarked" else {}))
    assert call(Shop(store), "GET", path, headers=COOKIE).status in (200, 204)
    assert store.stored() == wanted


def test_changes_move_to_the_new_identifier_at_login() -> None:
    store = Store(name="Ann", visits=3, other=1)
    cookie = call(Shop(store), "GET", "/login", headers=COOKIE).header("set-cookie") or ""
    assert store.stored() == {}
    assert store.stored(cookie.removeprefix("session_id=").partition(";")[0]) == {
        "name": "Ann",
        "visits": 0,
        "other": 1,
    }


def test_concurrent_requests_keep_each_others_keys() -> None:
    store = Store(name="Ann", visits=1)

    def meanwhile(it: Any) -> None:
        it.visits += 1
        store._save(ID, {"name": "Zoe", "visits": 1, "new": 1}, 60)

    app = serving(Annotated[Guest, WHOLE], meanwhile, store)
    assert call(app, "GET", "/edit", headers=COOKIE).status == 204
    assert store.stored() == {"name": "Zoe", "visits": 2, "new": 1}


@pytest.mark.parametrize(
    ("path", "messages", "visits", "saves"),
    [
        ("/chat", [], 1, 0),
        ("/chat", ["a", "b"], 3, 1),
        ("/chat?before=yes", [], 2, 1),
        ("/chat?before=yes", ["a"], 3, 2),
    ],
)
def test_websocket_saves_at_the_handshake_and_at_its_end(
    path: str, messages: list[str], visits: int, saves: int
) -> None:
    store = Store(name="Ann", visits=1)
    sent: list[Message] = call_socket(Shop(store), path, messages, COOKIE)
    assert sent[0]["type"] == "websocket.accept"
    assert (store.stored()["visits"], store.saves) == (visits, saves)


def test_value_saved_at_the_handshake_is_not_written_again() -> None:
    class Chat(App):
        async def ws_chat(self, ws: WebSocket, cart: Annotated[Cart, Session()]) -> None:
            cart.note = "from the cart"
            await ws.accept()
            self.request.session["note"] = "from the dict"
            del self.request.session["items"]

    store = Store(other=1)
    call_socket(Chat(store), "/chat", (), COOKIE)
    assert store.stored() == {"other": 1, "note": "from the dict"}


def test_defaults_are_written_once() -> None:
    class Chat(App):
        async def ws_chat(self, ws: WebSocket, cart: Annotated[Cart, Session()]) -> None:
            cart.note = "a"
            await ws.accept()
            del self.request.session["items"]
            cart.note = "b"

    store = Store(other=1)
    call_socket(Chat(store), "/chat", (), COOKIE)
    assert store.stored() == {"other": 1, "note": "b"}


def test_session_that_begins_after_the_handshake_is_lost_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Chat(App):
        async def ws_chat(self, ws: WebSocket, cart: Annotated[Cart, Session()]) -> None:
            await ws.accept()
            cart.note = "x"

    store = Store()
    call_socket(Chat(store), "/chat")
    assert store.saves == 0
    assert "its cookie can no longer be set" in caplog.text


# --- Laws -------------------------------------------------------------------------------------------------------------

VALUES = st.builds(
    Kinds,
    when=st.datetimes(timezones=st.just(UTC)),
    price=st.decimals(allow_nan=False, allow_infinity=False),
    id=st.uuids(),
    level=st.sampled_from(Level),
    raw=st.binary(),
    days=st.dictionaries(st.integers(-9, 9), st.sets(st.integers(-9, 9))),
    touched=st.integers(1, 9),
)


@given(VALUES)
def test_saved_value_is_read_back_equal(value: Kinds) -> None:
    def become(it: Any) -> None:
        for name in Kinds.__struct_fields__:
            setattr(it, name, getattr(value, name))

    seen: list[Kinds] = []
    store, _ = edited(Annotated[Kinds, WHOLE], become, {"other": 1})
    call(serving(Annotated[Kinds, WHOLE], seen.append, store), "GET", "/edit", headers=COOKIE)
    assert seen == [value]


def test_value_of_an_unsupported_type_stays_as_it_is() -> None:
    strange = object()
    for holder, wanted in [
        (Signed(strange), {"kind": "signed", "user": strange}),  # type: ignore[arg-type]  # as a handler might
        (Settings(theme=strange), {"theme": strange, "sizes": [], "inner": {}}),  # type: ignore[arg-type]
        (Place(town=strange), {"town": strange, "tags": []}),  # type: ignore[arg-type]
        ({"a": [strange, {1}]}, {"a": [strange, [1]]}),
    ]:
        assert to_plain(holder) == wanted


def test_list_is_stored_at_the_key_of_its_parameter() -> None:
    class Fine(App):
        async def one(self, items: Annotated[list[Item], Session()], point: Annotated[Point, Session()]) -> None: ...

    parameters = Fine().routes["/one"].signature.parameters
    assert [(parameter.alias, parameter.whole) for parameter in parameters] == [("items", False), ("point", False)]


def test_two_parameters_at_one_key_are_refused() -> None:
    class Bad(App):
        async def two(self, a: Annotated[Cart, Session("c")], b: Annotated[Guest, Session("c")]) -> None: ...

    with pytest.raises(SetupError, match="'a' and 'b' both read the session parameter 'c'"):
        Bad()


def counted(guest: Annotated[Guest, Session()]) -> Guest:
    guest.visits += 1
    return guest


def test_dependency_changes_a_typed_session() -> None:
    class Club(App):
        async def edit(self, guest: Annotated[Guest, Depends(counted)], own: Annotated[Guest, Session()]) -> int:
            own.name = "Ben"
            return guest.visits

        async def ws_edit(self, ws: WebSocket, guest: Annotated[Guest, Depends(counted)]) -> None:
            await ws.accept()

    store = Store(name="Ann", visits=1)
    assert call(Club(store), "GET", "/edit", headers=COOKIE).json == 2
    assert store.stored() == {"name": "Ben", "visits": 2}
    call_socket(Club(store), "/edit", (), COOKIE)
    assert store.stored() == {"name": "Ben", "visits": 3}
