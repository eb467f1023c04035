"""This module loads the examples as apps in this process."""

import importlib.util
from pathlib import Path
from typing import Final

import pytest

from micropie import App

FOLDER: Final = Path(__file__).parents[2] / "examples"
EXAMPLES: Final = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))


def example_app(name: str, folder: Path) -> App:
    """Load the example `name` as a new app that keeps its files in `folder`."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        for variable, file in (("TODOS_DB", "todos.db"), ("UPLOADS", "uploads"), ("VIDEO", "film.mp4")):
            patch.setenv(variable, str(folder / file))
        spec.loader.exec_module(module)
    app = module.app
    assert isinstance(app, App)
    return app
