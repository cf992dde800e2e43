"""What stands in a report and in which order; HTML and Markdown are two spellings of it.

A world's part holds one section a topic. A section without figures, tables or verdicts is left out:
a panel is never empty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lewm_probe.analyses.geometry.report.figure import latents_plot
from lewm_probe.analyses.probe.report.scatter import scatter_plots
from lewm_probe.analyses.probe.report.tables import probe_tables
from lewm_probe.analyses.rollout.report.figure import rollout_plot
from lewm_probe.analyses.straightness.report.figure import straightness_plot
from lewm_probe.analyses.straightness.report.tables import (
    geometry_table,
    rollout_table,
    straightness_table,
)
from lewm_probe.analyses.voe.report.auroc import auroc_plot
from lewm_probe.analyses.voe.report.dose import dose_plot
from lewm_probe.analyses.voe.report.dose_tables import dose_tables, dosed
from lewm_probe.analyses.voe.report.filmstrip import filmstrip_plot
from lewm_probe.analyses.voe.report.paper import paper_surprise_plot
from lewm_probe.analyses.voe.report.surprise import surprise_plot
from lewm_probe.analyses.voe.report.tables import voe_tables
from lewm_probe.reports import formatting, labels
from lewm_probe.reports.figures.losses import loss_plot
from lewm_probe.reports.figures.over_training import training_plot
from lewm_probe.reports.figures.style import Drawn, Plot
from lewm_probe.reports.notes import folded
from lewm_probe.reports.paper import paper_values
from lewm_probe.reports.results_view import WorldView, world_of
from lewm_probe.reports.tables.paper import paper_probe_table, paper_surprise_table
from lewm_probe.reports.tables.published import against_tables
from lewm_probe.reports.tables.sources import models_table, provenance_table
from lewm_probe.reports.tables.table import Table
from lewm_probe.reports.verdicts.judging import VerdictQuestion
from lewm_probe.reports.verdicts.methods import Comparison, comparisons
from lewm_probe.reports.verdicts.verdicts import cautions, questions
from lewm_probe.results.result import Result

RULE = (
    "Rules were fixed before the data. Each is applied to every checkpoint on its own, with 95 % "
    "intervals over trajectories: “yes” needs all checkpoints, “mixed” says in how many, “no” "
    "means that the interval lies on the other side in all of them. Everything else is “not "
    "shown”, which is not “no”. With few training seeds a sentence speaks of these checkpoints, "
    "not of the method."
)

FOLDED = (
    "against-all",
    "voe-checkpoints",
    "voe-baselines",
    "dose-checkpoints",
    "probes-",
    "straightness",
    "rollout",
)
"""Tables that the page shows closed: whole, but not what a reader looks for first."""


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
    notes = _notes(result, several=len(views) > 1)
    parts = (*(_part(view) for view in views), *_paper(views))
    worlds = labels.listing([labels.world(view.world) for view in views])
    models = list(dict.fromkeys(view.label(m) for view in views for m in view.models))
    head = title or f"What {labels.listing(models)} understood of {worlds}"
    lead = (
        "Frozen world models, asked what physics they learned: what can be read from their "
        "latents, what surprises them, and how straight their paths are. The unit of every "
        "analysis is the trajectory; intervals are 95 %."
    )
    return Content(head, lead, notes, parts, provenance_table(result.provenance))


def _notes(result: Result, *, several: bool) -> tuple[str, ...]:
    """Warnings, each once; where there are several worlds they name theirs."""
    found: dict[str | None, list[str]] = {}
    for record in result.provenance:
        found.setdefault(world_of(record) if several else None, []).extend(record.notes)
    return tuple(
        note if world is None else f"{labels.world(world)}: {note}"
        for world, notes in found.items()
        for note in folded(notes)
    )


def _part(view: WorldView) -> Part:
    warnings = [f"{view.label(m)}: {why}." for m, why in cautions(view).items()]
    sections = [
        section
        for section in (
            _verdicts(view),
            _against(view),
            _surprise(view),
            _dose(view),
            _probes(view),
            _straightness(view),
            _rollouts(view),
            _geometry(view),
            _training(view),
            _models(view),
        )
        if not section.empty
    ]
    return Part(
        view.world, labels.world(view.world), _facts(view), tuple(warnings), tuple(sections)
    )


def _facts(view: WorldView) -> str:
    counts = []
    for model in view.models:
        seeds = len(view.checkpoints(model))
        counts.append(f"{view.label(model)} ({seeds} training seed{'s' if seeds != 1 else ''})")
    return f"{labels.listing(counts)}." if counts else ""


def _drawn(*makers: Callable[[WorldView], Plot | None], view: WorldView) -> tuple[Plot, ...]:
    return tuple(plot for maker in makers if (plot := maker(view)) is not None)


def _shown(view: WorldView, *tables: Table | None) -> tuple[ShownTable, ...]:
    return tuple(
        ShownTable(t, t.name.removeprefix(f"{view.world}-").startswith(FOLDED))
        for t in tables
        if t is not None
    )


def _verdicts(view: WorldView) -> Section:
    return Section(
        "verdicts",
        "Verdicts",
        RULE,
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
        tables=_shown(view, *against_tables(view)),
    )


def _surprise(view: WorldView) -> Section:
    floor = view.setting("voe", "log_floor", default=None)
    stated = f" Logarithms have a floor, log(s + {formatting.number(floor)})." if floor else ""
    return Section(
        "surprise",
        "Violation of expectation",
        "Surprise is the squared difference between the predicted and the encoded next latent. "
        "Matched trajectories share start, actions and every byte up to the intervention. "
        f"Headlines use ranks, which do not care about scale.{stated}",
        _drawn(surprise_plot, filmstrip_plot, auroc_plot, view=view),
        _shown(view, *voe_tables(view)),
    )


def _dose(view: WorldView) -> Section:
    kinds = {view.kind(condition) for condition in dosed(view)}
    reported = {
        "teleport": "a teleport by a share of the arena’s width",
        "fast_forward": "a fast-forward, for which the recorded trajectory is continued ahead "
        "until the body is the same distance away (a physically possible place, reached too early)",
        "color": "a colour changed by a share of the way to the target colour",
    }
    said = [text for kind, text in reported.items() if kind in kinds]
    what = f": {'; '.join(said)}" if said else ""
    return Section(
        "dose",
        "Dose–response",
        f"How small a change is still told apart from none{what}.",
        _drawn(dose_plot, view=view),
        _shown(view, *dose_tables(view)),
    )


def _probes(view: WorldView) -> Section:
    return Section(
        "probes",
        "Probing",
        "Quantities read from one frame’s frozen embedding by regression, on trajectories that "
        "the probe never saw. Quantities that are not drawn, such as a goal, are negative "
        "controls.",
        tuple(scatter_plots(view)),
        _shown(view, *probe_tables(view)),
        tables_first=True,
    )


def _straightness(view: WorldView) -> Section:
    return Section(
        "straightness",
        "Straightness",
        "How straight a trajectory’s path through latent space is. Cosine ignores scale, so the "
        "effective rank and a probe stand beside it.",
        _drawn(straightness_plot, training_plot, view=view),
        _shown(view, straightness_table(view)),
    )


def _rollouts(view: WorldView) -> Section:
    return Section(
        "rollouts",
        "Rollouts",
        "Latents imagined from a context and the true actions, against the encoded future.",
        _drawn(rollout_plot, view=view),
        _shown(view, rollout_table(view)),
    )


def _geometry(view: WorldView) -> Section:
    return Section(
        "geometry",
        "Geometry and collapse",
        "How the latents fill their space.",
        _drawn(latents_plot, view=view),
        _shown(view, geometry_table(view)),
        tables_first=True,
    )


def _training(view: WorldView) -> Section:
    return Section(
        "losses",
        "Training",
        "What the objectives minimised.",
        _drawn(loss_plot, view=view),
    )


def _models(view: WorldView) -> Section:
    return Section(
        "models",
        "Models",
        "The checkpoints that were analysed.",
        tables=_shown(view, models_table(view)),
    )


def _paper(views: Sequence[WorldView]) -> list[Part]:
    """What is laid out as in the paper, all worlds together; nothing where it has no numbers."""
    plot, findings = paper_surprise_plot(views), paper_surprise_table(views)
    sections = [
        Section(
            "surprise",
            "Surprise",
            "Unperturbed, recoloured and teleported trajectories, matched.",
            (plot,) if plot else (),
            (ShownTable(findings, False),) if findings else (),
        ),
        Section(
            "probes",
            "Probing",
            "Quantities as rows, models as columns.",
            tables=tuple(
                ShownTable(one, False) for view in views if (one := paper_probe_table(view))
            ),
        ),
    ]
    kept = tuple(section for section in sections if not section.empty)
    facts = (
        f"Our numbers laid out as those of {paper_values().sources['lewm_paper']}. Other groups’ "
        "runs of the same checkpoints disagree by large factors: a yardstick, not ground truth."
    )
    return [Part("paper", "Beside the paper", facts, (), kept)] if kept else []
