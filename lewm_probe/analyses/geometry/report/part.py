"""What is shown of geometry."""

from __future__ import annotations

from collections.abc import Iterator

from lewm_probe.analyses.geometry.report.collapse import cautions
from lewm_probe.analyses.geometry.report.figure import latents_plot
from lewm_probe.analyses.geometry.report.tables import geometry_table
from lewm_probe.reports.page.brought import Headline, Panel
from lewm_probe.reports.page.parts import ByModel, ReportPart, Section, Summary, drawn, shown
from lewm_probe.reports.page.summary import value
from lewm_probe.reports.results_view import WorldView


def sections(view: WorldView) -> list[Section]:
    """How the latents fill their space."""
    return [_geometry(view)]


def _geometry(view: WorldView) -> Section:
    return Section(
        "geometry",
        "Geometry and collapse",
        "How the latents fill their space.",
        drawn(view, latents_plot),
        shown(view, geometry_table(view)),
        tables_first=True,
    )


def summary(models: ByModel, view: WorldView) -> Summary:
    """What the command shows at its end."""
    names = ("effective_rank", "sigreg")
    rest = ("participation_ratio", "trace_cov")
    rows: list[list[object]] = []
    for label, metrics in models.items():
        own = [m for m in metrics if m.subject is None]
        gaussian = value(own, metric="sigreg", control="gaussian")
        numbers = (value(own, metric=name) for name in (*names, *rest))
        rank, sigreg, *others = numbers
        rows.append([label, rank, sigreg, gaussian, *others])
    columns = ["model", "effective rank", "SIGReg", "SIGReg of a Gaussian"]
    return Summary([*columns, "participation ratio", "tr Cov z"], rows)


def headlines(view: WorldView) -> Iterator[Headline]:
    """Numbers by which a checkpoint is known."""
    for row in view.pick("geometry", "effective_rank", features=("z", None))[:1]:
        yield Headline("Effective rank of z", row)


def curves(view: WorldView) -> list[Panel]:
    """How many directions are in use while a model trains."""
    rank = view.training("geometry", "effective_rank", features=("z", None))
    return [Panel("Effective rank", "effective rank", rank)]


REPORT = ReportPart(
    sections,
    place=50,
    summary=summary,
    headlines=headlines,
    curves=curves,
    cautions=cautions,
)
