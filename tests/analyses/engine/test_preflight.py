from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.preflight import action_warnings, clean_warnings
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.run import run
from lewm_probe.core.files import content_hash
from lewm_probe.results.analyses import ANALYSES

ADVICE = (
    "Its action statistics, frame-skip or images may not be those it was trained with, or it was "
    "hardly trained."
)
COLLAPSED = (
    "Preflight, still: the latents do not change from frame to frame. The model has collapsed; its "
    "calm says nothing about physics."
)


@pytest.fixture
def backwards(doubles):
    """Knows where the agent is, and predicts that it moves the other way, fast."""

    class Backwards(doubles["oracle"]):
        def __init__(self, name="backwards"):
            super().__init__(name)
            self.calls = 0
            self.fingerprint = content_hash("backwards", name)

        def predict(self, latents, actions):
            self.calls += 1
            moved = super().predict(latents, actions) - latents
            return latents - 2 * moved

    return checkpoint_from_model("backwards", Backwards())


def told(result, about=""):
    notes = [note for record in result.provenance for note in record.notes]
    return [note for note in notes if note.startswith("Preflight") and about in note]


@pytest.mark.parametrize("analysis", ["geometry", "straightness", "rollout", "probe"])
def test_every_analysis_of_trajectories_tells_of_a_model_worse_than_copying(
    analysis, backwards, oracle, short_suite, cache
):
    result = run(analysis, [backwards, oracle], short_suite, cache=cache)
    (warning,) = told(result, "clean data")  # both have two latents, of which ranks speak
    ratio = warning.removeprefix("Preflight, backwards: surprise on clean data is ").split(" ")[0]
    assert float(ratio) > 1
    assert warning == (
        f"Preflight, backwards: surprise on clean data is {ratio} times that of copying the last "
        f"latent, and should be below 1. {ADVICE}"
    )


def test_an_audit_tells_it_once_and_the_number_is_that_of_surprise(backwards, short_suite, cache):
    found = [run(name, [backwards], short_suite, cache=cache) for name in ("geometry", "voe")]
    (warning,) = {note for result in found for note in told(result, "clean data")}
    (value,) = (
        m.value
        for m in found[1].metrics
        if m.metric == "clean_over_copy_last" and m.control is None
    )
    assert f"surprise on clean data is {value:.2f} times" in warning


def test_it_is_asked_once_a_checkpoint(backwards, short_suite):
    cache = LatentCache()
    run("geometry", [backwards], short_suite, cache=cache)
    calls = backwards.model.calls
    assert calls > 0
    result = run("straightness", [backwards], short_suite, cache=cache)
    assert len(told(result, "clean data")) == 1
    run("geometry", [backwards], short_suite, cache=cache)
    imagined = backwards.model.calls - calls  # of straightness' own rollouts
    run("straightness", [backwards], short_suite, cache=cache)
    assert backwards.model.calls == calls + imagined


def test_a_collapsed_model_is_told_of(doubles, short_suite, cache):
    still = checkpoint_from_model("still", doubles["constant"]())
    assert told(run("geometry", [still], short_suite, cache=cache)) == [COLLAPSED]


def test_a_model_that_predicts_nothing_can_be_asked_what_needs_no_prediction(
    doubles, short_suite, cache
):
    class Encoder(doubles["oracle"]):
        def predict(self, latents, actions):
            raise NotImplementedError("an encoder only")

    encoder = checkpoint_from_model("encoder", Encoder("encoder"))
    result = run("geometry", [encoder], short_suite, cache=cache)
    assert told(result) == [
        "Preflight, encoder: whether it predicts better than copying the last latent could not be "
        "found out (NotImplementedError: an encoder only)."
    ]
    assert any(m.metric == "effective_rank" for m in result.metrics)


def test_an_analysis_without_trajectories_asks_nothing(backwards, short_suite, cache):
    blind = replace(ANALYSES.get("geometry"), needs=frozenset({"simulator"}))
    assert told(run(blind, [backwards], short_suite, cache=cache)) == []


@pytest.mark.parametrize(
    ("ratio", "rank", "message"),
    [
        (0.3, 10.0, []),
        (1.0, 10.0, []),
        (
            1.3,
            10.0,
            [
                "Preflight, lewm: surprise on clean data is 1.30 times that of copying the last "
                f"latent, and should be below 1. {ADVICE}"
            ],
        ),
        (
            0.3,
            1.2,
            [
                "Preflight, lewm: the latents have an effective rank of 1.20. The model has "
                "nearly collapsed; calm says nothing about physics."
            ],
        ),
        (None, 1.0, [COLLAPSED.replace("still", "lewm")]),
    ],
)
def test_warnings(ratio, rank, message):
    assert clean_warnings("lewm", ratio, rank) == message


def test_scaled_actions_of_unit_size_earn_no_warning():
    assert action_warnings("x", np.array([0.3, -0.9]), np.array([0.6, 1.9])) == []


@pytest.mark.parametrize(
    ("means", "sds", "reported"),
    [
        ([0.0, 0.0], [0.48, 0.5], "an SD of 0.48 to 0.5 and a mean of up to 0"),
        ([0.0, 0.0], [1.0, 2.5], "an SD of 1 to 2.5 and a mean of up to 0"),
        ([-1.5, 0.0], [1.0, 1.0], "an SD of 1 to 1 and a mean of up to 1.5"),
    ],
)
def test_statistics_of_another_world(means, sds, reported):
    assert action_warnings("x", np.array(means), np.array(sds)) == [
        f"Preflight, x: scaled by its action statistics, this world's actions have {reported}, "
        "where about 1 and 0 are expected. Its action statistics do not fit this world: give those "
        "of the data that it was trained on (--action-stats or --dataset)."
    ]
