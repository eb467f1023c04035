"""`micropie openapi`: the document of an app, as JSON or, by the file's name, as YAML."""

from pathlib import Path
from typing import Any, Final

import click
import msgspec

from ..errors import MissingDependency
from ..openapi import asyncapi as asyncapi_documents
from ..openapi import document
from . import target_options
from .loading import load_micropie_app
from .output import emit_json

YAML: Final = (".yaml", ".yml")


@click.command
@target_options
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file instead; one that ends in .yaml or .yml is YAML.",
)
@click.option("--asyncapi", is_flag=True, help="The AsyncAPI 3.0 document of the WebSockets instead.")
def openapi(target: str, factory: bool, app_dir: str, output: Path | None, asyncapi: bool) -> None:
    """Print the OpenAPI 3.1 document of TARGET.

    TARGET is module:app, an App instance or a subclass of App.
    """
    app = load_micropie_app(target, factory=factory, app_dir=app_dir)
    made = asyncapi_documents.document(app) if asyncapi else document(app)
    if output is None:
        emit_json(made)
        return
    content = _yaml(made) if output.suffix.lower() in YAML else _json(made)
    try:
        output.write_bytes(content)
    except OSError as error:
        raise click.BadParameter(f"{output}: {error.strerror}", param_hint="--output") from None


def _json(made: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n"


def _yaml(made: dict[str, Any]) -> bytes:
    try:
        return msgspec.yaml.encode(made)
    except ImportError:
        raise MissingDependency("PyYAML", "Writing YAML", "docs") from None
