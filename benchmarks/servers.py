"""This module holds the suite `servers`: it loads each app under uvicorn and granian, over sockets.

The cost of a request is the CPU time that the operating system reports for the processes of the server. It says more
than the rate, which also depends on the share of the machine that the client takes. Speeds are relative to the bare
app: they show how much of the speed of the server is left.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from . import load, wire
from .calls import find_able_peers
from .peers import BARE, Lineup
from .plan import Plan, Turns, rotate
from .processes import GRANIAN, UVICORN, Process, run_servers
from .results import Measure
from .workloads import SERVED, Workload, describe_difference

SUITE: Final = "servers"
MICROSECONDS: Final = 1e6

_WARM: Final = 50
"""Requests before the first sample."""


def run(lineup: Lineup, plan: Plan, say: Callable[[str], None]) -> list[Measure]:
    """Measure every workload of SERVED under every server."""
    turns = Turns(plan.budget[SUITE])
    _, generate = load.choose_generator(plan.load_seconds, lineup.folder)
    measures: list[Measure] = []
    for server in (UVICORN, GRANIAN):
        say(f"servers: {server.name} starts")
        with run_servers(server, lineup) as (processes, failed):
            for workload in SERVED:
                say(f"servers: {server.name}: {workload.title}")
                cost, rate = create_load_measures(
                    SUITE, f"{server.name} {workload.name}", f"{server.name}: {workload.title}"
                )
                measures += [cost, rate]
                for name, why in failed.items():
                    leave_out((cost, rate), name, why)
                names = check_peers((cost, rate), workload, lineup, processes)
                for number in turns.rounds(plan.load_rounds):
                    for name in rotate(names, number):
                        take_sample(
                            cost, rate, processes[name], workload, generate, plan.connections, plan.load_seconds
                        )
    return measures


def create_load_measures(suite: str, name: str, title: str) -> tuple[Measure, Measure]:
    """Create the two measures of a load: the CPU time of a request, and the rate."""
    cost = Measure(suite, f"{name} cpu", f"{title}, CPU", "µs", "lower", BARE)
    rate = Measure(suite, f"{name} rate", f"{title}, rate", "/s", "higher", BARE)
    return cost, rate


def check_peers(
    measures: Sequence[Measure], workload: Workload, lineup: Lineup, processes: Mapping[str, Process]
) -> list[str]:
    """Return the names of the peers that answer `workload` as expected, and leave the others out of `measures`.

    The requests share one connection, which also warms up the server.
    """
    names: list[str] = []
    supported: set[str] = set.intersection(
        *(set(find_able_peers(measure, workload.name, lineup.peers)) for measure in measures)
    )
    for name, process in processes.items():
        if name not in supported:
            continue
        fault = ""
        try:
            with process.connect() as connection:
                for _ in range(_WARM):
                    fault = fault or describe_difference(workload.expected, wire.send_request(connection, workload))
        except OSError as error:
            fault = f"{type(error).__name__}: {error}"
        if fault:
            leave_out(measures, name, fault)
        else:
            names.append(name)
    return names


def take_sample(
    cost: Measure,
    rate: Measure,
    process: Process,
    workload: Workload,
    generate: load.Generator,
    connections: int,
    seconds: float,
) -> None:
    """Take a sample of each measure. A peer that fails is left out of both, and takes no further sample."""
    name = process.peer.name
    if name in cost.left_out:
        return
    before = process.read_cpu_seconds()
    try:
        result = generate(process.port, workload, connections, seconds)
    except (load.LoadFailed, OSError) as error:
        leave_out((cost, rate), name, str(error))
        return
    cost.add(name, (process.read_cpu_seconds() - before) / result.requests * MICROSECONDS)
    rate.add(name, result.requests / result.seconds)


def leave_out(measures: Sequence[Measure], name: str, why: str) -> None:
    """Leave the peer `name` out of several measures."""
    for measure in measures:
        measure.leave_out(name, why)
