"""`python -m benchmarks`: measure, print the tables, save everything."""

import argparse
import os
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from . import calls, growth, load, reporting, servers, uploads
from .peers import BARE, KINDS, US, Field, gather
from .plan import FULL, QUICK, Plan
from .results import Measure, Report, machine

SUITES: Final[Mapping[str, Callable[[Field, Plan, Callable[[str], None]], list[Measure]]]] = {
    "calls": calls.run,
    "servers": servers.run,
    "uploads": uploads.run,
    "growth": growth.run,
}

DESCRIPTORS: Final = 4096
"""Open files and sockets that this process and each server may have: for a thousand connections, with room."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; the exit code."""
    options = _parser().parse_args(arguments)
    plan = QUICK if options.quick else FULL
    _allow_descriptors()
    try:
        with gather([US, BARE, *(_PEERS if options.peers is None else options.peers)], options.micropie032) as field:
            for name, why in field.absent.items():
                _say(f"left out: {name}: {why}")
            report = _measure(options.only or list(SUITES), field, plan)
    except LookupError as error:
        _say(str(error.args[0]))
        return 1
    files = reporting.save(report, options.out)
    print(reporting.markdown(report))
    _say("saved: " + ", ".join(map(str, files)))
    return 0


def _measure(suites: Sequence[str], field: Field, plan: Plan) -> Report:
    report = Report(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        quick=plan.quick,
        machine=machine() | {"load average at the start": f"{os.getloadavg()[0]:.1f}"},
        peers={peer.name: peer.version for peer in field.peers},
        absent=dict(field.absent),
        measures=[],
    )
    if {"servers", "growth"} & set(suites):
        report.remarks.append(f"load by {load.generator(plan.load_seconds, field.folder)[0]}")
    for name in suites:
        report.measures += SUITES[name](field, plan, _say)
    return report


_PEERS: Final = [kind.name for kind in KINDS if kind.name not in (US, BARE)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure micropie beside its peers.")
    parser.add_argument("--only", action="append", choices=list(SUITES), help="one suite; may be repeated")
    parser.add_argument("--quick", action="store_true", help="two minutes at most, and rough figures")
    parser.add_argument("--peers", nargs="*", choices=_PEERS, help="only these, beside micropie and the bare app")
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results"), metavar="DIR", help="where to save (%(default)s)"
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
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
