"""This module reads the arguments of a call by the parameters of a handler, as Python would, and checks who fills each.

`request_from_call.py` writes the arguments into a request.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ..binding.signature import Kind, Parameter
from ..sentinels import ELSEWHERE, UNSET
from .route import Route


def collect_arguments(
    route: Route, args: Sequence[object], kwargs: Mapping[str, object], *, to_url: bool
) -> dict[str, Any]:
    """Return the values that must be written into the request, by parameter; defaults and ELSEWHERE are left out.

    `to_url` means that the request may only be a URL. Raises TypeError for arguments that the handler does not take,
    and ValueError for a value that the server fills.
    """
    parameters, handler = route.signature.parameters, describe_handler(route)
    bound = _bind(parameters, handler, args, kwargs)
    arguments = [(parameter, bound.get(parameter.name, UNSET)) for parameter in parameters]
    return {
        parameter.name: value
        for parameter, value in arguments
        if not _is_left_out(parameter, value, handler, to_url=to_url)
    }


def describe_handler(route: Route) -> str:
    """Return `Class.method`, as errors name the handler."""
    return ".".join(route.name.split(".")[-2:])


def _bind(
    parameters: Sequence[Parameter], handler: str, args: Sequence[object], kwargs: Mapping[str, object]
) -> dict[str, Any]:
    """Return the arguments by parameter, as a call of the handler would bind them. Raises TypeError."""
    named = {parameter.name: parameter for parameter in parameters if parameter.kind in (Kind.POSITIONAL, Kind.KEYWORD)}
    positional = [parameter.name for parameter in named.values() if parameter.kind is Kind.POSITIONAL]
    bound: dict[str, Any] = dict(zip(positional, args, strict=False))
    if surplus := args[len(positional) :]:
        fault = f"{handler}: takes {len(positional)} positional arguments, not {len(args)}"
        bound[_get_collector(parameters, Kind.VAR_POSITIONAL, fault)] = surplus
    unknown = {name: value for name, value in kwargs.items() if name not in named}
    if unknown:
        fault = f"{handler}: no parameter is called '{next(iter(unknown))}'"
        bound[_get_collector(parameters, Kind.VAR_KEYWORD, fault)] = unknown
    for name in kwargs.keys() & named.keys():
        if name in bound:
            raise TypeError(f"{handler}: '{name}' is given twice")
        bound[name] = kwargs[name]
    return bound


def _get_collector(parameters: Sequence[Parameter], kind: Kind, fault: str) -> str:
    """Return the name of `*args` or of `**kwargs`. Raises TypeError, with `fault`, if the handler has neither."""
    for parameter in parameters:
        if parameter.kind is kind:
            return parameter.name
    raise TypeError(fault)


def _is_left_out(parameter: Parameter, value: object, handler: str, *, to_url: bool) -> bool:
    """Return True if `value` must not be written: it is missing, ELSEWHERE, or a default that the server fills in."""
    sources = set(parameter.sources)
    sendable = sources & {"path", "query"} if to_url else sources - {"session"}
    if value is UNSET:
        if parameter.required and sendable:
            raise TypeError(f"{handler}: missing a required argument: '{parameter.name}'")
        return True
    if value is ELSEWHERE:
        if sendable and parameter.required and "session" not in sources:
            raise ValueError(f"{handler}: '{parameter.name}' has no other source: pass its value, not ELSEWHERE")
        return True
    if not sendable:
        what = "is filled by the server" if sources <= {"session"} else "is not part of a URL"
        raise ValueError(f"{handler}: '{parameter.name}' {what}: leave it out, or pass ELSEWHERE")
    if type(value) is not type(parameter.default) or value != parameter.default:
        return False
    return to_url or value is None or value in ((), [], set(), frozenset())
