"""`Parameter`s in, one compiled function out, that finds and converts every value and calls the handler with them.

The function is straight-line Python: look here, else there, convert, else the default. At the first surprise it hands
over to `explain`, which walks the same `Parameter`s slowly and says everything that is wrong. The body has arrived, as
far as the signature asks for it, before either runs (`Wants`), so neither waits for anything.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from .._utils.codegen import compile_function, indent_lines
from ..conversion.converter import Shape
from ..conversion.exceptions import CONVERSION_ERRORS
from ..errors import BadRequest, Source
from ..media_types import Media
from ..params import File
from ..requests.json_lines import make_lines_reader
from ..sentinels import EMPTY, UNSET
from ..sessions.typed_session import make_session_reader
from .error_report import refuse_media_type, report_errors
from .handler import Bind, BoundHandler, Function, Mode, Wants, choose_mode
from .readers import make_bytes_checker, make_form_result_reader, make_names_reader
from .signature import FROM_BODY, Kind, Parameter, Role, Signature, get_form_readers, is_kept_in_session


class Binder(msgspec.Struct, frozen=True, eq=False):
    """The compiled binder of one handler."""

    bind: Bind
    source: str
    """The code of `bind`, for people."""
    wants: Wants


def compile_binder(signature: Signature, qualname: str, within: Signature | None = None) -> Binder:
    """The binder for `signature`. `qualname` names it in tracebacks: `<micropie bind module.qualname>`.

    Where there are dependencies it does not call yet, but returns a function to be called with the list of what they
    returned, in the order of `dependencies()`. So does the binder of a function that the handler of `within` depends
    on: a request that does not fit one of them is told everything that is wrong with it for all.
    """
    writer = _Writer(signature, within or signature)
    lines = writer.lines()
    bind = compile_function("bind", lines, writer.cells, f"<micropie bind {qualname}>")
    return Binder(bind, "\n".join(lines) + "\n", _wants(signature))


def bind_handler(handler: Function, signature: Signature, name: str, *, threaded: bool = True) -> BoundHandler:
    """Compile the binder of `handler` (bound to its owner), which is called `name` and has no dependencies so far.

    `threaded` says that a sync function may block, so that it runs in a worker thread.
    """
    binder = compile_binder(signature, name)
    mode = choose_mode(handler, threaded=threaded)
    call = partial(partial, handler) if mode is Mode.THREAD else handler
    is_async = mode is Mode.ASYNC
    return BoundHandler(name, handler, mode, call, binder.bind, binder.source, binder.wants, signature, is_async)


def _wants(signature: Signature) -> Wants:
    readers = [one for one in signature.inputs() if not FROM_BODY.isdisjoint(one.sources)]
    by_hand = [one.signature for one in signature.dependencies() if _has_request(one.signature)]
    everything = any(map(_says_nothing, [signature, *by_hand])) or any(_takes_all(one) for one in readers)
    names = tuple((one.alias, frozenset(one.sources), one.index) for one in readers)
    roles = {one.role for one in readers}
    return Wants(names, everything, Role.RAW in roles, Role.STREAM in roles or Role.LINES in roles)


def _has_request(signature: Signature) -> bool:
    return any(one.role is Role.REQUEST for one in signature.parameters)


def _says_nothing(signature: Signature) -> bool:
    """Whether nobody knows what of a body the handler will look at."""
    return all(one.marker is None and FROM_BODY.isdisjoint(one.sources) for one in signature.parameters)


def _takes_all(parameter: Parameter) -> bool:
    many = parameter.converter.shape is Shape.MANY
    return parameter.whole or many or parameter.role is Role.FILES or parameter.kind is Kind.VAR_KEYWORD


# Which local of the binder holds a source's names, and where that local comes from.
_LOCALS: Final[Mapping[Source, tuple[str, str]]] = {
    "query": ("query", "request.query_params"),
    "form": ("form", "request.form_params"),
    "file": ("files", "request.file_params"),
    "body": ("data", "request.json_params"),
}


_FROM_BODY: Final = frozenset(_LOCALS[source] for source in _LOCALS if source != "query")

# How a value is handed to the handler.
_ARGUMENTS: Final[Mapping[Kind, str]] = {
    Kind.POSITIONAL: "{value}",
    Kind.KEYWORD: "{name}={value}",
    Kind.VAR_POSITIONAL: "*{value}",
    Kind.VAR_KEYWORD: "**{value}",
}

# What the framework itself gives.
_FRAMEWORK: Final[Mapping[Role, str]] = {Role.REQUEST: "request", Role.WEBSOCKET: "request.websocket"}

_ALWAYS: Final = "True"


class _Missing(Exception):
    """A required value is nowhere."""


class _Writer:
    """Writes the source of one binder and collects the values that it closes over."""

    def __init__(self, signature: Signature, within: Signature) -> None:
        self._parameters = signature.parameters
        self._order = within.dependencies()
        inputs = tuple(within.inputs())
        self._locals: dict[str, str] = {}
        self.cells: dict[str, object] = {
            "Missing": _Missing,
            "surprises": (_Missing, *CONVERSION_ERRORS, BadRequest),
            "report_errors": lambda request, segments: report_errors(inputs, request, segments),
        }

    def lines(self) -> list[str]:
        """The whole function."""
        body: list[str] = []
        for number, parameter in enumerate(self._parameters):
            body += self._parameter(f"v{number}", number, parameter)
        body = self._lookups() + body
        call = f"return {'lambda given: ' if self._order else ''}call({', '.join(self._arguments())})"
        if not body:
            return ["def bind(call, request, segments):", *indent_lines([call])]
        guarded = [
            "try:",
            *indent_lines(body),
            "except surprises:",
            *indent_lines(["raise report_errors(request, segments) from None"]),
        ]
        return ["def bind(call, request, segments):", *indent_lines([*guarded, call])]

    def _lookups(self) -> list[str]:
        """The locals that the parameters asked for. Without a body nobody looks for what it might hold."""
        held = {name: value for name, value in self._locals.items() if (name, value) in _FROM_BODY}
        lines = [f"{name} = {value}" for name, value in self._locals.items() if name not in held]
        if held:
            lines.append(f"{' = '.join(held)} = {self._cell('empty', EMPTY)}")
            lines += ["if request.has_body:", *indent_lines([f"{name} = {value}" for name, value in held.items()])]
        return lines

    def _arguments(self) -> list[str]:
        return [
            _ARGUMENTS[parameter.kind].format(name=parameter.name, value=self._value(number, parameter))
            for number, parameter in enumerate(self._parameters)
        ]

    def _value(self, number: int, parameter: Parameter) -> str:
        if parameter.dependency is not None:
            return f"given[{self._order.index(parameter.dependency)}]"
        return _FRAMEWORK.get(parameter.role, f"v{number}")

    def _parameter(self, value: str, number: int, parameter: Parameter) -> list[str]:
        if parameter.role in _FRAMEWORK or parameter.dependency is not None:
            return []
        if parameter.kind is Kind.VAR_POSITIONAL:
            return [f"{value} = {self._rest_of_path(number, parameter)}"]
        if parameter.kind is Kind.VAR_KEYWORD:
            return [f"{value} = {self._rest_of_names(number, parameter)}"]
        if is_kept_in_session(parameter):
            key = None if parameter.whole else parameter.alias
            read = make_session_reader(parameter.converter.from_value, key, parameter.default)
            return [f"{value} = {self._cell(f's{number}', read)}(request.session_state)"]
        branches = self._branches(number, parameter)
        if branches[0][0] == _ALWAYS:
            return [f"{value} = {branches[0][1]}"]
        lines: list[str] = []
        for position, (condition, expression) in enumerate(branches):
            lines += [f"{'elif' if position else 'if'} {condition}:", *indent_lines([f"{value} = {expression}"])]
        otherwise = [f"{value} = {self._default(number, parameter)}"]
        if parameter.default is UNSET:
            otherwise = ["raise Missing"]
        return [*lines, "else:", *indent_lines(otherwise)]

    def _default(self, number: int, parameter: Parameter) -> str:
        default = parameter.default
        if _is_hashable(default):
            return self._cell(f"d{number}", default)
        is_empty = type(default) in (list, dict, set) and not default
        return self._cell(f"d{number}", type(default) if is_empty else partial(copy.deepcopy, default)) + "()"

    def _branches(self, number: int, parameter: Parameter) -> Sequence[tuple[str, str]]:
        """Conditions and values, in the order in which they are tried."""
        if parameter.whole:
            return self._whole(number, parameter)
        return [self._branch(source, number, parameter) for source in parameter.sources]

    def _branch(self, source: Source, number: int, parameter: Parameter) -> tuple[str, str]:
        alias = repr(parameter.alias)
        if source == "path":
            self._local("count", "len(segments)")
            return f"count > {parameter.index}", self._text(number, parameter, f"segments[{parameter.index}]")
        if source == "session":
            unset = self._cell("UNSET", UNSET)
            condition = f"(got := request.session_params.get({alias}, {unset})) is not {unset}"
            return condition, self._call(f"s{number}", parameter.converter.from_value, "got")
        if source == "header":
            return f"got := request.header_lines({alias.lower()})", self._texts(number, parameter)
        if source == "cookie":
            return f"got := request.cookie_params.get({alias})", self._texts(number, parameter)
        condition = f"(got := {self._local(*_LOCALS[source])}.get({alias})) is not None"
        if source == "body":
            return condition, self._call(f"j{number}", parameter.converter.from_json, "got")
        return condition, self._file(number, parameter) if source == "file" else self._texts(number, parameter)

    def _whole(self, number: int, parameter: Parameter) -> Sequence[tuple[str, str]]:
        optional = parameter.default is not UNSET
        if parameter.role is Role.RAW:
            check = make_bytes_checker(parameter)
            body = "request.body" if check is None else f"{self._cell(f'c{number}', check)}(request.body)"
            return [("request.body" if optional else _ALWAYS, body)]
        if parameter.role is Role.STREAM:
            return [(_ALWAYS, "request.stream()")]
        if parameter.role is Role.FORM:
            return [(_ALWAYS, f"{self._cell(f'f{number}', make_form_result_reader(parameter))}(request)")]
        if parameter.role is Role.LINES:
            return [(_ALWAYS, f"{self._cell(f'l{number}', make_lines_reader(parameter.converter))}(request)")]
        source = parameter.sources[0]
        if source in ("form", "body"):
            return self._whole_body(number, parameter)
        found = f"{self._cell(f'n{number}', make_names_reader(source, parameter))}(request)"
        condition, given = (f"got := {found}", "got") if optional else (_ALWAYS, found)
        return [(condition, self._form(number, parameter, given, self._cell("empty", EMPTY)))]

    def _whole_body(self, number: int, parameter: Parameter) -> Sequence[tuple[str, str]]:
        media = self._local("media", "request.media")
        branches = []
        if parameter.sources[0] == "body":
            is_json = f"{media} is {self._cell('JSON', Media.JSON)}"
            branches.append((is_json, self._call(f"j{number}", parameter.converter.from_json, "request.body")))
        if get_form_readers(parameter) is not None:
            forms = self._cell("FORMS", (Media.FORM, Media.MULTIPART))
            is_form = f"{media} in {forms}"
            branches.append((is_form, self._form(number, parameter, "request.form_params", "request.file_params")))
        if parameter.default is not UNSET:
            wrong = f"{media} is not {self._cell('NONE', Media.NONE)}"
            branches.append((wrong, f"{self._cell(f'w{number}', partial(refuse_media_type, parameter))}()"))
        return branches

    def _form(self, number: int, parameter: Parameter, fields: str, files: str) -> str:
        form = get_form_readers(parameter)
        return self._call(f"f{number}", form.read if form is not None else None, f"{fields}, {files}")

    def _text(self, number: int, parameter: Parameter, text: str) -> str:
        return self._call(f"t{number}", parameter.converter.from_text, text)

    def _texts(self, number: int, parameter: Parameter) -> str:
        if parameter.converter.shape is Shape.MANY:
            return self._call(f"m{number}", parameter.converter.from_texts, "got")
        return self._text(number, parameter, "got[0]")

    def _file(self, number: int, parameter: Parameter) -> str:
        if parameter.role is Role.VALUE:
            return "got[0].mapping()"
        given = "list(got)" if parameter.role is Role.FILES else "got[0]"
        marker = parameter.marker
        if isinstance(marker, File) and (marker.max_size is not None or marker.content_types):
            return f"{self._cell(f'r{number}', _restrict(marker))}({given})"
        return given

    def _rest_of_path(self, number: int, parameter: Parameter) -> str:
        rest = f"segments[{parameter.index}:]"
        text = self._text(number, parameter, "text")
        return rest if text == "text" else f"[{text} for text in {rest}]"

    def _rest_of_names(self, number: int, parameter: Parameter) -> str:
        # The first source that has a name wins, so the later ones are laid down first.
        sources = [self._local(*_LOCALS[source]) for source in reversed(parameter.sources)]
        excluded = self._cell("excluded", parameter.excluded)
        value = self._texts(number, parameter)
        names = sources[0] if len(sources) == 1 else f"{{{', '.join(f'**{source}' for source in sources)}}}"
        return f"{{name: {value} for name, got in {names}.items() if name not in {excluded}}}"

    def _call(self, cell: str, read: Callable[..., Any] | None, given: str) -> str:
        return given if read is None else f"{self._cell(cell, read)}({given})"

    def _cell(self, name: str, value: object) -> str:
        self.cells[name] = value
        return name

    def _local(self, name: str, value: str) -> str:
        self._locals[name] = value
        return name


def _is_hashable(value: object) -> bool:
    """Whether `value` never changes, as far as one can tell, so that requests may share it."""
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _restrict(marker: File) -> Callable[[Any], Any]:
    def restrict(given: Any) -> Any:
        for file in given if isinstance(given, list) else [given]:
            file.restrict(max_size=marker.max_size, content_types=marker.content_types)
        return given

    return restrict
