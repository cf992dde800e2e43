"""What is shown of the analysis: a section with figure and table, a verdict, a summary."""

from lewm_probe.reports.figures.style import Plot, grid
from lewm_probe.reports.page.parts import ReportPart, Section, drawn, shown
from lewm_probe.reports.tables.table import Column, Row, mean_cell, table, text
from lewm_probe.reports.verdicts.judging import VerdictQuestion, clause, side, verdict

MOVES = 0.1
"""SDs of the latents: a mean step below this is none."""


def steps_table(view):
    """A row a model."""
    means = {model: view.mean("steps", "length", model=model) for model in view.models}
    rows = [Row({"model": text(view.label(m)), "v": mean_cell(v)}) for m, v in means.items() if v]
    columns = [Column("model", "Model", numeric=False), Column("v", "Mean step (SDs)")]
    return table(f"{view.world}-steps", "Steps", "In SDs of the latents, 95 %.", columns, rows)


def steps_plot(view):
    """A bar a model."""
    found = {m: mean for m in view.models if (mean := view.mean("steps", "length", model=m))}

    def draw(width):
        figure, (axes,) = grid(1, width, across=1, height=1.6)
        names, values = [view.label(m) for m in found], [mean.value for mean in found.values()]
        axes.barh(names, values, color=[view.looks[m].color for m in found])
        axes.set_xlabel("mean step (SDs of the latents)")
        return figure

    name = f"{view.world}-steps"
    return Plot(name, "Steps", "Mean over trajectories.", draw) if found else None


def sections(view):
    """One section."""
    lead = "How far latents move from one frame to the next."
    plots, tables = drawn(view, steps_plot), shown(view, steps_table(view))
    return [Section("steps", "Steps", lead, plots, tables)]


def questions(view):
    """Whether latents move at all; the rule was fixed before the data."""

    def judge(model, seed):
        found = side(view.pick("steps", "length", model=model, train_seed=seed), MOVES)
        return {None: "not measured", 1: "yes", -1: "no"}.get(found, "not shown")

    told = {m: [clause("mean step", view.mean("steps", "length", model=m))] for m in view.models}
    verdicts = tuple(verdict(view, m, judge, told[m]) for m in view.models)
    rule = f"The 95 % interval of the mean step lies above {MOVES:g} SDs."
    return [VerdictQuestion("steps", "Do its latents move?", rule, verdicts)]


REPORT = ReportPart(sections, place=60, questions=questions)
