"""Training and validation, split by episode: windows of one episode never stand on both sides.

The published 0.9 split is over overlapping windows, so its validation frames were trained on.
"""

from __future__ import annotations

import numpy as np

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.seeding import stream


def split_episodes(
    count: int, validation_fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Deal ``count`` episodes at random into (training, validation), each sorted, int64.

    The validation side holds the nearest whole number to ``validation_fraction`` of them; neither
    side is ever empty.

    Raises:
        UsageError: the fraction is not between 0 and 1.
        UserError: there are fewer than two episodes.

    >>> training, validation = split_episodes(10, 0.2, seed=0)
    >>> len(training), len(validation)
    (8, 2)
    """
    if not 0 < validation_fraction < 1:
        raise UsageError(
            f"The validation fraction is {validation_fraction}; it must lie between 0 and 1, "
            "both excluded, so that both sides hold episodes. Try 0.1."
        )
    if count < 2:
        raise UserError(
            f"A data set of {count} episode{'' if count == 1 else 's'} cannot be split into "
            "training and validation: at least 2 are needed, one on each side. Collect more with "
            "`lewm-probe data collect`."
        )
    validation = min(max(round(count * validation_fraction), 1), count - 1)
    order = stream(seed, "split").permutation(count)
    return np.sort(order[validation:]), np.sort(order[:validation])
