"""Checks of ``check_world_model``: what a model says of itself, its latents, and what it keeps.

Each takes a ``Bench`` and returns what it saw in a few words; it raises ``Fails`` with what was
wrong, or ``Skips`` with what the model does not have.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lewm_probe.core.checks import Fails, Skips, kind, refused
from lewm_probe.models.base import ModelSpec, spec_fault
from lewm_probe.models.check.bench import (
    Bench,
    apart,
    check_tensor,
    spread,
)


def declaration(bench: Bench) -> str:
    """What ``spec`` says can be, and goes together."""
    spec: object = getattr(bench.model, "spec", None)
    if not isinstance(spec, ModelSpec):
        raise Fails(f"spec is {kind(spec)}; expected a lewm_probe.models.ModelSpec")
    if fault := spec_fault(spec):
        raise Fails(fault)
    none = spec.action_kind == "none"
    if not none and bench.actions.shape[-1] != spec.action_width:
        raise Fails(
            f"spec.action_width is {spec.action_width}, but the actions given have blocks of width "
            f"{bench.actions.shape[-1]}"
        )
    acts = "no actions" if none else f"{spec.action_kind} actions, {spec.action_width} a block"
    seen = "recurrent, " if spec.recurrent else ""
    return (
        f"{seen}history {spec.history}, frame-skip {spec.frame_skip}, {spec.image_size} px, {acts}"
    )


def encode(bench: Bench) -> str:
    """Latents have a place for each frame, are finite, and the same each time."""
    found: object = bench.encode(bench.pixels, bench.actions)
    latents = check_tensor("encode()", found)
    shape, tokens = tuple(latents.shape), bench.spec.tokens
    batch, frames = bench.pixels.shape[:2]
    wanted = f"({batch}, {frames}, D)" if tokens == 1 else f"({batch}, {frames}, {tokens}, D)"
    fits = len(shape) == (3 if tokens == 1 else 4) and shape[2:-1] == (tokens,) * (tokens > 1)
    if shape[:2] != (batch, frames) or not fits:
        raise Fails(f"encode() has the shape {shape}; expected {wanted}")
    if not torch.equal(bench.encode(bench.pixels, bench.actions), latents):
        raise Fails("encode() twice of the same images gave two different latents")
    if bool((latents == latents[:1, :1]).all()):
        return f"{shape}, finite, deterministic; all the same: the model has collapsed"
    return f"{shape}, finite, deterministic"


def batch(bench: Bench) -> str:
    """The latents of a clip do not depend on the others beside it."""
    latents, scale = bench.latents, spread(bench.latents)
    alone = bench.encode(bench.pixels[:1], bench.actions[:1])
    others = bench.pixels.clone()
    others[1:] = bench.other_pixels(others[1:])
    beside = bench.encode(others, bench.actions)[:1]
    for found, what in ((alone, "alone"), (beside, "beside other clips")):
        if apart(found, latents[:1], scale):
            raise Fails(
                f"a clip {what} has other latents; nothing may be computed over the batch (batch "
                "norm in eval mode, no normalising by the batch)"
            )
    return "a clip has the same latents alone and beside others"


def frames(bench: Bench) -> str:
    """Latents of a frame model see their frame; those of a recurrent one see nothing later."""
    latents, scale, middle = bench.latents, spread(bench.latents), bench.frames // 2
    if not bench.spec.recurrent:
        single = bench.encode(
            bench.pixels.flatten(0, 1)[:, None], bench.actions.flatten(0, 1)[:, None]
        )
        if apart(single[:, 0], latents.flatten(0, 1), scale):
            raise Fails(
                "a frame alone has another latent than within its clip; declare spec.recurrent if "
                "earlier frames are to matter"
            )
        return "a frame has the same latent alone and within its clip"
    pixels = bench.pixels.clone()
    pixels[:, middle:] = bench.other_pixels(pixels[:, middle:])
    if apart(bench.encode(pixels, bench.actions)[:, :middle], latents[:, :middle], scale):
        raise Fails("latents change with later images; expected them to see the past only")
    blocks = bench.actions.clone()
    blocks[:, middle:] = bench.other_actions(blocks[:, middle:])
    if apart(bench.encode(bench.pixels, blocks)[:, : middle + 1], latents[:, : middle + 1], scale):
        raise Fails(
            "latents change with blocks that come after them; block t leads from frame t to frame "
            "t + 1, so that frame t follows blocks before t only"
        )
    return "latents follow earlier frames and blocks, none that come later"


def image_size(bench: Bench) -> str:
    """Images of another size are refused, unless resizing was asked for."""
    resize = getattr(bench.model, "resize", None)
    side = bench.spec.image_size + 8
    shape = (*bench.pixels.shape[:2], side, side, bench.pixels.shape[-1])
    other = torch.zeros(shape, dtype=torch.uint8, device=bench.pixels.device)
    if resize is not None:
        return f"others are resized: {resize}"
    refused(f"images of {side} px", lambda: bench.encode(other, bench.actions))
    return "another one is refused with a UserError"


def features(bench: Bench) -> str:
    """Views are (B, T, D), ``z`` among them and as wide as declared."""
    found: object = bench.model.features(bench.latents.clone())
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise Fails(f"features() is {kind(found)}; expected a dict of named tensors")
    if "z" not in found:
        names = ", ".join(found) or "nothing"
        raise Fails(f"features() has {names}; expected 'z', the view that everything is read from")
    for name, view in found.items():
        check_tensor(f"features()['{name}']", view)
        if view.ndim != 3 or view.shape[:2] != bench.latents.shape[:2]:
            raise Fails(
                f"features()['{name}'] has the shape {tuple(view.shape)}; expected "
                f"({bench.latents.shape[0]}, {bench.latents.shape[1]}, D)"
            )
    width = found["z"].shape[-1]
    if width != bench.spec.latent_width:
        raise Fails(
            f"features()['z'] is {width} wide, but spec.latent_width is {bench.spec.latent_width}"
        )
    return ", ".join(f"{name} of width {view.shape[-1]}" for name, view in found.items())


def inputs(bench: Bench) -> str:
    """What is passed in is left as it was."""
    pixels, blocks, latents = bench.pixels.clone(), bench.actions.clone(), bench.latents.clone()
    seen = {"pixels": pixels, "action": blocks} if bench.spec.recurrent else pixels
    bench.model.encode(seen)
    given = {"the pixels": (pixels, bench.pixels), "the actions": (blocks, bench.actions)}
    _untouched("encode()", given)
    with torch.no_grad():
        bench.model.predict(latents, blocks)
    _untouched("predict()", given | {"the latents": (latents, bench.latents)})
    return "images, latents and actions are left as they were"


def _untouched(call: str, given: dict[str, tuple[Tensor, Tensor]]) -> None:
    for name, (after, before) in given.items():
        if not torch.equal(after, before):
            raise Fails(f"{call} changes {name} that it is given; work on a copy")


def memory(bench: Bench) -> str:
    """Nothing is kept from one call for the next, in latents, predictions or weights."""
    before = _state(bench)
    latents, predicted = bench.latents, bench.predicted
    bench.encode(bench.other_pixels(bench.pixels), bench.other_actions(bench.actions))
    bench.predict(bench.other_latents(latents), bench.other_actions(bench.actions))
    if not torch.equal(bench.encode(bench.pixels, bench.actions), latents):
        raise Fails("encode() gave other latents after another clip; keep nothing between calls")
    again, full = bench.predict(latents, bench.actions), bench.full
    if not torch.equal(again[:, full], predicted[:, full]):
        raise Fails("predict() gave others after another clip; keep nothing between calls")
    after = _state(bench)
    for name in before:
        if not torch.equal(before[name], after[name]):
            raise Fails(f"'{name}' of its state changed in use, in eval mode")
    return "nothing is kept from one call for the next"


def _state(bench: Bench) -> dict[str, Tensor]:
    if not isinstance(bench.model, nn.Module):
        return {}
    state = bench.model.state_dict()  # what is no tensor there is a module's own business
    return {k: v.detach().clone() for k, v in state.items() if isinstance(v, Tensor)}


def mode(bench: Bench) -> str:
    """Encoding and predicting leave training mode as it is."""
    model = bench.model
    if not isinstance(model, nn.Module):
        raise Skips("it is no torch module, and has no mode; it has to see to that of its parts")
    parts = list(model.modules())
    modes = [part.training for part in parts]
    state = _state(bench)
    try:
        for training in (False, True):
            model.train(training)
            bench.model.encode(bench.observation(bench.pixels, bench.actions))
            with torch.no_grad():
                model.predict(bench.latents.clone(), bench.actions.clone())
            if any(part.training != training for part in parts):
                was = "training" if training else "eval"
                raise Fails(f"it leaves {was} mode when it is used; put the mode back")
    finally:
        for part, before in zip(parts, modes, strict=True):
            part.training = before
        model.load_state_dict(
            state, strict=False
        )  # batch norms in training mode follow what they see
    return "training and eval mode are left as they are"


def fingerprint(bench: Bench) -> str:
    """A string that stays the same in use and follows the weights."""
    model = bench.model
    first: object = model.fingerprint
    if not isinstance(first, str) or not first:
        raise Fails(f"fingerprint is {first!r}; expected a string that names these weights")
    bench.encode(bench.pixels, bench.actions)
    bench.predict(bench.latents, bench.actions)
    if model.fingerprint != first:
        raise Fails("fingerprint changes in use, so that nothing stored is ever found again")
    weights = [p for p in model.parameters() if p.numel()] if isinstance(model, nn.Module) else []
    if not weights:
        return "the same in use; it is no module with weights, so see that it follows them"
    for weight in (weights[0], weights[-1]):
        kept = weight.detach().clone()
        with torch.no_grad():
            weight.add_(1)
        moved = model.fingerprint
        with torch.no_grad():
            weight.copy_(kept)
        if moved == first:
            raise Fails(
                "fingerprint stays the same when weights change, so that latents of other weights "
                "would be taken for its own; leave it to WorldModel, or hash the weights"
            )
    if model.fingerprint != first:
        raise Fails("fingerprint is another for the same weights after they were changed and back")
    return "the same in use, another with other weights"
