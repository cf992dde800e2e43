from __future__ import annotations

import json
import sys

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.remembered.measurement_cache import (
    CheckpointFailed,
    MeasurementCache,
    blaming,
)
from lewm_probe.analyses.engine.run import run
from lewm_probe.comparison.difference import Sample
from lewm_probe.core.errors import NotWritten, UsageError, UserError

ANALYSES = ("probe", "voe", "straightness", "rollout", "geometry")


@pytest.fixture
def small_suite(short_suite):
    probe = short_suite.probe.model_copy(update={"validation": 5})
    voe = short_suite.voe.model_copy(update={"trajectories": 8, "disjoint": 8, "baselines": ()})
    statistics = short_suite.statistics.model_copy(update={"bootstrap": 100})
    return short_suite.model_copy(update={"probe": probe, "voe": voe, "statistics": statistics})


def named(name, doubles, **changes):
    return checkpoint_from_model(name, doubles["oracle"](name, **changes))


def first_of_all(values, weights):
    return float(values[0, 0]), weights @ values[:, 0]


def reported(recorder):
    return [m.model_dump() for m in recorder.metrics], recorder.table(), list(recorder.notes)


def test_pictures_come_back(suite, doubles, tmp_path):
    checkpoint, strip = named("a", doubles), np.arange(48, dtype=np.uint8).reshape(2, 4, 2, 3)
    for _ in range(2):
        recorder = ResultRecorder("geometry", suite)

        def compute(own):
            own.images["strip-a"] = strip
            return {}

        MeasurementCache(recorder, LatentCache(tmp_path), "cpu").of(checkpoint, compute)
        assert list(recorder.images) == ["strip-a"]
        np.testing.assert_array_equal(recorder.images["strip-a"], strip)


def test_a_portion_is_computed_once_and_comes_back_whole(suite, doubles, tmp_path):
    checkpoint = named("a", doubles)
    numbers = np.array([0.1, np.nan, 1 / 3])
    key = (("subject", "agent_position"), ("stride", 2), ("metric", "mse"))
    ids = ["x", "y", "z"]
    samples = {
        key: Sample.of(ids, numbers, statistic="mean"),
        (*key, ("method", "mlp")): Sample.of(ids, numbers, numbers, statistic=first_of_all),
    }
    calls = []

    def compute(own):
        calls.append(own)
        own.metric(checkpoint, "mse", 1 / 3, subject="agent_position", horizon=2)
        own.metric(checkpoint, "r2", np.nan)
        own.rows(checkpoint, "mse", numbers, ids, np.arange(3), features="z")
        own.note("mind this")
        return samples

    first, second = ResultRecorder("probe", suite), ResultRecorder("probe", suite)
    for recorder in (first, second):
        found = MeasurementCache(recorder, LatentCache(tmp_path), "cpu").of(checkpoint, compute)
        assert list(found) == list(samples)
        for one, other in zip(found.values(), samples.values(), strict=True):
            pd.testing.assert_frame_equal(one.values, other.values)
            assert one.statistic == other.statistic
    assert len(calls) == 1
    (metrics, rows, notes), (again, same_rows, same_notes) = reported(first), reported(second)
    assert metrics == again
    assert (metrics[0]["value"], metrics[1]["value"]) == (0.333333333, None)
    pd.testing.assert_frame_equal(rows, same_rows)
    assert rows["value"].tolist() == pytest.approx([0.1, 1 / 3])
    assert notes == same_notes == ["mind this"]


def test_a_statistic_that_cannot_be_found_again_is_refused(suite, doubles):
    measurements = MeasurementCache(ResultRecorder("probe", suite), LatentCache(), "cpu")
    sample = Sample.of(["x"], np.ones(1), statistic=lambda values, weights: (0.0, weights[:, 0]))
    with pytest.raises(UserError) as error:
        measurements.of(named("a", doubles), lambda own: {(("metric", "m"),): sample})
    assert str(error.value) == (
        f"The statistic {__name__}:test_a_statistic_that_cannot_be_found_again_is_refused.<locals>."
        "<lambda> of a sample cannot be found again. Put the function at the top of a module."
    )


@pytest.mark.parametrize(
    "name",
    [
        "antigravity:geohash",
        "os:system",
        "shutil:rmtree",
        "lewm_probe.core.files:os",
        "no.such:one",
    ],
)
def test_a_strangers_cache_has_nothing_imported_or_called(suite, doubles, tmp_path, name):
    """Names in kept measurements are looked up among what is loaded; else they are made anew."""
    checkpoint, calls = named("a", doubles), []

    def compute(own):
        calls.append(own)
        sample = Sample.of(["x"], np.ones(1), statistic=first_of_all)
        return {(("metric", "m"),): sample}

    def ask():
        cache = LatentCache(tmp_path)
        return MeasurementCache(ResultRecorder("probe", suite), cache, "cpu").of(
            checkpoint, compute
        )

    ask()
    (kept,) = tmp_path.rglob("*.safetensors")
    own = f"{first_of_all.__module__}:{first_of_all.__qualname__}"
    arrays = load_file(kept)
    told = arrays["portion"].tobytes().replace(own.encode(), name.encode())
    assert name.encode() in told
    save_file({**arrays, "portion": np.frombuffer(told, np.uint8)}, kept)
    loaded = set(sys.modules)
    (sample,) = ask().values()
    assert sample.statistic is first_of_all
    assert len(calls) == 2
    assert "antigravity" not in set(sys.modules) - loaded


def test_the_key_covers_what_a_portion_follows_from(suite, doubles, cache):
    def key(checkpoint, analysis="probe", of=suite, device="cpu", context=()):
        return MeasurementCache(ResultRecorder(analysis, of), cache, device, *context).key(
            checkpoint
        )

    checkpoint = named("a", doubles)
    others = [
        key(named("b", doubles)),
        key(checkpoint_from_model("a", doubles["oracle"]("a", scale=2.0))),
        key(named("a", doubles, step=3)),
        key(checkpoint, "voe"),
        key(checkpoint, of=suite.model_copy(update={"seed": 4})),
        key(checkpoint, device="cuda"),
        key(checkpoint, context=(3,)),
    ]
    assert len({key(checkpoint), *others}) == 1 + len(others)
    assert key(named("a", doubles)) == key(checkpoint)


@pytest.mark.parametrize("analysis", ANALYSES)
def test_a_further_checkpoint_costs_only_itself(analysis, small_suite, doubles, make_lewm):
    """The result is the one of asking all at once; nothing of the first is computed again."""
    first, second = checkpoint_from_model("a", make_lewm(seed=1)), named("b", doubles)
    cache, alone = LatentCache(), LatentCache()
    run(analysis, [first], small_suite, cache=cache)
    asked = []
    first.model.encode = first.model.embed_features = asked.append
    cached = run(analysis, [first, second], small_suite, cache=cache)
    assert asked == []
    del first.model.encode, first.model.embed_features
    fresh = run(analysis, [first, second], small_suite, cache=alone)
    assert cached.metrics == fresh.metrics
    pd.testing.assert_frame_equal(cached.rows, fresh.rows)
    assert cached.provenance[0].notes == fresh.provenance[0].notes
    assert cached.images.keys() == fresh.images.keys()


@pytest.mark.parametrize("analysis", ANALYSES)
def test_one_that_fails_is_named_and_loses_nothing(analysis, small_suite, doubles):
    class Breaks(doubles["oracle"]):
        def encode(self, observation):
            raise RuntimeError("no encoder today.")

    bad = checkpoint_from_model("bad", Breaks("bad"))
    good = [named("a", doubles), named("b", doubles)]
    cache = LatentCache()
    with pytest.raises(CheckpointFailed) as failed:
        run(analysis, [good[0], bad, good[1]], small_suite, cache=cache)
    assert failed.value.checkpoint is bad
    assert str(failed.value) == (
        "The analysis of bad ended in an error (RuntimeError: no encoder today). If it is a model "
        "of your own, try `check_world_model` on it; --debug shows where it happened."
    )
    misses = cache.misses
    run(analysis, good[:1], small_suite, cache=cache)
    # The preflight comes after all were measured; for probing it encodes trajectories of its own.
    preflight = 2 if analysis == "probe" else 1
    assert cache.misses == misses + preflight


def test_blame(doubles):
    checkpoint = named("a", doubles)
    with pytest.raises(CheckpointFailed, match="^NaN somewhere$"), blaming(checkpoint):
        raise UserError("NaN somewhere")
    with pytest.raises(UsageError, match="^no such quantity$"), blaming(checkpoint):
        raise UsageError("no such quantity")
    with pytest.raises(KeyboardInterrupt), blaming(checkpoint):
        raise KeyboardInterrupt
    with (
        pytest.raises(CheckpointFailed, match=r"ended in an error \(ValueError\)"),
        blaming(checkpoint),
    ):
        raise ValueError
    with (
        pytest.raises(CheckpointFailed, match=r"ended in an error \(SystemExit: 3\)"),
        blaming(checkpoint),
    ):
        raise SystemExit(3)


def test_the_cache_is_not_the_checkpoints_fault(doubles, tmp_path):
    (tmp_path / "file").write_text("")
    cache = LatentCache(tmp_path / "file")
    with pytest.raises(NotWritten) as caught, blaming(named("a", doubles)):
        cache.keep("key", {"a": np.zeros(2)})
    assert str(caught.value) in (  # Linux names either
        f"{tmp_path / 'file/ke/key.safetensors'} cannot be written (Not a directory). "
        "Choose another place with --cache, or change the folder's permissions.",
        f"{tmp_path / 'file/ke/key.safetensors'} cannot be written (File exists). "
        "Choose another place with --cache, or change the folder's permissions.",
    )


def test_what_is_kept_is_plain(suite, doubles):
    cache = LatentCache()
    measurements = MeasurementCache(ResultRecorder("probe", suite), cache, "cpu")
    checkpoint = named("a", doubles)
    measurements.of(checkpoint, lambda own: {})
    stored = cache.recall(measurements.key(checkpoint))
    assert json.loads(stored["portion"].tobytes()) == {"metrics": [], "notes": [], "samples": []}


@pytest.mark.parametrize("analysis", ["probe", "straightness"])
def test_a_control_that_cannot_be_made_is_told(analysis, small_suite, doubles, make_lewm):
    checkpoints = [named("a", doubles), checkpoint_from_model("b", make_lewm(seed=1))]
    notes = run(analysis, checkpoints, small_suite, cache=LatentCache()).provenance[0].notes
    assert [note for note in notes if "random_weights" in note] == [
        "a: the control random_weights is missing, because this kind of model cannot be built anew "
        "with random weights."
    ]
