"""``correlate`` as a command, on measures and planning of the same checkpoints in two folders."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner
from typer.testing import Result as Answer

from lewm_probe.cli.correlate import correlate
from lewm_probe.cli.terminal.deferred import add_command
from lewm_probe.cli.terminal.errors import ReadableErrors
from lewm_probe.results.result import Result
from tests.reports.understanding.made import Design, make_planned

Run = Callable[..., Answer]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    app = typer.Typer(cls=ReadableErrors, pretty_exceptions_enable=False)
    app.callback()(lambda: None)
    add_command(app, "correlate", correlate)

    def invoke(*words: str) -> Answer:
        return CliRunner().invoke(app, ["correlate", *words], prog_name="lewm-probe")

    return invoke


FEW: Design = [("lewm", "lewm", range(6), (900,))]


@pytest.fixture
def stored(tmp_path: Path) -> None:
    make_planned(FEW, plan=False).save(tmp_path / "measured")
    make_planned(FEW, measure=False).save(tmp_path / "planned")


@pytest.mark.usefixtures("stored")
def test_folders_are_put_together_and_a_table_ends_it(run: Run) -> None:
    answer = run("measured", "planned", "--out", "there")
    assert answer.exit_code == 0, answer.stderr
    assert answer.stdout.endswith("Wrote there\nWrote there/report.html\n")
    shown = [line for line in answer.stdout.splitlines() if "Position R²" in line]
    assert len(shown) == 1
    assert re.search(r"│ +[01]\.\d+ \[−?\d\.\d+, 1\.0+\] │ 0\.\d+ │", shown[0]), shown
    assert "TwoRoom" in answer.stdout
    assert len(Result.load(Path("there")).models) == 6


@pytest.mark.usefixtures("stored")
def test_as_json_from_a_seed_with_the_default_place(run: Run) -> None:
    answers = [run("measured", "planned", "--json", *seed) for seed in ((), ("--seed", "3"))]
    told = [json.loads(answer.stdout) for answer in answers]
    assert told[0] != told[1]
    assert told[0]["wrote"] == ["runs/correlate", "runs/correlate/report.html"]
    (world,) = told[0]["worlds"]
    assert (world["world"], world["solver"], world["pairs"]) == ("two-room", "cem", 60)
    stored = json.loads(Path("runs/correlate/study.json").read_text())
    assert stored["provenance"]["seeds"] == {"correlation": 3}
    assert stored["provenance"]["settings"] == {
        "analysis": "correlate",
        "asked": {"solver": "cem", "rule": "released", "window": "any"},
    }


@pytest.mark.usefixtures("stored")
def test_quiet_says_nothing_and_windows_are_chosen(run: Run) -> None:
    answer = run("measured", "planned", "--quiet", "--window", "end", "--out", "there")
    assert (answer.exit_code, answer.stdout, answer.stderr) == (0, "", "")
    assert json.loads(Path("there/study.json").read_text())["worlds"][0]["window"] == "end"


def test_a_world_without_enough_is_noted(run: Run, tmp_path: Path) -> None:
    make_planned(FEW).save(tmp_path / "one")
    make_planned([("lewm", "lewm", (1,), (300,))], world="push-t").save(tmp_path / "two")
    answer = run("one", "two", "--wide")
    assert answer.exit_code == 0, answer.stderr
    assert "Note: Only 1 checkpoints of Push-T have both" in answer.stdout


@pytest.mark.usefixtures("stored")
def test_what_cannot_be_asked_is_said_and_nothing_written(run: Run) -> None:
    answer = run("measured", "planned", "--solver", "mppi", "--out", "there")
    assert answer.exit_code == 1
    assert answer.stderr == (
        "Error: No checkpoint of these results has planned with the solver 'mppi' under the rule "
        "'released' in the window 'any'. They hold (solver / rule / window): cem / released / any; "
        "cem / released / end. Choose one of them with --solver, --rule and --window, or plan with "
        "that solver by `lewm-probe plan`.\n"
    )
    assert not Path("there").exists()
    answer = run("measured", "nowhere")
    assert answer.exit_code == 1
    assert answer.stderr == (
        "Error: nowhere holds no results.json. Give a folder that an analysis wrote with --out, "
        "for example the one `lewm-probe voe` names at its end.\n"
    )
    answer = run("measured", "planned", "--out", "measured")
    assert answer.exit_code == 1
    assert answer.stderr == (
        "Error: measured holds the results of something else, which the study would replace by "
        "those few that it reads. Choose another folder with --out.\n"
    )
