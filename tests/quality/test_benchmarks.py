"""The benchmarks measure what they say: right answers only, from everybody, and a report of what was found.

No figure is asserted here, only that there is one.
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
from benchmarks.client import App, Lifespan, ask, start_session, time_calls
from benchmarks.peers import BARE, US, Field, gather
from benchmarks.plan import FULL, QUICK, Plan, Turns, in_turn
from benchmarks.results import Better, Measure, Relative, Report, relative
from benchmarks.wire import text_frame
from benchmarks.workloads import Answer, Expected, Workload, difference
from tests.support.asgi import call_socket

KIB = 1024

# --- the workloads, and our answers to them ---

SMALL = [
    workloads.upload(300 * KIB),
    workloads.fields(1500),
    workloads.download(200 * KIB),
    workloads.stream(256 * KIB),
    *map(workloads.find, ["routes:1", "routes:25", "parameters:1", "parameters:50", "bulk:1024", "bulk:100000"]),
]
WORKLOADS = {workload.name: workload for workload in [*workloads.CALLS.values(), *SMALL]}
OURS = {US: micropie_app, BARE: bare}
SIZES = {"file": 200 * KIB, "stream": 256 * KIB}


@pytest.fixture(autouse=True)
def blob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What /files/blob.bin sends."""
    path = tmp_path / "blob.bin"
    path.write_bytes(bytes(SIZES["file"]))
    monkeypatch.setattr(shared, "FILE", path)
    return path


def target(module: ModuleType, workload: Workload) -> App:
    """What `workload` is asked of."""
    kind, _, size = workload.target.partition(":")
    found: Any = getattr(module, kind)
    app: App = found(int(size)) if size else found
    return app


async def answer_of(app: App, workload: Workload) -> Answer:
    lifespan = Lifespan(app)
    await lifespan.start()
    answer = await ask(app, workload, await start_session(app, workload))
    await lifespan.stop()
    return answer


@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize("peer", OURS)
def test_the_answer_to_every_workload_is_the_expected_one(peer: str, name: str) -> None:
    workload = WORKLOADS[name]
    answer = asyncio.run(answer_of(target(OURS[peer], workload), workload))
    assert difference(workload.expected, answer) == ""
    if name in SIZES:
        assert len(answer.body) == SIZES[name]


@pytest.mark.parametrize("peer", OURS)
def test_a_websocket_echoes(peer: str) -> None:
    app: Any = OURS[peer].app
    sent = call_socket(app, "/echo", [workloads.ECHO, "again"])
    assert [message["text"] for message in sent if message["type"] == "websocket.send"] == [workloads.ECHO, "again"]


@pytest.mark.parametrize("name", [name for name in WORKLOADS if name not in SIZES])
def test_every_call_can_be_repeated_and_timed(name: str) -> None:
    workload = WORKLOADS[name]

    async def timed() -> float:
        app = target(micropie_app, workload)
        return await time_calls(app, workload, await start_session(app, workload), 3)

    assert asyncio.run(timed()) > 0


def test_a_session_that_is_written_is_another_one_afterwards() -> None:
    async def visits() -> list[int]:
        app = micropie_app.with_sessions
        write = workloads.CALLS["session write"]
        cookie = await start_session(app, write)
        found: list[int] = []
        for _ in range(3):
            await ask(app, write, cookie)
            found.append((await app.session_backend.load(cookie.partition("=")[2]))["visits"])
        return found

    assert asyncio.run(visits()) == [2, 3, 4]


# --- wrong answers are noticed ---

RIGHT = Answer(200, (("content-type", "application/json; charset=utf-8"), ("x-frame-options", "DENY")), b'{"a": 1}')
EXPECTED = Expected((200,), "application/json", b'{"a":1}', ("x-frame-options", "DENY"))

ANSWERS = {
    "right": (RIGHT, ""),
    "status": (replace(RIGHT, status=500), "answered 500 instead of 200"),
    "type": (replace(RIGHT, headers=(("content-type", "text/html"), RIGHT.headers[1])), "instead of application/json"),
    "no type": (replace(RIGHT, headers=RIGHT.headers[1:]), "answered no content type"),
    "header": (replace(RIGHT, headers=RIGHT.headers[:1]), "sent no header x-frame-options: DENY"),
    "body": (replace(RIGHT, body=b'{"a":2}'), "instead of '{\"a\":1}'"),
    "no JSON": (replace(RIGHT, body=b'{"a":'), "instead of '{\"a\":1}'"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_compared_with_the_expected_one(name: str) -> None:
    answer, wanted = ANSWERS[name]
    found = difference(EXPECTED, answer)
    assert (found == "") if not wanted else (wanted in found)


def test_text_is_compared_to_the_byte() -> None:
    expected = Expected(media_type="text/html", body=b"<p>")
    assert difference(expected, Answer(200, (("content-type", "text/html"),), b"<p> "))


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
SUITES: dict[str, Callable[[Field, Plan, Callable[[str], None]], list[Measure]]] = {
    "calls": calls.run,
    "servers": servers.run,
    "uploads": uploads.run,
    "growth": growth.run,
}


@pytest.fixture(scope="module")
def field() -> Iterator[Field]:
    with gather([US, BARE], "") as gathered:
        yield gathered


@pytest.mark.parametrize("suite", SUITES)
def test_a_suite_measures_everything_of_both(suite: str, field: Field) -> None:
    said: list[str] = []
    measures = SUITES[suite](field, TINY, said.append)
    assert said
    assert {measure.suite for measure in measures} == {suite}
    for measure in measures:
        expected = {US} if measure.name.startswith("import") else {US, BARE}
        assert (set(measure.samples), set(measure.left_out)) == (expected, {US, BARE} - expected), measure.title


def test_the_command_saves_and_prints_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "made" / "here"
    arguments = ["--only", "calls", "--quick", "--peers", "micropie032", "--micropie032", "", "--out", str(out)]
    assert main(arguments) == 0
    report = reporting.load((out / "results.json").read_bytes())
    assert [measure.name for measure in report.measures] == list(workloads.CALLS)
    assert "no interpreter was named" in report.absent["micropie032"]
    assert {file.name for file in out.iterdir()} == {"results.json", "results.md", "calls.svg"}
    assert (out / "results.md").read_text().strip() == capsys.readouterr().out.strip()


# --- how much, and in which order ---


@pytest.mark.parametrize("plan", [FULL, QUICK])
def test_every_suite_has_a_budget_and_all_fit(plan: Plan) -> None:
    assert set(plan.budget) == set(SUITES)
    assert sum(plan.budget.values()) <= (120 if plan.quick else 900)


def test_a_spent_budget_leaves_the_first_round() -> None:
    assert list(Turns(3600).rounds(3)) == [0, 1, 2]
    assert list(Turns(-1).rounds(3)) == [0]


def test_everybody_is_the_first_in_turn() -> None:
    assert [in_turn("abc", number) for number in range(4)] == [list("abc"), list("bca"), list("cab"), list("abc")]
    assert in_turn([], 1) == []


# --- what follows from samples ---

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
def test_a_relative_speed(name: str) -> None:
    base, peer, better, expected = RELATIVES[name]
    assert relative(base, peer, better) == expected


def test_the_best_sample_is_the_lowest_cost_or_the_highest_rate() -> None:
    cost, rate = canned().measures
    assert (cost.best(US), rate.best(US), cost.best("falcon")) == (2.0, 1200.0, None)


def test_who_is_left_out_later_has_no_samples() -> None:
    measure = Measure("calls", "a", "A", "µs", "lower", US, {US: [1.0]})
    measure.leave_out(US, "fell over")
    assert (measure.best(US), measure.left_out) == (None, {US: "fell over"})


# --- the report ---


def canned() -> Report:
    """A run that nobody made."""
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
        remarks=["load by nobody"],
    )


def test_the_table_says_what_was_found_and_what_is_missing() -> None:
    text = reporting.markdown(canned())
    for line in (
        "|  | micropie | bare ASGI | Falcon | FastAPI |",
        "| Hello <JSON> & more (µs) | 2.00 | 1.00 (2.25, 2.12–2.38) | – | 40.0 (0.05) |",
        "| Rate (/s) | 1,200 (1.10, 1.05–1.15) | 1,000 | – | – |",
        "- Falcon has no hello: Hello <JSON> & more",
        "- Litestar: left out: No module named 'litestar'",
        "- load by nobody",
    ):
        assert line in text.splitlines()


def test_the_chart_has_a_bar_for_everybody_who_was_measured() -> None:
    for suite, bars in (("calls", 3), ("servers", 2)):
        drawing = ElementTree.fromstring(reporting.chart(canned(), suite))
        found = [rect for rect in drawing.iter("{http://www.w3.org/2000/svg}rect") if rect.get("fill") != "#ffffff"]
        assert len(found) == bars
        assert all(float(rect.get("width", "-1")) >= 0 for rect in found)


def test_the_saved_report_is_the_report(tmp_path: Path) -> None:
    files = reporting.save(canned(), tmp_path)
    assert [file.name for file in files] == ["results.json", "results.md", "calls.svg", "servers.svg"]
    assert reporting.load((tmp_path / "results.json").read_bytes()) == canned()


# --- load by wrk ---

WRK = """Running 1s test @ http://127.0.0.1:8000/hello
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.03ms  183.21us   5.51ms   91.30%
  34530 requests in 1.10s, 5.10MB read
{errors}Requests/sec:  31390.90
"""


def test_what_wrk_says_is_understood() -> None:
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
def test_a_load_with_errors_counts_for_nothing(output: str) -> None:
    with pytest.raises(load.LoadFailed):
        load.parse_wrk(output)


def test_the_script_for_wrk_sends_any_byte() -> None:
    script = load.lua(replace(workloads.HELLO, method="POST", body=b'"\\\n\xff', content_type="a/b"))
    assert script == (
        'wrk.method = "POST"\nwrk.body = "\\034\\092\\010\\255"\nwrk.headers["Content-Type"] = "a/b"\n'
    )  # fmt: skip


def test_a_frame_is_masked_and_short() -> None:
    assert text_frame("hi") == b"\x81\x82\x00\x00\x00\x00hi"
    with pytest.raises(ValueError, match="125"):
        text_frame("x" * 126)


# --- instructions ---


@pytest.mark.parametrize("app", instructions.APPS.values())
def test_the_requests_that_are_counted_are_answered(app: str) -> None:
    for workload in instructions.WORKLOADS:
        asyncio.run(instructions.requests(app, workload, 2))


def test_counts_are_held_against_the_recorded_ones() -> None:
    counts = {"hello": {"micropie": 1100, "bare": 500}, "typed": {"micropie": 2000, "bare": 900}}
    assert instructions.table(counts, {"hello": {"micropie": 1000, "bare": 500}}).splitlines() == [
        "                         now  recorded   change      bare",
        "hello                  1,100     1,000  +10.0 %       500",
        "typed                  2,000                          900",
    ]


def test_every_counted_workload_has_a_record() -> None:
    recorded = json.loads(instructions.RECORD.read_text())
    assert recorded["command"] == "python -m benchmarks.instructions --record"
    assert {name: set(counts) for name, counts in recorded["counts"].items()} == {
        name: set(instructions.APPS) for name in instructions.WORKLOADS
    }


def test_without_valgrind_nothing_is_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert instructions.main([]) == 2
    assert "apt-get install valgrind" in capsys.readouterr().err


VALGRIND = """#!/bin/sh
# Stands for valgrind, which takes a minute: runs what it is given, and counts 100 a request and 1000 besides.
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
def test_instructions_are_those_of_the_requests_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert instructions.measure(["hello"], few=1, many=3) == {"hello": {"micropie": 100, "bare": 100}}
    with pytest.raises(RuntimeError, match="nothing"):
        instructions.collected("micropie_app", "nothing", 1)
    assert instructions.main(["--only", "404"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["404", "100", "100"]
