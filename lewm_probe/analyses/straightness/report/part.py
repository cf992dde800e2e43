"""What is shown of straightness."""

from __future__ import annotations

from collections.abc import Iterator

from lewm_probe.analyses.straightness.report.figure import straightness_plot
from lewm_probe.analyses.straightness.report.questions import STRAIGHT, questions
from lewm_probe.analyses.straightness.report.tables import straightness_table
from lewm_probe.reports.figures.over_training import training_plot
from lewm_probe.reports.page.brought import Headline, Measure, Panel, levels, stored
from lewm_probe.reports.page.parts import ByModel, ReportPart, Section, Summary, drawn, shown
from lewm_probe.reports.page.summary import value
from lewm_probe.reports.results_view import WorldView


def sections(view: WorldView) -> list[Section]:
    """Straightness, and what changes over training."""
    return [_straightness(view)]


def _straightness(view: WorldView) -> Section:
    return Section(
        "straightness",
        "Straightness",
        "How straight a trajectory’s path through latent space is. Cosine ignores scale, so the "
        "effective rank and a probe stand beside it.",
        drawn(view, straightness_plot, training_plot),
        shown(view, straightness_table(view), folded=("straightness",)),
    )


def summary(models: ByModel, view: WorldView) -> Summary:
    """What the command shows at its end."""
    rows: list[list[object]] = []
    for label, metrics in models.items():
        own = [m for m in metrics if m.metric == "cosine" and m.stride == 1]
        encoded = [m for m in own if m.method != "imagined"]
        controls = ("random_weights", "pixel_space", "state_space")
        rows.append(
            [
                label,
                value(own, method="encoded"),
                value(own, method="imagined"),
                *(value(encoded, control=control) for control in controls),
            ]
        )
    columns = ["S, stride 1", "encoded", "imagined", "random weights", "pixels", "true state"]
    return Summary(columns, rows)


def headlines(view: WorldView) -> Iterator[Headline]:
    """Numbers by which a checkpoint is known."""
    asked = questions(view)
    words = asked[0].verdicts[0].words if asked and asked[0].verdicts else ""
    for method in ("encoded", "imagined"):
        at = {"method": method, "stride": (1, None), "window": None, "subject": None}
        for row in view.pick("straightness", "cosine", **at)[:1]:
            told = words if method == "encoded" else ""
            yield Headline(f"Straightness S, {method} latents, stride 1", row, told)


def measures(view: WorldView) -> list[Measure]:
    """By which methods are compared."""
    return [
        Measure(
            "straightness",
            "Straightness S",
            "has straighter paths",
            True,
            lambda model: view.pick("straightness", "cosine", model=model, **STRAIGHT),
            lambda first, second: view.pick(
                "straightness", stored("cosine"), model=first, versus=second, **STRAIGHT
            ),
        )
    ]


def curves(view: WorldView) -> list[Panel]:
    """How straight encoded paths are while a model trains."""
    at = {"stride": (1, None), "method": ("encoded", None), "window": None}
    return [
        Panel(
            "Straightness of encoded paths",
            "S",
            view.training("straightness", "cosine", **at),
            levels(view, "straightness", "cosine", **at),
        )
    ]


REPORT = ReportPart(
    sections,
    place=30,
    summary=summary,
    questions=questions,
    headlines=headlines,
    measures=measures,
    curves=curves,
)
