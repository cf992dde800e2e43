"""What stored results hold of a checkpoint that can be compared with another: rows and numbers.

Which metrics those are, and how rows become samples, each analysis says itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lewm_probe.comparison.difference import Key, Sample
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric, step_order

KEYS = (
    "analysis", "subject", "features", "method", "window", "horizon", "dose", "stride", "metric"
)  # fmt: skip

LOG_FLOOR = 1e-8
"""Added to surprise before its logarithm where a result does not say which; the suites' default."""


@dataclass(frozen=True)
class StoredCheckpoint:
    """A model of one training seed at its last step in one world."""

    world: str
    model: str
    family: str
    train_seed: int | None
    step: int | None


@dataclass(frozen=True)
class Comparable:
    """What of one analysis' stored results can be compared.

    Attributes:
        metrics: those that do not depend on the scale of a latent space.
        samples: rows of one checkpoint, and what is added to surprise before its logarithm →
            everything that they hold by trajectory.
    """

    metrics: frozenset[str]
    samples: Callable[[pd.DataFrame, float], Mapping[Key, Sample]]


def key_of(**keys: Any) -> Key:
    """The key of a metric with these keys, the others null."""
    return tuple((name, keys.get(name)) for name in KEYS)


def checkpoints(result: Result, world: str) -> list[StoredCheckpoint]:
    """The checkpoints of a world, each at its last step, in order of appearance.

    Weights that do not say their step are the final ones of their run: beside them, curves over
    training have the steps (or epochs) of earlier checkpoints.
    """
    last: dict[tuple[str, int | None], StoredCheckpoint] = {}
    for m in result.metrics:
        if m.world != world or m.control is not None or m.versus is not None:
            continue
        who = (m.model, m.train_seed)
        held = last.get(who)
        if held is None or step_order(m.step) > step_order(held.step):
            last[who] = StoredCheckpoint(world, m.model, m.family, m.train_seed, m.step)
    return list(last.values())


def log_floor(result: Result, world: str) -> float:
    """What the suite added to surprise before its logarithm."""
    for record in result.provenance:
        suite = record.settings.get("suite")
        if isinstance(suite, Mapping) and suite.get("world") == world:
            voe = suite.get("voe")
            floor = voe.get("log_floor") if isinstance(voe, Mapping) else None
            if isinstance(floor, float) and floor > 0:
                return floor
    return LOG_FLOOR


def stored(
    metrics: Iterable[Metric], one: StoredCheckpoint, comparable: Mapping[str, Comparable]
) -> dict[Key, Metric]:
    """Numbers of the model itself that can be compared, surprise at onset only, by key."""
    found = {}
    for m in metrics:
        mine = (m.world, m.model, m.train_seed) == (one.world, one.model, one.train_seed)
        if not mine or m.step not in (None, one.step) or m.control is not None:
            continue
        own = m.versus is None or m.metric.endswith(f"_over_{m.versus}")
        later = m.analysis == "voe" and m.window not in (None, "onset")
        known = comparable.get(m.analysis)
        if own and not later and known is not None and m.metric in known.metrics:
            found[key_of(**{name: getattr(m, name) for name in KEYS})] = m
    return found


def samples(
    rows: pd.DataFrame,
    one: StoredCheckpoint,
    floor: float,
    comparable: Mapping[str, Comparable],
) -> dict[Key, Sample]:
    """Everything of a checkpoint that rows hold by trajectory, by key, in the order of ids."""
    mine = rows[
        (rows["world"] == one.world)
        & (rows["model"] == one.model)
        & _equal(rows["train_seed"], one.train_seed)
        & (rows["step"].isna() | _equal(rows["step"], one.step))
        & np.isfinite(rows["value"])
    ]
    return {
        key: Sample(sample.values.sort_index(), sample.statistic)
        for analysis, known in comparable.items()
        for key, sample in known.samples(mine[mine["analysis"] == analysis], floor).items()
    }


# ---- for what makes samples of rows


def means(rows: pd.DataFrame, analysis: str, metric: str, by: tuple[str, ...]) -> dict[Key, Sample]:
    """The mean over trajectories of what rows hold, for each value of the keys ``by``."""
    found = {}
    for keys, part in groups(rows, by):
        key = key_of(analysis=analysis, metric=metric, **keys)
        found[key] = Sample(by_trajectory(part).to_frame(), "mean")
    return found


def groups(
    rows: pd.DataFrame, by: tuple[str, ...]
) -> Iterable[tuple[dict[str, Any], pd.DataFrame]]:
    """Rows of equal keys, null among them, and these keys as plain values."""
    for values, part in rows.groupby(list(by), dropna=False):
        each: tuple[Any, ...] = values if isinstance(values, tuple) else (values,)
        plain = (None if pd.isna(v) else v if isinstance(v, str) else int(v) for v in each)
        yield dict(zip(by, plain, strict=True)), part


def by_trajectory(rows: pd.DataFrame) -> pd.Series:
    """A value for each trajectory; a mean where one has several."""
    return rows.groupby("trajectory_id")["value"].mean().astype(np.float64)


def beside(first: pd.Series, second: pd.Series) -> pd.DataFrame:
    """Two series where both have a value, as columns 0 and 1."""
    first, second = (one[~one.index.duplicated()] for one in (first, second))
    return pd.concat([first, second], axis=1, join="inner", ignore_index=True).astype(np.float64)


def _equal(column: pd.Series, value: int | None) -> pd.Series:
    return column.isna() if value is None else (column == value).fillna(False)
