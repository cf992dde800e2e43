"""What stands in a report: sections that are there, sections that are not, nothing leaking."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg

from lewm_probe.reports.figures import style
from lewm_probe.reports.figures.style import COLUMN, Plot, svg_text
from lewm_probe.reports.page.sections import Content, content
from lewm_probe.reports.results_view import views
from lewm_probe.results.result import Result, merge
from lewm_probe.results.schema import Metric

Change = Callable[..., Result]


def of(result: Result) -> Content:
    return content(result, views(result), None)


def titles(found: Content) -> dict[str, list[str]]:
    return {part.title: [section.title for section in part.sections] for part in found.parts}


def svg(plot: Plot) -> str:
    with mpl.rc_context(style._STYLE):
        figure = plot.draw(COLUMN)
        FigureCanvasAgg(figure)
        return svg_text(figure)


def without_doses(m: Metric) -> bool:
    return m.dose is None and m.metric != "first_dose_over_copy_last"


def test_dose_rows_change_nothing_but_their_own_section(
    dosed_result: Result, change: Change
) -> None:
    with_doses, bare = of(dosed_result), of(change(dosed_result, without_doses))
    tables = [table for table in with_doses.tables if "-dose" not in table.name]
    assert len(tables) == len(with_doses.tables) - 2
    assert tables == bare.tables
    questions = [q for s in with_doses.parts[0].sections for q in s.questions]
    assert [q for q in questions if not q.key.startswith("dose-")] == [
        q for s in bare.parts[0].sections for q in s.questions
    ]
    plots = [plot for plot in with_doses.plots if not plot.name.endswith("-dose")]
    assert [(p.name, p.caption) for p in plots] == [(p.name, p.caption) for p in bare.plots]
    for one, other in zip(plots, bare.plots, strict=True):
        if one.name.endswith(("auroc", "surprise")):
            assert svg(one) == svg(other), one.name


def test_without_doses_there_is_no_section(result: Result, dosed_result: Result) -> None:
    assert "Dose–response" not in titles(of(result))["TwoRoom"]
    found = of(dosed_result)
    assert titles(found)["Push-T"][:4] == [
        "Verdicts",
        "Violation of expectation",
        "Dose–response",
        "Probing",
    ]
    section = found.parts[0].sections[2]
    assert [plot.name for plot in section.plots] == ["push-t-dose"]
    assert [table.name for table in section.open_tables] == ["push-t-dose"]
    assert [table.name for table in section.folded_tables] == ["push-t-dose-checkpoints"]


def test_the_lead_explains_the_doses_that_there_are(dosed_result: Result, change: Change) -> None:
    def lead(keep: Callable[[Metric], bool]) -> str:
        return of(change(dosed_result, keep)).parts[0].sections[2].lead

    assert lead(lambda m: True) == (
        "How small a change is still told apart from none: a teleport by a share of the arena’s "
        "width; a fast-forward, for which the recorded trajectory is continued ahead until the "
        "body is the same distance away (a physically possible place, reached too early); a colour "
        "changed by a share of the way to the target colour."
    )
    assert lead(lambda m: m.dose is None or "color" in str(m.subject)) == (
        "How small a change is still told apart from none: a colour changed by a share of the way "
        "to the target colour."
    )


def test_all_worlds_stand_beside_the_paper_after_them(
    result: Result, dosed_result: Result, make: Callable[..., Result]
) -> None:
    found = of(merge([result, dosed_result]))
    assert list(titles(found)) == ["TwoRoom", "Push-T", "Beside the paper"]
    last = found.parts[-1]
    assert last.world == "paper"
    assert titles(found)["Beside the paper"] == ["Surprise", "Probing"]
    assert [plot.name for section in last.sections for plot in section.plots] == ["paper-surprise"]
    assert [table.name for section in last.sections for table in section.open_tables] == [
        "paper-surprise",
        "two-room-paper-probes",
        "push-t-paper-probes",
    ]
    mine = of(make(world="mine", analyses=("voe", "probe")))
    assert list(titles(mine)) == ["mine"]


def test_warnings_name_their_world_where_there_are_several(make: Callable[..., Result]) -> None:
    lone = (("lewm", "lewm", (0,)),)
    notes = [
        "Look twice.",
        "blur: 1 of 9 cases were left out.",
        "blur: 1 of 9 cases were left out.",
    ]
    first = make(lone, analyses=("geometry",), notes=notes)
    second = make(lone, analyses=("geometry",), world="push-t", notes=notes[:1])
    assert of(first).notes == ("Look twice.", "Cases were left out: blur 1 of 9.")
    assert of(merge([first, second])).notes == (
        "TwoRoom: Look twice.",
        "TwoRoom: Cases were left out: blur 1 of 9.",
        "Push-T: Look twice.",
    )
