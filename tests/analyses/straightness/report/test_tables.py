from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from matplotlib.backends.backend_agg import FigureCanvasAgg

from lewm_probe.analyses.geometry.report.tables import geometry_table
from lewm_probe.analyses.rollout.report.tables import rollout_table
from lewm_probe.analyses.straightness.report.figure import straightness_plot
from lewm_probe.analyses.straightness.report.tables import straightness_table
from lewm_probe.reports.figures.style import FULL
from lewm_probe.reports.results_view import WorldView, views
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric


def test_straightness_has_every_control_and_stride(view: WorldView) -> None:
    table = straightness_table(view)
    assert table is not None
    first = [row.cells["what"].text for row in table.rows if row.group == "Stride 1"]
    assert first[:4] == [
        "LeWM, encoded latents",
        "LeWM ViT, encoded latents",
        "PLDM, encoded latents",
        "LeWM, imagined latents",
    ]
    assert {"true state", "pixels", "LeWM, random weights", "PLDM, time-shuffled"} <= set(first)
    assert first.count("pixels") == 1
    assert {row.group for row in table.rows} == {"Stride 1", "Stride 2", "Stride 5"}


def test_published_straightness_stands_beside_that_world_alone(
    make: Callable[..., Result], view: WorldView
) -> None:
    push = make(analyses=("straightness",), world="push-t", models=(("lewm", "lewm", (0,)),))
    table = straightness_table(views(push)[0])
    assert table is not None
    assert [row.cells["paper"].text for row in table.rows[:2]] == ["0.516", "0.531"]
    ours = straightness_table(view)
    assert ours is not None
    assert "paper" not in [column.key for column in ours.columns]


def test_rollouts_are_grouped_by_what_is_measured(view: WorldView) -> None:
    table = rollout_table(view)
    assert table is not None
    assert list(dict.fromkeys(row.group for row in table.rows)) == [
        "Latent error: MSE",
        "Agent position: RMSE (px), linear probe",
    ]
    assert [c.title for c in table.columns[1:]] == [f"k = {k}" for k in (1, 2, 3, 4, 5, 6, 8, 10)]
    assert table.rows[0].cells["k1"].low is not None  # kept for the CSV
    assert "[" not in table.rows[0].cells["k1"].text


def test_geometry_shows_the_gaussian_level_beside_sigreg(view: WorldView) -> None:
    table = geometry_table(view)
    assert table is not None
    row = table.rows[0]
    assert (row.cells["sigreg"].value, row.cells["sigreg_gaussian"].value) == (3.1, 1.0)
    assert row.cells["variance_max"].text == "1.70"


def test_nothing_measured_gives_no_table(result: Result, change: Callable[..., Result]) -> None:
    def other(m: Metric) -> bool:
        return m.analysis in ("voe", "probe")

    view = views(change(result, other))[0]
    assert straightness_table(view) is rollout_table(view) is geometry_table(view) is None


def test_markers_of_models_keep_clear_of_each_other(view: WorldView) -> None:
    plot = straightness_plot(view)
    assert plot is not None
    figure = plot.draw(FULL)
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    ax = figure.axes[0]
    heights = sorted(
        {
            round(float(ax.transData.transform((0, line.get_ydata()[0]))[1]), 3)
            for line in ax.lines
            if line.get_linestyle() == "None"
        }
    )
    assert len(heights) >= 3 * len(view.models)
    gaps = [(b - a) * 72 / figure.dpi for a, b in pairwise(heights)]
    assert min(gap for gap in gaps) > 4  # the size of a marker in points
