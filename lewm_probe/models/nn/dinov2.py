"""DINOv2's image encoder, with or without registers: every token of the last layer.

Oquab et al., arXiv 2304.07193; registers: Darcet et al., arXiv 2309.16588. A pre-norm ViT whose
branches are scaled by learned numbers (layer scale). Tensors are named as Hugging Face's
transformers 4.x stores them; ``spelled`` knows the names of 5.x too.

Features equal transformers'. The models on torch.hub interpolate positions with an offset of 0.1,
so that their features differ slightly for images of another size than they were trained on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from lewm_probe.core.config import Config
from lewm_probe.core.errors import UsageError
from lewm_probe.models.config import DEEPEST, LARGEST_IMAGE, WIDEST
from lewm_probe.models.nn.vit import (
    INITIAL_STD,
    Dense,
    PatchEmbeddings,
    QueryKeyValue,
    initialise,
    positions_for,
)


class Dinov2Shape(Config):
    """Sizes; the defaults are those of ViT-S/14 as released.

    Attributes:
        width: of a token.
        layers, heads: of the transformer.
        mlp_width: hidden width of an MLP; of the two halves together where it is gated.
        gated: SwiGLU in place of GELU (the giant model).
        patch_size: side of a patch in pixels.
        image_size: side of the images that positions were learned for.
        registers: tokens without a place, behind the CLS token.
        qkv_bias: whether queries, keys and values have biases.
        eps: of the layer norms.
    """

    width: int = Field(384, ge=1, le=WIDEST)
    layers: int = Field(12, ge=1, le=DEEPEST)
    heads: int = Field(6, ge=1, le=DEEPEST)
    mlp_width: int = Field(1536, ge=1, le=WIDEST)
    gated: bool = False
    patch_size: int = Field(14, ge=1, le=WIDEST)
    image_size: int = Field(518, ge=1, le=LARGEST_IMAGE)
    registers: int = Field(0, ge=0, le=64)
    qkv_bias: bool = True
    eps: float = Field(1e-6, gt=0)

    @model_validator(mode="after")
    def _consistent(self) -> Dinov2Shape:
        if self.width % self.heads:
            raise UsageError(
                f"Tokens of width {self.width} cannot be shared among {self.heads} attention "
                "heads: the heads must divide the width."
            )
        if self.image_size < self.patch_size:
            raise UsageError(
                f"Images of {self.image_size} px hold no patch of {self.patch_size} px."
            )
        return self


class Dinov2(nn.Module):
    """Normalised images (N, 3, H, W) → tokens (N, 1 + R + P, width), CLS first, then registers.

    H and W may be any multiples of the patch: positions are interpolated.
    """

    def __init__(self, shape: Dinov2Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embeddings = Embeddings(shape)
        self.encoder = Layers(shape)
        self.layernorm = nn.LayerNorm(shape.width, eps=shape.eps)
        self.apply(initialise)

    def forward(self, images: Tensor, masked: Tensor | None = None) -> Tensor:
        """All tokens after the last layer norm.

        ``masked``, bool (N, P): patches that are hidden, as in pre-training.
        """
        tokens = self.embeddings(images, masked)
        for layer in self.encoder.layer:
            tokens = layer(tokens)
        out: Tensor = self.layernorm(tokens)
        return out

    def patches(self, images: Tensor, masked: Tensor | None = None) -> Tensor:
        """The patch tokens alone, (N, P, width), row by row."""
        tokens: Tensor = self(images, masked)
        return tokens[:, 1 + self.shape.registers :]


class Embeddings(nn.Module):
    """Patches with positions, behind the CLS token and the registers, which have no position."""

    def __init__(self, shape: Dinov2Shape) -> None:
        super().__init__()
        self.shape = shape
        side = shape.image_size // shape.patch_size
        self.cls_token = nn.Parameter(torch.zeros(1, 1, shape.width))
        self.mask_token = nn.Parameter(torch.zeros(1, shape.width))  # of pre-training
        if shape.registers:
            self.register_tokens = nn.Parameter(torch.zeros(1, shape.registers, shape.width))
        self.position_embeddings = nn.Parameter(torch.zeros(1, side * side + 1, shape.width))
        self.patch_embeddings = PatchEmbeddings(shape.width, shape.patch_size)
        for parameter in (self.cls_token, self.position_embeddings):
            nn.init.trunc_normal_(parameter, std=INITIAL_STD)

    def forward(self, images: Tensor, masked: Tensor | None = None) -> Tensor:
        """(N, 3, H, W) → (N, 1 + R + P, width); a masked patch is the mask token, in its place."""
        patches = self.patch_embeddings(images)  # (N, width, h, w)
        seen = patches.flatten(2).mT  # (N, P, width)
        if masked is not None:
            seen = torch.where(masked.unsqueeze(-1), self.mask_token.unsqueeze(1), seen)
        cls = self.cls_token.expand(len(patches), -1, -1)
        tokens = torch.cat([cls, seen], dim=1)
        antialias = self.shape.registers > 0  # as either was released
        learned = self.position_embeddings
        tokens = tokens + positions_for(learned, *patches.shape[2:], antialias=antialias)
        if not self.shape.registers:
            return tokens
        registers = self.register_tokens.expand(len(patches), -1, -1)
        return torch.cat([tokens[:, :1], registers, tokens[:, 1:]], dim=1)


class Layers(nn.Module):
    """The transformer's layers, under the name that checkpoints give them."""

    def __init__(self, shape: Dinov2Shape) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(shape) for _ in range(shape.layers))


class Layer(nn.Module):
    """x + λ₁·attention(norm x), then x + λ₂·MLP(norm x)."""

    def __init__(self, shape: Dinov2Shape) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(shape.width, eps=shape.eps)
        self.attention = Attention(shape)
        self.layer_scale1 = LayerScale(shape.width)
        self.norm2 = nn.LayerNorm(shape.width, eps=shape.eps)
        self.mlp: nn.Module = Gated(shape) if shape.gated else MLP(shape)
        self.layer_scale2 = LayerScale(shape.width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, K, width) → the same."""
        tokens = tokens + self.layer_scale1(self.attention(self.norm1(tokens)))
        out: Tensor = tokens + self.layer_scale2(self.mlp(self.norm2(tokens)))
        return out


class LayerScale(nn.Module):
    """A learned number for each channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lambda1 = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """(…, width) → the same."""
        return x * self.lambda1


class Attention(nn.Module):
    """Multi-head attention and its output map."""

    def __init__(self, shape: Dinov2Shape) -> None:
        super().__init__()
        self.attention = QueryKeyValue(shape.width, shape.heads, bias=shape.qkv_bias)
        self.output = Dense(shape.width, shape.width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, K, width) → the same."""
        out: Tensor = self.output(self.attention(tokens, tokens.shape[1]))
        return out


class MLP(nn.Module):
    """Linear, exact GELU, linear."""

    def __init__(self, shape: Dinov2Shape) -> None:
        super().__init__()
        self.fc1 = nn.Linear(shape.width, shape.mlp_width)
        self.fc2 = nn.Linear(shape.mlp_width, shape.width)

    def forward(self, x: Tensor) -> Tensor:
        """(…, width) → the same."""
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class Gated(nn.Module):
    """SwiGLU: the first half of a linear map, through SiLU, times the second half."""

    def __init__(self, shape: Dinov2Shape) -> None:
        super().__init__()
        self.weights_in = nn.Linear(shape.width, shape.mlp_width)
        self.weights_out = nn.Linear(shape.mlp_width // 2, shape.width)

    def forward(self, x: Tensor) -> Tensor:
        """(…, width) → the same."""
        gate, up = self.weights_in(x).chunk(2, dim=-1)
        out: Tensor = self.weights_out(F.silu(gate) * up)
        return out


_NEWER = (
    (r"attention\.q_proj\.", "attention.attention.query."),
    (r"attention\.k_proj\.", "attention.attention.key."),
    (r"attention\.v_proj\.", "attention.attention.value."),
    (r"attention\.o_proj\.", "attention.output.dense."),
    (r"mlp\.down_proj\.", "mlp.weights_out."),
)
"""Names of transformers 5.x → those of 4.x, within a layer."""


def spelled(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the names of transformers 4.x, whichever version wrote them.

    >>> list(spelled({"encoder.layer.0.attention.o_proj.bias": torch.zeros(2)}))
    ['encoder.layer.0.attention.output.dense.bias']
    """
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        for newer, older in _NEWER:
            name = re.sub(rf"(\.layer\.\d+\.){newer}", rf"\g<1>{older}", name)
        found[name] = tensor
    for name in [n for n in found if ".mlp.gate_proj." in n]:
        up = name.replace(".mlp.gate_proj.", ".mlp.up_proj.")
        if up in found:
            whole = name.replace(".mlp.gate_proj.", ".mlp.weights_in.")
            found[whole] = torch.cat([found.pop(name), found.pop(up)])
    return found
