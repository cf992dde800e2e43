"""Runs in processes of their own: one of them is ended from outside."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lewm_probe.core.processes.stopping import Stop, heard
from lewm_probe.data.collect import collect
from lewm_probe.search.training import FailedRun, Run, Unwatched, train_all
from lewm_probe.training.recipe import load_recipe
from tests.cli.test_demo import TINY


class Ending(Unwatched):
    """Sends a signal once the first run has logged a step."""

    def __init__(self, parent: bool) -> None:
        self.parent, self.sent = parent, False

    def record(self, run: Run, record: Mapping[str, Any]) -> None:
        if record["step"] >= 3 and not self.sent:
            self.sent = True
            os.kill(os.getpid() if self.parent else worker(), signal.SIGTERM)


def worker() -> int:
    """The process that trains."""
    (found,) = multiprocessing.active_children()
    assert found.pid is not None
    return found.pid


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run of many short steps."""
    recipe = load_recipe("two-room/lewm-cpu", [*TINY, "optimizer.epochs=3000"])
    collect("two-room", 8, tmp_path / "data.h5", size=16, length=25)
    return Run("lewm-1", recipe, tmp_path / "data.h5", tmp_path / "run")


def test_a_run_whose_process_is_ended_is_told_and_keeps_its_state(run: Run) -> None:
    failed = train_all([run], "cpu", Ending(parent=False))
    assert failed == [
        FailedRun("lewm-1", "Its process was stopped from outside; its state is saved.")
    ]
    assert (run.folder / "resume.safetensors").is_file()
    assert not (run.folder / ".lock").exists()


def test_all_runs_end_with_their_parent_and_keep_their_state(run: Run) -> None:
    with pytest.raises(Stop), heard():
        train_all([run], "cpu", Ending(parent=True))
    with pytest.raises(ValueError):
        worker()
    assert (run.folder / "resume.safetensors").is_file()
    assert not (run.folder / ".lock").exists()
