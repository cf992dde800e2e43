"""The run folder: recipe, metrics, checkpoints, and what makes a second start refuse or go on."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lewm_probe.core.errors import UsageError
from lewm_probe.core.files import write_error, write_text
from lewm_probe.core.processes.leftovers import remove_stale
from lewm_probe.training.recipe import Recipe, read_recipe
from lewm_probe.training.run.state import RESUME_NAME


class RunFolder:
    """Paths and records of one run.

    ``recipe.yaml``, ``metrics.jsonl``, ``checkpoints/step_*.safetensors``, ``resume.safetensors``
    and, when the run is finished, ``model.safetensors``.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.recipe = self.path / "recipe.yaml"
        self.metrics = self.path / "metrics.jsonl"
        self.resume = self.path / RESUME_NAME
        self.final = self.path / "model.safetensors"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints on the way."""
        return self.path / "checkpoints"

    def checkpoint(self, step: int) -> Path:
        """Where the checkpoint after ``step`` optimiser steps stands."""
        return self.checkpoints / f"step_{step:07d}.safetensors"

    def check(self, recipe: Recipe, resume: bool) -> None:
        """Refuse a folder that is not for this recipe; nothing is written.

        Raises:
            UsageError: it holds a run already and ``resume`` is false, or a run of another recipe.
        """
        if not resume and self._holds_a_run():
            raise UsageError(
                f"{self.path} already holds a run. Add --resume to go on with it, or choose "
                "another folder with --out."
            )
        if self.recipe.exists():
            began = read_recipe(self.recipe)
            if began != recipe:
                key = _first_difference(began.model_dump(), recipe.model_dump())
                raise UsageError(
                    f"The run in {self.path} began with another recipe: '{key}' differs. Resume it "
                    "with the recipe it began with, or choose another folder with --out."
                )

    def _holds_a_run(self) -> bool:
        """Whether anything here is of a run, be it a stranger's: it would be written over."""
        files = (self.recipe, self.metrics, self.resume, self.final)
        return any(map(os.path.lexists, files)) or any(self.checkpoints.glob("step_*.safetensors"))

    def begin(self, recipe: Recipe, step: int) -> None:
        """Make the folder ready to train from ``step`` on; the first thing that a run writes.

        What an earlier process left half-written is removed, and records after ``step``, which will
        be made again.
        """
        for folder in (self.path, self.checkpoints):
            remove_stale(folder)
        if not self.recipe.exists():
            write_text(self.recipe, yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False))
        if step:
            self._truncate_metrics(step)
        else:
            self.metrics.unlink(missing_ok=True)

    def _truncate_metrics(self, step: int) -> None:
        """Drop records after ``step``, and what is none: the last line may be half-written."""
        if not self.metrics.exists():
            return
        kept = [
            line
            for line in self.metrics.read_text(encoding="utf-8", errors="replace").splitlines()
            if _step(line) <= step
        ]
        write_text(self.metrics, "".join(line + "\n" for line in kept))

    def log(self, record: Mapping[str, Any]) -> None:
        """Append one record to ``metrics.jsonl``."""
        try:
            with open(self.metrics, "a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:
            raise write_error(self.metrics, error) from error


def _step(line: str) -> float:
    """The step of a record; infinite for what is none."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, TypeError, KeyError):
        return math.inf


def _first_difference(a: Any, b: Any, prefix: str = "") -> str:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*a, *b]:
            if a.get(key) != b.get(key):
                return _first_difference(a.get(key), b.get(key), f"{prefix}{key}.")
    return prefix.rstrip(".")
