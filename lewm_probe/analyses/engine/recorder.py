"""Where an analysis writes its numbers down: metrics and raw rows with the same keys filled in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.stack import Stack
from lewm_probe.results.cards import Cards
from lewm_probe.results.family import corrected
from lewm_probe.results.result import Result, as_rows
from lewm_probe.results.schema import ROW_COLUMNS, Metric, Provenance
from lewm_probe.stats.bootstrap import Estimate

HIGHER_IS_BETTER = {
    "mse": False,
    "mse_over_copy_last": False,
    "pearson_r": True,
    "r2": True,
    "psnr": True,
    "ssim": True,
    "trustworthiness": True,
    "neighbourhood_overlap": True,
    "rmse": False,
    "angle_error_deg": False,
    "selectivity": True,
    "success_rate": True,
    "success_rate_over_floor": True,
    "final_distance": False,
    "plan_seconds": False,
    "plan_seconds_p95": False,
    "cost_distance_spearman": True,
}
"""Metrics with a better end; the others describe."""


class ResultRecorder:
    """Collects the metrics and rows of one analysis of one suite.

    Every metric of a checkpoint carries its name, family, training seed and step; keys of
    ``Metric`` that do not apply are left out by the caller.
    """

    def __init__(self, analysis: str, suite: Suite) -> None:
        self.analysis = analysis
        self.suite = suite
        self.metrics: list[Metric] = []
        self.notes: dict[str, None] = {}
        self.images: dict[str, np.ndarray] = {}
        self._taken: list[pd.DataFrame] = []
        self._rows = Stack(ROW_COLUMNS)

    def metric(
        self, checkpoint: Checkpoint, metric: str, estimate: Estimate | float | None, /, **keys: Any
    ) -> None:
        """Write one number down; not finite becomes null. ``keys`` are other ones of ``Metric``."""
        if not isinstance(estimate, Estimate):
            estimate = Estimate(estimate)
        value, low, high = map(_finite, estimate[:3])
        identity: dict[str, Any] = {**checkpoint.identity}
        shared: dict[str, Any] = {
            "world": self.suite.world,
            "analysis": self.analysis,
            "metric": metric,
            "value": value,
            "ci_low": low,
            "ci_high": high,
            "n": estimate.n,
            "eval_seed": self.suite.seed,
            "higher_is_better": HIGHER_IS_BETTER.get(metric),
        }
        self.metrics.append(Metric(**(identity | shared | keys)))

    def rows(
        self,
        checkpoint: Checkpoint,
        metric: str,
        values: np.ndarray,
        ids: Sequence[str | None] | np.ndarray,
        /,
        frames: np.ndarray | None = None,
        **keys: Any,
    ) -> None:
        """Write down a raw value for each of ``ids`` (trajectories), with frame numbers if given.

        An id is null for a value of all trajectories together. ``keys`` are other columns of raw
        rows: a value for all, or one for each of ``ids``.

        Values that are not finite are left out: a row that is missing says as much.
        """
        there = np.isfinite(values)
        by_row = {"value": values, "trajectory_id": np.asarray(ids, object), "frame": frames}
        for key, value in (by_row | keys).items():
            keys[key] = value[there] if isinstance(value, np.ndarray) else value
        identity = {key: checkpoint.identity[key] for key in ("model", "train_seed", "step")}
        shared = {"world": self.suite.world, "analysis": self.analysis, "metric": metric}
        self._rows.add(int(there.sum()), **identity, **shared, **keys)

    def note(self, text: str) -> None:
        """A warning that a reader of the numbers must see; said once."""
        self.notes.setdefault(text)

    def cannot_reinitialise(self, checkpoint: Checkpoint, baseline: str) -> None:
        """Say that a baseline of this model's own architecture is missing."""
        self.note(
            f"{checkpoint.label}: {baseline} is missing, because this kind of model cannot be "
            "built anew with random weights."
        )

    def table(self) -> pd.DataFrame | None:
        """All raw rows written down so far; None where there are none."""
        tables = [table for table in (*self._taken, self._rows.table()) if len(table)]
        return pd.concat(tables, ignore_index=True) if tables else None

    def take(
        self, metrics: Sequence[Metric], rows: pd.DataFrame | None, notes: Sequence[str]
    ) -> None:
        """Write down what another recorder of the same analysis and suite held."""
        self.metrics += metrics
        if rows is not None:
            self._taken.append(as_rows(rows))
        for text in notes:
            self.note(text)

    def result(
        self,
        checkpoints: Sequence[Checkpoint],
        settings: dict[str, Any],
        cards: Cards | None = None,
    ) -> Result:
        """Everything written down so far."""
        from lewm_probe.results.provenance import provenance

        stamp: Provenance = provenance(
            self.analysis,
            seeds={"eval": self.suite.seed},
            fingerprints={s.label: s.entry.fingerprint for s in checkpoints},
            settings=settings,
            notes=list(self.notes),
        )
        entries = [s.entry for s in checkpoints]
        metrics = corrected(self.metrics)
        return Result([stamp], entries, metrics, self.table(), self.images, cards)


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
