"""What stored results hold of a checkpoint that can be compared with another: rows and numbers.

A sample is one value or more of each trajectory and the statistic that makes a number of them, so
that the same number can be computed from any resample of the trajectories.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric, step_order

Key = tuple[tuple[str, Any], ...]
"""Keys of ``Metric`` that say what was measured, as sorted pairs, ``metric`` among them."""

KEYS = (
    "analysis", "subject", "features", "method", "window", "horizon", "dose", "stride", "metric"
)  # fmt: skip

LOG_FLOOR = 1e-8
"""Added to surprise before its logarithm where a result does not say which; the suites' default."""

COMPARED: dict[str, frozenset[str]] = {
    "probe": frozenset({"mse", "pearson_r", "r2", "rmse", "angle_error_deg", "selectivity"}),
    "voe": frozenset(
        {
            "auroc",
            "delta_auroc_over_copy_last",
            "delta_log_surprise",
            "clean_over_copy_last",
            "action_swap_auroc",
        }
    ),
    "straightness": frozenset({"cosine"}),
    "rollout": frozenset({"mse_over_copy_last"}),
    "geometry": frozenset({"effective_rank", "participation_ratio", "sigreg"}),
    "plan": frozenset({"success_rate"}),
}
"""Metrics that are compared: those that do not depend on the scale of a latent space."""


@dataclass(frozen=True)
class StoredCheckpoint:
    """A model of one training seed at its last step in one world."""

    world: str
    model: str
    family: str
    train_seed: int | None
    step: int | None


@dataclass(frozen=True)
class Sample:
    """Values by trajectory, and the statistic of ``published`` that makes a number of them."""

    values: pd.DataFrame
    statistic: Literal["mean", "ratio", "auroc", "gain"]


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


def stored(metrics: Iterable[Metric], one: StoredCheckpoint) -> dict[Key, Metric]:
    """Numbers of the model itself that can be compared, surprise at onset only, by key."""
    found = {}
    for m in metrics:
        mine = (m.world, m.model, m.train_seed) == (one.world, one.model, one.train_seed)
        if not mine or m.step not in (None, one.step) or m.control is not None:
            continue
        own = m.versus is None or m.metric.endswith(f"_over_{m.versus}")
        later = m.analysis == "voe" and m.window not in (None, "onset")
        if own and not later and m.metric in COMPARED.get(m.analysis, ()):
            found[key_of(**{name: getattr(m, name) for name in KEYS})] = m
    return found


def samples(rows: pd.DataFrame, one: StoredCheckpoint, floor: float) -> dict[Key, Sample]:
    """Everything of a checkpoint that rows hold by trajectory, by key.

    ``floor`` is added to surprise before its logarithm. Matched cases are matched again by
    trajectory and frame: some conditions have an onset of their own, for which the reference may
    not be stored. Those trajectories are left out.
    """
    mine = rows[
        (rows["world"] == one.world)
        & (rows["model"] == one.model)
        & _equal(rows["train_seed"], one.train_seed)
        & (rows["step"].isna() | _equal(rows["step"], one.step))
        & np.isfinite(rows["value"])
    ]
    return {
        **_probes(mine[(mine["analysis"] == "probe") & (mine["metric"] == "mse")]),
        **_surprise(mine[(mine["analysis"] == "voe") & (mine["metric"] == "surprise")], floor),
        **_paths(mine[(mine["analysis"] == "straightness") & (mine["metric"] == "cosine")]),
        **_rollouts(mine[(mine["analysis"] == "rollout") & (mine["metric"] == "mse")]),
    }


def _probes(rows: pd.DataFrame) -> dict[Key, Sample]:
    whole = rows[rows["control"].isna() & rows["frame"].isna() & rows["axis"].isna()]
    return _means(whole, "probe", "mse", ("subject", "features", "method", "horizon"))


def _paths(rows: pd.DataFrame) -> dict[Key, Sample]:
    whole = rows[rows["control"].isna() & rows["frame"].isna()]
    return _means(whole, "straightness", "cosine", ("features", "method", "stride"))


def _means(
    rows: pd.DataFrame, analysis: str, metric: str, by: tuple[str, ...]
) -> dict[Key, Sample]:
    found = {}
    for keys, part in _groups(rows, by):
        key = key_of(analysis=analysis, metric=metric, **keys)
        found[key] = Sample(_by_trajectory(part).to_frame(), "mean")
    return found


def _rollouts(rows: pd.DataFrame) -> dict[Key, Sample]:
    """Error over that of copying the last latent, where the latter was stored too."""
    found = {}
    plain = rows[rows["subject"].isna()]
    for keys, part in _groups(plain, ("features", "horizon")):
        own = part[part["control"].isna()]
        copied = part[part["control"] == "copy_last"]
        both = _beside(_by_trajectory(own), _by_trajectory(copied))
        if len(both):
            key = key_of(analysis="rollout", metric="mse_over_copy_last", **keys)
            found[key] = Sample(both, "ratio")
    return found


def _surprise(rows: pd.DataFrame, floor: float) -> dict[Key, Sample]:
    """Δ log surprise, AUROC and its gain over copy-last at onset, for each condition."""
    found: dict[Key, Sample] = {}
    index = ["trajectory_id", "frame"]
    scored = {
        None: rows[rows["control"].isna()],
        "copy_last": rows[rows["control"] == "copy_last"],
    }
    clean = {
        scorer: part[part["subject"] == "reference"].set_index(index)["value"]
        for scorer, part in scored.items()
    }
    onset = {scorer: part[part["horizon"] == 0] for scorer, part in scored.items()}
    for named, part in _groups(onset[None], ("subject", "features")):
        name = named["subject"]
        if name in (None, "reference"):
            continue
        keys = {"analysis": "voe", "window": "onset", **named}
        pair = _beside(part.set_index(index)["value"], clean[None]).droplevel("frame")
        pair = pair[~pair.index.duplicated()]
        if not len(pair):
            continue
        delta = np.log(pair[0] + floor) - np.log(pair[1] + floor)
        found[key_of(metric="delta_log_surprise", **keys)] = Sample(delta.to_frame(), "mean")
        found[key_of(metric="auroc", **keys)] = Sample(pair, "auroc")
        baseline = onset["copy_last"][onset["copy_last"]["subject"] == name]
        copied = _beside(baseline.set_index(index)["value"], clean["copy_last"]).droplevel("frame")
        copied = copied[~copied.index.duplicated()]
        four = pd.concat([pair, copied], axis=1, join="inner", ignore_index=True)
        if len(four):
            key = key_of(metric="delta_auroc_over_copy_last", **keys)
            found[key] = Sample(four, "gain")
    return found


def _groups(
    rows: pd.DataFrame, by: tuple[str, ...]
) -> Iterable[tuple[dict[str, Any], pd.DataFrame]]:
    for values, part in rows.groupby(list(by), dropna=False):
        each: tuple[Any, ...] = values if isinstance(values, tuple) else (values,)
        plain = (None if pd.isna(v) else v if isinstance(v, str) else int(v) for v in each)
        yield dict(zip(by, plain, strict=True)), part


def _by_trajectory(rows: pd.DataFrame) -> pd.Series:
    """A value for each trajectory; a mean where one has several."""
    return rows.groupby("trajectory_id")["value"].mean().astype(np.float64)


def _beside(first: pd.Series, second: pd.Series) -> pd.DataFrame:
    """Two series where both have a value, as columns 0 and 1."""
    first, second = (one[~one.index.duplicated()] for one in (first, second))
    return pd.concat([first, second], axis=1, join="inner", ignore_index=True).astype(np.float64)


def _equal(column: pd.Series, value: int | None) -> pd.Series:
    return column.isna() if value is None else (column == value).fillna(False)
