"""This module merges the `overrides` of the apps that a request passes through."""

from ..binding.handler import Function, Overrides
from ..routing.table import Trail


def merge_overrides(trail: Trail) -> Overrides:
    """Return the overrides of the apps on `trail`. Those of the app that was called win over those of held apps."""
    if len(trail) == 1:
        overrides: Overrides = trail[0].owner.overrides
        return overrides
    merged: dict[Function, Function] = {}
    for node in reversed(trail):
        if node.owner._builds_itself:
            merged |= node.owner.overrides
    return merged
