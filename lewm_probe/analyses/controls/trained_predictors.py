"""Baselines with a predictor of the model's own architecture, trained here on frozen latents.

``random_encoder`` has latents of random networks, ``action_blind`` the model's own ones and no
actions. Latents are centred and divided by one number, their overall SD, which leaves their
geometry alone and gives the predictor the scale it was designed for.

Training was made short by what held-out loss allows (100 trajectories not trained on, MSE of the
frame after a full history, random latents of the CPU recipes; AdamW, one CPU thread):

| steps × batch, learning rate | TwoRoom | Push-T | seconds |
|--|--|--|--|
| 1500 × 128, 1e-3, dropout, cosine (before) | 0.181 | 0.797 | 51–71 |
| 400 × 128, 3e-3, dropout | 0.237 | 0.729 | 14–16 |
| 300 × 128, 6e-3 | 0.212 | 0.752 | 5.3 |
| 600 × 64, 3e-3 | 0.203 | 0.756 | 6.0 |
| 600 × 64, 6e-3 (default) | 0.182 | 0.776 | 5.9 |
| copying the last latent | 1.358 | 1.014 | |

Lines without "dropout" train without it, and all but the first warm up over a tenth of the steps.

Fewer trajectories are learned from in fewer steps (that loss in TwoRoom, batches of 64 at 6e-3):

| trajectories | 60 steps | 120 | 300 | 600 |
|--|--|--|--|--|
| 400 | 0.590 | 0.425 | 0.253 | 0.181 |
| 48 | 0.660 | 0.600 | 0.629 | 0.649 |
| 24 | 0.804 | 0.837 | 0.868 | 0.875 |
"""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from lewm_probe.analyses.controls.random_networks import Rebuildable, random_weights
from lewm_probe.analyses.engine.asked.suite import RandomEncoderSettings
from lewm_probe.analyses.engine.asked.trajectories import Trajectories
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache, encode_code
from lewm_probe.core.devices import one_thread
from lewm_probe.core.files import content_hash
from lewm_probe.core.progress import Task
from lewm_probe.core.seeding import stream, torch_seed
from lewm_probe.models.base import Observation, WorldModel, device_of
from lewm_probe.models.sliding import slide, windows

WEIGHT_DECAY = 1e-3
"""The paper's optimiser setting."""

WARM_UP = 0.1
"""Share of the steps over which the learning rate rises; a cosine to zero follows."""

SMALL = 5_000_000
"""Models of fewer parameters are trained on one CPU thread: on several a step of theirs takes about
as long, and many times longer on a busy machine, as threads wait for each other."""


class TrainedPredictor(nn.Module, WorldModel):
    """Frozen latents, scaled, with a predictor trained on them.

    Attributes:
        encoder: the model whose latents ``scaled`` takes.
        blind: the predictor was trained without actions and gets none: scaled zeros, their mean.
    """

    def __init__(
        self,
        encoder: WorldModel,
        predictor: WorldModel,
        centre: Tensor,
        sd: Tensor,
        blind: bool = False,
    ) -> None:
        super().__init__()
        self.encoder, self.predictor, self.blind = encoder, predictor, blind
        self.spec = encoder.spec
        self.centre: Tensor
        self.sd: Tensor
        self.register_buffer("centre", centre)
        self.register_buffer("sd", sd)
        self.fingerprint = content_hash(
            "trained predictor",
            encoder.fingerprint,
            predictor.fingerprint,
            centre.cpu().numpy(),
            sd.cpu().numpy(),
            blind,
        )

    def scaled(self, latents: np.ndarray) -> np.ndarray:
        """Latents of ``encoder`` (…, D) as the predictor was trained on them."""
        return (latents - self.centre.cpu().numpy()) / self.sd.cpu().numpy()

    def encode(self, observation: Observation) -> Tensor:
        """Scaled latents (B, T, D)."""
        return (self.encoder.encode(observation) - self.centre) / self.sd

    def predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        """The trained predictor's next latents (B, T, D)."""
        if not self.blind:
            return self.predictor.predict(latents, actions)
        assert isinstance(self.predictor, Rebuildable)
        nothing = torch.zeros_like(self.predictor.scale_actions(actions))
        return slide(self.predictor.predict_scaled, latents, nothing, self.spec.history)


def random_encoders(
    model: WorldModel,
    trajectories: Trajectories,
    settings: RandomEncoderSettings,
    *,
    seed: int,
    cache: LatentCache,
    task: Task | None = None,
) -> list[TrainedPredictor] | None:
    """Train the architecture's predictor on latents of random encoders, ``settings.seeds`` of them.

    They separate what learned latents add from what any latents and a learned predictor can do. A
    wholly random model would be a straw man: its zero gates ignore the actions. None for a model
    that cannot be built anew. ``trajectories`` must not be among those compared. Equal
    architectures, statistics, settings and data give the same baselines, which are trained once and
    kept in ``cache``. ``task`` is advanced ``settings.steps`` times for each of them.
    """
    found = []
    for number in range(settings.seeds):
        # The first has the weights of other analyses' random networks, and shares their latents.
        own = seed if number == 0 else torch_seed(seed, "random-encoder", number)
        encoder = random_weights(model, trajectories.pixels, seed=own)
        if encoder is None:
            return None
        latents = cache.encode(encoder, trajectories.pixels)["z"]  # (N, T, D)
        found.append(
            _trained(encoder, latents, trajectories.actions, settings, own, cache, task=task)
        )
    return found


def action_blind(
    model: WorldModel,
    trajectories: Trajectories,
    settings: RandomEncoderSettings,
    *,
    seed: int,
    cache: LatentCache,
    task: Task | None = None,
) -> TrainedPredictor | None:
    """Train the architecture's predictor on the model's own latents without their actions.

    What it notices can be noticed without knowing what was done. None for a model that cannot be
    built anew, or whose latents follow from actions. ``task`` is advanced ``settings.steps`` times.
    """
    if not isinstance(model, Rebuildable) or model.spec.recurrent:
        return None
    latents = cache.encode(model, trajectories.pixels)["z"]  # (N, T, D)
    return _trained(
        model, latents, trajectories.actions, settings, seed, cache, blind=True, task=task
    )


def _trained(
    encoder: WorldModel,
    latents: np.ndarray,
    actions: np.ndarray,
    settings: RandomEncoderSettings,
    seed: int,
    cache: LatentCache,
    *,
    blind: bool = False,
    task: Task | None = None,
) -> TrainedPredictor:
    """A predictor trained on latents (N, T, D) and raw blocks (N, T, A), or remembered."""
    device = device_of(encoder)
    centre = latents.mean(axis=(0, 1))
    sd = max(float(np.sqrt(latents.var(axis=(0, 1)).mean())), 1e-6)
    scaled = (latents - centre) / np.float32(sd)
    predictor = _fresh(encoder, seed)
    key = content_hash(
        "trained predictor",
        predictor.fingerprint,
        settings.model_dump_json(exclude={"seeds"}),
        seed,
        device.type,
        encode_code(encoder),
        inspect.getsource(sys.modules[__name__]),
        scaled,
        actions,
        blind,
    )

    known = True

    def train() -> dict[str, np.ndarray]:
        nonlocal known
        known = False
        _train(predictor, scaled, actions, settings, seed, blind, task)
        assert isinstance(predictor, nn.Module)
        return {name: value.cpu().numpy() for name, value in predictor.state_dict().items()}

    weights = cache.stored(key, train)
    if known and task is not None:
        task.advance(settings.steps)
    assert isinstance(predictor, nn.Module)
    shapes = {name: value.shape for name, value in predictor.state_dict().items()}
    predictor.load_state_dict(
        {name: torch.tensor(value).reshape(shapes[name]) for name, value in weights.items()}
    )
    predictor.to(device)
    baseline = TrainedPredictor(
        encoder,
        predictor,
        torch.tensor(centre, device=device),
        torch.tensor(sd, device=device),
        blind,
    )
    baseline.eval().requires_grad_(False)
    return baseline


def _train(
    predictor: WorldModel,
    latents: np.ndarray,
    actions: np.ndarray,
    settings: RandomEncoderSettings,
    seed: int,
    blind: bool,
    task: Task | None = None,
) -> None:
    """AdamW on teacher-forced windows of scaled latents (N, T, D), each once an epoch."""
    assert isinstance(predictor, Rebuildable)
    assert isinstance(predictor, nn.Module)
    device = device_of(predictor)
    history = predictor.spec.history
    if latents.shape[1] <= history:
        raise ValueError(f"trajectories of {latents.shape[1]} frames: no window of {history + 1}")
    z = windows(torch.tensor(latents, device=device), history + 1).contiguous()  # (M, H + 1, D)
    blocks = predictor.scale_actions(torch.tensor(actions, device=device))
    if blind:
        blocks = torch.zeros_like(blocks)
    a = windows(blocks[:, :-1], history).contiguous()  # (M, H, A)
    predictor.eval().requires_grad_(True)  # without dropout, but with norms of the batch
    for module in predictor.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train()
    optimizer = torch.optim.AdamW(
        predictor.parameters(), lr=settings.learning_rate, weight_decay=WEIGHT_DECAY, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _rate(step, settings.steps)
    )
    drawn = _batches(len(z), settings, seed)
    small = sum(p.numel() for p in predictor.parameters()) < SMALL
    with _seeded(torch_seed(seed, "random-encoder", "training"), device), one_thread(small):
        for _ in range(settings.steps):
            chosen = next(drawn).to(device)
            window = z[chosen]
            predicted = predictor.predict_scaled(window[:, :-1], a[chosen])
            loss = (predicted - window[:, 1:]).square().mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            if task is not None:
                task.advance()
    predictor.eval().requires_grad_(False)


def _rate(step: int, steps: int) -> float:
    """Share of the learning rate at a step."""
    warm = max(1, round(WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _batches(count: int, settings: RandomEncoderSettings, seed: int) -> Iterator[Tensor]:
    """Windows in random order, all of them before any comes again."""
    rng = stream(seed, "random-encoder", "batches")
    order = np.zeros(0, np.int64)
    while True:
        while len(order) < settings.batch:
            order = np.concatenate([order, rng.permutation(count)])
        yield torch.from_numpy(order[: settings.batch].copy())
        order = order[settings.batch :]


def _fresh(encoder: WorldModel, seed: int) -> WorldModel:
    assert isinstance(encoder, Rebuildable)
    return encoder.reinitialized(torch_seed(seed, "random-weights"))


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
