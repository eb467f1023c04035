"""A value is sent only if the server would read it as the same value: these tests pass others."""

from typing import Any

import pytest

from micropie import (
    ELSEWHERE,
)

from .linked_app import Shop, app

# The handler, the arguments, the exception, and words of its message.
REFUSED: list[tuple[Any, tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    (Shop.user, ("x",), {}, ValueError, r"^Shop\.user: 'id' does not fit: expected an integer$"),
    (Shop.user, ([1],), {}, ValueError, "'id' cannot be sent as text: list cannot be written as text"),
    (Shop.limited, (0,), {}, ValueError, "expected an integer >= 1"),
    (Shop.behind, (ELSEWHERE, 1), {}, ValueError, "'a' is missing, but a later path value is given"),
    (Shop.greet, ("a\0b",), {}, ValueError, "holds a NUL"),
    (Shop.greet, ("\ud800",), {}, ValueError, "holds a lone surrogate"),
    (Shop.greet, (5,), {}, ValueError, "would arrive as another value"),
    (Shop.either, ("5",), {}, ValueError, "'value' would arrive as another value"),
    (Shop.kinds, (), {"raw": b"\xff"}, ValueError, "'raw' cannot be sent as text"),
    (Shop.many, ([],), {}, ValueError, "'ids' cannot be empty"),
    (Shop.optional, (), {"number": 1, "text": None}, ValueError, "'text' would arrive as another value"),
    (Shop.posts, (3, ".."), {}, ValueError, r"'post' cannot be '\.\.' in a path"),
    (Shop.posts, (3, "."), {}, ValueError, r"'post' cannot be '\.' in a path"),
    (Shop.files, ("..",), {}, ValueError, "clients remove that segment"),
    (Shop.options, (), {"self": 1}, ValueError, "cannot hold 'self'"),
    (Shop.unannotated, ({},), {}, ValueError, "dict cannot be written as text"),
]


@pytest.mark.parametrize(("handler", "args", "kwargs", "error", "words"), REFUSED)
def test_value_that_would_not_arrive_is_refused(
    handler: Any, args: tuple[Any, ...], kwargs: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        app.url(handler, *args, **kwargs)
