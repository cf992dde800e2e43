"""Is this checkpoint being fed what it was trained on? Asked before its numbers are believed.

A model with wrong action statistics, another frame-skip or other images still gives numbers, and a
collapsed one is calm and straight everywhere. Some betray it on clean data: they predict no better
than copying the last latent, their latents lie on a line, or the world's actions are not of unit
size once the model has scaled them. Every analysis that looks at trajectories asks this, once a
checkpoint: what was found is remembered beside its latents, so that an audit pays once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch

from lewm_probe.analyses.controls.random_networks import Rebuildable
from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.asked.trajectories import Purpose
from lewm_probe.analyses.engine.context import Context
from lewm_probe.analyses.engine.features import encoded, pooled
from lewm_probe.analyses.engine.predictions import surprise, teacher_forced
from lewm_probe.analyses.engine.remembered.latent_cache import encode_code
from lewm_probe.core.errors import NotWritten, UsageError, brief
from lewm_probe.core.files import content_hash
from lewm_probe.models.base import WorldModel, device_of
from lewm_probe.results.provenance import code_version, packages
from lewm_probe.stats.spectrum import rank_estimate

ACTION_SD = (0.5, 2.0)
"""Actions like those a model was trained on have an SD of 1 after scaling. The suite's policy in
place of the training data's moves it by less than 7 % in both worlds here; beyond these bounds the
statistics are another world's, or none."""

ACTION_MEAN = 1.0
"""Largest mean of scaled actions, in SDs of the training data."""

FEW_DIRECTIONS = 2.0
"""An effective rank below this is a line or a point, in any world with two dimensions of motion."""

ADVICE = (
    "Its action statistics, frame-skip or images may not be those it was trained with, or it was "
    "hardly trained."
)


@dataclass(frozen=True)
class Found:
    """What a checkpoint does on clean trajectories.

    Attributes:
        ratio: mean surprise over that of copying the last latent; null where nothing moves.
        rank: effective rank of z.
        scale: mean and SD of the actions as its predictor gets them, (2, A); null where it does not
            say how it scales them.
    """

    ratio: float | None
    rank: float
    scale: np.ndarray | None

    def warnings(self, label: str) -> list[str]:
        """What a reader of this checkpoint's numbers must know, a sentence each."""
        found = clean_warnings(label, self.ratio, self.rank)
        return found + ([] if self.scale is None else action_warnings(label, *self.scale))


def notes(checkpoint: Checkpoint, context: Context) -> list[str]:
    """Warnings about a checkpoint in the world of a context; none where the analysis sees no world.

    A model that cannot be asked, because it predicts nothing or raises, is told of: the analysis
    itself may need no prediction.

    Raises:
        UsageError, NotWritten: what was asked is wrong, or the cache cannot be written.
    """
    needs = context.analysis.needs
    if not needs & set(get_args(Purpose)):
        return []
    purpose: Purpose = next((p for p in _CLEAN if p in needs), "clean")
    try:
        found = _found(checkpoint, context, purpose)
    except (UsageError, NotWritten):
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 an untrusted model may raise anything
        return [
            f"Preflight, {checkpoint.label}: whether it predicts better than copying the last "
            f"latent could not be found out ({brief(error)})."
        ]
    return found.warnings(checkpoint.label)


_CLEAN: tuple[Purpose, ...] = ("clean", "disjoint")
"""Sets of undisturbed trajectories of fixed length: the same ones, unless a suite says other
numbers of them. An analysis that needs neither, such as probing, gets the first."""


def _found(checkpoint: Checkpoint, context: Context, purpose: Purpose) -> Found:
    suite, model = context.suite, checkpoint.model
    asked = suite.clean
    if purpose == "disjoint":
        voe = suite.voe
        asked = asked.model_copy(
            update={"trajectories": voe.disjoint, "frames": voe.frames, "policy": voe.policy}
        )
    key = content_hash(
        "preflight",
        asked.model_dump_json(),
        suite.seed,
        context.world.fingerprint,
        model.fingerprint,
        encode_code(model),
        context.device,
        code_version(),
        sorted(packages().items()),
    )
    arrays = context.cache.recall(key)
    if arrays is None:
        arrays = context.cache.keep(key, _measured(checkpoint, context, purpose))
    ratio, rank = map(float, arrays["ratio and rank"])
    scale = arrays.get("scale")
    return Found(None if np.isnan(ratio) else ratio, rank, scale)


def _measured(checkpoint: Checkpoint, context: Context, purpose: Purpose) -> dict[str, np.ndarray]:
    model, data = checkpoint.model, context.trajectories(checkpoint, purpose)
    latents = encoded(checkpoint, data.pixels, data.actions, context.cache)["z"]
    own = surprise(model, teacher_forced(model, latents, data.actions), latents)
    copied = np.full_like(latents, np.nan)
    copied[:, 1:] = latents[:, :-1]
    copied[:, : model.spec.history] = np.nan
    still = surprise(model, copied, latents)
    means = [float(np.nanmean(one, axis=1).mean()) for one in (own, still)]
    ratio = means[0] / means[1] if means[1] > 0 else np.nan
    rank = rank_estimate(pooled(checkpoint, latents))[0].value or 1.0
    scale = action_scale(model, data.actions)
    found = {"ratio and rank": np.array([ratio, rank])}
    return found if scale is None else {**found, "scale": scale}


def action_scale(model: WorldModel, actions: np.ndarray) -> np.ndarray | None:
    """Mean and SD of raw blocks (N, T, A) as the model's predictor gets them, (2, A).

    None for a model that does not say how it scales actions.
    """
    if not isinstance(model, Rebuildable):
        return None
    scaled = model.scale_actions(torch.tensor(actions, device=device_of(model))).cpu().numpy()
    flat = scaled.reshape(-1, scaled.shape[-1]).astype(np.float64)
    return np.stack([flat.mean(axis=0), flat.std(axis=0)])


def clean_warnings(label: str, ratio: float | None, rank: float) -> list[str]:
    """Warnings where a model has collapsed, or predicts worse than copying.

    Args:
        label: the checkpoint.
        ratio: surprise on clean data over that of copying the last latent; null: nothing moves.
        rank: effective rank of its latents.
    """
    found = []
    if ratio is None:
        found.append(
            f"Preflight, {label}: the latents do not change from frame to frame. The model has "
            "collapsed; its calm says nothing about physics."
        )
    elif rank < FEW_DIRECTIONS:
        found.append(
            f"Preflight, {label}: the latents have an effective rank of {rank:.2f}. The model has "
            "nearly collapsed; calm says nothing about physics."
        )
    if ratio is not None and ratio > 1:
        found.append(
            f"Preflight, {label}: surprise on clean data is {ratio:.2f} times that of "
            f"copying the last latent, and should be below 1. {ADVICE}"
        )
    return found


def action_warnings(label: str, means: np.ndarray, sds: np.ndarray) -> list[str]:
    """A warning where the world's actions, as the model scales them, are not of unit size, (A,)."""
    least, most = ACTION_SD
    off = float(np.abs(means).max())
    if least <= sds.min() and sds.max() <= most and off <= ACTION_MEAN:
        return []
    return [
        f"Preflight, {label}: scaled by its action statistics, this world's actions have an SD of "
        f"{sds.min():.2g} to {sds.max():.2g} and a mean of up to {off:.2g}, where about 1 and 0 "
        "are expected. Its action statistics do not fit this world: give those of the data that it "
        "was trained on (--action-stats or --dataset)."
    ]
