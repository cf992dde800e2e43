"""Latents, computed once per checkpoint and images, and shared by all analyses.

An entry's key covers everything that its numbers depend on: the model's fingerprint (weights,
configuration, statistics), its precision and device type, the content of the images, and the code
that encodes them. Encoders see one frame at a time, so (N, T) only shapes the answer; recurrent
models see whole trajectories with their actions, which then are part of the key.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from torch import Tensor, nn

import lewm_probe.families
import lewm_probe.models
from lewm_probe.analyses.engine.asked.checkpoint import freeze
from lewm_probe.analyses.engine.batching import in_batches
from lewm_probe.core.files import atomic_path, content_hash
from lewm_probe.models.base import Observation, WorldModel, device_of


@runtime_checkable
class EmbedsFeatures(Protocol):
    """A model that offers more than its latents, e.g. the features before its projector."""

    def embed_features(self, observation: Observation) -> dict[str, Tensor]:
        """Named (B, T, …) of what ``encode`` takes; ``z`` is what ``encode`` gives."""


class LatentCache:
    """Encodes images, or remembers having done so.

    Args:
        folder: where entries are stored across calls, one file each; None keeps them in memory,
            for as long as the cache lives.
        batch: frames encoded at once, at most; half of it when memory runs out, and so on.
    """

    def __init__(self, folder: Path | None = None, batch: int = 256) -> None:
        self.folder = Path(folder) if folder is not None else None
        self.batch = batch
        self.misses = 0
        """Entries that had to be computed so far."""
        self._memory: dict[str, dict[str, np.ndarray]] = {}

    def encode(
        self, model: WorldModel, pixels: np.ndarray, actions: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Latents of images: uint8 (N, T, H, W, C) → ``z`` float32 (N, T, …), read-only.

        ``actions``, raw blocks (N, T, A), are needed for recurrent models, and not looked at for
        others. Models with ``embed_features`` also give its other entries, e.g. ``cls``
        (N, T, width).

        Raises:
            UserError: the model refuses the images, memory runs out, or the disk is full.
        """
        key = self.key(model, pixels, actions)
        return self.stored(key, lambda: encode(model, pixels, self.batch, actions))

    def key(self, model: WorldModel, pixels: np.ndarray, actions: np.ndarray | None = None) -> str:
        """The name under which the latents of these images by this model are stored."""
        device = device_of(model)
        return content_hash(
            "latents",
            model.fingerprint,
            _precision(model),
            device.type,
            encode_code(model),
            pixels,
            *((actions,) if model.spec.recurrent else ()),
        )

    def stored(self, key: str, compute: Compute) -> dict[str, np.ndarray]:
        """The arrays stored under ``key``, computed and stored if there are none.

        An entry that cannot be read (another program wrote it, the disk failed) is made anew.
        """
        arrays = self.recall(key)
        return self.keep(key, compute()) if arrays is None else arrays

    def recall(self, key: str) -> dict[str, np.ndarray] | None:
        """The arrays stored under ``key``, read-only; None where there are none."""
        arrays = self._memory.get(key) if self.folder is None else _read(self._path(key))
        return None if arrays is None else _locked(arrays)

    def keep(self, key: str, computed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Store arrays under ``key``; gives them back, read-only."""
        self.misses += 1
        arrays = {k: np.ascontiguousarray(v) for k, v in computed.items()}
        if self.folder is None:
            self._memory[key] = arrays
        else:
            with atomic_path(self._path(key), "--cache") as temporary:
                temporary.write_bytes(save(arrays))
        return _locked(arrays)

    def forget(self, key: str) -> None:
        """Let go of what is stored under ``key``, if there is anything."""
        self._memory.pop(key, None)
        if self.folder is not None:
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / key[:2] / f"{key}.safetensors"


class Compute(Protocol):
    """Makes the arrays of an entry."""

    def __call__(self) -> Mapping[str, np.ndarray]:
        """Named arrays."""


@torch.no_grad()
def encode(
    model: WorldModel, pixels: np.ndarray, batch: int = 256, actions: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Latents without a cache: uint8 (N, T, H, W, C) → named float32 (N, T, …).

    A recurrent model is shown whole trajectories, with their raw action blocks (N, T, A).
    """
    freeze(model)
    device = device_of(model)
    shown = pixels
    if not model.spec.recurrent:
        shown = pixels.reshape(-1, 1, *pixels.shape[2:])  # (N·T, 1, H, W, C)
    elif actions is None:
        raise ValueError("a recurrent model encodes images with their actions")

    def embed(rows: slice) -> dict[str, np.ndarray]:
        chunk = torch.tensor(shown[rows], device=device)
        seen: Observation = chunk
        if model.spec.recurrent:
            assert actions is not None
            seen = {"pixels": chunk, "action": torch.tensor(actions[rows], device=device)}
        embedded = (
            model.embed_features(seen)
            if isinstance(model, EmbedsFeatures)
            else {"z": model.encode(seen)}
        )
        return {name: values.float().cpu().numpy() for name, values in embedded.items()}

    at_once = max(1, batch // shown.shape[1])
    parts = in_batches(embed, len(shown), at_once, doing="encoding images", model=model)
    return {
        name: np.concatenate(arrays).reshape(*pixels.shape[:2], *arrays[0].shape[2:])
        for name in parts[0]
        for arrays in [[part[name] for part in parts]]
    }


@functools.cache
def _code_of(model: type) -> str:
    """Hash of the source that a latent depends on: all our models', and the model's own package."""
    ours = [*lewm_probe.models.__path__, *lewm_probe.families.__path__]
    files = {Path(__file__), *(f for folder in ours for f in Path(folder).rglob("*.py"))}
    # A class written at a prompt or in a notebook has no source to look at.
    with contextlib.suppress(TypeError, OSError):
        files |= _package_of(model)
    sources = [path.read_bytes() for path in sorted(files)]
    return content_hash(torch.__version__, model.__qualname__, *sources)


def _package_of(model: type) -> set[Path]:
    """Source files of the top-level package that a class is of; a lone module's file."""
    file = Path(inspect.getfile(model))
    top = sys.modules.get(model.__module__.partition(".")[0])
    folders = [] if top is None or top is lewm_probe else getattr(top, "__path__", [])
    return {file, *(f for folder in folders for f in Path(folder).rglob("*.py"))}


def encode_code(model: WorldModel) -> str:
    """Version of the code that encodes: any change to it makes old entries unused."""
    return _code_of(type(model))


def _precision(model: WorldModel) -> str:
    parameter = next(model.parameters(), None) if isinstance(model, nn.Module) else None
    return str(parameter.dtype if parameter is not None else torch.float32)


def _locked(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def _read(path: Path) -> dict[str, np.ndarray] | None:
    try:
        return load_file(path)
    except (FileNotFoundError, SafetensorError):
        return None
