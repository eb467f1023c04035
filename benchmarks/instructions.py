"""This module counts the machine instructions of a request, to show what a change costs.

`python -m benchmarks.instructions` runs each workload under `valgrind --tool=callgrind`, once with few and once with
many requests; the difference is the cost of the requests alone. It prints the counts beside the recorded ones, and
`--record` writes them to `instructions.json`. Counts depend on the interpreter and the libraries, and not on what else
the machine does, so compare them on one machine with one environment. The counts of the bare app are the scale.
"""

import argparse
import asyncio
import importlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeAlias

from . import client
from .workloads import CALLS, find_workload

RECORD: Final = Path(__file__).with_suffix(".json")
WORKLOADS: Final = ("hello", "typed", "json", "form")
APPS: Final = {"micropie": "micropie_app", "bare": "bare"}

FEW: Final = 100
"""Requests of the first run: enough for the interpreter to specialize its code, and for every cache to fill."""
MANY: Final = 300

Counts: TypeAlias = dict[str, dict[str, int]]
"""Instructions per request, by workload and app."""


async def send_requests(app: str, workload: str, count: int) -> None:
    """Send `count` requests to the app of the module `app`."""
    request = find_workload(workload)
    target = getattr(importlib.import_module(f"benchmarks.apps.{app}"), request.target)
    cookie = await client.start_session(target, request)
    await client.time_calls(target, request, cookie, count)


def count_instructions(app: str, workload: str, count: int) -> int:
    """Count the instructions of a process that sends `count` requests. Raises RuntimeError when valgrind fails."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, "-m", __spec__.name]
    command += ["--requests", app, workload, str(count)]
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    total = re.search(r"Collected : (\d+)", process.stderr)
    if process.returncode or total is None:
        raise RuntimeError(f"{' '.join(command)} failed:\n{process.stderr}")
    return int(total[1])


def measure_requests(
    workloads: Sequence[str], apps: Mapping[str, str] = APPS, few: int = FEW, many: int = MANY
) -> Counts:
    """Count the instructions of a request of each workload, in two processes at a time."""
    runs = [(module, workload, count) for workload in workloads for module in apps.values() for count in (few, many)]
    with ThreadPoolExecutor(2) as pool:
        totals = dict(zip(runs, pool.map(lambda run: count_instructions(*run), runs), strict=True))
    return {
        workload: {
            name: (totals[module, workload, many] - totals[module, workload, few]) // (many - few)
            for name, module in apps.items()
        }
        for workload in workloads
    }


def format_table(counts: Counts, recorded: Counts) -> str:
    """Return a line for each workload: the count, the recorded count, the change, and the count of the bare app."""
    lines = [f"{'':18}{'now':>10}{'recorded':>10}{'change':>9}{'bare':>10}"]
    for workload, current in counts.items():
        before = recorded.get(workload, {}).get("micropie")
        change = f"{100 * (current['micropie'] / before - 1):+.1f} %" if before else ""
        lines.append(
            f"{workload:18}{current['micropie']:>10,}{f'{before:,}' if before else '':>10}{change:>9}"
            f"{current['bare']:>10,}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Return the exit code, which is 2 if valgrind is not installed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("--record", action="store_true", help=f"write the counts to {RECORD.name}")
    parser.add_argument("--only", action="append", choices=tuple(CALLS), help="count this workload; may be repeated")
    parser.add_argument("--requests", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.requests:
        app, workload, count = options.requests
        asyncio.run(send_requests(app, workload, int(count)))
        return 0
    if shutil.which("valgrind") is None:
        print("valgrind is not installed: apt-get install valgrind", file=sys.stderr)
        return 2
    recorded = json.loads(RECORD.read_text()) if RECORD.is_file() else {"counts": {}}
    counts = measure_requests(options.only or WORKLOADS)
    print(format_table(counts, recorded["counts"]))
    if options.record:
        where = f"CPython {platform.python_version()}, {platform.machine()}"
        record = {
            "command": f"python -m {__spec__.name} --record",
            "where": where,
            "counts": recorded["counts"] | counts,
        }
        RECORD.write_text(json.dumps(record, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
