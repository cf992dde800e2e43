from __future__ import annotations

from lewm_probe.reports.notes import folded


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


def test_nothing_to_warn_of() -> None:
    assert folded([]) == []
