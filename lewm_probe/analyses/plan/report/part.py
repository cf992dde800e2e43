"""What is shown of planning."""

from __future__ import annotations

from lewm_probe.reports.page.parts import ByModel, ReportPart, Section, Summary
from lewm_probe.reports.page.summary import subjects, value
from lewm_probe.reports.results_view import WorldView


def sections(view: WorldView) -> list[Section]:
    return []


def summary(models: ByModel, view: WorldView) -> Summary:
    rows: list[list[object]] = []
    groups = []
    for rule in subjects(models, metric="success_rate"):
        for label, metrics in models.items():
            own = [m for m in metrics if m.subject == rule and m.window == "any"]
            controls = ("random_policy", "do_nothing", "copy_action", "random_weights", "pixel_pca", "other_goal", "recorded_actions")
            rows.append([label, *(value(own, metric="success_rate", control=c) for c in (None, *controls))])
            groups.append(f"{rule} rule, at any step")
    return Summary(["model", "success", "random policy", "do nothing", "copy action", "random weights", "pixel PCA", "other goal", "recorded"], rows, groups)


REPORT = ReportPart(sections, place=60, summary=summary)
