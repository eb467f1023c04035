"""These tests subclass the middleware classes: both hooks are required."""

from typing import Any

import pytest

from micropie import HttpMiddleware, WebSocketMiddleware

HOOKS = [
    (HttpMiddleware, "before_request", "after_request"),
    (WebSocketMiddleware, "before_websocket", "after_websocket"),
]


async def hook(self: Any, *_: Any) -> None: ...


@pytest.mark.parametrize(("base", "before", "after"), HOOKS)
def test_middleware_must_define_both_hooks(base: type[Any], before: str, after: str) -> None:
    with pytest.raises(TypeError, match="abstract"):
        base()
    for missing, defined in ((before, after), (after, before)):
        with pytest.raises(TypeError, match=missing):
            type("Half", (base,), {defined: hook})()
    whole = type("Whole", (base,), {before: hook, after: hook})()
    assert isinstance(whole, base)
