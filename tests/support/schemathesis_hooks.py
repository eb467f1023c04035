"""This module tells schemathesis the rules for bodies that the OpenAPI document cannot express."""

from typing import Any

import schemathesis

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


@schemathesis.serializer("application/jsonl")
def lines(_context: schemathesis.SerializationContext, value: Any) -> bytes:
    """Serialise JSON Lines, which are text in the document."""
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def map_body(_context: schemathesis.HookContext, body: Any) -> Any:
    """Replace 5.0 by 5: JSON Schema takes 5.0 for an integer, msgspec does not."""
    return convert_whole_floats(body)


def convert_whole_floats(value: Any) -> Any:
    """Convert each float that is a whole number to int, at any depth."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [convert_whole_floats(item) for item in value]
    return {name: convert_whole_floats(item) for name, item in value.items()} if isinstance(value, dict) else value


@schemathesis.hook
def filter_case(_context: schemathesis.HookContext, case: schemathesis.Case[Any]) -> bool:
    """Leave out form cases that may be valid after all.

    A form is text, so a value that was generated with the wrong type may be a right one. An empty form has no body.
    """
    is_form = case.media_type in FORMS
    is_wrong = case.meta is not None and case.meta.generation.mode.is_negative
    return not (is_form and (is_wrong or not case.body))
