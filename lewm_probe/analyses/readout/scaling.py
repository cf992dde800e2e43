"""Z-scoring by training statistics, and frames of trajectories as rows of a regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.preprocessing import StandardScaler


@dataclass(frozen=True)
class Scaler:
    """Mean and scale (both (D,)) of training rows; a constant axis keeps scale 1."""

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, rows: np.ndarray) -> Scaler:
        """Statistics of rows (N, D)."""
        fitted = StandardScaler().fit(np.asarray(rows, dtype=np.float64))
        return cls(fitted.mean_, fitted.scale_)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """(…, D) in its own unit → z-scored, float64."""
        return (np.asarray(values, dtype=np.float64) - self.mean) / self.scale

    def undo(self, values: np.ndarray) -> np.ndarray:
        """(…, D) z-scored → its own unit."""
        return values * self.scale + self.mean


def flatten_frames(
    features: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames with a finite target as rows: (N, T, D), (N, T, K) → (M, D), (M, K) and whose (M,)."""
    there = np.isfinite(target).all(axis=-1)  # (N, T)
    trajectory = np.broadcast_to(np.arange(len(target))[:, None], there.shape)
    return features[there], target[there], trajectory[there]
