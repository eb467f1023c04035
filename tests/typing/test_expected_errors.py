"""Both type checkers report each line that is marked as an error, and no other line."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FILE = Path(__file__).with_name("expected_errors.py")


def expected() -> list[int]:
    lines = FILE.read_text().splitlines()
    return [number for number, line in enumerate(lines, 1) if line.endswith("# error")]


def run(*command: str) -> str:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout


def test_mypy_reports_each_wrong_line_and_no_other() -> None:
    output = run("mypy", "--no-pretty", str(FILE))
    reported = {int(line) for line in re.findall(r"expected_errors\.py:(\d+): error:", output)}
    assert sorted(reported) == expected(), output


def test_pyright_reports_each_wrong_line_and_no_other(tmp_path: Path) -> None:
    copy = tmp_path / FILE.name  # the file itself is excluded from the project, so that the check of the project passes
    copy.write_text(FILE.read_text())
    output = run("pyright", "--pythonpath", sys.executable, "--outputjson", str(copy))
    reported = {item["range"]["start"]["line"] + 1 for item in json.loads(output)["generalDiagnostics"]}
    assert sorted(reported) == expected(), output
