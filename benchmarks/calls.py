"""This module holds the suite `calls`: requests to each app by ASGI messages, in a separate process, one at a time.

It measures the framework alone: there is neither a server nor a socket, and no other request is under way.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from .peers import US, Lineup, Peer
from .plan import Plan, Turns, rotate
from .results import Measure
from .workers import Worker, WorkerFailed, run_workers
from .workloads import CALLS, Workload

SUITE: Final = "calls"
MICROSECONDS: Final = 1e6

_TRIAL: Final = 5
"""Requests that are timed first, to choose the number of requests of a sample."""


def run(lineup: Lineup, plan: Plan, say: Callable[[str], None]) -> list[Measure]:
    """Measure every workload of CALLS."""
    turns = Turns(plan.budget[SUITE])
    measures: list[Measure] = []
    with run_workers(lineup, lineup.peers) as workers:
        for workload in CALLS.values():
            say(f"calls: {workload.title}")
            measure = Measure(SUITE, workload.name, workload.title, "µs", "lower", US)
            measure_calls(measure, workload, lineup.peers, workers, plan, turns)
            measures.append(measure)
    return measures


def measure_calls(
    measure: Measure,
    workload: Workload,
    peers: Sequence[Peer],
    workers: Mapping[str, Worker],
    plan: Plan,
    turns: Turns,
    scale: float = MICROSECONDS,
) -> None:
    """Check the response of every peer to `workload`, then time the peers in turns. A sample is seconds × `scale`."""
    counts: dict[str, int] = {}
    for name in find_able_peers(measure, workload.name, peers):
        try:
            workers[name].check(workload.name)
            trial = workers[name].time(workload.name, _TRIAL) / _TRIAL
            counts[name] = max(1, int(plan.call_seconds / trial))
        except WorkerFailed as error:
            measure.leave_out(name, str(error))
    for number in turns.rounds(plan.call_rounds):
        for name in rotate(list(counts), number):
            try:
                seconds = workers[name].time(workload.name, counts[name]) / counts[name]
                measure.add(name, seconds * scale)
            except WorkerFailed as error:
                measure.leave_out(name, str(error))
                del counts[name]


def find_able_peers(measure: Measure, workload: str, peers: Sequence[Peer]) -> list[str]:
    """Return the names of the peers that support `workload`, and leave the others out of `measure`."""
    names: list[str] = []
    for peer in peers:
        why = peer.lacks.get(workload.partition(":")[0])
        if why is None:
            names.append(peer.name)
        else:
            measure.leave_out(peer.name, why)
    return names
