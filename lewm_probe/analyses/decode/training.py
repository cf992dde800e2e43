"""Training decoders on frozen latents: stopped at any moment, a training goes on; done, it is kept.

Mean squared error of pixels, AdamW, a short warm-up and a cosine to zero. All randomness of step s
follows from (seed, s), so that the state is weights, moments and the step, and what a resumed
training comes to is, bit for bit, what an uninterrupted one would have come to.
"""

from __future__ import annotations

import inspect
import math
import sys
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from lewm_probe.analyses.decode.settings import DecodeSettings
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.core.devices import one_thread
from lewm_probe.core.files import content_hash
from lewm_probe.core.progress import Task
from lewm_probe.core.seeding import stream, torch_seed
from lewm_probe.models.nn import decoder as network
from lewm_probe.models.nn.decoder import Decoder, DecoderShape

WARM_UP = 0.05
"""Share of the steps over which the learning rate rises."""

SMALL = 96
"""Pictures up to this side, px, are learned on one CPU thread: more hardly help, and sums come out
the same on any number of cores."""

TRAINED = frozenset(
    [
        "width",
        "layers",
        "heads",
        "mlp_width",
        "tokens",
        "steps",
        "batch",
        "learning_rate",
        "weight_decay",
    ]
)
"""Settings that weights follow from."""


def trained_decoder(
    latents: np.ndarray,
    pixels: np.ndarray,
    settings: DecodeSettings,
    *,
    seed: int,
    cache: LatentCache,
    device: str = "cpu",
    task: Task | None = None,
) -> Decoder:
    """A decoder of these latents, or the one that was trained on the very same before.

    Args:
        latents: (M, K, D), K tokens a frame.
        pixels: their frames, uint8 (M, S, S, 3); S is a multiple of the patch.
        settings: sizes and training.
        seed: of first weights and of the order of frames.
        cache: where finished decoders are kept, and the state of those in training.
        device: where it is trained, and stays.
        task: advanced ``settings.steps`` times.

    Returns:
        Frozen, in eval mode.
    """
    size, (_, tokens, width) = pixels.shape[1], latents.shape
    shape = DecoderShape(
        image_size=size,
        patch=settings.patch_of(size),
        latent_width=width,
        tokens=tokens,
        split=settings.tokens if tokens == 1 else 1,
        width=settings.width,
        layers=settings.layers,
        heads=settings.heads,
        mlp_width=settings.mlp_width,
    )
    sources = [inspect.getsource(sys.modules[__name__]), inspect.getsource(network)]
    key = content_hash(
        "decoder",
        shape,
        settings.model_dump_json(include=set(TRAINED)),
        seed,
        torch.device(device).type,
        torch.__version__,
        sources,
        latents,
        pixels,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "decode", "weights"))
        decoder = Decoder(shape)
    known = True

    def train() -> dict[str, np.ndarray]:
        nonlocal known
        known = False
        run = _Training(decoder.to(device), latents, pixels, settings, seed)
        run.finish(cache, content_hash("decoder in training", key), task)
        return _arrays(decoder.state_dict())

    weights = cache.stored(key, train)
    if known and task is not None:
        task.advance(settings.steps)
    decoder.load_state_dict(_shaped(weights, decoder.state_dict()))
    return decoder.to(device).eval().requires_grad_(False)


class _Training:
    """One decoder in training."""

    def __init__(
        self,
        decoder: Decoder,
        latents: np.ndarray,
        pixels: np.ndarray,
        settings: DecodeSettings,
        seed: int,
    ) -> None:
        self.decoder, self.settings, self.seed = decoder, settings, seed
        device = decoder.mean.device
        self.latents = torch.tensor(latents, device=device)
        self.pixels = torch.tensor(pixels, device=device)
        decoder.mean.copy_(torch.tensor(_mean_picture(pixels)))
        decoder.centre.copy_(self.latents.mean(dim=0))
        decoder.scale.fill_(max(float(latents.var(axis=0).mean()) ** 0.5, 1e-6))
        decoder.train().requires_grad_(True)
        self.optimizer = torch.optim.AdamW(
            decoder.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.step = 0

    def finish(self, cache: LatentCache, key: str, task: Task | None) -> None:
        """All steps that are left, the state kept under ``key`` from time to time."""
        if (state := cache.recall(key)) is not None:
            self._restore(state)
            if task is not None:
                task.advance(self.step)
        with one_thread(self.pixels.shape[1] <= SMALL and self.pixels.device.type == "cpu"):
            while self.step < self.settings.steps:
                self._take_step()
                if task is not None:
                    task.advance()
                if self.step % self.settings.save_every == 0 and cache.folder is not None:
                    cache.keep(key, self._state())
        cache.forget(key)

    def _take_step(self) -> None:
        chosen = torch.from_numpy(
            batch(self.seed, len(self.latents), self.settings.batch, self.step)
        )
        chosen = chosen.to(self.latents.device)
        true = self.pixels[chosen].permute(0, 3, 1, 2).float() / 255  # (B, 3, S, S)
        loss = (self.decoder(self.latents[chosen]) - true).square().mean()
        rate = self.settings.learning_rate * share_of_rate(self.step, self.settings.steps)
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.step += 1

    def _state(self) -> dict[str, np.ndarray]:
        tensors = {f"weights/{k}": v for k, v in self.decoder.state_dict().items()}
        for name, parameter in self.decoder.named_parameters():
            moments = self.optimizer.state[parameter]
            tensors |= {f"moments/{name}/{what}": moments[what] for what in _MOMENTS}
        return _arrays(tensors) | {"step": np.array([self.step])}

    def _restore(self, state: dict[str, np.ndarray]) -> None:
        own = self.decoder.state_dict()
        weights = {k.removeprefix("weights/"): v for k, v in state.items() if k[:8] == "weights/"}
        self.decoder.load_state_dict(_shaped(weights, own))
        self.step = int(state["step"][0])
        for name, parameter in self.decoder.named_parameters():
            kept = {what: state[f"moments/{name}/{what}"] for what in _MOMENTS}
            like = {"exp_avg": parameter, "exp_avg_sq": parameter, "step": torch.zeros(())}
            self.optimizer.state[parameter] = {
                what: tensor.to(parameter.device) for what, tensor in _shaped(kept, like).items()
            }


_MOMENTS = ("exp_avg", "exp_avg_sq", "step")
"""What AdamW remembers of a parameter."""


def share_of_rate(step: int, steps: int) -> float:
    """Share of the learning rate at a step from 0."""
    warm = max(1, round(WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def batch(seed: int, count: int, size: int, step: int) -> np.ndarray:
    """Which of ``count`` frames are learned from at a step, (size,): all before any comes again."""
    places = np.arange(step * size, (step + 1) * size)
    epochs, offsets = np.divmod(places, count)
    return np.array([_order(seed, count, int(e))[o] for e, o in zip(epochs, offsets, strict=True)])


@lru_cache(maxsize=2)
def _order(seed: int, count: int, epoch: int) -> np.ndarray:
    return stream(seed, "decode", "order", epoch).permutation(count)


def _mean_picture(pixels: np.ndarray) -> np.ndarray:
    """uint8 (M, S, S, 3) → float32 (3, S, S) from 0 to 1."""
    mean = pixels.mean(axis=0, dtype=np.float64) / 255
    return mean.transpose(2, 0, 1).astype(np.float32)


def _arrays(tensors: dict[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}


def _shaped(arrays: dict[str, np.ndarray], like: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of stored arrays, which have lost shapes without an axis."""
    return {k: torch.tensor(v).reshape(like[k].shape) for k, v in arrays.items()}
