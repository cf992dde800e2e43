"""Results made in memory, of checkpoints whose truth is known, as analyses store them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lewm_probe.reports.results_view import WorldView, views
from lewm_probe.results.family import corrected
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric, ModelEntry, Provenance
from lewm_probe.stats.bootstrap import Estimate

WORLD = "two-room"
CONFIRMATORY = ("step_teleport_agent", "action_swap", "agent_position")
VOE: dict[str, Any] = {"analysis": "voe", "features": "z", "window": "onset"}
PROBE: dict[str, Any] = {"analysis": "probe", "features": "z", "method": "linear"}
STRAIGHT: dict[str, Any] = {
    "analysis": "straightness",
    "features": "z",
    "method": "encoded",
    "stride": 1,
}


class Checkpoint:
    """Numbers of one checkpoint."""

    def __init__(self, model: str, seed: int | None) -> None:
        step = None if seed is None else 1
        self.keys = {"model": model, "family": model, "train_seed": seed, "step": step}
        self.metrics: list[Metric] = []

    def add(self, metric: str, found: Estimate, **keys: Any) -> None:
        """``keys``: others of ``Metric``."""
        value = {"value": found.value, "ci_low": found.low, "ci_high": found.high, "n": found.n}
        self.metrics.append(Metric(metric=metric, world=WORLD, **self.keys, **keys, **value))


def view(checkpoints: Iterable[Checkpoint], doses: Sequence[str] = ()) -> WorldView:
    """What a report would read of them."""
    checkpoints = list(checkpoints)
    conditions = dict.fromkeys(
        m.subject for c in checkpoints for m in c.metrics if m.analysis == "voe" and m.subject
    )
    settings = {
        "analysis": "voe",
        "suite": {
            "world": WORLD,
            "statistics": {"alpha": 0.05, "confirmatory": list(CONFIRMATORY)},
            "voe": {
                "equivalence_ratio": 1.25,
                "log_floor": 1e-8,
                "conditions": [_stated(c) for c in conditions if c not in doses],
                "dose_response": [{"name": name} for name in doses],
            },
        },
    }
    entries = [
        ModelEntry(
            name=c.keys["model"],
            family=c.keys["family"],
            train_seed=c.keys["train_seed"],
            step=1,
            world=WORLD,
            fingerprint=f"{c.keys['model']}-{c.keys['train_seed']}",
        )
        for c in checkpoints
        if c.keys["train_seed"] is not None
    ]
    metrics = corrected(m for c in checkpoints for m in c.metrics)
    made = Provenance(command="calibrate", version="0", settings=settings)
    return views(Result([made], entries, metrics))[0]


def _stated(condition: str) -> dict[str, str]:
    matched = {"kind": "color", "matched_to": "teleport_agent"}
    return {"name": condition} | (matched if condition.endswith("_matched") else {})
