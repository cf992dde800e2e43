"""The model: sizes as published, who sees whom, and the order of slots."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.families.dino_wm.config import DinoWMConfig
from lewm_probe.families.dino_wm.family import DINO_WM_RANDOM
from lewm_probe.families.dino_wm.model import DinoModel
from lewm_probe.families.dino_wm.predictor import frame_causal
from lewm_probe.models.check.run import check_world_model
from lewm_probe.models.family import Origin

STATISTICS = ActionStatistics(mean=(0.5, 0.0), std=(2.0, 1.0))
ORIGIN = Origin(family="dino_wm-random", world="two-room", seed=3)


def small(**keys: Any) -> DinoModel:
    raw = {
        "image_size": 16,
        "encoder_size": 16,
        "frame_skip": 1,
        "action_embedding": 3,
        "encoder": {
            "shape": {
                "width": 12,
                "layers": 2,
                "heads": 2,
                "mlp_width": 24,
                "patch_size": 8,
                "image_size": 16,
            }
        },
        "predictor": {"layers": 1, "heads": 2, "head_width": 4, "mlp_width": 16},
    }
    config = DinoWMConfig.model_validate({**raw, **keys})
    model = DINO_WM_RANDOM.build(config, STATISTICS, ORIGIN)
    return model.eval()


def test_sizes_are_the_published_ones() -> None:
    """404 = 384 + 10 + 10; 196 tokens by the authors, 256 by stable-worldmodel; positions."""
    config = DinoWMConfig(proprio_width=4)
    assert (config.tokens, config.token_width, config.action_width) == (196, 404, 10)
    other = config.model_copy(update={"encoder_size": 224})
    assert other.tokens == 256
    with torch.device("meta"):
        model = DINO_WM_RANDOM.build(other, STATISTICS, ORIGIN)
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert shapes["predictor.pos_embedding"] == (1, 768, 404)
    assert shapes["predictor.transformer.layers.5.0.to_qkv.weight"] == (3072, 404)
    assert shapes["predictor.transformer.layers.0.1.net.1.weight"] == (2048, 404)
    assert shapes["extra_encoders.action.patch_embed.weight"] == (10, 10, 1)
    assert shapes["extra_encoders.proprio.patch_embed.weight"] == (10, 4, 1)
    assert shapes["backbone.embeddings.position_embeddings"] == (1, 1370, 384)


def test_it_keeps_what_a_world_model_promises() -> None:
    for keys in ({}, {"proprio_width": 3, "proprio_embedding": 2}):
        report = check_world_model(small(**keys))
        assert not report.failed, str(report)


def test_tokens_of_a_frame_see_each_other_and_the_past() -> None:
    mask = frame_causal(3, 2, torch.device("cpu"))
    for asking in range(6):
        for seen in range(6):
            assert mask[asking, seen] == (seen // 2 <= asking // 2)


def test_slots_are_visual_proprioception_action() -> None:
    """Taken apart at the predictor's door, whatever it makes of them."""
    model = small(proprio_width=3, proprio_embedding=2)
    model.proprio_mean.fill_(1.0)
    model.proprio_std.fill_(4.0)
    seen: list[torch.Tensor] = []
    model.predictor.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    pixels = torch.randint(0, 256, (2, 3, 16, 16, 3), dtype=torch.uint8)
    proprio, actions = torch.randn(2, 3, 3), torch.randn(2, 3, 2)
    latents = model.encode({"pixels": pixels, "proprio": proprio})
    predicted = model.predict(latents, actions)
    (tokens,) = seen
    assert tokens.shape == (2, 3, 4, 12 + 2 + 3)
    images = (pixels.float() / 255 - 0.5) / 0.5
    patches = model.backbone.patches(images.flatten(0, 1).movedim(-1, 1)).unflatten(0, (2, 3))
    torch.testing.assert_close(tokens[..., :12], patches, atol=1e-5, rtol=1e-5)
    own = model.extra_encoders["proprio"]((proprio - 1) / 4)
    act = model.extra_encoders["action"]((actions - torch.tensor([0.5, 0])) / torch.tensor([2, 1]))
    for token in range(4):
        torch.testing.assert_close(tokens[:, :, token, 12:14], own)
        torch.testing.assert_close(tokens[:, :, token, 14:], act)
    assert predicted.shape == latents.shape  # action slots are dropped


def test_a_rollout_has_the_next_action_in_its_slots() -> None:
    """By hand: predict, put the next action beside what was predicted, predict again."""
    model = small(history=2)
    context = torch.randn(1, 2, 4, 12)
    past, future = torch.randn(1, 1, 2), torch.randn(1, 1, 3, 2)
    imagined = model.rollout(context, past, future)[0, 0]
    latents, actions = context, torch.cat([past, future[:, 0]], dim=1)
    for step in range(3):
        following = model.predict(latents[:, step : step + 2], actions[:, step : step + 2])[:, -1:]
        torch.testing.assert_close(imagined[step], following[0, 0])
        latents = torch.cat([latents, following], dim=1)


def test_images_are_resized_before_they_are_encoded() -> None:
    model = small(image_size=32)
    pixels = torch.randint(0, 256, (1, 2, 32, 32, 3), dtype=torch.uint8)
    images = (pixels[0].float().movedim(-1, 1) / 255 - 0.5) / 0.5
    resized = F.interpolate(images, (16, 16), mode="bilinear", antialias=True)
    wanted = model.backbone.patches(resized)
    torch.testing.assert_close(model.encode(pixels)[0], wanted, atol=1e-5, rtol=1e-5)


def test_without_proprioception_the_model_is_told_the_mean() -> None:
    model = small(proprio_width=3)
    model.proprio_mean.fill_(5.0)
    pixels = torch.randint(0, 256, (1, 2, 16, 16, 3), dtype=torch.uint8)
    mean = torch.full((1, 2, 3), 5.0)
    torch.testing.assert_close(
        model.encode(pixels), model.encode({"pixels": pixels, "proprio": mean})
    )


def test_what_analyses_see_is_the_visual_part() -> None:
    model = small(proprio_width=3, proprio_embedding=2)
    latents = torch.randn(2, 3, 4, 14)
    assert model.spec.latent_width == 12
    torch.testing.assert_close(model.features(latents)["z"], latents[..., :12].mean(2))
    other = latents.clone()
    other[..., 12:] += 1
    assert not model.surprise(latents, other).any()
    torch.testing.assert_close(model.goal_cost(latents, other), torch.ones(2, 3))
    other[..., :12] += 2
    torch.testing.assert_close(model.surprise(latents, other), torch.full((2, 3), 4.0))


def test_a_random_twin_has_another_encoder() -> None:
    model = small()
    twin = model.reinitialized(5)
    assert twin.spec.train_seed == 5
    name = "embeddings.patch_embeddings.projection.weight"
    assert not torch.equal(twin.backbone.state_dict()[name], model.backbone.state_dict()[name])
    again = model.reinitialized(5)
    assert again.fingerprint == twin.fingerprint != model.fingerprint


def test_a_window_longer_than_the_history_is_refused() -> None:
    model = small()
    with pytest.raises(UserError) as caught:
        model.predict_scaled(torch.zeros(1, 4, 4, 12), torch.zeros(1, 4, 2))
    assert str(caught.value) == (
        "A window of 4 frames was given to a predictor that sees 3 (model.history). Give fewer, or "
        "use predict, which slides it over longer trajectories."
    )


def test_an_image_that_has_no_whole_patches_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        DinoWMConfig(encoder_size=200)
    assert str(caught.value) == (
        "An image of 200 px cannot be cut into patches of 14 px. Set model.encoder_size to a "
        "multiple of 14, such as 196 or 210."
    )
