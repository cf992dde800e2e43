"""Several weights at once, by Optuna's tree-structured Parzen estimator: what PLDM has to pay.

PLDM's loss has six weights; the published ones come from a grid of 256 configurations on Push-T
(LeWM, arXiv 2603.19312, table 2). TPE (Bergstra et al., NeurIPS 2011) is what one would rather do
today. Trials are asked for one after the other, each follows from the sampler's seed and the
results before it, so that a search that was killed goes on by being told them again.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lewm_probe.core.errors import UserError
from lewm_probe.search.tuning.bisection import rounded

BEYOND = 1e6
"""What a setting costs that is not to be chosen, beside what it lacks: more than any score does."""


def tpe(
    ranges: Mapping[str, tuple[float, float]],
    trials: int,
    seed: int,
    cost: Callable[[Mapping[str, float]], float],
) -> list[dict[str, float]]:
    """Make ``cost`` small; the settings in the order in which they were tried.

    Args:
        ranges: of each number, drawn log-uniformly at first.
        trials: how many settings.
        seed: of the sampler.
        cost: of a setting; finite.

    Raises:
        UserError: Optuna is not installed.
    """
    optuna = _optuna()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # Weights act together: one model of all of them instead of one for each.
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True)
    study = optuna.create_study(direction="minimize", sampler=sampler)
    tried = []
    for _ in range(trials):
        trial = study.ask()
        setting = {
            key: rounded(trial.suggest_float(key, low, high, log=True))
            for key, (low, high) in ranges.items()
        }
        tried.append(setting)
        study.tell(trial, cost(setting))
    return tried


def penalty(ranks: Sequence[float], bound: float) -> float:
    """The cost of a setting below the bound: the more its rank lacks, the more."""
    rank = sum(ranks) / len(ranks) if ranks else 0.0
    return BEYOND + max(0.0, bound - rank)


def check_installed() -> None:
    """Say it before the work, not after it.

    Raises:
        UserError: Optuna is not installed.
    """
    _optuna()


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise UserError(
            "Searching several weights needs Optuna, which is not installed. Install it with "
            "`pip install 'lewm-probe[optuna]'`, or search for one number by bisection with --key."
        ) from error
    return optuna
