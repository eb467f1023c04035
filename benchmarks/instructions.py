"""How many machine instructions a request takes: a count that noise cannot move, to hold a change against.

`python -m benchmarks.instructions` runs each workload under `valgrind --tool=callgrind`, once with few and once with
many requests, so that the difference is the requests' alone, and prints the counts beside the recorded ones;
`--record` writes them down in `instructions.json`. Counts depend on the interpreter and the libraries, not on the
machine's load, so compare them on one machine with one environment. The bare app stands beside ours as the measure.
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
from .workloads import CALLS, find

RECORD: Final = Path(__file__).with_suffix(".json")
WORKLOADS: Final = ("hello", "typed", "json", "form")
APPS: Final = {"micropie": "micropie_app", "bare": "bare"}

FEW: Final = 100
"""Requests of the first run: enough for the interpreter to have specialized its code and for every cache to be full."""
MANY: Final = 300

Counts: TypeAlias = dict[str, dict[str, int]]
"""Instructions a request, by workload and app."""


async def requests(app: str, workload: str, count: int) -> None:
    """Ask the app of the module `app` `count` times."""
    found = find(workload)
    asked = getattr(importlib.import_module(f"benchmarks.apps.{app}"), found.target)
    cookie = await client.start_session(asked, found)
    await client.time_calls(asked, found, cookie, count)


def collected(app: str, workload: str, count: int) -> int:
    """The instructions of a process that asks `count` times. Raises RuntimeError when valgrind fails."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, "-m", __spec__.name]
    command += ["--requests", app, workload, str(count)]
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    total = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or total is None:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return int(total[1])


def measure(workloads: Sequence[str], apps: Mapping[str, str] = APPS, few: int = FEW, many: int = MANY) -> Counts:
    """The instructions that a request of each workload takes, two processes at a time."""
    runs = [(module, workload, count) for workload in workloads for module in apps.values() for count in (few, many)]
    with ThreadPoolExecutor(2) as pool:
        totals = dict(zip(runs, pool.map(lambda run: collected(*run), runs), strict=True))
    return {
        workload: {
            name: (totals[module, workload, many] - totals[module, workload, few]) // (many - few)
            for name, module in apps.items()
        }
        for workload in workloads
    }


def table(counts: Counts, recorded: Counts) -> str:
    """A line for each workload: our count, the recorded one and the change, the bare app's count."""
    lines = [f"{'':18}{'now':>10}{'recorded':>10}{'change':>9}{'bare':>10}"]
    for workload, found in counts.items():
        before = recorded.get(workload, {}).get("micropie")
        change = f"{100 * (found['micropie'] / before - 1):+.1f} %" if before else ""
        lines.append(
            f"{workload:18}{found['micropie']:>10,}{f'{before:,}' if before else '':>10}{change:>9}{found['bare']:>10,}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns 2 where valgrind is not installed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("--record", action="store_true", help=f"write the counts to {RECORD.name}")
    parser.add_argument("--only", action="append", choices=tuple(CALLS), help="one workload; may be repeated")
    parser.add_argument("--requests", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.requests:
        app, workload, count = options.requests
        asyncio.run(requests(app, workload, int(count)))
        return 0
    if shutil.which("valgrind") is None:
        print("valgrind is not installed: apt-get install valgrind", file=sys.stderr)
        return 2
    recorded = json.loads(RECORD.read_text()) if RECORD.is_file() else {"counts": {}}
    counts = measure(options.only or WORKLOADS)
    print(table(counts, recorded["counts"]))
    if options.record:
        where = f"CPython {platform.python_version()}, {platform.machine()}"
        kept = {"command": f"python -m {__spec__.name} --record", "where": where, "counts": recorded["counts"] | counts}
        RECORD.write_text(json.dumps(kept, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
