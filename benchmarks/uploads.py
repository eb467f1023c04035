"""This module holds the suite `uploads`: large bodies in both directions, many fields and WebSocket messages.

Peak memory is the growth of the server's processes since one tiny upload. Modules that the first upload imports are
not counted; memory that a large upload leaves behind is.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from . import wire
from .calls import find_able_peers
from .peers import US, Lineup
from .plan import Plan, Turns, rotate
from .processes import UVICORN, Process, run_servers
from .results import Measure
from .servers import MICROSECONDS, leave_out
from .workloads import (
    ECHO,
    KIB,
    MIB,
    Workload,
    build_download,
    build_fields,
    build_stream,
    build_upload,
    describe_difference,
)

SUITE: Final = "uploads"

_BATCH: Final = 50
"""WebSocket messages that are sent before their echoes are read."""


class WrongResponse(Exception):
    """An error that says how a response differs from the expected one."""


def run(lineup: Lineup, plan: Plan, say: Callable[[str], None]) -> list[Measure]:
    """Measure uploads, fields, downloads and WebSocket messages under uvicorn."""
    turns = Turns(plan.budget[SUITE])
    blob = lineup.folder / "blob.bin"
    blob.write_bytes(bytes(plan.transfer))
    measures: list[Measure] = []
    with run_servers(UVICORN, lineup, BENCHMARK_FILE=str(blob)) as (processes, failed):
        for title, task_measures, task in _list_tasks(plan):
            say(f"uploads: {title}")
            for name, why in failed.items():
                leave_out(task_measures, name, why)
            first = task_measures[0]
            names = [name for name in find_able_peers(first, first.name, lineup.peers) if name in processes]
            for number in turns.rounds(plan.transfer_rounds):
                for name in rotate(names, number):
                    if name not in first.left_out:
                        _take_sample(task, processes[name], task_measures)
            measures += task_measures
    blob.unlink()
    return measures


_Task = Callable[[Process], Sequence[float]]


def _list_tasks(plan: Plan) -> list[tuple[str, list[Measure], _Task]]:
    """Return the title, the measures and the function of each task. The function returns a sample for each measure.

    It raises WrongResponse and OSError.
    """
    sent, many = build_upload(plan.transfer), build_fields(plan.fields)
    stored, streamed = build_download(plan.transfer), build_stream(plan.transfer)
    floors: dict[str, int] = {}
    return [
        (
            sent.title,
            [
                _create_measure("upload", sent.title, "MiB/s", "higher"),
                _create_measure("upload memory", f"{sent.title}, peak memory", "MiB", "lower"),
            ],
            lambda process: _measure_upload(process, sent, plan.transfer, floors),
        ),
        (
            many.title,
            [_create_measure("fields", many.title, "ms", "lower")],
            lambda process: _measure_fields(process, many),
        ),
        (
            stored.title,
            [_create_measure("file", stored.title, "MiB/s", "higher")],
            lambda process: _measure_download(process, stored, plan.transfer),
        ),
        (
            streamed.title,
            [_create_measure("stream", streamed.title, "MiB/s", "higher")],
            lambda process: _measure_download(process, streamed, plan.transfer),
        ),
        (
            "WebSocket echo",
            [
                _create_measure("echo", "WebSocket echo", "/s", "higher"),
                _create_measure("echo cpu", "WebSocket echo, CPU", "µs", "lower"),
            ],
            lambda process: _measure_echo(process, plan.echoes),
        ),
    ]


def _create_measure(name: str, title: str, unit: str, better: str) -> Measure:
    return Measure(SUITE, name, title, unit, "lower" if better == "lower" else "higher", US)


def _take_sample(task: _Task, process: Process, measures: Sequence[Measure]) -> None:
    name = process.peer.name
    try:
        values = task(process)
    except (WrongResponse, OSError) as error:
        leave_out(measures, name, str(error))
        return
    for measure, value in zip(measures, values, strict=True):
        measure.add(name, value)


def _measure_upload(process: Process, workload: Workload, size: int, floors: dict[str, int]) -> Sequence[float]:
    """Return the rate, and the peak above the memory before the first large upload, which `floors` holds by peer."""
    name = process.peer.name
    if name not in floors:
        _time_request(process, build_upload(KIB))
        floors[name] = process.read_memory()
    process.reset_peak()
    seconds = _time_request(process, workload)
    return size / MIB / seconds, max(0, process.read_peak() - floors[name]) / MIB


def _measure_fields(process: Process, workload: Workload) -> Sequence[float]:
    return (_time_request(process, workload) * 1000,)


def _time_request(process: Process, workload: Workload) -> float:
    """Send the request of `workload`. Return the seconds from its first byte to the last byte of the response."""
    request = wire.encode_request(workload)
    with process.connect() as connection:
        begin = time.perf_counter()
        connection.sendall(request)
        response = wire.read_response(connection)
        seconds = time.perf_counter() - begin
    if fault := describe_difference(workload.expected, response):
        raise WrongResponse(fault)
    return seconds


def _measure_download(process: Process, workload: Workload, size: int) -> Sequence[float]:
    with process.connect() as connection:
        begin = time.perf_counter()
        response, received = wire.drain_response(connection, workload)
        seconds = time.perf_counter() - begin
    if fault := describe_difference(workload.expected, response):
        raise WrongResponse(fault)
    if received != size:
        raise WrongResponse(f"sent {received} bytes instead of {size}")
    return (size / MIB / seconds,)


def _measure_echo(process: Process, count: int) -> Sequence[float]:
    with process.connect() as connection:
        wire.open_websocket(connection, "/echo")
        sum(wire.exchange_echoes(connection, ECHO, _BATCH, _BATCH))
        before = process.read_cpu_seconds()
        begin = time.perf_counter()
        count = sum(wire.exchange_echoes(connection, ECHO, count, _BATCH))
        seconds = time.perf_counter() - begin
        return count / seconds, (process.read_cpu_seconds() - before) / count * MICROSECONDS
