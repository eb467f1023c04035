"""This module finds what is wrong with the parameters of a signature taken together."""

from collections.abc import Collection, Sequence

from ..errors import Source
from .signature import FROM_BODY, SINGLE, TAKES_BODY, Parameter, Role, SignatureError, is_pinned


def find_conflicts(
    parameters: Sequence[Parameter], template: Sequence[str], refused: Collection[str]
) -> list[SignatureError]:
    """Return the errors of `parameters`, which take the values of `template`, the names in the `@route` path.

    `refused` holds the names of parameters that have been refused already; nothing more is said about them.
    """
    errors = []
    taken = {*refused, *(parameter.name for parameter in parameters if parameter.index is not None)}
    # A dependency may take the value. It is checked once the dependencies have been read.
    if all(parameter.role is not Role.DEPENDENCY for parameter in parameters):
        errors += [report_untaken_value(name) for name in template if name not in taken]
    return errors + _find_shared_names(parameters) + _find_shared_body(parameters)


def report_untaken_value(name: str) -> SignatureError:
    """Return the error for a `@route` path with a value `name` that no parameter takes."""
    what = f"the @route path names {{{name}}}, which no parameter takes"
    return SignatureError(what, f"Add a parameter `{name}`, or remove {{{name}}} from the path")


def report_taken_body(taker: Parameter, other: Parameter) -> SignatureError:
    """Return the error for `other`, which needs a part of the body that `taker` takes as a whole."""
    what = f"'{taker.name}' takes the whole body, so nothing is left for '{other.name}'"
    return SignatureError(what, "Read the body in one place")


def _find_shared_names(parameters: Sequence[Parameter]) -> list[SignatureError]:
    """Return an error for each parameter that is pinned to the same name as an earlier one."""
    errors = []
    readers: dict[tuple[Source, str], str] = {}
    for parameter in parameters:
        by_name = parameter.kind in SINGLE and parameter.index is None and not parameter.whole
        if by_name and is_pinned(parameter):
            source = parameter.sources[0]
            name = parameter.alias.lower() if source == "header" else parameter.alias
            reader = readers.setdefault((source, name), parameter.name)
            if reader != parameter.name:
                what = f"'{reader}' and '{parameter.name}' both read the {source} parameter '{parameter.alias}'"
                errors.append(SignatureError(what, "Give one of them another alias"))
    return errors


def _find_shared_body(parameters: Sequence[Parameter]) -> list[SignatureError]:
    """Return an error if one parameter takes the body's bytes and another needs something of the body."""
    takers = [parameter for parameter in parameters if parameter.role in TAKES_BODY]
    others = [
        parameter
        for parameter in parameters
        if parameter not in takers and parameter.sources and FROM_BODY.issuperset(parameter.sources)
    ]
    if not takers or len(takers) + len(others) == 1:
        return []
    return [report_taken_body(takers[0], (takers[1:] + others)[0])]
