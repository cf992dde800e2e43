"""How probes are fitted: a section of suites."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lewm_probe.core.config import Config


class Linear(Config):
    """Ridge regression with group cross-validation (scikit-learn RidgeCV, GroupKFold)."""

    alphas: tuple[Annotated[float, Field(ge=0)], ...] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)
    folds: int = Field(5, ge=2)


class Mlp(Config):
    """The non-linear probe: one network a target, early stopping on held-out trajectories.

    AdamW on standardised features and targets, its rate falling to zero along a cosine. With these
    sizes, 20 epochs reach the test error of 60 at a constant rate in a third of the time.
    """

    hidden: tuple[int, ...] = (128, 128)
    learning_rate: float = Field(5e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    batch: int = Field(256, ge=1)
    max_epochs: int = Field(20, ge=1)
    patience: int = Field(6, ge=1)
    seeds: int = Field(3, ge=1)
