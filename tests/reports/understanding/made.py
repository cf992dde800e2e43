"""Synthetic checkpoints that were measured and planned, with known correlations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric, ModelEntry, Provenance

Design = Sequence[tuple[str, str, Sequence[int], Sequence[int]]]
"""Name, family, training seeds, steps."""

DESIGN: Design = (
    ("lewm", "lewm", (1, 2, 3), (300, 900)),
    ("lewm-wide", "lewm", (1, 2, 3), (300, 900)),
    ("pldm", "pldm", (1, 2, 3), (300, 900)),
    ("straightened", "straightened", (1, 2, 3), (300, 900)),
)
"""24 checkpoints of 12 runs of 3 families."""

PAIRS = 60
MEASURED: Mapping[str, dict[str, Any]] = {
    "position": {
        **{"analysis": "probe", "metric": "r2", "subject": "agent_position"},
        **{"method": "linear", "features": "z"},
    },
    "goal": {
        **{"analysis": "probe", "metric": "r2", "subject": "goal_position"},
        **{"method": "linear", "features": "z"},
    },
    "mlp": {
        **{"analysis": "probe", "metric": "r2", "subject": "agent_position"},
        **{"method": "mlp", "features": "z"},
    },
    "swap": {
        **{"analysis": "voe", "metric": "auroc", "subject": "action_swap"},
        **{"window": "onset", "features": "z"},
    },
    "teleport": {
        **{"analysis": "voe", "metric": "auroc", "subject": "step_teleport_agent"},
        **{"window": "onset", "features": "z"},
    },
    "gain": {
        **{"analysis": "voe", "metric": "delta_auroc_over_copy_last"},
        **{"subject": "action_swap", "versus": "copy_last", "window": "onset", "features": "z"},
    },
    "rollout": {
        **{"analysis": "rollout", "metric": "mse_over_copy_last"},
        **{"horizon": 5, "features": "z"},
    },
    "straightness": {
        **{"analysis": "straightness", "metric": "cosine"},
        **{"method": "encoded", "stride": 1, "features": "z"},
    },
    "rank": {"analysis": "geometry", "metric": "effective_rank", "features": "z"},
}
"""What each number is stored as."""

DECOYS: Sequence[dict[str, Any]] = (
    {**MEASURED["position"], "features": "cls"},
    {**MEASURED["position"], "control": "random_weights"},
    {**MEASURED["swap"], "window": "mean_after"},
    {**MEASURED["swap"], "control": "copy_last"},
    {**MEASURED["rollout"], "horizon": 1},
    {**MEASURED["straightness"], "method": "imagined"},
    {**MEASURED["straightness"], "window": "contact"},
)
"""Numbers beside them that nothing must take for them."""


def make_planned(
    design: Design = DESIGN,
    signs: Mapping[str, float] | None = None,
    *,
    world: str = "two-room",
    seed: int = 0,
    noise: float = 0.3,
    pairs: int = PAIRS,
    measure: bool = True,
    plan: bool = True,
    curves: bool = True,
    difference: float = 1.5,
) -> Result:
    """Checkpoints of a hidden quality, on which success and the measures in ``signs`` depend.

    ``signs``: how each measure goes with quality (1, −1; 0: not at all, as for all others).
    ``difference``: by how much quality makes success easier.
    """
    signs = {"position": 1, "swap": 0, "rollout": -1, "loss": 0} if signs is None else signs
    rng = np.random.default_rng(seed)
    hard = rng.normal(size=pairs)
    metrics: list[Metric] = []
    rows: list[dict[str, Any]] = []
    entries = []
    for name, family, seeds, steps in design:
        for train_seed in seeds:
            of_run = rng.normal()
            for step in steps:
                quality = of_run + 0.4 * rng.normal()

                def value(key: str, quality: float = quality) -> float:
                    sign = signs.get(key, 0)
                    own = sign * quality if sign else rng.normal()
                    return float(1 / (1 + np.exp(-(own + noise * rng.normal()))))

                who = {"model": name, "train_seed": train_seed, "step": step, "world": world}
                measures = [
                    Metric(**who, family=family, value=value(key), n=200, eval_seed=7, **keys)
                    for key, keys in MEASURED.items()
                ]
                if measure:
                    metrics += measures
                    metrics += [Metric(**who, family=family, value=0.123, **k) for k in DECOYS]
                loss = value("loss")
                chance = 1 / (1 + np.exp(-(difference * quality + hard)))
                solved = (rng.random(pairs) < chance).astype(float)
                if plan:
                    for window, control in (("any", None), ("end", None), ("any", "do_nothing")):
                        done = 0 * solved if control else solved
                        keys = {"analysis": "plan", "method": "cem", "subject": "released"}
                        keys |= {"window": window, "control": control}
                        rate = {"metric": "success_rate", "value": done.mean(), "n": pairs}
                        metrics.append(Metric(**who, family=family, eval_seed=1, **keys, **rate))
                        rows += [
                            {
                                **who,
                                **keys,
                                "metric": "success",
                                "value": v,
                                "trajectory_id": f"p{i}",
                            }
                            for i, v in enumerate(done)
                        ]
                curve = {
                    "step": [float(step) - 50, float(step), float(step) + 50],
                    "validation_loss": [9.0, loss, 9.0],
                    "validation_centered_effective_rank": [1.0, 10 * loss, None],
                }
                entries.append(
                    ModelEntry(
                        name=name,
                        family=family,
                        train_seed=train_seed,
                        step=step,
                        world=world,
                        fingerprint=f"{world}-{name}-{train_seed}-{step}",
                        curves=curve if curves else {},
                    )
                )
    said = Provenance(command=f"lewm-probe audit {world}", version="0")
    return Result([said], entries, metrics, rows if rows else None)
