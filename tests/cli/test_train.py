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
    assert answer.stdout.splitlines()[0].rstrip() == "Trained two-room/lewm-cpu, 3 steps"
    header = answer.stdout.splitlines()[2].split()
    assert [word for word in header if word.isalpha()] == ["training", "validation"]
    rows = {line.strip("│ ").split("│")[0].strip(): line for line in answer.stdout.splitlines()}
    assert {"loss", "prediction", "sigreg", "latent std", "effective rank"} <= rows.keys()
    assert answer.stdout.splitlines()[-1] == (
        "Wrote runs/two-room/lewm-cpu-seed5/model.safetensors"
    )
    assert "two-room/lewm-cpu, seed 5: step 1/3 · " in answer.stderr


def test_a_run_is_not_overwritten_and_a_finished_one_not_repeated(run: Run, data: Path) -> None:
    words = ["train", "two-room/lewm-cpu", "--data", data, "--out", "r", "--device", "cpu", *SET]
    first = run(*words, "--json")
    assert first.exit_code == 0, first.stderr
    reported = json.loads(first.stdout)
    assert reported["wrote"] == ["r/model.safetensors"]
    assert reported["last"]["step"] == 3
    assert reported["validation"]["step"] == 3
    assert reported["validation"].keys() == {*reported["last"], "effective_rank"}
    assert 1 <= reported["validation"]["effective_rank"] <= 8
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


def test_a_fast_run_is_short_and_says_so(run: Run, data: Path) -> None:
    words = ["train", "two-room/lewm-cpu", "--data", data, "--device", "cpu", "--fast", "--json"]
    answer = run(*words, *SET)
    assert answer.exit_code == 0, answer.stderr
    folder = Path("runs/two-room/lewm-cpu-fast-seed3072")
    assert json.loads(answer.stdout)["run"] == str(folder)
    from lewm_probe.analyses.engine.asked.checkpoint import load_checkpoints
    from lewm_probe.auditing.request import notes_on
    from lewm_probe.training.recipe import read_recipe
    from lewm_probe.worlds import make_world

    assert read_recipe(folder / "recipe.yaml").name == "two-room/lewm-cpu (fast)"
    [checkpoint] = load_checkpoints([f"quick={folder}"])
    assert checkpoint.entry.config["recipe"] == "two-room/lewm-cpu (fast)"
    assert notes_on([checkpoint], make_world("two-room")) == [
        f"{checkpoint.label} was trained with --fast, for far fewer steps than its recipe says: a "
        "quick look, not numbers to publish."
    ]


def test_seeds_train_a_folder_each_and_go_on(run: Run, data: Path) -> None:
    words = ["train", "two-room/lewm-cpu", "--data", data, "--device=cpu", "--out", "r", *SET]
    answer = run(*words, "--seeds", "1-2", "--json")
    assert answer.exit_code == 0, answer.stderr
    reported = json.loads(answer.stdout)
    assert [one["run"] for one in reported["runs"]] == ["r/seed-1", "r/seed-2"]
    weights = {k: Path(f"r/seed-{k}/model.safetensors").read_bytes() for k in (1, 2)}
    assert weights[1] != weights[2]
    again = run(*words, "--seeds", "1-3")
    assert again.exit_code == 2
    assert again.stderr == (
        "Error: r/seed-1 already holds a run. Add --resume to go on with it, or choose another "
        "folder with --out.\n"
    )
    more = run(*words, "--seeds", "1-3", "--resume")
    assert more.exit_code == 0, more.stderr
    assert more.stdout.splitlines()[-1] == "Wrote r/seed-3/model.safetensors"
    assert "seed 3: trained" in more.stderr
    for k, before in weights.items():
        assert Path(f"r/seed-{k}/model.safetensors").read_bytes() == before
    alone = run("train", *words[1:5], "--out", "one", *SET, "--device=cpu", "--seed", "2", "-q")
    assert alone.exit_code == 0, alone.stderr
    assert Path("one/model.safetensors").read_bytes() == weights[2]


def test_a_run_that_fails_is_named_and_the_others_go_on(run: Run, data: Path) -> None:
    Path("r/seed-1").mkdir(parents=True)
    Path("r/seed-1/resume.safetensors").write_bytes(b"cut short")
    words = ["train", "two-room/lewm-cpu", "--data", data, "--device=cpu", "--out", "r", *SET]
    answer = run(*words, "--seeds", "1,2", "--resume")
    assert answer.exit_code == 1
    assert answer.stderr.splitlines()[-1] == (
        "Error: 1 of 2 runs failed. seed 1: r/seed-1/resume.safetensors is not a whole training "
        "state. Train again into an empty folder. The same command with --resume tries again."
    )
    assert answer.stdout.splitlines()[-1] == "Wrote r/seed-2/model.safetensors"


def test_one_seed_or_several(run: Run) -> None:
    answer = run("train", "two-room/lewm-cpu", "--seed", "1", "--seeds", "1-2")
    assert answer.exit_code == 2
    assert answer.stderr == (
        "Error: Give only one of --seed and --seeds: --seeds names every seed itself.\n"
    )
