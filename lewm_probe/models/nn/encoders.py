"""From an encoder's name to its network."""

from __future__ import annotations

from torch import nn

from lewm_probe.models.config import ModelConfig
from lewm_probe.models.nn.cnn import CNN
from lewm_probe.models.nn.resnet import ResNet18
from lewm_probe.models.nn.vit import ViT


def make_encoder(config: ModelConfig) -> nn.Module:
    """A network of normalised images (N, 3, S, S) → (N, ``config.encoder.output_width``)."""
    encoder = config.encoder
    if encoder.is_vit:
        return ViT(encoder.vit, config.image_size)
    if encoder.name == "resnet18":
        return ResNet18()
    return CNN(encoder.cnn_channels, config.image_size, encoder.output_width)
