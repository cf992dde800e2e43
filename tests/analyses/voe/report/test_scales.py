from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lewm_probe.analyses.voe.report import auroc
from lewm_probe.analyses.voe.report.auroc import auroc_plot
from lewm_probe.analyses.voe.report.doses.figure import dose_plot
from lewm_probe.analyses.voe.report.surprise import courses, own_axes, surprise_plot
from lewm_probe.reports.figures.style import COLUMN, FULL
from lewm_probe.reports.results_view import WorldView, views
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric


@pytest.fixture
def dwarfed(result: Result, change: Callable[..., Result]) -> WorldView:
    """A condition whose surprise is a hundred times that of the others."""

    def larger(m: Metric) -> dict[str, Any]:
        if m.metric != "surprise_z" or m.subject != "color_agent" or m.value is None:
            return {}
        return {k: 100 * v + 50 for k in ("value", "ci_low", "ci_high") if (v := getattr(m, k))}

    return views(change(result, update=larger))[0]


def drawn(figure: Figure) -> Figure:
    FigureCanvasAgg(figure)
    figure.savefig(io.BytesIO(), dpi=30)
    return figure


@pytest.mark.parametrize("width", [FULL, COLUMN])
def test_a_condition_that_dwarfs_the_rest_has_an_axis_of_its_own(
    dwarfed: WorldView, width: float
) -> None:
    plot = surprise_plot(dwarfed)
    assert plot is not None
    figure = drawn(plot.draw(width))
    panels = [ax for ax in figure.axes if ax.get_title(loc="left")]
    own = [ax for ax in panels if ax.get_ylabel() == "own axis"]
    assert [ax.get_title(loc="left") for ax in own] == ["Recoloured agent"]
    shared = {ax.get_ylim() for ax in panels if ax not in own}
    assert len(shared) == 1
    assert own[0].get_ylim()[1] > 4 * next(iter(shared))[1]
    assert any(label.get_visible() for label in own[0].get_yticklabels())
    assert (
        "All panels share a vertical scale but recoloured agent: “own axis” where surprise goes "
        "beyond 4 times that of every condition on the common scale." in plot.caption
    )


def test_conditions_that_are_alike_share_one(view: WorldView) -> None:
    plot = surprise_plot(view)
    assert plot is not None
    assert own_axes(courses(view), view.conditions()) == []
    assert "own axis" not in plot.caption
    panels = [ax for ax in plot.draw(FULL).axes if ax.get_title(loc="left")]
    assert len({ax.get_ylim() for ax in panels}) == 1
    assert not any(ax.get_ylabel() for ax in panels)


@pytest.mark.parametrize("width", [FULL, COLUMN])
def test_baselines_of_one_condition_never_cover_each_other(view: WorldView, width: float) -> None:
    """Every marker of a panel has a height of its own, further off than it is high."""
    plot = auroc_plot(view)
    assert plot is not None
    figure = drawn(plot.draw(width))
    for ax in [ax for ax in figure.axes if ax.get_title(loc="left")]:
        heights = sorted(
            float(ax.transData.transform((0.5, line.get_ydata()[0]))[1])
            for line in ax.lines
            if line.get_marker() not in ("", "None", None) and len(line.get_ydata()) == 1
        )
        assert len(heights) > 5
        gaps = [b - a for a, b in zip(heights, heights[1:], strict=False)]
        assert min(gaps) * 72 / figure.dpi > 3.4 * 0.95  # the size of a marker in points
    assert auroc._MODEL > auroc._SLOT


def test_models_stand_side_by_side_at_a_dose(dosed_result: Result) -> None:
    view = views(dosed_result)[0]
    plot = dose_plot(view)
    assert plot is not None
    ax = next(ax for ax in plot.draw(FULL).axes if ax.get_title(loc="left"))
    marked = [line for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata()) > 1]
    first = {round(float(line.get_xdata()[0]), 6) for line in marked}
    assert len(first) > 1 or len(view.models) == 1
    assert "Models stand a little apart at each dose" in plot.caption
