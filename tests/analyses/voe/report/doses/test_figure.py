from __future__ import annotations

from collections.abc import Callable

import matplotlib as mpl
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lewm_probe.analyses.voe.report.doses.figure import dose_plot
from lewm_probe.analyses.voe.report.doses.tables import dose_rows
from lewm_probe.reports.figures import style
from lewm_probe.reports.figures.style import COLUMN, FULL
from lewm_probe.reports.means import means
from lewm_probe.reports.results_view import WorldView, views
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric

TITLES = [
    "Teleport of agent",
    "Teleport of block",
    "Fast-forward of agent",
    "Recoloured agent",
    "Recoloured block",
]
Change = Callable[..., Result]


def drawn(view: WorldView, width: float = FULL) -> Figure:
    plot = dose_plot(view)
    assert plot is not None
    with mpl.rc_context(style._STYLE):
        figure = plot.draw(width)
        FigureCanvasAgg(figure)
    return figure


def curves(ax: Axes) -> list[list[float]]:
    """Heights of the lines that join doses: neither chance nor single marks."""
    return [
        [float(v) for v in line.get_ydata()]
        for line in ax.lines
        if line.get_linestyle() != "None" and len(line.get_xdata()) > 2
    ]


def triangles(ax: Axes) -> list[list[float]]:
    return [[float(v) for v in line.get_xdata()] for line in ax.lines if line.get_marker() == "^"]


@pytest.mark.parametrize("width", [FULL, COLUMN])
def test_a_panel_a_condition_and_four_lines_a_model(push_t: WorldView, width: float) -> None:
    axes = drawn(push_t, width).axes
    assert [ax.get_title(loc="left") for ax in axes] == TITLES
    for ax in axes:
        assert (
            len(curves(ax)) == 2 * 4
        )  # the model, copy-last, the random encoder, the action-blind predictor
    at = {"subject": "dose_teleport_agent", "model": "pldm"}
    for control in (None, "copy_last", "random_encoder"):
        heights = [
            mean.value for mean in means(dose_rows(push_t, "auroc", control=control, **at), "dose")
        ]
        assert heights in curves(axes[0])


def test_panels_share_a_height_and_have_ticks_in_percent(push_t: WorldView) -> None:
    axes = drawn(push_t).axes
    assert len({ax.get_ylim() for ax in axes}) == 1
    assert [round(tick, 1) for tick in sorted(axes[0].get_yticks())] == [
        0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0,
    ]  # fmt: skip
    said = [
        [label.get_text().replace("\N{NO-BREAK SPACE}", " ") for label in ax.get_xticklabels()]
        for ax in axes
    ]
    assert said[0] == ["1 %", "2 %", "5 %", "10 %", "20 %", "50 %"]
    assert said[3] == ["5 %", "10 %", "20 %", "50 %", "100 %"]
    assert [axes[k].get_xlabel() for k in (0, 2, 3)] == [
        "share of the arena’s width",
        "share of the arena’s width",
        "share of the way to the colour",
    ]


def test_first_doses_are_marked_as_stored(
    push_t: WorldView, dosed_result: Result, change: Change
) -> None:
    stored = {
        model: sorted(
            {row.value for row in push_t.pick("voe", "first_dose", model=model,
                                              subject="dose_teleport_agent") if row.value}
        )
        for model in push_t.models
    }  # fmt: skip
    assert triangles(drawn(push_t).axes[0]) == [stored["lewm"], stored["pldm"]]

    def other(m: Metric) -> dict[str, float]:
        one = (m.metric, m.model, m.train_seed) == ("first_dose", "lewm", 1)
        return {"value": 0.1} if one else {}

    moved = drawn(views(change(dosed_result, update=other))[0])
    assert triangles(moved.axes[0]) == [[*stored["lewm"], 0.1], stored["pldm"]]


def test_nothing_is_drawn_for_rows_that_are_missing(dosed_result: Result, change: Change) -> None:
    def keep(m: Metric) -> bool:
        fast = m.subject == "dose_fast_forward_agent"
        colored = m.subject == "dose_color_agent" and m.model == "pldm"
        return not fast and not colored and m.control != "random_encoder"

    figure = drawn(views(change(dosed_result, keep))[0])
    assert [ax.get_title(loc="left") for ax in figure.axes] == [TITLES[k] for k in (0, 1, 3, 4)]
    assert [len(curves(ax)) for ax in figure.axes] == [6, 6, 3, 6]
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said == [
        "LeWM",
        "PLDM",
        "copy last",
        "action-blind predictor",
        "first dose beyond every baseline",
    ]


def test_what_lies_below_widens_every_panel(dosed_result: Result, change: Change) -> None:
    def low(m: Metric) -> dict[str, float]:
        one = m.dose == 0.01 and m.control == "copy_last" and m.metric == "auroc"
        return {"value": 0.12, "ci_low": 0.1, "ci_high": 0.2} if one else {}

    axes = drawn(views(change(dosed_result, update=low))[0]).axes
    assert {ax.get_ylim() for ax in axes} == {axes[0].get_ylim()}
    assert axes[0].get_ylim()[0] < 0.1


def test_one_dose_of_one_checkpoint_without_intervals_is_drawn(
    make: Callable[..., Result], change: Change
) -> None:
    one = make((("m", "x", (0,)),), doses={"dose_teleport_agent": (0.1,)}, analyses=("voe",))
    bare = change(one, update=lambda m: {"ci_low": None, "ci_high": None, "n": None})
    figure = drawn(views(bare)[0], COLUMN)
    assert len(figure.axes) == 1
    plot = dose_plot(views(bare)[0])
    assert plot is not None
    assert "n = " not in plot.caption


def test_the_caption_names_conditions_with_fewer_cases(push_t: WorldView) -> None:
    plot = dose_plot(push_t)
    assert plot is not None
    assert ", n = 200 (fast-forward of agent 160–200) each, by the size of" in plot.caption
