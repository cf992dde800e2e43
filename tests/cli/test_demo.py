"""The demo, the smallest study, tiny, in real processes that are killed; the analyses are faked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lewm_probe.search import demo
from lewm_probe.training.recipe import load_recipe

PATIENCE = 400
"""Seconds: a shared machine may be busy with other things."""

TINY = (
    "data.collect.episodes=8",
    "data.collect.length=25",
    "data.collect.mode=fixed",
    "data.collect.size=16",
    "data.validation_fraction=0.25",
    "model.image_size=16",
    "model.latent_width=8",
    "model.projector_hidden=8",
    "model.encoder.channels=[4, 4]",
    "model.encoder.width=8",
    "model.predictor.layers=1",
    "model.predictor.mlp_width=8",
    "optimizer.batch=4",
    "optimizer.steps_per_epoch=2",
    "logging.every_steps=1",
    "resume_every_steps=2",
)

DRIVER = f"""
import os, sys
from pathlib import Path

import lewm_probe.search.demo as stages
from lewm_probe.analyses.engine import run
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric

stages.OVERRIDES = (*{TINY!r}, "optimizer.epochs=" + os.environ["EPOCHS"])


def fake(name, checkpoints, suite, **others):
    Path("asked").open("a").write(name + "\\n")
    metrics = [
        Metric(**s.identity, world="two-room", analysis=name, metric="m", value=1.0)
        for s in checkpoints
    ]
    return Result([], [s.entry for s in checkpoints], metrics)


run.run = fake
sys.argv = ["lewm-probe", "demo", "--out", "demo", "--device", "cpu"]
from lewm_probe.cli.main import main

if __name__ == "__main__":
    main()
"""
"""The command itself, with short epochs and nothing really analysed."""


@pytest.fixture
def driver(tmp_path: Path) -> Path:
    path = tmp_path / "driver.py"
    path.write_text(DRIVER)
    return path


Start = Callable[[int], "subprocess.Popen[str]"]


@pytest.fixture
def start(driver: Path) -> Iterator[Start]:
    """Start the demo with so many epochs; whatever is left over is killed at the end."""
    processes = []

    def begin(epochs: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(driver)],
            env={**os.environ, "EPOCHS": str(epochs)},
            cwd=driver.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that a Ctrl-C of the test is for these processes only
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        if not group_is_gone(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def until_training(driver: Path, process: subprocess.Popen[str]) -> None:
    runs = [driver.parent / "demo/training" / f"{name}-3072" for name in ("lewm", "pldm")]
    deadline, began = time.monotonic() + PATIENCE, time.time()
    while not all(saved_since(began, run / "resume.safetensors") for run in runs):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def saved_since(moment: float, path: Path) -> bool:
    return path.is_file() and path.stat().st_mtime > moment


def group_is_gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def wait_for_the_end_of(group: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while not group_is_gone(group):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def files(folder: Path) -> Iterator[tuple[str, int, int]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            status = path.stat()
            yield str(path), status.st_mtime_ns, status.st_ino


def test_killed_and_stopped_it_leaves_nothing_running(driver: Path, start: Start) -> None:
    folder = driver.parent / "demo"
    killed = start(100_000)  # far more than a machine of any speed gets through here
    until_training(driver, killed)
    killed.kill()
    killed.communicate()
    wait_for_the_end_of(killed.pid)  # no orphan trains on

    stopped = start(100_000)
    until_training(driver, stopped)
    os.killpg(stopped.pid, signal.SIGINT)
    out, errors = stopped.communicate(timeout=PATIENCE)
    assert (stopped.returncode, out) == (1, "")
    assert errors.splitlines()[-1] == (
        "Error: Stopped. What was finished is kept in demo. Run the same command again to go on."
    )
    wait_for_the_end_of(stopped.pid)
    assert not list(folder.glob("**/model.safetensors"))


def test_the_whole_demo_and_nothing_of_it_twice(driver: Path, start: Start) -> None:
    first = start(2)
    out, errors = first.communicate(timeout=PATIENCE)
    assert first.returncode == 0, errors
    assert out.splitlines()[-1] == "Wrote demo/audit/report.html"
    asked = (driver.parent / "asked").read_text().split()
    assert asked == ["probe", "voe", "straightness", "rollout", "geometry"]
    for name in ("lewm-3072", "pldm-3072"):
        assert (driver.parent / "demo/training" / name / "model.safetensors").is_file()
    before = list(files(driver.parent / "demo"))

    again = start(2)
    out, errors = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, errors
    assert out.splitlines()[-1] == "Wrote demo/audit/report.html"
    assert (driver.parent / "asked").read_text().split() == asked
    assert list(files(driver.parent / "demo")) == before


def test_a_seed_replaces_the_recipes(tmp_path: Path) -> None:
    made = demo.demo_study(tmp_path, seed=1)
    assert [run.name for run in made.runs] == ["lewm-1", "pldm-1"]
    assert [run.recipe.seed for run in made.runs] == [1, 1]


def test_only_the_shortening_differs_from_the_recipes() -> None:
    changed = {override.partition("=")[0].split(".")[0] for override in demo.OVERRIDES}
    made = demo.demo_study(Path("x"))
    for name, recipe in made.recipes.items():
        original = load_recipe(demo.RECIPES[name])
        fields = original.model_dump()
        different = {key for key in fields if fields[key] != recipe.model_dump()[key]}
        assert different <= changed
    first, second = made.recipes.values()
    pair = {"name", "objective"}
    assert first.model_dump(exclude=pair) == second.model_dump(exclude=pair)
