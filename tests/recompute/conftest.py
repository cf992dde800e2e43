"""A small run of all analyses: two methods of two training seeds each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.run import run
from lewm_probe.results.result import merge

ANALYSES = ("probe", "voe", "straightness", "rollout", "geometry", "plan")

MATCHED = {"name": "brightness_matched", "kind": "brightness", "matched_to": "teleport_agent"}
SWEEPS = [
    {"name": "dose_teleport_agent", "kind": "teleport", "who": "agent", "doses": [0.05, 0.3]},
    {"name": "dose_color_agent", "kind": "color", "who": "agent", "rgb": [0, 0, 255]}
    | {"doses": [0.25, 1.0]},
    # Takes another moment of the trajectory where nothing would show of it.
    {"name": "dose_fast_forward_agent", "kind": "fast_forward", "who": "agent", "doses": [0.05]},
]


@pytest.fixture(scope="session")
def small_result(suite, cache, make_lewm, tmp_path_factory) -> Path:  # type: ignore[no-untyped-def]
    """Its folder."""
    asked = suite.model_dump(mode="json")
    asked["probe"]["quantities"] = ["agent_position", "agent_velocity"]
    asked["voe"]["conditions"].append({**MATCHED, "expected": "appearance"})
    asked["voe"]["dose_response"] = SWEEPS
    few = {"samples": 8, "elites": 3, "iterations": 2, "monotone": 4, "oracle_pairs": 2}
    asked["plan"] = {"pairs": 6, "oracle_samples": 4, "oracle_iterations": 1, **few}
    asked["plan"]["budgets"] = ["4x1"]
    whole = Suite.model_validate_json(json.dumps(asked))
    checkpoints = [
        checkpoint_from_model(name, make_lewm(seed=seed, family=name, step=10))
        for name in ("lewm", "pldm")
        for seed in (1, 2)
    ]
    folder = Path(tmp_path_factory.mktemp("small"))
    merge(run(name, checkpoints, whole, cache=cache) for name in ANALYSES).save(folder)
    return folder
