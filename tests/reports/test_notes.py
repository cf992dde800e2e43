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


def test_nothing_to_warn_of() -> None:
    assert folded([]) == []
