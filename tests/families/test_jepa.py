from __future__ import annotations

import pytest
import torch

from lewm_probe.core.errors import UsageError
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.config import EncoderConfig, ModelConfig, PredictorConfig
from lewm_probe.models.family import FAMILIES, ModelFamily, Origin

KNOWN = ", ".join(FAMILIES.names())
STATISTICS = ActionStatistics(mean=(0.0, 0.0), std=(1.0, 1.0))
TERMS = {
    "lewm": {"prediction", "sigreg", "loss"},
    "pldm": {
        "prediction",
        "variance",
        "covariance",
        "smoothness",
        "temporal_variance",
        "temporal_covariance",
        "inverse_dynamics",
        "loss",
    },
    "straightened": {"prediction", "sigreg", "curvature", "loss"},
    "sub_jepa": {"prediction", "sigreg", "loss"},
}
"""Of every family whose model is the JEPA."""
OWN = {"sub_jepa": {"subspaces": 2}}
"""Settings that fit a latent of width 4."""


@pytest.fixture(scope="module")
def config() -> ModelConfig:
    return ModelConfig(
        image_size=16,
        latent_width=4,
        projector_hidden=8,
        encoder=EncoderConfig(name="cnn", channels=(4, 4), width=8),
        predictor=PredictorConfig(layers=1, heads=1, head_width=4, mlp_width=8),
    )


def test_the_families_that_are_built_in() -> None:
    labels = {name: family.card.label for name, family in FAMILIES.all().items()}
    assert labels == {
        "dino_wm": "DINO-WM",
        "dino_wm-random": "Frozen ViT, random",
        "dino_wm-ssl": "Frozen ViT, pre-trained here",
        "frozen_encoder": "Frozen encoder",
        "lewm": "LeWM",
        "masked_patches": "Masked patches, no dynamics",
        "pldm": "PLDM",
        "straightened": "LeWM + straightening",
        "sub_jepa": "Sub-JEPA",
    }
    colors = [family.card.color for family in FAMILIES.all().values()]
    assert len(set(colors)) == len(colors)


def test_an_unknown_family_names_the_nearest() -> None:
    with pytest.raises(UsageError) as error:
        FAMILIES.get("plmd")
    assert str(error.value) == f"Unknown family 'plmd'. Did you mean 'pldm'? Known: {KNOWN}."


@pytest.mark.parametrize("name", TERMS)
def test_a_batch_becomes_terms_and_latents(name: str, config: ModelConfig) -> None:
    family = FAMILIES.get(name)
    assert isinstance(family, ModelFamily)
    assert family.columns(config) == ()
    model = family.build(config, STATISTICS, Origin(family=name, world="two-room", seed=3))
    assert (model.spec.family, model.spec.world, model.spec.train_seed) == (name, "two-room", 3)
    trainee = family.trainee(model, family.objective_config(name=name, **OWN.get(name, {})))
    assert trainee.model is model
    pixels = torch.randint(0, 256, (6, 4, 16, 16, 3), dtype=torch.uint8)
    batch = {"pixels": pixels, "action": torch.randn(6, 4, 10)}
    terms, latents = trainee(batch, torch.Generator().manual_seed(0))
    assert terms.keys() == TERMS[name]
    assert latents.shape == (6, 4, 4)
    assert not latents.requires_grad
    terms["loss"].backward()
    assert all(p.grad is not None for p in model.encoder.parameters())


@pytest.mark.parametrize("name", TERMS)
def test_more_layers_than_there_can_be(name: str) -> None:
    family = FAMILIES.get(name)
    assert family.check_claims(ModelConfig(), 303) == ""
    assert family.check_claims(ModelConfig(), 179) == (
        "has 18 layers in encoder and predictor, but the file has 179 tensors, too few for them"
    )


@pytest.mark.parametrize("name", TERMS)
def test_a_longer_window_is_encoded_once_for_all_its_predictions(
    name: str, config: ModelConfig
) -> None:
    family = FAMILIES.get(name)
    model = family.build(config, STATISTICS, Origin(family=name, world="two-room", seed=3))
    trainee = family.trainee(model, family.objective_config(name=name, **OWN.get(name, {}))).eval()
    encoded: list[int] = []
    model.encoder.register_forward_hook(lambda _, __, out: encoded.append(len(out)))
    frames = model.spec.history + 5
    pixels = torch.randint(0, 256, (6, frames, 16, 16, 3), dtype=torch.uint8)
    actions = torch.randn(6, frames, 10)
    terms, latents = trainee({"pixels": pixels, "action": actions}, torch.Generator())
    assert encoded == [6 * frames]
    wanted = model.predict(latents, actions)[:, :-1]
    torch.testing.assert_close(
        terms["prediction"], (wanted - latents[:, 1:]).square().mean(), rtol=1e-5, atol=1e-7
    )
