"""What is shown of planning."""

from __future__ import annotations

from collections.abc import Iterator

from lewm_probe.analyses.plan.report.figures import (
    by_budget_plot,
    by_distance_plot,
    distance_plot,
    films_plot,
    success_plot,
)
from lewm_probe.analyses.plan.report.names import CEILING, FLOORS, rule
from lewm_probe.analyses.plan.report.questions import questions
from lewm_probe.analyses.plan.report.tables import limits_table, success_table
from lewm_probe.reports import labels
from lewm_probe.reports.page.brought import Headline, Measure, stored
from lewm_probe.reports.page.parts import ByModel, ReportPart, Section, Summary, drawn, shown
from lewm_probe.reports.page.summary import subjects, value
from lewm_probe.reports.results_view import WorldView


def sections(view: WorldView) -> list[Section]:
    """Success, and what limits it."""
    return [
        Section(
            "plan",
            "Planning",
            "The model’s latents are planned with: actions are searched for whose imagined end is "
            "near the goal’s image, done in the real simulator, and searched for anew.",
            drawn(view, success_plot, distance_plot, by_distance_plot, by_budget_plot, films_plot),
            shown(view, success_table(view), limits_table(view)),
            tables_first=True,
        )
    ]


def summary(models: ByModel, view: WorldView) -> Summary:
    """What the command shows at its end."""
    rows: list[list[object]] = []
    groups = []
    for name in subjects(models, metric="success_rate"):
        for label, metrics in models.items():
            own = [m for m in metrics if m.subject == name and m.window == "any"]
            controls = (None, *FLOORS, CEILING)
            rates = (value(own, metric="success_rate", control=c) for c in controls)
            rows.append([label, *rates])
            groups.append(f"{rule(name)}, at any step")
    columns = ["model", "solved", *(labels.control(name) for name in (*FLOORS, CEILING))]
    return Summary(columns, rows, groups)


def headlines(view: WorldView) -> Iterator[Headline]:
    """Numbers by which a checkpoint is known."""
    asked = questions(view)
    words = asked[0].verdicts[0].words if asked and asked[0].verdicts else ""
    for name in view.subjects("plan", "success_rate", window="any"):
        for row in view.pick("plan", "success_rate", subject=name, window="any")[:1]:
            yield Headline(f"Goals reached by planning, {rule(name)}", row, words)


def measures(view: WorldView) -> list[Measure]:
    """By which methods are compared."""
    at = {"subject": "released", "window": "any"}
    return [
        Measure(
            "success",
            "Success of planning",
            "reaches more goals",
            True,
            lambda model: view.pick("plan", "success_rate", model=model, **at),
            lambda first, second: view.pick(
                "plan", stored("success_rate"), model=first, versus=second, **at
            ),
        )
    ]


REPORT = ReportPart(
    sections,
    place=60,
    summary=summary,
    questions=questions,
    headlines=headlines,
    measures=measures,
)
