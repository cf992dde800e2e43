"""What every run of a sweep is measured by: a line a column, each a number of an existing analysis.

A further metric is one more ``Column``: which analysis is asked, and which of its metrics is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.probe.settings import seen_poses
from lewm_probe.core.errors import UserError
from lewm_probe.results.schema import Metric

POSE, TELEPORT = "{pose}", "{teleport}"
"""Stand for the suite's first visible position and its first condition of kind teleport."""

HORIZON = 5
"""Blocks ahead that a rollout is read at: the paper's planning horizon."""


@dataclass(frozen=True)
class Column:
    """One measure.

    Attributes:
        name: of the column of ``cells.csv``.
        label: for readers, short.
        analysis: that is asked.
        keys: of its metric, all others null.
        higher_is_better: null where neither is.
    """

    name: str
    label: str
    analysis: str
    keys: Mapping[str, Any] = field(default_factory=dict)
    higher_is_better: bool | None = True


COLUMNS: tuple[Column, ...] = (
    Column(
        "probe_linear_r2",
        "linear probe R²",
        "probe",
        {"metric": "r2", "method": "linear", "subject": POSE, "features": "z"},
    ),
    Column(
        "probe_mlp_r2",
        "MLP probe R²",
        "probe",
        {"metric": "r2", "method": "mlp", "subject": POSE, "features": "z"},
    ),
    Column(
        "teleport_auroc_over_copy_last",
        "teleport AUROC − copying",
        "voe",
        {
            **{"metric": "delta_auroc_over_copy_last", "subject": TELEPORT, "features": "z"},
            **{"window": "onset", "versus": "copy_last"},
        },
    ),
    Column(
        "rollout_error_over_copy_last",
        "rollout error / copying",
        "rollout",
        {"metric": "mse_over_copy_last", "horizon": HORIZON, "features": "z"},
        higher_is_better=False,
    ),
    Column(
        "effective_rank",
        "effective rank",
        "geometry",
        {"metric": "effective_rank", "features": "z"},
        higher_is_better=None,
    ),
)
"""In the order of tables and figures."""

_MATCHED = (
    *("subject", "features", "method", "control", "window", "horizon", "dose", "stride"),
    *("versus", "metric"),
)


def suite_for(raw: Mapping[str, Any], suite: Suite) -> dict[str, Any]:
    """The suite's file (``raw``) asking no more than the columns read: seconds a run, not minutes.

    Raises:
        UserError: the suite has no teleport.
    """
    teleport = _teleport(suite).model_dump(mode="json", exclude_none=True)
    own = {
        "probe": {"quantities": [_pose(suite)], "controls": [], "imagined_horizons": []},
        "voe": {"conditions": [teleport], "dose_response": [], "baselines": ["copy_last"]},
        "rollout": {"horizons": [HORIZON]},
        "statistics": {"confirmatory": []},
    }
    return {**raw, **{name: {**raw.get(name, {}), **asked} for name, asked in own.items()}}


def read(
    columns: Sequence[Column], metrics: Iterable[Metric], suite: Suite
) -> dict[int, dict[str, float | None]]:
    """Seed → column → value of one model's metrics; a column is missing where no metric is there.

    Of earlier steps of a run nothing is read: the last step counts.
    """
    named = {POSE: _pose(suite), TELEPORT: _teleport(suite).name}
    found: dict[int, dict[str, float | None]] = {}
    steps: dict[tuple[Any, str], int] = {}
    for metric in metrics:
        for column in columns:
            wanted = {key: named.get(value, value) for key, value in column.keys.items()}
            if metric.analysis != column.analysis or any(
                getattr(metric, key) != wanted.get(key) for key in _MATCHED
            ):
                continue
            seed, step = metric.train_seed or 0, metric.step or 0
            if step >= steps.get((seed, column.name), -1):
                steps[seed, column.name] = step
                found.setdefault(seed, {})[column.name] = metric.value
    return found


def _pose(suite: Suite) -> str:
    return seen_poses(list(suite.probe.quantities))[0]


def _teleport(suite: Suite) -> Any:
    """The first teleport of anywhere to anywhere.

    Raises:
        UserError: there is none.
    """
    for condition in suite.voe.conditions:
        if condition.kind == "teleport":
            return condition
    raise UserError(
        f"The suite of {suite.world} has no condition of kind teleport, which sweeps measure "
        "surprise by. Add one to its section 'voe'."
    )
