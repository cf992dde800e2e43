"""All cells trained and measured; one that fails is named, and the others go on.

Finished trainings and measurements are not repeated: training goes on from its last saved state,
and an analysis whose folder holds the result of the same checkpoints is read back.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lewm_probe.core.errors import UserError
from lewm_probe.core.files import safe_name, write_text
from lewm_probe.search.sweeps.request import BASE, Sweep, Trained
from lewm_probe.search.training import FailedRun, Watch, train_all

if TYPE_CHECKING:
    from lewm_probe.core.progress import Progress

Values = Mapping[str, float | None]


@dataclass(frozen=True)
class Row:
    """One run in one place of a sweep; the base has a row on every axis.

    Attributes:
        axis, label: where it stands.
        model: the recipe that it is of, shared by places that mean the same.
        seed: of the training.
        status: ``measured``; ``trained`` where it could not be measured; ``failed``, ``diverged``.
        why: it has no numbers; empty where it has.
        steps, seconds: of training, as far as it is known.
        values: column → value.
    """

    axis: str
    label: str
    model: str
    seed: int
    status: str
    why: str = ""
    steps: int | None = None
    seconds: float | None = None
    values: Values = field(default_factory=dict)

    @property
    def is_base(self) -> bool:
        """Whether nothing is changed here."""
        return self.model == BASE


Measure = Callable[[Trained, list[int]], Mapping[int, Values]]
"""(a model, seeds that were trained) → seed → column → value."""


def train_cells(made: Sweep, device: str, watch: Watch, jobs: int | None) -> list[FailedRun]:
    """Train every cell with every seed, ``jobs`` at a time; return those that failed."""
    return train_all(made.runs, device, watch, most=jobs)


def measure_cells(
    made: Sweep,
    failures: list[FailedRun],
    measure: Measure,
    progress: Progress,
    say: Callable[[str], None] = lambda _: None,
) -> list[Row]:
    """Measure what was trained; a row for every run in every place."""
    lost = {failed.name: failed for failed in failures}
    rows: dict[tuple[str, int], Row] = {}
    with progress.task("Cells", len(made.models)) as bar:
        for trained in made.models.values():
            alive = [run.recipe.seed for run in trained.runs if run.name not in lost]
            values: Mapping[int, Values] = {}
            why = ""
            if alive:
                try:
                    values = measure(trained, alive)
                except UserError as error:
                    why = str(error)
                    say(f"{trained.name} was not measured: {why}")
            for run in trained.runs:
                seed, facts = run.recipe.seed, _facts(run)
                failed = lost.get(run.name)
                if failed is not None:
                    status, reason = "diverged" if failed.diverged else "failed", failed.why
                elif seed in values:
                    status, reason = "measured", ""
                else:
                    status, reason = "trained", why or "No analysis measured it."
                rows[trained.name, seed] = Row(
                    "", "", trained.name, seed, status, reason, *facts, values.get(seed, {})
                )
            bar.advance()
    return [
        replace(rows[name, seed], axis=axis, label=label)
        for (axis, label), name in made.places.items()
        for seed in made.asked.seeds
    ]


def _facts(run: Any) -> tuple[int | None, float | None]:
    """Steps and seconds of a run, by its own speed."""
    try:
        lines = (run.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None, None
    records = [json.loads(line) for line in lines]
    step = max((int(record["step"]) for record in records), default=0)
    speeds = [record["frames_per_second"] for record in records if "frames_per_second" in record]
    if not speeds or not math.isfinite(speeds[-1]):
        return step, None
    frames = step * run.recipe.optimizer.batch * run.recipe.data.frames
    return step, round(frames / speeds[-1], 2)


def audited(made: Sweep, device: str, command: str, progress: Progress) -> Measure:
    """The measurements of all columns, by auditing's own functions."""
    from lewm_probe.analyses.engine.asked.suite import Suite
    from lewm_probe.auditing.request import EvaluationRequest, prepare
    from lewm_probe.auditing.run import ask
    from lewm_probe.core.config import as_yaml, load_yaml, read_yaml_file
    from lewm_probe.core.resources import suite_of
    from lewm_probe.search.sweeps.columns import COLUMNS, read, suite_for

    shipped = suite_of(made.base.world, "The sweep's recipe names")
    asked = suite_for(read_yaml_file(shipped, "suite"), load_yaml(shipped, Suite, "suite"))
    own = made.folder / "suite.yaml"
    write_text(own, as_yaml(asked))
    analyses = list(dict.fromkeys(column.analysis for column in COLUMNS))

    def measure(trained: Trained, seeds: list[int]) -> Mapping[int, Values]:
        folders = [run.folder for run in trained.runs if run.recipe.seed in seeds]
        request = EvaluationRequest(
            [f"{trained.name}={folder}" for folder in folders],
            made.folder / "latents",
            trajectories=made.asked.trajectories,
            device=device,
            curve=False,
            suite=str(own),
        )
        evaluation = prepare(request)
        place = made.folder / "measured" / safe_name(trained.name.replace(" ", "-"))
        results = ask(analyses, evaluation, command, lambda name: place / name, progress)
        metrics = [metric for result in results for metric in result.metrics]
        return read(COLUMNS, metrics, evaluation.suite)

    return measure
