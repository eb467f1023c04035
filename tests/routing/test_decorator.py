"""`@route` refuses arguments that it cannot use, at once."""

from typing import Any

import pytest

from micropie import App, route


@pytest.mark.parametrize(
    ("path", "methods", "complaint"),
    [
        ("users", None, "the path must start with '/'"),
        ("/users/{id", None, "a parameter must be a whole segment, as in '/users/{id}'"),
        ("/users/id}", None, "a parameter must be a whole segment"),
        ("/users/x{id}", None, "a parameter must be a whole segment"),
        ("/users/{}", None, "a parameter must be a whole segment"),
        ("/users/{id:int}", None, "a parameter must be a whole segment"),
        ("/{id}/{id}", None, "each parameter may occur only once"),
        ("/", "GET", "methods must be a list of DELETE, GET"),
        ("/", [], "methods must be a list of"),
        ("/", ["BREW"], "methods must be a list of"),
    ],
)
def test_impossible_arguments_are_refused_at_once(path: str, methods: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint.replace("{", "{").replace("(", r"\(")):
        route(path, methods=methods)


def test_decorator_without_parentheses_is_refused() -> None:
    async def handler(self: App) -> None: ...

    with pytest.raises(TypeError, match=r"@route needs parentheses: write @route\(\) or @route\('/path'\)"):
        route(handler)  # type: ignore[arg-type]  # that is the mistake
