"""Searches whose trainings are made up, in no time."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lewm_probe.search.training import FailedRun, Run
from lewm_probe.search.tuning.record import Record
from lewm_probe.search.tuning.request import Asked, Tuning, make_tuning, section, weights_of
from lewm_probe.search.tuning.run import Outcome, search
from lewm_probe.search.tuning.trials import Trials
from lewm_probe.training.recipe import load_recipe

KEY = "objective.sigreg_weight"


@dataclass
class Laboratory:
    """Made-up trainings.

    Attributes:
        rank: (λ, seed) → rank; NaN: the loss was not finite.
        score: (λ, seed) → score.
        batches: names of the runs that were trained together.
        stop_at: so many trainings, then Ctrl-C.
        fails: names of runs that fail for another reason.
    """

    folder: Path
    rank: Callable[[float, int], float] = lambda value, seed: 100.0 if value >= 0.01 else 5.0
    score: Callable[[float, int], float] = lambda value, seed: abs(math.log(value / 0.1))
    batches: list[list[str]] = field(default_factory=list)
    stop_at: int | None = None
    fails: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)

    def train(self, runs: Sequence[Run]) -> list[FailedRun]:
        self.batches.append([run.name for run in runs])
        failed = []
        for run in runs:
            done = sum(map(len, self.batches[:-1]))
            if self.stop_at is not None and done >= self.stop_at:
                raise KeyboardInterrupt
            rank = self.rank(weight(run), run.recipe.seed)
            run.folder.mkdir(parents=True, exist_ok=True)
            records: list[dict[str, Any]] = [
                {"step": 900, "split": "train", "frames_per_second": 4608.0},
                {"step": 900, "split": "validation", "centered_effective_rank": rank},
            ]
            if run.name in self.fails:
                failed.append(FailedRun(run.name, "The disk is full."))
            elif math.isnan(rank):
                failed.append(FailedRun(run.name, "'loss' is nan at step 3.", diverged=True))
                records = records[:1]
            text = "".join(json.dumps(record) + "\n" for record in records)
            (run.folder / "metrics.jsonl").write_text(text)
        return failed

    def made(self, recipe: str = "two-room/lewm-cpu", **given: Any) -> Tuning:
        asked = {"seeds": (1,), "search": "bisection", "grid": None}
        asked |= {key: given.pop(key) for key in list(given) if key in Asked.model_fields}
        said = section(recipe, **{"rank": 64.0, **given})
        bisected = asked["search"] == "bisection"
        keys = (said.key,) if bisected else weights_of(load_recipe(recipe))
        asked = {"recipe": recipe, "tune": said, "keys": tuple(keys), **asked}
        return make_tuning(Asked(**asked), self.folder, Path("d.h5"))

    def trials(self, made: Tuning) -> Trials:
        return Trials(
            made.recipe,
            made.data,
            made.folder,
            made.asked.seeds,
            made.tune.score,
            self.train,
            lambda run: self.score(weight(run), run.recipe.seed),
            Record(made.folder),
            self.said.append,
        )

    def search(self, **given: Any) -> Outcome:
        made = self.made(**given)
        made.remember()
        return search(made, self.trials(made), self.said.append)


def weight(run: Run) -> float:
    objective = run.recipe.objective
    found: float = getattr(objective, "sigreg_weight", None) or objective.variance_weight
    return found


@pytest.fixture
def laboratory(tmp_path: Path) -> Laboratory:
    return Laboratory(tmp_path / "tune")
