"""This module skips tests whose tools outside Python (a browser, npm packages) are not installed."""

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip the test because `what` is not installed. Fail it if MICROPIE_ALL_TESTS is set."""
    if os.environ.get("MICROPIE_ALL_TESTS"):
        pytest.fail(f"{what} is missing, and MICROPIE_ALL_TESTS is set")
    pytest.skip(f"{what} is missing")
