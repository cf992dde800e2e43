"""``audit``: every analysis of some checkpoints, then the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lewm_probe.auditing.request import Evaluation, EvaluationRequest, report_failures
from lewm_probe.cli import options
from lewm_probe.cli.terminal.console import Console
from lewm_probe.cli.terminal.errors import interruptible
from lewm_probe.cli.terminal.tables import table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from lewm_probe.auditing.cluster import Cluster
    from lewm_probe.reports.gate.threshold import Gate

Against = Annotated[
    list[str] | None,
    typer.Option(
        "--against",
        metavar="[NAME=]REPORT",
        help="Compare with the results in this folder, trajectory by trajectory where they are the "
        "same.",
    ),
]
Beside = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="ANALYSIS",
        help="Ask this one too, which no audit asks by itself: plan, map or decode; repeatable.",
    ),
]
GateFile = Annotated[
    Path | None,
    typer.Option(
        "--gate", help="Thresholds, YAML: exit with 1 if a number of the audit misses one."
    ),
]
ClusterName = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="slurm|local",
        help="Measure each checkpoint in tasks of its own, through submitit. --cache has to be a "
        "folder that all machines see.",
    ),
]
ClusterSet = Annotated[
    list[str] | None,
    typer.Option(
        "--cluster-set",
        metavar="KEY=VALUE",
        help="A setting of submitit's executor, e.g. slurm_partition=gpu; repeatable.",
    ),
]


def _audit(
    request: EvaluationRequest,
    out: Path | None,
    console: Console,
    against: list[str] | None,
    beside: list[str] | None,
    gate: Path | None,
    title: str | None,
    cluster: str | None,
    cluster_set: list[str] | None,
) -> None:
    """Ask everything of the checkpoints, then write the report and a model card for each."""
    from lewm_probe.auditing import whole
    from lewm_probe.cli.terminal.summary import summarize
    from lewm_probe.results.provenance import command_line

    where = _cluster(cluster, cluster_set or [])
    thresholds = _gate(gate)  # a slip in the file is told before the work, not after it
    with (
        interruptible(
            "Analyses that were finished are kept and are not repeated when the same command is "
            "run again."
        ),
        console.progress() as bars,
    ):
        done = whole.audit(
            request,
            out,
            command_line(),
            title=title,
            against=against or (),
            beside=beside or (),
            progress=bars,
            say=console.note,
            settled=lambda asked: _foresee(thresholds, asked, against or (), beside or ()),
            cluster=where,
        )
    shown: list[RenderableType] = [summarize(done.result)]
    reported: dict[str, Any] = done.result.plain()
    error = None
    if gate is not None and thresholds is not None:
        from lewm_probe.reports.gate.check import check_gate
        from lewm_probe.reports.gate.outcome import gate_failure, gate_table
        from lewm_probe.reports.notes import quick
        from lewm_probe.results.result import merge

        outcomes = check_gate(merge([done.result, *done.differences]), thresholds)
        columns, rows = gate_table(outcomes)
        looked = " on a quick look (--fast), whose numbers are rough" if quick(done.result) else ""
        shown.append(table(f"gate {gate}{looked}", columns, rows))
        reported["gate"] = [outcome.plain() for outcome in outcomes]
        error = gate_failure(outcomes, f"{gate}{looked}")
    console.finish(_group(shown), reported, [done.page.parent, done.page, *done.cards])
    report_failures(done.failures, done.page.parent)
    if error is not None:
        raise error


audit = options.of_a_request(
    _audit,
    options.Own("against", Against, None, "trajectories"),
    options.Own("beside", Beside, None, "trajectories"),
    options.Own("gate", GateFile, None, "trajectories"),
    options.Own("title", options.Title, None, "curve"),
    options.Own("cluster", ClusterName, None, "curve"),
    options.Own("cluster_set", ClusterSet, None, "curve"),
)


def _gate(path: Path | None) -> Gate | None:
    if path is None:
        return None
    from lewm_probe.reports.gate.threshold import load_gate

    return load_gate(path)


def _cluster(name: str | None, settings: Sequence[str]) -> Cluster | None:
    """Where to measure, with what submitit is told; numbers are numbers.

    Raises:
        UsageError: settings without a cluster, or one that is no KEY=VALUE.
    """
    import yaml

    from lewm_probe.auditing.cluster import Cluster
    from lewm_probe.core.errors import UsageError

    if name is None:
        if settings:
            raise UsageError("--cluster-set says how tasks run, but no --cluster is given.")
        return None
    found: dict[str, Any] = {}
    for text in settings:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise UsageError(f"--cluster-set {text} is no KEY=VALUE. Write e.g. timeout_min=60.")
        found[key] = yaml.safe_load(value)
    return Cluster(name, found)


def _foresee(
    gate: Gate | None, evaluation: Evaluation, against: Sequence[str], beside: Sequence[str]
) -> None:
    """Refuse a gate that asks for what this audit will not measure."""
    if gate is None:
        return
    from lewm_probe.auditing.run import by_default
    from lewm_probe.reports.gate.foreseen import check_foreseen

    models = {checkpoint.name for checkpoint in evaluation.checkpoints}
    suite = evaluation.suite.model_dump(mode="json")
    check_foreseen(gate, suite, by_default(evaluation.suite, beside), models, against)


def _group(shown: list[RenderableType]) -> RenderableType:
    from rich.console import Group

    return Group(*shown)
