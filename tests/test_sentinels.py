"""These tests check the sentinel for an absent value."""

from micropie.sentinels import UNSET


def test_unset_is_false_and_shows_its_name() -> None:
    assert not UNSET
    assert repr(UNSET) == "UNSET"
