"""A frame-causal transformer read frame by frame, so that nothing is computed twice.

Of earlier frames, attention needs keys and values only, and where it is causal those do not change
when frames follow. So they are kept (``Memory``) as long as a window grows, and where many samples
go on from one context, those of the context are computed once for all of them: exact, up to the
order in which sums are rounded. They hold for the place in the window where they were computed:
once a window slides, every frame has another place and so another position embedding, which passes
through norms that are not linear, and its keys and values have to be computed anew.

Symbols: N sequences, P tokens a frame, m new frames, W token width, w head width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from lewm_probe.models.nn.predictor import Attention


@dataclass(frozen=True)
class Memory:
    """What a layer's attention has to know of the frames so far.

    Attributes:
        keys: (N, tokens so far, heads, w).
        values: the same shape.
    """

    keys: Tensor
    values: Tensor

    def then(self, later: Memory) -> Memory:
        """With the tokens of later frames, of as many sequences or of S samples for each."""
        samples = later.keys.shape[0] // self.keys.shape[0]
        return Memory(
            torch.cat([each(self.keys, samples), later.keys], dim=1),
            torch.cat([each(self.values, samples), later.values], dim=1),
        )


def each(x: Tensor, samples: int) -> Tensor:
    """Every row for each of its samples: (N, …) → (N·S, …).

    >>> each(torch.tensor([1, 2]), 3).tolist()
    [1, 1, 1, 2, 2, 2]
    """
    return x.unsqueeze(1).expand(-1, samples, *x.shape[1:]).flatten(0, 1)


class Stepwise(Protocol):
    """A transformer taken apart at its attention, as ``read`` puts it together again.

    ``actions`` are what it makes of action blocks, computed once for each block wherever in a
    window the block comes to stand: tensors (N, m, …).

    Attributes:
        tokens: P.
        attentions: of each layer.
    """

    tokens: int
    attentions: Sequence[Attention]

    def actions(self, scaled: Tensor) -> list[Tensor]:
        """Scaled action blocks (N, m, A) → tensors (N, m, …)."""

    def enter(self, latents: Tensor, actions: list[Tensor], place: int) -> Tensor:
        """Latents (N, m, …) that stand ``place`` frames behind a window's start → (N, m·P, W)."""

    def before(self, layer: int, x: Tensor, actions: list[Tensor]) -> Tensor:
        """What a layer's attention is given: (N, m·P, W) → (N, m·P, W)."""

    def after(self, layer: int, x: Tensor, attended: Tensor, actions: list[Tensor]) -> Tensor:
        """The layer's output, of its input and of what its attention made: (N, m·P, W) each."""

    def leave(self, x: Tensor) -> Tensor:
        """The last layer's output for one frame, (N, P, W) → the next latent (N, …)."""


def remember(network: Stepwise, latents: Tensor, actions: list[Tensor]) -> list[Memory]:
    """Each layer's memory of frames (N, m, …) from a window's start; no layer's last output."""
    memory: list[Memory] = []
    _layers(network, latents, actions, None, memory, answer=False)
    return memory


def read(
    network: Stepwise,
    latents: Tensor,
    actions: list[Tensor],
    seen: list[Memory] | None,
    keep: list[Memory] | None = None,
) -> Tensor:
    """What follows the last of m new frames: the next latent (N, …).

    Args:
        network: a transformer.
        latents: of the new frames, (N, m, …).
        actions: what the network made of their action blocks.
        seen: of the frames before them in the window, by layer; of N sequences, or of N / S where
            S samples each go on from one; None at a window's start.
        keep: is given each layer's memory with the new frames in it, where the window grows on.
    """
    return network.leave(_layers(network, latents, actions, seen, keep, answer=True))


def _layers(
    network: Stepwise,
    latents: Tensor,
    actions: list[Tensor],
    seen: list[Memory] | None,
    keep: list[Memory] | None,
    answer: bool,
) -> Tensor:
    """In the last layer only the last frame asks, as only what follows it is wanted, or none."""
    tokens = network.tokens
    place = seen[0].keys.shape[1] // tokens if seen else 0
    x = network.enter(latents, actions, place)  # (N, m·P, W)
    for layer, attention in enumerate(network.attentions):
        normed = attention.norm(network.before(layer, x, actions))
        memory = _keys_and_values(attention, normed)
        if seen:
            memory = seen[layer].then(memory)
        if keep is not None:
            keep.append(memory)
        if layer == len(network.attentions) - 1:
            if not answer:
                break
            x, normed = x[:, -tokens:], normed[:, -tokens:]  # (N, P, W)
            actions = [part[:, -1:] for part in actions]
        x = network.after(layer, x, _attended(attention, normed, memory, tokens), actions)
    return x


def _keys_and_values(attention: Attention, normed: Tensor) -> Memory:
    weight = attention.to_qkv.weight  # queries, keys, values
    both = F.linear(normed, weight[len(weight) // 3 :])
    keys, values = both.unflatten(-1, (2, attention.heads, -1)).unbind(2)
    return Memory(keys, values)  # (N, m·P, heads, w)


def _attended(attention: Attention, normed: Tensor, memory: Memory, tokens: int) -> Tensor:
    """Answers to the last frames, (N, a·P, W): each sees its own tokens and all before them."""
    end, asking = memory.keys.shape[1], normed.shape[1]
    # A frame of one token at a window's start sees itself alone, with weight one: no query needed.
    alone = tokens == 1 and asking == end
    found = [memory.values[:, :1]] if alone else []
    weight = attention.to_qkv.weight
    # Strided, they would be multiplied row by row once weights are frozen: a fifth of all time.
    asked = normed[:, len(found) :].contiguous()
    queries = F.linear(asked, weight[: len(weight) // 3])
    queries = queries.unflatten(-1, (attention.heads, -1))
    # Frame by frame there is nothing to mask, so nothing is computed in vain.
    for first in range(0, queries.shape[1], tokens):
        upto = end - queries.shape[1] + first + tokens
        own = queries[:, first : first + tokens]
        found.append(_answers(own, memory.keys[:, :upto], memory.values[:, :upto]))
    out: Tensor = attention.to_out(torch.cat(found, dim=1).flatten(2))
    return out


def _answers(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """All to all: (N, P, heads, w), and keys and values (N, K, heads, w) → (N, P, heads, w)."""
    if queries.shape[1] > 1:
        q, k, v = (x.transpose(1, 2) for x in (queries, keys, values))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
    # One query to a few keys, a thousand times over: as sums it takes half the fused kernel's time.
    wide = torch.promote_types(queries.dtype, torch.float32)
    scores = (queries.to(wide) * keys).sum(-1, keepdim=True) * queries.shape[-1] ** -0.5
    return (scores.softmax(1) * values).sum(1, keepdim=True).to(values.dtype)
