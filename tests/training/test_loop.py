"""The loop: both objectives train, a killed run resumes bit for bit, bad input is explained."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.data.formats.hdf5.episodes import EpisodeWriter
from lewm_probe.models.checkpoints.native import load_checkpoint, run_checkpoints
from lewm_probe.results.speed import SPEED
from lewm_probe.training.loop import train
from lewm_probe.training.recipe import Recipe, override
from tests.fixtures.stores import Put


def records_of(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


TERMS = {
    "lewm": {"prediction", "sigreg", "loss"},
    "pldm": {
        "prediction",
        "variance",
        "covariance",
        "smoothness",
        "temporal_variance",
        "temporal_covariance",
        "inverse_dynamics",
        "loss",
    },
}


def test_data_at_an_address_are_the_same_data(
    lewm: Recipe, small_data: Path, s3: Put, tmp_path: Path
) -> None:
    finals = [
        train(lewm, data, tmp_path / name, device="cpu")
        for name, data in (("path", small_data), ("address", Path(s3(small_data, "small.h5"))))
    ]
    assert finals[0].read_bytes() == finals[1].read_bytes()


@pytest.mark.parametrize("family", ["lewm", "pldm"])
def test_trains_logs_every_term_and_saves(
    family: str, request: pytest.FixtureRequest, small_data: Path, tmp_path: Path
) -> None:
    recipe: Recipe = request.getfixturevalue(family)
    seen: list[dict[str, object]] = []
    final = train(recipe, small_data, tmp_path / "run", device="cpu", on_log=seen.append)
    records = records_of(tmp_path / "run")
    assert [r["step"] for r in records if r["split"] == "train"] == [2, 4, 6, 8, 10, 12]
    assert [r["step"] for r in records if r["split"] == "validation"] == [0, 6, 12]
    for record in records:
        assert TERMS[family] | {"latent_std", "centered_effective_rank", "epoch"} <= record.keys()
    for record in records:
        assert (record["split"] == "train") == (record.keys() >= SPEED)
        if record["split"] == "train":
            assert record["frames_per_second"] > 0
            assert 0 <= record["loader_wait"] <= 1
            assert record["peak_memory_mb"] > 50
    assert "seconds_left" in seen[1]
    steps = [load_checkpoint(p).spec.step for p in run_checkpoints(tmp_path / "run")]
    assert steps == [0, 6, 12]
    model = load_checkpoint(final)
    assert (model.spec.family, model.spec.train_seed) == (family, recipe.seed)
    assert not (tmp_path / "run/resume.safetensors").exists()


def test_training_lowers_the_loss_and_changes_the_weights(
    lewm: Recipe, small_data: Path, tmp_path: Path
) -> None:
    recipe = override(lewm, ["optimizer.epochs=10", "optimizer.learning_rate=3e-3"])
    final = train(recipe, small_data, tmp_path / "run", device="cpu")
    records = records_of(tmp_path / "run")
    losses = [r["loss"] for r in records if r["split"] == "validation"]
    assert losses[-1] < 0.9 * losses[0]
    first, last = load_file(run_checkpoints(tmp_path / "run")[0]), load_file(final)
    assert all(not torch.equal(first[k], last[k]) for k in first if k.endswith("weight"))


def test_the_weighted_sum_is_the_papers(
    lewm: Recipe, pldm: Recipe, small_data: Path, tmp_path: Path
) -> None:
    weights = {
        "lewm": {"prediction": 1, "sigreg": 0.09},
        "pldm": {
            "prediction": 1,
            "variance": 18,
            "covariance": 12,
            "smoothness": 0.2,
            "temporal_variance": 0.7,
        },
    }
    for recipe in (lewm, pldm):
        folder = tmp_path / recipe.family
        train(override(recipe, ["optimizer.epochs=1"]), small_data, folder, device="cpu")
        record = json.loads((folder / "metrics.jsonl").read_text().splitlines()[1])
        expected = sum(w * record[name] for name, w in weights[recipe.family].items())
        assert record["loss"] == pytest.approx(expected, rel=1e-5)


KILLED = """
import sys, torch
from pathlib import Path
from lewm_probe.core.config import load_yaml
from lewm_probe.training.loop import train
from lewm_probe.training.recipe import Recipe
torch.set_num_threads(1)
data, recipe, run = map(Path, sys.argv[1:4])
train(load_yaml(recipe, Recipe, "recipe"), data, run, device="cpu", resume=True,
      on_log=lambda record: print(record["step"], flush=True))
"""


@pytest.mark.parametrize("die_after", [2, 6, 8])
def test_a_killed_run_resumes_to_the_same_bits(
    die_after: int, pldm: Recipe, small_data: Path, tmp_path: Path
) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    whole = train(pldm, small_data, tmp_path / "whole", device="cpu")
    recipe, killed = tmp_path / "whole/recipe.yaml", tmp_path / "killed"
    arguments = [sys.executable, "-c", KILLED, str(small_data), str(recipe), str(killed)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= die_after:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not (killed / "model.safetensors").exists() or die_after == 8
    resumed = train(pldm, small_data, killed, device="cpu", resume=True)
    torch.set_num_threads(threads)
    expected, found = load_file(whole), load_file(resumed)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    steps = [record["step"] for record in records_of(killed)]
    assert steps == sorted(steps)
    assert len(steps) == len(records_of(tmp_path / "whole"))


def test_a_finished_run_is_left_alone(lewm: Recipe, small_data: Path, tmp_path: Path) -> None:
    final = train(lewm, small_data, tmp_path / "run", device="cpu")
    before = final.stat().st_mtime_ns
    time.sleep(0.01)
    train(lewm, small_data, tmp_path / "run", device="cpu", resume=True)
    assert final.stat().st_mtime_ns == before


def test_a_second_start_without_resume_is_refused(
    lewm: Recipe, small_data: Path, tmp_path: Path
) -> None:
    train(lewm, small_data, tmp_path / "run", device="cpu")
    with pytest.raises(UsageError) as caught:
        train(lewm, small_data, tmp_path / "run", device="cpu")
    assert str(caught.value) == (
        f"{tmp_path / 'run'} already holds a run. Add --resume to go on with it, or choose another "
        "folder with --out."
    )


def test_resuming_with_another_recipe_names_the_difference(
    lewm: Recipe, small_data: Path, tmp_path: Path
) -> None:
    train(lewm, small_data, tmp_path / "run", device="cpu")
    other = override(lewm, ["optimizer.learning_rate=0.5"])
    with pytest.raises(UsageError) as caught:
        train(other, small_data, tmp_path / "run", device="cpu", resume=True)
    assert str(caught.value) == (
        f"The run in {tmp_path / 'run'} began with another recipe: 'optimizer.learning_rate' "
        "differs. Resume it with the recipe it began with, or choose another folder with --out."
    )


def test_a_loss_that_is_not_finite_stops_the_run(
    lewm: Recipe, small_data: Path, tmp_path: Path
) -> None:
    recipe = override(lewm, ["optimizer.learning_rate=1e30", "optimizer.warmup_fraction=0"])
    with pytest.raises(UserError) as caught:
        train(recipe, small_data, tmp_path / "run", device="cpu")
    assert str(caught.value) == (
        "'prediction' is nan at step 1. Training stopped; earlier checkpoints are kept. Lower "
        "optimizer.learning_rate, or check the data with `lewm-probe data check`."
    )


def test_images_of_another_size_are_refused(lewm: Recipe, small_data: Path, tmp_path: Path) -> None:
    recipe = override(lewm, ["model.image_size=32"])
    with pytest.raises(UserError) as caught:
        train(recipe, small_data, tmp_path / "run", device="cpu")
    assert str(caught.value) == (
        f"{small_data} holds 16 px images, the recipe expects 32 px. Collect with --size 32, or "
        "set model.image_size=16."
    )


def test_actions_of_another_width_are_refused(lewm: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "wide.h5"
    with EpisodeWriter(path, [30, 30], {"world": "two-room"}) as writer:
        for _ in range(2):
            pixels = np.zeros((30, 16, 16, 3), np.uint8)
            writer.append({"pixels": pixels, "action": np.zeros((30, 3), np.float32)})
    with pytest.raises(UserError) as caught:
        train(lewm, path, tmp_path / "run", device="cpu")
    assert str(caught.value) == (
        f"{path} holds actions of width 3, the recipe expects 2. Set model.env_action_width=3, or "
        "give the data set of the recipe's world."
    )


def test_too_few_windows_for_a_batch_is_explained(
    lewm: Recipe, small_data: Path, tmp_path: Path
) -> None:
    recipe = override(lewm, ["optimizer.batch=500"])
    with pytest.raises(UserError) as caught:
        train(recipe, small_data, tmp_path / "run", device="cpu")
    assert str(caught.value) == (
        f"{small_data} gives 55 training windows, fewer than one batch of 500. Collect more "
        "episodes, or lower optimizer.batch."
    )


def test_tensorboard_is_written_on_request(lewm: Recipe, small_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    recipe = override(lewm, ["logging.tensorboard=true", "optimizer.epochs=1"])
    train(recipe, small_data, tmp_path / "run", device="cpu")
    assert list((tmp_path / "run/tensorboard").glob("events.*"))
