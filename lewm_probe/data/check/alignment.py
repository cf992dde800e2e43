"""Does row t hold the action taken at row t, or has it slipped by one row?

The change of the state from row t to t + 1 is regressed on the action of row t − 1, t and t + 1,
over the same rows each time. Where actions move anything at all, the right row explains most; a
data set written with the action that *led to* a row is explained best by row t + 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lewm_probe.data.episodes import Episodes

LAGS = (-1, 0, 1)
LEAST_R2 = 0.05
"""A state dimension that no lag explains this well says nothing about alignment."""
MARGIN = 0.01
"""R² by which another lag must win: repeated actions make neighbours nearly as good."""
MOST_ROWS = 200_000
"""Rows that enter the regression, from evenly spaced episodes."""
_NO_STATE = ("pixels", "action", "ep_idx", "episode_idx", "step_idx")


@dataclass(frozen=True)
class Alignment:
    """What a regression of state changes on actions found.

    Attributes:
        r2: for each lag of ``LAGS``, R² averaged over the state dimensions that actions explain;
            empty when they explain none.
        columns: the columns those dimensions belong to.
    """

    r2: dict[int, float]
    columns: tuple[str, ...]

    @property
    def best(self) -> int | None:
        """The row, counted from t, whose action explains the change from t to t + 1."""
        if not self.r2:
            return None
        winner = max(self.r2, key=lambda lag: self.r2[lag])
        return winner if self.r2[winner] > self.r2[0] + MARGIN else 0


def action_alignment(file: Episodes) -> Alignment:
    """Find the lag at which actions explain state changes best."""
    rows = _inner_rows(file)
    actions = file.read("action").astype(np.float64)
    usable = np.all([np.isfinite(actions[rows + lag]).all(axis=1) for lag in LAGS], axis=0)
    rows = rows[usable]
    found: list[np.ndarray] = []  # each (lags,)
    columns: list[str] = []
    if len(rows) > 2 * (actions.shape[1] + 1):
        for name in file.columns:
            values = file.read(name) if name not in _NO_STATE else np.zeros(0, np.uint8)
            if values.dtype.kind != "f":
                continue
            state = values.reshape(len(values), -1).astype(np.float64)
            change = state[rows + 1] - state[rows]  # (N, S)
            change = change[:, np.isfinite(change).all(axis=0)]
            change = change[:, change.std(axis=0) > 1e-9]
            r2 = np.stack([_r2(actions[rows + lag], change) for lag in LAGS], axis=1)  # (S, lags)
            explained = r2[r2.max(axis=1, initial=0) >= LEAST_R2]
            if len(explained):
                found += list(explained)
                columns.append(name)
    if not found:
        return Alignment({}, ())
    mean = np.mean(found, axis=0)
    return Alignment(
        {lag: float(value) for lag, value in zip(LAGS, mean, strict=True)}, tuple(columns)
    )


def _inner_rows(file: Episodes) -> np.ndarray:
    """Rows t whose neighbours t − 1, t + 1 and t + 1's action are in the same episode."""
    count = max(1, min(len(file), int(MOST_ROWS / file.lengths.mean())))
    chosen = np.unique(np.linspace(0, len(file) - 1, count).astype(np.int64))
    spans = [np.arange(file.offsets[i] + 1, file.offsets[i] + file.lengths[i] - 1) for i in chosen]
    return np.concatenate(spans)


def _r2(actions: np.ndarray, change: np.ndarray) -> np.ndarray:
    """R² of each column of ``change`` (N, S) on actions (N, A) with intercept, (S,)."""
    design = np.column_stack([np.ones(len(actions)), actions])
    weights = np.linalg.lstsq(design, change, rcond=None)[0]
    return 1 - (change - design @ weights).var(axis=0) / change.var(axis=0)
