"""ResNet-18 (He et al., arXiv 1512.03385, table 1), the LeWM paper's encoder ablation.

Stem, four stages of two basic blocks, global average pooling; no classifier. Not torchvision's,
which has no build beside CPU torch; the architecture is the same, with batch norm throughout.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from lewm_probe.models.nn.batch_norm import BatchNorm2d

STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))
"""Channels and first stride of each stage."""


class ResNet18(nn.Module):
    """(N, 3, H, W) → (N, 512)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
            BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        blocks: list[nn.Module] = []
        incoming = 64
        for channels, stride in STAGES:
            blocks += [BasicBlock(incoming, channels, stride), BasicBlock(channels, channels, 1)]
            incoming = channels
        self.blocks = nn.Sequential(*blocks)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (N, 3, H, W) → (N, 512)."""
        out: Tensor = self.blocks(self.stem(images)).mean((2, 3))
        return out


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut."""

    def __init__(self, incoming: int, channels: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(incoming, channels, 3, stride=stride, padding=1, bias=False),
            BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            BatchNorm2d(channels),
        )
        self.shortcut: nn.Module = nn.Identity()
        if incoming != channels or stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(incoming, channels, 1, stride=stride, bias=False),
                BatchNorm2d(channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, incoming, H, W) → (N, channels, H / stride, W / stride)."""
        return F.relu(self.residual(x) + self.shortcut(x))
