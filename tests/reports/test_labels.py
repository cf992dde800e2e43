from __future__ import annotations

import pytest

from lewm_probe.reports import labels
from lewm_probe.results.analyses import known_cards


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("teleport_agent", "Teleport of agent", "violation"),
        ("step_teleport_block", "Step-sized teleport of block", "violation"),
        ("frozen_agent", "Frozen agent", "violation"),
        ("teleport_both", "Teleport of agent and block", "violation"),
        ("pass_through_block", "Pass-through of block", "violation"),
        ("fast_forward_agent", "Fast-forward of agent", "violation"),
        ("dose_teleport_agent", "Teleport of agent", "violation"),
        ("dose_color_block", "Recoloured block", "appearance"),
        ("dose_mine", "Mine", ""),
        ("action_swap", "Swapped actions", "action"),
        ("color_cube", "Recoloured cube", "appearance"),
        ("background_color", "Recoloured background", "appearance"),
        ("pixel_noise", "Pixel noise", "appearance"),
        ("gravity_off", "Gravity off", ""),
    ],
)
def test_conditions_known_and_unknown(name: str, said: str, expected: str) -> None:
    assert labels.condition(name) == said
    card = known_cards()["condition"].get(labels.condition_kind(name))
    assert (card.expects if card else "") == expected


def test_bodies_units_and_quantities() -> None:
    names = ("step_teleport_block", "teleport_both", "dose_fast_forward_agent", "blur", "mine_a")
    assert [labels.body(name) for name in names] == ["block", "agent and block", "agent", "", ""]
    units = ("units", "units/s", "rad", "0 or 1", "px", "deg", None)
    assert [labels.unit(name) for name in units] == [
        "arena units",
        "arena units/s",
        "rad",
        "",
        "px",
        "°",
        "",
    ]
    assert labels.quantity("block_angle_raw") == "block angle, raw scalar"


def test_kinds_of_conditions_are_told_by_the_longest_beginning() -> None:
    names = ("teleport_both", "step_teleport_block", "dose_step_teleport_x", "pass_through", "pass")
    assert [labels.condition_kind(name) for name in names] == [
        "teleport",
        "step_teleport",
        "step_teleport",
        "pass_through",
        "",
    ]


def test_unknown_names_are_made_readable() -> None:
    assert labels.control("my_baseline") == "my baseline"
    assert labels.control(None) == "model"
    assert labels.features("hidden_3") == "hidden 3"
    assert labels.features(None) == labels.method(None) == ""
    assert labels.world("my-world") == "my-world"


def test_orders_put_the_model_and_known_names_first() -> None:
    controls = ["zeta", "copy_last", None, "random_weights"]
    ordered = [None, "random_weights", "copy_last", "zeta"]
    assert sorted(controls, key=labels.control_order) == ordered
    assert sorted(["other", "mlp", "linear"], key=labels.method_order) == ["linear", "mlp", "other"]


@pytest.mark.parametrize(
    ("name", "family", "said"),
    [
        ("lewm", "lewm", "LeWM"),
        ("lewm-vit", "lewm", "LeWM ViT"),
        ("pldm_lr3", "pldm", "PLDM lr3"),
        ("dino-wm", "dino_wm", "DINO-WM"),
        ("baseline", "lewm", "baseline"),
        ("lewmish", "lewm", "lewmish"),
        ("jepa", "jepa", "jepa"),
    ],
)
def test_models_are_written_as_in_the_papers(name: str, family: str, said: str) -> None:
    assert labels.model(name, family) == said


def test_listing() -> None:
    assert [labels.listing(list("abc")[:k]) for k in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
