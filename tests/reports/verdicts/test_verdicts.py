from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from lewm_probe.analyses.probe.report.questions import poses
from lewm_probe.analyses.voe.report.contrast import color_alone
from lewm_probe.reports.results_view import WorldView, views
from lewm_probe.reports.verdicts.judging import VerdictQuestion
from lewm_probe.reports.verdicts.verdicts import cautions, questions, without_tests
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric

Update = Callable[[Metric], dict[str, Any]]
TELEPORT = "Did it notice teleports?"
STEP = "Did it notice step-sized teleports?"
FROZEN = "Did it notice that a frozen agent did not move?"
COLOR = "More than a colour change?"
ACTIONS = "Does it use the actions?"
POSITION = "Does the latent encode the agent position?"
STRAIGHT = "Are its paths straighter than those of pixels and of random weights?"


def asked(view: WorldView) -> dict[str, VerdictQuestion]:
    return {question.text: question for question in questions(view)}


def answers(view: WorldView, text: str) -> dict[str, str]:
    return {v.model: v.answer for v in asked(view)[text].verdicts}


def sentence(view: WorldView, text: str, model: str) -> str:
    found = {v.model: v.sentence for v in asked(view)[text].verdicts}
    return found[model].replace("\N{NO-BREAK SPACE}", " ")


@pytest.fixture
def changed(result: Result, change: Callable[..., Result]) -> Callable[..., WorldView]:
    def make(update: Update = lambda m: {}, keep: Callable[[Metric], bool] = lambda m: True) -> Any:
        return views(change(result, keep, update))[0]

    return make


def test_every_question_has_a_rule_and_every_model_an_answer(view: WorldView) -> None:
    found = asked(view)
    assert list(found) == [TELEPORT, STEP, FROZEN, COLOR, ACTIONS, POSITION, STRAIGHT]
    for question in found.values():
        assert question.rule
        assert [v.model for v in question.verdicts] == view.models


def test_known_effects_are_found_and_absent_ones_are_not_shown(view: WorldView) -> None:
    yes = {"lewm": "yes", "lewm-vit": "yes", "pldm": "yes"}
    noticed = dict.fromkeys(yes, "noticed")
    assert answers(view, TELEPORT) == noticed
    assert answers(view, STEP) == yes | {"pldm": "not shown"}
    assert answers(view, FROZEN) == noticed | {"pldm": "not shown"}
    assert answers(view, COLOR) == noticed
    assert answers(view, ACTIONS) == yes | {"pldm": "not shown"}
    assert answers(view, POSITION) == yes
    assert answers(view, STRAIGHT) == yes


def test_a_flipped_detector_of_motion_caps_a_frozen_body(view: WorldView) -> None:
    assert sentence(view, FROZEN, "lewm").startswith(
        "Noticed, and so would a simpler detector (pixel difference flipped, AUROC 0.9980), in all "
        "3 of these checkpoints. AUROC at onset "
    )
    assert "gain over the best baseline (pixel difference flipped, AUROC 0.9980) −0.1" in sentence(
        view, FROZEN, "lewm"
    )


def test_a_rise_that_stays_may_be_a_picture_never_seen(
    view: WorldView, changed: Callable[..., WorldView]
) -> None:
    def stays(m: Metric) -> dict[str, Any]:
        mine = (m.metric, m.window, m.subject) == ("delta_log_surprise", "steady", "teleport_agent")
        return {"value": 0.3, "ci_low": low, "ci_high": 0.4} if mine else {}

    low = 0.23  # ×1.26, above the ×1.25 that counts as no effect
    assert sentence(changed(stays), TELEPORT, "lewm").endswith(
        "It may be an image that it never saw, not a broken expectation: surprise stays raised, "
        "×1.35 (1.26 – 1.49) in the steady state."
    )
    low = 0.22  # ×1.246
    assert "never saw" not in sentence(changed(stays), TELEPORT, "lewm")
    assert "never saw" not in sentence(view, FROZEN, "lewm")  # it stays frozen, so it may
    assert "never saw" not in sentence(view, STEP, "lewm")
    assert "never saw" not in sentence(view, ACTIONS, "lewm")


def test_few_seeds_speak_of_these_checkpoints(view: WorldView) -> None:
    yes = "Yes, beyond every baseline, "
    assert sentence(view, STEP, "lewm").startswith(f"{yes}in all 3 of these checkpoints. AUROC at")
    assert sentence(view, STEP, "lewm-vit").startswith(f"{yes}for this checkpoint. AUROC at onset ")
    assert sentence(view, STEP, "pldm").startswith("Not shown in any of these checkpoints. AUROC ")


def test_enough_seeds_speak_of_training_seeds(make: Callable[..., Result]) -> None:
    many = make(models=(("lewm", "lewm", tuple(range(5))),), analyses=("straightness",))
    assert sentence(views(many)[0], STRAIGHT, "lewm").startswith(
        "Yes, straighter than pixels and than random weights, in all 5 training seeds. S = "
    )


def test_one_failing_checkpoint_makes_it_mixed(changed: Callable[..., WorldView]) -> None:
    def fail(m: Metric) -> dict[str, Any]:
        one = m.metric == "p_noticed_holm" and m.subject == "step_teleport_agent"
        return {"value": 0.2} if one and m.train_seed == 1 and m.model == "lewm" else {}

    view = changed(fail)
    assert answers(view, STEP)["lewm"] == "mixed"
    text = sentence(view, STEP, "lewm")
    assert text.startswith("Mixed (2 yes, 1 not shown of 3 checkpoints). AUROC at onset 0.9")
    assert "largest Holm p = 0.20" in text


def test_surprise_that_falls_is_no(changed: Callable[..., WorldView]) -> None:
    def low(m: Metric) -> dict[str, Any]:
        if m.metric == "auroc" and m.subject == "step_teleport_agent" and m.control is None:
            return {"value": 0.3, "ci_low": 0.2, "ci_high": 0.4}
        return {}

    assert set(answers(changed(low), STEP).values()) == {"no"}


def test_a_gain_that_reaches_zero_caps(changed: Callable[..., WorldView]) -> None:
    def as_encoder(m: Metric) -> dict[str, Any]:
        if m.metric == "delta_auroc_over_random_encoder":
            return {"value": 0.0, "ci_low": -0.02, "ci_high": 0.02}
        if m.metric == "auroc" and m.control == "random_encoder":
            return {"value": 0.93, "ci_low": 0.9, "ci_high": 0.95}
        return {}

    assert sentence(changed(as_encoder), STEP, "lewm").startswith(
        "Noticed, and so would a simpler detector (random encoder, AUROC 0.930), in all 3 of "
    )


def test_a_missing_baseline_caps(changed: Callable[..., WorldView]) -> None:
    def keep(m: Metric) -> bool:
        return "random_encoder" not in (m.control, m.versus)

    assert sentence(changed(keep=keep), STEP, "lewm").startswith(
        "Noticed, not compared with a random encoder, in all 3 of these checkpoints. AUROC "
    )


def test_a_correction_that_fails_caps_and_says_so(changed: Callable[..., WorldView]) -> None:
    view = changed(lambda m: {"value": 0.06} if m.metric == "p_beyond_holm" else {})
    assert sentence(view, STEP, "lewm").startswith(
        "Noticed, but more than every baseline is not shown after Holm’s correction, in all 3 of "
    )


def test_teleport_and_colour_are_compared_at_equal_pixels_too(
    result: Result, change: Callable[..., Result]
) -> None:
    matched = "color_agent_matched"
    stated = {"name": matched, "kind": "color", "matched_to": "teleport_agent"}
    record = result.provenance[0]
    suite = record.settings["suite"]
    voe = suite["voe"] | {"conditions": [*suite["voe"]["conditions"], stated]}
    settings = record.settings | {"suite": suite | {"voe": voe}}
    more = []
    for m in result.metrics:
        if m.subject == "color_agent":
            more.append(m.model_copy(update={"subject": matched}))
        if m.versus == "color_agent":
            more.append(m.model_copy(update={"versus": matched}))
        if m.subject == "teleport_agent" and m.metric == "auroc" and m.window == "onset":
            for name, value in (("teleport_agent", 0.0123), (matched, 0.0061)):
                changed = {"subject": name, "metric": "pixel_change", "value": value}
                more.append(m.model_copy(update=changed))
            changed = {"subject": matched, "metric": "pixel_change_reached", "value": 0.98}
            changed |= {"versus": "teleport_agent"}
            more.append(m.model_copy(update=changed))
    entries = [record.model_copy(update={"settings": settings})]
    made = Result(entries, result.models, [*result.metrics, *more])
    view = views(made)[0]
    text = sentence(view, COLOR, "lewm")
    assert text.startswith("Yes, also at an equal change of pixels, in all 3 of these checkpoints.")
    assert "under the colour change; surprise ×" in text
    assert "under the matched one" in text
    assert "the strongest colour reaches" not in text

    def short(m: Metric) -> dict[str, Any]:
        return {"value": 0.5} if m.metric == "pixel_change_reached" else {}

    text = sentence(views(change(made, update=short))[0], COLOR, "lewm")
    assert text.startswith(
        "More than this colour, not compared with a colour change of as many pixels, in all 3 of "
    )
    assert "(the strongest colour reaches 50 %)" in text.replace("\N{NO-BREAK SPACE}", " ")

    def equal(m: Metric) -> dict[str, Any]:
        mine = m.versus == matched and m.metric == "delta_log_surprise"
        return {"value": 0.0, "ci_low": -0.1, "ci_high": 0.1} if mine else {}

    assert sentence(views(change(made, update=equal))[0], COLOR, "lewm").startswith(
        "More than this colour, not shown at an equal change of pixels, in all 3 of these "
    )


def test_a_paths_level_is_told_in_words(changed: Callable[..., WorldView]) -> None:
    def bent(m: Metric) -> dict[str, Any]:
        own = m.metric == "cosine" and m.control is None and m.method == "encoded"
        return {"value": -0.13, "ci_low": -0.14, "ci_high": -0.12} if own else {}

    assert sentence(changed(bent), STRAIGHT, "lewm").endswith(
        "Paths bend more than a random walk (S < 0), and are less straight than those of the true "
        "states (S = 0.800)."
    )
    question = next(q for q in questions(changed(bent)) if q.text == STRAIGHT)
    (own,) = (v for v in question.verdicts if v.model == "lewm")
    assert own.brief.endswith("; yet they bend more than a random walk")
    assert "Paths bend less than a random walk (S = 0; a line has 1)" in sentence(
        changed(), STRAIGHT, "lewm"
    )


@pytest.mark.parametrize("text", [TELEPORT, STEP, FROZEN, COLOR, ACTIONS, POSITION, STRAIGHT])
def test_without_intervals_nothing_is_shown(changed: Callable[..., WorldView], text: str) -> None:
    bare = changed(lambda m: {"ci_low": None, "ci_high": None})
    assert set(answers(bare, text).values()) == {"not shown"}


def test_results_of_earlier_versions_get_no_verdict(changed: Callable[..., WorldView]) -> None:
    view = changed(keep=lambda m: not m.metric.startswith(("p_noticed", "p_beyond")))
    assert questions(view) == []
    assert without_tests(view) == (
        "These results were made by an earlier version, without the tests that verdicts rest on: "
        "no verdict is given. Run the audit again."
    )
    assert without_tests(changed()) == ""


def test_pixel_pca_that_reads_as_well_is_named(changed: Callable[..., WorldView]) -> None:
    def equal(m: Metric) -> dict[str, Any]:
        if m.metric == "mse_less_than_pixel_pca" and m.subject == "agent_position":
            return {"value": 0.0, "ci_low": -0.01, "ci_high": 0.01}
        return {}

    assert sentence(changed(equal), POSITION, "lewm").startswith(
        "Read, and so would a simpler feature do (pixel PCA, r = 0.798), in all 3 of these "
    )


def test_a_model_that_was_not_measured_is_said_so(changed: Callable[..., WorldView]) -> None:
    view = changed(keep=lambda m: m.model != "pldm" or m.analysis != "probe")
    assert answers(view, POSITION)["pldm"] == "not measured"
    assert sentence(view, POSITION, "pldm") == "Not measured."


def test_questions_without_measurements_are_left_out(make: Callable[..., Result]) -> None:
    assert questions(views(make(analyses=("rollout", "geometry")))[0]) == []


def test_colour_within_the_bound_is_claimed_only_by_tost(
    view: WorldView, changed: Callable[..., WorldView]
) -> None:
    def text(seen: WorldView) -> str:
        return color_alone(seen, "color_agent", "lewm").replace("\N{NO-BREAK SPACE}", " ")

    shown = text(view)
    assert shown.startswith("Recoloured agent alone: ×1.0")
    assert shown.endswith("no effect larger than ×1.25 (largest TOST p = 0.001, not corrected)")
    unclear = text(changed(keep=lambda m: m.metric != "p_equivalence"))
    assert unclear.endswith(
        "a rise is not shown, which is not the same as none (an effect larger than ×1.25 is not "
        "ruled out)"
    )


def test_a_persistent_rise_is_called_a_image_never_seen(view: WorldView) -> None:
    text = color_alone(view, "color_agent", "pldm")
    assert text.startswith("Recoloured agent alone raises surprise too, ×")
    assert text.endswith(", and it stays raised: the model may never have seen such an image")
    assert "impossible" not in text


def test_a_rise_that_decays_is_not_said_to_stay(changed: Callable[..., WorldView]) -> None:
    def decays(m: Metric) -> dict[str, Any]:
        steady = m.metric == "delta_log_surprise" and m.window == "steady"
        return {"value": 0.0, "ci_low": -0.1, "ci_high": 0.1} if steady else {}

    text = color_alone(changed(decays), "color_agent", "pldm")
    assert text.startswith("Recoloured agent alone raises surprise too, ×")
    assert "stays raised" not in text


def test_collapse_and_bad_predictions_are_cautioned(changed: Callable[..., WorldView]) -> None:
    def broken(m: Metric) -> dict[str, Any]:
        if m.model == "pldm" and m.metric == "effective_rank":
            return {"value": 1.2}
        bad = m.model == "lewm-vit" and m.metric == "clean_over_copy_last"
        return {"value": 1.4} if bad else {}

    assert cautions(changed(broken)) == {
        "lewm-vit": "on clean data it predicts worse than copying the last latent (ratio 1.40): "
        "statistics, frame-skip or images may not fit this checkpoint",
        "pldm": "its latents have an effective rank of 1.2: it has all but collapsed, and a "
        "collapsed model is calm and straight everywhere",
    }
    assert cautions(changed()) == {}


def test_several_bodies_get_a_question_each(make: Callable[..., Result]) -> None:
    one = make(models=(("lewm", "lewm", (0,)),), conditions=("teleport_agent",), analyses=("voe",))
    more = [
        m.model_copy(update={"subject": subject})
        for subject in ("teleport_block", "step_teleport_agent", "step_teleport_block")
        for m in one.metrics
        if m.subject
    ]
    view = views(Result(one.provenance, one.models, [*one.metrics, *more]))[0]
    assert list(asked(view)) == [
        "Did it notice teleports of agent?",
        "Did it notice teleports of block?",
        "Did it notice step-sized teleports of agent?",
        "Did it notice step-sized teleports of block?",
    ]


def test_push_t_is_asked_about_its_own_violations(push_t: WorldView) -> None:
    assert list(asked(push_t)) == [
        "Did it notice teleports of block?",
        "Did it notice teleports of agent and block?",
        "Did it notice step-sized teleports?",
        "Does it notice small teleports of agent?",
        "Does it notice small teleports of block?",
        "Does it notice short fast-forwards of agent?",
        "Did it notice that a frozen block did not move when pushed?",
        "Did it notice that the block passed through the agent?",
        "Did it notice a fast-forward, the agent too early at a place that it would reach?",
        "More than a colour change (teleport of agent and block, against recoloured block)?",
        "Does it use the actions?",
        "Does the latent encode the agent position?",
        "Does the latent encode the block position?",
        "Does the latent encode the block angle?",
        "Are its paths straighter than those of pixels and of random weights?",
    ]
    for text, answer in zip(list(asked(push_t))[6:9], ("noticed", "yes", "yes"), strict=True):
        assert answers(push_t, text) == {"lewm": answer, "pldm": "not shown"}


def test_other_violations_name_their_own_n_and_rule(push_t: WorldView) -> None:
    through = "Did it notice that the block passed through the agent?"
    assert "; n = 87." in sentence(push_t, through, "lewm")
    assert asked(push_t)[through].rule == (
        "Noticed: AUROC at onset above 0.5 (95 % interval, and p below 0.05 after Holm over all "
        "tests of this report). Yes: also a gain above 0, by the same two, over each of "
        "copy-last, linear extrapolation and pixel difference in either direction, a random "
        "encoder, and a predictor that is blind to actions. Cases in which nothing would show are "
        "left out."
    )
    forward = "Did it notice a fast-forward, the agent too early at a place that it would reach?"
    rule = asked(push_t)[forward].rule.replace("\N{NO-BREAK SPACE}", " ")
    assert rule.startswith(
        "The recorded trajectory is continued ahead until the body is 10 % of the arena’s width "
        "away. Noticed: "
    )


@pytest.mark.parametrize(
    ("name", "world", "text"),
    [
        ("pass_through_agent", "two-room", "Did it notice that the agent passed through a wall?"),
        ("pass_through_cube", "mine", "Did it notice that the cube passed through what is solid?"),
        ("frozen_cube", "mine", "Did it notice that a frozen cube did not move when pushed?"),
        ("frozen", "mine", "Did it notice that a frozen body did not move when pushed?"),
        (
            "fast_forward",
            "mine",
            "Did it notice a fast-forward, the body too early at a place that it would reach?",
        ),
    ],
)
def test_questions_name_the_body_and_what_stands_in_its_way(
    name: str, world: str, text: str
) -> None:
    row = Metric(
        model="m", family="lewm", world=world, analysis="voe", subject=name, window="onset",
        metric="auroc", value=0.9, ci_low=0.8, ci_high=1.0,
    )  # fmt: skip
    test = row.model_copy(update={"metric": "p_noticed_holm", "value": 0.01})
    found = questions(views(Result([], [], [row, test]))[0])
    assert [question.text for question in found] == [text]


def test_an_angle_is_told_in_degrees(push_t: WorldView) -> None:
    text = "Does the latent encode the block angle?"
    assert re.search(
        r"; mean error 2\d\.\d\d \(2\d\.\d\d – 2\d\.\d\d\)° \(random weights 3\d\.",
        sentence(push_t, text, "lewm"),
    )


def test_without_the_papers_pair_another_one_that_was_compared_is_asked(
    dosed_result: Result, change: Callable[..., Result]
) -> None:
    def without(m: Metric) -> bool:
        return m.subject != "teleport_both" and "color_block" not in (m.subject, m.versus)

    (text,) = [t for t in asked(views(change(dosed_result, without))[0]) if "colour" in t]
    assert text == "More than a colour change?"


def test_the_goal_is_a_control_not_a_question(changed: Callable[..., WorldView]) -> None:
    assert poses(changed()) == ["agent_position"]
    without = changed(keep=lambda m: m.subject not in ("agent_position", "goal_position"))
    assert poses(without) == ["agent_velocity"]


def test_the_level_is_the_suites(result: Result, change: Callable[..., Result]) -> None:
    def p(m: Metric) -> dict[str, Any]:
        return {"value": 0.03} if m.metric.endswith("_holm") else {}

    other = change(result, update=p)
    stamp = other.provenance[0].model_copy(update={"settings": {"statistics": {"alpha": 0.01}}})
    strict = views(Result([stamp], other.models, other.metrics))[0]
    assert answers(views(other)[0], STEP)["lewm"] == "yes"
    assert answers(strict, STEP)["lewm"] == "not shown"
    assert "below 0.01" in asked(strict)[STEP].rule


@pytest.mark.parametrize(
    ("control", "ends", "answer", "says"),
    [
        ("voe", (0.5, 0.45, 0.55), "yes", ""),
        (
            "voe",
            (1.3, 1.2, 1.4),
            "noticed",
            "but its predictor does no better than copying the last latent (×1.30 (1.20 – 1.40) "
            "of its error)",
        ),
        (
            "voe",
            (0.98, 0.9, 1.06),
            "noticed",
            "but its predictor is not shown to do better than copying the last latent (×0.980 "
            "(0.900 – 1.060) of its error)",
        ),
        (
            "rollout",
            (1.3, 1.2, 1.4),
            "noticed",
            "but its predictor does no better than copying the last latent (×1.30 (1.20 – 1.40) "
            "of its error)",
        ),
    ],
)
def test_straight_paths_that_cannot_be_foreseen_get_no_yes(
    changed: Callable[..., WorldView],
    control: str,
    ends: tuple[float, float, float],
    answer: str,
    says: str,
) -> None:
    """The preflight's ratio decides; without it that of the nearest horizon of rollouts."""
    value, low, high = ends

    def worse(m: Metric) -> dict[str, Any]:
        name = "clean_over_copy_last" if control == "voe" else "mse_over_copy_last"
        mine = (m.metric, m.horizon) in (("clean_over_copy_last", None), ("mse", 1))
        mine = mine and m.control is None and m.subject in (None, "preflight")
        return {"metric": name, "value": value, "ci_low": low, "ci_high": high} if mine else {}

    view = changed(worse, lambda m: m.analysis in ("straightness", control))
    (verdict,) = [v for v in asked(view)[STRAIGHT].verdicts if v.model == "lewm"]
    assert verdict.answer == answer
    if says:
        assert verdict.words == f"straighter than pixels, {says}"
        assert verdict.brief.startswith(says)
    assert f"; error of predicting ×{value:.2f}" in verdict.sentence


def test_straightness_alone_says_that_the_predictor_was_not_measured(
    changed: Callable[..., WorldView],
) -> None:
    view = changed(keep=lambda m: m.analysis == "straightness")
    assert answers(view, STRAIGHT)["lewm"] == "yes"
    assert (
        "; whether it predicts better than copying the last latent was not measured; "
        in sentence(view, STRAIGHT, "lewm")
    )


def test_what_an_interval_shows_and_the_correction_does_not_is_told(
    changed: Callable[..., WorldView],
) -> None:
    def many_tests(m: Metric) -> dict[str, Any]:
        one = m.metric == "p_noticed_holm" and m.subject == "step_teleport_agent"
        return {"value": 0.2} if one and m.model != "pldm" else {}

    view = changed(many_tests)
    found = {v.model: v for v in asked(view)[STEP].verdicts}
    assert found["lewm-vit"].answer == found["lewm"].answer == "not shown"
    assert found["lewm"].brief == "not after Holm’s correction"
    decides = "p is not below 0.05 after Holm’s correction over all tests, which decides."
    assert found["lewm-vit"].sentence.endswith(
        f"The interval lies above 0.5 on its own, yet {decides}"
    )
    assert found["lewm"].sentence.endswith(
        f"The interval of 3 of 3 checkpoints lies above 0.5 on its own, yet {decides}"
    )
    noticed = {v.model: v for v in asked(view)[FROZEN].verdicts}["lewm"]
    assert noticed.answer == "noticed"
    assert "on its own" not in noticed.sentence


def test_every_verdict_follows_from_the_interval_that_is_printed(
    view: WorldView, changed: Callable[..., WorldView]
) -> None:
    """Whatever the numbers: "not shown" beside an interval above chance says what decides."""
    for scale in (0.0, 0.3, 1.0):

        def nearer(m: Metric, scale: float = scale) -> dict[str, Any]:
            if m.metric != "auroc" or m.value is None or m.control:
                return {}
            ends = {"value": m.value, "ci_low": m.ci_low, "ci_high": m.ci_high}
            return {k: v and 0.5 + scale * (v - 0.5) for k, v in ends.items()}

        for question in questions(changed(nearer)):
            for verdict in question.verdicts:
                text = verdict.sentence.replace("\N{NO-BREAK SPACE}", " ")
                told = re.search(r"AUROC at onset [\d.]+ [\[(]([\d.]+)", text)
                if told and verdict.answer == "not shown" and float(told[1]) > 0.5:
                    assert "on its own" in text
