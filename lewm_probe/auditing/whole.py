"""A whole audit: every analysis of some checkpoints, merged into one report with model cards.

Shared by the commands ``audit``, ``study`` and ``demo``; nothing is printed here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lewm_probe.auditing.cluster import Cluster, measure_on
from lewm_probe.auditing.request import Evaluation, EvaluationRequest, Failure, prepare
from lewm_probe.auditing.run import ask, by_default
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.files import resolved
from lewm_probe.results.place import check_place

if TYPE_CHECKING:
    from lewm_probe.core.progress import Progress
    from lewm_probe.results.result import Result

PAGE = "report.html"
"""The page of a report in its folder."""


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


def audit(
    request: EvaluationRequest,
    folder: Path | None,
    command: str,
    *,
    title: str | None = None,
    against: Sequence[str] = (),
    beside: Sequence[str] = (),
    redraw: bool = True,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda _: None,
    settled: Callable[[Evaluation], None] = lambda _: None,
    cluster: Cluster | None = None,
) -> Audited:
    """All analyses into ``folder/parts``, merged into a report in ``folder``, with model cards.

    Args:
        request: what is asked of which checkpoints.
        folder: where to write (default: one of the world's).
        command: what was typed.
        title: of the report.
        against: result folders of others to compare with, ``[name=]folder``.
        beside: analyses asked beside those of every audit, by name, e.g. ``plan``.
        redraw: write the report even if one of these very results is there.
        progress: where to show how far it is.
        say: told at once of a checkpoint that is left out.
        settled: called once it is clear what will be asked of whom, before the work.
        cluster: where checkpoints are measured; None: in this process.
    """
    from lewm_probe.core.processes.locks import alone
    from lewm_probe.core.progress import NoProgress
    from lewm_probe.reports.model_cards.model_card import write_cards
    from lewm_probe.reports.page.write import write_report
    from lewm_probe.results.result import merge

    progress = progress or NoProgress()
    others = _others(against)
    if cluster is not None:
        cluster.check()
    evaluation = prepare(request, say)
    names = by_default(evaluation.suite, beside)
    _check_comparable(evaluation.suite.world, others)
    settled(evaluation)
    folder = folder or Path("runs") / evaluation.suite.world / "audit"
    check_place(folder)
    with alone(folder):
        if cluster is not None:
            evaluation = measure_on(cluster, request, evaluation, names, folder, progress, say)
        results = ask(
            names,
            evaluation,
            command,
            lambda name: folder / "parts" / name,
            progress,
            say,
        )
        own = merge(results)
        page, there = folder / PAGE, None if redraw else _there(folder, results)
        if there is not None:
            # Written again, as they are the last: it may have been stopped right before them.
            cards = write_cards(own, folder, command=command)
            return Audited(page, there, evaluation.failures, cards)
        theirs, differences = _compared(own, others)
        whole = merge([*results, *theirs, *differences])
        page = write_report(whole, folder, title=title, progress=progress).html
        cards = write_cards(own, folder, command=command)
    return Audited(page, own, evaluation.failures, cards, differences)


def _there(folder: Path, results: Sequence[Result]) -> Result | None:
    """What the report of these very results says, if it is there and whole."""
    from lewm_probe.results.result import Result

    page = folder / PAGE
    if not (page.is_file() and (folder / "results.json").is_file()):
        return None
    try:
        reported = Result.load(folder)
        whole = page.read_text(encoding="utf-8").rstrip().endswith("</html>")
    except (UserError, OSError, ValueError):
        return None  # cut short, or of another version: drawn again
    same = reported.provenance == tuple(p for r in results for p in r.provenance)
    return reported if whole and same else None


def _others(against: Sequence[str]) -> dict[str, Result]:
    """Results of others by the name they go by: given, or their folder's."""
    from lewm_probe.core.config import split_name
    from lewm_probe.results.result import Result

    found: dict[str, Result] = {}
    for text in against:
        given, path = split_name(text)
        folder = Path(path)
        name = resolved(folder).name if given is None else given
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
