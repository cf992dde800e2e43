"""A study: collect a data set once, train every recipe with every seed, audit all, report.

Every stage leaves its output only when it is whole, so a study can be killed at any moment and
called again: finished stages are not repeated, and training goes on from its last saved state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lewm_probe.core.errors import UserError
from lewm_probe.core.processes.workers import cores
from lewm_probe.search.training import FailedRun, Watch, runs_failed, train_all

if TYPE_CHECKING:
    from lewm_probe.auditing.whole import Audited
    from lewm_probe.core.progress import Progress
    from lewm_probe.search.request import Study


@dataclass(frozen=True)
class Done:
    """What a study gave.

    Attributes:
        audited: results and report of the runs that came to their end.
        failures: runs that did not.
    """

    audited: Audited
    failures: list[FailedRun] = field(default_factory=list)


def collect_data(study: Study, progress: Progress) -> None:
    """Collect the data set; one that is there, or was given, is left alone."""
    from lewm_probe.data.collect import collect

    if study.asked.data is not None:
        return
    recipe = next(iter(study.recipes.values()))
    asked = recipe.data.collect
    collect(
        recipe.world,
        asked.episodes,
        study.data,
        size=asked.size,
        seed=asked.seed,
        workers=cores(),
        mode=asked.mode,
        length=asked.length,
        policy=asked.policy,
        progress=progress,
    )


def train_models(study: Study, device: str, watch: Watch) -> list[FailedRun]:
    """Train every recipe with every seed; return the runs that failed.

    Raises:
        UsageError: a run folder holds a run of another recipe.
        UserError: every run failed.
    """
    failures = train_all(study.runs, device, watch)
    if len(failures) == len(study.runs):
        raise UserError(runs_failed(failures, len(study.runs)))
    return failures


def audit_models(
    study: Study,
    device: str,
    command: str,
    failures: list[FailedRun],
    progress: Progress,
    say: Callable[[str], None],
) -> Audited:
    """Ask everything of all models that were trained, in one audit, and write its report."""
    from lewm_probe.auditing import whole
    from lewm_probe.auditing.request import EvaluationRequest

    lost = {failed.name for failed in failures}
    request = EvaluationRequest(
        [study.checkpoint(run) for run in study.runs if run.name not in lost],
        study.latents,
        trajectories=study.asked.trajectories,
        device=device,
        fast=study.asked.fast,
    )
    return whole.audit(
        request,
        study.audit,
        command,
        title=study.title,
        redraw=False,
        progress=progress,
        say=say,
    )
