from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from lewm_probe.reports.figures.literal import literal
from lewm_probe.reports.figures.style import Plot, render

NAMES = ["p$q$", "$x$", "$\\undefined$", "a$b", "$$"]


def drawn(names: list[str]) -> Figure:
    figure = Figure()
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 3)
    axes[0].barh(names, range(len(names)))
    axes[1].set_xticks(range(len(names)), names)
    axes[2].set_xscale("log")
    axes[2].plot([1, 1000], [0, 1], label=names[0])
    axes[2].set_title(names[0])
    axes[2].legend()
    return figure


def texts(figure: Figure) -> list[tuple[str, bool]]:
    """Every text as it is drawn, and whether as a formula."""
    figure.draw_without_rendering()
    shown = [t for t in figure.findobj(Text) if t.get_text()]
    return [t._preprocess_math(t.get_text()) for t in shown]  # type: ignore[attr-defined]


def test_dollar_signs_are_drawn_and_start_no_formula() -> None:
    figure = drawn(NAMES)
    literal(figure)
    found = texts(figure)
    letters = [text for text, math in found if not math]
    for name in NAMES:
        assert letters.count(name) >= 2  # both axes
    assert letters.count(NAMES[0]) >= 4  # title and legend too
    assert all("mathdefault" in text for text, math in found if math)  # powers of ten
    assert any(math for _, math in found)


def test_without_it_they_would() -> None:
    with pytest.raises(ValueError, match="undefined"):
        drawn(NAMES).draw_without_rendering()


def test_two_names_give_two_figures(tmp_path: Path) -> None:
    def plot(name: str) -> Plot:
        def draw(width: float) -> Figure:
            figure = Figure(figsize=(width, 2))
            figure.subplots().set_title(name)
            return figure

        return Plot(f"two-room-{name}", name, "", draw, column=False)

    one, other = (render(plot(name), tmp_path) for name in ("p$q", "pq"))
    assert not {f.name for f in one.files} & {f.name for f in other.files}
    assert one.svg["full"] != other.svg["full"]
    assert mpl.rcParams["text.parse_math"]
