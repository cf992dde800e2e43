"""Checks of ``check_world_model``: what predictions see, and what is made of them.

As in ``latents``: each returns what it saw, or raises ``Fails`` or ``Skips``.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lewm_probe.core.checks import Fails, Skips, kind, refused
from lewm_probe.models.check.bench import (
    Bench,
    apart,
    check_tensor,
    spread,
)


def full_context(bench: Bench) -> str:
    """Which positions see a whole history: from H − 1 on."""
    found: object = bench.model.full_context(bench.frames)
    if not isinstance(found, Tensor) or found.dtype != torch.bool:
        raise Fails(f"full_context() is {kind(found)}; expected a bool tensor")
    wanted = torch.arange(bench.frames) >= bench.spec.history - 1
    if not torch.equal(found.cpu(), wanted):
        raise Fails(
            f"full_context({bench.frames}) is {found.tolist()}; expected {wanted.tolist()} for a "
            f"history of {bench.spec.history}"
        )
    return f"from frame {bench.spec.history - 1} on"


def predict(bench: Bench) -> str:
    """Predictions have the form of latents, are finite, and the same each time."""
    latents = bench.latents
    found: object = bench.predict(latents, bench.actions)
    if isinstance(found, Tensor) and found.shape != latents.shape:
        raise Fails(
            f"predict() has the shape {tuple(found.shape)}; expected that of the latents, "
            f"{tuple(latents.shape)}: the next one at every position"
        )
    full = bench.full
    check_tensor("predict()", found[:, full] if isinstance(found, Tensor) else found)
    assert isinstance(found, Tensor)
    again = bench.predict(latents, bench.actions)
    if not torch.equal(again[:, full], found[:, full]):
        raise Fails("predict() twice of the same latents gave two different predictions")
    return f"{tuple(found.shape)}, finite, deterministic"


def predict_batch(bench: Bench) -> str:
    """The predictions of a clip do not depend on the others beside it."""
    full, latents, blocks = bench.full, bench.latents.clone(), bench.actions.clone()
    alone = bench.predict(latents[:1], blocks[:1])
    latents[1:] = bench.other_latents(latents[1:], "batch")
    blocks[1:] = bench.other_actions(blocks[1:])
    beside = bench.predict(latents, blocks)[:1]
    for found, what in ((alone, "alone"), (beside, "beside other clips")):
        if apart(found[:, full], bench.predicted[:1, full], spread(bench.predicted)):
            raise Fails(f"a clip {what} has other predictions; nothing may go over the batch")
    return "a clip has the same predictions alone and beside others"


def causal(bench: Bench) -> str:
    """Position t sees no latent and no block after t."""
    scale, full = spread(bench.predicted[:, bench.full]), bench.full
    for cut in (bench.frames - 1, bench.frames // 2 + 1):
        before = full & (torch.arange(bench.frames) < cut)
        for found, what in _with_others(bench, slice(cut, None), "causal", cut):
            if apart(found[:, before], bench.predicted[:, before], scale):
                raise Fails(
                    f"predictions change with later {what}; expected position t to see up to t"
                )
    return "position t sees nothing after t"


def history(bench: Bench) -> str:
    """Position t sees exactly the last H latents and blocks."""
    length, scale = bench.spec.history, spread(bench.predicted[:, bench.full])
    at = bench.frames - 1
    oldest = at - length + 1  # the first frame that position ``at`` sees
    for found, what in _with_others(bench, slice(oldest), "history"):
        if apart(found[:, at], bench.predicted[:, at], scale):
            raise Fails(
                f"predictions change with {what} more than {length} frames back, the declared "
                "history; slide over windows of it (lewm_probe.models.sliding.slide), or declare "
                "a longer one"
            )
    short = bench.predict(bench.latents[:, oldest:], bench.actions[:, oldest:])
    if apart(short[:, -1], bench.predicted[:, at], scale):
        raise Fails(
            f"the last {length} latents and blocks alone give another prediction than at the end "
            "of a longer clip; count positions anew in every window"
        )
    latents = bench.latents.clone()
    latents[:, oldest] = bench.other_latents(latents[:, oldest], "oldest")
    if torch.equal(bench.predict(latents, bench.actions)[:, at], bench.predicted[:, at]):
        return f"nothing before the last {length}; the oldest of them has no effect either"
    return f"exactly the last {length}"


def _with_others(bench: Bench, frames: slice, *purpose: str | int) -> Iterator[tuple[Tensor, str]]:
    """Predictions with other latents in some frames, then with other blocks, and what is other."""
    latents, blocks = bench.latents.clone(), bench.actions.clone()
    latents[:, frames] = bench.other_latents(latents[:, frames], *purpose)
    blocks[:, frames] = bench.other_actions(blocks[:, frames])
    yield bench.predict(latents, bench.actions), "latents"
    yield bench.predict(bench.latents, blocks), "action blocks"


def actions(bench: Bench) -> str:
    """Predictions depend on actions, or it is said that they do not."""
    full = bench.full
    other = bench.predict(bench.latents, bench.other_actions(bench.actions))
    same = torch.equal(other[:, full], bench.predicted[:, full])
    if bench.spec.action_kind == "none":
        if not same:
            raise Fails("spec.action_kind is 'none', but other actions give other predictions")
        return "none, and none are looked at"
    if same:
        return "other actions change nothing: fresh weights, or a model that ignores them"
    return "other actions give other predictions"


def action_width(bench: Bench) -> str:
    """Blocks of another width are refused."""
    if bench.spec.action_kind == "none":
        raise Skips("it takes no actions")
    wider = torch.cat([bench.actions, bench.actions[..., :1]], dim=-1)
    refused(
        f"action blocks of width {wider.shape[-1]}", lambda: bench.predict(bench.latents, wider)
    )
    return "another one is refused with a UserError"


def missing_actions(bench: Bench) -> str:
    """A block of NaN, which marks a missing action, is taken and harms no other position."""
    if bench.spec.action_kind == "none":
        raise Skips("it takes no actions")
    blocks, full = bench.actions.clone(), bench.full
    blocks[0, -1] = torch.nan
    found = bench.predict(bench.latents, blocks)
    scale, last = spread(bench.predicted[:, full]), full.clone()
    last[-1] = False
    if apart(found[:1, last], bench.predicted[:1, last], scale) or apart(
        found[1:, full], bench.predicted[1:, full], scale
    ):
        raise Fails("a missing block (NaN) at the end of one clip changes other predictions")
    if bench.spec.recurrent and apart(
        bench.encode(bench.pixels, blocks), bench.latents, spread(bench.latents)
    ):
        raise Fails("a missing block (NaN) at the end of one clip changes latents before it")
    filled = bool(found[0, -1].isfinite().all())
    return "taken (NaN)" + ("" if filled else "; they give NaN there, and nowhere else")


def rollout(bench: Bench) -> str:
    """``rollout`` is prediction after prediction, each plan on its own."""
    length, steps, scale = bench.spec.history, 3, spread(bench.predicted[:, bench.full])
    context, past = bench.latents[:, :length], bench.actions[:, : length - 1]
    ahead = bench.actions[:, length - 1 : length - 1 + steps]
    plans = torch.stack([ahead, bench.other_actions(ahead)], dim=1)  # (B, S, K, A)
    with torch.no_grad():
        found: object = bench.model.rollout(context.clone(), past.clone(), plans.clone())
    shape = (*plans.shape[:3], *context.shape[2:])
    imagined = check_tensor("rollout()", found, shape)
    for number in range(plans.shape[1]):
        latents = context
        blocks = torch.cat([past, plans[:, number]], dim=1)
        for step in range(steps):
            seen = slice(step, length + step)
            following = bench.predict(latents[:, seen], blocks[:, seen])[:, -1:]
            latents = torch.cat([latents, following], dim=1)
        if apart(imagined[:, number], latents[:, length:], scale):
            raise Fails(
                f"plan {number} is imagined in another way than by predict() step after step; "
                "leave rollout() to WorldModel, or fix it"
            )
    return f"{steps} steps of 2 plans as predict() gives them"


def surprise(bench: Bench) -> str:
    """Surprise is a number from 0 up for each frame, least where what was predicted came."""
    full = bench.full.clone()
    full[-1] = False  # what follows the last frame is not known
    predicted, target = bench.predicted[:, full], bench.latents[:, 1:][:, full[:-1]]
    with torch.no_grad():
        own = check_tensor(
            "surprise()",
            bench.model.surprise(predicted.clone(), target.clone()),
            tuple(target.shape[:2]),
        )
        equal = bench.model.surprise(target.clone(), target.clone())
        other = bench.model.surprise(bench.other_latents(target, "surprise"), target.clone())
    if bool((own < 0).any()):
        raise Fails(f"surprise() is {float(own.min()):.3g} somewhere; expected numbers from 0 up")
    if bool((equal > own + TINY).any()) or bool((equal > other + TINY).any()):
        raise Fails("surprise() is greater where exactly what was predicted came; expected 0 there")
    alone = bench.model.surprise(predicted[:1, :1].clone(), target[:1, :1].clone())
    if apart(alone.detach(), own[:1, :1], float(own.abs().max()) or 1.0):
        raise Fails("surprise() of a frame alone is another than within its clip")
    return f"from 0 up, {float(equal.max()):.3g} where what was predicted came"


TINY = 1e-5
"""Rounding of a surprise that would be 0."""


def goal_cost(bench: Bench) -> str:
    """The cost of a goal is one number a frame, least at the goal."""
    latents = bench.latents
    goal = latents[:, -1:]
    with torch.no_grad():
        found: object = bench.model.goal_cost(latents.clone(), goal.clone())
        cost = check_tensor("goal_cost()", found, tuple(latents.shape[:2]))
        plans = latents[:, None].expand(-1, 2, *latents.shape[1:])
        many = bench.model.goal_cost(plans.clone(), goal[:, None].clone())
    if bool((cost[:, -1:] > cost + TINY).any()):
        raise Fails("goal_cost() is greater at the goal itself than elsewhere")
    if tuple(many.shape) != tuple(plans.shape[:3]) or apart(many[:, 1], cost, spread(cost)):
        raise Fails(
            "goal_cost() of several plans is another than of each: (B, S, T, …) → (B, S, T)"
        )
    return "least at the goal"
