"""The audit as a whole: questions, report, cards, comparison, gate. Analyses are faked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lewm_probe.core.progress import Progress
from lewm_probe.reports.page.write import Report
from lewm_probe.results.analyses import in_order
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric

from .conftest import Asked, Run

Make = Callable[..., Path]

ANALYSES = [analysis.name for analysis in in_order() if analysis.by_default]


def test_an_audit_asks_everything_then_reports(
    run: Run, make_checkpoint: Make, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[tuple[Result, Path, str | None]] = []

    def write_report(
        result: Result, folder: Path, *, title: str | None, progress: Progress
    ) -> Report:
        published.append((result, folder, title))
        return Report(folder, folder / "report.html", folder / "report.md", (), ())

    monkeypatch.setattr("lewm_probe.reports.page.write.write_report", write_report)
    one, two = make_checkpoint("one.safetensors"), make_checkpoint("two.safetensors", "pldm")
    words = ["audit", f"a={one}", f"b={two}", "--title", "T", "--device", "cpu"]
    asked.stop_at = "rollout"
    stopped = run(*words)
    assert stopped.exit_code == 1
    assert stopped.stdout == ""
    assert stopped.stderr == (
        "Error: Stopped. Analyses that were finished are kept and are not repeated when the same "
        "command is run again.\n"
    )
    asked.stop_at = None
    answer = run(*words)
    assert answer.exit_code == 0, answer.stderr
    assert asked.names == list(ANALYSES)
    assert asked.calls[0][1] == ["a, training seed 0, step 10", "b, training seed 0, step 10"]
    ((result, folder, title),) = published
    assert (folder, title) == (Path("runs/two-room/audit"), "T")
    assert {m.analysis for m in result.metrics} == set(ANALYSES)
    assert answer.stdout.splitlines()[-2:] == [
        "Wrote runs/two-room/audit",
        "Wrote runs/two-room/audit/report.html",
    ]


def test_one_that_cannot_be_loaded_loses_nobody(
    run: Run, make_checkpoint: Make, asked: Asked
) -> None:
    good, cut = make_checkpoint("good.safetensors"), make_checkpoint("cut.safetensors", "pldm")
    whole = cut.read_bytes()
    cut.write_bytes(whole[:-5])
    answer = run("audit", f"a={good}", f"b={cut}", "--device", "cpu", "--out", "x")
    assert answer.exit_code == 1
    assert {m.model for m in Result.load(Path("x")).metrics} == {"a"}
    reason = (
        f"{cut} is not a whole safetensors file: it is of another kind, or was cut short "
        f"({len(whole) - 5:,} bytes are there). Copy it again, or give a checkpoint made by "
        "`lewm-probe train`."
    )
    first, *_, last = answer.stderr.splitlines()
    assert first == f"b={cut} was left out of all analyses: {reason}"
    assert last == (
        f"Error: 1 checkpoint was left out (b={cut}). What was found is in x. b={cut} was "
        f"left out of all analyses: {reason}"
    )


def test_one_that_fails_in_an_analysis_is_asked_the_others(
    run: Run, make_checkpoint: Make, asked: Asked
) -> None:
    words = [f"a={make_checkpoint('a.safetensors')}", f"b={make_checkpoint('b.safetensors')}"]
    asked.fails["voe"] = "b"
    answer = run("audit", *words, "--device", "cpu", "--out", "x")
    assert answer.exit_code == 1
    reported = "b, training seed 0, step 10 was left out of voe: It has no idea."
    assert answer.stderr.splitlines() == [
        reported,
        "Error: 1 checkpoint was left out (b, training seed 0, step 10). What was found is "
        f"in x. {reported}",
    ]
    result = Result.load(Path("x"))
    assert [(m.model, m.analysis) for m in result.metrics if m.model == "b"] == [
        ("b", name) for name in ANALYSES if name != "voe"
    ]
    assert [reported] == [n for p in result.provenance for n in p.notes if "no idea" in n]
    assert asked.names == list(ANALYSES)  # voe was asked again, of a alone
    assert asked.calls[1][1] == ["a, training seed 0, step 10"]


def test_an_analysis_in_which_all_fail_is_missing(
    run: Run, make_checkpoint: Make, asked: Asked
) -> None:
    words = [f"a={make_checkpoint()}", "--device", "cpu", "--out", "x"]
    asked.fails["probe"] = "a"
    answer = run("audit", *words)
    assert answer.exit_code == 1
    reported = "a, training seed 0, step 10 was left out of probe: It has no idea."
    assert answer.stderr.splitlines() == [
        reported,
        "Error: 1 checkpoint was left out (a, training seed 0, step 10). What was found is "
        f"in x. {reported}",
    ]
    result = Result.load(Path("x"))
    assert {m.analysis for m in result.metrics} == set(ANALYSES) - {"probe"}
    assert [note for p in result.provenance for note in p.notes].count(reported) == 1
    asked.fails |= dict.fromkeys(ANALYSES, "a")
    hopeless = run("audit", *words, "--seed", "9")
    assert hopeless.exit_code == 1
    assert hopeless.stderr.splitlines()[-1] == "Error: It has no idea."
    assert run("probe", *words).stderr == "Error: It has no idea.\n"


def test_a_card_for_each_checkpoint(run: Run, make_checkpoint: Make, asked: Asked) -> None:
    from huggingface_hub import ModelCard

    words = [
        f"a={make_checkpoint('a.safetensors')}",
        f"b={make_checkpoint('b.safetensors', seed=2)}",
    ]
    asked.metric = ("geometry", "effective_rank")
    answer = run("audit", *words, "--device", "cpu", "--out", "x")
    assert answer.exit_code == 0, answer.stderr
    cards = sorted(Path("x/cards").glob("*.md"))
    assert len(cards) == 2
    assert answer.stdout.splitlines()[-2:] == [f"Wrote {card}" for card in cards]
    (result,) = ModelCard.load(cards[1]).data.eval_results
    assert result.metric_value == 0.25


def test_against_a_published_result(run: Run, make_checkpoint: Make, asked: Asked) -> None:
    ours = f"lewm={make_checkpoint('a.safetensors')}"
    asked.metric = ("geometry", "effective_rank")
    assert run("audit", ours, "--device", "cpu", "--out", "published").exit_code == 0
    shutil.rmtree("published/parts")
    answer = run("audit", ours, "--device", "cpu", "--out", "x", "--against", "old=published")
    assert answer.exit_code == 0, answer.stderr
    result = Result.load(Path("x"))
    assert {m.model for m in result.metrics} == {"lewm", "lewm (old)"}
    (difference,) = (m for m in result.metrics if m.versus == "lewm (old)")
    assert (difference.metric, difference.value) == ("effective_rank_difference_stored", 0.0)
    reported = run("audit", ours, "--device", "cpu", "--out", "x", "--against", "nowhere")
    assert reported.exit_code == 1
    assert reported.stderr == (
        "Error: nowhere holds no results.json. Give a folder that an analysis wrote with --out, "
        "for example the one `lewm-probe voe` names at its end.\n"
    )
    twice = ["--against", "published", "--against", "published"]
    reported = run("audit", ours, "--device", "cpu", "--out", "x", *twice)
    assert reported.exit_code == 2
    assert reported.stderr == (
        "Error: --against published has the name of another one. Write NAME=FOLDER, with another "
        "name for each.\n"
    )


def test_results_of_another_world_are_told_before_the_work(
    run: Run, make_checkpoint: Make, asked: Asked
) -> None:
    other = Metric(model="a", family="a", world="push-t", analysis="voe", metric="auroc", value=1)
    Result([], [], [other]).save(Path("elsewhere"))
    reported = run("audit", make_checkpoint(), "--device", "cpu", "--against", "elsewhere")
    assert reported.exit_code == 1
    assert reported.stderr == (
        "Error: The results to compare with, 'elsewhere', are of push-t; these are of two-room. "
        "Give results of the same world.\n"
    )
    assert asked.calls == []


def test_a_gate(run: Run, make_checkpoint: Make, asked: Asked) -> None:
    words = ["audit", f"a={make_checkpoint()}", "--device", "cpu", "--out", "x", "--gate", "g.yaml"]
    asked.metric = ("geometry", "effective_rank")
    threshold = "{analysis: geometry, metric: effective_rank, at_least: LEAST}"
    Path("g.yaml").write_text(f"thresholds: [{threshold.replace('LEAST', '0.2')}]")
    assert run(*words).exit_code == 0
    Path("g.yaml").write_text(f"thresholds: [{threshold.replace('LEAST', '0.3')}]")
    failed = run(*words, "--json")
    assert failed.exit_code == 1
    assert failed.stderr.startswith("Error: ")
    assert "g.yaml" in failed.stderr and "0.25" in failed.stderr and "0.3" in failed.stderr
    (outcome,) = json.loads(failed.stdout)["gate"]
    assert outcome["passed"] is False
    assert Path("x/report.html").is_file()  # what was found is there to be looked at
    asked.calls.clear()
    Path("g.yaml").write_text("thresholds: []")
    assert run(*words, "--seed", "9").exit_code == 2
    assert asked.calls == []  # told before the work
    slip = "{analysis: geometry, metric: efective_rank, at_least: 0}"
    Path("g.yaml").write_text(f"thresholds: [{slip}]")
    answer = run(*words, "--seed", "9")
    assert (answer.exit_code, asked.calls) == (2, [])
    assert answer.stderr == (
        "Error: Threshold 1 of the gate, “geometry efective_rank”, would fit no number of this "
        "audit: 'metric: efective_rank' will not be there. Did you mean 'effective_rank'? Known: "
        "dimension_variance, effective_rank, participation_ratio, r2, sigreg, trace_cov. Nothing "
        "was measured yet: fix the gate.\n"
    )


FAST = (
    "Asked with --fast: 24 trajectories a condition, 500 resamples an interval and no curves over "
    "training. This is a quick look, not numbers to publish."
)


def test_a_quick_look_says_so_everywhere(run: Run, make_checkpoint: Make, asked: Asked) -> None:
    for step in (0, 5):
        make_checkpoint(f"r/checkpoints/step_{step:07d}.safetensors", step=step)
    make_checkpoint("r/model.safetensors")
    asked.metric = ("geometry", "effective_rank")
    threshold = "{analysis: geometry, metric: effective_rank, at_least: 0.3}"
    Path("g.yaml").write_text(f"thresholds: [{threshold}]")
    words = ["audit", "a=r", "--device", "cpu", "--out", "x", "--fast", "--gate", "g.yaml"]
    failed = run(*words, "--json")
    assert failed.exit_code == 1
    assert failed.stderr.startswith(
        "Error: 1 of 1 numbers did not pass the gate g.yaml on a quick look (--fast), whose "
        "numbers are rough. "
    )
    told = json.loads(failed.stdout)["provenance"]
    assert [p["settings"]["fast"] for p in told] == [True] * len(ANALYSES)
    assert all(FAST in p["notes"] for p in told)
    shortened = [
        p["settings"]["analysis"] for p in told if any("120 steps" in n for n in p["notes"])
    ]
    assert shortened == ["voe"]
    assert {(c[2].voe.trajectories, c[3]) for c in asked.calls} == {(24, 0)}  # no curve
    assert FAST in run(*words).stdout.replace("\n", " ")
    for page in ("report.md", "report.html"):
        text = Path("x", page).read_text()
        assert "A quick look with --fast, not numbers to publish." in text
        assert FAST in text
    (card,) = Path("x/cards").glob("*.md")
    assert FAST in card.read_text()


def test_a_whole_audit_is_called_no_quick_look(
    run: Run, make_checkpoint: Make, asked: Asked
) -> None:
    answer = run("audit", f"a={make_checkpoint()}", "--device", "cpu", "--out", "x", "--json")
    assert all("fast" not in p["settings"] for p in json.loads(answer.stdout)["provenance"])
    assert "quick look" not in Path("x/report.md").read_text()


def test_a_model_of_ones_own(run: Run, asked: Asked) -> None:
    Path("mine.py").write_text(OWN_MODEL)
    words = ["--device", "cpu", "--out", "x"]
    answer = run("audit", "--model", "mine:make", "--model", "b=mine:make@7", *words)
    assert answer.exit_code == 0, answer.stderr
    assert asked.calls[0][1] == ["mine, step 1", "b, step 7"]
    assert run("audit", *words).stderr == (
        "Error: No checkpoint was given. Name at least one, for example `lewm-probe voe "
        "lewm=runs/lewm pldm=runs/pldm`.\n"
    )


OWN_MODEL = """
import torch
from lewm_probe.models import ModelSpec, WorldModel

class Mine(WorldModel):
    def __init__(self, step):
        self.spec = ModelSpec("mine", 1, 5, 16, "continuous", 10, 2, world="two-room", step=step)
    def encode(self, observation):
        return observation.float().mean((-2, -3))[..., :2]
    def predict(self, latents, actions):
        return latents

def make(path="1"):
    return Mine(int(path))
"""
