"""Trials: a setting trained with every seed, each in a run folder of its own, then measured.

Settings that are asked for together are trained together, as many runs at a time as fit. What is in
the record is not trained again; a run that was interrupted goes on from its last saved state.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lewm_probe.core.errors import UserError
from lewm_probe.search.training import FailedRun, Run, Watch, runs_failed, train_all
from lewm_probe.search.tuning.record import Line, Record, Settings, Trial
from lewm_probe.training.recipe import Recipe, override

Train = Callable[[Sequence[Run]], list[FailedRun]]
Score = Callable[[Run], float]

RANK = "centered_effective_rank"
"""What validation logs of the latents, and the bound is of."""


@dataclass
class Trials:
    """Trains and measures settings, or remembers having done so.

    Attributes:
        recipe: with everything but the settings.
        data: the data set.
        folder: of the search; runs go below ``runs/`` there.
        seeds: of each trial.
        score: its name in the record.
        train: trains runs and returns those that failed.
        measure: the score of a finished run.
        record: what is known.
        asked: settings in the order in which this search asked for them, each once.
    """

    recipe: Recipe
    data: Path
    folder: Path
    seeds: Sequence[int]
    score: str
    train: Train
    measure: Score
    record: Record
    say: Callable[[str], None] = lambda _: None
    asked: list[Settings] = field(default_factory=list)

    def __call__(self, stage: str, settings: Sequence[Settings]) -> list[Trial]:
        """The trials of some settings.

        Raises:
            UserError: a training failed for another reason than that its loss was not finite.
        """
        for one in settings:
            if one not in self.asked:
                self.asked.append(one)
        self._work(stage, settings)
        return [self._trial(one) for one in settings]

    def _work(self, stage: str, settings: Sequence[Settings]) -> None:
        wanted: list[tuple[Run, Line]] = []
        for one, number in zip(settings, self._numbers(settings), strict=True):
            for seed in self.seeds:
                known = self.record.find(one, seed)
                if known is not None and (known.status == "diverged" or self.score in known.scores):
                    continue
                run = self.run(one, seed)
                where = run.folder.relative_to(self.folder).as_posix()
                line = Line(
                    trial=number,
                    stage=known.stage if known is not None else stage,
                    settings=dict(one),
                    seed=seed,
                    status="done",
                    scores={} if known is None else known.scores,
                    folder=where,
                )
                wanted.append((run, line))
        if not wanted:
            return
        failures = {failed.name: failed for failed in self.train([run for run, _ in wanted])}
        lost = []
        for run, line in wanted:
            failed = failures.get(run.name)
            if failed is None:
                self.record.put(self._measured(run, line))
                continue
            status = "diverged" if failed.diverged else "failed"
            found = {"status": status, "why": failed.why, **_facts(run)}
            self.record.put(line.model_copy(update={**found, "rank": None}))
            if failed.diverged:
                self.say(f"{run.name}: {failed.why}")
            else:
                lost.append(failed)
        if lost:
            raise UserError(runs_failed(lost, len(wanted)))

    def _numbers(self, settings: Sequence[Settings]) -> list[int]:
        """Of their trials: those they have, and the next ones for new settings."""
        known = {identity(line.settings): line.trial for line in self.record.lines}
        for one in settings:
            known.setdefault(identity(one), 1 + max(known.values(), default=0))
        return [known[identity(one)] for one in settings]

    def run(self, settings: Settings, seed: int) -> Run:
        """The run of a setting and a seed."""
        changed = [f"{key}={json.dumps(value)}" for key, value in settings.items()]
        recipe = override(self.recipe, [*changed, f"seed={seed}"])
        label = label_of(settings)
        return Run(
            f"{label}, seed {seed}",
            recipe,
            self.data,
            self.folder / "runs" / folder_of(settings) / f"seed-{seed}",
        )

    def _measured(self, run: Run, line: Line) -> Line:
        value = self.measure(run)
        known = {**line.scores, self.score: value if math.isfinite(value) else None}
        return line.model_copy(update={**_facts(run), "scores": known})

    def _trial(self, settings: Settings) -> Trial:
        lines = [self.record.find(settings, seed) for seed in self.seeds]
        return Trial(tuple(line for line in lines if line is not None))

    def all(self) -> list[Trial]:
        """What this search asked for, numbered in the record, in the order asked."""
        return [self._trial(one) for one in self.asked]


def identity(settings: Settings) -> tuple[tuple[str, float], ...]:
    """By which settings are the same."""
    return tuple(sorted(settings.items()))


def label_of(settings: Settings) -> str:
    """Settings for people: ``sigreg_weight 0.09``; of several only the values, two digits each."""
    if len(settings) == 1:
        return ", ".join(f"{key.rpartition('.')[2]} {value:g}" for key, value in settings.items())
    return f"weights {' '.join(f'{value:.2g}' for value in settings.values())}"


def folder_of(settings: Settings) -> str:
    """Settings as the name of a folder: of one number its value, of several a hash beside it."""
    from lewm_probe.core.files import safe_name

    return safe_name("-".join(f"{k.rpartition('.')[2]}-{v:g}" for k, v in settings.items()), 80)


def train_runs(device: str, watch: Watch, most: int | None = None) -> Train:
    """``train_all`` as trials want it."""
    return lambda runs: train_all(runs, device, watch, most=most)


def scored(name: str, device: str) -> Score:
    """A registered score as trials want it.

    Raises:
        UsageError: no such score.
    """
    from lewm_probe.search.tuning.scores import SCORES

    score = SCORES.get(name)

    def measure(run: Run) -> float:
        from lewm_probe.search.tuning.scores.trained import trained

        with trained(run.recipe, run.data, run.folder, device) as told:
            return score.measure(told)

    return measure


def _facts(run: Run) -> dict[str, Any]:
    """Rank, steps and seconds of a run, from its ``metrics.jsonl``."""
    try:
        text = (run.folder / "metrics.jsonl").read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    records = [json.loads(line) for line in text.splitlines()]
    validation = [one for one in records if one["split"] == "validation"]
    speeds = [one["frames_per_second"] for one in records if "frames_per_second" in one]
    found: dict[str, Any] = {}
    if validation:
        found["rank"] = float(validation[-1][RANK])
    steps = run.recipe.steps or (int(records[-1]["step"]) if records else None)
    found["steps"] = steps
    if speeds and steps:
        frames = steps * run.recipe.optimizer.batch * run.recipe.data.frames
        found["seconds"] = round(frames / speeds[-1], 2)
    return found
