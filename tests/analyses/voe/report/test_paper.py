from __future__ import annotations

from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lewm_probe.analyses.voe.report.paper import paper_surprise_plot
from lewm_probe.reports.figures import style
from lewm_probe.reports.figures.style import COLUMN, FULL
from lewm_probe.reports.results_view import WorldView, views
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric

Change = Callable[..., Result]


def drawn(shown: list[WorldView], width: float = FULL) -> Figure:
    plot = paper_surprise_plot(shown)
    assert plot is not None
    with mpl.rc_context(style._STYLE):
        figure = plot.draw(width)
        FigureCanvasAgg(figure)
        figure.draw_without_rendering()
    return figure


def curves(ax: Axes) -> list[np.ndarray]:
    """Heights of the lines over frames −3 … 6."""
    found = [line for line in ax.lines if len(line.get_xdata()) == 10]
    return [np.asarray(line.get_ydata(), float) for line in found]


def course(view: WorldView, condition: str, model: str) -> list[float]:
    at = {"subject": condition, "model": model}
    values = []
    for frame in range(-3, 7):
        mean = view.mean("voe", "surprise_z", horizon=frame, **at)
        assert mean is not None
        values.append(mean.value)
    return values


def test_a_row_a_world_a_column_a_model_and_three_conditions(
    view: WorldView, push_t: WorldView
) -> None:
    figure = drawn([view, push_t])
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["LeWM", "LeWM ViT", "PLDM", "LeWM", "PLDM"]
    turned = [ax.get_title(loc="left") for ax in drawn([push_t, view]).axes]
    assert turned == ["LeWM", "PLDM", "LeWM", "LeWM ViT", "PLDM"]
    assert [len(curves(ax)) for ax in figure.axes] == [3] * 5
    tried = ("reference", "color_block", "teleport_both")
    for ax, model in zip(figure.axes[3:], ("lewm", "pldm"), strict=True):
        for heights, condition in zip(curves(ax), tried, strict=True):
            assert heights == pytest.approx(course(push_t, condition, model))
    rows = [[ax.get_ylim() for ax in part] for part in (figure.axes[:3], figure.axes[3:])]
    assert [len(set(row)) for row in rows] == [1, 1]
    said = [ax.get_ylabel() for ax in figure.axes]
    assert said == ["TwoRoom\nsurprise (SD)", "", "", "Push-T\nsurprise (SD)", ""]


def test_columns_stay_below_each_other_where_a_world_lacks_a_model(
    view: WorldView, push_t: WorldView
) -> None:
    first, _, third, fourth, fifth = (ax.get_position() for ax in drawn([view, push_t]).axes)
    assert fourth.x0 == pytest.approx(first.x0)
    assert fifth.x0 == pytest.approx(third.x0)
    assert fifth.y1 < third.y0


def test_a_narrow_figure_wraps_models(view: WorldView) -> None:
    figure = drawn([view], COLUMN)
    assert len({round(ax.get_position().x0, 3) for ax in figure.axes}) == 2
    assert len(figure.axes) == 3


def test_worlds_of_no_paper_and_conditions_not_tried_are_left_out(
    push_t: WorldView, make: Callable[..., Result], dosed_result: Result, change: Change
) -> None:
    mine = views(make((("lewm", "lewm", (0,)),), world="mine", analyses=("voe",)))[0]
    assert paper_surprise_plot([mine]) is None
    assert len(drawn([mine, push_t]).axes) == 2

    def without(m: Metric) -> bool:
        return "color" not in str(m.subject) and (m.model == "lewm" or m.subject == "blur")

    (ax,) = drawn(views(change(dosed_result, without))).axes
    assert len(curves(ax)) == 2
    teleports = change(dosed_result, lambda m: m.subject in ("blur", "reference"))
    assert paper_surprise_plot(views(teleports)) is None


def test_the_caption_says_what_was_tried_in_each_world(
    view: WorldView, push_t: WorldView, dosed_result: Result, change: Change
) -> None:
    plot = paper_surprise_plot([view, push_t])
    assert plot is not None
    assert (
        " on disjoint unperturbed trajectories. TwoRoom: teleport of agent and recoloured agent, "
        "n = 200; Push-T: teleport of agent and block and recoloured block, n = 200. The "
    ) in plot.caption
    raw = paper_surprise_plot(views(change(dosed_result, lambda m: m.metric != "surprise_z")))
    assert raw is not None
    assert " unperturbed trajectories (raw where that is not stored). " in raw.caption
