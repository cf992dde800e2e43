from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf

from lewm_probe.analyses.engine.predictions import surprise, teacher_forced
from lewm_probe.analyses.voe.surprise import (
    Whitening,
    latent_baselines,
    onset_values,
    window_max,
    window_means,
)
from lewm_probe.core.errors import UserError


@pytest.fixture
def random():
    return np.random.default_rng(0)


def test_each_frame_is_predicted_from_exactly_the_last_latents_and_blocks(make_lewm, random):
    model = make_lewm().eval()
    for parameter in model.parameters():  # zero gates would ignore the context
        torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(1))
    z = random.normal(size=(3, 7, 6)).astype(np.float32)
    actions = random.uniform(-1, 1, (3, 7, 10)).astype(np.float32)
    predicted = teacher_forced(model, z, actions)
    assert predicted.shape == z.shape
    assert np.isnan(predicted[:, :2]).all()
    for t in range(2, 7):
        context = torch.tensor(z[:, t - 2 : t]), torch.tensor(actions[:, t - 2 : t])
        expected = model.predict(*context)[:, -1].detach().numpy()
        np.testing.assert_allclose(predicted[:, t], expected, atol=1e-5)
    # The last block leads beyond the last frame: it must not matter.
    actions[:, -1] = np.nan
    np.testing.assert_array_equal(teacher_forced(model, z, actions), predicted)


def test_surprise_is_the_mean_squared_error_over_axes(oracle, random):
    predicted, z = random.normal(size=(2, 4, 5, 2)).astype(np.float32)
    predicted[:, 0] = np.nan
    found = surprise(oracle.model, predicted, z)
    np.testing.assert_allclose(found[:, 1:], ((predicted - z) ** 2).mean(-1)[:, 1:], rtol=1e-5)
    assert np.isnan(found[:, 0]).all()


@pytest.mark.parametrize(
    ("method", "wrong", "message"),
    [
        ("surprise", lambda values: values.mean(), "surprise() of the model has the shape ()"),
        ("surprise", lambda values: values[:, :1], "surprise() of the model has the shape (3, 1)"),
        ("predict", lambda values: values[:1], "predict() of the model has the shape (1, 4, 2)"),
    ],
)
def test_what_numpy_would_stretch_is_refused(doubles, random, method, wrong, message):
    """One number for all trajectories or frames would pass for the number of each."""
    model = doubles["oracle"]()
    right = getattr(model, method)
    setattr(model, method, lambda *given: wrong(right(*given)))
    z = random.normal(size=(3, 5, 2)).astype(np.float32)
    with pytest.raises(UserError) as error:
        surprise(model, teacher_forced(model, z, np.zeros((3, 5, 10), np.float32)), z)
    expected = (3, 3) if method == "surprise" else (3, 4, 2)
    assert str(error.value) == (
        f"{message}, but {expected} was expected there. Fix the model; `check_world_model` tells "
        "more of it."
    )


def test_baselines_in_closed_form(oracle):
    t = np.arange(8.0)
    path = np.stack([t**2, 3 * t], -1)[None].astype(np.float32)  # acceleration (2, 0)
    found = latent_baselines(oracle.model, path, ("copy_last", "linear_extrapolation"))
    steps = ((2 * t - 1) ** 2 + 9) / 2
    np.testing.assert_allclose(found["copy_last"][0, 2:], steps[2:])
    np.testing.assert_allclose(found["linear_extrapolation"][0, 2:], 2.0)
    assert np.isnan(found["copy_last"][0, :2]).all()


def test_linear_extrapolation_needs_two_frames_where_the_model_sees_one(doubles):
    path = np.random.default_rng(0).normal(size=(1, 5, 2)).astype(np.float32)
    model = doubles["oracle"](history=1)
    found = latent_baselines(model, path, ("copy_last", "linear_extrapolation"))
    assert np.isfinite(found["copy_last"][0, 1:]).all()
    assert np.isnan(found["linear_extrapolation"][0, :2]).all()


def test_whitened_surprise_is_a_mahalanobis_distance(random):
    mixing = random.normal(size=(4, 4))
    clean = (random.normal(size=(50, 20, 4)) @ mixing + 5).astype(np.float32)
    clean[:, :3] = np.nan
    whitening = Whitening.fit(clean)
    rows = clean[:, 3:].reshape(-1, 4).astype(float)
    found = whitening.surprise(clean)
    expected = LedoitWolf().fit(rows).mahalanobis(rows) / 4
    np.testing.assert_allclose(found[:, 3:].ravel(), expected, rtol=1e-4)
    assert np.nanmean(found) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_whitened_surprise_does_not_care_about_scale(random, scale):
    clean = random.normal(size=(20, 10, 3))
    plain = Whitening.fit(clean).surprise(clean)
    np.testing.assert_allclose(Whitening.fit(clean * scale).surprise(clean * scale), plain)


def test_residuals_that_do_not_vary_cannot_be_whitened():
    assert Whitening.fit(np.zeros((3, 4, 2))) is None
    assert Whitening.fit(np.full((3, 4, 2), np.nan)) is None


def test_windows_around_the_onset():
    scores = np.array([[0.0, 1, 2, 3, 4, 5], [10, 11, 12, 13, 14, 15]])
    scores[:, 0] = np.nan
    onset = np.array([2, 4])
    np.testing.assert_array_equal(onset_values(scores, onset), [2, 14])
    np.testing.assert_array_equal(onset_values(scores, onset, -1), [1, 13])
    np.testing.assert_array_equal(onset_values(scores, onset, 2), [4, np.nan])
    np.testing.assert_array_equal(onset_values(scores, onset, -2), [np.nan, 12])
    np.testing.assert_array_equal(window_means(scores, onset, 0, 1), [2.5, 14.5])
    np.testing.assert_array_equal(window_means(scores, onset, 0, None), [3.5, 14.5])
    np.testing.assert_array_equal(window_means(scores, onset, 2, None), [4.5, np.nan])
    np.testing.assert_array_equal(window_max(scores, onset), [5, 15])
