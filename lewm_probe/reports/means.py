"""Numbers of several training seeds as one, their samples, and the last step of each.

One training seed is one checkpoint. Averages over training seeds are means; their interval is the
*envelope* of the checkpoints' own intervals, from the lowest lower end to the highest upper end:
it speaks of these checkpoints, not of the method, and with one seed it is that checkpoint's
interval.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lewm_probe.reports import labels
from lewm_probe.results.schema import Metric

_MEASURED = {"value", "ci_low", "ci_high", "n", "unit", "higher_is_better", "eval_seed"}
_IDENTITY = [k for k in Metric.model_fields if k not in _MEASURED and k != "step"]


@dataclass(frozen=True)
class Mean:
    """A mean over training seeds.

    Attributes:
        key: what the rows share.
        value: mean of the checkpoints' values.
        low, high: envelope of the checkpoints' intervals (of their values, where those have
            none); null when nothing speaks of uncertainty.
        values: each checkpoint's value.
        n, n_high: fewest and most trajectories.
    """

    key: Mapping[str, Any]
    value: float
    low: float | None
    high: float | None
    values: tuple[float, ...]
    n: int | None
    n_high: int | None
    unit: str | None

    @property
    def checkpoints(self) -> int:
        """How many training seeds."""
        return len(self.values)

    @property
    def seed_sd(self) -> float | None:
        """Sample SD over training seeds; null below two."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


def means(rows: Iterable[Metric], *by: str) -> list[Mean]:
    """Means over training seeds, one for each value of the keys ``by``, in order of appearance.

    Several evaluation seeds of one checkpoint are averaged first.
    """
    groups: dict[tuple[Any, ...], list[Metric]] = defaultdict(list)
    for row in rows:
        groups[tuple(getattr(row, key) for key in by)].append(row)
    return [
        _mean(dict(zip(by, key, strict=True)), group)
        for key, group in groups.items()
        if any(row.value is not None for row in group)
    ]


def averaged(rows: Iterable[Metric]) -> list[Metric]:
    """Metrics of several training seeds as one each: their mean, its span, and the largest p."""
    keys = [key for key in _IDENTITY if key != "train_seed"]
    groups: dict[tuple[Any, ...], list[Metric]] = defaultdict(list)
    for row in rows:
        groups[tuple(getattr(row, key) for key in keys)].append(row)
    found = []
    for group in groups.values():
        for mean in means(group):
            worst = max(mean.values) if group[0].metric.startswith("p_") else mean.value
            ends = {"value": worst, "ci_low": mean.low, "ci_high": mean.high}
            found.append(group[0].model_copy(update={"train_seed": None, "n": mean.n, **ends}))
    return found


def preferred(rows: list[Metric]) -> list[Metric]:
    """Rows of the onset window where both it and none are stored."""
    onset = [row for row in rows if row.window == "onset"]
    return onset if onset and len({row.window for row in rows} - {"onset", None}) == 0 else rows


def sample(rows: Iterable[Metric]) -> str:
    """``n = 200`` of some rows, or a range; empty when unknown."""
    n = {row.n for row in rows if row.n is not None}
    if not n:
        return ""
    low, high = min(n), max(n)
    return f"n = {low}" if low == high else f"n = {low}–{high}"


def samples(
    rows: Iterable[Metric], noun: str = "", say: Callable[[str], str] = labels.condition
) -> str:
    """``sample``, conditions that have fewer named: ``n = 200 (frozen block 143)``.

    ``noun`` follows the number; ``say``: how a condition is said (``WorldView.condition``).
    """
    by: dict[str | None, list[int]] = defaultdict(list)
    for row in rows:
        if row.n is not None:
            by[row.subject].append(row.n)
    most = max((max(n) for n in by.values()), default=None)
    if most is None:
        return ""
    fewer = []
    for name, n in by.items():
        if name and min(n) < most:
            text = say(name)
            ends = dict.fromkeys((min(n), max(n)))
            fewer.append(f"{text[:1].lower()}{text[1:]} {'–'.join(map(str, ends))}")
    return f"n = {most}{noun}" + (f" ({', '.join(fewer)})" if fewer else "")


def final(metrics: Sequence[Metric]) -> list[Metric]:
    """Rows without a step, or else those at the last step the analysis saw of that checkpoint."""
    identity = {id(m): tuple(getattr(m, key) for key in _IDENTITY) for m in metrics}
    bare = {identity[id(m)] for m in metrics if m.step is None}
    last: dict[tuple[Any, ...], int] = {}
    for m in metrics:
        if m.step is not None:
            who = (m.model, m.train_seed, m.analysis)
            last[who] = max(last.get(who, m.step), m.step)
    return [
        m
        for m in metrics
        if m.step is None
        or (m.step == last[m.model, m.train_seed, m.analysis] and identity[id(m)] not in bare)
    ]


def _mean(key: dict[str, Any], rows: Sequence[Metric]) -> Mean:
    seeds: dict[Any, list[float]] = defaultdict(list)
    for row in rows:
        if row.value is not None:
            seeds[row.model, row.train_seed].append(row.value)
    per_seed: dict[Any, list[float]] = defaultdict(list)
    for (_, seed), found in seeds.items():
        per_seed[seed].append(statistics.fmean(found))
    values = tuple(statistics.fmean(found) for found in per_seed.values())
    low = high = None
    if len(values) > 1 or any(row.ci_low is not None for row in rows):
        full = [row for row in rows if row.value is not None]
        low = min(row.value if row.ci_low is None else row.ci_low for row in full)  # type: ignore[type-var]
        high = max(row.value if row.ci_high is None else row.ci_high for row in full)  # type: ignore[type-var]
    n = [row.n for row in rows if row.n is not None]
    return Mean(
        key=key,
        value=statistics.fmean(values),
        low=low,
        high=high,
        values=values,
        n=min(n, default=None),
        n_high=max(n, default=None),
        unit=next((row.unit for row in rows if row.unit), None),
    )
