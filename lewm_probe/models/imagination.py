"""Rollouts of many action plans from one context, as planners ask for them.

``WorldModel.rollout`` defines what comes out; here the same numbers (up to the order in which sums
are rounded) are made without computing anything twice. Frames of the context before its last one
follow actions that were executed, so they are the same for all S samples, and as attention is
causal (``nn.incremental``) so are their keys and values, in every window that they stand in. The
last one comes with the first action of a plan: it and what is imagined are each sample's own.

- A window that still grows (fewer than H frames) keeps its keys and values: one new frame a step.
- A window that slid is read anew, as its frames have other places. Its frames from the context are
  read once for each context; of the last layer only the answer to the last frame is computed.
- What the network makes of an action block does not depend on its place: once for each block.
- Samples are taken in chunks, so that memory does not grow with them.

Symbols: B contexts, S samples, h frames of context, H ``history``, K steps, N rows of a chunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from lewm_probe.core.errors import UserError
from lewm_probe.models.nn.incremental import Memory, Stepwise, each, read, remember
from lewm_probe.models.nn.mlp import MLP, Embedder
from lewm_probe.models.nn.predictor import Attention, Block, Predictor
from lewm_probe.models.trainable import TrainableModel

CHUNK_TOKENS, CHUNK_TOKENS_GPU = 2**9, 2**16
"""Tokens of windows that are read at once. A CPU reads 170 samples of LeWM at a time, or one of
DINO-WM: with more, arrays outgrow what the heap keeps, and a tenth of the time goes into fresh
pages. A GPU has little to do with so few: its 21,845 and 85 take, by count, some 5 GB."""


def rollout(
    model: TrainableModel,
    network: Stepwise,
    context: Tensor,
    past_actions: Tensor,
    future_actions: Tensor,
) -> Tensor:
    """As ``WorldModel.rollout``: (B, h, …), raw (B, h − 1, A) and (B, S, K, A) → (B, S, K, …).

    In eval mode. Gradients flow to what asks for them (a gradient planner's actions); where nothing
    does, no graph is kept.

    Raises:
        UserError: past actions that are not one for each frame of the context but the last, another
            action width, or infinite actions.
    """
    frames, history = context.shape[1], model.spec.history
    blocks = (*past_actions.shape[:2], *future_actions.shape[:1])
    if blocks != (len(context), frames - 1, len(context)) or future_actions.ndim != 4:
        raise UserError(
            f"A context {tuple(context.shape)}, past action blocks {tuple(past_actions.shape)} and "
            f"plans {tuple(future_actions.shape)} do not match: (B, h, …), (B, h − 1, A) and "
            "(B, S, K, A) with equal B and h were expected. Give every frame of the context but "
            "its last the block that followed it."
        )
    asked = (context, past_actions, future_actions)
    wanted = torch.is_grad_enabled() and any(x.requires_grad for x in asked)
    past, plans = model.scale_actions(past_actions), model.scale_actions(future_actions)
    first = max(0, frames - history)  # no window sees what is before
    with torch.set_grad_enabled(wanted), model.evaluating():
        return imagine(network, context[:, first:], past[:, first:], plans, history)


def imagine(
    network: Stepwise, context: Tensor, past: Tensor, plans: Tensor, history: int
) -> Tensor:
    """The same from scaled actions, for 1 ≤ h ≤ H; it never waits for a GPU, so it can be captured.

    Shapes: (B, h, …), scaled (B, h − 1, A), scaled (B, S, K, A) → (B, S, K, …).
    """
    batch, samples, steps = plans.shape[:3]
    if not batch * samples * steps:
        return context.new_empty(batch, samples, steps, *context.shape[2:])
    tokens = CHUNK_TOKENS if plans.device.type == "cpu" else CHUNK_TOKENS_GPU
    rows = max(1, tokens // (history * network.tokens))
    several = max(1, rows // samples)  # contexts whose samples all fit in a chunk
    done = []
    for part in range(0, batch, several):
        own = slice(part, part + several)
        shared = _shared(network, context[own], past[own], steps, history)
        done.append(
            torch.cat(
                [
                    _chunk(network, context[own, -1], shared, chunk, history, context.shape[1] - 1)
                    for chunk in plans[own].split(rows, dim=1)
                ],
                dim=1,
            )
        )
    return torch.cat(done)


def _shared(
    network: Stepwise, context: Tensor, past: Tensor, steps: int, history: int
) -> list[list[Memory]]:
    """Memories of the context but its last frame, by layer, for each start of a window in it."""
    known = past.shape[1]
    if not known:
        return []
    actions = network.actions(past)
    last_start = max(0, known + steps - history)
    return [
        remember(network, context[:, start:-1], [part[:, start:] for part in actions])
        for start in range(min(known, last_start + 1))
    ]


def _chunk(
    network: Stepwise,
    latest: Tensor,
    shared: Sequence[list[Memory]],
    plans: Tensor,
    history: int,
    known: int,
) -> Tensor:
    """Imagine some samples of some contexts.

    Args:
        network: what predicts.
        latest: the contexts' last frames (B, …).
        shared: of ``_shared``.
        plans: scaled (B, S, K, A).
        history: H.
        known: frames that all samples share, h − 1.

    Returns:
        (B, S, K, …).
    """
    batch, samples, steps = plans.shape[:3]
    actions = network.actions(plans.flatten(0, 1))  # each (N, K, …)
    frames = [each(latest, samples)]  # the samples' own, from the context's last on; each (N, …)
    seen: list[Memory] | None
    grown: list[Memory] | None = None
    for step in range(steps):
        start = max(0, known + 1 + step - history)
        if grown:  # the rest of the window is in it
            seen, new = grown, slice(step, step + 1)
        else:
            seen = shared[start] if start < known else None
            new = slice(max(0, start - known), step + 1)
        grows = step + 1 < steps and known + 1 + step < history
        grown = [] if grows else None
        own = torch.stack(frames[new], dim=1)
        frames.append(read(network, own, [part[:, new] for part in actions], seen, grown))
    return torch.stack(frames[1:], dim=1).unflatten(0, (batch, samples))


def at_least_single(x: Tensor) -> Tensor:
    """Float32 of half precision, as latents are also under autocast; float64 as it is."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class LatentSteps:
    """LeWM's and PLDM's predictor, one token a frame, with the networks around it.

    An action block becomes the modulation of every block (AdaLN-zero), (N, m, 6·W) each.
    """

    tokens = 1

    def __init__(self, predictor: Predictor, action_encoder: Embedder, pred_proj: MLP) -> None:
        self.predictor, self.action_encoder, self.pred_proj = predictor, action_encoder, pred_proj
        self.transformer = predictor.transformer
        self.blocks = [cast(Block, block) for block in self.transformer.layers]
        self.attentions: Sequence[Attention] = [block.attn for block in self.blocks]

    def actions(self, scaled: Tensor) -> list[Tensor]:
        """Scaled (N, m, A) → the modulation of each block, (N, m, 6·W)."""
        conditions = self.transformer.cond_proj(self.action_encoder(scaled))
        return [block.adaLN_modulation(conditions) for block in self.blocks]

    def enter(self, latents: Tensor, actions: list[Tensor], place: int) -> Tensor:
        """(N, m, D) → (N, m, W), at their places."""
        positions = self.predictor.pos_embedding[:, place : place + latents.shape[1]]
        x: Tensor = self.transformer.input_proj(latents.to(positions) + positions)
        return x

    def before(self, layer: int, x: Tensor, actions: list[Tensor]) -> Tensor:
        """Normalised, scaled and shifted."""
        shift, scale = actions[layer].chunk(6, dim=-1)[:2]
        normed: Tensor = self.blocks[layer].norm1(x)
        return normed * (1 + scale) + shift

    def after(self, layer: int, x: Tensor, attended: Tensor, actions: list[Tensor]) -> Tensor:
        """The rest of the block."""
        block = self.blocks[layer]
        gate_a, shift, scale, gate_m = actions[layer].chunk(6, dim=-1)[2:]
        x = x + gate_a * attended
        out: Tensor = x + gate_m * block.mlp(block.norm2(x) * (1 + scale) + shift)
        return out

    def leave(self, x: Tensor) -> Tensor:
        """(N, 1, W) → (N, D)."""
        out: Tensor = self.pred_proj(self.transformer.output_proj(self.transformer.norm(x[:, 0])))
        return at_least_single(out)
