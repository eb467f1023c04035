# ruff: noqa: B006  (mutable defaults, which requests must not share, are part of what is tested)
"""A marker pins a parameter to one source and one name there (SPEC 3)."""

from typing import Annotated

import pytest

from micropie import App, Body, Cookie, Form, Header, InMemorySessionBackend, Path, Query, Session, route
from tests.binding.bound_values import Todo, bound_value
from tests.support.asgi import FORM, JSON, call

# --- pinned sources ---------------------------------------------------------------------------------------------------


EVERYWHERE = b'{"x":"1","y":"1"}'


class Pinned(App):
    def __init__(self) -> None:
        super().__init__(InMemorySessionBackend())

    async def path(self, x: Annotated[int, Path()]) -> object:
        return {"v": x}

    async def query(self, x: Annotated[int, Query()] = 0) -> object:
        return {"v": x}

    async def form(self, x: Annotated[int, Form()] = 0) -> object:
        return {"v": x}

    async def body(self, x: Annotated[int, Body()] = 0) -> object:
        return {"v": x}

    async def header(self, x: Annotated[int, Header()] = 0) -> object:
        return {"v": x}

    async def cookie(self, x: Annotated[int, Cookie()] = 0) -> object:
        return {"v": x}

    async def session(self, x: Annotated[int, Session()] = 0) -> object:
        return {"v": x}

    async def login(self) -> str:
        self.request.session = {"x": 1, "cart": {"title": "c"}, "title": "s"}
        return ""

    async def long_header(
        self,
        x_request_id: Annotated[str, Header()],
        accept: Annotated[list[str], Header(alias="ACCEPT")] = [],
    ) -> object:
        return {"v": [x_request_id, accept]}

    async def cookies(self, theme: Annotated[list[str], Cookie(alias="the-me")] = []) -> object:
        return {"v": theme}

    async def session_key(self, cart: Annotated[Todo, Session(alias="cart")]) -> object:
        return {"v": cart}

    async def whole_session(self, cart: Annotated[Todo | None, Session()] = None) -> object:
        return {"v": cart}

    async def body_key(self, todo: Annotated[Todo, Body(alias="t")]) -> object:
        return {"v": todo}


@pytest.mark.parametrize("source", ["query", "form", "body", "header", "cookie", "session"])
def test_a_pinned_value_comes_from_its_source_and_no_other(source: str) -> None:
    app = Pinned()
    login = (call(app, "GET", "/login").header("set-cookie") or "").partition(";")[0].encode()
    sources: dict[str, tuple[str, bytes, list[tuple[bytes, bytes]]]] = {
        "query": ("?x=1", b"", []),
        "form": ("", b"x=1", list(FORM)),
        "body": ("", b'{"x":1}', list(JSON)),
        "header": ("", b"", [(b"x", b"1")]),
        "cookie": ("", b"", [(b"cookie", b"x=1")]),
        "session": ("", b"", [(b"cookie", login)]),
    }
    for other, (query, body, headers) in sources.items():
        assert bound_value("POST", f"/{source}{query}", body, headers, app=app) == (1 if other == source else 0)
        assert call(app, "GET", f"/{source}/1").status == 404


@pytest.mark.parametrize(
    ("name", "value"),
    [(b"x-request-id", b"7"), (b"X-Request-Id", b"7"), (b"X-REQUEST-ID", b"7")],
)
def test_a_header_is_found_in_any_case(name: bytes, value: bytes) -> None:
    headers = [(name, value), (b"accept", b"a, b"), (b"Accept", b"c")]
    assert bound_value("GET", "/long_header", headers=headers, app=Pinned()) == ["7", ["a, b", "c"]]


def test_a_header_is_decoded_as_utf8() -> None:
    assert bound_value("GET", "/long_header", headers=[(b"x-request-id", "é".encode())], app=Pinned()) == ["é", []]


def test_a_cookie_is_read_by_its_alias_and_a_list_gets_all_of_a_name() -> None:
    headers = [(b"cookie", b'the-me="a"; theme=x; the-me=b'), (b"cookie", b"the-me=c")]
    assert bound_value("GET", "/cookies", headers=headers, app=Pinned()) == ["a", "b", "c"]


def test_a_session_is_decoded_whole_or_at_a_key() -> None:
    app = Pinned()
    login = [(b"cookie", (call(app, "GET", "/login").header("set-cookie") or "").partition(";")[0].encode())]
    assert bound_value("GET", "/session_key", headers=login, app=app) == {"title": "c", "priority": 3}
    assert bound_value("GET", "/whole_session", headers=login, app=app) == {"title": "s", "priority": 3}
    assert bound_value("GET", "/whole_session", app=app) is None


def test_a_body_key_is_decoded_by_its_alias() -> None:
    assert bound_value("POST", "/body_key", b'{"t":{"title":"x"}}', JSON, app=Pinned()) == {"title": "x", "priority": 3}


def test_a_pinned_path_value_is_a_path_segment() -> None:
    assert bound_value("GET", "/path/5?x=6", app=Pinned()) == 5


def test_a_path_template_gives_values_by_name() -> None:
    class Api(App):
        @route("/users/{user}/posts/{post}")
        async def h(self, post: int, user: str, page: int = 1) -> object:
            return {"v": [user, post, page]}

        @route("/files/{name}")
        async def files(self, *rest: str, name: str) -> object:
            return {"v": [name, *rest]}

    assert bound_value("GET", "/users/u%2F1/posts/5?page=2&user=x", app=Api()) == ["u/1", 5, 2]
    assert bound_value("GET", "/files/a/b/c", app=Api()) == ["a", "b", "c"]
