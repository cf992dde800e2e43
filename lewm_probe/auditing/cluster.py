"""Measure many checkpoints at once, through submitit: a task for each checkpoint × analysis.

A task leaves what it measured in the cache, which has to be a folder that all machines see. The
audit that follows finds everything there, and does in one process what compares checkpoints: its
result is the one that it would have had alone, whatever machines measured.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lewm_probe.auditing.request import Evaluation, EvaluationRequest, Failure, prepare
from lewm_probe.core.errors import UsageError, UserError, brief
from lewm_probe.core.processes.stopping import check
from lewm_probe.core.processes.workers import cores

if TYPE_CHECKING:
    from lewm_probe.core.progress import Progress

EXECUTORS = ("slurm", "local")
"""Slurm, or processes of this machine, as many at a time as it has cores."""

RETRIES = 2
"""Times that a task is sent again whose machine or process went away."""

POLL_SECONDS = 0.5
"""Between looks at how far tasks are."""

JOBS = "jobs"
"""Folder beside the results: what submitit keeps of each task, its log among it."""


@dataclass(frozen=True)
class Cluster:
    """Where tasks run.

    Attributes:
        executor: one of ``EXECUTORS``.
        settings: for submitit's executor, e.g. ``slurm_partition``, ``timeout_min``.
    """

    executor: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse what cannot be used.

        Raises:
            UsageError: no such executor, or submitit is not installed.
        """
        if self.executor not in EXECUTORS:
            raise UsageError(
                f"There is no cluster '{self.executor}'. Choose one of {', '.join(EXECUTORS)}."
            )
        if importlib.util.find_spec("submitit") is None:
            raise UsageError(
                "Tasks are sent through submitit, which is not installed. Install it with: pip "
                "install 'lewm-probe[cluster]'."
            )


@dataclass(frozen=True)
class Task:
    """One checkpoint and one analysis.

    Attributes:
        request: that names this checkpoint alone.
        label: the checkpoint.
        analysis: its name.
        folder: where paths start.
    """

    request: EvaluationRequest
    label: str
    analysis: str
    folder: str

    def __call__(self) -> Failure | None:
        """Measure, and keep it in the cache; return what is wrong with the checkpoint, if so."""
        from lewm_probe.analyses.engine import run

        os.chdir(self.folder)
        try:
            asked = prepare(self.request)
            run.run(
                self.analysis,
                asked.checkpoints,
                asked.suite,
                cache=asked.cache,
                device=asked.device,
            )
        except UserError as error:
            return Failure(self.label, self.analysis, str(error))
        return None


def measure_on(
    cluster: Cluster,
    request: EvaluationRequest,
    evaluation: Evaluation,
    analyses: Sequence[str],
    folder: Path,
    progress: Progress,
    say: Callable[[str], None] = lambda _: None,
) -> Evaluation:
    """Measure every checkpoint on a cluster; return what is left to ask, with failures named.

    Args:
        cluster: where.
        request: what was asked, with a cache that all machines see.
        evaluation: its checkpoints and suite.
        analyses: names of those that are asked.
        folder: of the audit; logs of tasks go into ``jobs`` there.
        progress: where to show how far it is.
        say: told at once of a checkpoint that is left out.

    Raises:
        UserError: not one checkpoint could be measured.
    """
    tasks = _tasks(request, evaluation, analyses)
    with progress.task(f"Tasks on {cluster.executor}", len(tasks)) as bar:
        failures = _run(cluster, tasks, folder / JOBS, bar.advance)
    for failure in failures:
        say(str(failure))
        evaluation.failures.append(failure)
    lost = {failure.label for failure in failures}
    left = [one for one in evaluation.checkpoints if one.label not in lost]
    if not left:
        reported = " ".join(str(failure) for failure in failures)
        raise UserError(f"Not one checkpoint could be measured. {reported}")
    return replace(evaluation, checkpoints=left)


def _tasks(
    request: EvaluationRequest, evaluation: Evaluation, analyses: Sequence[str]
) -> list[Task]:
    """One for each checkpoint that is left to ask, and analysis; the longest analyses first."""
    from lewm_probe.auditing.run import WORK

    # Each alone would take its own world where none was named.
    world = request.world if request.suite is not None else request.world or evaluation.suite.world
    tasks = []
    for text, checkpoint in zip(evaluation.asked, evaluation.checkpoints, strict=True):
        checkpoints, models = ((), [text]) if text in request.models else ([text], ())
        alone = replace(request, checkpoints=checkpoints, models=models, world=world)
        tasks += [Task(alone, checkpoint.label, name, str(Path.cwd())) for name in analyses]
    return sorted(tasks, key=lambda task: -WORK.get(task.analysis, 1.0))


def _run(
    cluster: Cluster, tasks: Sequence[Task], logs: Path, advance: Callable[[], None]
) -> list[Failure]:
    """Send all tasks, again where one was lost, and wait for them.

    Raises:
        UsageError: a setting that submitit does not know, or no Slurm here.
        Stop: somebody asked this process to end; tasks are taken back.
    """
    import submitit
    from submitit.core.utils import FailedJobError, UncompletedJobError

    try:
        executor = submitit.AutoExecutor(folder=logs, cluster=cluster.executor)
        executor.update_parameters(**cluster.settings)
    except (RuntimeError, NameError, TypeError, ValueError, AssertionError) as error:
        raise UsageError(
            f"The cluster '{cluster.executor}' cannot be used so ({brief(error)}). Check "
            "--cluster and --cluster-set, and that its commands are on the path."
        ) from error
    most = cores() if cluster.executor == "local" else len(tasks)
    waiting = deque((task, 0) for task in tasks)
    running: dict[submitit.Job[Failure | None], tuple[Task, int]] = {}
    failures: list[Failure] = []
    try:
        while waiting or running:
            chosen = [waiting.popleft() for _ in range(min(len(waiting), most - len(running)))]
            if chosen:
                with executor.batch():  # Slurm gets them as one array
                    jobs = [executor.submit(task) for task, _ in chosen]
                running |= dict(zip(jobs, chosen, strict=True))
            time.sleep(POLL_SECONDS)
            check()
            for job in [job for job in running if job.done()]:
                task, tries = running.pop(job)
                try:
                    failure = job.result()
                except (FailedJobError, UncompletedJobError) as error:
                    if tries < RETRIES:
                        waiting.append((task, tries + 1))
                        continue
                    why = f"its task was lost {tries + 1} times ({brief(error)}); see {logs}."
                    failure = Failure(task.label, task.analysis, why)
                if failure is not None:
                    failures.append(failure)
                advance()
    finally:
        for job in running:
            job.cancel(check=False)
    return failures
