from __future__ import annotations

from typing import Any

import pytest

from lewm_probe.analyses.engine.asked.suite import Suite, with_defaults
from lewm_probe.comparison.comparability import differing
from lewm_probe.core.config import load_yaml
from lewm_probe.core.resources import find_suite
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Provenance


@pytest.fixture
def suite() -> dict[str, Any]:
    return load_yaml(find_suite("two-room"), Suite, "suite").model_dump(mode="json")


def measured(suite: dict[str, Any]) -> Result:
    record = Provenance(command="c", version="1", commit="f" * 40, settings={"suite": suite})
    return Result([record], [], [])


def test_a_key_that_is_left_to_its_default_makes_no_difference(suite: dict[str, Any]) -> None:
    """Results of earlier versions lack keys that suites got later."""
    older = {**suite, "probe": {k: v for k, v in suite["probe"].items() if k != "policy"}}
    assert older != suite
    assert differing(measured(suite), measured(older), "two-room", "p", with_defaults) == []


def test_many_and_long_differences_are_cut(suite: dict[str, Any]) -> None:
    probe = {**suite["probe"], "train": 11, "validation": 6, "test": 7, "frames": 8}
    probe |= {"quantities": ["x" * 100], "selectivity_cells": 3}
    other = {**suite, "probe": probe}
    assert differing(measured(suite), measured(other), "two-room", "p", with_defaults) == [
        "Against p: the suites differ (probe.quantities is ['agent_position', 'agent_velocity', "
        "'goal_position'] here and ['" + "x" * 58 + "… there; probe.train is 400 here and 11 "
        "there; probe.validation is 100 here and 6 there; probe.test is 200 here and 7 there; and "
        "2 more). Differences mix models with measurements where these keys matter."
    ]


def test_conditions_are_compared_by_name(suite: dict[str, Any]) -> None:
    conditions = [dict(c) for c in suite["voe"]["conditions"]]
    (blur,) = [c for c in conditions if c["name"] == "blur"]
    blur["amount"] = 9.0
    other = {**suite, "voe": {**suite["voe"], "conditions": conditions[::-1]}}
    (note,) = differing(measured(suite), measured(other), "two-room", "p", with_defaults)
    assert "(voe.conditions.blur.amount is 4.0 here and 9.0 there)" in note
