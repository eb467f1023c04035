"""This module runs `python -m benchmarks`: it measures, prints the tables and saves the results."""

import argparse
import os
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from . import calls, growth, load, reporting, servers, uploads
from .peers import BARE, KINDS, US, Lineup, gather_peers
from .plan import FULL, QUICK, Plan
from .results import Measure, Report, describe_machine

SUITES: Final[Mapping[str, Callable[[Lineup, Plan, Callable[[str], None]], list[Measure]]]] = {
    "calls": calls.run,
    "servers": servers.run,
    "uploads": uploads.run,
    "growth": growth.run,
}

DESCRIPTORS: Final = 4096
"""Open files and sockets that this process and each server may have: enough for a thousand connections and more."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suites that the command line names. Return the exit code."""
    options = _parser().parse_args(arguments)
    plan = QUICK if options.quick else FULL
    _allow_descriptors()
    try:
        with gather_peers(
            [US, BARE, *(_PEERS if options.peers is None else options.peers)], options.micropie032
        ) as lineup:
            for name, why in lineup.absent.items():
                _say(f"left out: {name}: {why}")
            report = _measure(options.only or list(SUITES), lineup, plan)
    except LookupError as error:
        _say(str(error.args[0]))
        return 1
    files = reporting.save_report(report, options.out)
    print(reporting.render_markdown(report))
    _say("saved: " + ", ".join(map(str, files)))
    return 0


def _measure(suites: Sequence[str], lineup: Lineup, plan: Plan) -> Report:
    report = Report(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        quick=plan.quick,
        machine=describe_machine() | {"load average at the start": f"{os.getloadavg()[0]:.1f}"},
        peers={peer.name: peer.version for peer in lineup.peers},
        absent=dict(lineup.absent),
        measures=[],
    )
    if {"servers", "growth"} & set(suites):
        report.remarks.append(f"load by {load.choose_generator(plan.load_seconds, lineup.folder)[0]}")
    for name in suites:
        report.measures += SUITES[name](lineup, plan, _say)
    return report


_PEERS: Final = [kind.name for kind in KINDS if kind.name not in (US, BARE)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure micropie beside its peers.")
    parser.add_argument("--only", action="append", choices=list(SUITES), help="run this suite; may be repeated")
    parser.add_argument("--quick", action="store_true", help="take two minutes at most; the figures are rough")
    parser.add_argument(
        "--peers", nargs="*", choices=_PEERS, help="measure only these, beside micropie and the bare app"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("benchmarks/results"),
        metavar="DIR",
        help="the folder to save in (%(default)s)",
    )
    parser.add_argument(
        "--micropie032",
        default=os.environ.get("MICROPIE032_PYTHON", ""),
        metavar="PYTHON",
        help="the interpreter that has MicroPie 0.32 (or the environment variable MICROPIE032_PYTHON)",
    )
    return parser


def _allow_descriptors() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
