"""The linear probe: ridge regression, its strength chosen by cross-validation over trajectories.

Neighbouring frames of a trajectory are near copies, so folds hold whole trajectories (GroupKFold).
Features and targets are scaled by statistics of the training trajectories only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold

from lewm_probe.analyses.readout.scaling import Scaler, flatten_frames
from lewm_probe.analyses.readout.settings import Linear
from lewm_probe.core.errors import UserError


@dataclass(frozen=True)
class LinearProbe:
    """A fitted probe: x → y, on raw features and in the target's unit.

    Attributes:
        features: scaling of the inputs.
        targets: scaling of the outputs; errors are compared in its units (z-scored).
        weight: (K, D) in scaled space.
        bias: (K,) in scaled space.
        alpha: the ridge strength that cross-validation chose.
    """

    features: Scaler
    targets: Scaler
    weight: np.ndarray
    bias: np.ndarray
    alpha: float

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Read (…, D) features: (…, K) in the target's unit."""
        return self.targets.undo(self.features.apply(features) @ self.weight.T + self.bias)


def fit_linear(features: np.ndarray, target: np.ndarray, settings: Linear) -> LinearProbe:
    """Fit ridge from features (N, T, D) to a target (N, T, K); frames of NaN targets do not count.

    One strength serves all K axes. With fewer trajectories than folds, each is a fold of its own.

    Raises:
        UserError: fewer than two trajectories to cross-validate over.
    """
    x, y, trajectory = flatten_frames(features, target)
    trajectories = len(np.unique(trajectory))
    if trajectories < 2:
        raise UserError(
            f"A linear probe was given {trajectories} training trajectories with a target; "
            "cross-validation over trajectories needs at least 2. Raise probe.train in the suite."
        )
    x_scaler, y_scaler = Scaler.fit(x), Scaler.fit(y)
    x, y = x_scaler.apply(x), y_scaler.apply(y)
    folds = GroupKFold(min(settings.folds, trajectories)).split(x, y, trajectory)
    ridge = RidgeCV(list(settings.alphas), cv=list(folds), scoring="neg_mean_squared_error").fit(
        x, y
    )
    return LinearProbe(
        x_scaler,
        y_scaler,
        np.atleast_2d(ridge.coef_),
        np.atleast_1d(ridge.intercept_),
        ridge.alpha_,
    )
