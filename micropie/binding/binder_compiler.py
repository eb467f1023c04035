"""This module writes and compiles the binder of a handler: one function that finds and converts every value.

The function is straight-line Python: it looks in the first source, else in the next one, converts, else takes the
default, and calls the handler. At the first error it calls `report_errors`, which walks the same `Parameter`s and lists
all errors. Everything of the body that the signature asks for (`Wants`) has arrived before, so neither awaits anything.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from .._utils.codegen import compile_function, indent_lines
from ..conversion.converter import Shape
from ..conversion.exceptions import CONVERSION_ERRORS
from ..errors import BadRequest, HTTPError, Source
from ..media_types import Media
from ..params import File
from ..requests.headers import split_list_lines
from ..requests.request import Request
from ..sentinels import EMPTY, UNSET
from .handler import Bind, BoundHandler, Function, Mode, Wants, choose_mode
from .readers import (
    FORMS,
    is_header_list,
    make_bytes_checker,
    make_form_result_reader,
    make_names_reader,
    make_plain_text_reader,
    make_presence_checker,
    refuse_media_type,
)
from .signature import (
    FROM_BODY,
    Kind,
    Parameter,
    Role,
    Signature,
    accepts_plain_text,
    get_form_readers,
    is_body_taken_whole,
    is_form_expected,
    is_kept_in_session,
)


class Binder(msgspec.Struct, frozen=True, eq=False):
    """A compiled binder."""

    bind: Bind
    source: str
    """The code of `bind`, for people to read."""
    wants: Wants


def bind_handler(handler: Function, signature: Signature, name: str, *, threaded: bool = True) -> BoundHandler:
    """Compile the binder of `handler`, a bound method whose dependencies, if it has any, are not called yet.

    `name` is `module.Class.method`. With `threaded`, a sync handler runs in a worker thread.
    """
    binder = compile_binder(signature, name)
    mode = choose_mode(handler, threaded=threaded)
    call = partial(partial, handler) if mode is Mode.THREAD else handler
    is_async = mode is Mode.ASYNC
    return BoundHandler(name, handler, mode, call, binder.bind, binder.source, binder.wants, signature, is_async)


def compile_binder(signature: Signature, qualname: str, within: Signature | None = None) -> Binder:
    """Compile the binder for `signature`. Tracebacks show it as `<micropie bind module.qualname>`.

    If there are dependencies, `bind` does not make the call. It returns a function that makes the call, given the list
    of the dependencies' results in the order of `dependencies()`. For a dependency, `within` is the signature of the
    handler, so that the error of one function is reported with all errors of the request.
    """
    writer = _BinderWriter(signature, within or signature)
    lines = writer.write()
    bind = compile_function("bind", lines, writer.cells, f"<micropie bind {qualname}>")
    return Binder(bind, "\n".join(lines) + "\n", _choose_wants(signature))


def _choose_wants(signature: Signature) -> Wants:
    readers = [parameter for parameter in signature.inputs() if not FROM_BODY.isdisjoint(parameter.sources)]
    # The handler and each dependency with a Request may read any part of the body by themselves.
    free = [
        signature,
        *(function.signature for function in signature.dependencies() if _has_request(function.signature)),
    ]
    everything = any(map(_has_no_body_parameter, free)) or any(map(_needs_whole_body, readers))
    names = tuple((parameter.alias, frozenset(parameter.sources), parameter.index) for parameter in readers)
    roles = {parameter.role for parameter in readers}
    return Wants(names, everything, Role.RAW in roles, Role.STREAM in roles or Role.LINES in roles)


def _has_request(signature: Signature) -> bool:
    return any(parameter.role is Role.REQUEST for parameter in signature.parameters)


def _has_no_body_parameter(signature: Signature) -> bool:
    """Return True if the parameters name no part of the body. The function may then read any part."""
    return all(
        parameter.marker is None and FROM_BODY.isdisjoint(parameter.sources) for parameter in signature.parameters
    )


def _needs_whole_body(parameter: Parameter) -> bool:
    many = parameter.converter.shape is Shape.MANY
    return parameter.whole or many or parameter.role is Role.FILES or parameter.kind is Kind.VAR_KEYWORD


# The local of the binder that holds a source's names, and the expression that fills it.
_LOCALS: Final[Mapping[Source, tuple[str, str]]] = {
    "query": ("query", "request.query_params"),
    "form": ("form", "request.form_params"),
    "file": ("files", "request.file_params"),
    "body": ("data", "request.json_params"),
}

_BODY_LOCALS: Final = frozenset(name for source, (name, _) in _LOCALS.items() if source != "query")

# How a value is passed to the handler.
_ARGUMENTS: Final[Mapping[Kind, str]] = {
    Kind.POSITIONAL: "{value}",
    Kind.KEYWORD: "{name}={value}",
    Kind.VAR_POSITIONAL: "*{value}",
    Kind.VAR_KEYWORD: "**{value}",
}

# The expressions for the values that the framework provides.
_FRAMEWORK: Final[Mapping[Role, str]] = {Role.REQUEST: "request", Role.WEBSOCKET: "request.websocket"}

_ALWAYS: Final = "True"
"""The condition of a branch that is always taken."""


class _Missing(Exception):
    """A required value is in none of its sources."""


def _report_errors(inputs: Sequence[Parameter], request: Request, segments: Sequence[str]) -> HTTPError:
    """Call `report_errors`, which is imported for the first request that is refused."""
    from .error_report import report_errors

    return report_errors(inputs, request, segments)


class _BinderWriter:
    """A writer of one binder's source, which collects the values that the binder closes over.

    A parameter's number names what belongs to it: `v0` is its value, `t0`, `m0`, `j0`, `s0` and `f0` its readers of
    text, texts, JSON, session values and forms, `d0` its default.
    """

    def __init__(self, signature: Signature, within: Signature) -> None:
        self._parameters = signature.parameters
        self._dependencies = within.dependencies()
        inputs = tuple(within.inputs())
        self._is_form_expected = is_form_expected(inputs)
        self._locals: dict[str, str] = {}
        self._keys = ("data", "request.json_keys") if is_body_taken_whole(inputs) else _LOCALS["body"]
        self.cells: dict[str, object] = {
            "Missing": _Missing,
            "binding_errors": (_Missing, *CONVERSION_ERRORS, BadRequest),
            "report_errors": partial(_report_errors, inputs),
        }

    def write(self) -> list[str]:
        """Write the whole function, as lines."""
        body: list[str] = []
        for number, parameter in enumerate(self._parameters):
            body += self._write_parameter(f"v{number}", number, parameter)
        body = self._write_locals() + body
        call = f"return {'lambda results: ' if self._dependencies else ''}call({', '.join(self._write_arguments())})"
        if not body:
            return ["def bind(call, request, segments):", *indent_lines([call])]
        guarded = [
            "try:",
            *indent_lines(body),
            "except binding_errors:",
            *indent_lines(["raise report_errors(request, segments) from None"]),
        ]
        return ["def bind(call, request, segments):", *indent_lines([*guarded, call])]

    def _write_locals(self) -> list[str]:
        """Write the assignments of the locals that parameters use. Without a body, those of the body are empty."""
        of_body = {name: value for name, value in self._locals.items() if name in _BODY_LOCALS}
        lines = [f"{name} = {value}" for name, value in self._locals.items() if name not in of_body]
        if of_body:
            lines.append(f"{' = '.join(of_body)} = {self._add_cell('empty', EMPTY)}")
            assignments = [f"{name} = {value}" for name, value in of_body.items()]
            lines += ["if request.has_body:", *indent_lines(assignments)]
        return lines

    def _write_arguments(self) -> list[str]:
        return [
            _ARGUMENTS[parameter.kind].format(name=parameter.name, value=self._write_argument(number, parameter))
            for number, parameter in enumerate(self._parameters)
        ]

    def _write_argument(self, number: int, parameter: Parameter) -> str:
        if parameter.dependency is not None:
            return f"results[{self._dependencies.index(parameter.dependency)}]"
        return _FRAMEWORK.get(parameter.role, f"v{number}")

    def _write_parameter(self, target: str, number: int, parameter: Parameter) -> list[str]:
        """Write the lines that assign the parameter's value to `target`."""
        if parameter.role in _FRAMEWORK or parameter.dependency is not None:
            return []
        if parameter.kind is Kind.VAR_POSITIONAL:
            return [f"{target} = {self._write_rest_of_path(number, parameter)}"]
        if parameter.kind is Kind.VAR_KEYWORD:
            return [f"{target} = {self._write_rest_of_names(number, parameter)}"]
        if is_kept_in_session(parameter):
            from ..sessions.typed_session import make_session_reader

            key = None if parameter.whole else parameter.alias
            read = make_session_reader(parameter.converter.from_value, key, parameter.default)
            return [f"{target} = {self._add_cell(f's{number}', read)}(request.session_state)"]
        branches = self._write_branches(number, parameter)
        if branches[0][0] == _ALWAYS:
            return [f"{target} = {branches[0][1]}"]
        lines: list[str] = []
        for position, (condition, expression) in enumerate(branches):
            lines += [f"{'elif' if position else 'if'} {condition}:", *indent_lines([f"{target} = {expression}"])]
        otherwise = "raise Missing"
        if parameter.default is not UNSET:
            otherwise = f"{target} = {self._write_default(number, parameter)}"
        return [*lines, "else:", *indent_lines([otherwise])]

    def _write_default(self, number: int, parameter: Parameter) -> str:
        """Write the default, as a copy if a handler might change it."""
        default = parameter.default
        if _is_hashable(default):
            return self._add_cell(f"d{number}", default)
        is_empty = type(default) in (list, dict, set) and not default
        return self._add_cell(f"d{number}", type(default) if is_empty else partial(copy.deepcopy, default)) + "()"

    def _write_branches(self, number: int, parameter: Parameter) -> Sequence[tuple[str, str]]:
        """Write pairs of a condition and the value under it, in the order in which they are tried."""
        if parameter.whole:
            return self._write_whole(number, parameter)
        return [self._write_branch(source, number, parameter) for source in parameter.sources]

    def _write_branch(self, source: Source, number: int, parameter: Parameter) -> tuple[str, str]:
        alias = repr(parameter.alias)
        if source == "path":
            self._use_local("count", "len(segments)")
            return f"count > {parameter.index}", self._write_text(number, parameter, f"segments[{parameter.index}]")
        if source == "session":
            unset = self._add_cell("UNSET", UNSET)
            condition = f"(value := request.session_params.get({alias}, {unset})) is not {unset}"
            return condition, self._write_call(f"s{number}", parameter.converter.from_value, "value")
        if source == "header":
            lines = f"request.header_lines({alias.lower()})"
            if is_header_list(parameter.converter.info):
                lines = f"{self._add_cell('split_list_lines', split_list_lines)}({lines})"
            return f"value := {lines}", self._write_texts(number, parameter)
        if source == "cookie":
            return f"value := request.cookie_params.get({alias})", self._write_texts(number, parameter)
        local = self._keys if source == "body" else _LOCALS[source]
        condition = f"(value := {self._use_local(*local)}.get({alias})) is not None"
        if source == "body":
            return condition, self._write_call(f"j{number}", parameter.converter.from_json, "value")
        is_file = source == "file"
        return condition, self._write_file(number, parameter) if is_file else self._write_texts(number, parameter)

    def _write_whole(self, number: int, parameter: Parameter) -> Sequence[tuple[str, str]]:
        """Write the branches of a parameter that takes all of its source."""
        optional = parameter.default is not UNSET
        if parameter.role is Role.RAW:
            check = make_bytes_checker(parameter)
            body = "request.body" if check is None else f"{self._add_cell(f'c{number}', check)}(request.body)"
            return [("request.body" if optional else _ALWAYS, body)]
        if parameter.role is Role.STREAM:
            return [(_ALWAYS, "request.stream()")]
        if parameter.role is Role.FORM:
            return [(_ALWAYS, f"{self._add_cell(f'f{number}', make_form_result_reader(parameter))}(request)")]
        if parameter.role is Role.LINES:
            from ..requests.json_lines import make_lines_reader

            return [(_ALWAYS, f"{self._add_cell(f'l{number}', make_lines_reader(parameter.converter))}(request)")]
        source = parameter.sources[0]
        if source in ("form", "body"):
            return self._write_whole_body(number, parameter)
        names = f"{self._add_cell(f'n{number}', make_names_reader(source, parameter))}(request)"
        condition, fields = (f"value := {names}", "value") if optional else (_ALWAYS, names)
        return [(condition, self._write_form(number, parameter, fields, self._add_cell("empty", EMPTY)))]

    def _write_whole_body(self, number: int, parameter: Parameter) -> Sequence[tuple[str, str]]:
        media = self._use_local("media", "request.media")
        optional = parameter.default is not UNSET
        branches = []
        if parameter.sources[0] == "body":
            is_json = f"{media} is {self._add_cell('JSON', Media.JSON)}"
            branches.append((is_json, self._write_call(f"j{number}", parameter.converter.from_json, "request.body")))
        if get_form_readers(parameter) is not None:
            is_form = f"{media} in {self._add_cell('FORMS', FORMS)}"
            if optional and self._is_form_expected:
                has_value = make_presence_checker(parameter, is_form_expected=True)
                is_form += f" and {self._add_cell(f'h{number}', has_value)}(request)"
            elif optional:  # a form without a name is as good as none
                is_form += " and (request.form_params or request.file_params)"
            form = self._write_form(number, parameter, "request.form_params", "request.file_params")
            branches.append((is_form, form))
        if accepts_plain_text(parameter):
            text = f"{self._add_cell(f'p{number}', make_plain_text_reader(parameter))}(request)"
            branches.append((f"{media} is {self._add_cell('OTHER', Media.OTHER)}", text))
        if optional:
            is_other = f"{media} is not {self._add_cell('NONE', Media.NONE)}"
            if get_form_readers(parameter) is not None:
                is_other = f"{media} not in {self._add_cell('NONE_OR_FORMS', (Media.NONE, *FORMS))}"
            branches.append((is_other, f"{self._add_cell(f'w{number}', partial(refuse_media_type, parameter))}()"))
        return branches

    def _write_form(self, number: int, parameter: Parameter, fields: str, files: str) -> str:
        form = get_form_readers(parameter)
        return self._write_call(f"f{number}", form.read if form is not None else None, f"{fields}, {files}")

    def _write_text(self, number: int, parameter: Parameter, text: str) -> str:
        return self._write_call(f"t{number}", parameter.converter.from_text, text)

    def _write_texts(self, number: int, parameter: Parameter) -> str:
        if parameter.converter.shape is Shape.MANY:
            return self._write_call(f"m{number}", parameter.converter.from_texts, "value")
        return self._write_text(number, parameter, "value[0]")

    def _write_file(self, number: int, parameter: Parameter) -> str:
        if parameter.role is Role.VALUE:
            return "value[0].mapping()"
        files = "list(value)" if parameter.role is Role.FILES else "value[0]"
        marker = parameter.marker
        if isinstance(marker, File) and (marker.max_size is not None or marker.content_types):
            return f"{self._add_cell(f'r{number}', _make_file_restricter(marker))}({files})"
        return files

    def _write_rest_of_path(self, number: int, parameter: Parameter) -> str:
        rest = f"segments[{parameter.index}:]"
        text = self._write_text(number, parameter, "text")
        return rest if text == "text" else f"[{text} for text in {rest}]"

    def _write_rest_of_names(self, number: int, parameter: Parameter) -> str:
        # The first source that has a name wins, so it must be the last one in the dict.
        sources = [self._use_local(*_LOCALS[source]) for source in reversed(parameter.sources)]
        excluded = self._add_cell("excluded", parameter.excluded)
        value = self._write_texts(number, parameter)
        names = sources[0] if len(sources) == 1 else f"{{{', '.join(f'**{source}' for source in sources)}}}"
        return f"{{name: {value} for name, value in {names}.items() if name not in {excluded}}}"

    def _write_call(self, cell: str, read: Callable[..., Any] | None, arguments: str) -> str:
        """Write a call of `read`; without one, `arguments` is the value."""
        return arguments if read is None else f"{self._add_cell(cell, read)}({arguments})"

    def _add_cell(self, name: str, value: object) -> str:
        """Let the binder close over `value` by `name`, and return the name."""
        self.cells[name] = value
        return name

    def _use_local(self, name: str, value: str) -> str:
        """Let the binder begin with `name = value`, and return the name."""
        self._locals[name] = value
        return name


def _is_hashable(value: object) -> bool:
    """Return True if `value` has a hash. It is then taken for immutable, and requests share it."""
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _make_file_restricter(marker: File) -> Callable[[Any], Any]:
    def restrict(files: Any) -> Any:
        for file in files if isinstance(files, list) else [files]:
            file.restrict(max_size=marker.max_size, content_types=marker.content_types)
        return files

    return restrict
