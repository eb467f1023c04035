"""These tests explain requests as data, and compare the explanations with the responses that a client gets."""

import asyncio
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from micropie import App, Depends, Header, HTTPError, HttpMiddleware, Limits, Request, ResponseDict, Session
from micropie.inspection.explain import AskedRequest, explain_request
from micropie.sentinels import UNSET
from micropie.testing import TestClient

# Dependencies


def token(authorization: Annotated[str, Header()]) -> str:
    raise SystemExit


def user(known: Annotated[str, Depends(token)], name: Annotated[str, Session()], page: int = 1) -> str:
    raise SystemExit


class Depending(App):
    async def me(self, who: Annotated[str, Depends(user)], size: int = 2) -> str:
        raise SystemExit


@pytest.mark.parametrize(
    ("headers", "session", "expected"),
    [
        ([("Authorization", "x")], {"name": "ann"}, [("who", None), ("size", 2), ("authorization", "x"),
                                                     ("name", "ann"), ("page", 3)]),
        ([], {"name": 5}, ["Missing required parameter 'Authorization'", "Invalid session parameter 'name'"]),
    ],
)  # fmt: skip
def test_parameters_of_dependencies_are_shown_without_calling_them(
    headers: list[tuple[str, str]], session: dict[str, Any], expected: list[Any]
) -> None:
    explanation = asyncio.run(explain_request(Depending(), AskedRequest("GET", "/me?page=3", headers, session=session)))
    functions = [argument.dependency.rpartition(".")[2] for argument in explanation.arguments]
    assert functions == ["", "", "token", "user", "user"]
    assert explanation.notes == []
    if explanation.response is None:
        values = [None if argument.value is UNSET else argument.value for argument in explanation.arguments]
        assert (
            list(zip([argument.parameter.name for argument in explanation.arguments], values, strict=True)) == expected
        )
    else:
        assert explanation.response.status == 400
        lines = explanation.response.body.splitlines()
        assert [words in line for words, line in zip(expected, lines, strict=True)] == [True, True]


# The explanation is what a client gets


class Refusing(App):
    """An app whose handlers return their arguments."""

    async def index(self) -> str:
        return "index"

    async def one(self, x: int, y: float = 0.5) -> list[object]:
        return [x, y]

    async def two(self, *rest: bool, mail: Annotated[str, Header()] = "") -> list[object]:
        return [rest, mail]

    async def three(self, user: Annotated[str, Session()]) -> str:
        return user


TARGETS = [
    "/",
    "/one",
    "/one/1",
    "/one/1/2",
    "/one/1/2/3",
    "/one/x?y=z",
    "/two/yes/no",
    "/two/maybe",
    "/three",
    "/four",
]
BODIES = ["", "x=1", '{"x": 1}', '{"x": "1"}', "{", '{"y": 2, "x": 3}']
TYPES = ["", "application/json", "application/x-www-form-urlencoded", "text/plain", "multipart/form-data"]


@given(
    st.sampled_from(TARGETS),
    st.sampled_from(["GET", "POST", "HEAD", "TRACE", "OPTIONS"]),
    st.sampled_from(BODIES),
    st.sampled_from(TYPES),
    st.sampled_from(["", "application/json", "text/html"]),
)
def test_explained_response_is_the_response_that_a_client_gets(
    target: str, method: str, body: str, content_type: str, accept: str
) -> None:
    headers = [(name, value) for name, value in (("Content-Type", content_type), ("Accept", accept)) if value]
    if body or method == "POST":
        headers.append(("Content-Length", str(len(body))))
    app = Refusing(limits=Limits(body=11))
    explanation = asyncio.run(explain_request(app, AskedRequest(method, target, headers, body.encode())))
    with TestClient(app) as client:
        response = client.request(method, target, headers=headers, content=body.encode() or None)
    if explanation.response is None:
        assert response.status_code == 200
    else:
        assert (response.status_code, response.text) == (
            explanation.response.status,
            "" if method == "HEAD" else explanation.response.body,
        )


class Refuse(HttpMiddleware):
    async def before_request(self, request: Request) -> ResponseDict | None:
        raise HTTPError(418)

    async def after_request(
        self, request: Request, status_code: int, response_body: object, extra_headers: list[tuple[str, str]]
    ) -> None: ...


class Nested(App):
    inner = Refusing()
    inner.middlewares.append(Refuse())


def test_request_to_a_nested_app_with_middleware_is_explained() -> None:
    explanation = asyncio.run(explain_request(Nested(), AskedRequest("GET", "/inner/one/1")))
    assert [argument.value for argument in explanation.arguments] == [1, 0.5]
    assert explanation.notes == ["Middleware is not run here; it may respond first or choose another route: Refuse."]
