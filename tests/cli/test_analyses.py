"""The flow of analyses: what is asked, saved and not repeated. The analyses are faked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.auditing.sizes import with_numbers
from lewm_probe.core.config import load_yaml
from lewm_probe.core.resources import find_suite
from lewm_probe.results.analyses import in_order
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric, Provenance
from lewm_probe.results.table import as_records

from .conftest import Asked, Run

Make = Callable[..., Path]

ANALYSES = [analysis.name for analysis in in_order()]


@pytest.mark.parametrize("name", ANALYSES)
def test_an_analysis_is_asked_saved_and_summarised(
    run: Run, make_checkpoint: Make, asked: Asked, name: str
) -> None:
    path = make_checkpoint()
    answer = run(name, f"a={path}", "--device", "cpu")
    assert answer.exit_code == 0, answer.stderr
    assert answer.stdout.splitlines()[-2:] == [
        f"Note: a note on {name}",
        f"Wrote runs/two-room/{name}",
    ]
    stored = Result.load(Path("runs/two-room") / name)
    assert [m.analysis for m in stored.metrics] == [name]
    (entry,) = stored.provenance
    assert entry.command.startswith("lewm-probe")
    assert entry.settings["suite"]["world"] == "two-room"
    assert entry.seeds == {"evaluation": 7}
    assert set(entry.fingerprints) == {"inputs", "a, training seed 0, step 10"}
    assert entry.wall_seconds is not None
    assert entry.notes == [f"a note on {name}"]


def test_json_carries_the_whole_result(run: Run, make_checkpoint: Make, asked: Asked) -> None:
    answer = run("voe", f"a={make_checkpoint()}", "--json", "--out", "x", "--device", "cpu")
    reported = json.loads(answer.stdout)
    assert reported["wrote"] == ["x"]
    stored = Result.load(Path("x"))
    records = as_records(reported["metrics"])
    assert tuple(Metric.model_validate(metric) for metric in records) == stored.metrics
    assert tuple(Provenance.model_validate(p) for p in reported["provenance"]) == stored.provenance


def test_the_same_question_is_not_asked_twice(
    run: Run, make_checkpoint: Make, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["voe", f"a={make_checkpoint()}", "--out", "x", "--device", "cpu"]
    for _ in range(2):
        assert run(*words).exit_code == 0
    assert len(asked.calls) == 1
    run(*words, "--seed", "8")
    assert len(asked.calls) == 2
    run(*words, "-n", "20", "--seed", "8")
    assert len(asked.calls) == 3
    make_checkpoint(seed=0, latent_width=9)
    run(*words, "-n", "20", "--seed", "8")
    assert len(asked.calls) == 4
    monkeypatch.setattr("lewm_probe.results.provenance.code_version", lambda: "other code")
    run(*words, "-n", "20", "--seed", "8")
    assert len(asked.calls) == 5
    cut = Path("x/results.json").read_text()[:200]
    Path("x/results.json").write_text(cut)
    run(*words, "-n", "20", "--seed", "8")
    assert len(asked.calls) == 6


def test_run_folders_bring_their_checkpoints_unless_told_not_to(
    run: Run, make_checkpoint: Make, asked: Asked, tmp_path: Path
) -> None:
    for step in (0, 5):
        make_checkpoint(f"r/checkpoints/step_{step:07d}.safetensors", step=step)
    make_checkpoint("r/model.safetensors")
    assert run("probe", "a=r", "--device", "cpu").exit_code == 0
    assert run("probe", "a=r", "--device", "cpu", "--no-curve").exit_code == 0
    assert [call[3] for call in asked.calls] == [2, 0]


def test_more_or_fewer_trajectories_scale_all_sets_alike() -> None:
    suite = load_yaml(find_suite("two-room"), Suite, "suite")
    half = with_numbers(suite, 100, None)
    assert (half.probe.train, half.probe.validation, half.probe.test) == (200, 50, 100)
    assert (half.voe.trajectories, half.voe.disjoint, half.seed) == (100, 100, suite.seed)
    assert half.clean.trajectories == 100
    few = with_numbers(suite, 4, 9)
    assert (few.probe.train, few.probe.validation, few.probe.test) == (10, 5, 5)
    assert (few.voe.trajectories, few.voe.disjoint, few.seed) == (4, 4, 9)
    assert Suite.model_validate_json(few.model_dump_json()) == few
    assert with_numbers(suite, None, None) == suite


def own_suite(**changes: Any) -> Path:
    import yaml

    raw = yaml.safe_load(find_suite("two-room").read_text())
    Path("own.yaml").write_text(yaml.safe_dump(raw | changes))
    return Path("own.yaml")


def test_a_suite_of_ones_own(run: Run, make_checkpoint: Make, asked: Asked) -> None:
    path = make_checkpoint()
    assert run("voe", path, "--suite", own_suite(seed=3), "--device", "cpu").exit_code == 0
    assert asked.calls[0][2].seed == 3


def refused(run: Run, *words: str | Path) -> str:
    answer = run(*words, "--device", "cpu")
    assert answer.exit_code in (1, 2)
    assert answer.stdout == ""
    assert not Path("runs").exists()
    assert answer.stderr.startswith("Error: ")
    return answer.stderr.removeprefix("Error: ").removesuffix("\n")


def test_questions_that_cannot_be_asked(run: Run, make_checkpoint: Make, asked: Asked) -> None:
    path = make_checkpoint()
    homeless = make_checkpoint("homeless.safetensors", world=None)
    pusher = make_checkpoint("pusher.safetensors", world="push-t")
    wide = make_checkpoint("wide.safetensors", env_action_width=5)
    assert refused(run, "voe", homeless) == (
        "The checkpoints do not say their world. Name the one to ask in with --world."
    )
    assert refused(run, "voe", f"a={path}", f"b={pusher}") == (
        "The checkpoints come from several worlds (push-t, two-room). "
        "Name the one to ask in with --world."
    )
    assert refused(run, "voe", path, "--world", "two-rooms") == (
        "Unknown world or data set 'two-rooms'. Did you mean 'two-room'? Known: push-t, "
        "push-t-gym, two-room."
    )
    assert refused(run, "voe", path, "--suite", "two-room", "--world", "push-t") == (
        "The suite two-room asks in the world two-room, but --world says push-t. "
        "Give only one of --suite and --world."
    )
    assert refused(run, "voe", path, "--suite", own_suite(sede=3)) == (
        "suite own.yaml has an unknown key 'sede'. Did you mean 'seed'? Known keys there: clean, "
        "decode, geometry, map, plan, probe, random_encoder, rollout, seed, statistics, "
        "straightness, voe, world."
    )
    assert refused(run, "voe", f"w={wide}") == (
        "The checkpoint w, training seed 0, step 10 takes action blocks of width 25, but the world "
        "two-room gives blocks of width 10 (5 steps of 2 numbers). Give a checkpoint that was "
        "trained on two-room episodes with frame_skip 5, or name the world it was trained on with "
        "--world."
    )
    assert refused(run, "audit", f"a={path}", "x=nowhere") == (
        "There is no checkpoint at nowhere (given for 'x'). Give a run folder, a .safetensors "
        "file, a folder with config.json and weights.pt, or hf://user/repo."
    )
    assert asked.calls == []
