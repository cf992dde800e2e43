"""Every figure at both widths: inside its edges, no label on another, no letter below 7 pt."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from lewm_probe.analyses.geometry.report.figure import latents_plot
from lewm_probe.analyses.probe.report.scatter import paired, scatter_plots
from lewm_probe.analyses.rollout.report.figure import rollout_plot
from lewm_probe.analyses.straightness.report.figure import straightness_plot
from lewm_probe.analyses.voe.report.auroc import auroc_plot
from lewm_probe.analyses.voe.report.doses.figure import dose_plot
from lewm_probe.analyses.voe.report.filmstrip import filmstrip_plot, onset, strips
from lewm_probe.analyses.voe.report.paper import paper_surprise_plot
from lewm_probe.analyses.voe.report.surprise import surprise_plot
from lewm_probe.reports.figures import style
from lewm_probe.reports.figures.losses import loss_plot
from lewm_probe.reports.figures.over_training import training_plot
from lewm_probe.reports.figures.style import COLUMN, FULL, Plot
from lewm_probe.reports.page.sections import content
from lewm_probe.reports.results_view import WorldView, views
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric

Maker = Callable[[WorldView], Plot | None]
MAKERS: list[Maker] = [
    surprise_plot,
    filmstrip_plot,
    auroc_plot,
    training_plot,
    straightness_plot,
    rollout_plot,
    latents_plot,
    loss_plot,
    lambda view: next(iter(scatter_plots(view)), None),
    lambda view: paper_surprise_plot([view]),
]
DRAWN = [(maker, "view") for maker in MAKERS]
DRAWN += [(maker, "push_t") for maker in (*MAKERS[:3], MAKERS[-1], dose_plot)]


def laid_out(plot: Plot, width: float) -> Figure:
    with mpl.rc_context(style._STYLE):
        figure = plot.draw(width)
        FigureCanvasAgg(figure)
        figure.draw_without_rendering()
    return figure


def shown(figure: Figure) -> list[tuple[str, np.ndarray, float]]:
    """Text, its box in pixels and its size, of everything that is drawn."""
    hidden = undrawn(figure)
    found = []
    for text in figure.findobj(Text):
        box = text.get_window_extent()
        if text.get_visible() and text.get_text().strip() and id(text) not in hidden:
            found.append((text.get_text(), box.extents, text.get_fontsize()))
    return found


def undrawn(figure: Figure) -> set[int]:
    """Tick labels that matplotlib keeps beyond an axis' ends but never draws."""
    hidden = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            drawn = axis._update_ticks()  # as Axis.draw does
            for tick in (*axis.majorTicks, *axis.minorTicks):
                if tick not in drawn:
                    hidden |= {id(tick.label1), id(tick.label2)}
    return hidden


@pytest.mark.parametrize("width", [FULL, COLUMN])
@pytest.mark.parametrize(("maker", "seen"), DRAWN, ids=range(len(DRAWN)))
def test_labels_are_legible_whole_and_apart(
    maker: Maker, seen: str, width: float, request: pytest.FixtureRequest
) -> None:
    plot = maker(request.getfixturevalue(seen))
    assert plot is not None
    figure = laid_out(plot, width)
    assert figure.get_size_inches()[0] == pytest.approx(width)
    edge = figure.bbox.extents
    found = shown(figure)
    for text, box, size in found:
        assert size >= 7, text
        assert (box[:2] >= edge[:2] - 1).all(), text
        assert (box[2:] <= edge[2:] + 1).all(), text
    for (one, a, _), (other, b, _) in combinations(found, 2):
        overlap = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
        assert not (overlap > 1.5).all(), (one, other)


@pytest.mark.parametrize("maker", [*MAKERS, dose_plot], ids=range(len(MAKERS) + 1))
def test_nothing_measured_draws_nothing(maker: Maker, result: Result) -> None:
    lonely = Metric(model="m", family="x", world="w", analysis="plan", metric="s", value=1.0)
    assert maker(views(Result(result.provenance, [], [lonely]))[0]) is None


def test_one_model_without_intervals_is_drawn(
    make: Callable[..., Result], change: Callable[..., Result]
) -> None:
    one = make(
        models=(("mine", "jepa", (0,)),), conditions=("teleport_agent", "gravity_off"[:0] or "blur")
    )
    bare = change(one, update=lambda m: {"ci_low": None, "ci_high": None, "n": None})
    plots = content(bare, views(bare), None).plots
    assert len(plots) == len(MAKERS)
    for plot in plots:
        laid_out(plot, COLUMN)
        assert "n = " not in plot.caption


@pytest.mark.parametrize("seen", ["view", "push_t"])
def test_every_caption_says_n(seen: str, result: Result, request: pytest.FixtureRequest) -> None:
    for plot in content(result, [request.getfixturevalue(seen)], None).plots:
        if not plot.name.endswith(("filmstrip", "losses")):
            assert "n = 200" in plot.caption or " frames" in plot.caption, plot.name


def test_the_intervention_is_found_by_what_differs_first(view: WorldView) -> None:
    clips = strips(view)
    assert list(clips) == ["reference", "teleport_agent", "action_swap", "color_agent"]
    assert onset(clips) == 4
    same = dict.fromkeys(clips, clips["reference"])
    assert onset(same) is None
    assert onset({"teleport_agent": clips["teleport_agent"]}) is None
    elsewhere = {**clips, "frozen_block": 255 - clips["reference"]}  # a strip of another moment
    assert onset(elsewhere) == 4


def test_clips_of_another_world_are_not_shown(make: Callable[..., Result]) -> None:
    two = make(models=(("lewm", "lewm", (0,)),), analyses=("voe",))
    other = make(models=(("lewm", "lewm", (0,)),), analyses=("voe",), world="push-t")
    mixed = Result(two.provenance, two.models, two.metrics, None, other.images)
    assert strips(views(mixed)[0]) == {}


def test_pictures_that_were_drawn_are_no_filmstrip(make: Callable[..., Result]) -> None:
    made = make(models=(("lewm", "lewm", (0,)),), analyses=("voe",))
    strip = next(iter(made.images.values()))
    images = {**made.images, "decode-two-room-frames-lewm-0-x-0": strip}
    images["plan-two-room-success-came-lewm-0-x"] = strip
    mixed = Result(made.provenance, made.models, made.metrics, None, images)
    assert strips(views(mixed)[0]).keys() == strips(views(made)[0]).keys() != set()


def test_scatter_pairs_by_trajectory_frame_and_axis(result: Result) -> None:
    rows = result.rows[(result.rows["analysis"] == "probe")]
    shuffled = rows.sample(frac=1, random_state=1)
    points = paired(shuffled, "lewm")
    assert len(points) == 8 * 6 * 2  # one training seed only
    error = (points["true"] - points["predicted"]).abs()
    assert error.max() < 15  # of 200 px: paired wrongly, they would be far apart


def test_raw_surprise_is_drawn_where_nothing_was_normalised(
    result: Result, change: Callable[..., Result]
) -> None:
    raw = views(change(result, lambda m: m.metric != "surprise_z"))[0]
    plot = surprise_plot(raw)
    assert plot is not None
    assert plot.caption.startswith("Surprise, not normalised, n = 200 trajectories a condition.")
