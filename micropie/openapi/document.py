"""This module makes the OpenAPI 3.1 document of an app.

It takes each route at its URLs (`paths`), and turns the signature and the docstring into an operation. It makes two
passes: the first collects all types, so that each has its name before the second writes a reference to it.
"""

import inspect
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final, Protocol

import msgspec

from ..config import SessionConfig
from ..errors import BadRequest
from ..routing.table import Trail
from . import inputs, outputs
from .docstrings import Docstring, read_docstring
from .inputs import Inputs, read_inputs
from .outputs import PROBLEM, Outputs, Responses, read_outputs
from .paths import Endpoint, Url, find_endpoints, is_answered, list_methods, list_urls
from .schemas import Json, Schemas

OPENAPI: Final = "3.1.0"
"""The version that most tools support; 3.1.1 and 3.1.2 only clarify it."""


class Documented(Protocol):
    """An app, as far as its document needs it."""

    session_config: SessionConfig
    error_handlers: dict[type[Exception], Any]
    _trail: Trail


class Operation(msgspec.Struct, frozen=True, eq=False):
    """One HTTP method at one URL of a route."""

    endpoint: Endpoint
    method: str
    url: Url
    doc: Docstring
    outputs: Outputs


def document(app: Documented) -> dict[str, Any]:
    """Return a new OpenAPI 3.1 document of `app`.

    It contains the handlers of the app, those of the Apps and Resources that it holds, and the types that they name. An
    app that is mounted is another application, and is left out.
    """
    operations = list(_find_operations(app._trail))
    schemas = Schemas(_find_types(operations))
    components = schemas.components
    problem = None
    if not _has_error_handler(app):
        # A class of the user's that is called Problem keeps its name.
        problem = "micropie.Problem" if "Problem" in components else "Problem"
        components[problem] = PROBLEM
    responses = Responses(schemas, f"#/components/schemas/{problem}" if problem is not None else None)
    writer = _Writer(app, schemas, responses)
    for operation in operations:
        writer.add(operation)
    shared = {"schemas": components, "responses": responses.components, "securitySchemes": writer.schemes}
    openapi: Json = {"openapi": OPENAPI, "info": build_info(app), "paths": writer.paths}
    openapi["components"] = {name: members for name, members in shared.items() if members}
    return {**openapi, "tags": writer.tags} if writer.tags else openapi


def build_info(app: object) -> Json:
    """Return the `info` of a document: the name and docstring of the app's class, and the version of its module."""
    cls = type(app)
    info = {"title": cls.__name__, "version": _find_version(cls.__module__)}
    text = "" if _is_generated(cls) else inspect.cleandoc(cls.__doc__ or "")
    return {**info, "description": text} if text else info


def _find_version(module: str) -> str:
    """Return the `__version__` of `module` or of the nearest package around it; `"0"` if there is none."""
    while module:
        version = getattr(sys.modules.get(module), "__version__", None)
        if isinstance(version, str):
            return version
        module = module.rpartition(".")[0]
    return "0"


def get_docstring(endpoint: Endpoint) -> Docstring:
    """Parse the docstring of an endpoint's handler."""
    handler: Any = endpoint.route.handler
    while isinstance(handler, partial):
        handler = handler.func
    return read_docstring(inspect.getdoc(handler))


def _is_ours(endpoint: Endpoint) -> bool:
    """Return True for a route of the framework, such as the document itself."""
    return endpoint.route.name.startswith("micropie.")


def _has_error_handler(app: Documented) -> bool:
    """Return True if an error handler of the user's answers bad requests, in a format that is unknown here."""
    return any(issubclass(BadRequest, handled) for handled in app.error_handlers)


def _find_operations(trail: Trail) -> Iterator[Operation]:
    for endpoint in find_endpoints(trail):
        if _is_ours(endpoint):
            continue
        doc, promised = get_docstring(endpoint), read_outputs(endpoint.route.signature.returns)
        for method in list_methods(endpoint.route):
            for url in list_urls(endpoint, method):
                if is_answered(trail, endpoint, url, method):
                    yield Operation(endpoint, method, url, doc, promised)


def _find_types(operations: Sequence[Operation]) -> Iterator[msgspec.inspect.Type]:
    for operation in operations:
        yield from inputs.find_types(operation.endpoint.route.signature.inputs())
        yield from outputs.find_types(operation.outputs)


class _Writer:
    """A writer that collects paths, tags and security schemes, operation by operation."""

    def __init__(self, app: Documented, schemas: Schemas, responses: Responses) -> None:
        self._cookie = app.session_config.cookie
        self._schemas = schemas
        self._responses = responses
        self._names: dict[str, list[str]] = {}
        """The names of the path parameters of each URL. Operations of several handlers at one URL share them."""
        self._ids: set[str] = set()
        self.paths: dict[str, Json] = {}
        self.schemes: dict[str, Json] = {}
        self._tags: dict[str, str] = {}

    @property
    def tags(self) -> list[Json]:
        """The classes of the handlers' owners, with the summaries of their docstrings."""
        return [{"name": name, **({"description": text} if text else {})} for name, text in self._tags.items()]

    def add(self, operation: Operation) -> None:
        """Write one operation."""
        url, endpoint = operation.url, operation.endpoint
        own_names = [parameter.name for parameter in url.parameters]
        names = self._names.setdefault(url.render(["" for _ in own_names]), own_names)
        operation_inputs = read_inputs(
            endpoint.route.signature.inputs(),
            url,
            operation.method,
            names=names,
            texts=operation.doc.parameters,
            schemas=self._schemas,
            cookie=self._cookie,
        )
        self.schemes |= operation_inputs.schemes
        item = self.paths.setdefault(url.render(names), {})
        item[operation.method.lower()] = self._write_operation(operation, operation_inputs)

    def _write_operation(self, operation: Operation, operation_inputs: Inputs) -> Json:
        refusals = {
            "400": operation_inputs.may_be_invalid,
            "413": operation_inputs.body is not None,
            "415": operation_inputs.media_type_matters,
        }
        members: Json = {
            "operationId": self._make_id(operation),
            "tags": [self._add_tag(operation.endpoint)],
            "summary": operation.doc.summary,
            "description": operation.doc.description,
            "parameters": operation_inputs.parameters,
            "requestBody": operation_inputs.body,
            "responses": self._responses.write(operation.outputs, refusals, operation.doc.returns),
            "security": operation_inputs.security,
        }
        return {name: member for name, member in members.items() if member}

    def _add_tag(self, endpoint: Endpoint) -> str:
        cls = type(endpoint.owner)
        self._tags.setdefault(cls.__name__, "" if _is_generated(cls) else read_docstring(cls.__doc__).summary)
        return cls.__name__

    def _make_id(self, operation: Operation) -> str:
        """Make a unique name from the place of the handler, its method if it has several, and optional path values."""
        endpoint = operation.endpoint
        name = endpoint.name
        if len(list_methods(endpoint.route)) > 1:
            name += f"_{operation.method.lower()}"
        name += name_optional_values(endpoint, operation.url, operation.method)
        numbered = (f"{name}_{number}" for number in range(2, len(self._ids) + 3))
        unique = next(candidate for candidate in (name, *numbered) if candidate not in self._ids)
        self._ids.add(unique)
        return unique


def name_optional_values(endpoint: Endpoint, url: Url, method: str) -> str:
    """Return `_by_` and the names of the path values that `url` has beyond the endpoint's shortest URL; else ""."""
    shortest = next(iter(list_urls(endpoint, method)))
    names = [parameter.name for parameter in url.parameters[len(shortest.parameters) :]]
    return "_by_" + "_".join(names) if names else ""


def _is_generated(cls: type) -> bool:
    """Return True if the docstring of `cls` is the one that `@dataclass` writes."""
    return (cls.__doc__ or "").startswith(f"{cls.__name__}(")
