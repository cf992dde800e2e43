from __future__ import annotations

from collections.abc import Callable
from math import comb

import pytest

from lewm_probe.reports.results_view import WorldView, views
from lewm_probe.reports.verdicts.methods import MOST_SPLITS, _permutation_p, comparisons
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric


def test_many_seeds_are_not_enumerated() -> None:
    assert _permutation_p([0.0] * 12, [1.0] * 12) is None
    assert comb(18, 9) > MOST_SPLITS > comb(16, 8)
    assert _permutation_p([0.0], [1.0, 2.0]) is None


def test_three_against_three_says_these_checkpoints(view: WorldView) -> None:
    first, second = comparisons(view)
    assert (first.first, first.second, first.smallest) == ("lewm", "pldm", pytest.approx(0.1))
    assert first.shown == ()
    assert first.sentence == (
        "A difference between the methods is not shown: 3 training seeds against 3 cannot go "
        "below p = 0.1. Of these checkpoints, every LeWM checkpoint notices “teleport of agent” "
        "more, notices “step-sized teleport of agent” more, notices “swapped actions” more, "
        "reads the agent position better and has straighter paths than any PLDM checkpoint."
    )
    assert (second.first, second.second, second.smallest) == ("lewm-vit", "pldm", None)
    assert second.sentence.startswith(
        "A difference between the methods is not shown: one training seed against 3 cannot be "
        "tested. Of these checkpoints, LeWM ViT notices “step-sized teleport of agent” more"
    )
    assert second.sentence.endswith(
        "The checkpoints overlap, or their order is not clear, in: Teleport of agent: AUROC."
    )


def test_enough_seeds_may_speak_of_the_methods(make: Callable[..., Result]) -> None:
    seeds = tuple(range(5))
    many = make(
        models=(("lewm", "lewm", seeds), ("pldm", "pldm", seeds)), analyses=("straightness",)
    )
    (one,) = comparisons(views(many)[0])
    assert one.smallest == pytest.approx(2 / 252)
    assert [row.measure.name for row in one.shown] == ["Straightness S"]
    assert one.sentence == (
        "Shown of the methods: LeWM has straighter paths (permutation test over training seeds, "
        "Holm p < 0.05)."
    )


def test_three_against_four_reach_what_the_sentence_says(make: Callable[..., Result]) -> None:
    models = (("lewm", "lewm", (0, 1, 2)), ("pldm", "pldm", (0, 1, 2, 3)))
    (one,) = comparisons(views(make(models=models, analyses=("straightness",)))[0])
    assert one.smallest == pytest.approx(1 / 35)
    assert one.table.rows[0].cells["p"].value == pytest.approx(1 / 35)
    assert one.sentence == (
        "Shown of the methods: LeWM has straighter paths (permutation test over training seeds, "
        "Holm p < 0.05)."
    )


def test_a_stored_difference_is_turned_to_fit(view: WorldView, result: Result) -> None:
    row = comparisons(view)[0].table.rows[3]
    assert row.cells["measure"].text == "Agent position: MSE, linear probe"
    assert row.cells["difference"].text == "−0.0230 [−0.0270, −0.0190]"
    stored = [m for m in result.metrics if m.versus == "pldm"]
    rest = [m for m in result.metrics if m.versus != "pldm"]
    turned = [
        m.model_copy(update={"model": "pldm", "family": "pldm", "versus": "lewm"}) for m in stored
    ]
    other = comparisons(views(Result([], result.models, [*rest, *turned]))[0])[0]
    assert other.table.rows[3].cells["difference"].text == "0.0230 [0.0190, 0.0270]"


def test_one_family_alone_is_compared_by_name(make: Callable[..., Result]) -> None:
    models = (("lewm", "lewm", (0,)), ("lewm-vit", "lewm", (0,)))
    (one,) = comparisons(views(make(models=models, analyses=("straightness",)))[0])
    assert (one.first, one.second) == ("lewm", "lewm-vit")


def test_nothing_in_common_is_not_compared(result: Result, change: Callable[..., Result]) -> None:
    def keep(m: Metric) -> bool:
        return m.analysis == ("probe" if m.model == "pldm" else "straightness")

    assert comparisons(views(change(result, keep))[0]) == []
    assert comparisons(views(change(result, lambda m: m.model == "lewm"))[0]) == []
