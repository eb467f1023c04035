"""`micropie openapi` prints the document of an app as JSON, or writes it as JSON or YAML to a file."""

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
    help="Write to this file instead: YAML if its name ends in .yaml or .yml, else JSON.",
)
@click.option("--asyncapi", is_flag=True, help="Print the AsyncAPI 3.0 document of the WebSockets instead.")
def openapi(target: str, factory: bool, app_dir: str, output: Path | None, asyncapi: bool) -> None:
    """Print the OpenAPI 3.1 document of TARGET.

    TARGET is module:app: an App instance or a subclass of App.
    """
    app = load_micropie_app(target, factory=factory, app_dir=app_dir)
    api_document = asyncapi_documents.document(app) if asyncapi else document(app)
    if output is None:
        emit_json(api_document)
        return
    content = _encode_yaml(api_document) if output.suffix.lower() in YAML else _encode_json(api_document)
    try:
        output.write_bytes(content)
    except OSError as error:
        raise click.BadParameter(f"{output}: {error.strerror}", param_hint="--output") from None


def _encode_json(api_document: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(api_document), indent=2) + b"\n"


def _encode_yaml(api_document: dict[str, Any]) -> bytes:
    try:
        return msgspec.yaml.encode(api_document)
    except ImportError:
        raise MissingDependency("PyYAML", "Writing YAML", "docs") from None
