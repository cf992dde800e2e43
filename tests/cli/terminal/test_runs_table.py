"""Several trainings on a terminal and in a log."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console as RichConsole

from lewm_probe.cli.terminal import live as module
from lewm_probe.cli.terminal.console import Console
from lewm_probe.cli.terminal.runs_table import RunsTable
from lewm_probe.search.training import FailedRun, Run
from lewm_probe.training.recipe import load_recipe

RECIPE = load_recipe("two-room/lewm-cpu")
RUNS = [Run(name, RECIPE, Path("d"), Path(name)) for name in ("a-1", "a-2", "a-3", "a-4")]


def fill(shown: RunsTable) -> None:
    for run in RUNS:
        shown.begin(run)
    for step in (10, 20):
        values = {"step": step, "loss": 4.0 / step, "total_steps": 40, "seconds_left": 75.0}
        shown.record(RUNS[0], {"split": "train", **values})
    shown.record(RUNS[0], {"split": "validation", "step": 20, "loss": 0.25, "total_steps": 40})
    shown.end(RUNS[1], None)
    shown.end(RUNS[2], FailedRun("a-3", "[/x] is no path."))


def test_a_row_says_how_far_each_run_is() -> None:
    shown = RunsTable(Console(quiet=True), "four runs")
    fill(shown)
    page = io.StringIO()
    RichConsole(file=page, width=80).print(shown.table())
    rows = {
        cells[0]: cells[1:]
        for line in page.getvalue().splitlines()
        if line.startswith("│")
        for cells in [[cell.strip() for cell in line.strip("│").split("│")]]
    }
    assert rows == {
        "a-1": ["50 %", "0.200", "0.250", "1 min 15 s", "█▁"],
        "a-2": ["done", "", "", "", ""],
        "a-3": ["failed", "", "", "", ""],
        "a-4": ["waits", "", "", "", ""],
    }
    assert shown.line() == "four runs: 2 of 4 done · a-1 50 %, 1 min 15 s left"


def test_in_a_log_a_line_when_a_run_ends(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunsTable(Console(), "four runs") as shown:
        fill(shown)
    assert capsys.readouterr().err == "a-2: trained\na-3: [/x] is no path.\n"
    monkeypatch.setattr(module, "LINE_EVERY", 0.0)
    with RunsTable(Console(), "four runs") as shown:
        fill(shown)
    first = capsys.readouterr().err.splitlines()[0]
    assert first == "four runs: 0 of 4 done · a-1 25 %, 1 min 15 s left"


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with RunsTable(Console(quiet=True), "four runs") as shown:
        fill(shown)
    assert capsys.readouterr() == ("", "")
