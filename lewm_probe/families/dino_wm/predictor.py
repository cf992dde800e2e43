"""Tokens of H frames → tokens of the next: a transformer that is causal by frame.

DINO-WM, arXiv 2411.04983: tokens of one frame see each other and all of earlier frames (attention
mask in blocks of P), positions are learned for each of the H · P places, there is no output head.
Attribute names are those of stable-worldmodel's checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lewm_probe.families.dino_wm.config import TokenModelConfig
from lewm_probe.models.nn.predictor import Attention, FeedForward


class TokenPredictor(nn.Module):
    """(B, T, P, W) → (B, T, P, W) for T ≤ H: position t sees frames ≤ t only."""

    def __init__(self, config: TokenModelConfig) -> None:
        super().__init__()
        places, width = config.history * config.tokens, config.token_width
        # Standard normal, as the authors': positions start as loud as the tokens.
        self.pos_embedding = nn.Parameter(torch.randn(1, places, width))
        self.dropout = nn.Dropout(config.predictor.embedding_dropout)
        self.transformer = Transformer(config)

    def forward(self, tokens: Tensor) -> Tensor:
        """The transformer's own output: what it says of the tokens that follow each frame."""
        _, frames, per_frame, _ = tokens.shape
        x = tokens.flatten(1, 2)  # (B, T·P, W)
        x = self.dropout(x + self.pos_embedding[:, : x.shape[1]])
        mask = frame_causal(frames, per_frame, x.device)
        out: Tensor = self.transformer(x, mask)
        return out.unflatten(1, (frames, per_frame))  # (B, T, P, W)


class Transformer(nn.Module):
    """Pre-norm blocks and a last norm."""

    def __init__(self, config: TokenModelConfig) -> None:
        super().__init__()
        own, width = config.predictor, config.token_width
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                [
                    Attention(width, own.heads, own.head_width, own.dropout),
                    FeedForward(width, own.mlp_width, own.dropout),
                ]
            )
            for _ in range(own.layers)
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, K, W), bool (K, K) → (B, K, W)."""
        for pair in self.layers:
            assert isinstance(pair, nn.ModuleList)
            attention, mlp = pair
            x = x + attention(x, mask)
            x = x + mlp(x)
        out: Tensor = self.norm(x)
        return out


def frame_causal(frames: int, per_frame: int, device: torch.device) -> Tensor:
    """Who may see whom, bool (T·P, T·P): those of one's own frame and of earlier ones.

    >>> frame_causal(2, 1, torch.device("cpu")).tolist()
    [[True, False], [True, True]]
    """
    frame = torch.arange(frames, device=device).repeat_interleave(per_frame)
    return frame[:, None] >= frame
