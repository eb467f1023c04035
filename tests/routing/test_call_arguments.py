"""The arguments of a call are read as Python reads them: these tests pass arguments that the handler does not take."""

from typing import Any

import pytest

from micropie import (
    ELSEWHERE,
    Request,
)

from .linked_app import Filter, Shop, Todos, app

# The handler, the arguments, the exception, and words of its message.
REFUSED: list[tuple[Any, tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    (Shop.user, (), {}, TypeError, r"Shop\.user: missing a required argument: 'id'"),
    (Shop.user, (1, True, 3), {}, TypeError, "takes 2 positional arguments, not 3"),
    (Shop.user, (1,), {"verbos": True}, TypeError, "no parameter is called 'verbos'"),
    (Shop.user, (1,), {"id": 2}, TypeError, "'id' is given twice"),
    (Shop.aliased, (ELSEWHERE,), {}, ValueError, "'value' has no other source: pass its value, not ELSEWHERE"),
    (Shop.about, (Request({"headers": []}), ELSEWHERE, 3), {}, ValueError, "'request' is filled by the server"),
    (Shop.about, (ELSEWHERE, "Ann", 3), {}, ValueError, "'user' is filled by the server"),
    (Shop.posted, ("key", ELSEWHERE, 3), {}, ValueError, "'key' is not part of a URL: leave it out, or pass ELSEWHERE"),
    (Todos.post, (Filter(),), {}, ValueError, r"Todos\.post: 'todo' is not part of a URL"),
]


@pytest.mark.parametrize(("handler", "args", "kwargs", "error", "words"), REFUSED)
def test_arguments_that_the_handler_does_not_take_are_refused(
    handler: Any, args: tuple[Any, ...], kwargs: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        app.url(handler, *args, **kwargs)
