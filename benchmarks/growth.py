"""The suite `growth`: what becomes of the cost when there is more of something, and what is paid before any request.

Routes, parameters and JSON are in-process calls; connections and idle WebSockets are on uvicorn; imports are processes
that import and end, over what the same interpreter takes to do nothing.
"""

import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Final

from . import load, wire
from .calls import MICROSECONDS, able, measure_calls
from .peers import BARE, US, Field, Peer
from .plan import Plan, Turns, in_turn
from .processes import UVICORN, Process, serving
from .results import Measure
from .servers import checked, leave_out, sample, under_load
from .workers import Failed, Worker, working
from .workloads import HELLO, KIB, MIB, find

SUITE: Final = "growth"

_BUILD_PATIENCE: Final = 8.0
"""Seconds that the largest app may take to build, as the app of `Plan.built` handlers foretells; else it is not."""

_SETTLE: Final = 0.3
"""Seconds until a server has dealt with what its clients just did."""

Say = Callable[[str], None]


def run(field: Field, plan: Plan, say: Say) -> list[Measure]:
    """Measure it all."""
    turns = Turns(plan.budget[SUITE])
    measures = _imports(field, plan, turns, say)
    with working(field, field.peers) as workers:
        build = _build(field, plan, workers, turns, say)
        measures.append(build)
        measures += _calls(field, plan, workers, turns, say, build)
    say("growth: uvicorn starts")
    with serving(UVICORN, field) as (processes, failed):
        measures += _connections(field, plan, processes, failed, turns, say)
        measures.append(_idle(field, plan, processes, failed, say))
    return measures


# --- before any request ---

_MEMORY: Final = "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('VmRSS')][0])"


def _imports(field: Field, plan: Plan, turns: Turns, say: Say) -> list[Measure]:
    say("growth: imports")
    seconds = Measure(SUITE, "import", "Import, over bare Python", "ms", "lower", US)
    memory = Measure(SUITE, "import memory", "Import, memory over bare Python", "MiB", "lower", US)
    importing = {peer.name: peer for peer in field.peers if peer.kind.imports}
    for peer in importing.values():
        _run(field, peer, peer.kind.imports)  # from now on its bytecode is cached
    idle: dict[str, list[float]] = {}
    taken: dict[str, list[float]] = {}
    for number in turns.rounds(plan.imports):
        for name in in_turn(list(importing), number):
            peer = importing[name]
            idle.setdefault(peer.python, []).append(_run(field, peer, "pass")[0])
            taken.setdefault(name, []).append(_run(field, peer, peer.kind.imports)[0])
    for name, values in taken.items():
        peer = importing[name]
        floor = min(idle[peer.python])
        for value in values:
            seconds.add(name, max(0.0, value - floor) * 1000)
        own = int(_run(field, peer, f"{peer.kind.imports}; {_MEMORY}")[1])
        memory.add(name, (own - int(_run(field, peer, _MEMORY)[1])) * KIB / MIB)
    for name in [peer.name for peer in field.peers if not peer.kind.imports]:
        leave_out((seconds, memory), name, "imports no framework")
    return [seconds, memory]


def _run(field: Field, peer: Peer, code: str) -> tuple[float, str]:
    """The seconds that an interpreter takes for `code`, from start to end, and what it prints."""
    begin = time.perf_counter()
    done = subprocess.run(
        [peer.python, "-c", code],
        cwd=field.folder,
        env=field.environment(PYTHONDONTWRITEBYTECODE=""),  # else an import would be a compilation
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return time.perf_counter() - begin, done.stdout


def _build(field: Field, plan: Plan, workers: Mapping[str, Worker], turns: Turns, say: Say) -> Measure:
    measure = Measure(SUITE, "build", f"App of {plan.built:,} handlers, built and started", "ms", "lower", US)
    say(f"growth: {measure.title}")
    for number in turns.rounds(min(3, plan.imports)):
        for name in in_turn([peer.name for peer in field.peers], number):
            if name not in measure.left_out:
                try:
                    measure.add(name, workers[name].build(plan.built) * 1000)
                except Failed as error:
                    measure.leave_out(name, str(error))
    return measure


# --- in-process ---


def _calls(
    field: Field, plan: Plan, workers: Mapping[str, Worker], turns: Turns, say: Say, build: Measure
) -> list[Measure]:
    wanted = [(f"routes:{count}", "µs", MICROSECONDS) for count in plan.routes]
    wanted += [(f"parameters:{count}", "µs", MICROSECONDS) for count in plan.parameters]
    wanted += [(f"bulk:{size}", "µs/KiB", MICROSECONDS * KIB / size) for size in plan.json_sizes]
    measures: list[Measure] = []
    for name, unit, scale in wanted:
        workload = find(name)
        say(f"growth: {workload.title}")
        measure = Measure(SUITE, name, workload.title, unit, "lower", US)
        patient = [peer for peer in field.peers if not _too_long(measure, name, plan, build, peer.name)]
        measure_calls(measure, workload, patient, workers, plan, turns, scale)
        measures.append(measure)
    return measures


def _too_long(measure: Measure, workload: str, plan: Plan, build: Measure, name: str) -> bool:
    """Whether the app of `workload` would take too long to build; the peer is left out then."""
    kind, _, size = workload.partition(":")
    built = build.best(name)
    if kind != "routes" or built is None:
        return False
    foretold = built / 1000 * int(size) / plan.built
    if foretold > _BUILD_PATIENCE:
        measure.leave_out(name, f"{int(size):,} routes would take it {foretold:.0f} s to build")
    return foretold > _BUILD_PATIENCE


# --- on a server ---


def _connections(
    field: Field, plan: Plan, processes: Mapping[str, Process], failed: Mapping[str, str], turns: Turns, say: Say
) -> list[Measure]:
    _, generate = load.generator(plan.load_seconds, field.folder)
    measures: list[Measure] = []
    for count in plan.clients:
        title = f"{count:,} connections" if count > 1 else "1 connection"
        say(f"growth: {title}")
        cost, rate = under_load(SUITE, f"connections:{count}", title)
        for name, why in failed.items():
            leave_out((cost, rate), name, why)
        names = checked((cost, rate), HELLO, field, processes)
        for number in turns.rounds(2):
            for name in in_turn(names, number):
                sample(cost, rate, processes[name], HELLO, generate, count, plan.load_seconds)
        measures += [cost, rate]
    return measures


def _idle(field: Field, plan: Plan, processes: Mapping[str, Process], failed: Mapping[str, str], say: Say) -> Measure:
    measure = Measure(SUITE, "idle", f"One of {plan.idle:,} idle WebSockets, memory", "KiB", "lower", BARE)
    say(f"growth: {measure.title}")
    for name, why in failed.items():
        measure.leave_out(name, why)
    for name in able(measure, "echo", field.peers):
        if name in processes:
            try:
                measure.add(name, _held(processes[name], plan.idle) / KIB)
            except OSError as error:
                measure.leave_out(name, str(error))
    return measure


def _held(process: Process, count: int) -> float:
    """The bytes that one of `count` idle WebSockets costs the server."""
    with ExitStack() as stack:
        wire.open_socket(stack.enter_context(process.connect()), "/echo")  # what the first one loads is loaded
        time.sleep(_SETTLE)
        before = process.memory()
        for _ in range(count):
            wire.open_socket(stack.enter_context(process.connect()), "/echo")
        time.sleep(_SETTLE)
        return (process.memory() - before) / count
