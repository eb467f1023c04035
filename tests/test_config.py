"""These tests show which settings a user may give, and that a group of settings cannot change."""

import dataclasses
from typing import Any

import pytest

from micropie import Limits, SessionConfig
from micropie.config import GIB, KIB, MIB

GROUPS: list[type[Any]] = [Limits, SessionConfig]


def test_sizes_are_powers_of_1024() -> None:
    assert [KIB, MIB, GIB] == [1024, 1024**2, 1024**3]


@pytest.mark.parametrize("group", GROUPS)
def test_settings_are_frozen(group: type[Any]) -> None:
    settings = group()
    for field in dataclasses.fields(group):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(settings, field.name, 1)


@pytest.mark.parametrize("group", GROUPS)
def test_settings_are_given_by_name(group: type[Any]) -> None:
    with pytest.raises(TypeError, match="positional argument"):
        group(1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'bdoy'"):
        group(bdoy=1)


@pytest.mark.parametrize("group", GROUPS)
def test_equal_settings_are_equal_and_the_others_keep_their_defaults(group: type[Any]) -> None:
    assert (group(), hash(group())) == (group(), hash(group()))
    for field in dataclasses.fields(group):
        changed = group(**{field.name: "other"})
        assert changed != group()
        assert dataclasses.replace(changed, **{field.name: field.default}) == group()
