from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from lewm_probe.cli import train as module
from lewm_probe.data.formats.hdf5.episodes import EpisodeWriter

from .conftest import Run

SMALL = (
    "model.image_size=16",
    "model.latent_width=8",
    "model.projector_hidden=8",
    "model.encoder.channels=[4, 4]",
    "model.encoder.width=8",
    "model.predictor.layers=1",
    "model.predictor.mlp_width=8",
    "objective.directions=8",
    "optimizer.batch=4",
    "optimizer.epochs=1",
    "optimizer.steps_per_epoch=3",
    "logging.every_steps=1",
    "data.validation_fraction=0.25",
)
"""The CPU recipe, three steps of a tiny model."""

SET = [word for item in SMALL for word in ("--set", item)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eight episodes of 24 rows, noise of 16 px."""
    rng = np.random.default_rng(0)
    path = tmp_path / "data.h5"
    with EpisodeWriter(path, [24] * 8, {"world": "two-room", "picture_size": 16}) as writer:
        for _ in range(8):
            actions = rng.uniform(-1, 1, (24, 2)).astype(np.float32)
            actions[-1] = np.nan
            pixels = rng.integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
            writer.append({"pixels": pixels, "action": actions})
    return path


def test_training_leaves_a_run_folder_and_a_summary(run: Run, data: Path) -> None:
    answer = run("train", "two-room/lewm-cpu", "--data", data, *SET, "--seed", "5", "--device=cpu")
    assert answer.exit_code == 0, answer.stderr
    assert answer.stdout.splitlines()[0].rstrip() == "Trained two-room/lewm-cpu"
    assert answer.stdout.splitlines()[-1] == (
        "Wrote runs/two-room/lewm-cpu-seed5/model.safetensors"
    )
    assert "latent_std" in answer.stdout
    assert "two-room/lewm-cpu, seed 5: step 1/3 · " in answer.stderr


def test_a_run_is_not_overwritten_and_a_finished_one_not_repeated(run: Run, data: Path) -> None:
    words = ["train", "two-room/lewm-cpu", "--data", data, "--out", "r", "--device", "cpu", *SET]
    first = run(*words, "--json")
    assert first.exit_code == 0, first.stderr
    reported = json.loads(first.stdout)
    assert reported["wrote"] == ["r/model.safetensors"]
    assert reported["last"]["step"] == 3
    weights = Path("r/model.safetensors").read_bytes()
    again = run(*words)
    assert again.exit_code == 2
    assert again.stderr == (
        "Error: r already holds a run. Add --resume to go on with it, or choose another folder "
        "with --out.\n"
    )
    resumed = run(*words, "--resume")
    assert resumed.exit_code == 0
    assert Path("r/model.safetensors").read_bytes() == weights


def test_ctrl_c_says_how_to_go_on(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lewm_probe.training.loop.train", stop)
    answer = run("train", "two-room/lewm-cpu", "--data", data, "--out", "r")
    assert answer.exit_code == 1
    assert answer.stderr == (
        "Error: Stopped. The run so far is kept in r; go on with the same command and --resume.\n"
    )


def test_without_data_the_command_that_makes_it_is_named(run: Run) -> None:
    answer = run("train", "two-room/lewm-cpu")
    assert answer.exit_code == 2
    path = "runs/data/two-room-64px-600-goal-seed0.h5"
    command = (
        "lewm-probe data collect two-room --episodes 600 --mode goal --length 101 --size 64 "
        f"--seed 0 --out {path}"
    )
    assert answer.stderr == (
        f"Error: The recipe two-room/lewm-cpu needs a data set and none is at {path}. Give one "
        f"with --data, or collect the one it was made for: {command}\n"
    )
    # The command named is one that works, and its file is then found.
    small = command.replace("--episodes 600", "--episodes 2").replace("--length 101", "--length 5")
    assert run(*small.split()[1:], "--workers", "1", "--quiet").exit_code == 0
    assert os.listdir("runs/data") == [Path(path).name]
    assert "needs a data set" not in run("train", "two-room/lewm-cpu").stderr


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "optimizer.lr=1",
            "The recipe with its overrides has an unknown key 'optimizer.lr'. Known keys there: "
            "accumulate, batch, epochs, gradient_clip, learning_rate, steps_per_epoch, "
            "warmup_fraction, weight_decay.",
        ),
        (
            "seed=one",
            "The recipe with its overrides: 'seed' is 'one'. Input should be a valid integer. "
            "Fix this value.",
        ),
        ("seed", "'seed' is not an override. Write it as key=value, e.g. seed=1."),
    ],
)
def test_bad_overrides(run: Run, override: str, message: str) -> None:
    answer = run("train", "two-room/lewm-cpu", "--set", override)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr == f"Error: {message}\n"
    assert not Path("runs").exists()


def test_the_last_record_of_nothing(tmp_path: Path) -> None:
    assert module.last_record(tmp_path) == {}
