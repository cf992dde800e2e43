"""Mean and spread of the actions a model was trained on: without them its inputs mean nothing.

Released checkpoints do not carry these numbers; ours do. The z-score is taken per dimension of
one environment action over the whole column, rows with NaN (the last of each episode) dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lewm_probe.core.errors import UserError
from lewm_probe.data.episodes import Episodes


@dataclass(frozen=True)
class ActionStatistics:
    """Mean and standard deviation of each dimension of one environment action.

    The standard deviation is the unbiased one, as torch computes it by default. A dimension that
    never changes gets 1, so that scaling maps it to zero.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def fit(
        cls, file: Episodes, episodes: Sequence[int] | np.ndarray | None = None
    ) -> ActionStatistics:
        """Measure the actions of a data set, or of some of its episodes.

        Raises:
            UserError: fewer than two rows hold an action, or some are infinite.
        """
        actions = file.read("action").astype(np.float64)  # (N, A)
        if episodes is not None:
            actions = actions[file.rows_of(episodes)]
        actions = actions[~np.isnan(actions).any(axis=1)]
        if len(actions) < 2:
            raise UserError(
                f"{file.path} has {len(actions)} rows with an action (the others are NaN); at "
                "least 2 are needed to scale actions. Collect more with `lewm-probe data collect`."
            )
        if not np.isfinite(actions).all():
            raise UserError(
                f"{file.path} holds infinite actions. `lewm-probe data check {file.path}` counts "
                "them; fetch or collect the data again."
            )
        std = actions.std(axis=0, ddof=1)
        std[std < 1e-8 * np.maximum(1.0, np.abs(actions).max(axis=0))] = 1.0
        return cls(tuple(actions.mean(axis=0).tolist()), tuple(std.tolist()))
