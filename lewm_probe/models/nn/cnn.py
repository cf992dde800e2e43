"""An image encoder for CPUs: strided convolutions, flattened, one linear layer."""

from __future__ import annotations

import math

from torch import Tensor, nn

GROUP_CHANNELS = 8
"""Channels a group-norm group. Group norm, not batch norm: an image's features do not depend on
the rest of its batch."""


class CNN(nn.Module):
    """(N, 3, S, S) → (N, width): [convolution, group norm, ReLU] × layers, flatten, Linear.

    The first convolution is 5×5 of stride 4, the others 3×3 of stride 2: most of a CPU's time goes
    into the first, large maps, so a large first stride makes a training step several times cheaper.
    Flattening keeps where things are, which pooling would throw away.
    """

    def __init__(self, channels: tuple[int, ...], image_size: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        side, incoming = image_size, 3
        for outgoing in channels:
            kernel, stride = (3, 2) if layers else (5, 4)
            # The norm brings its own offset, so the convolution needs none.
            layers.append(
                nn.Conv2d(incoming, outgoing, kernel, stride, padding=kernel // 2, bias=False)
            )
            groups = outgoing // math.gcd(outgoing, GROUP_CHANNELS)
            layers += [nn.GroupNorm(groups, outgoing), nn.ReLU(inplace=True)]
            side, incoming = -(-side // stride), outgoing
        self.layers = nn.Sequential(*layers)
        self.linear = nn.Linear(incoming * side * side, width)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (N, 3, S, S) → (N, width)."""
        out: Tensor = self.linear(self.layers(images).flatten(1))
        return out
