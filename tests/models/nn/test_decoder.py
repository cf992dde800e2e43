from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from lewm_probe.models.nn.decoder import Decoder, DecoderShape, waves

SHAPE = DecoderShape(
    image_size=24,
    patch=8,
    latent_width=5,
    tokens=1,
    split=1,
    width=16,
    layers=2,
    heads=4,
    mlp_width=32,
)


def made(shape: DecoderShape) -> Decoder:
    torch.manual_seed(0)
    decoder = Decoder(shape)
    torch.nn.init.normal_(decoder.pixels.weight)
    return decoder


def test_it_begins_with_the_mean_picture() -> None:
    decoder = Decoder(SHAPE)
    decoder.mean.uniform_()
    drawn = decoder(torch.randn(3, 1, 5))
    assert drawn.shape == (3, 3, 24, 24)
    torch.testing.assert_close(drawn, decoder.mean.expand(3, -1, -1, -1))


def test_patches_lie_where_their_queries_do() -> None:
    """The patch of query 5, in the second row and third column, is drawn there, channels first."""
    decoder = made(SHAPE)
    seen = []
    decoder.pixels.register_forward_hook(lambda m, args, out: seen.append(out))
    drawn = decoder(torch.randn(2, 1, 5))
    patch = seen[0][:, 5].reshape(2, 3, 8, 8)
    torch.testing.assert_close(drawn[:, :, 8:16, 16:24], patch)


def test_latents_are_centred_and_scaled() -> None:
    decoder = made(SHAPE)
    latents = torch.randn(2, 1, 5)
    plain = decoder(latents)
    decoder.centre.fill_(3.0)
    decoder.scale.fill_(2.0)
    torch.testing.assert_close(decoder(2 * latents + 3), plain)


@pytest.mark.parametrize(("tokens", "split"), [(4, 1), (1, 3)])
def test_several_tokens_are_chosen_from(tokens: int, split: int) -> None:
    decoder = made(replace(SHAPE, tokens=tokens, split=split))
    block = decoder.blocks[0]
    x, kept = torch.randn(2, 9, 16), torch.randn(2, tokens * split, 16)
    query = block.to_query(block.norm_queries(x)).unflatten(-1, (4, 4))
    key, value = (m(kept).unflatten(-1, (4, 4)) for m in (block.to_key, block.to_value))
    weight = F.softmax(torch.einsum("nphw,nkhw->nhpk", query, key) / 2, dim=-1)
    expected = block.to_out(torch.einsum("nhpk,nkhw->nphw", weight, value).flatten(2))
    torch.testing.assert_close(block.attend(x, kept), expected)
    assert decoder(torch.randn(2, tokens, 5)).shape == (2, 3, 24, 24)


def test_one_token_is_what_every_query_finds() -> None:
    block = made(SHAPE).blocks[0]
    token = torch.randn(2, 1, 16)
    found = block.attend(torch.randn(2, 9, 16), token)
    torch.testing.assert_close(found, block.to_out(block.to_value(token)))
    assert not hasattr(block, "to_query")  # it would never be trained


def test_order_of_tokens_counts() -> None:
    """Patch tokens need not say themselves where they are."""
    decoder = made(replace(SHAPE, tokens=4))
    torch.nn.init.normal_(decoder.positions)
    latents = torch.randn(1, 4, 5)
    assert not torch.allclose(decoder(latents), decoder(latents.flip(1)))


def test_queries_of_neighbours_are_alike() -> None:
    found = waves(8, 32)
    assert found.shape == (64, 32) and len(found.unique(dim=0)) == 64
    apart = torch.cdist(found, found)
    assert apart[0, 1] < apart[0, 3] < apart[0, 7]
    assert waves(3, 3).count_nonzero() == 0
    assert waves(2, 6)[:, 4:].count_nonzero() == 0


@pytest.mark.parametrize("wrong", [{"patch": 7}, {"heads": 3}])
def test_what_does_not_come_out_even(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="does not come out even$"):
        Decoder(replace(SHAPE, **wrong))
