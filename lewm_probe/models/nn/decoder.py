"""A diagnostic decoder: what picture do these latents stand for?

LeWorldModel (arXiv 2603.19312) shows decoded latents: the latent is key and value of a
cross-attention whose queries are learned, one for each patch of the picture, with residual MLPs
after it and a linear map to pixels. It is trained afterwards, on frozen latents, and is never part
of a world model's loss.

Differences, all of which let it learn in a minute on one core: pictures are drawn as what differs
from the mean picture, the last map begins at zero, so that training begins at that mean, and
latents are centred and scaled to an SD of 1 before anything else. Queries begin as sines and
cosines of their patch's place, so that what is learned in one patch helps its neighbours. The paper
gives neither widths nor the number of layers; ours are settings. On request a latent of one vector
is split into several learned tokens, between which queries then choose; the paper has one.

Symbols: N latents, K tokens a latent (1 for LeWM and PLDM), D latent width, P patches, W width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

POSITION_STD = 0.02
"""SD that positions of tokens begin with, as those of our ViT do."""


@dataclass(frozen=True)
class DecoderShape:
    """A decoder's sizes.

    Attributes:
        image_size: side of the picture, px; a multiple of ``patch``.
        patch: side of a patch, px.
        latent_width: D.
        tokens: K.
        split: learned tokens that each of them becomes.
        width: W, a multiple of ``heads``.
        layers: blocks of cross-attention and MLP.
        heads: of the attention.
        mlp_width: hidden width of each MLP.
    """

    image_size: int
    patch: int
    latent_width: int
    tokens: int
    split: int
    width: int
    layers: int
    heads: int
    mlp_width: int

    @property
    def side(self) -> int:
        """Patches along a side."""
        return self.image_size // self.patch


class Decoder(nn.Module):
    """Latents (N, K, D) → pictures (N, 3, S, S) on a scale from 0 to 1, not clipped.

    Attributes:
        mean: the picture that it begins with, (3, S, S).
        centre: of latents, (K, D).
        scale: their overall SD.

    Raises:
        ValueError: sides that no whole number of patches fills, or heads that do not share W.
    """

    def __init__(self, shape: DecoderShape) -> None:
        super().__init__()
        if shape.image_size % shape.patch or shape.width % shape.heads:
            raise ValueError(f"{shape} does not come out even")
        self.shape = shape
        self.mean: Tensor
        self.centre: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(3, shape.image_size, shape.image_size))
        self.register_buffer("centre", torch.zeros(shape.tokens, shape.latent_width))
        self.register_buffer("scale", torch.ones(()))
        self.queries = nn.Parameter(waves(shape.side, shape.width))
        self.positions = nn.Parameter(torch.empty(shape.tokens * shape.split, shape.width))
        nn.init.trunc_normal_(self.positions, std=POSITION_STD)
        self.tokens = nn.Linear(shape.latent_width, shape.split * shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)
        self.pixels = nn.Linear(shape.width, 3 * shape.patch**2)
        nn.init.zeros_(self.pixels.weight)
        nn.init.zeros_(self.pixels.bias)

    def forward(self, latents: Tensor) -> Tensor:
        """(N, K, D) → (N, 3, S, S)."""
        tokens = self.tokens((latents - self.centre) / self.scale)  # (N, K, split·W)
        tokens = tokens.unflatten(2, (self.shape.split, -1)).flatten(1, 2) + self.positions
        x = self.queries.expand(len(latents), -1, -1)  # (N, P, W)
        for block in self.blocks:
            x = block(x, tokens)
        patches = self.pixels(self.norm(x))  # (N, P, 3·patch²)
        side, patch = self.shape.side, self.shape.patch
        grid = patches.unflatten(2, (3, patch, patch)).unflatten(1, (side, side))
        drawn = grid.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)  # (N, 3, S, S)
        return self.mean + drawn


def waves(side: int, width: int) -> Tensor:
    """Sines and cosines of places on a grid, from half a period across it to one in two patches.

    Width ``width``, of which a quarter each is of x and y, sine and cosine; what is left over is 0.
    """
    count = width // 4
    found = torch.zeros(side * side, width)
    if count == 0:
        return found
    frequencies = math.pi * torch.logspace(-math.log2(max(2, side)), 0, count, base=2.0)
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    parts = [
        wave(place.reshape(-1, 1) * frequencies)
        for place in (columns, rows)
        for wave in (torch.sin, torch.cos)
    ]
    found[:, : 4 * count] = torch.cat(parts, dim=1)
    return found


class Block(nn.Module):
    """Pre-norm cross-attention from queries to latent tokens, and an MLP."""

    def __init__(self, shape: DecoderShape) -> None:
        super().__init__()
        width = shape.width
        self.heads = shape.heads
        self.norm_tokens, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        if shape.tokens * shape.split > 1:  # nothing to choose from otherwise
            self.norm_queries = nn.LayerNorm(width)
            self.to_query, self.to_key = nn.Linear(width, width), nn.Linear(width, width)
        self.to_value, self.to_out = nn.Linear(width, width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, shape.mlp_width), nn.GELU(), nn.Linear(shape.mlp_width, width)
        )

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """Queries (N, P, W), tokens (N, K, W) → (N, P, W)."""
        x = x + self.attend(x, self.norm_tokens(tokens))
        out: Tensor = x + self.mlp(self.norm_mlp(x))
        return out

    def attend(self, x: Tensor, tokens: Tensor) -> Tensor:
        """What each query finds: (N, P, W), (N, K, W) → (N, P or 1, W)."""
        value = self.to_value(tokens)
        if tokens.shape[1] == 1:  # a softmax over one is 1: every query finds the same
            alone: Tensor = self.to_out(value)
            return alone
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (N, heads, P or K, w)
            for part in (self.to_query(self.norm_queries(x)), self.to_key(tokens), value)
        )
        seen = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.to_out(seen.transpose(1, 2).flatten(2))
        return out
