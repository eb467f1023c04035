"""The suite `calls`: requests to each app by ASGI messages, in a process of its own, one after the other.

What it shows is the framework alone: no server, no socket, no other request under way.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from .peers import US, Field, Peer
from .plan import Plan, Turns, in_turn
from .results import Measure
from .workers import Failed, Worker, working
from .workloads import CALLS, Workload

SUITE: Final = "calls"
MICROSECONDS: Final = 1e6

_TRIAL: Final = 5
"""Requests from whose time follows how many make a sample."""


def run(field: Field, plan: Plan, say: Callable[[str], None]) -> list[Measure]:
    """Measure every workload of CALLS."""
    turns = Turns(plan.budget[SUITE])
    measures: list[Measure] = []
    with working(field, field.peers) as workers:
        for workload in CALLS.values():
            say(f"calls: {workload.title}")
            measure = Measure(SUITE, workload.name, workload.title, "µs", "lower", US)
            measure_calls(measure, workload, field.peers, workers, plan, turns)
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
    """Check that every peer answers `workload` rightly, then time them in turn; a sample is seconds × `scale`."""
    counts: dict[str, int] = {}
    for name in able(measure, workload.name, peers):
        try:
            workers[name].check(workload.name)
            trial = workers[name].time(workload.name, _TRIAL) / _TRIAL
            counts[name] = max(1, int(plan.call_seconds / trial))
        except Failed as error:
            measure.leave_out(name, str(error))
    for number in turns.rounds(plan.call_rounds):
        for name in in_turn(list(counts), number):
            try:
                seconds = workers[name].time(workload.name, counts[name]) / counts[name]
                measure.add(name, seconds * scale)
            except Failed as error:
                measure.leave_out(name, str(error))
                del counts[name]


def able(measure: Measure, workload: str, peers: Sequence[Peer]) -> list[str]:
    """Who has a way to do `workload`, by name; the others are left out of `measure`."""
    names: list[str] = []
    for peer in peers:
        why = peer.lacks.get(workload.partition(":")[0])
        if why is None:
            names.append(peer.name)
        else:
            measure.leave_out(peer.name, why)
    return names
