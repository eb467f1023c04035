"""What the code of an app uses that has to be somewhere: templates by name, keys of the session."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ...app.application import App
from ...binding.signature import Kind, Parameter, Role
from ...errors import MissingDependency
from ...routing.table import Trail
from .findings import Finding
from .handlers import Subject, list_own_functions
from .source import Reader, Written

if TYPE_CHECKING:
    import jinja2


def check_templates(owner: Any, trail: Trail, reader: Reader) -> Iterator[tuple[Finding, Written]]:
    """The templates that the methods of `owner` render and that cannot be loaded, and where."""
    app = next((node.owner for node in reversed(trail) if isinstance(node.owner, App)), None)
    if app is None:
        return
    for function in list_own_functions(type(owner), reader):
        for name, line in function.templates():
            wrong = _cannot_load(app, name)
            if wrong:
                where = f"{type(owner).__qualname__}.{function.node.name}"
                yield Finding("missing-template", where, wrong, _place_of_templates(app), function.file, line), function


def _place_of_templates(app: App) -> str:
    places = ", ".join(getattr(app.env.loader, "searchpath", ()))
    return f"Templates are looked for in {places}" if places else "Templates come from the loader of the app's own env"


def _cannot_load(app: App, name: str) -> str:
    """Why the template `name` can never be rendered; empty where it can, or where one cannot tell."""
    try:
        import jinja2

        environment = app.env
    except (ImportError, MissingDependency):
        return ""
    waiting, needed_by = [name], {name: ""}
    while waiting:
        current = waiting.pop()
        try:
            environment.get_template(current)
            needs = _needed(environment, current)
        except jinja2.TemplateNotFound:
            return f"there is no template '{current}'{needed_by[current]}"
        except jinja2.TemplateSyntaxError as error:
            return f"line {error.lineno} of the template '{current}' is wrong: {error.message}"
        except (OSError, UnicodeDecodeError, TypeError) as error:
            return f"the template '{current}' cannot be read: {error}"
        new = [one for one in needs if one not in needed_by]
        needed_by |= dict.fromkeys(new, f", which '{current}' needs")
        waiting += new
    return ""


def _needed(environment: "jinja2.Environment", name: str) -> list[str]:
    """The templates without which `name` cannot be rendered, where it spells them out."""
    from jinja2 import nodes

    loader = environment.loader
    if loader is None or not loader.has_source_access:
        return []
    tree = environment.parse(loader.get_source(environment, name)[0])
    users: tuple[type[Any], ...] = (nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)
    found = [node for kind in users for node in tree.find_all(kind) if not getattr(node, "ignore_missing", False)]
    return [str(node.template.value) for node in found if isinstance(node.template, nodes.Const)]


def find_session_keys(subjects: Iterable[Subject], reader: Reader) -> frozenset[str]:
    """Every key that the app is known to keep in its session."""
    found: set[str] = set()
    for subject in subjects:
        for parameter in subject.signature.parameters:
            if parameter.sources == ("session",):
                found |= _fields(parameter) if parameter.whole else {parameter.alias}
        if subject.written is not None:  # a dependency is no method of a class that is looked at below
            found |= subject.written.session_keys().keys()
    for owner in {type(subject.entry.owner) for subject in subjects}:
        for function in list_own_functions(owner, reader):
            found |= function.session_keys().keys()
    return frozenset(found)


def _fields(parameter: Parameter) -> set[str]:
    return {field.encode_name for field in getattr(parameter.converter.info, "fields", ())}


def check_session(subject: Subject, keys: frozenset[str]) -> Iterator[Finding]:
    """Parameters that a client can send, though they look like what the session holds."""
    own = subject.written.session_keys() if subject.written is not None else {}
    for parameter in subject.signature.parameters:
        named = parameter.kind in (Kind.POSITIONAL, Kind.KEYWORD) and parameter.role is Role.VALUE
        is_open = "session" in parameter.sources and len(parameter.sources) > 1
        if named and is_open and parameter.alias in keys and not own.get(parameter.alias):
            others = ", ".join(source for source in parameter.sources if source != "session")
            what = f"the session holds '{parameter.alias}' too, but a client can send it: {others} come first"
            remedy = (
                "Say which is meant: Annotated[T, Session()] where it must be trusted, else Query(), Form() or Path()"
            )
            yield subject.finding("session-override", what, remedy, parameter=parameter)
