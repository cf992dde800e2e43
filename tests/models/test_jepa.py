from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lewm_probe.core.errors import UserError
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models import jepa, sliding
from lewm_probe.models.config import EncoderConfig, ModelConfig
from lewm_probe.models.jepa import JEPA
from lewm_probe.models.trainable import count_parameters

GOLDEN = Path(__file__).parents[1] / "golden"
RAW = ActionStatistics(mean=(0.0, 0.0), std=(1.0, 1.0))


# ---- against the published implementation


@pytest.fixture(scope="module", params=["lewm", "pldm"])
def published(
    request: pytest.FixtureRequest, golden_config: ModelConfig
) -> tuple[JEPA, dict[str, Tensor]]:
    folder = GOLDEN / f"{request.param}-tiny"
    model = JEPA(golden_config, RAW, family=request.param).eval()
    model.load_state_dict(torch.load(folder / "weights.pt", weights_only=True), strict=True)
    with np.load(folder / "io.npz") as arrays:
        return model, {name: torch.from_numpy(array) for name, array in arrays.items()}


@torch.no_grad()
def test_golden_embeddings(published: tuple[JEPA, dict[str, Tensor]]) -> None:
    model, io = published
    torch.testing.assert_close(model.encode(io["pixels"]), io["emb"], atol=1e-5, rtol=0)
    embedded = model.action_encoder(io["action"])
    torch.testing.assert_close(embedded, io["act_emb"], atol=1e-5, rtol=0)


@torch.no_grad()
def test_golden_predictions(published: tuple[JEPA, dict[str, Tensor]]) -> None:
    model, io = published
    predicted = model.predict(io["emb"][:, :3], io["action"][:, :3])
    torch.testing.assert_close(predicted, io["pred"], atol=1e-5, rtol=0)
    imagined = model.rollout(io["emb"][:, :1], io["action"][:, :0], io["rollout_actions"])
    expected = io["rollout_emb"]  # starts with the context frame
    torch.testing.assert_close(imagined, expected[:, :, 1:], atol=1e-5, rtol=0)


def test_golden_configuration_is_the_fixture_s(golden_config: ModelConfig) -> None:
    raw = json.loads((GOLDEN / "lewm-tiny" / "config.json").read_text())
    vit, predictor = golden_config.encoder.vit, golden_config.predictor
    assert (vit.width, vit.layers, vit.heads, vit.mlp_width) == tuple(
        raw["encoder"][key]
        for key in (
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
        )
    )
    assert (predictor.layers, predictor.heads, predictor.head_width, predictor.mlp_width) == tuple(
        raw["predictor"][key] for key in ("depth", "heads", "dim_head", "mlp_dim")
    )
    assert raw["predictor"]["dropout"] == predictor.dropout


def _released_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of a released LeWM, written out from its description."""
    d, mlp, hidden, inner = 192, 768, 2048, 16 * 64
    shapes: dict[str, tuple[int, ...]] = {
        "encoder.embeddings.cls_token": (1, 1, d),
        "encoder.embeddings.position_embeddings": (1, 257, d),
        "encoder.embeddings.patch_embeddings.projection.weight": (d, 3, 14, 14),
        "encoder.embeddings.patch_embeddings.projection.bias": (d,),
        "predictor.pos_embedding": (1, 3, d),
        "action_encoder.patch_embed.weight": (10, 10, 1),
        "action_encoder.patch_embed.bias": (10,),
    }

    def linear(name: str, out: int, incoming: int, bias: bool = True) -> None:
        shapes[f"{name}.weight"] = (out, incoming)
        if bias:
            shapes[f"{name}.bias"] = (out,)

    def norm(name: str, width: int) -> None:
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (width,)

    norm("encoder.layernorm", d)
    for n in range(12):
        layer = f"encoder.encoder.layer.{n}"
        norm(f"{layer}.layernorm_before", d)
        norm(f"{layer}.layernorm_after", d)
        for part in ("attention.attention.query", "attention.attention.key"):
            linear(f"{layer}.{part}", d, d)
        linear(f"{layer}.attention.attention.value", d, d)
        linear(f"{layer}.attention.output.dense", d, d)
        linear(f"{layer}.intermediate.dense", mlp, d)
        linear(f"{layer}.output.dense", d, mlp)
    norm("predictor.transformer.norm", d)
    for n in range(6):
        layer = f"predictor.transformer.layers.{n}"
        norm(f"{layer}.attn.norm", d)
        linear(f"{layer}.attn.to_qkv", 3 * inner, d, bias=False)
        linear(f"{layer}.attn.to_out.0", d, inner)
        norm(f"{layer}.mlp.net.0", d)
        linear(f"{layer}.mlp.net.1", 2048, d)
        linear(f"{layer}.mlp.net.4", d, 2048)
        linear(f"{layer}.adaLN_modulation.1", 6 * d, d)
    linear("action_encoder.embed.0", 4 * d, 10)
    linear("action_encoder.embed.2", d, 4 * d)
    for projector in ("projector", "pred_proj"):
        linear(f"{projector}.net.0", hidden, d)
        norm(f"{projector}.net.1", hidden)
        shapes[f"{projector}.net.1.running_mean"] = (hidden,)
        shapes[f"{projector}.net.1.running_var"] = (hidden,)
        shapes[f"{projector}.net.1.num_batches_tracked"] = ()
        linear(f"{projector}.net.3", d, hidden)
    return shapes


def test_default_model_is_the_released_one() -> None:
    with torch.device("meta"):
        model = JEPA(ModelConfig(), RAW)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert shapes == _released_shapes()
    assert len(shapes) == 303
    assert count_parameters(model) == 18_034_478


# ---- encoding


def test_encode_takes_pixels_bare_or_named(small: JEPA, pixels: Tensor) -> None:
    bare = small.encode(pixels)
    assert bare.shape == (4, 6, 8)
    assert bare.dtype == torch.float32
    assert not bare.requires_grad
    assert torch.equal(bare, small.encode({"pixels": pixels}))


def test_encode_is_the_same_in_whatever_pieces(
    small: JEPA, pixels: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = small.encode(pixels)
    for t in range(6):
        alone = small.encode(pixels[1:2, t : t + 1])
        torch.testing.assert_close(alone, whole[1:2, t : t + 1], atol=1e-6, rtol=1e-6)
    monkeypatch.setattr(jepa, "ENCODE_FRAMES", 5)
    torch.testing.assert_close(small.encode(pixels), whole, atol=1e-6, rtol=1e-6)


def test_encode_uses_eval_mode_and_restores_training(small: JEPA, pixels: Tensor) -> None:
    expected = small.encode(pixels)
    small.train()
    small.predictor.eval()
    before = {name: b.clone() for name, b in small.named_buffers()}
    torch.testing.assert_close(small.encode(pixels), expected)
    for name, buffer in small.named_buffers():
        assert torch.equal(buffer, before[name])
    assert small.training and small.projector.training and not small.predictor.training


def test_embed_in_eval_mode_is_encode_with_gradient(small: JEPA, pixels: Tensor) -> None:
    z = small.embed(pixels)
    torch.testing.assert_close(z, small.encode(pixels))
    z.square().mean().backward()
    assert small.encoder.get_parameter("linear.weight").grad is not None


def test_embed_normalises_over_batch_and_time(small: JEPA, pixels: Tensor) -> None:
    """In training, the projector's batch norm sees B·T frames at once."""
    small.train()
    flat = small._features(pixels.flatten(0, 1))
    expected = small.projector(flat)
    torch.testing.assert_close(small.embed(pixels), expected.view(4, 6, 8))


def test_features_before_the_projector(small: JEPA, pixels: Tensor) -> None:
    features = small.embed_features(pixels)
    assert features["cls"].shape == (4, 6, 16)
    torch.testing.assert_close(features["z"], small.encode(pixels))
    projected = small.projector(features["cls"].flatten(0, 1)).view(4, 6, 8)
    torch.testing.assert_close(projected, features["z"])


def test_another_image_size_is_refused_unless_resizing(small: JEPA) -> None:
    larger = torch.full((1, 2, 32, 32, 3), 90, dtype=torch.uint8)
    with pytest.raises(UserError) as caught:
        small.encode(larger)
    assert str(caught.value) == (
        "Images of 32×32 px were given to a model trained on 16×16 px. Render or collect them at "
        "16 px, or ask for resizing (model.resize = 'bilinear', 'bicubic', 'area' or 'positions'), "
        "which is recorded with the results."
    )
    plain = small.fingerprint
    small.resize = "area"
    torch.testing.assert_close(small.encode(larger), small.encode(larger[:, :, ::2, ::2]))
    assert small.fingerprint != plain


def test_position_interpolation_takes_larger_images(golden_config: ModelConfig) -> None:
    model = JEPA(golden_config, RAW, resize="positions").eval()
    assert model.encode(torch.zeros(1, 2, 64, 48, 3, dtype=torch.uint8)).shape == (1, 2, 48)


# ---- actions


def test_actions_are_z_scored_per_environment_dimension(small: JEPA) -> None:
    raw = torch.tensor([[[0.5, -1.0, 2.5, -0.75]]])
    torch.testing.assert_close(small.scale_actions(raw), torch.tensor([[[0.0, 0.0, 1.0, 1.0]]]))


def test_missing_actions_become_the_mean(small: JEPA) -> None:
    raw = torch.tensor([[[float("nan"), -0.75, float("nan"), float("nan")]]])
    torch.testing.assert_close(small.scale_actions(raw), torch.tensor([[[0.0, 1.0, 0.0, 0.0]]]))


def test_infinite_actions_are_refused(small: JEPA, actions: Tensor) -> None:
    actions[2, 1, 3] = -float("inf")
    with pytest.raises(UserError) as caught:
        small.predict(torch.zeros(4, 6, 8), actions)
    assert str(caught.value) == (
        "Some actions are infinite, but finite numbers were expected (NaN marks a missing action). "
        "Run `lewm-probe data check` on the data set to find them."
    )


def test_another_action_width_is_refused(small: JEPA) -> None:
    with pytest.raises(UserError) as caught:
        small.predict(torch.zeros(1, 3, 8), torch.zeros(1, 3, 10))
    assert str(caught.value) == (
        "Action blocks of width 10 were given to a model that expects 4 (2 environment steps of 2 "
        "numbers). Use data of the world and frame-skip this checkpoint was trained on, or another "
        "checkpoint."
    )


def test_unequal_frames_are_refused(small: JEPA) -> None:
    with pytest.raises(UserError) as caught:
        small.predict(torch.zeros(1, 3, 8), torch.zeros(1, 2, 4))
    assert str(caught.value) == (
        "Latents (1, 3, 8) and action blocks (1, 2, 4) do not match: (B, T, D) and (B, T, A) with "
        "equal B and T were expected. Give every frame the block that follows it."
    )


@pytest.mark.parametrize("history", [1, 3])
def test_windows_longer_than_the_history_are_refused(
    small_config: ModelConfig, history: int
) -> None:
    model = JEPA(small_config.model_copy(update={"history": history}), RAW)
    with pytest.raises(UserError) as caught:
        model.predict_scaled(torch.zeros(2, 4, 8), torch.zeros(2, 4, 4))
    assert str(caught.value) == (
        f"A window of 4 frames was given to a predictor that sees {history} (model.history). Give "
        "fewer, or use predict, which slides it over longer trajectories."
    )


def test_statistics_of_another_width_are_refused(small_config: ModelConfig) -> None:
    with pytest.raises(UserError) as caught:
        JEPA(small_config, ActionStatistics(mean=(0.0,), std=(1.0,)))
    assert str(caught.value) == (
        "The action statistics are of 1 dimensions, but the model's environment actions have 2 "
        "(model.env_action_width). Take the statistics from the data set the model is trained on."
    )


# ---- prediction


def _window_by_window(model: JEPA, z: Tensor, actions: Tensor) -> Tensor:
    history, out = model.spec.history, []
    for t in range(z.shape[1]):
        window = slice(max(0, t - history + 1), t + 1)
        scaled = model.scale_actions(actions[:, window])
        out.append(model.predict_scaled(z[:, window], scaled)[:, -1])
    return torch.stack(out, 1)


@settings(max_examples=15, deadline=None)
@given(batch=st.integers(1, 5), frames=st.integers(1, 11), history=st.integers(1, 5))
@torch.no_grad()
def test_sliding_is_window_by_window(
    awaken: Callable[[JEPA], JEPA],
    small_config: ModelConfig,
    batch: int,
    frames: int,
    history: int,
) -> None:
    config = small_config.model_copy(update={"history": history})
    model = awaken(JEPA(config, RAW)).eval()
    z, actions = torch.randn(batch, frames, 8), torch.randn(batch, frames, 4)
    predicted = model.predict(z, actions)
    torch.testing.assert_close(predicted, _window_by_window(model, z, actions))
    assert model.full_context(frames).tolist() == [t >= history - 1 for t in range(frames)]


@torch.no_grad()
def test_position_t_depends_on_exactly_the_last_history_frames(
    small: JEPA, actions: Tensor
) -> None:
    torch.manual_seed(0)
    z = torch.randn(4, 6, 8)
    before = small.predict(z, actions)
    for changed in range(6):
        other_z, other_a = z.clone(), actions.clone()
        other_z[:, changed] += torch.randn(8)
        other_a[:, changed] += torch.randn(4)
        for after in (small.predict(other_z, actions), small.predict(z, other_a)):
            moved = (after - before).abs().amax((0, 2)) > 1e-4
            assert moved.tolist() == [changed <= t <= changed + 2 for t in range(6)]


@torch.no_grad()
def test_predicting_in_chunks_changes_nothing(
    small: JEPA, actions: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    z = torch.randn(4, 6, 8)
    whole = small.predict(z, actions)
    monkeypatch.setattr(sliding, "PREDICT_WINDOWS", 3)
    torch.testing.assert_close(small.predict(z, actions), whole)


def test_predict_uses_eval_mode_and_lets_gradients_through(small: JEPA, actions: Tensor) -> None:
    z = torch.randn(4, 6, 8)
    expected = small.predict(z, actions)
    small.train()
    wanted = actions.clone().requires_grad_()
    predicted = small.predict(z, wanted)
    torch.testing.assert_close(predicted, expected)
    assert small.training and predicted.requires_grad and not expected.requires_grad
    predicted.sum().backward()
    assert wanted.grad is not None and bool(wanted.grad.abs().sum() > 0)


@torch.no_grad()
def test_rollout_feeds_predictions_back(small: JEPA) -> None:
    context, past = torch.randn(2, 3, 8), torch.randn(2, 2, 4)
    plans = torch.randn(2, 5, 4, 4)  # (B, S, K, A)
    imagined = small.rollout(context, past, plans)
    assert imagined.shape == (2, 5, 4, 8)
    z, a = context[1:], torch.cat([past[1:], plans[1:, 3]], 1)
    for k in range(4):
        following = small.predict(z, a[:, : z.shape[1]])[:, -1:]
        z = torch.cat([z, following], 1)
        torch.testing.assert_close(imagined[1:, 3, k], following[:, 0])


# ---- controls and identity


def test_initial_weights_follow_the_seed(small_config: ModelConfig) -> None:
    state = torch.random.get_rng_state()
    first = JEPA(small_config, RAW, train_seed=5)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(99)
    again, other = JEPA(small_config, RAW, train_seed=5), JEPA(small_config, RAW, train_seed=6)
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_reinitialized(small: JEPA) -> None:
    fresh = small.reinitialized(11)
    assert fresh.config == small.config
    assert fresh.action_statistics == small.action_statistics
    assert fresh.spec.train_seed == 11 and fresh.spec.step is None
    assert fresh.fingerprint == small.reinitialized(11).fingerprint
    assert len({fresh.fingerprint, small.fingerprint, small.reinitialized(12).fingerprint}) == 3
    assert all(p.requires_grad for p in fresh.parameters())


@pytest.mark.parametrize("encoder", ["cnn", "resnet18"])
def test_recalibrated_batch_norm_is_the_mean_over_batches(
    encoder: str, small_config: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config.model_copy(
        update={"image_size": 32, "encoder": EncoderConfig.model_validate({"name": encoder})}
    )
    model = JEPA(config, RAW).eval()
    pixels = torch.randint(0, 256, (6, 5, 32, 32, 3), dtype=torch.uint8)
    actions = torch.randn(6, 5, 4)
    monkeypatch.setattr(jepa, "RECALIBRATION_BATCH", 10)
    untouched = model.pred_proj.net[1].running_mean.clone()
    with torch.no_grad():
        model.projector.net[1].running_mean.fill_(50.0)
    model.recalibrate_batch_norm(pixels)
    assert torch.equal(model.pred_proj.net[1].running_mean, untouched)
    assert not any(m.training for m in model.modules())

    reference = JEPA(config, RAW).train()
    inputs, means, variances = pixels.flatten(0, 1), [], []
    with torch.no_grad():
        for first in range(3):
            hidden = reference.projector.net[0](reference._features(inputs[first::3]))
            means.append(hidden.mean(0))
            variances.append(hidden.var(0))
    norm = model.projector.net[1]
    torch.testing.assert_close(norm.running_mean, torch.stack(means).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack(variances).mean(0))
    assert norm.momentum == 0.1

    model.recalibrate_batch_norm(pixels, actions)
    assert not torch.equal(model.pred_proj.net[1].running_mean, untouched)
    with torch.no_grad():
        predicted = model.predict(model.encode(pixels), actions)[:, 2:]
    # Standardised hidden units, so outputs of ordinary size.
    assert 0.01 < float(predicted.std()) < 10


def test_recalibration_makes_random_latents_ordinary(small: JEPA, pixels: Tensor) -> None:
    """What it is for: a random model's latents are standardised before the last linear layer."""
    fresh = small.reinitialized(0).eval()
    fresh.recalibrate_batch_norm(pixels)
    with torch.no_grad():
        hidden = fresh.projector.net[:2](fresh.embed_features(pixels)["cls"].flatten(0, 1))
    torch.testing.assert_close(hidden.mean(0), torch.zeros(16), atol=1e-5, rtol=0)
    torch.testing.assert_close(hidden.var(0), torch.ones(16), atol=0.05, rtol=0)


def test_fingerprint_follows_weights_statistics_and_configuration(
    small: JEPA, small_config: ModelConfig, statistics: ActionStatistics
) -> None:
    before = small.fingerprint
    assert small.fingerprint == before
    with torch.no_grad():
        small.encoder.get_parameter("linear.bias")[0] += 1.0
    moved = small.fingerprint
    assert moved != before
    small.encoder.get_parameter("linear.bias").data[0] -= 1.0  # as moving averages do, uncounted
    assert small.fingerprint != moved
    optimizer = torch.optim.SGD(small.parameters(), lr=0.1)
    small.embed(torch.zeros(1, 1, 16, 16, 3, dtype=torch.uint8)).sum().backward()
    optimizer.step()
    assert small.fingerprint not in (before, moved)
    other_statistics = JEPA(small_config, RAW)
    assert other_statistics.fingerprint != JEPA(small_config, statistics).fingerprint
    slower = small_config.model_copy(update={"frame_skip": 1, "env_action_width": 4})
    wide = ActionStatistics(mean=(0.0,) * 4, std=(1.0,) * 4)
    assert JEPA(slower, wide).fingerprint != other_statistics.fingerprint


def test_spec(small: JEPA) -> None:
    spec = small.spec
    assert (spec.family, spec.history, spec.frame_skip, spec.image_size) == ("lewm", 3, 2, 16)
    assert (spec.action_kind, spec.action_width, spec.latent_width) == ("continuous", 4, 8)
    assert (spec.world, spec.train_seed, spec.step) == ("two-room", 3, 0)
