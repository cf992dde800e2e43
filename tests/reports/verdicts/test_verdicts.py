from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lewm_probe.analyses.probe.report.questions import poses
from lewm_probe.analyses.voe.report.questions import color_alone
from lewm_probe.reports.results_view import WorldView, views
from lewm_probe.reports.verdicts.judging import VerdictQuestion
from lewm_probe.reports.verdicts.verdicts import cautions, questions
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric

Update = Callable[[Metric], dict[str, Any]]
TELEPORT = "Did it notice teleports?"
STEP = "Also step-sized ones, which a jump detector misses?"
FROZEN = "Did it notice that a frozen agent did not move?"
COLOR = "More than a colour change?"
ACTIONS = "Does it use the actions?"
POSITION = "Does the latent encode the agent position, more than random weights would?"
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
    assert answers(view, TELEPORT) == yes
    assert answers(view, STEP) == yes | {"pldm": "not shown"}
    assert answers(view, FROZEN) == yes | {"pldm": "not shown"}
    assert answers(view, COLOR) == yes
    assert answers(view, ACTIONS) == yes | {"pldm": "not shown"}
    assert answers(view, POSITION) == yes
    assert answers(view, STRAIGHT) == yes


def test_few_seeds_speak_of_these_checkpoints(view: WorldView) -> None:
    assert sentence(view, STEP, "lewm").startswith("Yes, in all 3 of these checkpoints. AUROC at")
    assert sentence(view, STEP, "lewm-vit").startswith("Yes, for this checkpoint. AUROC at onset ")
    assert sentence(view, STEP, "pldm").startswith("Not shown in any of these checkpoints. AUROC ")


def test_enough_seeds_speak_of_training_seeds(make: Callable[..., Result]) -> None:
    many = make(models=(("lewm", "lewm", tuple(range(5))),), analyses=("straightness",))
    view = views(many)[0]
    assert sentence(view, STRAIGHT, "lewm").startswith("Yes, in all 5 training seeds. S = ")


def test_one_failing_checkpoint_makes_it_mixed(changed: Callable[..., WorldView]) -> None:
    def fail(m: Metric) -> dict[str, Any]:
        one = m.metric == "p_holm" and m.subject == "teleport_agent" and m.train_seed == 1
        return {"value": 0.2} if one and m.model == "lewm" else {}

    view = changed(fail)
    assert answers(view, TELEPORT)["lewm"] == "mixed"
    text = sentence(view, TELEPORT, "lewm")
    assert text.startswith("Mixed (2 of 3 checkpoints). AUROC at onset 1.000 [0.980, 1.000]; ")
    assert "largest Holm-adjusted p = 0.20" in text


def test_surprise_that_falls_is_no(changed: Callable[..., WorldView]) -> None:
    def low(m: Metric) -> dict[str, Any]:
        if m.metric == "auroc" and m.subject == "step_teleport_agent" and m.control is None:
            return {"value": 0.3, "ci_low": 0.2, "ci_high": 0.4}
        return {}

    assert set(answers(changed(low), STEP).values()) == {"no"}


def test_a_jump_detector_fails_the_second_question(changed: Callable[..., WorldView]) -> None:
    def as_copy_last(m: Metric) -> dict[str, Any]:
        if m.metric == "delta_auroc_over_copy_last":
            return {"value": 0.0, "ci_low": -0.02, "ci_high": 0.02}
        return {}

    view = changed(as_copy_last)
    assert set(answers(view, TELEPORT).values()) == {"yes"}
    assert set(answers(view, STEP).values()) == {"not shown"}
    assert set(answers(view, FROZEN).values()) == {"not shown"}


@pytest.mark.parametrize("text", [TELEPORT, STEP, FROZEN, COLOR, ACTIONS, POSITION, STRAIGHT])
def test_without_intervals_nothing_is_shown(changed: Callable[..., WorldView], text: str) -> None:
    bare = changed(lambda m: {"ci_low": None, "ci_high": None})
    assert set(answers(bare, text).values()) == {"not shown"}


@pytest.mark.parametrize("text", [TELEPORT, STEP, FROZEN, ACTIONS])
def test_without_p_nothing_is_shown(changed: Callable[..., WorldView], text: str) -> None:
    bare = changed(keep=lambda m: not m.metric.startswith("p_"))
    assert set(answers(bare, text).values()) == {"not shown"}


def test_a_raw_p_is_called_exploratory(changed: Callable[..., WorldView]) -> None:
    raw = changed(keep=lambda m: m.metric != "p_holm")
    assert answers(raw, TELEPORT)["lewm"] == "yes"
    assert "largest raw p (exploratory) < 0.0001" in sentence(raw, TELEPORT, "lewm")


def test_without_the_control_position_is_not_shown(changed: Callable[..., WorldView]) -> None:
    view = changed(keep=lambda m: m.control != "random_weights")
    assert answers(view, POSITION)["lewm"] == "not shown"
    assert "(no random-weights control)" in sentence(view, POSITION, "lewm")
    assert set(answers(view, STRAIGHT).values()) == {"not shown"}


def test_random_weights_that_read_better_mean_no(changed: Callable[..., WorldView]) -> None:
    def better(m: Metric) -> dict[str, Any]:
        if m.metric == "mse" and m.control == "random_weights":
            return {"value": 1e-6, "ci_low": 0.0, "ci_high": 2e-6}
        return {}

    assert set(answers(changed(better), POSITION).values()) == {"no"}


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
    assert shown.endswith("no effect larger than ×1.25 (largest TOST p = 0.001)")
    unclear = text(changed(keep=lambda m: m.metric != "p_equivalence"))
    assert unclear.endswith(
        "a rise is not shown, which is not the same as none (an effect larger than ×1.25 is not "
        "ruled out)"
    )


def test_a_persistent_rise_is_called_a_image_never_seen(view: WorldView) -> None:
    text = color_alone(view, "color_agent", "pldm")
    assert text.startswith("Recoloured agent alone raises surprise too, ×")
    assert text.endswith(", and it stays raised: the model never saw such an image")
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
        "Also step-sized ones of agent, which a jump detector misses?",
        "Also step-sized ones of block, which a jump detector misses?",
    ]


def test_push_t_is_asked_about_its_own_violations(push_t: WorldView) -> None:
    assert list(asked(push_t)) == [
        "Did it notice teleports of block?",
        "Did it notice teleports of agent and block?",
        "Also step-sized ones, which a jump detector misses?",
        "Does it notice small teleports of agent before a jump detector does?",
        "Does it notice small teleports of block before a jump detector does?",
        "Does it notice short fast-forwards of agent before a jump detector does?",
        "Did it notice that a frozen block did not move when pushed?",
        "Did it notice that the block passed through the agent?",
        "Did it notice a fast-forward, the agent too early at a place that it would reach?",
        "More than a colour change (teleport of agent and block, against recoloured block)?",
        "Does it use the actions?",
        "Does the latent encode the agent position, more than random weights would?",
        "Does the latent encode the block position, more than random weights would?",
        "Does the latent encode the block angle, more than random weights would?",
        "Are its paths straighter than those of pixels and of random weights?",
    ]
    for text in list(asked(push_t))[6:9]:
        assert answers(push_t, text) == {"lewm": "yes", "pldm": "not shown"}


def test_other_violations_name_their_own_n_and_rule(push_t: WorldView) -> None:
    through = "Did it notice that the block passed through the agent?"
    assert sentence(push_t, through, "lewm").endswith("n = 87.")
    assert asked(push_t)[through].rule == (
        "As for step-sized teleports: intervals of AUROC above 0.5 and of ΔAUROC over copy-last "
        "above 0, and p (Holm-adjusted where it is in the confirmatory family) below 0.05. Cases "
        "in which nothing would show are left out."
    )
    forward = "Did it notice a fast-forward, the agent too early at a place that it would reach?"
    rule = asked(push_t)[forward].rule.replace("\N{NO-BREAK SPACE}", " ")
    assert rule.startswith(
        "The recorded trajectory is continued ahead until the body is 10 % of the arena’s width "
        "away. As for step-sized teleports: "
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
    assert [question.text for question in questions(views(Result([], [], [row]))[0])] == [text]


def test_an_angle_is_told_in_degrees(push_t: WorldView) -> None:
    text = "Does the latent encode the block angle, more than random weights would?"
    at = {"subject": "block_angle", "method": "linear", "features": "z", "model": "lewm"}
    own = push_t.mean("probe", "angle_error_deg", **at)
    untrained = push_t.mean("probe", "angle_error_deg", control="random_weights", **at)
    assert own is not None
    assert untrained is not None
    assert own.low is not None
    assert own.high is not None
    assert (
        f"; mean error {own.value:.1f} [{own.low:.1f}, {own.high:.1f}]° "
        f"(random weights {untrained.value:.1f}°); n = 200."
    ) in sentence(push_t, text, "lewm")


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
        return {"value": 0.03} if m.metric == "p_holm" else {}

    other = change(result, update=p)
    stamp = other.provenance[0].model_copy(update={"settings": {"statistics": {"alpha": 0.01}}})
    strict = views(Result([stamp], other.models, other.metrics))[0]
    assert answers(views(other)[0], TELEPORT)["lewm"] == "yes"
    assert answers(strict, TELEPORT)["lewm"] == "not shown"
    assert "below 0.01" in asked(strict)[TELEPORT].rule


ends = st.none() | st.floats(0, 1)


@given(st.lists(st.tuples(ends, ends, ends), min_size=1, max_size=4), st.floats(0, 1))
def test_yes_needs_every_interval_above_and_every_p_below(
    seeds: list[tuple[float | None, float | None, float | None]], value: float
) -> None:
    shared = {"model": "m", "family": "lewm", "world": "w", "analysis": "voe"}
    shared |= {"subject": "teleport_agent", "window": "onset"}
    rows = []
    for k, (low, high, p) in enumerate(seeds):
        rows.append(
            Metric(**shared, train_seed=k, metric="auroc", value=value, ci_low=low, ci_high=high)
        )
        rows.append(Metric(**shared, train_seed=k, metric="p_holm", value=p))
    view = views(Result([], [], rows))[0]
    passed = [low is not None and low > 0.5 and p is not None and p < 0.05 for low, _, p in seeds]
    (question,) = questions(view)
    answer = question.verdicts[0].answer
    assert (answer == "yes") == all(passed)
    assert (answer == "mixed") == (any(passed) and not all(passed))
    if answer == "no":
        assert all(high is not None and high < 0.5 for _, high, _ in seeds)
    assert question.verdicts[0].sentence.endswith(".")
