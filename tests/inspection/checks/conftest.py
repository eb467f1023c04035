"""This module has the folder in which the checked modules of these tests are written."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import project


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    files = {
        "templates/good.html": "good",
        "templates/child.html": '{% extends "base.html" %}',
        "templates/broken.html": "{% if %}",
        "templates/binary.html": "",
        "templates/whole.html": '{% extends "good.html" %}{% include "x.html" ignore missing %}{% include it %}',
        "templates/round.html": '{% include "round.html" %}',
    }
    with project(tmp_path, files) as place:
        (place / "templates" / "binary.html").write_bytes(b"\xff\xfe")
        sys.path.insert(0, str(place))
        yield place
