from __future__ import annotations

from collections.abc import Callable

from lewm_probe.reports.notes import folded, worded
from lewm_probe.reports.results_view import views
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Provenance


def test_equal_warnings_of_several_conditions_are_one() -> None:
    says = "were left out, as the intervention has no valid place there"
    moved = "have another onset than in the other conditions"
    assert folded(
        [
            f"frozen_block: 28 of 200 cases {says}.",
            "lewm (1 training seed): a warning of its own.",
            f"pass_through_block: 29 of 200 cases {says}.",
            f"frozen_block: 104 of 172 cases {moved}.",
            f"frozen_block: 28 of 200 cases {says}.",
        ]
    ) == [
        f"Cases {says}: frozen block 28 of 200; pass-through of block 29 of 200.",
        "lewm (1 training seed): a warning of its own.",
        f"Cases {moved}: frozen block 104 of 172.",
    ]


def test_what_pairs_of_models_can_carry_is_told_once() -> None:
    def pair(first: str, second: str) -> str:
        return f"{first} (1 training seed) against {second} (3 training seeds)"

    says = "speak of these checkpoints, not of the methods."
    alone = "a (1 training seed) against b (1 training seed): differences speak of these."
    several = (
        "a (3 training seeds) against b (3 training seeds): an exact permutation test over "
        "training seeds cannot go below p = 0.1; differences speak of these checkpoints."
    )
    notes = [
        f"{pair('own', 'lewm (old)')}: differences {says}",
        alone,
        f"{pair('own', 'pldm (old)')}: differences {says}",
        several,
        f"old: {pair('lewm', 'pldm')}: differences {says}",
    ]
    assert folded(notes) == [
        f"Differences {says[:-1]}: {pair('own', 'lewm (old)')}; {pair('own', 'pldm (old)')}.",
        alone,
        several,
        f"old: {pair('lewm', 'pldm')}: differences {says}",
    ]


def test_all_pairs_of_models_are_told_by_the_models() -> None:
    says = "methods are compared by a t-test. The other test cannot go below p = 0.3."
    sides = [f"{name} (3 training seeds)" for name in "abc"]
    pairs = [f"{sides[i]} against {sides[k]}" for i, k in ((0, 1), (0, 2), (1, 2))]
    notes = [f"{pair}: {says}" for pair in pairs]
    assert folded(notes) == [
        f"M{says[1:-1]}: each pair of {sides[0]}, {sides[1]} and {sides[2]}.",
    ]
    assert folded(notes[:2]) == [f"M{says[1:-1]}: {pairs[0]}; {pairs[1]}."]
    assert folded(notes[:1]) == notes[:1]
    three = [f"{name}: 1 of 9 cases were left out." for name in ("blur", "frozen_a", "frozen_b")]
    (told,) = folded(three)
    assert told == "Cases were left out: blur 1 of 9; frozen a 1 of 9; frozen b 1 of 9."


def test_nothing_to_warn_of() -> None:
    assert folded([]) == []


def test_conditions_are_told_by_their_labels_wherever_they_stand(
    make: Callable[..., Result],
) -> None:
    """Also those whose names do not say their kind, and those matched to another one."""
    conditions = [
        {"name": "teleport_agent", "kind": "teleport"},
        {"name": "color_agent_matched", "kind": "color", "who": "agent", "matched_to": "x"},
        {"name": "my_own", "kind": "teleport"},
        {"name": "blur", "kind": "blur"},
    ]
    settings = {"voe": {"conditions": conditions}, "suite": {"world": "two-room"}}
    made = make(models=(("lewm", "lewm", (0,)),), analyses=("voe",))
    record = Provenance(command="", version="", settings=settings)
    (view,) = views(Result([record], made.models, made.metrics))
    notes = [
        "color_agent_matched: even at its strongest the image changes 0.5 times as much.",
        "published: my_own: nothing would show, unlike under teleport_agent.",
        "blur: a note. A blur is no condition here, nor is my_own_thing.",
        "frozen_agent: 2 of 9 cases were left out.",
        "color_agent_matched: 3 of 9 cases were left out.",
    ]
    assert folded(notes, view) == [
        "Recoloured agent, matched: even at its strongest the image changes 0.5 times as much.",
        "published: my own: nothing would show, unlike under teleport of agent.",
        "Blur: a note. A blur is no condition here, nor is my_own_thing.",
        "Cases were left out: frozen agent 2 of 9; recoloured agent, matched 3 of 9.",
    ]
    assert worded(notes[3], view) == "Frozen agent: 2 of 9 cases were left out."
