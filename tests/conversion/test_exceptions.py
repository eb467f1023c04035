"""The message of a type's own rule is read from the exception that msgspec raises."""

import msgspec
import pytest

from micropie.conversion.exceptions import get_validator_message
from tests.conversion.examples import Moody, Range, list_errors


def test_validation_error_raised_by_a_type_itself_has_no_message() -> None:
    assert list_errors(Moody, {"mood": "bad"}) == []
    assert get_validator_message(msgspec.ValidationError("bad")) is None


def test_error_of_a_rule_has_the_message_of_the_rule() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert({"low": 2, "high": 1}, Range)
    assert get_validator_message(caught.value) == "low must not be above high"
    assert get_validator_message(ValueError("by itself")) == "by itself"
