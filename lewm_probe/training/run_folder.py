"""The run folder: recipe, metrics, checkpoints, and what makes a second start refuse or go on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lewm_probe.core.errors import UsageError
from lewm_probe.core.files import write_error, write_text
from lewm_probe.training.recipe import Recipe, read_recipe
from lewm_probe.training.state import RESUME_NAME


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

    def checkpoint(self, step: int) -> Path:
        """Where the checkpoint after ``step`` optimiser steps stands."""
        return self.path / "checkpoints" / f"step_{step:07d}.safetensors"

    def prepare(self, recipe: Recipe, resume: bool) -> None:
        """Make the folder ready for this recipe.

        Raises:
            UsageError: it holds a run already and ``resume`` is false, or a run of another recipe.
        """
        if self.recipe.exists():
            if not resume:
                raise UsageError(
                    f"{self.path} already holds a run. Add --resume to go on with it, or choose "
                    "another folder with --out."
                )
            began = read_recipe(self.recipe)
            if began != recipe:
                key = _first_difference(began.model_dump(), recipe.model_dump())
                raise UsageError(
                    f"The run in {self.path} began with another recipe: '{key}' differs. Resume it "
                    "with the recipe it began with, or choose another folder with --out."
                )
        else:
            write_text(self.recipe, yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False))

    def truncate_metrics(self, step: int) -> None:
        """Drop records after ``step`` and a half-written last line: they will be made again."""
        if not self.metrics.exists():
            return
        kept = [
            line
            for line in self.metrics.read_text(encoding="utf-8").splitlines()
            if line.endswith("}") and json.loads(line)["step"] <= step
        ]
        write_text(self.metrics, "".join(line + "\n" for line in kept))

    def log(self, record: Mapping[str, Any]) -> None:
        """Append one record to ``metrics.jsonl``."""
        try:
            with open(self.metrics, "a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:
            raise write_error(self.metrics, error) from error


def _first_difference(a: Any, b: Any, prefix: str = "") -> str:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*a, *b]:
            if a.get(key) != b.get(key):
                return _first_difference(a.get(key), b.get(key), f"{prefix}{key}.")
    return prefix.rstrip(".")
