"""These fixtures write the example project into a temporary directory."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .example_project import PROJECT, write


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("project")
    write(directory, PROJECT)
    return directory


@pytest.fixture
def in_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make the project the working directory. Modules imported from it are forgotten afterwards."""
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "path", sys.path[:])
    known = set(sys.modules)
    yield project
    for name in set(sys.modules) - known:
        if str(project) in str(getattr(sys.modules[name], "__spec__", "")):
            del sys.modules[name]
