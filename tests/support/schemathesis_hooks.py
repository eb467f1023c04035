"""What schemathesis has to be told of bodies, beside the document."""

from typing import Any

import schemathesis

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


@schemathesis.serializer("application/jsonl")
def lines(_context: schemathesis.SerializationContext, value: Any) -> bytes:
    """JSON Lines, as the text that the document has them be."""
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def map_body(_context: schemathesis.HookContext, body: Any) -> Any:
    """To JSON Schema 5.0 is an integer, to msgspec it is none."""
    return plain(body)


def plain(value: Any) -> Any:
    """`value` with whole numbers written as such."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    return {name: plain(item) for name, item in value.items()} if isinstance(value, dict) else value


@schemathesis.hook
def filter_case(_context: schemathesis.HookContext, case: schemathesis.Case[Any]) -> bool:
    """A form is all text: what was meant as a value of the wrong type may be a right one. An empty one is no body."""
    is_form = case.media_type in FORMS
    is_wrong = case.meta is not None and case.meta.generation.mode.is_negative
    return not (is_form and (is_wrong or not case.body))
