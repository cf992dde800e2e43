"""What is shown of maps."""

from __future__ import annotations

from collections.abc import Iterator

from lewm_probe.analyses.map.report.figure import map_plots
from lewm_probe.analyses.map.report.stored import bodies
from lewm_probe.analyses.map.report.tables import map_table
from lewm_probe.reports import labels
from lewm_probe.reports.page.brought import Headline
from lewm_probe.reports.page.parts import ByModel, ReportPart, Section, Summary, shown
from lewm_probe.reports.page.summary import subjects, value
from lewm_probe.reports.results_view import WorldView


def sections(view: WorldView) -> list[Section]:
    """Places and where they lie."""
    return [
        Section(
            "map",
            "Maps of the latents",
            "A body is put at every place of a regular grid and the scene is encoded: does latent "
            "space lay places out as the world does?",
            map_plots(view),
            shown(view, map_table(view)),
        )
    ]


def summary(models: ByModel, view: WorldView) -> Summary:
    """What the command shows at its end."""
    rows: list[list[object]] = []
    groups = []
    for body in subjects(models, metric="neighbourhood_overlap"):
        for label, metrics in models.items():
            own = [m for m in metrics if m.subject == body]
            kept = {"metric": "neighbourhood_overlap", "method": None}
            trusted = {"metric": "trustworthiness", "method": None}
            rows.append(
                [
                    label,
                    value(own, **kept),
                    value(own, **kept, control="pixel_space"),
                    value(own, **kept, control="chance"),
                    value(own, **trusted),
                    value(own, **kept, control="random_weights"),
                ]
            )
            groups.append(f"places of {labels.plain(body)}")
    columns = ["model", "neighbours kept", "by pixels", "by chance", "trustworthiness"]
    return Summary([*columns, "kept by random weights"], rows, groups)


def headlines(view: WorldView) -> Iterator[Headline]:
    """Numbers by which a checkpoint is known."""
    for body in bodies(view):
        for row in view.pick("map", "neighbourhood_overlap", subject=body, method=None)[:1]:
            yield Headline(f"Neighbouring places of {labels.plain(body)} kept", row)


REPORT = ReportPart(sections, place=53, summary=summary, headlines=headlines)
