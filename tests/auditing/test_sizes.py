from __future__ import annotations

import pytest

from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.auditing.sizes import fast_note, shortened_training, with_numbers
from lewm_probe.core.config import load_yaml
from lewm_probe.core.resources import find_suite


@pytest.fixture
def suite() -> Suite:
    return load_yaml(find_suite("two-room"), Suite, "suite")


def test_the_suite_as_it_stands_is_asked_unless_something_is_said(suite: Suite) -> None:
    assert with_numbers(suite, None, None) == suite
    assert suite.random_encoder.steps == 600
    assert shortened_training(suite, suite) is None


@pytest.mark.parametrize(
    ("trajectories", "steps"), [(4, 120), (40, 120), (100, 300), (200, 600), (800, 600)]
)
def test_controls_are_trained_in_proportion_never_for_longer(
    suite: Suite, trajectories: int, steps: int
) -> None:
    assert with_numbers(suite, trajectories, None).random_encoder.steps == steps


def test_a_suite_of_few_steps_keeps_them(suite: Suite) -> None:
    few = suite.random_encoder.model_copy(update={"steps": 30})
    own = suite.model_copy(update={"random_encoder": few})
    assert with_numbers(own, 4, None).random_encoder.steps == 30
    assert shortened_training(own, with_numbers(own, 4, None)) is None


def test_shorter_training_is_told_where_such_controls_are(suite: Suite) -> None:
    asked = with_numbers(suite, 12, None)
    told = (
        "Random encoders and the action-blind predictor were trained for 120 steps instead of 600, "
        "as {} asks for fewer trajectories: having learned from few, these controls predict less "
        "well than those of the whole suite, and a model's lead over them is flattered."
    )
    assert shortened_training(suite, asked) == told.format("-n")
    assert shortened_training(suite, asked, fast=True) == told.format("--fast")
    plain = asked.voe.model_copy(update={"baselines": ("copy_last",)})
    assert shortened_training(suite, asked.model_copy(update={"voe": plain})) is None


def test_a_quick_look_asks_for_less_of_everything(suite: Suite) -> None:
    fast = with_numbers(suite, None, None, fast=True)
    assert (fast.voe.trajectories, fast.voe.disjoint, fast.clean.trajectories) == (24, 24, 24)
    assert (fast.probe.train, fast.probe.validation, fast.probe.test) == (48, 12, 24)
    assert (fast.random_encoder.steps, fast.statistics.bootstrap) == (120, 500)
    assert fast_note(fast) == (
        "Asked with --fast: 24 trajectories a condition, 500 resamples an interval and no curves "
        "over training. This is a quick look, not numbers to publish."
    )
    assert Suite.model_validate_json(fast.model_dump_json()) == fast


def test_a_quick_look_never_asks_for_more_and_n_wins(suite: Suite) -> None:
    assert with_numbers(suite, 50, 3, fast=True).voe.trajectories == 50
    tiny = with_numbers(suite, 10, None)
    assert with_numbers(tiny, None, None, fast=True).voe.trajectories == 10
