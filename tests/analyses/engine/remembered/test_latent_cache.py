from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest
import torch

import lewm_probe.models
from lewm_probe.analyses.engine.remembered import latent_cache as latents_module
from lewm_probe.analyses.engine.remembered.latent_cache import (
    LatentCache,
    _code_of,
    encode,
    encode_code,
)
from lewm_probe.core.errors import UserError


@pytest.fixture
def pixels(trajectories):
    return trajectories.pixels[:3, :4]


@pytest.fixture
def counted(oracle, monkeypatch):
    """The oracle, counting the frames it encodes."""
    model = type(oracle.model)()
    model.frames = 0
    encode_frames = model.encode

    def counting(observation):
        model.frames += observation.shape[0] * observation.shape[1]
        return encode_frames(observation)

    model.encode = counting
    return model


@pytest.mark.parametrize("stored", [True, False])
def test_what_is_forgotten_is_gone(tmp_path, stored):
    cache = LatentCache(tmp_path if stored else None)
    cache.keep("ab", {"x": np.arange(3)})
    assert cache.recall("ab") is not None
    cache.forget("ab")
    cache.forget("ab")
    assert cache.recall("ab") is None


def test_latents_are_those_of_the_model(make_lewm, pixels):
    model = make_lewm().eval()
    found = LatentCache(batch=5).encode(model, pixels)
    expected = model.embed_features(torch.tensor(pixels))
    assert set(found) == {"z", "cls"}
    assert found["z"].shape == (3, 4, 6)
    assert found["cls"].shape == (3, 4, 16)
    for name, values in found.items():
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, expected[name].detach().numpy(), atol=1e-5)


def test_a_plain_world_model_gives_its_latents(counted, pixels):
    found = encode(counted, pixels, batch=7)
    assert set(found) == {"z"}
    np.testing.assert_allclose(found["z"], counted.encode(torch.tensor(pixels)).numpy(), atol=1e-5)


@pytest.mark.parametrize("on_disk", [False, True])
def test_equal_images_are_encoded_once(counted, pixels, on_disk, tmp_path):
    cache = LatentCache(tmp_path if on_disk else None)
    first = cache.encode(counted, pixels)
    second = cache.encode(counted, pixels.copy())
    assert counted.frames == 12
    assert cache.misses == 1
    np.testing.assert_array_equal(first["z"], second["z"])
    with pytest.raises(ValueError, match="read-only"):
        second["z"][0] = 0


def test_another_process_finds_what_is_on_disk(counted, pixels, tmp_path):
    expected = LatentCache(tmp_path).encode(counted, pixels)["z"]
    later = LatentCache(tmp_path)
    np.testing.assert_array_equal(later.encode(counted, pixels)["z"], expected)
    assert later.misses == 0
    assert [p.suffix for p in tmp_path.rglob("*") if p.is_file()] == [".safetensors"]


def test_the_key_covers_all_that_latents_depend_on(oracle, doubles, pixels, monkeypatch):
    cache = LatentCache()
    model = oracle.model
    key = cache.key(model, pixels)
    assert cache.key(model, pixels.copy()) == key
    other_pixels = pixels.copy()
    other_pixels[0, 0, 0, 0, 0] ^= 1
    assert cache.key(model, other_pixels) != key
    assert cache.key(model, pixels.reshape(4, 3, *pixels.shape[2:])) != key
    assert cache.key(doubles["oracle"]("another"), pixels) != key
    monkeypatch.setattr(latents_module, "encode_code", lambda model: "newer code")
    assert cache.key(model, pixels) != key


def test_the_key_follows_weights_and_precision(make_lewm, pixels):
    cache, model = LatentCache(), make_lewm()
    key = cache.key(model, pixels)
    assert cache.key(make_lewm(), pixels) == key
    assert cache.key(make_lewm(seed=1), pixels) != key
    assert cache.key(model.double(), pixels) != key


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"{}"])
def test_a_damaged_entry_is_made_anew(counted, pixels, tmp_path, damage):
    expected = LatentCache(tmp_path).encode(counted, pixels)["z"]
    (path,) = tmp_path.rglob("*.safetensors")
    path.write_bytes(damage(path.read_bytes()))
    again = LatentCache(tmp_path)
    np.testing.assert_array_equal(again.encode(counted, pixels)["z"], expected)
    assert again.misses == 1
    assert len(path.read_bytes()) > 100


def test_an_edit_of_any_of_our_models_makes_latents_anew(oracle, tmp_path, monkeypatch):
    part = tmp_path / "nn" / "deep" / "encoder.py"
    part.parent.mkdir(parents=True)
    monkeypatch.setattr(lewm_probe.models, "__path__", [str(tmp_path)])
    versions = []
    for text in ("first", "second"):
        part.write_text(text)
        _code_of.cache_clear()
        versions.append(encode_code(oracle.model))
    _code_of.cache_clear()
    assert versions[0] != versions[1]


@pytest.mark.parametrize("edited", ["net", "deep.part"])
def test_an_edit_anywhere_in_a_models_own_package_makes_latents_anew(
    doubles, tmp_path, monkeypatch, edited
):
    package = tmp_path / "somebodys"
    (package / "deep").mkdir(parents=True)
    names = ("__init__", "net", "deep.__init__", "deep.part")
    files = {name: package / f"{name.replace('.', '/')}.py" for name in names}
    for file in files.values():
        file.write_text("")
    files["net"].write_text("class Net:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    net = importlib.import_module("somebodys.net").Net
    versions = []
    for text in ("", "# edited\n"):
        files[edited].write_text(f"{files[edited].read_text()}{text}")
        _code_of.cache_clear()
        versions.append(_code_of(net))
    _code_of.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "somebodys"]:
        del sys.modules[name]
    assert versions[0] != versions[1]


def test_models_written_at_a_prompt_can_be_cached(oracle, pixels):
    there = type("Prompted", (type(oracle.model),), {"__module__": "nowhere"})
    cache = LatentCache()
    cache.encode(there(), pixels)
    assert cache.encode(there(), pixels)["z"].shape == (3, 4, 2)
    assert cache.misses == 1


def test_images_of_another_size_are_refused_by_the_model(make_lewm, pixels):
    with pytest.raises(UserError):
        LatentCache().encode(make_lewm(), pixels[:, :, :32, :32])


@pytest.fixture
def recurrent(doubles):
    """Adds up where the agent is and what was done before; notes how it was asked."""

    class Recurrent(doubles["oracle"]):
        def __init__(self):
            super().__init__("recurrent", recurrent=True, history=1)
            self.asked = []

        def encode(self, observation):
            pixels, actions = observation["pixels"], observation["action"]
            self.asked.append((tuple(pixels.shape[:2]), tuple(actions.shape)))
            z = super().encode(pixels).cumsum(1)
            z[:, 1:] += actions[:, :-1].sum(-1, keepdim=True).cumsum(1)
            return z

    return Recurrent()


def test_recurrent_models_see_whole_trajectories_and_actions(recurrent, pixels, trajectories):
    actions = trajectories.actions[:3, :4]
    found = encode(recurrent, pixels, batch=9, actions=actions)["z"]
    assert recurrent.asked == [((2, 4), (2, 4, 10)), ((1, 4), (1, 4, 10))]  # 9 frames: 2 clips of 4
    whole = {"pixels": torch.tensor(pixels), "action": torch.tensor(actions)}
    np.testing.assert_allclose(found, recurrent.encode(whole).numpy(), rtol=1e-5)
    with pytest.raises(ValueError, match="^a recurrent model encodes images with their actions$"):
        encode(recurrent, pixels)


def test_actions_are_in_the_key_of_recurrent_models_only(oracle, recurrent, pixels, trajectories):
    cache, actions = LatentCache(), trajectories.actions[:3, :4]
    assert cache.key(oracle.model, pixels, actions) == cache.key(oracle.model, pixels)
    assert cache.key(recurrent, pixels, actions) != cache.key(recurrent, pixels, actions * 2)
    first = cache.encode(recurrent, pixels, actions)["z"]
    other = cache.encode(recurrent, pixels, actions * 2)["z"]
    assert (first != other).any()
    assert cache.encode(recurrent, pixels, actions)["z"] is first
    assert cache.misses == 2
