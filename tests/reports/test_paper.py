from __future__ import annotations

import pytest

from lewm_probe.reports.paper import paper_values


def test_values_of_two_room_and_of_the_other_worlds() -> None:
    values = paper_values()
    ours = values.probe("two-room", "lewm", "agent_position", "linear")
    assert ours is not None
    assert (ours.mse, ours.pearson_r) == (0.008, 0.996)
    block = values.probe("push-t", "pldm", "block_angle_raw", "mlp")
    assert block is not None
    assert (block.mse, block.pearson_r) == (0.056, 0.972)
    assert values.probe("push-t", "pldm", "block_angle", "mlp") is None  # sine and cosine: ours
    assert values.probe("two-room", "lewm", "agent_velocity", "linear") is None


def test_every_converged_linear_probe_has_mse_near_one_minus_r_squared() -> None:
    """The paper's own relation, for the models whose targets it z-scores alike."""
    for one in paper_values().probes:
        if one.method == "linear" and one.family in ("lewm", "pldm"):
            assert one.mse == pytest.approx(1 - one.pearson_r**2, abs=0.16)


def test_findings_stand_beside_what_the_paper_tried() -> None:
    values = paper_values()
    assert values.pair("push-t") == ("teleport_both", "color_block")
    assert values.finding("push-t", "lewm", "teleport_both") == "significant (p < 0.01)"
    assert values.finding("push-t", "lewm", "color_block") == "weaker, not significant"
    for other in ("teleport_block", "color_agent", "step_teleport_block", "dose_teleport_block"):
        assert values.finding("push-t", "lewm", other) == ""


def test_where_the_papers_conditions_are_not_named_findings_go_by_kind() -> None:
    values = paper_values()
    assert values.pair("ogb-cube") is None
    assert values.finding("ogb-cube", "pldm", "color_cube") == "reacts weakly"
    assert [values.speaks_of(world) for world in ("ogb-cube", "mine")] == [True, False]


def test_levels_name_a_source() -> None:
    values = paper_values()
    level = values.level("push-t", "lewm", "straightness", "cosine", "encoded")
    assert level is not None
    assert level.value == 0.516
    assert all(level.source in values.sources for level in values.levels)
