from __future__ import annotations

import torch
from torch.nn import functional as F

from lewm_probe.models.config import VitShape
from lewm_probe.models.nn.vit import Layers, ViT, positions_for

SHAPE = VitShape(patch_size=4, width=12, layers=2, heads=3, mlp_width=20)


def test_matches_torch_encoder_layers() -> None:
    """PyTorch's own pre-norm transformer layer, given the same weights, is the oracle."""
    torch.manual_seed(0)
    ours = Layers(SHAPE).eval()
    x = torch.randn(5, 7, 12)
    oracle = x
    for layer in ours.layer:
        theirs = torch.nn.TransformerEncoderLayer(
            12, 3, 20, 0.0, F.gelu, layer_norm_eps=1e-12, batch_first=True, norm_first=True
        ).eval()
        qkv = layer.attention.attention
        for kind in ("weight", "bias"):
            parts = [getattr(p, kind) for p in (qkv.query, qkv.key, qkv.value)]
            getattr(theirs.self_attn, f"in_proj_{kind}").data.copy_(torch.cat(parts))
            for own, other in (
                (layer.attention.output.dense, theirs.self_attn.out_proj),
                (layer.intermediate.dense, theirs.linear1),
                (layer.output.dense, theirs.linear2),
                (layer.layernorm_before, theirs.norm1),
                (layer.layernorm_after, theirs.norm2),
            ):
                getattr(other, kind).data.copy_(getattr(own, kind))
        oracle = theirs(oracle)
    torch.testing.assert_close(ours(x), oracle[:, 0])


def test_start_is_truncated_normal() -> None:
    torch.manual_seed(0)
    vit = ViT(VitShape(patch_size=8, width=64, layers=1, heads=2, mlp_width=256), 64)
    for name in ("encoder.layer.0.intermediate.dense", "embeddings.patch_embeddings.projection"):
        module = vit.get_submodule(name)
        assert 0.018 < module.get_parameter("weight").std().item() < 0.022
        assert not module.get_parameter("bias").any()
    assert 0.017 < vit.embeddings.position_embeddings.std().item() < 0.023


def test_positions_of_another_size_are_interpolated() -> None:
    vit = ViT(SHAPE, image_size=16)
    table = vit.embeddings.position_embeddings
    assert positions_for(table, 4, 4) is table
    # A bicubic kernel reproduces constants everywhere.
    with torch.no_grad():
        table[:, 1:] = 3.0
        table[:, :1] = 7.0
    stretched = positions_for(table, 6, 9)
    assert stretched.shape == (1, 55, 12)
    torch.testing.assert_close(stretched[:, 1:], torch.full((1, 54, 12), 3.0))
    assert bool((stretched[:, :1] == 7.0).all())
    # Rows of the grid stay rows: a table that grows along columns only stays constant down them.
    with torch.no_grad():
        table[:, 1:] = torch.arange(4.0).repeat(4)[None, :, None]
    grid = positions_for(table, 8, 8)[0, 1:, 0].view(8, 8)
    torch.testing.assert_close(grid, grid[:1].expand(8, 8))
    assert bool((grid[0].diff() > 0).all())
    assert vit(torch.randn(2, 3, 32, 24)).shape == (2, 12)


def test_patches_are_read_row_by_row() -> None:
    vit = ViT(SHAPE, image_size=8)
    with torch.no_grad():
        vit.embeddings.position_embeddings.zero_()
    image = torch.zeros(1, 3, 8, 8)
    image[:, :, :4, 4:] = 1.0  # upper right patch: token 2 after CLS
    tokens = vit.embeddings(image) - vit.embeddings(torch.zeros(1, 3, 8, 8))
    changed = tokens[0].abs().sum(-1) > 0
    assert changed.tolist() == [False, False, True, False, False]
