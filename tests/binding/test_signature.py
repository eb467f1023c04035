"""A signature lists what a request must contain, with the parameters of its dependencies."""

from typing import Annotated, Any

import pytest

from micropie import App, Depends
from tests.binding.dependencies import Account, by_id, by_text, pinned


def test_inputs_are_the_parameters_that_a_request_must_contain() -> None:
    signature = Account().routes["/deep"].signature
    assert [parameter.name for parameter in signature.parameters] == ["value"]
    assert [(parameter.name, parameter.alias) for parameter in signature.inputs()] == [
        ("x_key", "X-Key"),
        ("count", "n"),
    ]
    assert [dependency.name.rpartition(".")[2] for dependency in signature.dependencies()] == ["reads_header", "nested"]


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (by_id, [("id", int)]),
        (pinned, [("id", int), ("id", int)]),
        (by_text, [("id", int), ("id", str)]),
    ],
)
def test_input_that_is_read_in_one_way_is_listed_once(function: Any, inputs: list[Any]) -> None:
    class Api(App):
        async def read(self, id: int, value: Annotated[Any, Depends(function)]) -> None: ...

    signature = Api().routes["/read/{id}"].signature
    assert [(parameter.name, parameter.annotation) for parameter in signature.inputs()] == inputs
    assert signature.path_values == 1
