"""This module checks the names that an app's code uses: templates that must exist, and keys of the session."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ...app.application import App
from ...binding.signature import Kind, Parameter, Role
from ...routing.table import Trail
from .findings import Finding
from .handlers import Subject, list_methods
from .source import FunctionSource, SourceReader

if TYPE_CHECKING:
    import jinja2


def check_templates(owner: Any, trail: Trail, reader: SourceReader) -> Iterator[tuple[Finding, FunctionSource]]:
    """Yield a finding for each template that a method of `owner` renders and that cannot be loaded."""
    app = next((node.owner for node in reversed(trail) if isinstance(node.owner, App)), None)
    if app is None:
        return
    for source in list_methods(type(owner), reader):
        for name, line in source.list_templates():
            fault = _find_fault(app, name)
            if fault:
                where = f"{type(owner).__qualname__}.{source.node.name}"
                yield Finding("missing-template", where, fault, _describe_loader(app), source.file, line), source


def _describe_loader(app: App) -> str:
    folders = ", ".join(getattr(app.env.loader, "searchpath", ()))
    return (
        f"Templates are loaded from {folders}" if folders else "Templates are loaded by the loader of the app's `env`"
    )


def _find_fault(app: App, name: str) -> str:
    """Return the reason why the template `name` can never be rendered; empty if it can, or if that cannot be known."""
    try:
        import jinja2

        environment = app.env
    except ImportError:
        return ""
    waiting, needed_by = [name], {name: ""}
    while waiting:
        current = waiting.pop()
        try:
            environment.get_template(current)
            needed = _list_needed(environment, current)
        except jinja2.TemplateNotFound:
            return f"the template '{current}'{needed_by[current]} does not exist"
        except jinja2.TemplateSyntaxError as error:
            return f"line {error.lineno} of the template '{current}' has a syntax error: {error.message}"
        except (OSError, UnicodeDecodeError, TypeError) as error:
            return f"the template '{current}' cannot be read: {error}"
        new = [template for template in needed if template not in needed_by]
        needed_by |= dict.fromkeys(new, f", which '{current}' needs,")
        waiting += new
    return ""


def _list_needed(environment: "jinja2.Environment", name: str) -> list[str]:
    """Return the templates, named literally, without which `name` cannot be rendered."""
    from jinja2 import nodes

    loader = environment.loader
    if loader is None or not loader.has_source_access:
        return []
    tree = environment.parse(loader.get_source(environment, name)[0])
    kinds: tuple[type[Any], ...] = (nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)
    references = [node for kind in kinds for node in tree.find_all(kind) if not getattr(node, "ignore_missing", False)]
    return [str(node.template.value) for node in references if isinstance(node.template, nodes.Const)]


def find_session_keys(subjects: Iterable[Subject], reader: SourceReader) -> frozenset[str]:
    """Return the session keys that the app's code names, and those that `Session()` parameters read."""
    keys: set[str] = set()
    for subject in subjects:
        for parameter in subject.signature.parameters:
            if parameter.sources == ("session",):
                keys |= _list_fields(parameter) if parameter.whole else {parameter.alias}
        if subject.source is not None:  # a dependency is often not a method of the classes below
            keys |= subject.source.read_session_keys().keys()
    for owner in {type(subject.entry.owner) for subject in subjects}:
        for source in list_methods(owner, reader):
            keys |= source.read_session_keys().keys()
    return frozenset(keys)


def _list_fields(parameter: Parameter) -> set[str]:
    return {field.encode_name for field in getattr(parameter.converter.info, "fields", ())}


def check_session(subject: Subject, keys: frozenset[str]) -> Iterator[Finding]:
    """Yield a finding for each parameter with the name of a session key that a client can send."""
    own = subject.source.read_session_keys() if subject.source is not None else {}
    for parameter in subject.signature.parameters:
        named = parameter.kind in (Kind.POSITIONAL, Kind.KEYWORD) and parameter.role is Role.VALUE
        is_open = "session" in parameter.sources and len(parameter.sources) > 1
        if named and is_open and parameter.alias in keys and not own.get(parameter.alias):
            others = ", ".join(source for source in parameter.sources if source != "session")
            what = f"the session has '{parameter.alias}', too, but a client can send it: {others} come first"
            remedy = "Mark its source: Annotated[T, Session()] if it must be trusted, else Query(), Form() or Path()"
            yield subject.make_finding("session-override", what, remedy, parameter=parameter)
