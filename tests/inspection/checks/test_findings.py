"""These tests build findings: the rule gives the level, and a setup problem becomes a finding."""

import dataclasses
import re

import pytest

from micropie.errors import SetupProblem
from micropie.inspection.checks.findings import RULES, Finding, build_finding


@pytest.mark.parametrize("code", RULES)
def test_finding_has_the_level_of_its_rule(code: str) -> None:
    assert Finding(code, "Site.index", "is wrong", "Fix it").level == RULES[code][0]


def test_code_without_a_rule_has_no_level() -> None:
    with pytest.raises(KeyError, match="no-such-rule"):
        _ = Finding("no-such-rule", "", "", "").level


@pytest.mark.parametrize("code", RULES)
def test_rule_has_a_code_in_kebab_case_and_a_sentence(code: str) -> None:
    level, meaning = RULES[code]
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code)
    assert level in ("error", "warning")
    assert re.fullmatch(r"A .+\.", meaning)


def test_setup_problem_becomes_an_error_with_the_same_place_and_fix() -> None:
    finding = build_finding(SetupProblem("Site.index (x: int)", "is wrong", "Fix it", "site.py", 3))
    assert finding.level == "error"
    assert dataclasses.asdict(finding) == {
        "code": "cannot-work",
        "where": "Site.index (x: int)",
        "what": "is wrong",
        "remedy": "Fix it",
        "file": "site.py",
        "line": 3,
    }
