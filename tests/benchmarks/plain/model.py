"""A LeWM with its parts computed plainly; weights are shared with the model that it is made of.

Every token of every layer of the ViT is computed, images are normalised as floats, SIGReg is its
formula, and AdamW is torch's default.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lewm_probe.models.images import IMAGENET_MEAN, IMAGENET_STD
from lewm_probe.models.jepa import JEPA
from lewm_probe.models.nn.vit import ViT
from tests.benchmarks.plain.sigreg import sigreg


def normalise(pixels: Tensor) -> Tensor:
    """uint8 (N, H, W, 3) → (N, 3, H, W)."""
    images = pixels.permute(0, 3, 1, 2).float() / 255
    mean = images.new_tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
    std = images.new_tensor(IMAGENET_STD).view(1, 3, 1, 1)
    return (images - mean) / std


def vit(model: ViT, images: Tensor) -> Tensor:
    """(N, 3, H, W) → (N, width)."""
    tokens = model.embeddings(images)
    for layer in model.encoder.layer:
        normed = layer.layernorm_before(tokens)
        own = layer.attention.attention
        q, k, v = (
            part(normed).unflatten(-1, (own.heads, -1)).transpose(1, 2)
            for part in (own.query, own.key, own.value)
        )
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        tokens = tokens + layer.attention.output(mixed)
        hidden = F.gelu(layer.intermediate(layer.layernorm_after(tokens)))
        tokens = tokens + layer.output(hidden)
    out: Tensor = model.layernorm(tokens)[:, 0]
    return out


def encode(model: JEPA, pixels: Tensor) -> Tensor:
    """uint8 (N, H, W, 3) → latents (N, D)."""
    images = normalise(pixels)
    encoder = model.encoder
    features = vit(encoder, images) if isinstance(encoder, ViT) else encoder(images)
    latents: Tensor = model.projector(features)
    return latents


def loss(
    model: JEPA, pixels: Tensor, actions: Tensor, directions: Tensor, weight: float = 0.09
) -> Tensor:
    """Of uint8 (B, T, H, W, 3) and raw blocks (B, T, A)."""
    latents = encode(model, pixels.flatten(0, 1)).unflatten(0, pixels.shape[:2])
    scaled = model.scale_actions(actions)
    predicted = model.predict_scaled(latents[:, :-1], scaled[:, :-1])
    return (predicted - latents[:, 1:]).square().mean() + weight * sigreg(latents, directions)


def optimise(model: JEPA, optimizer: torch.optim.Optimizer, loss: Tensor) -> float:
    """One step down; the loss."""
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()
