"""A run that is stopped by real signals, or wanted by two processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file

from lewm_probe.core.errors import UserError
from lewm_probe.training.loop import train
from lewm_probe.training.recipe import Recipe, override

TRAIN = """
import os, signal, sys
import torch
from lewm_probe.cli.terminal import training_table
at, number = int(sys.argv.pop(1)), int(sys.argv.pop(1))
real = training_table.TrainingTable.log
def log(self, record):
    real(self, record)
    if record["step"] == at and record["split"] == os.environ.get("SPLIT", "train"):
        print("here", flush=True)
        os.kill(os.getpid(), number)
training_table.TrainingTable.log = log
torch.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)
from lewm_probe.cli.main import main
main()
"""
"""``lewm-probe train``, which sends itself a signal when it logs a step."""


@pytest.fixture
def one_thread() -> Iterator[None]:
    """The whole run to compare with computes as those in processes of their own."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def words(recipe: Recipe, data: Path, run: Path) -> list[str]:
    path = run.parent / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    return ["train", str(path), "--data", str(data), "--out", str(run), "--device=cpu", "--resume"]


def steps_of(run: Path) -> list[int]:
    """The steps of a run's records."""
    return [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]


def stopped(at: int, number: int, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", TRAIN, str(at), str(int(number)), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", [2, 6, 10])
def test_a_stopped_run_keeps_its_last_step_and_ends_with_the_same_weights(
    at: int, number: int, lewm: Recipe, small_data: Path, tmp_path: Path, one_thread: None
) -> None:
    recipe = override(lewm, ["resume_every_steps=100"])  # saved because it was stopped
    run = tmp_path / "run"
    arguments = words(recipe, small_data, run)
    ended = stopped(at, number, arguments)
    assert (ended.returncode, ended.stdout) == (1, "here\n")
    assert ended.stderr.splitlines()[-1] == (
        f"Error: Stopped. The run so far is kept in {run}; go on with the same command and "
        "--resume."
    )
    assert "Traceback" not in ended.stderr
    with safe_open(run / "resume.safetensors", framework="pt") as state:
        assert json.loads(state.metadata()["step"]) == at
    assert sorted(p.name for p in run.iterdir()) == [
        "checkpoints",
        "metrics.jsonl",
        "recipe.yaml",
        "resume.safetensors",
    ]
    whole = train(recipe, small_data, tmp_path / "whole", device="cpu")
    resumed = train(recipe, small_data, run, device="cpu", resume=True)
    expected, found = load_file(whole), load_file(resumed)
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    for folder in (run, tmp_path / "whole"):
        steps = steps_of(folder)
        assert steps == [0, 2, 4, 6, 6, 8, 10, 12, 12]


def test_stopped_at_its_last_step_a_run_is_finished_by_the_next_call(
    lewm: Recipe, small_data: Path, tmp_path: Path, one_thread: None
) -> None:
    run = tmp_path / "run"
    ended = stopped(12, signal.SIGTERM, words(lewm, small_data, run))
    assert ended.returncode == 1
    assert not (run / "model.safetensors").exists()
    whole = train(lewm, small_data, tmp_path / "whole", device="cpu")
    assert train(lewm, small_data, run, device="cpu", resume=True).read_bytes() == (
        whole.read_bytes()
    )


def test_what_a_killed_run_left_half_written_goes(
    lewm: Recipe, small_data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert stopped(8, signal.SIGKILL, words(lewm, small_data, run)).returncode == -signal.SIGKILL
    for name in (".resume.safetensors.abcdefgh.partial.safetensors", ".lock"):
        (run / name).touch()
    (run / "checkpoints" / ".step_0000006.safetensors.abcdefgh.partial.safetensors").touch()
    with (run / "metrics.jsonl").open("a") as metrics:
        metrics.write('{"step": 8, "split": "tr')
    train(lewm, small_data, run, device="cpu", resume=True)
    train(lewm, small_data, tmp_path / "whole", device="cpu")
    listings = [
        sorted(path.relative_to(folder) for path in folder.rglob("*"))
        for folder in (run, tmp_path / "whole")
    ]
    assert listings[0] == listings[1]


def test_two_processes_do_not_train_in_one_folder(
    lewm: Recipe, small_data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    held: list[str] = []

    def second(record: dict[str, object]) -> None:
        if record["step"] == 4:
            command = [sys.executable, "-m", "lewm_probe.cli.main"]
            other = subprocess.run(
                [*command, *words(lewm, small_data, run)], capture_output=True, text=True
            )
            assert other.returncode == 1
            held.append(other.stderr)

    train(lewm, small_data, run, device="cpu", on_log=second)
    assert held == [
        f"Error: Another lewm-probe is writing in {run}. Wait for it, or choose another place with "
        "--out.\n"
    ]
    steps = steps_of(run)
    assert steps == [0, 2, 4, 6, 6, 8, 10, 12, 12]
    with pytest.raises(UserError):
        train(lewm, small_data, run, device="cpu")
