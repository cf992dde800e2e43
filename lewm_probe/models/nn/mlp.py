"""The two small networks around encoder and predictor: projector and action encoder.

Attribute names are those of the released checkpoints, so that a state dict maps one to one.
"""

from __future__ import annotations

from torch import Tensor, nn

from lewm_probe.models.nn.batch_norm import BatchNorm1d

SMOOTHED_ACTION_WIDTH = 10
"""Channels of the 1×1 convolution over the action block (released configuration)."""

ACTION_MLP_SCALE = 4
"""Hidden width of the action encoder, in output widths (released configuration)."""


class MLP(nn.Module):
    """Projector: Linear, BatchNorm, GELU, Linear; (N, input) → (N, output).

    The batch norm matters (LeWM, arXiv 2603.19312, encoder section): a LayerNorm at the end would
    hold the latents on a sphere and keep SIGReg from being optimised.
    """

    def __init__(self, input_width: int, hidden_width: int, output_width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(input_width, hidden_width),
            BatchNorm1d(hidden_width),
            nn.GELU(),
            nn.Linear(hidden_width, output_width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, input) → (N, output); in training, batch statistics are over all N."""
        out: Tensor = self.net(x)
        return out


class Embedder(nn.Module):
    """Action encoder: 1×1 Conv1d (A → 10), then Linear, SiLU, Linear (10 → 4·D → D)."""

    def __init__(self, action_width: int, output_width: int) -> None:
        super().__init__()
        hidden = ACTION_MLP_SCALE * output_width
        self.patch_embed = nn.Conv1d(action_width, SMOOTHED_ACTION_WIDTH, kernel_size=1)
        self.embed = nn.Sequential(
            nn.Linear(SMOOTHED_ACTION_WIDTH, hidden), nn.SiLU(), nn.Linear(hidden, output_width)
        )

    def forward(self, actions: Tensor) -> Tensor:
        """Scaled action blocks (B, T, A) → (B, T, D)."""
        smoothed = self.patch_embed(actions.mT).mT  # (B, T, 10)
        # On a strided input torch picks another summation order once weights are frozen.
        out: Tensor = self.embed(smoothed.contiguous())  # (B, T, D)
        return out
