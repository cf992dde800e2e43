"""Whether a model keeps what the ``WorldModel`` interface promises: ``check_world_model``.

For models of one's own and of others, before they are audited. Every promise that an analysis leans
on is tried on a few short clips: images encoded one by one, predictions that see neither the
future nor more than the history, nothing remembered between calls.

>>> from lewm_probe.data.sampling.action_statistics import ActionStatistics
>>> from lewm_probe.models.config import EncoderConfig, ModelConfig
>>> from lewm_probe.models.jepa import JEPA
>>> config = ModelConfig(image_size=16, latent_width=8, encoder=EncoderConfig(name="cnn"))
>>> model = JEPA(config, ActionStatistics(mean=(0.0, 0.0), std=(1.0, 1.0)))
>>> print(str(check_world_model(model)).splitlines()[0])
JEPA (lewm): 21 of 21 checks passed
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from lewm_probe.core.checks import CheckList, Conformance
from lewm_probe.core.errors import UsageError
from lewm_probe.models.base import WorldModel, device_of
from lewm_probe.models.check import latents as checks
from lewm_probe.models.check import predictions
from lewm_probe.models.check.bench import Bench, clips
from lewm_probe.models.user_models import make_model

CHECKS = {
    "declaration": (checks.declaration, ()),
    "encode": (checks.encode, ("declaration",)),
    "batch": (checks.batch, ("encode",)),
    "frames": (checks.frames, ("batch",)),
    "image size": (checks.image_size, ("encode",)),
    "features": (checks.features, ("encode",)),
    "full context": (predictions.full_context, ("declaration",)),
    "predict": (predictions.predict, ("encode", "full context")),
    "inputs": (checks.inputs, ("predict",)),
    "predict batch": (predictions.predict_batch, ("predict",)),
    "causal": (predictions.causal, ("predict batch",)),
    "history": (predictions.history, ("causal",)),
    "actions": (predictions.actions, ("predict",)),
    "action width": (predictions.action_width, ("predict",)),
    "missing actions": (predictions.missing_actions, ("causal", "frames")),
    "rollout": (predictions.rollout, ("history", "inputs")),
    "surprise": (predictions.surprise, ("predict",)),
    "goal cost": (predictions.goal_cost, ("encode",)),
    "memory": (checks.memory, ("predict",)),
    "mode": (checks.mode, ("predict",)),
    "fingerprint": (checks.fingerprint, ("memory",)),
}
"""Each check and those that have to pass first."""

_CHECK_LIST = CheckList(CHECKS, "model", "it", "it is audited", "check_world_model")


def check_world_model(
    model: str | WorldModel | Callable[[], WorldModel],
    *,
    pixels: np.ndarray | Tensor | None = None,
    actions: np.ndarray | Tensor | None = None,
    seed: int = 0,
    report_only: bool = False,
) -> Conformance:
    """Try everything that the ``WorldModel`` interface promises.

    Args:
        model: the model, a callable that makes it, or text as ``make_model`` takes it. It is left
            as it was, weights and mode included.
        pixels: uint8 (B, T, H, W, C) to try it on, at least 2 clips of history + 3 frames; by
            default squares that move over coloured backgrounds, of the model's image size.
        actions: raw blocks (B, T, A) that belong to them; by default random ones: uniform from −1
            to 1, or choices 0 and 1.
        seed: of clips, actions and changes to them.
        report_only: return the report even if something failed.

    Returns:
        The report; ``print`` it for one line a check.

    Raises:
        UsageError: no such model, or clips that are too few or too short.
        UserError: it cannot be made; or a check failed, unless ``report_only``: every failure is
            named.
    """
    made = _made(model)
    bench = Bench(made, seed, *_clips(made, pixels, actions, seed))
    device = device_of(made)
    family = getattr(getattr(made, "spec", None), "family", None)
    name = f"{type(made).__name__} ({family or 'no family'})"
    # In training mode, which one check tries, dropout draws from the stream that training uses.
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        return _CHECK_LIST.run(name, bench, failed=set(), report_only=report_only)


def _made(model: str | WorldModel | Callable[[], WorldModel]) -> WorldModel:
    if isinstance(model, str):
        return make_model(model)[1]
    if isinstance(model, WorldModel):
        return model
    made: object = model() if callable(model) else model
    if not isinstance(made, WorldModel):
        raise UsageError(
            f"check_world_model was given {model!r}, which is not a world model and makes none: "
            "expected a lewm_probe.models.WorldModel, a function or class that makes one, or text "
            "such as my_package.my_module:factory."
        )
    return made


def _clips(
    model: WorldModel,
    pixels: np.ndarray | Tensor | None,
    actions: np.ndarray | Tensor | None,
    seed: int,
) -> tuple[Tensor, Tensor]:
    """What the model is shown: pixels (B, T, H, W, C) and blocks (B, T, A)."""
    made = clips(model, seed)
    shown = made[0] if pixels is None else torch.as_tensor(pixels)
    if pixels is not None and actions is None:
        raise UsageError(
            "check_world_model was given pixels without actions. Give the raw action blocks "
            "(B, T, A) that belong to them too, or neither."
        )
    blocks = made[1] if actions is None else torch.as_tensor(actions).float()
    least = made[0].shape[1] - 1
    if shown.ndim != 5 or len(shown) < 2 or shown.shape[1] < least:
        raise UsageError(
            f"check_world_model was given pixels of the shape {tuple(shown.shape)}, but needs at "
            f"least 2 clips of {least} frames: (B, T, H, W, C). Give more of them, or none."
        )
    if blocks.ndim != 3 or blocks.shape[:2] != shown.shape[:2]:
        raise UsageError(
            f"check_world_model was given actions of the shape {tuple(blocks.shape)} for pixels of "
            f"the shape {tuple(shown.shape)}. Give one raw block for each frame: (B, T, A)."
        )
    return shown, blocks
