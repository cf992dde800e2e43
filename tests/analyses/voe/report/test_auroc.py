from __future__ import annotations

from pathlib import Path

from lewm_probe.analyses.voe.report.auroc import auroc_plot
from lewm_probe.reports.figures.style import COLUMN, render
from lewm_probe.reports.results_view import ANY, WorldView, views
from lewm_probe.results.result import Result


def test_one_condition_leaves_room_beside_the_legend(view: WorldView, tmp_path: Path) -> None:
    whole = view.pick_all_steps("voe", "auroc", control=ANY)
    first = whole[0].subject
    few = [row for row in whole if (row.subject, row.model) == (first, "lewm")]
    plot = auroc_plot(views(Result([], [], few))[0])
    assert plot is not None
    render(plot, tmp_path)  # a layout that does not fit is a warning, and so an error here
    (axes,) = plot.draw(COLUMN).axes[:1]
    assert axes.get_position().height > 0
