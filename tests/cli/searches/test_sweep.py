"""``sweep`` as a command: one tiny real sweep with a cell that diverges, and its plan."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml

from lewm_probe.core.processes.locks import alone
from lewm_probe.data.collect import collect
from tests.cli.conftest import Run
from tests.cli.test_demo import TINY

FILE = {
    "name": "tiny",
    "base": "two-room/lewm-cpu",
    "set": {
        **{key: yaml.safe_load(value) for key, _, value in (item.partition("=") for item in TINY)},
        "optimizer.epochs": 1,
    },
    "seeds": [1],
    "trajectories": 4,
    "axes": [
        {
            "name": "rate",
            "label": "learning rate",
            "paper": "none",
            "cells": [
                {"label": "0.01"},
                {"label": "huge", "set": {"optimizer.learning_rate": 1e30}},
            ],
        }
    ],
}
WORDS = ["sweep", "s.yaml", "--data", "d.h5", "--out", "s", "--device", "cpu"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(yaml.safe_dump(FILE))
    return path


def test_a_real_sweep_in_small_and_nothing_of_it_twice(
    run: Run, file: Path, tmp_path: Path
) -> None:
    collect("two-room", 8, tmp_path / "d.h5", size=16, length=40)
    answer = run(*WORDS, "--json", "--jobs", "2")
    assert answer.exit_code == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert told["wrote"] == ["s/sweep.md", "s/cells.csv"]
    good, bad = told["rows"]
    assert (good["status"], bad["status"]) == ("measured", "diverged")
    assert "is nan at step 1. Training stopped" in bad["why"]
    measures = [
        *("probe_linear_r2", "probe_mlp_r2", "teleport_auroc_over_copy_last"),
        *("rollout_error_over_copy_last", "effective_rank"),
    ]
    assert all(isinstance(good[name], float) for name in measures)
    with open("s/cells.csv") as table:
        first = next(csv.DictReader(table))
    assert float(first["effective_rank"]) == pytest.approx(good["effective_rank"])
    before = {p: p.stat().st_mtime_ns for p in Path("s").rglob("*.safetensors")}
    results = {p: p.stat().st_mtime_ns for p in Path("s/measured").rglob("results.json")}
    assert run(*WORDS, "--quiet").exit_code == 0
    final = Path("s/runs/base/seed-1/model.safetensors")
    assert final.stat().st_mtime_ns == before[final]
    assert {p: p.stat().st_mtime_ns for p in results} == results


def test_the_plan_alone(run: Run) -> None:
    answer = run("sweep", "two-room-ablations", "--dry-run", "--json", "--device", "cpu")
    assert answer.exit_code == 0, answer.stderr
    training, measuring = json.loads(answer.stdout)["plan"]
    assert training["what"].startswith("25 cells, 2 seeds: 50 runs, ")
    assert measuring["what"] == "50 checkpoints, 50 trajectories a condition"
    assert training["minutes"] > 0 and measuring["minutes"] > 0
    assert not Path("runs").exists()


def test_two_sweeps_do_not_share_a_folder(run: Run, file: Path, tmp_path: Path) -> None:
    (tmp_path / "d.h5").write_bytes(b"")
    with alone(Path("s")):
        answer = run(*WORDS, "--quiet")
    assert answer.exit_code == 1
    assert answer.stderr == (
        "Error: Another lewm-probe is writing in s. Wait for it, or choose another place with "
        "--out.\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["s.yam"],
            "Unknown sweep 's.yam'. Known: two-room-ablations.",
        ),
        (
            ["s.yaml", "--seed", "1", "--seeds", "1-2"],
            "Give only one of --seed and --seeds: --seeds names every seed itself.",
        ),
        (
            ["s.yaml", "--fast", "--steps", "9"],
            "Give only one of --fast and --steps: both say how long to train.",
        ),
        (
            ["s.yaml", "--data", "none.h5"],
            "There is no data set at none.h5. Check the path given with --data.",
        ),
    ],
)
def test_what_cannot_be_swept_is_told(run: Run, file: Path, words: list[str], message: str) -> None:
    answer = run("sweep", *words, "--device", "cpu", "--quiet")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr == f"Error: {message}\n"
