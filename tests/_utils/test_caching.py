"""What is remembered is what would be worked out, and there is a bound to it."""

from hypothesis import given
from hypothesis import strategies as st

from micropie._utils.caching import MAX_ENTRIES, BoundedCache


@given(st.lists(st.integers(-3, 3)))
def test_what_is_remembered_is_what_is_made_and_that_once(keys: list[int]) -> None:
    made: list[int] = []

    def square(key: int) -> int:
        made.append(key)
        return key * key

    squares = BoundedCache(square, {0: 0})
    assert [squares[key] for key in keys] == [key * key for key in keys]
    assert made == list(dict.fromkeys(key for key in keys if key))


def test_no_more_than_so_much_is_kept_and_the_rest_is_right_all_the_same() -> None:
    texts = BoundedCache(str)
    assert [texts[number] for number in range(2 * MAX_ENTRIES)] == [str(number) for number in range(2 * MAX_ENTRIES)]
    assert len(texts) == MAX_ENTRIES


def test_only_what_is_to_be_kept_is() -> None:
    halves = BoundedCache[int, float](lambda key: key / 2, keeps=lambda key, half: key < 8 and half == int(half))
    assert [halves[key] for key in range(12)] == [key / 2 for key in range(12)]
    assert sorted(halves) == [0, 2, 4, 6]
