"""An app → its OpenAPI 3.1 document.

The routes are found, each is documented at its URLs (`paths.py`), and what its signature says becomes an operation. Two
passes: the first collects every type there is, so that each has its name before the second writes the first reference.
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
from .paths import Found, Url, find_routes, is_answered, list_methods, list_operation_urls
from .schemas import Json, Schemas

OPENAPI: Final = "3.1.0"
"""The version whose tools are everywhere; 3.1.1 and 3.1.2 only clarify it."""


class Documented(Protocol):
    """What a document needs to know of an app."""

    session_config: SessionConfig
    error_handlers: dict[type[Exception], Any]
    _trail: Trail


class Operation(msgspec.Struct, frozen=True, eq=False):
    """One method at one URL of one route."""

    found: Found
    method: str
    url: Url
    doc: Docstring
    outputs: Outputs


def document(app: Documented) -> dict[str, Any]:
    """The OpenAPI 3.1 document of `app`, an App: its handlers, those of what it holds, and every type they name.

    What is mounted is another application and not in it. The document is made anew at each call.
    """
    operations = list(_operations(app._trail))
    schemas = Schemas(_infos(operations))
    components = schemas.components
    problem = None
    if not _answers_errors_itself(app):
        problem = "Problem" if "Problem" not in components else "micropie.Problem"  # a user's own keeps its name
        components[problem] = PROBLEM
    responses = Responses(schemas, f"#/components/schemas/{problem}" if problem is not None else None)
    writer = _Writer(app, schemas, responses)
    for operation in operations:
        writer.add(operation)
    shared = {"schemas": components, "responses": responses.components, "securitySchemes": writer.schemes}
    made: Json = {"openapi": OPENAPI, "info": build_info(app), "paths": writer.paths}
    made["components"] = {name: members for name, members in shared.items() if members}
    return {**made, "tags": writer.tags} if writer.tags else made


def build_info(app: object) -> Json:
    """The `info` of a document: the class's name and docstring, and the version of the module that it is from."""
    cls = type(app)
    made = {"title": cls.__name__, "version": _version(cls.__module__)}
    text = "" if _is_generated(cls) else inspect.cleandoc(cls.__doc__ or "")
    return {**made, "description": text} if text else made


def _version(module: str) -> str:
    """`__version__` of `module` or of a package that it is in; `"0"` where none has one."""
    while module:
        found = getattr(sys.modules.get(module), "__version__", None)
        if isinstance(found, str):
            return found
        module = module.rpartition(".")[0]
    return "0"


def get_docstring(found: Found) -> Docstring:
    """What the docstring of a route's handler says."""
    handler: Any = found.route.handler
    while isinstance(handler, partial):
        handler = handler.func
    return read_docstring(inspect.getdoc(handler))


def is_ours(found: Found) -> bool:
    """Whether a route is one of the framework's own, such as the document itself."""
    return found.route.name.startswith("micropie.")


def _answers_errors_itself(app: Documented) -> bool:
    """Whether an error handler of the user's answers what does not fit, in a format that is in no signature."""
    return any(issubclass(BadRequest, known) for known in app.error_handlers)


def _operations(trail: Trail) -> Iterator[Operation]:
    for found in find_routes(trail):
        if is_ours(found):
            continue
        doc, promised = get_docstring(found), read_outputs(found.route.signature.returns)
        for method in list_methods(found.route):
            for url in list_operation_urls(found, method):
                if is_answered(trail, found, url, method):
                    yield Operation(found, method, url, doc, promised)


def _infos(operations: Sequence[Operation]) -> Iterator[msgspec.inspect.Type]:
    for operation in operations:
        yield from inputs.infos_of(operation.found.route.signature.inputs())
        yield from outputs.infos_of(operation.outputs)


class _Writer:
    """Collects paths, tags and security schemes, operation by operation."""

    def __init__(self, app: Documented, schemas: Schemas, responses: Responses) -> None:
        self._cookie = app.session_config.cookie
        self._schemas = schemas
        self._responses = responses
        self._names: dict[str, list[str]] = {}
        """The names of the path values of each URL: one URL has one set of them, whoever answers it."""
        self._ids: set[str] = set()
        self.paths: dict[str, Json] = {}
        self.schemes: dict[str, Json] = {}
        self._tags: dict[str, str] = {}

    @property
    def tags(self) -> list[Json]:
        """The owners of the handlers, with what their docstrings say first."""
        return [{"name": name, **({"description": said} if said else {})} for name, said in self._tags.items()]

    def add(self, operation: Operation) -> None:
        """Write one operation."""
        url, found = operation.url, operation.found
        own = [value.name for value in url.values]
        names = self._names.setdefault(url.template(["" for _ in own]), own)
        asked = read_inputs(
            found.route.signature.inputs(),
            url,
            operation.method,
            names=names,
            said=operation.doc.parameters,
            schemas=self._schemas,
            cookie=self._cookie,
        )
        self.schemes |= asked.schemes
        item = self.paths.setdefault(url.template(names), {})
        item[operation.method.lower()] = self._operation(operation, asked)

    def _operation(self, operation: Operation, asked: Inputs) -> Json:
        made: Json = {"operationId": self._id(operation), "tags": [self._tag(operation.found)]}
        made["summary"], made["description"] = operation.doc.summary, operation.doc.description
        made["parameters"], made["requestBody"] = asked.parameters, asked.body
        refusals = {"400": asked.may_be_invalid, "413": asked.body is not None, "415": asked.media_type_matters}
        made["responses"] = self._responses.of(operation.outputs, refusals, operation.doc.returns)
        made["security"] = asked.security
        return {name: member for name, member in made.items() if member}

    def _tag(self, found: Found) -> str:
        cls = type(found.owner)
        self._tags.setdefault(cls.__name__, "" if _is_generated(cls) else read_docstring(cls.__doc__).summary)
        return cls.__name__

    def _id(self, operation: Operation) -> str:
        """A name for the operation: where its handler is, its method if it answers others too, and its path values."""
        found = operation.found
        wanted = found.name
        if len(list_methods(found.route)) > 1:
            wanted += f"_{operation.method.lower()}"
        least = next(iter(list_operation_urls(found, operation.method)))
        more = [value.name for value in operation.url.values[len(least.values) :]]
        wanted += "_by_" + "_".join(more) if more else ""
        numbered = (f"{wanted}_{number}" for number in range(2, len(self._ids) + 3))
        made = next(one for one in (wanted, *numbered) if one not in self._ids)
        self._ids.add(made)
        return made


def _is_generated(cls: type) -> bool:
    """Whether a class's docstring is the one that `@dataclass` writes."""
    return (cls.__doc__ or "").startswith(f"{cls.__name__}(")
