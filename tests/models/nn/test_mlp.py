from __future__ import annotations

import torch

from lewm_probe.models.nn.mlp import MLP, Embedder


def test_projector_is_linear_batchnorm_gelu_linear() -> None:
    torch.manual_seed(0)
    mlp = MLP(4, 6, 3)
    x = torch.randn(50, 4)
    first, norm, _, last = mlp.net
    h = x @ first.weight.T + first.bias
    h = (h - h.mean(0)) / (h.var(0, unbiased=False) + norm.eps).sqrt()
    h = h * torch.special.ndtr(h)
    torch.testing.assert_close(mlp(x), h @ last.weight.T + last.bias)


def test_action_encoder_treats_each_block_alone() -> None:
    torch.manual_seed(0)
    embedder = Embedder(6, 5)
    actions = torch.randn(2, 4, 6)
    embedded = embedder(actions)
    assert embedded.shape == (2, 4, 5)
    torch.testing.assert_close(embedder(actions[1:, 2:3]), embedded[1:, 2:3])
    smooth = actions @ embedder.patch_embed.weight[:, :, 0].T + embedder.patch_embed.bias
    torch.testing.assert_close(embedder.embed(smooth), embedded)
