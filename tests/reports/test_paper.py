from __future__ import annotations

import pytest

from lewm_probe.reports.paper import paper_values


def test_values_of_two_room_and_of_the_other_worlds() -> None:
    values = paper_values()
    ours = values.probe("two-room", "lewm", "agent_position", "linear")
    assert ours is not None
    assert (ours.mse, ours.pearson_r) == (0.008, 0.996)
    block = values.probe("push-t", "pldm", "block_angle", "mlp")
    assert block is not None
    assert (block.mse, block.pearson_r) == (0.056, 0.972)
    assert values.probe("two-room", "lewm", "agent_velocity", "linear") is None


def test_every_converged_linear_probe_has_mse_near_one_minus_r_squared() -> None:
    """The paper's own relation, for the models whose targets it z-scores alike."""
    for one in paper_values().probes:
        if one.method == "linear" and one.family in ("lewm", "pldm"):
            assert one.mse == pytest.approx(1 - one.pearson_r**2, abs=0.16)


def test_findings_go_by_the_kind_of_condition() -> None:
    values = paper_values()
    assert values.finding("push-t", "lewm", "teleport_block") == "significant (p < 0.01)"
    assert values.finding("push-t", "lewm", "color_block") == "weaker, not significant"
    assert values.finding("push-t", "lewm", "step_teleport_block") == ""


def test_levels_name_a_source() -> None:
    values = paper_values()
    level = values.level("push-t", "lewm", "straightness", "cosine", "encoded")
    assert level is not None
    assert level.value == 0.516
    assert all(level.source in values.sources for level in values.levels)
