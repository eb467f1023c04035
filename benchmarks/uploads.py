"""The suite `uploads`: large bodies in both directions, many small fields, and WebSocket messages, under uvicorn.

Peak memory is how far the server's processes grew above what they had after one tiny upload: what the first upload
imports is not counted, and what a large one leaves behind is.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from . import wire
from .calls import able
from .peers import US, Field
from .plan import Plan, Turns, in_turn
from .processes import UVICORN, Process, serving
from .results import Measure
from .servers import MICROSECONDS, leave_out
from .workloads import ECHO, KIB, MIB, Workload, difference, download, fields, stream, upload

SUITE: Final = "uploads"

_BATCH: Final = 50
"""WebSocket messages that are under way at once."""


class Wrong(Exception):
    """The answer was not the expected one; the text says why."""


def run(field: Field, plan: Plan, say: Callable[[str], None]) -> list[Measure]:
    """Measure it all."""
    turns = Turns(plan.budget[SUITE])
    blob = field.folder / "blob.bin"
    blob.write_bytes(bytes(plan.transfer))
    measures: list[Measure] = []
    with serving(UVICORN, field, BENCHMARK_FILE=str(blob)) as (processes, failed):
        for title, made, measure in _tasks(plan):
            say(f"uploads: {title}")
            for name, why in failed.items():
                leave_out(made, name, why)
            names = [name for name in able(made[0], made[0].name, field.peers) if name in processes]
            for number in turns.rounds(plan.transfer_rounds):
                for name in in_turn(names, number):
                    if name not in made[0].left_out:
                        _sample(measure, processes[name], made)
            measures += made
    blob.unlink()
    return measures


_Task = Callable[[Process], Sequence[float]]


def _tasks(plan: Plan) -> list[tuple[str, list[Measure], _Task]]:
    """A title, the measures, and what makes one sample of each. Raises Wrong and OSError."""
    sent, many = upload(plan.transfer), fields(plan.fields)
    stored, streamed = download(plan.transfer), stream(plan.transfer)
    floors: dict[str, int] = {}
    return [
        (
            sent.title,
            [
                _measure("upload", sent.title, "MiB/s", "higher"),
                _measure("upload memory", f"{sent.title}, peak memory", "MiB", "lower"),
            ],
            lambda process: _upload(process, sent, plan.transfer, floors),
        ),
        (many.title, [_measure("fields", many.title, "ms", "lower")], lambda process: _fields(process, many)),
        (
            stored.title,
            [_measure("file", stored.title, "MiB/s", "higher")],
            lambda process: _download(process, stored, plan.transfer),
        ),
        (
            streamed.title,
            [_measure("stream", streamed.title, "MiB/s", "higher")],
            lambda process: _download(process, streamed, plan.transfer),
        ),
        (
            "WebSocket echo",
            [
                _measure("echo", "WebSocket echo", "/s", "higher"),
                _measure("echo cpu", "WebSocket echo, CPU", "µs", "lower"),
            ],
            lambda process: _echo(process, plan.echoes),
        ),
    ]


def _measure(name: str, title: str, unit: str, better: str) -> Measure:
    return Measure(SUITE, name, title, unit, "lower" if better == "lower" else "higher", US)


def _sample(task: _Task, process: Process, measures: Sequence[Measure]) -> None:
    name = process.peer.name
    try:
        values = task(process)
    except (Wrong, OSError) as error:
        leave_out(measures, name, str(error))
        return
    for measure, value in zip(measures, values, strict=True):
        measure.add(name, value)


def _upload(process: Process, workload: Workload, size: int, floors: dict[str, int]) -> Sequence[float]:
    """The rate, and the peak above the process's memory before its first large upload, which `floors` keeps."""
    name = process.peer.name
    if name not in floors:
        _ask(process, upload(KIB))
        floors[name] = process.memory()
    process.reset_peak()
    seconds = _ask(process, workload)
    return size / MIB / seconds, max(0, process.peak() - floors[name]) / MIB


def _fields(process: Process, workload: Workload) -> Sequence[float]:
    return (_ask(process, workload) * 1000,)


def _ask(process: Process, workload: Workload) -> float:
    """The seconds from the first byte sent to the last one received."""
    request = wire.request_bytes(workload)
    with process.connect() as connection:
        begin = time.perf_counter()
        connection.sendall(request)
        answer = wire.read(connection)
        seconds = time.perf_counter() - begin
    if wrong := difference(workload.expected, answer):
        raise Wrong(wrong)
    return seconds


def _download(process: Process, workload: Workload, size: int) -> Sequence[float]:
    with process.connect() as connection:
        begin = time.perf_counter()
        answer, received = wire.drain(connection, workload)
        seconds = time.perf_counter() - begin
    if wrong := difference(workload.expected, answer):
        raise Wrong(wrong)
    if received != size:
        raise Wrong(f"sent {received} bytes instead of {size}")
    return (size / MIB / seconds,)


def _echo(process: Process, count: int) -> Sequence[float]:
    with process.connect() as connection:
        wire.open_socket(connection, "/echo")
        sum(wire.echoes(connection, ECHO, _BATCH, _BATCH))
        before = process.cpu()
        begin = time.perf_counter()
        done = sum(wire.echoes(connection, ECHO, count, _BATCH))
        seconds = time.perf_counter() - begin
        return done / seconds, (process.cpu() - before) / done * MICROSECONDS
