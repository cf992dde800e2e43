"""DINO-WM's predictor for ``models.imagination``: P tokens a frame, the action in slots of each.

Of what is predicted the action slots are dropped, and the next frame comes with its own action in
them: so a frame's keys and values, in every layer, are of its latent, its action and its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from lewm_probe.families.dino_wm.predictor import TokenPredictor
from lewm_probe.models.imagination import at_least_single
from lewm_probe.models.nn.predictor import Attention, FeedForward


class TokenSteps:
    """A token predictor with its action encoder; an action block becomes its embedding (N, m, E).

    Args:
        predictor: frame-causal.
        action_encoder: scaled blocks (N, m, A) → (N, m, E).
        latent_width: of a token without its action slots, L.
        tokens: P.
    """

    def __init__(
        self, predictor: TokenPredictor, action_encoder: nn.Module, latent_width: int, tokens: int
    ) -> None:
        self.predictor, self.action_encoder = predictor, action_encoder
        self.latent_width, self.tokens = latent_width, tokens
        pairs = [cast(nn.ModuleList, pair) for pair in predictor.transformer.layers]
        self.attentions: Sequence[Attention] = [cast(Attention, pair[0]) for pair in pairs]
        self.mlps = [cast(FeedForward, pair[1]) for pair in pairs]

    def actions(self, scaled: Tensor) -> list[Tensor]:
        """Scaled (N, m, A) → (N, m, E)."""
        return [self.action_encoder(scaled)]

    def enter(self, latents: Tensor, actions: list[Tensor], place: int) -> Tensor:
        """(N, m, P, L) → (N, m·P, W), at their places."""
        action = actions[0].unsqueeze(2).expand(-1, -1, self.tokens, -1)
        x = torch.cat([latents.to(action), action], dim=-1).flatten(1, 2)
        first = place * self.tokens
        return x + self.predictor.pos_embedding[:, first : first + x.shape[1]]

    def before(self, layer: int, x: Tensor, actions: list[Tensor]) -> Tensor:
        """As it is: attention normalises."""
        return x

    def after(self, layer: int, x: Tensor, attended: Tensor, actions: list[Tensor]) -> Tensor:
        """Both residual sums."""
        x = x + attended
        out: Tensor = x + self.mlps[layer](x)
        return out

    def leave(self, x: Tensor) -> Tensor:
        """(N, P, W) → (N, P, L)."""
        return at_least_single(self.predictor.transformer.norm(x)[..., : self.latent_width])
