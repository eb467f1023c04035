"""This module holds the suite `growth`: how costs grow with size, and what an app costs before its first request.

Routes, parameters and JSON are measured by in-process calls, connections and idle WebSockets under uvicorn. The time of
an import is that of a process that imports and ends, less that of one that does nothing.
"""

import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Final

from . import load, wire
from .calls import MICROSECONDS, find_able_peers, measure_calls
from .peers import BARE, US, Lineup, Peer
from .plan import Plan, Turns, rotate
from .processes import UVICORN, Process, run_servers
from .results import Measure
from .servers import check_peers, create_load_measures, leave_out, take_sample
from .workers import Worker, WorkerFailed, run_workers
from .workloads import HELLO, KIB, MIB, find_workload

SUITE: Final = "growth"

_MAX_BUILD_SECONDS: Final = 8.0
"""Seconds that building an app may take. The estimate comes from the app of `Plan.built` handlers."""

_SETTLE: Final = 0.3
"""Seconds after which a server has handled new connections."""

Say = Callable[[str], None]


def run(lineup: Lineup, plan: Plan, say: Say) -> list[Measure]:
    """Measure imports, builds, calls of growing size, connections and idle WebSockets."""
    turns = Turns(plan.budget[SUITE])
    measures = _measure_imports(lineup, plan, turns, say)
    with run_workers(lineup, lineup.peers) as workers:
        build = _measure_build(lineup, plan, workers, turns, say)
        measures.append(build)
        measures += _measure_calls(lineup, plan, workers, turns, say, build)
    say("growth: uvicorn starts")
    with run_servers(UVICORN, lineup) as (processes, failed):
        measures += _measure_connections(lineup, plan, processes, failed, turns, say)
        measures.append(_measure_idle(lineup, plan, processes, failed, say))
    return measures


# --- before any request ---

_MEMORY: Final = "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('VmRSS')][0])"


def _measure_imports(lineup: Lineup, plan: Plan, turns: Turns, say: Say) -> list[Measure]:
    say("growth: imports")
    seconds = Measure(SUITE, "import", "Import, over bare Python", "ms", "lower", US)
    memory = Measure(SUITE, "import memory", "Import, memory over bare Python", "MiB", "lower", US)
    importing = {peer.name: peer for peer in lineup.peers if peer.kind.imports}
    for peer in importing.values():
        _run_python(lineup, peer, peer.kind.imports)  # caches its bytecode
    idle: dict[str, list[float]] = {}
    taken: dict[str, list[float]] = {}
    for number in turns.rounds(plan.imports):
        for name in rotate(list(importing), number):
            peer = importing[name]
            idle.setdefault(peer.python, []).append(_run_python(lineup, peer, "pass")[0])
            taken.setdefault(name, []).append(_run_python(lineup, peer, peer.kind.imports)[0])
    for name, values in taken.items():
        peer = importing[name]
        floor = min(idle[peer.python])
        for value in values:
            seconds.add(name, max(0.0, value - floor) * 1000)
        loaded = int(_run_python(lineup, peer, f"{peer.kind.imports}; {_MEMORY}")[1])
        memory.add(name, (loaded - int(_run_python(lineup, peer, _MEMORY)[1])) * KIB / MIB)
    for name in [peer.name for peer in lineup.peers if not peer.kind.imports]:
        leave_out((seconds, memory), name, "imports no framework")
    return [seconds, memory]


def _run_python(lineup: Lineup, peer: Peer, code: str) -> tuple[float, str]:
    """Run `code` in the interpreter of `peer`. Return the seconds from start to end, and the output."""
    begin = time.perf_counter()
    process = subprocess.run(
        [peer.python, "-c", code],
        cwd=lineup.folder,
        env=lineup.environment(PYTHONDONTWRITEBYTECODE=""),  # without a cache, an import would compile, too
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return time.perf_counter() - begin, process.stdout


def _measure_build(lineup: Lineup, plan: Plan, workers: Mapping[str, Worker], turns: Turns, say: Say) -> Measure:
    measure = Measure(SUITE, "build", f"App of {plan.built:,} handlers, built and started", "ms", "lower", US)
    say(f"growth: {measure.title}")
    for number in turns.rounds(min(3, plan.imports)):
        for name in rotate([peer.name for peer in lineup.peers], number):
            if name not in measure.left_out:
                try:
                    measure.add(name, workers[name].build(plan.built) * 1000)
                except WorkerFailed as error:
                    measure.leave_out(name, str(error))
    return measure


# --- in-process ---


def _measure_calls(
    lineup: Lineup, plan: Plan, workers: Mapping[str, Worker], turns: Turns, say: Say, build: Measure
) -> list[Measure]:
    sizes = [(f"routes:{count}", "µs", MICROSECONDS) for count in plan.routes]
    sizes += [(f"parameters:{count}", "µs", MICROSECONDS) for count in plan.parameters]
    sizes += [(f"bulk:{size}", "µs/KiB", MICROSECONDS * KIB / size) for size in plan.json_sizes]
    measures: list[Measure] = []
    for name, unit, scale in sizes:
        workload = find_workload(name)
        say(f"growth: {workload.title}")
        measure = Measure(SUITE, name, workload.title, unit, "lower", US)
        included = [peer for peer in lineup.peers if not _is_too_slow_to_build(measure, name, plan, build, peer.name)]
        measure_calls(measure, workload, included, workers, plan, turns, scale)
        measures.append(measure)
    return measures


def _is_too_slow_to_build(measure: Measure, workload: str, plan: Plan, build: Measure, name: str) -> bool:
    """Return True if the app of `workload` would take too long to build, and leave the peer out."""
    kind, _, size = workload.partition(":")
    built = build.best(name)
    if kind != "routes" or built is None:
        return False
    estimate = built / 1000 * int(size) / plan.built
    if estimate > _MAX_BUILD_SECONDS:
        measure.leave_out(name, f"{int(size):,} routes would take it {estimate:.0f} s to build")
    return estimate > _MAX_BUILD_SECONDS


# --- on a server ---


def _measure_connections(
    lineup: Lineup, plan: Plan, processes: Mapping[str, Process], failed: Mapping[str, str], turns: Turns, say: Say
) -> list[Measure]:
    _, generate = load.choose_generator(plan.load_seconds, lineup.folder)
    measures: list[Measure] = []
    for count in plan.clients:
        title = f"{count:,} connections" if count > 1 else "1 connection"
        say(f"growth: {title}")
        cost, rate = create_load_measures(SUITE, f"connections:{count}", title)
        for name, why in failed.items():
            leave_out((cost, rate), name, why)
        names = check_peers((cost, rate), HELLO, lineup, processes)
        for number in turns.rounds(2):
            for name in rotate(names, number):
                take_sample(cost, rate, processes[name], HELLO, generate, count, plan.load_seconds)
        measures += [cost, rate]
    return measures


def _measure_idle(
    lineup: Lineup, plan: Plan, processes: Mapping[str, Process], failed: Mapping[str, str], say: Say
) -> Measure:
    measure = Measure(SUITE, "idle", f"One of {plan.idle:,} idle WebSockets, memory", "KiB", "lower", BARE)
    say(f"growth: {measure.title}")
    for name, why in failed.items():
        measure.leave_out(name, why)
    for name in find_able_peers(measure, "echo", lineup.peers):
        if name in processes:
            try:
                measure.add(name, _measure_websocket_memory(processes[name], plan.idle) / KIB)
            except OSError as error:
                measure.leave_out(name, str(error))
    return measure


def _measure_websocket_memory(process: Process, count: int) -> float:
    """Open `count` idle WebSockets. Return the bytes of memory that each costs the server."""
    with ExitStack() as stack:
        wire.open_websocket(stack.enter_context(process.connect()), "/echo")  # the first WebSocket loads modules
        time.sleep(_SETTLE)
        before = process.read_memory()
        for _ in range(count):
            wire.open_websocket(stack.enter_context(process.connect()), "/echo")
        time.sleep(_SETTLE)
        return (process.read_memory() - before) / count
