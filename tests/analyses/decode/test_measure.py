from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from lewm_probe.analyses.decode import names
from lewm_probe.analyses.decode.expected import violated, violation
from lewm_probe.analyses.decode.likeness import psnr
from lewm_probe.analyses.decode.measure import FRAMES, PLACES
from lewm_probe.analyses.decode.readers import r2
from lewm_probe.analyses.decode.report.part import REPORT
from lewm_probe.analyses.decode.report.samples import samples
from lewm_probe.analyses.decode.settings import DecodeSettings
from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model, load_checkpoints
from lewm_probe.analyses.engine.asked.suite import CleanSettings
from lewm_probe.analyses.engine.asked.trajectories import suite_trajectories
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.run import run
from lewm_probe.core.errors import UsageError
from lewm_probe.models.checkpoints.native import save_checkpoint
from lewm_probe.models.family import Origin
from lewm_probe.reports.results_view import views
from lewm_probe.results.result import Result

SIZE = 64
TINY = DecodeSettings(
    width=16, layers=1, heads=2, mlp_width=16, steps=6, batch=8, horizons=(1, 3), shown=3, cases=2
)


def pick(result, metric, **keys):
    wanted = {"metric": metric, "control": None, "horizon": None, "versus": None, **keys}
    return [m for m in result.metrics if all(getattr(m, k) == v for k, v in wanted.items())]


@pytest.fixture(scope="module")
def asked(suite):
    probe = suite.probe.model_copy(
        update={
            "validation": 5,
            "mlp": suite.probe.mlp.model_copy(update={"hidden": (8,), "max_epochs": 2, "seeds": 2}),
        }
    )
    clean = CleanSettings(trajectories=8, frames=10)
    return suite.model_copy(update={"decode": TINY, "probe": probe, "clean": clean})


@pytest.fixture(scope="module")
def checkpoints(oracle, make_lewm):
    return [oracle, checkpoint_from_model("lewm", make_lewm())]


@pytest.fixture(scope="module")
def kept():
    return LatentCache()


@pytest.fixture(scope="module")
def result(checkpoints, asked, kept):
    return run("decode", checkpoints, asked, cache=kept)


@pytest.fixture(scope="module")
def clean(asked):
    return suite_trajectories(asked, SIZE, "clean")


def test_all_that_is_asked_is_there(result):
    for model in ("oracle", "lewm"):
        for metric in ("psnr", "ssim"):
            for horizon in (None, 1, 3):
                (found,) = pick(result, metric, model=model, horizon=horizon)
                assert found.ci_low < found.value < found.ci_high and found.higher_is_better
                assert found.n == 8 and found.unit == ("dB" if metric == "psnr" else None)
        read = {
            (m.horizon, m.control, m.method)
            for m in result.metrics
            if m.model == model and m.metric == "r2" and m.versus is None
        }
        expected = {(None, c, how) for c in (None, "true_pictures") for how in ("linear", "mlp")}
        expected |= {
            (k, c, how) for k in (1, 3) for c in (None, "copy_last") for how in ("linear", "mlp")
        }
        if model == "lewm":
            expected |= {(None, "random_weights", how) for how in ("linear", "mlp")}
        assert read == expected
    assert [n for n in result.provenance[0].notes if not n.startswith("Preflight")] == [
        "oracle: the control random_weights is missing, because this kind of model cannot be built "
        "anew with random weights."
    ]


def test_the_mean_picture_in_closed_form(result, asked, clean):
    train = suite_trajectories(asked, SIZE, "probe-train").pixels.reshape(-1, SIZE, SIZE, 3)
    mean = np.rint(train.mean(axis=0, dtype=np.float64)).astype(np.uint8)
    at = np.unique(np.linspace(0, clean.frames - 1, FRAMES + 2).round().astype(int)[1:-1])
    true = clean.pixels[:, at]
    expected = psnr(np.broadcast_to(mean, true.shape), true).mean()
    for model in ("oracle", "lewm"):
        (found,) = pick(result, "psnr", model=model, control="mean")
        assert found.value == pytest.approx(expected, abs=0.02)  # .5 rounds either way
        (own,) = pick(result, "psnr", model=model)
        assert own.value == pytest.approx(expected, abs=1.0)  # where its six steps began


def test_copying_the_last_frame_by_hand(result, clean):
    ends = np.unique(np.linspace(1, clean.frames - 1 - 3, PLACES).round().astype(int))
    for k in (1, 3):
        expected = psnr(clean.pixels[:, ends], clean.pixels[:, ends + k]).mean()
        (found,) = pick(result, "psnr", model="oracle", control="copy_last", horizon=k)
        assert found.value == pytest.approx(expected, rel=1e-6)


def test_true_pictures_are_the_ceiling_of_reading(result):
    at = {"model": "lewm", "subject": "agent_position", "method": "linear"}
    (ceiling,) = pick(result, "r2", control="true_pictures", **at)
    (own,) = pick(result, "r2", **at)
    assert ceiling.value > 0.4 > 0.2 > own.value  # six steps draw no agent
    (same,) = pick(result, "r2", control="true_pictures", **{**at, "model": "oracle"})
    assert same.value == ceiling.value


def test_differences_of_models(result):
    for metric in ("psnr", "ssim"):
        for k in (None, 3):
            (found,) = pick(result, metric, model="oracle", versus="lewm", horizon=k)
            own, other = (
                pick(result, metric, model=m, horizon=k)[0].value for m in ("oracle", "lewm")
            )
            assert found.value == pytest.approx(own - other, abs=1e-6)
    at = {"subject": "agent_position", "method": "mlp", "horizon": 1}
    (found,) = pick(result, "r2", model="oracle", versus="lewm", **at)
    own, other = (pick(result, "r2", model=m, **at)[0].value for m in ("oracle", "lewm"))
    assert found.value == pytest.approx(own - other, abs=1e-5)


def test_r2_of_sums_by_hand():
    rng = np.random.default_rng(0)
    y, p = rng.normal(size=(2, 5, 4, 2))
    columns = [np.full(5, 4.0), *y.sum(1).T, *(y**2).sum(1).T, *((p - y) ** 2).sum(1).T]
    weights = rng.multinomial(5, np.full(5, 0.2), size=3) / 5

    def by_hand(weight):
        w = np.repeat(weight, 4)[:, None] / 4
        true, wrong = y.reshape(-1, 2), np.square(p - y).reshape(-1, 2)
        variance = (w * true**2).sum(0) - (w * true).sum(0) ** 2
        return (1 - (w * wrong).sum(0) / variance).mean()

    value, drawn = r2(np.column_stack(columns), weights)
    assert value == pytest.approx(by_hand(np.full(5, 0.2)))
    assert drawn == pytest.approx([by_hand(w) for w in weights])


def test_rows_give_the_samples_again(result):
    rows = result.rows[result.rows["model"] == "lewm"]
    stored = samples(rows, 0.0)
    assert {dict(k)["horizon"] for k in stored} == {None, 1, 3}
    for key, sample in stored.items():
        asked = dict(key)
        (found,) = pick(result, asked["metric"], model="lewm", horizon=asked["horizon"])
        assert sample.values["value"].mean() == pytest.approx(found.value, rel=1e-6)


def test_a_second_call_draws_nothing_and_has_the_same_pictures(result, checkpoints, asked, kept):
    misses = kept.misses
    again = run("decode", checkpoints, asked, cache=kept)
    assert again.metrics == result.metrics and kept.misses == misses
    assert again.images.keys() == result.images.keys()
    for name, strip in again.images.items():
        np.testing.assert_array_equal(strip, result.images[name])


def test_strips(result, clean):
    name = names.strip_name("true-frames", "two-room", "lewm", 0, None)
    true = result.images[name]
    np.testing.assert_array_equal(true, [clean.pixels[n, (7 * n + 3) % 10] for n in range(3)])
    rollout = result.images[names.strip_name("rollout", "two-room", "lewm", 0, None, 1)]
    assert rollout.shape == (3, SIZE, SIZE, 3)  # last seen, one and three ahead
    true = result.images[names.strip_name("true-rollout", "two-room", "lewm", 0, None, 1)]
    np.testing.assert_array_equal(true, clean.pixels[1, [1, 2, 4]])


def test_what_was_expected_at_a_violation(oracle, asked, clean, cache):
    """The oracle of free motion expects the agent where it would have been."""
    condition = violation(asked)
    assert condition.name == "teleport_agent"
    found = violated(oracle, condition, clean, 6, asked.seed, cache)
    assert len(found) == 6
    for one in found:
        before, unperturbed, came = (oracle.model.encode(_batch(p))[0, 0] for p in one.pixels)
        assert abs(one.expected - unperturbed.numpy()).max() < 30 < 224
        np.testing.assert_allclose(one.came, came, atol=1e-3)
        assert (before - unperturbed).abs().max() <= 25.5
    apart = [np.linalg.norm(one.expected - one.came) for one in found]
    ordinary = [
        np.linalg.norm(one.expected - oracle.model.encode(_batch(one.pixels[1]))[0, 0].numpy())
        for one in found
    ]
    assert np.median(apart) > 3 * np.median(ordinary)


def _batch(picture):
    return torch.tensor(picture)[None, None]


def test_it_is_shown_from_stored_results_alone(result, tmp_path):
    result.save(tmp_path)
    (view,) = views(Result.load(tmp_path))
    (section,) = REPORT.sections(view)
    assert [plot.name for plot in section.plots] == [
        "two-room-decode-frames",
        "two-room-decode-rollouts",
        "two-room-decode-violations",
    ]
    assert "was not learned from these latents in 6 steps" in section.lead
    frames, rollouts, violations = (plot.draw(6.9) for plot in section.plots)
    assert len(frames.axes) == 4 * 3  # true, two models, random weights
    assert len(rollouts.axes) == 2 * 3 * 3
    assert len(violations.axes) == 2 * 2 * 5
    assert section.plots[2].caption.startswith("Teleport of agent before t₀, in as many cases.")
    likeness, reading = (shown.table for shown in section.tables)
    groups = list(dict.fromkeys(row.group for row in likeness.rows))
    assert groups == ["PSNR (dB)", "SSIM"]
    assert [c.title for c in reading.columns] == ["Model or control", "frames", "k = 1", "k = 3"]


def test_over_training(make_lewm, asked, tmp_path):
    for step in (0, 5, 10):
        origin = Origin(family="lewm", world="two-room", seed=1, step=step)
        path = tmp_path / "run" / "checkpoints" / f"step_{step:07d}.safetensors"
        save_checkpoint(path, make_lewm(step), meta=origin)
    settings = TINY.model_copy(update={"over_training": 2, "random_weights": False, "cases": 0})
    suite = asked.model_copy(update={"decode": settings})
    found = run(
        "decode", load_checkpoints([f"lewm={tmp_path / 'run'}"]), suite, cache=LatentCache()
    )
    assert [m.step for m in pick(found, "psnr")] == [10, 0]
    (view,) = views(found)
    (section,) = REPORT.sections(view)
    plot = section.plots[-1]
    assert plot.name == "two-room-decode-training"
    assert len(plot.draw(6.9).axes) == 3 * 3  # true, step 0, step 10
    (panel,) = REPORT.curves(view)
    assert [step for step, _ in panel.curves["lewm", 1]] == [0, 10]


def test_nothing_earlier_to_draw(oracle, asked):
    settings = TINY.model_copy(update={"over_training": 2, "cases": 0, "horizons": (1,)})
    asked = asked.model_copy(update={"decode": settings})
    found = run("decode", [oracle], asked, cache=LatentCache())
    assert (
        "oracle: decoders over training were asked for, and there are no earlier checkpoints of "
        "its run. Give its run folder, without --no-curve." in found.provenance[0].notes
    )


def test_patch_tokens(doubles, asked):
    class Tokens(doubles["oracle"]):
        def __init__(self):
            super().__init__("tokens")
            self.spec = replace(self.spec, tokens=3)

        def encode(self, observation):
            own = super().encode(observation)[:, :, None]
            return own + own.new_tensor([[0.0], [7.0], [2.0]])

        def predict(self, latents, actions):
            return super().predict(latents.mean(2), actions)[:, :, None].expand_as(latents)

    settings = TINY.model_copy(update={"cases": 1, "horizons": (3,)})
    suite = asked.model_copy(update={"decode": settings})
    found = run("decode", [checkpoint_from_model("tokens", Tokens())], suite, cache=LatentCache())
    assert len(pick(found, "psnr", horizon=3)) == 1


def test_patches_that_do_not_fill_the_image(oracle, asked):
    suite = asked.model_copy(update={"decode": TINY.model_copy(update={"patch": 12})})
    with pytest.raises(UsageError) as error:
        run("decode", [oracle], suite, cache=LatentCache())
    assert str(error.value) == (
        "oracle takes images of 64 px, which patches of 12 px do not fill. Choose a patch that "
        "divides 64 with --patch or in the suite's decode.patch: 4, 8, 16, 32, 64."
    )


def test_heads_that_do_not_share_the_width():
    with pytest.raises(ValueError, match="width is 10, which 4 heads do not share evenly"):
        DecodeSettings(width=10)


def test_patches_of_common_sizes():
    assert [DecodeSettings().patch_of(s) for s in (64, 96, 128, 224)] == [8, 8, 16, 16]
    assert DecodeSettings(patch=4).patch_of(224) == 4
