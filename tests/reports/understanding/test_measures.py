from __future__ import annotations

import numpy as np
import pytest

from lewm_probe.reports.understanding.measures import (
    MEASURES,
    Checkpoint,
    any_reads,
    checkpoint_of,
    read,
)
from lewm_probe.results.schema import Metric, ModelEntry
from tests.reports.understanding.made import DECOYS, MEASURED, make_planned

ONE = Checkpoint("lewm", 1, 300)


def metric(value: float | None, **keys: object) -> Metric:
    who = {"model": "lewm", "family": "lewm", "train_seed": 1, "step": 300, "world": "two-room"}
    return Metric.model_validate(who | keys | {"value": value})


def test_three_measures_are_confirmatory_and_they_stand_first() -> None:
    names = [measure.name for measure in MEASURES]
    assert [m.name for m in MEASURES if m.confirmatory] == names[:3]
    assert names[:3] == ["position_r2", "action_swap_auroc", "rollout_error"]
    assert len(set(names)) == len(names)


def test_every_number_is_read_by_its_measure_alone() -> None:
    for keys in MEASURED.values():
        assert any_reads(metric(0.5, **keys))
    for keys in DECOYS:
        assert not any_reads(metric(0.5, **keys))


def test_measures_of_a_checkpoint_and_where_they_come_from() -> None:
    result = make_planned()
    first = checkpoint_of(result.models[0])
    found = {one.name: one for one in read(result.metrics, result.models, [first])}
    assert list(found) == [
        *("position_r2", "action_swap_auroc", "rollout_error", "linear_r2:goal_position"),
        *("mlp_r2:agent_position", "auroc:step_teleport_agent", "delta_auroc:action_swap"),
        *("straightness", "effective_rank", "centered_effective_rank", "validation_loss"),
    ]
    for name, key in (("rollout_error", "rollout"), ("delta_auroc:action_swap", "gain")):
        wanted = MEASURED[key].items()
        (stored,) = (
            m.value
            for m in result.metrics
            if checkpoint_of(m) == first
            and m.control is None
            and all(getattr(m, k) == v for k, v in wanted)
        )
        assert found[name].values == [stored]
    assert found["linear_r2:goal_position"].label == "Linear R², goal position"
    assert found["position_r2"].picked == "probe: r2, method linear, features z, agent_position"
    assert found["validation_loss"].picked == (
        "training curve validation_loss, last value up to the checkpoint's step"
    )


def test_a_mean_over_positions_needs_all_bodies_and_no_goal() -> None:
    keys = {"analysis": "probe", "metric": "r2", "method": "linear", "features": "z"}
    bodies = [
        metric(0.8, subject="agent_position", **keys),
        metric(0.6, subject="block_position", **keys),
        metric(0.1, subject="goal_position", **keys),
        metric(0.3, subject="agent_position", **keys).model_copy(update={"step": 900}),
    ]
    found = {one.name: one for one in read(bodies, [], [ONE, Checkpoint("lewm", 1, 900)])}
    assert found["position_r2"].values == pytest.approx([0.7, np.nan], nan_ok=True)
    assert found["position_r2"].picked == (
        "probe: r2, method linear, features z, mean over agent_position, block_position"
    )
    assert {"linear_r2:agent_position", "linear_r2:block_position"} < set(found)


def test_evaluation_seeds_are_averaged() -> None:
    keys = MEASURED["swap"]
    both = [metric(0.8, eval_seed=1, **keys), metric(0.9, eval_seed=2, **keys)]
    both.append(metric(None, eval_seed=3, **keys))
    found = {one.name: one for one in read(both, [], [ONE])}
    assert found["action_swap_auroc"].values == pytest.approx([0.85])


def test_confirmatory_measures_are_there_though_nobody_has_them() -> None:
    found = read([], [], [ONE])
    assert [one.name for one in found] == ["position_r2", "action_swap_auroc", "rollout_error"]
    assert all(np.isnan(one.values).all() for one in found)


def test_a_loss_is_the_last_one_up_to_the_step() -> None:
    curves = {"step": [100.0, 200.0, 300.0, 400.0], "validation_loss": [3.0, 2.0, None, 1.0]}
    entry = ModelEntry(
        name="lewm", family="lewm", train_seed=1, step=300, fingerprint="f", curves=curves
    )
    for step, loss in ((300, 2.0), (None, 1.0), (100, 3.0), (50, None)):
        one = entry.model_copy(update={"step": step})
        values = [m.values[0] for m in read([], [one], [checkpoint_of(one)]) if m.measure.curve]
        assert values == ([] if loss is None else [loss])
