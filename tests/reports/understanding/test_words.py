from __future__ import annotations

from dataclasses import replace

import pytest

from lewm_probe.reports.formatting import SPACE
from lewm_probe.reports.understanding import words
from lewm_probe.reports.understanding.study import Asked, Correlation, Study, studies
from lewm_probe.stats.bootstrap import Estimate
from tests.reports.understanding.made import make_planned


@pytest.fixture(scope="module")
def study() -> Study:
    (made,), _ = studies(make_planned(), Asked())
    return made


@pytest.fixture
def one(study: Study) -> Correlation:
    nothing = Estimate(None, n=0)
    return replace(
        study.confirmatory[0],
        runs=12,
        rho=Estimate(0.71, 0.42, 0.87, 24),
        partial=nothing,
        gain=nothing,
        p=0.001,
        p_holm=0.003,
        p_floor=0.001,
        detectable=0.62,
    )


def said(one: Correlation) -> str:
    return words.sentence(one).replace(SPACE, " ")


def test_shown(one: Correlation, study: Study) -> None:
    assert said(one) == (
        "Position R² predicts success (ρ = 0.71, 95 % interval [0.42, 0.87], Holm p = 0.003): the "
        "higher it is, the more goals are reached."
    )
    wrong = replace(one, rho=Estimate(-0.71, -0.87, -0.42, 24))
    assert said(wrong) == (
        "Position R² goes with success the wrong way (ρ = −0.71, 95 % interval [−0.87, −0.42], "
        "Holm p = 0.003): the better, the fewer goals."
    )
    rollout = replace(wrong, measured=study.confirmatory[2].measured)
    assert said(rollout) == (
        "Rollout error predicts success (ρ = −0.71, 95 % interval [−0.87, −0.42], Holm p = "
        "0.003): the lower it is, the more goals are reached."
    )


def test_not_shown_and_why(one: Correlation) -> None:
    wide = replace(one, rho=Estimate(0.3, -0.1, 0.6, 24), p_holm=0.2)
    head = "Position R² could not be told from no relation "
    numbers = "(ρ = 0.30, 95 % interval [−0.10, 0.60], Holm p = 0.20): "
    power = "at best, 24 checkpoints show a ρ beyond ±0.62 with a power of 80 %."
    assert said(wide) == head + numbers + power
    assert said(replace(one, p_holm=0.2)) == (
        f"{head}(ρ = 0.71, 95 % interval [0.42, 0.87], Holm p = 0.20): the interval excludes 0, "
        f"but exchanging whole runs gives as much; {power}"
    )
    assert said(replace(wide, p_holm=0.01)) == (
        f"{head}(ρ = 0.30, 95 % interval [−0.10, 0.60], Holm p = 0.010): the interval holds 0; "
        f"{power}"
    )
    assert said(replace(wide, p_floor=0.5)) == (
        f"{head}{numbers}so few runs of equal size can change places that no test could show it."
    )
    few = replace(one, runs=3, rho=Estimate(0.71, None, None, 9), p_holm=0.5)
    assert said(few) == (
        f"{head}(ρ = 0.71, Holm p = 0.50): 3 training runs give no interval, 5 are needed."
    )
    assert said(replace(few, runs=9)) == (
        f"{head}(ρ = 0.71, Holm p = 0.50): success or the measure differs in too few checkpoints "
        "for an interval."
    )


def test_not_measured_too_few_or_all_the_same(one: Correlation) -> None:
    assert said(replace(one, rho=Estimate(None, n=0))) == "Position R² was not measured."
    assert said(replace(one, rho=Estimate(None, n=1))) == (
        "Position R² was measured in 1 checkpoint only, and 5 are needed."
    )
    assert said(replace(one, rho=Estimate(None, n=24))) == (
        "Position R² or success is the same in all 24 checkpoints: nothing can be said."
    )


def test_the_answer_counts_what_is_shown_the_right_way(study: Study, one: Correlation) -> None:
    first, second, third = study.confirmatory
    assert words.answer(study) == (
        "Of the 3 measures named beforehand, 2 predict planning success: position R² and rollout "
        "error."
    )
    assert words.answer(replace(study, found=(first, second))) == (
        "Of the 2 measures named beforehand, 1 predicts planning success: position R²."
    )
    turned = replace(third, rho=Estimate(0.8, 0.6, 0.9, 24))
    assert words.answer(replace(study, found=(second, turned))) == (
        "Of the 2 measures named beforehand, none is shown to predict planning success here."
    )


def test_given_the_length_of_training(study: Study, one: Correlation) -> None:
    kept = replace(one, partial=Estimate(0.6, 0.3, 0.8, 24))
    lost = replace(one, partial=Estimate(0.2, -0.3, 0.5, 24))
    for partial, ending in ((kept, ""), (lost, ", not told from 0")):
        ends = partial.partial
        text = f"{ends.value:.2f} [{ends.low:.2f}, {ends.high:.2f}]".replace("-", "−")
        found = words.training_length(replace(study, found=(partial,))).replace(SPACE, " ")
        assert found == f"Given the length of training: position R² ρ = {text}{ending}."
    hidden = replace(one, p_holm=0.5)
    assert words.training_length(replace(study, found=(hidden,))) == ""
    alike = tuple(c._replace(step=900) for c in study.checkpoints)
    assert words.training_length(replace(study, found=(one,), checkpoints=alike)) == (
        "All were trained equally long."
    )


def test_against_the_loss(study: Study, one: Correlation) -> None:
    assert study.loss is not None
    loss = replace(study.loss, rho=Estimate(-0.3, -0.6, 0.1, 24))
    found = []
    for label, gain in (
        ("First", Estimate(0.4, 0.1, 0.7, 24)),
        ("Second", Estimate(-0.4, -0.7, -0.1, 24)),
        ("Third", Estimate(0.1, -0.2, 0.4, 24)),
    ):
        found.append(replace(one, measured=replace(one.measured, label=label), gain=gain))
    said = words.against_loss(replace(study, found=(*found, loss))).replace(SPACE, " ")
    assert said == (
        "Against the validation loss (ρ = −0.30 [−0.60, 0.10]), by the difference in absolute ρ: "
        "more strongly related to success: first (0.40 [0.10, 0.70]); less strongly: second (−0.40 "
        "[−0.70, −0.10]); not told apart: third (0.10 [−0.20, 0.40]). Losses of different "
        "objectives are on different scales."
    )
    assert words.against_loss(replace(study, found=tuple(found))) == (
        "The validation loss is known of 0 of 24 checkpoints, so it cannot be compared with."
    )


def test_exploratory_measures_are_counted_beside_chance(study: Study) -> None:
    other = study.exploratory[0]
    strong = [replace(other, rho=Estimate(0.5 + k / 100, 0.2, 0.8, 24)) for k in range(4)]
    weak = [replace(other, rho=Estimate(0.1, -0.2, 0.4, 24))] * 16
    ends = "Where nothing is there, about 1 would, and none is corrected for the others."
    assert words.exploratory(replace(study, found=(*strong, *weak))).replace(SPACE, " ") == (
        "Of 20 exploratory measures, 4 have an interval without 0, most of all linear R², goal "
        "position (ρ = 0.53 [0.20, 0.80]), linear R², goal position (ρ = 0.52 [0.20, 0.80]) and "
        f"linear R², goal position (ρ = 0.51 [0.20, 0.80]). {ends}"
    )
    assert words.exploratory(replace(study, found=(strong[0], *weak))).replace(SPACE, " ") == (
        "Of 17 exploratory measures, 1 has an interval without 0: linear R², goal position (ρ = "
        f"0.50 [0.20, 0.80]). {ends}"
    )
    assert words.exploratory(replace(study, found=tuple(weak))) == (
        f"Of 16 exploratory measures, none has an interval without 0. {ends}"
    )
    assert words.exploratory(replace(study, found=())) == ""


def test_families_by_themselves(study: Study, one: Correlation) -> None:
    by_family = {
        "lewm": (replace(one, rho=Estimate(0.5, 0.1, 0.8, 12)),),
        "pldm": (replace(one, rho=Estimate(-0.4, None, None, 6)),),
    }
    assert words.families(replace(study, by_family=by_family)) == (
        "Position R² within one family: LeWM 0.50 [0.10, 0.80] (12 checkpoints); PLDM −0.40 (6 "
        "checkpoints). In some it turns round, so families differ in more than this."
    )
    assert words.families(replace(study, by_family={})) == (
        "No family has enough checkpoints to be looked at by itself."
    )
    assert words.families(replace(study, looks={"lewm": study.looks["lewm"]})) == ""


def test_the_facts(study: Study) -> None:
    success = [f"{100 * round(share, 3):g} %" for share in (study.success.min(), 11 / 12)]
    assert words.facts(study).replace(SPACE, " ") == (
        "24 checkpoints of 12 training runs (LeWM 12; PLDM 6; straightened 6), planning by CEM "
        "on the same 60 pairs of start and goal (rule “released”, reached at any step). Success "
        f"goes from {success[0]} to {success[1]}. With a power of 80 % at the strictest step of "
        "Holm, 24 independent checkpoints show a ρ beyond ±0.62; were those of a run worth no more "
        "than one, beyond ±0.81."
    )


def test_the_paragraph_holds_every_sentence_once(study: Study) -> None:
    whole = words.paragraph(study)
    assert whole.startswith("Of the 3 measures named beforehand, 2 predict planning success")
    assert whole.endswith(words.LIMITS)
    assert whole.count("predicts success") == 2
