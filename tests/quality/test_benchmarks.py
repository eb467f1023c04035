"""These tests run the benchmarks with tiny sizes: they check responses, suites, samples and reports.

They assert that there are figures, and no value of a figure.
"""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import calls, growth, instructions, load, reporting, servers, uploads, workloads
from benchmarks.__main__ import main
from benchmarks.apps import bare, micropie_app, shared
from benchmarks.client import App, Lifespan, send_request, start_session, time_calls
from benchmarks.peers import BARE, US, Lineup, gather_peers
from benchmarks.plan import FULL, QUICK, Plan, Turns, rotate
from benchmarks.results import Better, Measure, Relative, Report, compare_samples
from benchmarks.wire import encode_text_frame
from benchmarks.workloads import Expected, Response, Workload, describe_difference
from tests.support.asgi import call_socket

KIB = 1024

# --- workloads and their responses ---

SMALL = [
    workloads.build_upload(300 * KIB),
    workloads.build_fields(1500),
    workloads.build_download(200 * KIB),
    workloads.build_stream(256 * KIB),
    *map(
        workloads.find_workload, ["routes:1", "routes:25", "parameters:1", "parameters:50", "bulk:1024", "bulk:100000"]
    ),
]
WORKLOADS = {workload.name: workload for workload in [*workloads.CALLS.values(), *SMALL]}
APPS = {US: micropie_app, BARE: bare}
SIZES = {"file": 200 * KIB, "stream": 256 * KIB}


@pytest.fixture(autouse=True)
def blob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create the file that /files/blob.bin sends."""
    path = tmp_path / "blob.bin"
    path.write_bytes(bytes(SIZES["file"]))
    monkeypatch.setattr(shared, "FILE", path)
    return path


def get_target(module: ModuleType, workload: Workload) -> App:
    """Return the app of `module` that receives the request of `workload`."""
    kind, _, size = workload.target.partition(":")
    attribute: Any = getattr(module, kind)
    app: App = attribute(int(size)) if size else attribute
    return app


async def request_workload(app: App, workload: Workload) -> Response:
    lifespan = Lifespan(app)
    await lifespan.start()
    response = await send_request(app, workload, await start_session(app, workload))
    await lifespan.stop()
    return response


@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize("peer", APPS)
def test_response_to_every_workload_is_the_expected_one(peer: str, name: str) -> None:
    workload = WORKLOADS[name]
    response = asyncio.run(request_workload(get_target(APPS[peer], workload), workload))
    assert describe_difference(workload.expected, response) == ""
    if name in SIZES:
        assert len(response.body) == SIZES[name]


@pytest.mark.parametrize("peer", APPS)
def test_websocket_echoes_messages(peer: str) -> None:
    app: Any = APPS[peer].app
    sent = call_socket(app, "/echo", [workloads.ECHO, "again"])
    assert [message["text"] for message in sent if message["type"] == "websocket.send"] == [workloads.ECHO, "again"]


@pytest.mark.parametrize("name", [name for name in WORKLOADS if name not in SIZES])
def test_every_call_can_be_repeated_and_timed(name: str) -> None:
    workload = WORKLOADS[name]

    async def measure_seconds() -> float:
        app = get_target(micropie_app, workload)
        return await time_calls(app, workload, await start_session(app, workload), 3)

    assert asyncio.run(measure_seconds()) > 0


def test_every_write_changes_the_session() -> None:
    async def count_visits() -> list[int]:
        app = micropie_app.with_sessions
        write = workloads.CALLS["session write"]
        cookie = await start_session(app, write)
        visits: list[int] = []
        for _ in range(3):
            await send_request(app, write, cookie)
            visits.append((await app.session_backend.load(cookie.partition("=")[2]))["visits"])
        return visits

    assert asyncio.run(count_visits()) == [2, 3, 4]


# --- wrong responses ---

RIGHT = Response(200, (("content-type", "application/json; charset=utf-8"), ("x-frame-options", "DENY")), b'{"a": 1}')
EXPECTED = Expected((200,), "application/json", b'{"a":1}', ("x-frame-options", "DENY"))

RESPONSES = {
    "right": (RIGHT, ""),
    "status": (replace(RIGHT, status=500), "answered 500 instead of 200"),
    "type": (replace(RIGHT, headers=(("content-type", "text/html"), RIGHT.headers[1])), "instead of application/json"),
    "no type": (replace(RIGHT, headers=RIGHT.headers[1:]), "answered no content type"),
    "header": (replace(RIGHT, headers=RIGHT.headers[:1]), "sent no header x-frame-options: DENY"),
    "body": (replace(RIGHT, body=b'{"a":2}'), "instead of '{\"a\":1}'"),
    "not JSON": (replace(RIGHT, body=b'{"a":'), "instead of '{\"a\":1}'"),
}


@pytest.mark.parametrize("name", RESPONSES)
def test_difference_between_response_and_expectation_is_described(name: str) -> None:
    response, expected = RESPONSES[name]
    difference = describe_difference(EXPECTED, response)
    assert (difference == "") if not expected else (expected in difference)


def test_text_is_compared_byte_by_byte() -> None:
    expected = Expected(media_type="text/html", body=b"<p>")
    assert describe_difference(expected, Response(200, (("content-type", "text/html"),), b"<p> "))


# --- the suites, with tiny sizes ---

TINY = replace(
    QUICK,
    call_rounds=1,
    call_seconds=0.001,
    load_rounds=1,
    load_seconds=0.05,
    connections=4,
    transfer=1024 * KIB,
    fields=1500,
    echoes=100,
    imports=1,
    routes=(10,),
    built=10,
    clients=(1, 4),
    json_sizes=(KIB,),
    parameters=(1, 5),
    idle=10,
)
SUITES: dict[str, Callable[[Lineup, Plan, Callable[[str], None]], list[Measure]]] = {
    "calls": calls.run,
    "servers": servers.run,
    "uploads": uploads.run,
    "growth": growth.run,
}


@pytest.fixture(scope="module")
def lineup() -> Iterator[Lineup]:
    with gather_peers([US, BARE], "") as peers:
        yield peers


@pytest.mark.parametrize("suite", SUITES)
def test_suite_measures_every_quantity_of_both_peers(suite: str, lineup: Lineup) -> None:
    progress: list[str] = []
    measures = SUITES[suite](lineup, TINY, progress.append)
    assert progress
    assert {measure.suite for measure in measures} == {suite}
    for measure in measures:
        expected = {US} if measure.name.startswith("import") else {US, BARE}
        assert (set(measure.samples), set(measure.left_out)) == (expected, {US, BARE} - expected), measure.title


def test_command_saves_and_prints_its_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "created" / "here"
    arguments = ["--only", "calls", "--quick", "--peers", "micropie032", "--micropie032", "", "--out", str(out)]
    assert main(arguments) == 0
    report = reporting.load_report((out / "results.json").read_bytes())
    assert [measure.name for measure in report.measures] == list(workloads.CALLS)
    assert "no interpreter was named" in report.absent["micropie032"]
    assert {file.name for file in out.iterdir()} == {"results.json", "results.md", "calls.svg"}
    assert (out / "results.md").read_text().strip() == capsys.readouterr().out.strip()


# --- sizes and order of a run ---


@pytest.mark.parametrize("plan", [FULL, QUICK])
def test_every_suite_has_a_budget_within_that_of_the_run(plan: Plan) -> None:
    assert set(plan.budget) == set(SUITES)
    assert sum(plan.budget.values()) <= (120 if plan.quick else 900)


def test_spent_budget_leaves_the_first_round() -> None:
    assert list(Turns(3600).rounds(3)) == [0, 1, 2]
    assert list(Turns(-1).rounds(3)) == [0]


def test_every_peer_is_first_in_turn() -> None:
    assert [rotate("abc", number) for number in range(4)] == [list("abc"), list("bca"), list("cab"), list("abc")]
    assert rotate([], 1) == []


# --- figures that follow from samples ---

RELATIVES: dict[str, tuple[list[float], list[float], Better, Relative | None]] = {
    "half the cost is twice the speed": ([2.0], [1.0], "lower", Relative(2.0, 2.0, 2.0)),
    "half the rate is half the speed": ([2.0], [1.0], "higher", Relative(0.5, 0.5, 0.5)),
    "round by round": ([1.0, 10.0, 100.0], [2.0, 20.0, 200.0], "lower", Relative(0.5, 0.5, 0.5)),
    "the middle half": ([1.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0], "higher", Relative(3.0, 2.0, 4.0)),
    "nothing to compare with": ([], [1.0], "lower", None),
    "nothing to compare": ([1.0], [], "lower", None),
    "zero is below what can be measured": ([0.0], [1.0], "lower", None),
}


@pytest.mark.parametrize("name", RELATIVES)
def test_speed_is_relative_to_the_base(name: str) -> None:
    base, peer, better, expected = RELATIVES[name]
    assert compare_samples(base, peer, better) == expected


def test_best_sample_is_the_lowest_cost_or_the_highest_rate() -> None:
    cost, rate = create_report().measures
    assert (cost.best(US), rate.best(US), cost.best("falcon")) == (2.0, 1200.0, None)


def test_peer_that_is_left_out_later_loses_its_samples() -> None:
    measure = Measure("calls", "a", "A", "µs", "lower", US, {US: [1.0]})
    measure.leave_out(US, "fell over")
    assert (measure.best(US), measure.left_out) == (None, {US: "fell over"})


# --- the report ---


def create_report() -> Report:
    """Create a report with invented samples."""
    return Report(
        started="2026-11-23T10:00:00+00:00",
        quick=False,
        machine={"python": "CPython 3.11"},
        peers={US: "1.0", BARE: "Python 3.11", "falcon": "4.0", "fastapi": "0.1"},
        absent={"litestar": "No module named 'litestar'"},
        measures=[
            Measure(
                "calls",
                "hello",
                "Hello <JSON> & more",
                "µs",
                "lower",
                US,
                {US: [2.0, 2.5], BARE: [1.0, 1.0], "fastapi": [40.0, 50.0]},
                {"falcon": "has no hello"},
            ),
            Measure("servers", "rate", "Rate", "/s", "higher", BARE, {US: [1000.0, 1200.0], BARE: [1000.0, 1000.0]}),
        ],
        remarks=["load by wrk"],
    )


def test_table_shows_the_figures_and_the_reasons_for_gaps() -> None:
    text = reporting.render_markdown(create_report())
    for line in (
        "|  | micropie | bare ASGI | Falcon | FastAPI |",
        "| Hello <JSON> & more (µs) | 2.00 | 1.00 (2.25, 2.12–2.38) | – | 40.0 (0.05) |",
        "| Rate (/s) | 1,200 (1.10, 1.05–1.15) | 1,000 | – | – |",
        "- Falcon has no hello: Hello <JSON> & more",
        "- Litestar: left out: No module named 'litestar'",
        "- load by wrk",
    ):
        assert line in text.splitlines()


def test_chart_has_a_bar_for_every_peer_with_samples() -> None:
    for suite, bars in (("calls", 3), ("servers", 2)):
        drawing = ElementTree.fromstring(reporting.render_chart(create_report(), suite))
        drawn = [rect for rect in drawing.iter("{http://www.w3.org/2000/svg}rect") if rect.get("fill") != "#ffffff"]
        assert len(drawn) == bars
        assert all(float(rect.get("width", "-1")) >= 0 for rect in drawn)


def test_saved_report_can_be_loaded(tmp_path: Path) -> None:
    files = reporting.save_report(create_report(), tmp_path)
    assert [file.name for file in files] == ["results.json", "results.md", "calls.svg", "servers.svg"]
    assert reporting.load_report((tmp_path / "results.json").read_bytes()) == create_report()


# --- load by wrk ---

WRK = """Running 1s test @ http://127.0.0.1:8000/hello
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.03ms  183.21us   5.51ms   91.30%
  34530 requests in 1.10s, 5.10MB read
{errors}Requests/sec:  31390.90
"""


def test_report_of_wrk_is_parsed() -> None:
    assert load.parse_wrk(WRK.format(errors="")) == load.Load(34530, 1.10)


@pytest.mark.parametrize(
    "output",
    [
        WRK.format(errors="  Non-2xx or 3xx responses: 34530\n"),
        WRK.format(errors="  Socket errors: connect 0, read 3, write 0, timeout 0\n"),
        WRK.format(errors="").replace("34530 requests", "0 requests"),
        "unable to connect to 127.0.0.1:8000 Connection refused",
        "",
    ],
)
def test_report_of_wrk_with_errors_or_without_requests_is_refused(output: str) -> None:
    with pytest.raises(load.LoadFailed):
        load.parse_wrk(output)


def test_wrk_script_escapes_every_byte_of_the_body() -> None:
    script = load.build_wrk_script(replace(workloads.HELLO, method="POST", body=b'"\\\n\xff', content_type="a/b"))
    assert script == (
        'wrk.method = "POST"\nwrk.body = "\\034\\092\\010\\255"\nwrk.headers["Content-Type"] = "a/b"\n'
    )  # fmt: skip


def test_text_frame_is_masked_and_at_most_125_bytes_long() -> None:
    assert encode_text_frame("hi") == b"\x81\x82\x00\x00\x00\x00hi"
    with pytest.raises(ValueError, match="125"):
        encode_text_frame("x" * 126)


# --- instructions ---


@pytest.mark.parametrize("app", instructions.APPS.values())
def test_requests_that_are_counted_receive_responses(app: str) -> None:
    for workload in instructions.WORKLOADS:
        asyncio.run(instructions.send_requests(app, workload, 2))


def test_counts_are_compared_with_the_recorded_ones() -> None:
    counts = {"hello": {"micropie": 1100, "bare": 500}, "typed": {"micropie": 2000, "bare": 900}}
    assert instructions.format_table(counts, {"hello": {"micropie": 1000, "bare": 500}}).splitlines() == [
        "                         now  recorded   change      bare",
        "hello                  1,100     1,000  +10.0 %       500",
        "typed                  2,000                          900",
    ]


def test_every_counted_workload_is_recorded() -> None:
    recorded = json.loads(instructions.RECORD.read_text())
    assert recorded["command"] == "python -m benchmarks.instructions --record"
    assert {name: set(counts) for name, counts in recorded["counts"].items()} == {
        name: set(instructions.APPS) for name in instructions.WORKLOADS
    }


def test_missing_valgrind_is_reported_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert instructions.main([]) == 2
    assert "apt-get install valgrind" in capsys.readouterr().err


VALGRIND = """#!/bin/sh
# Replaces valgrind, which takes a minute. It runs the command and counts 100 for each request and 1000 for the start.
shift 2
"$@" || exit 1
for count; do :; done
echo "==1== Collected : $((1000 + 100 * count))" >&2
"""


@pytest.fixture
def valgrind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "valgrind"
    script.write_text(VALGRIND)
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


@pytest.mark.usefixtures("valgrind")
def test_instructions_of_the_start_are_not_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert instructions.measure_requests(["hello"], few=1, many=3) == {"hello": {"micropie": 100, "bare": 100}}
    with pytest.raises(RuntimeError, match="nothing"):
        instructions.count_instructions("micropie_app", "nothing", 1)
    assert instructions.main(["--only", "404"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["404", "100", "100"]
