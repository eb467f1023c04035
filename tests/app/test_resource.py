"""These tests call what an App and a Resource give their handlers."""

from typing import Any

import pytest

from micropie import App, Resource
from tests.support.asgi import call


class Todos(Resource):
    async def get(self, id: int) -> str:
        return f"{self.request.method} {self.request.scope['path']} {self.url(Todos.get, id + 1)}"

    async def post(self) -> tuple[int, str, list[tuple[str, str]]]:
        return self._redirect("/café", [("X-A", "1")])

    async def done(self, id: int) -> str:
        return f"done {id}"


class Site(App):
    todos = Todos()

    async def get(self) -> str:
        return self.url(Site.todos.done, 3)


@pytest.mark.parametrize("owner", [Site(), Todos()])
def test_there_is_no_request_outside_of_a_request(owner: Any) -> None:
    with pytest.raises(RuntimeError, match="No request is being handled here"):
        _ = owner.request


def test_resource_has_the_request_and_builds_urls() -> None:
    assert call(Site(), "GET", "/todos/1").text == "GET /todos/1 /todos/2"


def test_method_called_get_is_a_verb_in_a_resource_and_a_url_in_an_app() -> None:
    app = Site()
    assert set(app.routes) == {"/get", "GET /todos/{id}", "POST /todos", "/todos/done/{id}"}
    assert call(app, "GET", "/get").text == "/todos/done/3"
    assert call(app, "GET", "/todos/get").status == 400  # `get` is the value of `id`
    assert call(app, "DELETE", "/todos").status == 405


def test_resource_redirects_with_further_headers() -> None:
    response = call(Site(), "POST", "/todos")
    assert (response.status, response.header("location"), response.header("x-a")) == (302, "/caf%C3%A9", "1")


@pytest.mark.parametrize("owner", [Site(), Todos()])
@pytest.mark.parametrize("location", ["//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_redirect_that_leads_elsewhere_than_it_seems_needs_external(owner: Any, location: str) -> None:
    with pytest.raises(ValueError, match="external"):
        owner._redirect(location)
    assert owner._redirect(location, external=True)[0] == 302


def test_resource_outside_of_an_app_has_no_url() -> None:
    with pytest.raises(LookupError):
        Todos().url(Todos.get, 1)
