"""What is shown of one analysis, and the sections of a page.

An analysis brings a ``ReportPart`` along: functions of a view of one world's results, which import
nothing that measures. A section without figures, tables or verdicts is left out: a panel is never
empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lewm_probe.reports.figures.style import Plot
from lewm_probe.reports.page.brought import Comparison, Headline, Measure, Panel
from lewm_probe.reports.results_view import WorldView
from lewm_probe.reports.tables.table import Table
from lewm_probe.reports.verdicts.judging import VerdictQuestion
from lewm_probe.results.analyses import in_order
from lewm_probe.results.schema import Metric

ByModel = Mapping[str, list[Metric]]
"""The metrics of one analysis at each model's final step, by the name it has in that table."""


class Summary(NamedTuple):
    """The table at the end of a command.

    Attributes:
        columns: the first names; the others follow in the order of their importance, as a narrow
            terminal shows the first of them only.
        rows: cells, one a column: words, ``formatting.Number``, or none.
        groups: what each row stands under; neighbours of one group stand under it together.
            Without any: no headings.
        wide: columns that only ``--wide`` shows.
    """

    columns: list[str]
    rows: list[list[object]]
    groups: Sequence[str] = ()
    wide: Sequence[str] = ()


@dataclass(frozen=True)
class ShownTable:
    """A table, and whether the page shows it closed."""

    table: Table
    folded: bool


@dataclass(frozen=True)
class Section:
    """One topic of one world."""

    key: str
    title: str
    lead: str
    plots: tuple[Plot, ...] = ()
    tables: tuple[ShownTable, ...] = ()
    tables_first: bool = False
    questions: tuple[VerdictQuestion, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    """Model name → display name, for verdicts."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.plots or self.tables or self.questions or self.comparisons)

    @property
    def open_tables(self) -> list[Table]:
        """Tables that say the main thing: they stand first where there are no curves to see."""
        return [shown.table for shown in self.tables if not shown.folded]

    @property
    def folded_tables(self) -> list[Table]:
        """Tables that a reader opens."""
        return [shown.table for shown in self.tables if shown.folded]


@dataclass(frozen=True)
class ReportPart:
    """What is shown of one analysis; all but the sections may be left out.

    Attributes:
        sections: topics of a world, in order.
        place: of its sections, questions and measures among those of other analyses.
        summary: the few numbers that the command shows at its end, of the models' metrics and the
            view that knows how names are said.
        questions: what is answered in words, with verdicts.
        headlines: numbers by which a checkpoint is known.
        measures: by which two methods are compared.
        curves: over training.
        cautions: model → why its calm or straightness must not be believed.
        card_tables: what a model card shows beside the headlines.
        beside_paper: worlds together, laid out as in the paper.
    """

    sections: Callable[[WorldView], Sequence[Section]]
    place: int = 100
    summary: Callable[[ByModel, WorldView], Summary] | None = None
    questions: Callable[[WorldView], Sequence[VerdictQuestion]] | None = None
    headlines: Callable[[WorldView], Iterator[Headline]] | None = None
    measures: Callable[[WorldView], Sequence[Measure]] | None = None
    curves: Callable[[WorldView], Sequence[Panel]] | None = None
    cautions: Callable[[WorldView], Mapping[str, Sequence[str]]] | None = None
    card_tables: Callable[[WorldView], Sequence[Table | None]] | None = None
    beside_paper: Callable[[Sequence[WorldView]], Section] | None = None


def parts() -> list[ReportPart]:
    """Those of all analyses that are known here and have one, in order of the analyses."""
    return [analysis.load("report") for analysis in in_order() if analysis.report]


def without_part(view: WorldView) -> list[str]:
    """Analyses in results that nothing here knows how to show, in order of appearance."""
    known = {analysis.name for analysis in in_order() if analysis.report}
    return [name for name in view.analyses if name not in known]


def on_the_page() -> list[ReportPart]:
    """The same in the order in which a page shows them."""
    return sorted(parts(), key=lambda part: part.place)


def drawn(view: WorldView, *makers: Callable[[WorldView], Plot | None]) -> tuple[Plot, ...]:
    """The figures that there is something to draw for."""
    return tuple(plot for maker in makers if (plot := maker(view)) is not None)


def shown(
    view: WorldView, *tables: Table | None, folded: Iterable[str] = ()
) -> tuple[ShownTable, ...]:
    """The tables that there are; ``folded``: how names begin of those that a reader opens."""
    closed = tuple(folded)
    return tuple(
        ShownTable(t, t.name.removeprefix(f"{view.world}-").startswith(closed))
        for t in tables
        if t is not None
    )
