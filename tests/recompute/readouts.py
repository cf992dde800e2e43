"""Scores of probes, straightness, rollouts and geometry, from rows of trajectories and sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tests.recompute import numbers
from tests.recompute.numbers import Answer
from tests.recompute.stored import Metric, Stored, Who, keys_of

WHAT = ("subject", "features", "method", "control")
BEATEN = ("mean", "random_weights", "pixel_pca")
UNLEARNT = ("mean", "time_index")
"""Controls that read no features."""

SCORES = ("mse", "pearson_r", "r2", "rmse", "angle_error_deg", "mse_sample_sd", "mse_seed_sd")


class Sums:
    """Sums over frames of each trajectory: of a quantity, and of one reading of it."""

    def __init__(
        self, stored: Stored, who: Who, analysis: str, of: dict[str, Any], quantity: dict[str, Any]
    ) -> None:
        self.stored, self.who, self.analysis, self.of = stored, who, analysis, of
        self.frames = self._one("frames", quantity)
        self.total = float(self.frames.sum())
        self.n = int((self.frames > 0).sum())
        self.true = self._axes("sum_true", quantity)  # (K,) means
        self.true_squared = self._axes("sum_true_squared", quantity)
        self.axes = list(self.true)
        self._readings: dict[str, np.ndarray] = {}

    def _one(self, metric: str, keys: dict[str, Any]) -> pd.Series:
        found = self.stored.series(self.who, analysis=self.analysis, metric=metric, **keys)
        assert found is not None, (self.who, self.analysis, metric, keys)
        return found

    def _axes(self, metric: str, keys: dict[str, Any]) -> dict[str, float]:
        found = self.stored.stacked(self.who, "axis", analysis=self.analysis, metric=metric, **keys)
        return {axis: float(series.sum()) / self.total for axis, series in found.items()}

    def of_reading(self, metric: str) -> np.ndarray:
        """Means over frames of each probe seed and axis, (S, K)."""
        if metric not in self._readings:
            self._readings[metric] = self._read(metric)
        return self._readings[metric]

    def _read(self, metric: str) -> np.ndarray:
        seeds: list[str | None] = [None]
        if self.analysis == "probe":
            seeds = list(
                self.stored.stacked(
                    self.who,
                    "window",
                    analysis="probe",
                    metric=metric,
                    axis=self.axes[0],
                    **self.of,
                )
            )
        rows = [self._axes(metric, {**self.of, "window": seed}) for seed in seeds]
        return np.array([[row[axis] for axis in self.axes] for row in rows])

    @property
    def variance(self) -> np.ndarray:
        """Of the quantity, (K,)."""
        square = np.array([self.true_squared[a] for a in self.axes])
        return square - np.array([self.true[a] for a in self.axes]) ** 2

    def scale(self, quantity: dict[str, Any]) -> np.ndarray:
        """The worth of a z-score in the quantity's unit, (K,)."""
        found = self.stored.stacked(
            self.who, "axis", analysis=self.analysis, metric="scale", **quantity
        )
        return np.array([float(found[axis].iloc[0]) for axis in self.axes])


def score(sums: Sums, metric: str, quantity: dict[str, Any]) -> Answer:
    """One score of a probe."""
    if metric == "angle_error_deg":
        wrong = sums._one("sum_angle_error", sums.of)
        return Answer(float(wrong.sum()) / sums.total, n=sums.n)
    squared = sums.of_reading("sum_squared_error")  # (S, K)
    if metric == "mse":
        return Answer(float(squared.mean()), n=sums.n)
    if metric == "mse_seed_sd":
        return Answer(float(squared.mean(axis=1).std(ddof=1)), n=sums.n)
    if metric == "r2":
        return Answer(float((1 - squared / sums.variance).mean()), n=sums.n)
    if metric == "rmse":
        of_seeds = np.sqrt((squared * sums.scale(quantity) ** 2).mean(axis=1))
        return Answer(float(of_seeds.mean()), n=sums.n)
    if metric == "mse_sample_sd":
        seeds = sums.stored.stacked(
            sums.who, "window", analysis="probe", metric="sum_squared_error_squared", **sums.of
        )
        fourth = np.array([float(series.sum()) / sums.total for series in seeds.values()])
        spread = np.sqrt(np.maximum(fourth - squared.mean(axis=1) ** 2, 0))
        return Answer(float(spread.mean()), n=sums.n)
    first, second = sums.of_reading("sum_predicted"), sums.of_reading("sum_predicted_squared")
    true = np.array([sums.true[a] for a in sums.axes])
    square = np.array([sums.true_squared[a] for a in sums.axes])
    varies = second - first**2 > 1e-6 * np.maximum(second, 1e-6)  # float32 sums of a constant
    if not varies.all():
        return Answer(None, n=sums.n)
    product = (square + second - squared) / 2
    r = (product - true * first) / np.sqrt(sums.variance * (second - first**2))
    return Answer(float(r.mean()), n=sums.n)


class Readouts:
    """All analyses but surprise, of one checkpoint."""

    def __init__(self, stored: Stored, who: Who) -> None:
        self.stored, self.who = stored, who
        self.confidence = stored.suite(who.world)["statistics"]["confidence"]
        self._sums: dict[tuple[Any, ...], Sums] = {}

    def answer(self, m: Metric) -> Answer | None:
        """What the rows say that a metric is."""
        return {
            "probe": self._probe,
            "straightness": self._straightness,
            "rollout": self._rollout,
            "geometry": self._geometry,
            "decode": self._decode,
            "map": self._map,
        }[m["analysis"]](m)

    def _series(self, analysis: str, metric: str, **keys: Any) -> np.ndarray | None:
        found = self.stored.series(self.who, analysis=analysis, metric=metric, **keys)
        return None if found is None else found.to_numpy()

    def _more(self, analysis: str, metric: str, control: str, **keys: Any) -> np.ndarray:
        """The model's own less a control's, of the trajectories that both have."""
        plain = {"features": None, "method": None} if control in UNLEARNT else {}
        of_control = {**keys, **plain, "control": control}
        both = [
            self.stored.series(self.who, analysis=analysis, metric=metric, **k)
            for k in (keys, of_control)
        ]
        assert both[0] is not None and both[1] is not None, (analysis, metric, of_control)
        return (both[0] - both[1]).dropna().to_numpy()

    def _tests(self, more: dict[str, np.ndarray], first: str, which: str) -> Answer:
        ps = {control: numbers.paired_p(values, True) for control, values in more.items()}
        n = len(more[first])
        if which == "p_noticed":
            return Answer(ps[first], n=n)
        every = [p for p in ps.values() if p is not None]
        return Answer(max(every) if len(every) == len(ps) else None, n=n)

    # ---- probe

    def _probe(self, m: Metric) -> Answer | None:
        name, subject = m["metric"], m["subject"]
        read = {"subject": subject, "features": "z", "method": "linear"}
        if name.startswith("mse_less_than_"):
            gain = -self._more("probe", "mse", m["versus"], **read)
            return numbers.student(gain, self.confidence)
        if name in ("p_noticed", "p_beyond"):
            there = [c for c in BEATEN if self._has("probe", "mse", c, subject)]
            gains = {c: -self._more("probe", "mse", c, **read) for c in there}
            return self._tests(gains, "mean", name)
        if any(m.get(k) is not None for k in ("window", "horizon", "dose")):
            return None
        of = keys_of(m, *WHAT)
        if name == "selectivity":
            own = self._score("probe", of, "r2")
            cells = self._score("probe", {**of, "control": "random_cells"}, "r2")
            assert own.value is not None and cells.value is not None
            return Answer(own.value - cells.value, n=own.n)
        if (
            name == "mse"
            and self.stored.part(self.who, analysis="probe", metric="frames", subject=subject)
            is None
        ):
            return None
        return self._score("probe", of, name) if name in SCORES else None

    def _has(self, analysis: str, metric: str, control: str, subject: str) -> bool:
        read = {} if control == "mean" else {"features": "z", "method": "linear"}
        keys = {"subject": subject, "control": control, **read}
        return self.stored.part(self.who, analysis=analysis, metric=metric, **keys) is not None

    def _score(self, analysis: str, of: dict[str, Any], metric: str) -> Answer:
        quantity: dict[str, Any] = {"subject": of["subject"], "control": None}
        if analysis == "probe":
            cells = of["control"] == "random_cells"
            quantity["control"] = "random_cells" if cells else None
        else:
            quantity |= {k: v for k, v in of.items() if k != "control"}
        key = (analysis, *sorted(of.items(), key=str))
        if key not in self._sums:
            self._sums[key] = Sums(self.stored, self.who, analysis, of, quantity)
        return score(self._sums[key], metric, quantity)

    # ---- others

    def _straightness(self, m: Metric) -> Answer | None:
        name = m["metric"]
        keys = keys_of(m, "subject", "features", "method", "control", "window", "stride")
        own = {"features": "z", "method": "encoded", "stride": 1}
        if name.startswith("cosine_over_"):
            more = self._paths(m["versus"], own)
            return numbers.student(more, self.confidence)
        if name in ("p_noticed", "p_beyond"):
            asked = [c for c in ("pixel_space", "random_weights") if self._paths(c, own).size]
            return self._tests({c: self._paths(c, own) for c in asked}, "pixel_space", name)
        if name == "effective_rank":
            return self._rank(m, "straightness")
        if name == "r2":
            return self._score("straightness", keys_of(m, *WHAT), "r2")
        values = self._series("straightness", name, **keys)
        return None if values is None else numbers.student(values, self.confidence)

    def _paths(self, control: str, own: dict[str, Any]) -> np.ndarray:
        """S of the model less a control's; pixels and states are no features of a model."""
        spaces = control in ("pixel_space", "state_space")
        of = {"stride": 1, "control": control} if spaces else {**own, "control": control}
        both = [
            self.stored.series(self.who, analysis="straightness", metric="cosine", **k)
            for k in (own, of)
        ]
        if both[0] is None or both[1] is None:
            return np.empty(0)
        return (both[0] - both[1]).dropna().to_numpy()

    def _rank(self, m: Metric, analysis: str) -> Answer | None:
        pseudo = self._series(analysis, f"reciprocal_{m['metric']}", features="z")
        if pseudo is None:
            return None
        return numbers.reciprocal(pseudo, self.stored.width(self.who), self.confidence)

    def _rollout(self, m: Metric) -> Answer | None:
        name, k = m["metric"], m["horizon"]
        if name in ("mse", "mse_over_copy_last"):
            at = {"features": "z", "horizon": k}
            values = self._series("rollout", "mse", control=m.get("control"), **at)
            assert values is not None
            if name == "mse":
                return numbers.student(values, self.confidence)
            copied = self._series("rollout", "mse", control="copy_last", **at)
            assert copied is not None
            return Answer(float(values.mean() / copied.mean()), n=len(values))
        return self._score("rollout", keys_of(m, *WHAT, "horizon"), name)

    def _decode(self, m: Metric) -> Answer | None:
        name, keys = m["metric"], keys_of(m, *WHAT, "horizon")
        if name == "r2":
            return self._score("decode", keys, name)
        values = self._series("decode", name, **keys)
        return None if values is None else numbers.student(values, self.confidence)

    def _map(self, m: Metric) -> Answer | None:
        """Views alone: rows hold where places lie in them."""
        points = [self._points(m["subject"], "place", None)]
        points.append(self._points(m["subject"], m["method"], m.get("control")))
        if points[0] is None or points[1] is None:
            return None
        k = self.stored.suite(self.who.world)["map"]["neighbours"]
        found = numbers.neighbourhoods(points[0], points[1], k)
        return Answer(found[m["metric"]], n=len(points[0]))

    def _points(self, subject: str, metric: str, control: str | None) -> np.ndarray | None:
        """(N, 2), by the number of the place."""
        features = None if control == "pixel_space" or metric == "place" else "z"
        axes = ("x", "y") if metric == "place" else ("1", "2")
        found = []
        for axis in axes:
            keys = {"subject": subject, "features": features, "control": control, "axis": axis}
            part = self.stored.part(self.who, analysis="map", metric=metric, **keys)
            if part is None:
                return None
            found.append(part.sort_values("frame")["value"].to_numpy(np.float64))
        return np.stack(found, axis=1)

    def _geometry(self, m: Metric) -> Answer | None:
        name = m["metric"]
        if name in ("effective_rank", "participation_ratio"):
            return self._rank(m, "geometry")
        keys = keys_of(m, "subject", "control")
        values = self._series("geometry", name, features="z", **keys)
        if name == "dimension_variance":
            axes = self.stored.stacked(
                self.who, "axis", analysis="geometry", metric=name, features="z"
            )
            each = np.concatenate([series.to_numpy() for series in axes.values()])
            return Answer(
                float({"min": np.min, "max": np.max, "median": np.median}[m["window"]](each))
            )
        if values is None:
            return None
        if name == "sigreg":  # a frame of all trajectories together
            return Answer(float(values.mean()))
        return numbers.student(values, self.confidence)
