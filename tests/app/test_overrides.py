"""These tests merge the overrides of the apps that a request passes through."""

import pytest

from micropie import App, Resource
from micropie.app.overrides import merge_overrides
from micropie.routing.table import Trail


def first() -> str:
    return "first"


def second() -> str:
    return "second"


def replacement() -> str:
    return "replacement"


class Inner(App):
    pass


class Between(Resource):
    def __init__(self) -> None:
        self.inner = Inner()


class Outer(App):
    def __init__(self) -> None:
        super().__init__()
        self.between = Between()


def trail_of(app: Outer) -> Trail:
    return (app._node, app.between._node, app.between.inner._node)


def test_overrides_of_a_single_app_are_used_as_they_are() -> None:
    app = Outer()
    app.overrides[first] = replacement
    assert merge_overrides((app._node,)) is app.overrides


@pytest.mark.parametrize(
    ("outer", "inner", "merged"),
    [
        ({}, {}, {}),
        ({first: replacement}, {}, {first: replacement}),
        ({}, {first: replacement}, {first: replacement}),
        ({first: replacement}, {second: first}, {first: replacement, second: first}),
        ({first: replacement}, {first: second}, {first: replacement}),
    ],
)
def test_overrides_of_the_called_app_win(
    outer: dict[object, object], inner: dict[object, object], merged: object
) -> None:
    app = Outer()
    app.overrides.update(outer)  # type: ignore[arg-type]  # the values of the table are functions
    app.between.inner.overrides.update(inner)  # type: ignore[arg-type]  # as above
    assert merge_overrides(trail_of(app)) == merged
    assert (app.overrides, app.between.inner.overrides) == (outer, inner)
