"""``audit``: every analysis of some checkpoints, then the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lewm_probe.auditing.request import EvaluationRequest, Failure, prepare, report_failures
from lewm_probe.auditing.run import ask, by_default
from lewm_probe.cli import options
from lewm_probe.cli.terminal.console import Console
from lewm_probe.cli.terminal.errors import interruptible
from lewm_probe.cli.terminal.tables import table
from lewm_probe.core.errors import UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from lewm_probe.reports.gate import Gate
    from lewm_probe.results.result import Result

Against = Annotated[
    list[str] | None,
    typer.Option(
        "--against",
        metavar="[NAME=]REPORT",
        help="Compare with the results in this folder, trajectory by trajectory where they are the "
        "same.",
    ),
]
GateFile = Annotated[
    Path | None,
    typer.Option(
        "--gate", help="Thresholds, YAML: exit with 1 if a number of the audit misses one."
    ),
]


@dataclass(frozen=True)
class Audited:
    """What an audit gave.

    Attributes:
        page: the report.
        result: of the checkpoints, without those of others.
        failures: checkpoints that were left out.
        cards: model cards.
        differences: of the checkpoints from each published result.
    """

    page: Path
    result: Result
    failures: list[Failure]
    cards: list[Path] = field(default_factory=list)
    differences: list[Result] = field(default_factory=list)


def _audit(
    request: EvaluationRequest,
    out: Path | None,
    console: Console,
    against: list[str] | None,
    gate: Path | None,
    title: str | None,
) -> None:
    """Ask everything of the checkpoints, then write the report and a model card for each."""
    from lewm_probe.cli.terminal.summary import summarize
    from lewm_probe.results.provenance import command_line

    thresholds = _gate(gate)  # a slip in the file is told before the work, not after it
    done = run_audit(request, out, title, console, command_line(), against=against or ())
    shown: list[RenderableType] = [summarize(done.result)]
    reported: dict[str, Any] = done.result.plain()
    error = None
    if gate is not None and thresholds is not None:
        from lewm_probe.reports.gate import check_gate, gate_failure, gate_table
        from lewm_probe.results.result import merge

        outcomes = check_gate(merge([done.result, *done.differences]), thresholds)
        columns, rows = gate_table(outcomes)
        shown.append(table(f"gate {gate}", columns, rows))
        reported["gate"] = [outcome.plain() for outcome in outcomes]
        error = gate_failure(outcomes, str(gate))
    console.finish(_group(shown), reported, [done.page.parent, done.page, *done.cards])
    report_failures(done.failures, done.page.parent)
    if error is not None:
        raise error


audit = options.of_a_request(
    _audit,
    options.Own("against", Against, None, "trajectories"),
    options.Own("gate", GateFile, None, "trajectories"),
    options.Own("title", options.Title, None, "curve"),
)


def run_audit(
    request: EvaluationRequest,
    out: Path | None,
    title: str | None,
    console: Console,
    command: str,
    *,
    against: Sequence[str] = (),
    redraw: bool = True,
) -> Audited:
    """All analyses into ``out/parts``, merged into a report in ``out``, with model cards.

    Args:
        request: what is asked of which checkpoints.
        out: folder (default: one of the world's).
        title: of the report.
        console: shows how far it is.
        command: what was typed.
        against: result folders of others to compare with, ``[name=]folder``.
        redraw: write the report even if one of these very results is there.
    """
    from lewm_probe.cli.report import PAGE, publish
    from lewm_probe.reports.model_cards.model_card import write_cards
    from lewm_probe.results.result import Result, merge

    with interruptible(
        "Analyses that were finished are kept and are not repeated when the same command is run "
        "again."
    ):
        others = _others(against)
        evaluation = prepare(request, console.note)
        _check_comparable(evaluation.suite.world, others)
        folder = out or Path("runs") / evaluation.suite.world / "audit"
        with console.progress() as bars:
            results = ask(
                by_default(evaluation.suite),
                evaluation,
                command,
                lambda name: folder / "parts" / name,
                bars,
                console.note,
            )
        page = folder / PAGE
        if not redraw and page.is_file() and (folder / "results.json").is_file():
            reported = Result.load(folder)
            if reported.provenance == tuple(p for r in results for p in r.provenance):
                return Audited(page, reported, evaluation.failures)
        own = merge(results)
        theirs, differences = _compared(own, others)
        publish([*results, *theirs, *differences], folder, title, console)
        cards = write_cards(own, folder, command=command)
        return Audited(page, own, evaluation.failures, cards, differences)


def _gate(path: Path | None) -> Gate | None:
    if path is None:
        return None
    from lewm_probe.reports.gate import load_gate

    return load_gate(path)


def _others(against: Sequence[str]) -> dict[str, Result]:
    """Results of others by the name they go by: given, or their folder's."""
    from lewm_probe.core.config import split_name
    from lewm_probe.results.result import Result

    found: dict[str, Result] = {}
    for text in against:
        given, path = split_name(text)
        folder = Path(path)
        name = folder.resolve().name if given is None else given
        if not name or name in found:
            raise UsageError(
                f"--against {text} has {'no name' if not name else 'the name of another one'}. "
                "Write NAME=FOLDER, with another name for each."
            )
        found[name] = Result.load(folder)
    return found


def _check_comparable(world: str, others: dict[str, Result]) -> None:
    """Refuse results of other worlds before the work, not after it."""
    if others:
        from lewm_probe.comparison.published import common_worlds

        for label, other in others.items():
            common_worlds([world], other, label)


def _compared(own: Result, others: dict[str, Result]) -> tuple[list[Result], list[Result]]:
    """The numbers of others under names that say whose they are, and differences from each."""
    from lewm_probe.auditing.against import compare_with
    from lewm_probe.comparison.published import renamed

    theirs = [renamed(other, label) for label, other in others.items()]
    return theirs, [compare_with(own, other, label) for label, other in others.items()]


def _group(shown: list[RenderableType]) -> RenderableType:
    from rich.console import Group

    return Group(*shown)
