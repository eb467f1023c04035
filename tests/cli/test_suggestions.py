"""These tests look for the name that a user meant."""

import pytest

from micropie.cli.suggestions import find_close, suggest


@pytest.mark.parametrize(
    ("name", "candidates", "expected"),
    [
        ("index", ["index", "items"], "index"),
        ("itmes", ["index", "items"], "items"),
        ("ap", ["app", "application"], "app"),
        ("App", ["app"], "app"),
        ("xyz", ["index", "items"], None),
        ("", ["index"], None),
        ("index", [], None),
    ],
)
def test_closest_candidate_is_found(name: str, candidates: list[str], expected: str | None) -> None:
    assert find_close(name, iter(candidates)) == expected


def test_correction_is_proposed_as_a_question() -> None:
    assert suggest("main:app") == "Did you mean main:app?"
