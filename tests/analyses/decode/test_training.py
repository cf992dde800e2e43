from __future__ import annotations

import numpy as np
import pytest
import torch

from lewm_probe.analyses.decode import training
from lewm_probe.analyses.decode.drawing import as_tokens
from lewm_probe.analyses.decode.settings import DecodeSettings
from lewm_probe.analyses.decode.training import batch, share_of_rate, trained_decoder
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache

TINY = DecodeSettings(width=16, layers=1, heads=2, mlp_width=32, steps=12, batch=8, save_every=5)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(20, 1, 6)).astype(np.float32), rng.integers(
        0, 256, (20, 16, 16, 3), np.uint8
    )


def weights(decoder):
    return {name: value.numpy().copy() for name, value in decoder.state_dict().items()}


def same(first, second):
    return first.keys() == second.keys() and all(
        np.array_equal(value, second[name]) for name, value in first.items()
    )


def test_a_handful_of_frames_is_learned_by_heart(data):
    latents, pixels = (a[:6] for a in data)
    smooth = np.repeat(np.repeat(pixels[:, ::8, ::8], 8, axis=1), 8, axis=2)
    settings = TINY.model_copy(
        update={"steps": 300, "width": 32, "mlp_width": 64, "weight_decay": 0.0}
    )
    decoder = trained_decoder(latents, smooth, settings, seed=0, cache=LatentCache())
    drawn = decoder(torch.tensor(latents)).permute(0, 2, 3, 1).numpy() * 255
    apart = np.square(drawn - smooth).mean()
    assert apart < 0.01 * np.square(smooth - smooth.mean(axis=0)).mean()


def test_the_same_seed_gives_the_same_weights(data):
    first, again = (
        weights(trained_decoder(*data, TINY, seed=1, cache=LatentCache())) for _ in range(2)
    )
    assert same(first, again)
    assert not same(first, weights(trained_decoder(*data, TINY, seed=2, cache=LatentCache())))


def test_it_disturbs_no_random_numbers(data):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    trained_decoder(*data, TINY, seed=1, cache=LatentCache())
    assert torch.equal(torch.rand(3), expected)


class Killed(Exception):
    pass


def interrupt(monkeypatch, after):
    """Let steps go wrong after so many; count all that are taken."""
    taken = []
    step = training._Training._take_step

    def take(self):
        if after is not None and len(taken) == after:
            raise Killed
        taken.append(self.step)
        step(self)

    monkeypatch.setattr(training._Training, "_take_step", take)
    return taken


def test_a_killed_training_goes_on_to_the_same_weights(data, tmp_path, monkeypatch):
    whole = weights(trained_decoder(*data, TINY, seed=1, cache=LatentCache()))
    cache = LatentCache(tmp_path)
    with monkeypatch.context() as patched:
        interrupt(patched, after=8)
        with pytest.raises(Killed):
            trained_decoder(*data, TINY, seed=1, cache=cache)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1
    taken = interrupt(monkeypatch, after=None)
    resumed = weights(trained_decoder(*data, TINY, seed=1, cache=cache))
    assert taken == list(range(5, 12))  # from the state kept last
    assert same(whole, resumed)
    # Of what was kept, the finished decoder alone is left.
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1


def test_a_finished_decoder_is_not_trained_again(data, tmp_path, monkeypatch):
    first = weights(trained_decoder(*data, TINY, seed=1, cache=LatentCache(tmp_path)))
    taken = interrupt(monkeypatch, after=None)
    advanced = []

    class Task:
        def advance(self, amount=1):
            advanced.append(amount)

    cache = LatentCache(tmp_path)
    again = weights(trained_decoder(*data, TINY, seed=1, cache=cache, task=Task()))
    assert taken == [] and same(first, again) and advanced == [12]
    shown = TINY.model_copy(update={"shown": 3, "horizons": (4,), "save_every": 2})
    trained_decoder(*data, shown, seed=1, cache=cache)
    assert taken == []  # weights do not follow from these
    for changed in (
        (data[0] + 1, data[1], TINY),
        (data[0], 255 - data[1], TINY),
        (*data, TINY.model_copy(update={"learning_rate": 1e-3})),
        (*data, TINY.model_copy(update={"patch": 4})),
    ):
        trained_decoder(*changed, seed=1, cache=cache)
        assert len(taken) == 12
        taken.clear()


def test_every_frame_comes_before_any_comes_again():
    drawn = np.concatenate([batch(3, 10, 4, step) for step in range(5)])
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == list(range(10))
    assert not np.array_equal(drawn[:10], drawn[10:])
    assert sorted(batch(3, 4, 8, 0)) == sorted([*range(4)] * 2)  # fewer frames than a batch


def test_the_rate_rises_and_falls():
    rates = [share_of_rate(step, 100) for step in range(100)]
    assert rates[4] == rates[5] == 1.0 and rates[0] == pytest.approx(0.2)
    assert rates[-1] < 0.01 and rates[5:] == sorted(rates[5:], reverse=True)


def test_tokens_of_vectors_and_of_patches():
    assert as_tokens(np.zeros((2, 3, 5))).shape == (6, 1, 5)
    assert as_tokens(np.zeros((2, 3, 4, 5))).shape == (6, 4, 5)
