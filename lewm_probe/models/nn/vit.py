"""The paper's image encoder: a vision transformer whose CLS token is the feature vector.

Dosovitskiy et al., arXiv 2010.11929, pre-norm, exact GELU. Ours rather than a library's because
released checkpoints name its tensors after transformers 4.x, and that library renamed them in 5.9;
the attribute names here are the released ones, so that a state dict maps one to one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lewm_probe.models.config import VitShape

NORM_EPS = 1e-12
"""ViTConfig.layer_norm_eps of the released encoders."""

INITIAL_STD = 0.02
"""ViTConfig.initializer_range: weights, positions and CLS start truncated normal with this SD."""


class ViT(nn.Module):
    """(N, 3, H, W) → the last layer's CLS token after layer norm, (N, width).

    Images of another size than ``image_size`` get bicubically interpolated position embeddings;
    their sides must be multiples of the patch.
    """

    def __init__(self, shape: VitShape, image_size: int) -> None:
        super().__init__()
        self.embeddings = Embeddings(shape, image_size)
        self.encoder = Layers(shape)
        self.layernorm = nn.LayerNorm(shape.width, eps=NORM_EPS)
        self.apply(initialise)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (N, 3, H, W) → (N, width)."""
        out: Tensor = self.layernorm(self.encoder(self.embeddings(images)))
        return out


class Embeddings(nn.Module):
    """Patches, CLS token and learned positions."""

    def __init__(self, shape: VitShape, image_size: int) -> None:
        super().__init__()
        side = image_size // shape.patch_size
        self.cls_token = nn.Parameter(torch.empty(1, 1, shape.width))
        self.position_embeddings = nn.Parameter(torch.empty(1, side * side + 1, shape.width))
        self.patch_embeddings = PatchEmbeddings(shape.width, shape.patch_size)
        for parameter in (self.cls_token, self.position_embeddings):
            nn.init.trunc_normal_(parameter, std=INITIAL_STD)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) → tokens (N, 1 + P, width), CLS first."""
        patches = self.patch_embeddings(images)  # (N, width, h, w)
        positions = positions_for(self.position_embeddings, *patches.shape[2:])
        cls = self.cls_token.expand(len(patches), -1, -1)
        return torch.cat([cls, patches.flatten(2).mT], dim=1) + positions


def positions_for(learned: Tensor, rows: int, columns: int, *, antialias: bool = False) -> Tensor:
    """Position embeddings (1, 1 + P, width) for another grid: (1, 1 + rows·columns, width).

    That of the CLS token, the first, stays; the others are interpolated bicubically.
    """
    side = round((learned.shape[1] - 1) ** 0.5)
    if (rows, columns) == (side, side):
        return learned
    grid = learned[:, 1:].unflatten(1, (side, side)).permute(0, 3, 1, 2).float()  # (1, width, s, s)
    size = (rows, columns)
    grid = F.interpolate(grid, size, mode="bicubic", align_corners=False, antialias=antialias)
    return torch.cat([learned[:, :1], grid.to(learned).flatten(2).mT], dim=1)


class PatchEmbeddings(nn.Module):
    """A linear map of every patch, as a convolution."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(3, width, kernel_size=patch, stride=patch)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) → (N, width, H / patch, W / patch)."""
        out: Tensor = self.projection(images)
        return out


class Layers(nn.Module):
    """The blocks; what leaves is the CLS token alone."""

    def __init__(self, shape: VitShape) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(shape) for _ in range(shape.layers))

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, 1 + P, width) → (N, width)."""
        last = len(self.layer) - 1
        for index, layer in enumerate(self.layer):
            # Nobody reads the last layer's patch tokens, so they are not computed.
            tokens = layer(tokens, queries=1 if index == last else tokens.shape[1])
        return tokens[:, 0]


class Layer(nn.Module):
    """Pre-norm attention and MLP."""

    def __init__(self, shape: VitShape) -> None:
        super().__init__()
        self.attention = Attention(shape)
        self.intermediate = Dense(shape.width, shape.mlp_width)
        self.output = Dense(shape.mlp_width, shape.width)
        self.layernorm_before = nn.LayerNorm(shape.width, eps=NORM_EPS)
        self.layernorm_after = nn.LayerNorm(shape.width, eps=NORM_EPS)

    def forward(self, tokens: Tensor, queries: int) -> Tensor:
        """(N, K, width) → the first ``queries`` tokens, (N, queries, width)."""
        x = tokens[:, :queries] + self.attention(self.layernorm_before(tokens), queries)
        out: Tensor = x + self.output(F.gelu(self.intermediate(self.layernorm_after(x))))
        return out


class Attention(nn.Module):
    """Multi-head attention and its output map."""

    def __init__(self, shape: VitShape) -> None:
        super().__init__()
        self.attention = QueryKeyValue(shape.width, shape.heads)
        self.output = Dense(shape.width, shape.width)

    def forward(self, tokens: Tensor, queries: int) -> Tensor:
        """(N, K, width) → (N, queries, width)."""
        out: Tensor = self.output(self.attention(tokens, queries))
        return out


class QueryKeyValue(nn.Module):
    """Attention of the first ``queries`` tokens to all."""

    def __init__(self, width: int, heads: int, *, bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=bias)
        self.key = nn.Linear(width, width, bias=bias)
        self.value = nn.Linear(width, width, bias=bias)

    def forward(self, tokens: Tensor, queries: int) -> Tensor:
        """(N, K, width) → (N, queries, width)."""
        asking = tokens[:, :queries].contiguous()
        q, k, v = (
            x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (N, heads, ·, width / heads)
            for x in (self.query(asking), self.key(tokens), self.value(tokens))
        )
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class Dense(nn.Module):
    """A linear layer under the name released checkpoints give it."""

    def __init__(self, width: int, output_width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, output_width)

    def forward(self, x: Tensor) -> Tensor:
        """(…, width) → (…, output width)."""
        out: Tensor = self.dense(x)
        return out


def initialise(module: nn.Module) -> None:
    """Give a linear map or convolution the released encoders' random weights."""
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.trunc_normal_(module.weight, std=INITIAL_STD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
