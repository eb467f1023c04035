"""What tests need of the world outside Python: a browser, and what npm installs."""

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip the test, by the name of what is not installed; fail it where everything has to be."""
    if os.environ.get("MICROPIE_ALL_TESTS"):
        pytest.fail(f"{what} is missing, and MICROPIE_ALL_TESTS is set")
    pytest.skip(f"{what} is missing")
