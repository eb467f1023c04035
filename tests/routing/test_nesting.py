"""These tests nest Apps and Resources: references back, middleware, and error handlers of nested apps."""

import itertools
from typing import Any

import pytest

from micropie import App, Resource
from tests.support.asgi import call, call_socket
from tests.support.hooks import Hook

from .support import Sub, bind_method, delete, get_statuses, hello, set_late
from .test_discovery import Kinds


class Parent(App):
    shared = Sub()

    def __init__(self) -> None:
        super().__init__()
        self.sub = Sub(self)
        self.after = 0

    async def index(self) -> str:
        return "parent"


def test_reference_back_up_the_tree_is_not_a_url() -> None:
    app = Parent()
    assert get_statuses(app, "/sub", "/shared", "/sub/parent", "/sub/parent/sub") == [200, 200, 404, 404]
    assert get_statuses(app.sub, "/", "/parent", "/parent/sub", "/parent/shared") == [200, 200, 404, 200]
    assert call_socket(app, "/sub/parent")[0]["code"] == 1008
    assert [key for key in app.routes if "parent" in key] == []


@pytest.mark.parametrize("order", ["down first", "up first"])
def test_order_of_references_between_two_apps_does_not_matter(order: str) -> None:
    parent, sub = Kinds(), Sub()
    steps: list[tuple[App, str, App]] = [(parent, "sub", sub), (sub, "parent", parent)]
    for holder, name, held in steps if order == "down first" else reversed(steps):
        set_late(holder, name, held)
    assert get_statuses(parent, "/sub", "/sub/parent/plain") == [200, 404]
    assert get_statuses(sub, "/parent/plain", "/parent/sub") == [200, 404]


def test_resources_may_hold_each_other_and_themselves() -> None:
    class Knowing(Resource):
        other: Any = None

        async def index(self) -> str:
            return "known"

    class App2(App):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = Knowing(), Knowing()
            self.a.other, self.b.other = self.b, self.a
            set_late(self.a, "me", self.a)

    paths = ("/a", "/b", "/a/other", "/b/other", "/a/other/other", "/a/me")
    assert get_statuses(App2(), *paths) == [200, 200, 200, 200, 404, 404]


class Refusing(Exception):
    pass


def nested_app() -> tuple[App, Sub, list[str]]:
    log: list[str] = []
    app = Parent()
    app.middlewares.append(Hook("outer", log))
    app.sub.middlewares.append(Hook("inner", log))
    return app, app.sub, log


def test_middleware_of_a_nested_app_runs_inside_that_of_its_holder() -> None:
    app, _, log = nested_app()
    assert get_statuses(app, "/sub") == [200]
    assert log == ["before outer", "before inner", "after inner", "after outer"]
    log.clear()
    assert get_statuses(app, "/", "/sub/nothing", "/shared") == [200, 404, 200]
    assert log == [
        *("before outer", "after outer"),
        *("before outer", "before inner", "after inner", "after outer"),
        *("before outer", "after outer"),
    ]


def test_middleware_of_a_nested_app_runs_if_its_holder_has_none() -> None:
    app = Parent()
    hook = Hook(before={"status_code": 401})
    app.sub.middlewares.append(hook)
    assert get_statuses(app, "/sub", "/") == [401, 200]


def test_middleware_of_every_app_on_the_way_runs() -> None:
    log: list[str] = []
    apps = [Sub() for _ in range(4)]
    for number, (holder, held) in enumerate(itertools.pairwise(apps)):
        set_late(holder, "down", held)
        if number != 1:  # the one in the middle has no middleware
            holder.middlewares.append(Hook(str(number), log))
    assert get_statuses(apps[0], "/down/down/down") == [200]
    assert log == ["before 0", "before 2", "after 2", "after 0"]


def answer_with(status: int) -> Any:
    return lambda request, error: (status, type(error).__name__)


def raising(error: Exception) -> Any:
    def handler(request: object, _: object) -> None:
        raise error

    return handler


@pytest.mark.parametrize(
    ("inner", "middle", "outer", "expected"),
    [
        ({LookupError: answer_with(501)}, {}, {}, (501, "LookupError")),
        ({}, {LookupError: answer_with(502)}, {}, (502, "LookupError")),
        ({}, {}, {LookupError: answer_with(503)}, (503, "LookupError")),
        ({Exception: answer_with(501)}, {}, {LookupError: answer_with(503)}, (501, "LookupError")),
        ({KeyError: answer_with(501)}, {}, {LookupError: answer_with(503)}, (503, "LookupError")),
        ({LookupError: raising(ValueError())}, {}, {ValueError: answer_with(503)}, (503, "ValueError")),
        ({LookupError: raising(ValueError())}, {LookupError: answer_with(502)}, {}, (500, "500 Internal Server Error")),
    ],
)
def test_error_handler_nearest_to_the_handler_responds(
    inner: Any, middle: Any, outer: Any, expected: tuple[int, str]
) -> None:
    apps = [Sub(), Sub(), Sub()]
    set_late(apps[0], "down", apps[1])
    set_late(apps[1], "down", apps[2])
    for app, handlers in zip(apps, (outer, middle, inner), strict=True):
        app.error_handlers.update(handlers)
    response = call(apps[0], "GET", "/down/down/boom")
    assert (response.status, response.text) == expected


def test_error_handler_of_a_nested_app_does_not_respond_for_other_apps() -> None:
    app = Parent()
    app.sub.error_handlers[Exception] = answer_with(501)
    assert get_statuses(app, "/sub/nothing", "/sub/wrong", "/shared/nothing", "/nothing") == [501, 501, 404, 404]


def test_sub_tree_may_be_shared_by_several_apps() -> None:
    first, second = Parent(), Parent()
    set_late(Parent.shared, "hello", bind_method(hello, Parent.shared))
    try:
        assert get_statuses(first, "/shared/hello") == get_statuses(second, "/shared/hello") == [200]
    finally:
        delete(Parent.shared, "hello")
    assert get_statuses(first, "/shared/hello") == [404]
