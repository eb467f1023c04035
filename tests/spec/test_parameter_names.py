"""Parameters may have any name, also one that means something to Python or to the framework."""

from typing import Annotated, Final
from urllib.parse import urlencode

import pytest

from micropie import App, Query
from tests.support.asgi import (
    call,
)

from .bad_input import SECRET, Target, check, in_form, in_query, named_target

PYTHON_NAMES: Final = [
    "self", "request", "cls", "class", "lambda", "None", "call", "segments", "function", "func", "args", "kwargs",
    "value", "v0", "explain", "__class__", "a b", "", "é", "1", "'; x = '",
]  # fmt: skip


def test_keyword_arguments_accept_any_name_but_that_of_the_receiver() -> None:
    class Api(App):
        async def take(self, **kwargs: int) -> dict[str, int]:
            return kwargs

        def blocking(self, **kwargs: int) -> dict[str, int]:
            return kwargs

        async def this(this, **kwargs: int) -> dict[str, int]:  # pyright: ignore[reportSelfClsParameterName]
            return kwargs

        async def positional(self, first: int = 0, /, **kwargs: int) -> dict[str, int]:
            return kwargs

    app = Api()
    for path, receiver in (("/take", "self"), ("/blocking", "self"), ("/this", "this"), ("/positional", "self")):
        for name in [*PYTHON_NAMES, "this"]:
            response = call(app, "GET", f"{path}?" + urlencode([(name, "5")]))
            assert (response.status, response.json) == (200, {} if name == receiver else {name: 5}), (path, name)
            wrong = call(app, "GET", f"{path}?" + urlencode([(name, SECRET)]))
            assert wrong.status == (200 if name == receiver else 400), (path, name)
            assert SECRET not in wrong.text


@pytest.mark.parametrize("name", PYTHON_NAMES)
def test_keyword_argument_that_does_not_fit_is_reported_by_its_name(name: str) -> None:
    class Api(App):
        async def take(this, **kwargs: int) -> None:  # pyright: ignore[reportSelfClsParameterName]
            calls.append(kwargs)

    calls: list[object] = []
    aim = Target(Api(), calls)
    check(aim, in_query([(name, SECRET)]), [(("query", name), "Expected an integer")])
    check(aim, in_form([(name, SECRET)]), [(("form", name), "Expected an integer")])


def test_parameters_may_have_the_names_of_the_frameworks_variables() -> None:
    names = ["request", "call", "segments", "query", "form", "data", "media", "got", "count", "explain", "cls", "v0"]
    aim = named_target(dict.fromkeys(names, Annotated[int, Query()]))
    sent = in_query([(name, str(number)) for number, name in enumerate(names)])
    assert sent.to(aim.app).status == 204
    assert aim.calls == [tuple(range(len(names)))]
    aim.calls.clear()
    wrong = in_query([(name, SECRET) for name in names])
    check(aim, wrong, [(("query", name), "Expected an integer") for name in names])
