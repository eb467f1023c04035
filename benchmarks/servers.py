"""The suite `servers`: each app under uvicorn and under granian, over sockets, under load.

The cost of a request is what the operating system says the server's processes have used; it says more than the rate,
which the client's share of the machine decides as well. Relative speeds are relative to the bare app: how much of what
the server could do is left.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from . import load, wire
from .calls import able
from .peers import BARE, Field
from .plan import Plan, Turns, in_turn
from .processes import GRANIAN, UVICORN, Process, serving
from .results import Measure
from .workloads import SERVED, Workload, difference

SUITE: Final = "servers"
MICROSECONDS: Final = 1e6

_WARM: Final = 50
"""Requests before the first sample."""


def run(field: Field, plan: Plan, say: Callable[[str], None]) -> list[Measure]:
    """Measure every workload of SERVED under every server."""
    turns = Turns(plan.budget[SUITE])
    _, generate = load.generator(plan.load_seconds, field.folder)
    measures: list[Measure] = []
    for server in (UVICORN, GRANIAN):
        say(f"servers: {server.name} starts")
        with serving(server, field) as (processes, failed):
            for workload in SERVED:
                say(f"servers: {server.name}: {workload.title}")
                cost, rate = under_load(SUITE, f"{server.name} {workload.name}", f"{server.name}: {workload.title}")
                measures += [cost, rate]
                for name, why in failed.items():
                    leave_out((cost, rate), name, why)
                names = checked((cost, rate), workload, field, processes)
                for number in turns.rounds(plan.load_rounds):
                    for name in in_turn(names, number):
                        sample(cost, rate, processes[name], workload, generate, plan.connections, plan.load_seconds)
    return measures


def under_load(suite: str, name: str, title: str) -> tuple[Measure, Measure]:
    """The two things that are measured under load: the CPU time of a request, and the rate."""
    cost = Measure(suite, f"{name} cpu", f"{title}, CPU", "µs", "lower", BARE)
    rate = Measure(suite, f"{name} rate", f"{title}, rate", "/s", "higher", BARE)
    return cost, rate


def checked(
    measures: Sequence[Measure], workload: Workload, field: Field, processes: Mapping[str, Process]
) -> list[str]:
    """Who answers `workload` as expected, by name, over a connection that is kept alive; the others are left out."""
    names: list[str] = []
    able_ones: set[str] = set.intersection(*(set(able(measure, workload.name, field.peers)) for measure in measures))
    for name, process in processes.items():
        if name not in able_ones:
            continue
        wrong = ""
        try:
            with process.connect() as connection:
                for _ in range(_WARM):
                    wrong = wrong or difference(workload.expected, wire.ask(connection, workload))
        except OSError as error:
            wrong = f"{type(error).__name__}: {error}"
        if wrong:
            leave_out(measures, name, wrong)
        else:
            names.append(name)
    return names


def sample(
    cost: Measure,
    rate: Measure,
    process: Process,
    workload: Workload,
    generate: load.Generator,
    connections: int,
    seconds: float,
) -> None:
    """One sample of each measure; a peer that fails is left out of both, and of what follows."""
    name = process.peer.name
    if name in cost.left_out:
        return
    before = process.cpu()
    try:
        done = generate(process.port, workload, connections, seconds)
    except (load.LoadFailed, OSError) as error:
        leave_out((cost, rate), name, str(error))
        return
    cost.add(name, (process.cpu() - before) / done.requests * MICROSECONDS)
    rate.add(name, done.requests / done.seconds)


def leave_out(measures: Sequence[Measure], name: str, why: str) -> None:
    """Leave a peer out of several measures."""
    for measure in measures:
        measure.leave_out(name, why)
