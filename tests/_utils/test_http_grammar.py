"""Each rule of the HTTP grammar accepts exactly the characters that its RFC lists."""

import re
import string

import pytest

from micropie._utils import http_grammar

CHARACTERS = [chr(code) for code in range(0x180)]
CONTROLS = {chr(code) for code in (*range(0x20), 0x7F)}

# the rule for a single character, the characters that it accepts
RULES = {
    "token": (http_grammar.TOKEN, {*string.ascii_letters, *string.digits, *"!#$%&'*+-.^_`|~"}),
    "field value": (http_grammar.FIELD_VALUE, ({*CHARACTERS[:0x100]} - CONTROLS) | {"\t"}),
    "unsafe in a field value": (http_grammar.UNSAFE_IN_FIELD_VALUE, {"\r", "\n", "\0"}),
    "cookie octet": (http_grammar.COOKIE_OCTET, {*CHARACTERS[:0x7F]} - CONTROLS - {*' ",;\\'}),
}


@pytest.mark.parametrize("rule", RULES)
def test_rule_accepts_the_characters_of_its_rfc(rule: str) -> None:
    pattern, expected = RULES[rule]
    accepted = {character for character in CHARACTERS if re.fullmatch(pattern, character)}
    assert accepted == expected


@pytest.mark.parametrize(("pattern", "is_accepted"), [(http_grammar.TOKEN, False), (http_grammar.FIELD_VALUE, True)])
def test_empty_text_is_a_field_value_but_not_a_token(pattern: str, is_accepted: bool) -> None:
    assert bool(re.fullmatch(pattern, "")) == is_accepted
