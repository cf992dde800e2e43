from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from lewm_probe.reports.figures.names import LONGEST, drawable, mend, shortened
from lewm_probe.reports.figures.style import COLUMN, FULL, Plot, grid, render
from lewm_probe.reports.page.write import write_report
from lewm_probe.results.result import Result

STRANGE = {
    "lewm": "模型の世界🦊",
    "pldm": "模型の世界🐻",
    "lewm-vit": "m" * 300,
}
"""Two that differ by a letter the font lacks, and one that is longer than any figure."""


def texts(figure: Figure) -> list[str]:
    return [t.get_text() for t in figure.findobj(Text) if isinstance(t, Text) and t.get_text()]


def test_names_that_can_be_drawn_stay() -> None:
    assert drawable(["LeWM", "PLDM ViT, größer", "Δz ≥ 1"]) == {}


def test_no_two_names_look_alike() -> None:
    names = ["模", "型", "□", "a" * 300 + "x", "a" * 200 + "x", "plain"]
    drawn = drawable(names)
    shown = [drawn.get(name, name) for name in names]
    assert len(set(shown)) == len(names)
    assert max(map(len, shown)) <= LONGEST
    assert shown[:3] == ["□ (1)", "□ (2)", "□"]


def test_joiners_and_accents_without_a_letter_take_no_box() -> None:
    assert drawable(["a\N{ZERO WIDTH JOINER}\N{VARIATION SELECTOR-256}🦊"]) == {
        "a\N{ZERO WIDTH JOINER}\N{VARIATION SELECTOR-256}🦊": "a□"
    }


def test_what_turns_the_order_of_letters_is_not_drawn() -> None:
    """The font has such letters, and the PDF writer fails at them."""
    names = ["lewm", "le\N{ZERO WIDTH SPACE}wm", "\N{RIGHT-TO-LEFT OVERRIDE}lewm", "a\x1bb\u2028c"]
    assert drawable(names) == {
        names[1]: "lewm (1)",
        names[2]: "lewm (2)",
        names[3]: "a□b□c",
    }


def test_the_end_of_a_long_name_stays() -> None:
    assert shortened("m" * 300 + ", x", 20) == "m" * 12 + "…mmmm, x"
    assert shortened("short", 20) == "short"


def test_a_text_that_no_list_of_names_held_is_mended_too() -> None:
    figure, (ax, other) = grid(2, FULL, across=2, height=2)
    ax.set_title("型" * 400, loc="left")
    other.set_title("模" * 400, loc="left")
    ax.set_yticks([0, 1], ["模", "型"])
    mend(figure, {}, FULL)
    figure.draw_without_rendering()
    one, two = ax.get_title(loc="left"), other.get_title(loc="left")
    assert one != two
    assert max(len(one), len(two)) < 60
    assert [t.get_text() for t in ax.get_yticklabels()] == ["□", "□ (1)"]


def test_what_can_be_drawn_is_drawn_as_it_was() -> None:
    figure, (ax,) = grid(1, COLUMN, across=1, height=2)
    ax.set_title("Step-sized teleport of\nagent", loc="left")
    ax.set_ylabel("surprise (SD of clean log s)")
    ax.barh(["LeWM", "PLDM"], [1, 2])
    before = texts(figure)
    mend(figure, {}, COLUMN)
    assert [t for t in before if t not in texts(figure)] == []
    figure.draw_without_rendering()
    assert [t.get_text() for t in ax.get_yticklabels()] == ["LeWM", "PLDM"]


def test_names_on_a_categorical_axis_are_mended(tmp_path: Path) -> None:
    def draw(width: float) -> Figure:
        figure, (ax,) = grid(1, width, across=1, height=2)
        ax.barh(["模型", "m" * 300], [1, 2])
        return figure

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        render(Plot("a", "A", "A.", draw), tmp_path)


@pytest.mark.parametrize("world", ["two-room"])
def test_a_report_of_strange_names_is_drawn_without_a_warning(
    result: Result, tmp_path: Path, world: str, change: Callable[..., Result]
) -> None:
    def named(record: object) -> dict[str, str]:
        found = {key: getattr(record, key, None) for key in ("model", "versus", "name")}
        return {key: STRANGE[value] for key, value in found.items() if value in STRANGE}

    metrics = [m.model_copy(update=named(m)) for m in result.metrics]
    models = [e.model_copy(update=named(e)) for e in result.models]
    rows = result.rows.copy()
    rows["model"] = rows["model"].map(lambda name: STRANGE.get(name, name)).astype("string")
    strange = Result(result.provenance, models, metrics, rows, result.images, result.cards)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = write_report(strange, tmp_path)
    page = report.html.read_text(encoding="utf-8")
    assert all(name in page for name in STRANGE.values())  # the page holds them as they are
