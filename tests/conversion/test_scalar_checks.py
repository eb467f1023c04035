"""First sight decides about a scalar as msgspec does."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Union

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from micropie.conversion.exceptions import CONVERSION_ERRORS
from tests.conversion.examples import list_errors
from tests.support.shared_types import Colour

LIMITED: Sequence[Any] = [
    Annotated[int, Meta(ge=1, lt=5)],
    Annotated[int, Meta(gt=-2, le=2)],
    Annotated[int, Meta(multiple_of=3)],
    Annotated[int, Meta(ge=2**62)],
    Annotated[float, Meta(ge=1)],
    Annotated[float, Meta(gt=1, lt=1.5)],
    Annotated[float, Meta(le=2)],
    Annotated[float, Meta(lt=2)],
    Annotated[float, Meta(multiple_of=0.5)],
    Annotated[str, Meta(min_length=2)],
    Annotated[str, Meta(max_length=2)],
    Annotated[str, Meta(pattern="a$")],
    Annotated[str, Meta(pattern="^[ab]*$", min_length=1, max_length=3)],
    Literal[1, 2],
    Literal["a", "b"],
    Literal["a", 1, None],
    Colour,
    bool,
    Union[Annotated[int, Meta(ge=1)], Annotated[str, Meta(max_length=1)], None],  # noqa: UP007  # Annotated has no `|`
]


@given(
    st.integers(-7, 7)
    | st.integers()
    | st.floats()
    | st.sampled_from([1.0, 1.5, 2.0, 2**62, 2**62 - 1, 2**63, 2**64, -(2**64), 10**400, True, False, None])
    | st.text("abé😀\n", max_size=4)
)
@pytest.mark.parametrize("annotation", LIMITED)
def test_scalar_is_judged_at_first_sight_as_msgspec_judges_it(annotation: Any, value: object) -> None:
    try:
        msgspec.convert(value, annotation)
    except CONVERSION_ERRORS:
        fits = False
    else:
        fits = True
    assert (list_errors(annotation, value) == []) is fits
