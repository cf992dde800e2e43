from __future__ import annotations

from typing import Any

import pytest

from lewm_probe.analyses.engine.asked.suite import CleanSettings, Suite
from lewm_probe.analyses.engine.asked.trajectories import suite_trajectories
from lewm_probe.analyses.voe.conditions import CONDITIONS
from lewm_probe.analyses.voe.settings import Condition
from lewm_probe.core.config import load_yaml, parse
from lewm_probe.core.errors import UsageError
from lewm_probe.core.resources import find_suite, suite_names
from lewm_probe.worlds import make_world


@pytest.mark.parametrize("name", suite_names())
def test_every_shipped_suite_is_read_and_fits_its_world(name):
    suite = load_yaml(find_suite(name), Suite, "suite")
    world = make_world(suite.world)
    assert set(suite.probe.quantities) <= set(world.quantities)
    for condition in suite.voe.conditions:
        who = condition.who if isinstance(condition.who, tuple) else (condition.who,)
        assert set(who) <= {None, *world.bodies, *world.scenery}
    conditions = [c.name for c in suite.voe.conditions]
    assert set(suite.statistics.confirmatory) <= {*conditions, *suite.probe.quantities}


def test_two_rooms_suite_asks_what_it_must():
    suite = load_yaml(find_suite("two-room"), Suite, "suite")
    assert {c.kind for c in suite.voe.conditions} == set(CONDITIONS.names())
    assert suite.voe.trajectories == suite.voe.disjoint == 200


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"kind": "color", "who": "agent"},
            "The condition 'x' of kind color lacks the key 'rgb': this kind needs 'who' and 'rgb'. "
            "Fix it in the suite's voe.conditions.",
        ),
        (
            {"kind": "action_swap", "amount": 1.0},
            "The condition 'x' of kind action_swap does not read the key 'amount': this kind needs "
            "no further key. Fix it in the suite's voe.conditions.",
        ),
        (
            {"kind": "blur"},
            "The condition 'x' of kind blur lacks the key 'amount': this kind needs 'amount'. "
            "Fix it in the suite's voe.conditions.",
        ),
    ],
)
def test_a_condition_says_what_it_needs(keys, message):
    with pytest.raises(UsageError) as error:
        Condition(name="x", expected="appearance", **keys)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"name": "../../x"},
            "'voe.conditions.0.name' is '../../x'. String should match pattern "
            "'^[A-Za-z0-9_][A-Za-z0-9_.@+-]*$'",
        ),
        (
            {"amount": 1e9},
            "'voe.conditions.0.amount' is 1000000000.0. Input should be less than or equal to 1000",
        ),
    ],
)
def test_a_condition_cannot_lead_out_of_the_folder_or_never_end(keys, message):
    one = {"name": "x", "kind": "blur", "amount": 1.0, "expected": "appearance", **keys}
    raw = {"world": "w", "probe": {"quantities": []}, "voe": {"conditions": [one]}}
    with pytest.raises(UsageError) as error:
        parse(raw, Suite, "suite s.yaml")
    assert str(error.value) == f"suite s.yaml: {message}. Fix this value."


def test_two_conditions_of_one_name_are_refused():
    one = {"name": "x", "kind": "action_swap", "expected": "action"}
    raw = {"world": "w", "probe": {"quantities": []}, "voe": {"conditions": [one, one]}}
    with pytest.raises(UsageError) as error:
        parse(raw, Suite, "suite s.yaml")
    assert str(error.value) == (
        "suite s.yaml: 'voe' is {'conditions': [{'name': 'x', 'kind': 'action_swap', 'expected': "
        "'action'}, {'name': 'x', 'kind': 'action_swap', 'expected': 'action'}]}. two "
        "conditions have the same name. Fix this value."
    )


RAW: dict[str, Any] = {"world": "w", "probe": {"quantities": []}, "voe": {"conditions": []}}


def test_suites_without_clean_trajectories_say_them_in_voe() -> None:
    voe = {"conditions": [], "disjoint": 30, "frames": 12, "policy": "random"}
    suite = parse({**RAW, "voe": voe}, Suite, "suite s.yaml")
    assert suite.clean == CleanSettings(trajectories=30, frames=12, policy="random")
    stated = parse({**RAW, "voe": voe, "clean": {"frames": 9}}, Suite, "suite s.yaml")
    assert stated.clean == CleanSettings(trajectories=200, frames=9, policy="expert")
    assert Suite.model_validate_json(suite.model_dump_json()) == suite


def test_clean_and_disjoint_trajectories_are_the_same(suite: Suite) -> None:
    one, other = (suite_trajectories(suite, 16, purpose) for purpose in ("clean", "disjoint"))
    assert one.ids == other.ids
    fewer = suite.model_copy(update={"clean": suite.clean.model_copy(update={"trajectories": 5})})
    assert suite_trajectories(fewer, 16, "clean").ids == one.ids[:5]


def test_the_settings_of_one_analysis_are_changed_and_checked() -> None:
    suite = parse(RAW, Suite, "suite s.yaml")
    assert suite.changed("rollout", {"horizons": [1, 2]}).rollout.horizons == (1, 2)
    assert suite.changed("rollout", {}) is suite
    with pytest.raises(UsageError) as error:
        suite.changed("rollout", {"horizon": 3})
    assert str(error.value) == (
        "what rollout is to ask has an unknown key 'horizon'. Did you mean 'horizons'? Known keys "
        "there: horizons."
    )


def test_a_section_that_is_needed() -> None:
    with pytest.raises(UsageError) as error:
        parse({"world": "w", "probe": {"quantities": []}}, Suite, "suite s.yaml")
    assert str(error.value) == "suite s.yaml lacks the key 'voe'. Add it."
    with pytest.raises(UsageError) as error:
        parse(RAW, Suite, "suite s.yaml").section("plans")
    assert str(error.value) == (
        "The suite of w has no section 'plans', which says what the analysis plans is to ask. Add "
        "it, or copy the suite and add it there."
    )


def test_confirmatory_measures_are_conditions_quantities_or_straightness() -> None:
    raw = {**RAW, "probe": {"quantities": ["agent_position"]}}
    asked = {**raw, "statistics": {"confirmatory": ["straightness", "agent_position"]}}
    assert parse(asked, Suite, "suite s.yaml").statistics.confirmatory[0] == "straightness"
    with pytest.raises(UsageError) as error:
        parse({**raw, "statistics": {"confirmatory": ["agent_positon"]}}, Suite, "suite s.yaml")
    assert str(error.value) == (
        "Unknown confirmatory measure 'agent_positon'. Did you mean 'agent_position'? Known: "
        "agent_position, straightness."
    )
