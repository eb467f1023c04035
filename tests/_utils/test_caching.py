"""These tests check that a cache returns what would be computed, and stays within its bound."""

from hypothesis import given
from hypothesis import strategies as st

from micropie._utils.caching import MAX_ENTRIES, BoundedCache


@given(st.lists(st.integers(-3, 3)))
def test_each_value_is_computed_once(keys: list[int]) -> None:
    computed: list[int] = []

    def square(key: int) -> int:
        computed.append(key)
        return key * key

    squares = BoundedCache(square, {0: 0})
    assert [squares[key] for key in keys] == [key * key for key in keys]
    assert computed == list(dict.fromkeys(key for key in keys if key))


def test_full_cache_computes_further_values_without_keeping_them() -> None:
    texts = BoundedCache(str)
    assert [texts[number] for number in range(2 * MAX_ENTRIES)] == [str(number) for number in range(2 * MAX_ENTRIES)]
    assert len(texts) == MAX_ENTRIES


def test_value_is_kept_only_if_the_predicate_allows_it() -> None:
    halves = BoundedCache[int, float](lambda key: key / 2, keeps=lambda key, half: key < 8 and half == int(half))
    assert [halves[key] for key in range(12)] == [key / 2 for key in range(12)]
    assert sorted(halves) == [0, 2, 4, 6]
