"""What stands in a report and in which order; HTML and Markdown are two spellings of it.

A world's part holds one section a topic. A section without figures, tables or verdicts is left out:
a panel is never empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lewm_probe.reports import labels
from lewm_probe.reports.figures.losses import loss_plot
from lewm_probe.reports.figures.style import Drawn, Plot
from lewm_probe.reports.notes import folded, quick
from lewm_probe.reports.page import generic
from lewm_probe.reports.page.parts import Section, drawn, on_the_page, shown, without_part
from lewm_probe.reports.paper import paper_values
from lewm_probe.reports.results_view import WorldView, world_of
from lewm_probe.reports.tables.published import against_tables
from lewm_probe.reports.tables.sources import models_table, provenance_table
from lewm_probe.reports.tables.table import Table
from lewm_probe.reports.verdicts.judging import alpha
from lewm_probe.reports.verdicts.methods import comparisons
from lewm_probe.reports.verdicts.verdicts import cautions, questions, without_tests
from lewm_probe.results.result import Result

RULE = (
    "Rules were fixed before the data; each is applied to every checkpoint on its own. “Yes”: the "
    "effect is there, and beyond every baseline that was required. “Noticed”: it is there, but a "
    "simpler detector does as well (it is named), or one that had to be asked is missing. “No”: "
    "the interval lies on the other side. “Not shown”: everything else, which is not “no”. Both "
    "of the first need 95 % intervals on the right side and p below {alpha:g} after Holm’s "
    "correction over all tests of this result: where nothing is there, at most {percent:g} % of "
    "reports should hold a “yes”; reports/calibration measures it. Several checkpoints get what "
    "all of them reach; “mixed” says how many of each. With few training seeds a sentence speaks "
    "of these checkpoints, not of the method."
)


@dataclass(frozen=True)
class Part:
    """One world; or the worlds together beside the paper, under the key ``paper``."""

    world: str
    title: str
    facts: str
    notes: tuple[str, ...]
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Content:
    """A whole report before it is drawn.

    Attributes:
        notes: warnings a reader must see first.
        parts: one a world, then what is laid out as in the paper.
        provenance: commands and machines.
    """

    title: str
    lead: str
    notes: tuple[str, ...]
    parts: tuple[Part, ...]
    provenance: Table | None

    @property
    def plots(self) -> list[Plot]:
        """Every figure, in order."""
        return [p for part in self.parts for section in part.sections for p in section.plots]

    @property
    def tables(self) -> list[Table]:
        """Every table, in order."""
        found = []
        for part in self.parts:
            for section in part.sections:
                found += [shown.table for shown in section.tables]
                found += [one.table for one in section.comparisons]
        return found + ([self.provenance] if self.provenance else [])


Figures = dict[str, Drawn]
"""Figures that were drawn, by name."""


def content(result: Result, views: Sequence[WorldView], title: str | None) -> Content:
    """Everything that these results support."""
    notes = _notes(result, views)
    parts = (*(_part(view) for view in views), *_paper(views))
    worlds = labels.listing([view.title for view in views])
    models = list(dict.fromkeys(view.label(m) for view in views for m in view.models))
    head = title or f"What {labels.listing(models)} understood of {worlds}"
    lead = (
        "Frozen world models, asked what physics they learned: what can be read from their "
        "latents, what surprises them, and how straight their paths are. The unit of every "
        "analysis is the trajectory. [a, b] is a 95 % interval over trajectories; (a – b) spans "
        "those of several checkpoints, and is no interval of their mean."
    )
    if quick(result):
        lead = f"A quick look with --fast, not numbers to publish. {lead}"
    return Content(head, lead, notes, parts, provenance_table(result.provenance))


def _notes(result: Result, views: Sequence[WorldView]) -> tuple[str, ...]:
    """Warnings, each once; where there are several worlds they name theirs."""
    found: dict[str | None, list[str]] = {}
    several = len(views) > 1
    for record in result.provenance:
        found.setdefault(world_of(record) if several else None, []).extend(record.notes)
    by_world = {view.world: view for view in views}
    first = views[0] if views else None
    return tuple(
        note if world is None else f"{labels.world(world, result.cards.get('world'))}: {note}"
        for world, notes in found.items()
        for note in folded(notes, by_world.get(world, first) if world else first)
    )


def _part(view: WorldView) -> Part:
    untested = without_tests(view)
    warnings = [untested] if untested else []
    warnings += [f"{view.label(m)}: {why}." for m, why in cautions(view).items()]
    sections = [
        section
        for section in (
            _verdicts(view),
            _against(view),
            *(one for part in on_the_page() for one in part.sections(view)),
            *(generic.section(view, name) for name in without_part(view)),
            _training(view),
            _models(view),
        )
        if not section.empty
    ]
    return Part(view.world, view.title, _facts(view), tuple(warnings), tuple(sections))


def _facts(view: WorldView) -> str:
    counts = []
    for model in view.models:
        seeds = len(view.checkpoints(model))
        counts.append(f"{view.label(model)} ({seeds} training seed{'s' if seeds != 1 else ''})")
    return f"{labels.listing(counts)}." if counts else ""


def _verdicts(view: WorldView) -> Section:
    return Section(
        "verdicts",
        "Verdicts",
        RULE.format(alpha=alpha(view), percent=100 * alpha(view)),
        questions=tuple(questions(view)),
        comparisons=tuple(comparisons(view)),
        labels={model: view.label(model) for model in view.models},
    )


def _against(view: WorldView) -> Section:
    return Section(
        "against",
        "Against published results",
        "These models minus those of a published result, from the stored numbers of both. No model "
        "of theirs was run here.",
        tables=shown(view, *against_tables(view), folded=("against-all",)),
    )


def _training(view: WorldView) -> Section:
    return Section(
        "losses",
        "Training",
        "What the objectives minimised.",
        drawn(view, loss_plot),
    )


def _models(view: WorldView) -> Section:
    return Section(
        "models",
        "Models",
        "The checkpoints that were analysed.",
        tables=shown(view, models_table(view)),
    )


def _paper(views: Sequence[WorldView]) -> list[Part]:
    """What is laid out as in the paper, all worlds together; nothing where it has no numbers."""
    sections = [part.beside_paper(views) for part in on_the_page() if part.beside_paper]
    kept = tuple(section for section in sections if not section.empty)
    facts = (
        f"Our numbers laid out as those of {paper_values().sources['lewm_paper']}. Other groups’ "
        "runs of the same checkpoints disagree by large factors: a yardstick, not ground truth."
    )
    return [Part("paper", "Beside the paper", facts, (), kept)] if kept else []
