from __future__ import annotations

from typing import Any

import pytest
import torch

from lewm_probe.models.config import EncoderConfig, ModelConfig
from lewm_probe.models.nn.encoders import make_encoder
from lewm_probe.models.trainable import count_parameters

SMALL: list[tuple[str, dict[str, Any]]] = [
    ("vit-tiny", {"patch_size": 16, "layers": 1}),
    ("vit-small", {"patch_size": 16, "layers": 1}),
    ("vit-base", {"patch_size": 16, "layers": 1}),
    ("resnet18", {}),
    ("cnn", {}),
]


@pytest.mark.parametrize(("name", "sizes"), SMALL)
def test_every_encoder_runs_and_learns(name: str, sizes: dict[str, Any]) -> None:
    config = ModelConfig(
        image_size=32, encoder=EncoderConfig.model_validate({"name": name} | sizes)
    )
    torch.manual_seed(0)
    encoder = make_encoder(config)
    features = encoder(torch.randn(4, 3, 32, 32))
    assert features.shape == (4, config.encoder.output_width)
    features.square().mean().backward()
    for parameter in encoder.parameters():
        assert parameter.grad is not None
        assert bool(torch.isfinite(parameter.grad).all())


def test_resnet18_has_the_published_size() -> None:
    # 11,689,512 with the 512 → 1000 classifier (He et al.'s ResNet-18 in torchvision).
    config = ModelConfig(image_size=32, encoder=EncoderConfig(name="resnet18"))
    assert count_parameters(make_encoder(config)) == 11_689_512 - 513_000


def test_resnet18_pools_over_the_image() -> None:
    config = ModelConfig(image_size=64, encoder=EncoderConfig(name="resnet18"))
    encoder = make_encoder(config).eval()
    with torch.no_grad():
        assert encoder(torch.randn(1, 3, 96, 64)).shape == (1, 512)
        maps = encoder.get_submodule("blocks")(
            encoder.get_submodule("stem")(torch.randn(1, 3, 64, 64))
        )
    assert maps.shape == (1, 512, 2, 2)


@pytest.mark.parametrize("size", [16, 17, 30, 64])
def test_cnn_takes_any_size(size: int) -> None:
    encoder = EncoderConfig(name="cnn", channels=(3, 8), width=5)
    network = make_encoder(ModelConfig(image_size=size, encoder=encoder))
    assert network(torch.randn(2, 3, size, size)).shape == (2, 5)


def test_cnn_features_do_not_depend_on_the_batch() -> None:
    torch.manual_seed(0)
    encoder = EncoderConfig(name="cnn", channels=(8, 16))
    network = make_encoder(ModelConfig(image_size=16, encoder=encoder)).train()
    images = torch.randn(6, 3, 16, 16)
    torch.testing.assert_close(network(images[:1]), network(images)[:1])
