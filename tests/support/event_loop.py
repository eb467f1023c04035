"""This module runs a coroutine in a new event loop, and bounds the time that it may take."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

SECONDS = 20.0
"""Seconds after which a test is considered stuck."""


def run(steps: Coroutine[Any, Any, T]) -> T:
    """Run `steps`. Fail after `SECONDS` instead of waiting for ever."""

    async def bounded() -> T:
        async with asyncio.timeout(SECONDS):
            return await steps

    return asyncio.run(bounded())
