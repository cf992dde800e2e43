"""What a score has to offer."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from lewm_probe.search.tuning.scores.trained import Trained


@runtime_checkable
class Score(Protocol):
    """One number about a trained model, from training and validation episodes alone.

    Attributes:
        label: as it stands in tables and on axes, a few words.
        higher_is_better: which way it is improved.
    """

    label: str
    higher_is_better: bool

    def measure(self, trained: Trained) -> float:
        """The number.

        Raises:
            UserError: it cannot be told of this model or data set; says why.
        """
