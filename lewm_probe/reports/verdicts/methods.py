"""One method against another: what training seeds can carry, measure by measure.

Rule: the exact two-sided permutation test over training seeds (which of all splits of the pooled
checkpoints differ in mean at least as much), Holm-adjusted over the measures of a pair, below the
suite's α. With m against n seeds its p cannot go below 1 / C(m + n, n), twice that for m = n, where
the sides can be swapped: 0.1 for three against three, 0.029 for three against four. Where that
bound exceeds α nothing is shown of the methods, and differences are stated of "these checkpoints"
only.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb

from lewm_probe.reports import labels
from lewm_probe.reports.page.brought import Compared, Comparison, Measure
from lewm_probe.reports.page.parts import on_the_page
from lewm_probe.reports.results_view import Mean, WorldView, means
from lewm_probe.reports.tables.table import (
    Column,
    Row,
    Table,
    cell,
    p_cell,
    spread_cell,
    table,
    text,
)
from lewm_probe.reports.verdicts.judging import alpha
from lewm_probe.stats.paired import holm
from lewm_probe.stats.seeds import permutation_p, smallest_permutation_p

MOST_SPLITS = 20_000
"""Beyond this many splits (9 against 9 seeds) the exact test is left out."""

MOST_PAIRS = 6
"""Pairs of models compared in one report."""


def _permutation_p(first: Sequence[float], second: Sequence[float]) -> float | None:
    """The exact test, where there are two on a side and it can be enumerated."""
    splits = comb(len(first) + len(second), len(first))
    if min(len(first), len(second)) < 2 or splits > MOST_SPLITS:
        return None
    return permutation_p(first, second)


def comparisons(view: WorldView) -> list[Comparison]:
    """Every pair of families, or of models where all are of one family."""
    pairs = list(combinations(view.models, 2))
    across = [(a, b) for a, b in pairs if view.family(a) != view.family(b)]
    found = [_compare(view, a, b) for a, b in (across or pairs)[:MOST_PAIRS]]
    return [one for one in found if one is not None]


def measures(view: WorldView) -> list[Measure]:
    """What models of this world can be compared by."""
    return [one for part in on_the_page() if part.measures for one in part.measures(view)]


def _compare(view: WorldView, first: str, second: str) -> Comparison | None:
    found = []
    for measure in measures(view):
        sides = [means(measure.rows(model)) for model in (first, second)]
        if all(sides):
            found.append((measure, sides[0][0], sides[1][0]))
    if not found:
        return None
    ps = [_permutation_p(a.values, b.values) for _, a, b in found]
    adjusted = holm(ps)
    rows = [
        Compared(
            measure=measure,
            first=a,
            second=b,
            lead=first if (a.value > b.value) == measure.higher else second,
            separated=max(a.values) < min(b.values) or max(b.values) < min(a.values),
            p=p,
            p_holm=corrected,
            difference=_difference(measure, first, second),
        )
        for (measure, a, b), p, corrected in zip(found, ps, adjusted, strict=True)
    ]
    seeds = (max(r.first.checkpoints for r in rows), max(r.second.checkpoints for r in rows))
    smallest = smallest_permutation_p(*seeds) if min(seeds) > 1 else None
    shown = tuple(r for r in rows if r.p_holm is not None and r.p_holm < alpha(view))
    drawn = _table(view, first, second, rows)
    sentence = _sentence(view, first, second, rows, shown, seeds, smallest)
    return Comparison(first, second, smallest, shown, sentence, drawn)


def _difference(measure: Measure, first: str, second: str) -> Mean | None:
    found = means(measure.difference(first, second))
    if found:
        return found[0]
    turned = means(measure.difference(second, first))
    if not turned:
        return None
    one = turned[0]
    low, high = (None if end is None else -end for end in (one.high, one.low))
    values = tuple(-value for value in one.values)
    return Mean(one.key, -one.value, low, high, values, one.n, one.n_high, one.unit)


def _sentence(
    view: WorldView,
    first: str,
    second: str,
    rows: Sequence[Compared],
    shown: Sequence[Compared],
    seeds: tuple[int, int],
    smallest: float | None,
) -> str:
    parts = []
    for model in (first, second):
        ahead = [r.measure.ahead for r in shown if r.lead == model]
        if ahead:
            parts.append(
                f"Shown of the methods: {view.label(model)} {labels.listing(ahead)} (permutation "
                f"test over training seeds, Holm p < {alpha(view):g})."
            )
    if not parts:
        reason = (
            f"{_seeds(seeds[0])} against {seeds[1]} cannot be tested"
            if smallest is None
            else f"{_seeds(seeds[0])} against {seeds[1]} cannot go below p = {smallest:.2g}"
            if smallest > alpha(view)
            else "no difference survives the permutation test over training seeds"
        )
        parts.append(f"A difference between the methods is not shown: {reason}.")
    rest = [r for r in rows if r not in shown]
    for model in (first, second):
        clear = [r.measure.ahead for r in rest if r.lead == model and _clear(r)]
        if clear:
            other = second if model == first else first
            parts.append(
                f"Of these checkpoints, {_every(view, model, seeds[model == second])} "
                f"{labels.listing(clear)} than {_every(view, other, seeds[model == first], 'any')}."
            )
    unclear = [r.measure.name for r in rest if not _clear(r)]
    if unclear:
        parts.append(
            f"The checkpoints overlap, or their order is not clear, in: {'; '.join(unclear)}."
        )
    return " ".join(parts)


def _clear(row: Compared) -> bool:
    """All checkpoints of one side beyond all of the other; with one on a side, intervals apart."""
    if not row.separated:
        return False
    if min(row.first.checkpoints, row.second.checkpoints) > 1:
        return True
    a, b = row.first, row.second
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return False
    return a.low > b.high or b.low > a.high


def _every(view: WorldView, model: str, seeds: int, word: str = "every") -> str:
    return view.label(model) if seeds == 1 else f"{word} {view.label(model)} checkpoint"


def _seeds(count: int) -> str:
    return "one training seed" if count == 1 else f"{count} training seeds"


def _table(view: WorldView, first: str, second: str, rows: Sequence[Compared]) -> Table:
    drawn = []
    for row in rows:
        cells = {
            "measure": text(row.measure.name),
            "first": spread_cell(row.first),
            "second": spread_cell(row.second),
            "p": p_cell(row.p),
            "p_holm": p_cell(row.p_holm),
            "ahead": text(view.label(row.lead) if _clear(row) else "not clear"),
        }
        if row.difference:
            d = row.difference
            cells["difference"] = cell(d.value, d.low, d.high)
        drawn.append(Row(cells))
    a, b = view.label(first), view.label(second)
    made = table(
        f"{view.world}-compare-{first}-{second}",
        f"{a} against {b}",
        "Mean over training seeds (smallest – largest). Difference: with 95 % interval, training "
        "seeds as top level where there are several, else over trajectories. p: exact permutation "
        "test over training seeds, Holm over these measures. Ahead: every checkpoint of one "
        "beyond every checkpoint of the other; with one checkpoint on a side, intervals apart.",
        [
            Column("measure", "Measure", numeric=False),
            Column("first", a),
            Column("second", b),
            Column("difference", f"{a} − {b} [95\N{NO-BREAK SPACE}%]"),
            Column("p", "p, permutation"),
            Column("p_holm", "p, Holm"),
            Column("ahead", "Ahead here", numeric=False),
        ],
        drawn,
    )
    assert made is not None  # it has rows
    return made
