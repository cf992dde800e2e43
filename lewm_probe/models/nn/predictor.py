"""Latents and actions → the next latent: a causal transformer conditioned through AdaLN-zero.

LeWM, arXiv 2603.19312, predictor section: ẑ_{t+1} = pred(z_{t−H+1..t}, a_{t−H+1..t}). Actions
enter every block as six vectors (shift, scale and gate, for attention and for the MLP), a linear
function of their SiLU; it starts at zero, so an untrained block is the identity and ignores actions
(AdaLN-zero: Peebles and Xie, arXiv 2212.09748).

As released, attention and MLP each start with an affine LayerNorm of their own although the block
has just normalised and modulated its input; attribute names are those of the released checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lewm_probe.models.config import ModelConfig

BLOCK_NORM_EPS = 1e-6
"""Of the blocks' own norms, which have no parameters (released implementation)."""


class Predictor(nn.Module):
    """Causal transformer over at most H frames.

    Args:
        config: sizes; ``input_proj``, ``cond_proj`` and ``output_proj`` exist only where widths
            differ, as released.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        # Standard normal, as released: positions start as loud as the latents.
        self.pos_embedding = nn.Parameter(torch.randn(1, config.history, config.latent_width))
        self.dropout = nn.Dropout(config.predictor.embedding_dropout)
        self.transformer = Transformer(config)

    def forward(self, latents: Tensor, conditions: Tensor) -> Tensor:
        """(B, T, D), embedded actions (B, T, D) → (B, T, output width), for T ≤ H.

        Position t sees positions ≤ t only.
        """
        x = latents + self.pos_embedding[:, : latents.shape[1]]
        out: Tensor = self.transformer(self.dropout(x), conditions)
        return out


class Transformer(nn.Module):
    """Blocks between optional projections to and from the predictor's own width."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        outer, inner = config.latent_width, config.predictor_width
        self.norm = nn.LayerNorm(inner)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.predictor.layers))
        self.input_proj = _resize(outer, inner)
        self.cond_proj = _resize(outer, inner)
        self.output_proj = _resize(inner, config.predictor_output_width)

    def forward(self, x: Tensor, conditions: Tensor) -> Tensor:
        """(B, T, D), (B, T, D) → (B, T, output width)."""
        x, conditions = self.input_proj(x), self.cond_proj(conditions)
        for block in self.layers:
            x = block(x, conditions)
        out: Tensor = self.output_proj(self.norm(x))
        return out


class Block(nn.Module):
    """Modulated attention and MLP, each scaled by a gate that starts at zero."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, dropout = config.predictor_width, config.predictor.dropout
        self.attn = Attention(width, config.predictor.heads, config.predictor.head_width, dropout)
        self.mlp = FeedForward(width, config.predictor.mlp_width, dropout)
        self.norm1 = nn.LayerNorm(width, eps=BLOCK_NORM_EPS, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(width, eps=BLOCK_NORM_EPS, elementwise_affine=False)
        to_modulation = nn.Linear(width, 6 * width)
        nn.init.zeros_(to_modulation.weight)
        nn.init.zeros_(to_modulation.bias)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), to_modulation)

    def forward(self, x: Tensor, conditions: Tensor) -> Tensor:
        """(B, T, W), (B, T, W) → (B, T, W)."""
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self.adaLN_modulation(
            conditions
        ).chunk(6, dim=-1)
        x = x + gate_a * self.attn(self.norm1(x) * (1 + scale_a) + shift_a)
        return x + gate_m * self.mlp(self.norm2(x) * (1 + scale_m) + shift_m)


class Attention(nn.Module):
    """Multi-head attention; heads × head width need not equal the token width."""

    def __init__(self, width: int, heads: int, head_width: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        inner = heads * head_width
        self.norm = nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * inner, bias=False)
        self.to_out = nn.Sequential(nn.Linear(inner, width), nn.Dropout(dropout))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, K, W) → (B, K, W): causal, or as ``mask``, bool (K, K), says: who may see whom."""
        qkv = self.to_qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1))  # (B, K, 3, heads, w)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, K, w)
        dropout = self.dropout if self.training else 0.0
        seen = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=mask is None
        )
        out: Tensor = self.to_out(seen.transpose(1, 2).flatten(2))  # (B, K, W)
        return out


class FeedForward(nn.Module):
    """LayerNorm, Linear, GELU, Linear."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, W) → (B, T, W)."""
        out: Tensor = self.net(x)
        return out


def _resize(width: int, wanted: int) -> nn.Module:
    return nn.Identity() if width == wanted else nn.Linear(width, wanted)
