"""What the tries begin with: a data set, runs, results; all tiny and real."""

from __future__ import annotations

import shutil
from pathlib import Path

from typer.testing import CliRunner
from typer.testing import Result as Answer

from lewm_probe.cli.main import app

TRAIN = (
    "train",
    "two-room/lewm-cpu",
    *("--set", "optimizer.epochs=3"),
    *("--set", "optimizer.steps_per_epoch=8"),
    *("--set", "optimizer.batch=8"),
    *("--set", "model.image_size=16"),
    *("--set", "data.collect.size=16"),
    *("--device", "cpu"),
)
"""A training of seconds, without data and place."""


def run(*words: str | Path) -> Answer:
    """``lewm-probe WORDS…`` in this process."""
    return CliRunner().invoke(app, [str(word) for word in words], prog_name="lewm-probe")


def make(folder: Path) -> None:
    """Fill a folder: ``data.h5``, ``run``, ``half`` (stopped after two epochs), ``result``."""
    data, finished = folder / "data.h5", folder / "run"
    _done("data", "collect", "two-room", "-n", "12", "--size", "16", "--out", data)
    _done(*TRAIN, "--data", data, "--out", finished)
    half = folder / "half"
    shutil.copytree(finished, half)
    (half / "model.safetensors").unlink()
    _done(
        *("geometry", f"a={finished}", "-n", "4", "--no-curve", "--device", "cpu"),
        *("--cache", folder / "cache", "--out", folder / "result"),
    )


def _done(*words: str | Path) -> None:
    answer = run(*words)
    assert answer.exit_code == 0, answer.output
