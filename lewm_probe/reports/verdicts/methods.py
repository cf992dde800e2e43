"""One method against another: what training seeds can carry, in the measures named beforehand.

The measures that a suite names in ``statistics.confirmatory`` are tested; all others are
exploratory, listed without p and without a sentence. Rule: a t with the variance over seeds pooled
and that over trajectories added (``stats.seeds.pooled``; stored by the analyses), p by Holm over
the named measures. Each measure's interval is drawn at the level at which Holm judged it, α · p /
Holm p, which lies between α over their number and α: it excludes 0 exactly where Holm's p is below
α. A sentence needs that, and both models better than the trivial predictor in every checkpoint.
With one checkpoint on a side it is about these checkpoints, not about the methods. The permutation
p over seeds stands beside as a check.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy import stats

from lewm_probe.reports import formatting, labels
from lewm_probe.reports.means import Mean, means
from lewm_probe.reports.page.brought import Compared, Comparison, Measure
from lewm_probe.reports.page.parts import on_the_page
from lewm_probe.reports.results_view import WorldView
from lewm_probe.reports.tables.table import (
    Cell,
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
from lewm_probe.stats.seeds import (
    MOST_SEEDS,
    at_level,
    p_of,
    permutation_p,
    seeds_needed,
    smallest_permutation_p,
)

MOST_PAIRS = 6
"""Pairs of models compared in one report."""


def comparisons(view: WorldView) -> list[Comparison]:
    """Every pair of families, or of models where all are of one family."""
    pairs = list(combinations(view.models, 2))
    across = [(a, b) for a, b in pairs if view.family(a) != view.family(b)]
    found = [_compare(view, a, b) for a, b in (across or pairs)[:MOST_PAIRS]]
    return [one for one in found if one is not None]


def measures(view: WorldView) -> list[Measure]:
    """What models of this world can be compared by."""
    return [one for part in on_the_page() if part.measures for one in part.measures(view)]


def confirmatory(view: WorldView) -> tuple[str, ...]:
    """Keys of the measures that the suite named beforehand."""
    return tuple(map(str, view.setting("statistics", "confirmatory", default=())))


@dataclass(frozen=True)
class _Pair:
    """A measure of both models, and the difference that was stored of them."""

    measure: Measure
    first: Mean
    second: Mean
    difference: Mean | None

    @property
    def df(self) -> int | None:
        """Degrees of freedom of the pooled variance; none: one against one."""
        return self.first.checkpoints + self.second.checkpoints - 2 or None

    def se(self, confidence: float) -> float | None:
        """The standard error, from the stored interval."""
        d = self.difference
        if d is None or d.low is None or d.high is None:
            return None
        level = (1 + confidence) / 2
        quantile = stats.norm.ppf(level) if self.df is None else stats.t.ppf(level, self.df)
        return float((d.high - d.low) / 2 / quantile)

    @property
    def spread(self) -> float:
        """SD over training seeds, pooled; 0 where there is none."""
        sides = (np.asarray(self.first.values), np.asarray(self.second.values))
        return float(np.sqrt(sum(((v - v.mean()) ** 2).sum() for v in sides) / (self.df or 1)))


def _compare(view: WorldView, first: str, second: str) -> Comparison | None:
    named = confirmatory(view)
    found = []
    for measure in measures(view):
        sides = [means(measure.rows(model)) for model in (first, second)]
        if all(sides):
            difference = _difference(measure, first, second)
            pair = _Pair(measure, sides[0][0], sides[1][0], difference)
            if measure.key in named or pair.se(0.95) is not None:
                found.append(pair)
    if not found:
        return None
    rows = _tested(view, first, second, found, named)
    shown = tuple(row for row in rows if row.works and _shown(row, alpha(view)))
    seeds = tuple(
        max(side.checkpoints for side in sides)
        for sides in ([p.first for p in found], [p.second for p in found])
    )
    sentence = _sentence(view, first, second, rows, seeds)
    return Comparison(first, second, shown, sentence, _table(view, first, second, rows, seeds))


def _shown(row: Compared, level: float) -> bool:
    return row.p_holm is not None and row.p_holm < level and row.excludes_zero


def _tested(
    view: WorldView, first: str, second: str, found: Sequence[_Pair], named: Sequence[str]
) -> list[Compared]:
    """Every measure, the named ones first, with p and intervals at their level."""
    level, confidence = alpha(view), _confidence(view)
    ps: dict[str, float] = {}
    for pair in found:
        se = pair.se(confidence)
        if pair.measure.key in named and pair.difference is not None and se is not None:
            ps[pair.measure.key] = p_of(pair.difference.value, se, pair.df)
    factors = holm_factors(ps)
    rows = []
    for pair in sorted(found, key=lambda pair: pair.measure.key not in named):
        measure, d, se = pair.measure, pair.difference, pair.se(confidence)
        key, confirms = measure.key, measure.key in named
        low = high = needed = None
        at = level / factors[key] if key in factors else 1 - confidence
        if d is not None and se is not None:
            low, high = at_level(d.value, se, pair.df, at)
            if confirms and pair.df is not None:
                m, n = pair.first.checkpoints, pair.second.checkpoints
                variance = max(0.0, se**2 - pair.spread**2 * (1 / m + 1 / n))
                needed = seeds_needed(d.value, pair.spread, variance, at)
        several = min(pair.first.checkpoints, pair.second.checkpoints) > 1
        rows.append(
            Compared(
                measure=measure,
                first=pair.first,
                second=pair.second,
                difference=None if d is None else d.value,
                low=low,
                high=high,
                p=ps.get(key),
                p_holm=min(1.0, ps[key] * factors[key]) if key in ps else None,
                permutation=permutation_p(pair.first.values, pair.second.values)
                if confirms and several
                else None,
                level=at,
                works=measure.works(first) and measure.works(second),
                needed=needed,
                confirmatory=confirms,
            )
        )
    return rows


def holm_factors(ps: dict[str, float]) -> dict[str, float]:
    """Holm's p over p, for each of a family: its place counted from the largest, kept monotone.

    >>> holm_factors({"a": 0.01, "b": 0.03, "c": 0.016})
    {'a': 3.0, 'c': 2.0, 'b': 1.0666666666666667}
    """
    found, highest = {}, 0.0
    for place, (key, p) in enumerate(sorted(ps.items(), key=lambda one: one[1])):
        highest = max(highest, p * (len(ps) - place))
        found[key] = highest / p if p > 0 else float(len(ps) - place)
    return found


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


def _confidence(view: WorldView) -> float:
    return view.number("statistics", "confidence", default=0.95, above=0, below=1)


def _sentence(
    view: WorldView, first: str, second: str, rows: Sequence[Compared], seeds: Sequence[int]
) -> str:
    """What is shown, and what cannot be told apart."""
    tested = [row for row in rows if row.confirmatory]
    if not tested:
        return (
            "No measure that the suite names beforehand (statistics.confirmatory) was measured of "
            "both: all differences are exploratory, and nothing is said of the methods."
        )
    parts = [_said(view, first, second, row, seeds) for row in tested]
    if min(seeds) == 1:
        parts.append(
            "With one training seed on a side this speaks of these checkpoints, not of the methods."
        )
    return " ".join(parts)


def _said(view: WorldView, first: str, second: str, row: Compared, seeds: Sequence[int]) -> str:
    level = alpha(view)
    what = row.measure.name[:1].lower() + row.measure.name[1:]
    if row.difference is None or row.low is None:
        return (
            f"Not tested in {what}: no difference on the same trajectories is stored; audit both "
            "in one run."
        )
    ends = formatting.estimate(row.difference, row.low, row.high)
    p = formatting.p_statement("Holm p", row.p_holm, level)
    numbers = f"difference {ends} at {row.percent} %, {p}"
    if not row.works:
        failing = [m for m in (first, second) if not row.measure.works(m)]
        who = labels.listing([view.label(m) for m in failing], "and")
        return (
            f"Cannot be told apart in {what}: {who} {'are' if len(failing) > 1 else 'is'} not "
            f"shown to be better than {row.measure.trivial} in every checkpoint ({numbers})."
        )
    if _shown(row, level):
        ahead = first if (row.difference > 0) == row.measure.higher else second
        other = second if ahead == first else first
        who = "Of these checkpoints, " if min(seeds) == 1 else ""
        return f"{who}{view.label(ahead)} {row.measure.ahead} than {view.label(other)} ({numbers})."
    return f"Cannot be told apart in {what} ({numbers}{_needed(row, seeds)})."


def _needed(row: Compared, seeds: Sequence[int]) -> str:
    if max(seeds) == 1:
        return ""
    if row.needed is None:
        return f"; not even {MOST_SEEDS} seeds a family would do, were the difference as seen"
    return f"; about {row.needed} seeds a family would do, were the difference as seen"


def _table(
    view: WorldView, first: str, second: str, rows: Sequence[Compared], seeds: Sequence[int]
) -> Table:
    level, percent = alpha(view), f"{100 * _confidence(view):g}"
    family = sum(row.p is not None for row in rows)
    drawn = []
    for row in rows:
        cells: dict[str, Cell] = {
            "measure": text(row.measure.name),
            "first": spread_cell(row.first),
            "second": spread_cell(row.second),
        }
        if row.confirmatory:
            cells |= {"p": p_cell(row.p, level), "p_holm": p_cell(row.p_holm, level)}
            cells["permutation"] = p_cell(row.permutation, level)
        if row.difference is not None:
            cells["difference"] = cell(row.difference, row.low, row.high)
        group = "Named beforehand" if row.confirmatory else "Exploratory"
        drawn.append(Row(cells, group=group, quiet=not row.confirmatory))
    a, b = view.label(first), view.label(second)
    floor = ""
    if min(seeds) > 1 and family:
        smallest = smallest_permutation_p(seeds[0], seeds[1], family)
        floor = (
            " Permutation: exact test over training seeds, raw, as a check; after Holm over "
            f"{family} measures it could not go below {formatting.p_value(smallest, level)}."
        )
    made: Any = table(
        f"{view.world}-compare-{first}-{second}",
        f"{a} against {b}",
        "Mean over training seeds (smallest – largest). Difference: t interval with the variance "
        "over seeds pooled and that over trajectories added"
        f"{', over trajectories alone as there is one seed a side' if max(seeds) == 1 else ''}. "
        "Named beforehand: p by Holm over these measures, the interval at the level at which Holm "
        f"judged it, so that it excludes 0 exactly where Holm’s p is below {level:g}. Exploratory: "
        f"{percent} %, no p, and no conclusion.{floor}",
        [
            Column("measure", "Measure", numeric=False),
            Column("first", a),
            Column("second", b),
            Column("difference", f"{a} − {b} [interval]"),
            Column("p", "p"),
            Column("p_holm", "p, Holm"),
            Column("permutation", "p, permutation"),
        ],
        drawn,
    )
    assert made is not None  # it has rows
    return made
