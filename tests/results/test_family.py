"""One family of tests is what a result holds, however it came together."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from lewm_probe.results.family import corrected
from lewm_probe.results.result import Result, merge
from lewm_probe.results.schema import Metric

SUBJECTS = ["teleport_agent", "color_agent", "freeze_agent", "action_swap"]


def p_values(model: str, world: str = "two-room", **changes: object) -> list[Metric]:
    """Four p-values a test name, different for each model."""
    rng = np.random.default_rng([ord(c) for c in model + world])
    base: dict[str, object] = {"family": model, "train_seed": 1, "step": 9, "analysis": "voe"}
    return [
        Metric.model_validate(
            base
            | {"model": model, "world": world, "subject": subject, "metric": metric}
            | {"window": "onset", "value": float(rng.uniform(0, 0.05)), "n": 100}
            | changes
        )
        for metric in ("p_noticed", "p_beyond")
        for subject in SUBJECTS
    ]


def by_keys(metrics: list[Metric] | tuple[Metric, ...]) -> dict[str, Metric]:
    return {m.model_dump_json(exclude={"value"}): m for m in metrics}


@pytest.mark.parametrize("metric", ["p_noticed", "p_beyond"])
def test_the_family_is_all_models_and_worlds(metric: str) -> None:
    raw = [*p_values("a"), *p_values("b"), *p_values("a", "push-t")]
    found = corrected(raw)
    before = [m.value for m in found if m.metric == metric]
    after = [m.value for m in found if m.metric == f"{metric}_holm"]
    assert after == pytest.approx(multipletests(before, method="holm")[1])
    keys = {"metric", "value"}
    pairs = [(one, two) for one, two in zip(found, found[1:], strict=False) if "holm" in two.metric]
    assert all(a.model_dump(exclude=keys) == b.model_dump(exclude=keys) for a, b in pairs)
    assert len(pairs) == len(raw)


def test_two_runs_that_are_merged_are_one_run_of_both() -> None:
    """W10: 4 + 4 tests are 8, not twice 4."""
    first, second = p_values("a"), p_values("b")
    apart = merge([Result([], [], corrected(one)) for one in (first, second)])
    assert by_keys(apart.metrics) == by_keys(corrected([*first, *second]))
    assert merge([apart, apart]).metrics == apart.metrics


def test_corrections_of_earlier_families_are_dropped() -> None:
    old = p_values("a", metric="p_holm")
    assert corrected(old) == []
    assert merge([Result([], [], old)]).metrics == ()


def test_only_last_steps_and_whole_sweeps_count() -> None:
    last, early, dose = p_values("a"), p_values("a", step=3), p_values("a", dose=0.5)
    found = corrected([*early, *last, *dose])
    assert by_keys([m for m in found if m.step == 9 and m.dose is None]) == by_keys(corrected(last))
    assert not any(m.metric.endswith("_holm") for m in found if m.step == 3 or m.dose is not None)
    unsaid = corrected([*last, *p_values("a", step=None)])
    assert {m.step for m in unsaid if m.metric.endswith("_holm")} == {None}


def test_a_test_that_was_not_possible_is_not_counted() -> None:
    raw = p_values("a")
    missing = raw[0].model_copy(update={"value": None})
    found = {m.subject: m.value for m in corrected([missing, *raw[1:4]]) if "holm" in m.metric}
    assert found["teleport_agent"] is None
    rest = [m.value for m in raw[1:4]]
    assert [found[s] for s in SUBJECTS[1:]] == pytest.approx(multipletests(rest, method="holm")[1])
