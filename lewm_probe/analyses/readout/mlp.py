"""The non-linear probe: small independent networks, many trained side by side as one computation.

A network for each target and seed, all reading the same features. Their weights are stacked along a
leading member axis M and multiplied with ``baddbmm``; the loss is the sum of theirs and AdamW works
element by element, so no member feels another. Each stops early on validation *trajectories* (never
frames of training trajectories), keeps its best weights, and leaves the stack.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lewm_probe.analyses.readout.scaling import Scaler, flatten_frames
from lewm_probe.analyses.readout.settings import Mlp
from lewm_probe.analyses.readout.targets import Target
from lewm_probe.core.seeding import torch_seed

ROWS_AT_ONCE = 4096
"""Frames read in one pass outside training: bounds memory at M × 4096 × hidden floats."""


@dataclass(frozen=True)
class MlpProbes:
    """Trained networks: ``seeds`` for each target.

    Attributes:
        features: scaling of the inputs.
        targets: scaling of each target's outputs.
        names: target names; member q·seeds + s is seed s of target q.
        seeds: networks a target.
        layers: weights (M, in, out) and biases (M, 1, out) of each layer.
        epochs: the epoch, from 1, whose weights each member kept, (M,).
    """

    features: Scaler
    targets: tuple[Scaler, ...]
    names: tuple[str, ...]
    seeds: int
    layers: tuple[tuple[Tensor, Tensor], ...]
    epochs: np.ndarray

    def predict(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """Read (N, T, D) features: name → (S, N, T, K) in the target's unit."""
        device = self.layers[0][0].device
        shape = features.shape[:-1]
        rows = torch.as_tensor(self.features.apply(features), dtype=torch.float32)
        rows = rows.reshape(-1, rows.shape[-1]).to(device)
        with torch.no_grad():
            parts = [_forward(self.layers, part.unsqueeze(0)) for part in rows.split(ROWS_AT_ONCE)]
        outputs = torch.cat(parts, dim=1).cpu().double().numpy()  # (M, N·T, K)
        outputs = outputs.reshape(len(self.names), self.seeds, *shape, -1)
        return {
            name: scaler.undo(outputs[q][..., : len(scaler.mean)])
            for q, (name, scaler) in enumerate(zip(self.names, self.targets, strict=True))
        }


def fit_mlps(
    features: np.ndarray,
    targets: Sequence[Target],
    validation_features: np.ndarray,
    validation_targets: Sequence[Target],
    settings: Mlp,
    seed: int,
    device: str = "cpu",
    told: Callable[[float], None] = lambda _: None,
) -> MlpProbes:
    """Train ``settings.seeds`` networks for each target from features (N, T, D).

    Frames where a target is NaN count for nothing. Scalers see the training frames only. A member's
    start and batch order follow from ``seed``, its own number and its target's name, so it does not
    matter which other targets are trained beside it. ``told`` hears of ``settings.max_epochs`` in
    all, one by one and at the end of those that were not needed.
    """
    x_scaler = Scaler.fit(features.reshape(-1, features.shape[-1]))
    y_scalers = tuple(Scaler.fit(flatten_frames(features, t.values)[1]) for t in targets)
    width = max(len(t.axes) for t in targets)
    members = [(t.name, s) for t in targets for s in range(settings.seeds)]

    def evaluation(raw: np.ndarray, wanted: Sequence[Target]) -> tuple[Tensor, Tensor, Tensor]:
        rows = torch.as_tensor(x_scaler.apply(raw), dtype=torch.float32).flatten(0, -2)
        scaled = [_padded(s.apply(t.values), width) for t, s in zip(wanted, y_scalers, strict=True)]
        answers = torch.as_tensor(np.stack(scaled), dtype=torch.float32)  # (Q, N·T, K)
        weights = answers.isfinite().float()
        weights /= weights.sum(dim=(1, 2), keepdim=True).clamp_min(1) / answers.shape[1]
        return rows.to(device), answers.nan_to_num(0).to(device), weights.to(device)

    train = evaluation(features, targets)
    check = evaluation(validation_features, validation_targets)
    sizes = [features.shape[-1], *settings.hidden, width]
    start = _initial(sizes, [torch_seed(seed, "mlp", n, s) for n, s in members])
    stack = _Stack([t.to(device) for t in start], settings)
    which = torch.arange(len(targets), device=device).repeat_interleave(settings.seeds)  # target
    orders = [
        torch.Generator().manual_seed(torch_seed(seed, "mlp order", s))
        for s in range(settings.seeds)
    ]
    for epoch in range(settings.max_epochs):
        falling = (1 + math.cos(math.pi * epoch / settings.max_epochs)) / 2
        stack.set_rate(settings.learning_rate * falling)
        order = torch.stack([torch.randperm(len(train[0]), generator=g) for g in orders])
        for batch in order.to(device).split(settings.batch, dim=1):  # (S, batch)
            rows = batch[stack.active % settings.seeds]  # (members, batch)
            target = which[stack.active].unsqueeze(1)
            stack.step(train[0][rows], train[1][target, rows], train[2][target, rows])
        stack.judge(_losses(stack.layers(), check, which[stack.active]))
        told(1)
        if len(stack.active) == 0:
            told(settings.max_epochs - epoch - 1)
            break
    layers = tuple(zip(stack.best[::2], stack.best[1::2], strict=True))
    return MlpProbes(
        x_scaler,
        y_scalers,
        tuple(t.name for t in targets),
        settings.seeds,
        layers,
        stack.best_epoch.cpu().numpy(),
    )


class _Stack:
    """The members still in training, and the best weights of all."""

    def __init__(self, parameters: list[Tensor], settings: Mlp) -> None:
        members = len(parameters[0])
        device = parameters[0].device
        self.patience = settings.patience
        self.best = [p.clone() for p in parameters]
        self.best_loss = torch.full((members,), torch.inf, device=device)
        self.best_epoch = torch.zeros(members, dtype=torch.long, device=device)
        self.active = torch.arange(members, device=device)
        self.epoch = 0
        self.parameters = [p.requires_grad_() for p in parameters]
        self.optimizer = torch.optim.AdamW(
            self.parameters,
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,  # the stack is large and the networks small: one pass instead of eight
        )

    def layers(self) -> tuple[tuple[Tensor, Tensor], ...]:
        return tuple(zip(self.parameters[::2], self.parameters[1::2], strict=True))

    def set_rate(self, rate: float) -> None:
        """The learning rate from now on."""
        self.optimizer.param_groups[0]["lr"] = rate

    def step(self, rows: Tensor, answers: Tensor, weights: Tensor) -> None:
        """One AdamW step on (members, batch, D) features and (members, batch, K) answers."""
        error = (_forward(self.layers(), rows) - answers).square() * weights
        self.optimizer.zero_grad()
        error.sum(dim=2).mean(dim=1).sum().backward()
        self.optimizer.step()

    @torch.no_grad()
    def judge(self, losses: Tensor) -> None:
        """Keep the weights of members that improved; drop those that long have not."""
        self.epoch += 1
        better = losses < self.best_loss[self.active]
        improved = self.active[better]
        self.best_loss[improved] = losses[better]
        self.best_epoch[improved] = self.epoch
        for best, now in zip(self.best, self.parameters, strict=True):
            best[improved] = now[better]
        going_on = self.epoch - self.best_epoch[self.active] < self.patience
        if not going_on.all():
            self._keep(going_on)

    def _keep(self, kept: Tensor) -> None:
        self.active = self.active[kept]
        group = self.optimizer.param_groups[0]
        for i, old in enumerate(self.parameters):
            state = self.optimizer.state.pop(old)
            new = old[kept].clone().requires_grad_()
            self.optimizer.state[new] = {
                key: value[kept] if value.dim() else value for key, value in state.items()
            }
            self.parameters[i] = group["params"][i] = new


def _forward(layers: Sequence[tuple[Tensor, Tensor]], rows: Tensor) -> Tensor:
    """(M or 1, batch, D) → (M, batch, K): ReLU between layers, none after the last."""
    hidden = rows.expand(len(layers[0][0]), -1, -1)
    for i, (weight, bias) in enumerate(layers):
        hidden = torch.baddbmm(bias, hidden if i == 0 else hidden.relu(), weight)
    return hidden


@torch.no_grad()
def _losses(
    layers: Sequence[tuple[Tensor, Tensor]], data: tuple[Tensor, Tensor, Tensor], which: Tensor
) -> Tensor:
    """Each member's mean squared error over all rows, (members,)."""
    rows, answers, weights = data
    total = torch.zeros(len(which), device=rows.device)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        guesses = _forward(layers, rows[part].unsqueeze(0))
        error = (guesses - answers[which, part]).square() * weights[which, part]
        total += error.sum(dim=(1, 2))
    return total / len(rows)


def _initial(sizes: Sequence[int], seeds: Sequence[int]) -> list[Tensor]:
    """Weight and bias of each layer, uniform within ± 1/√fan-in (PyTorch's default for Linear)."""
    members = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        tensors = []
        for fan_in, fan_out in zip(sizes[:-1], sizes[1:], strict=True):
            for rows in (fan_in, 1):  # weight, bias
                unit = torch.rand(rows, fan_out, generator=generator) * 2 - 1
                tensors.append(unit / fan_in**0.5)
        members.append(tensors)
    return [torch.stack(same) for same in zip(*members, strict=True)]


def _padded(values: np.ndarray, width: int) -> np.ndarray:
    """(N, T, K) → (N·T, width), columns that the target does not have as NaN."""
    rows = values.reshape(-1, values.shape[-1])
    return np.pad(rows, ((0, 0), (0, width - rows.shape[1])), constant_values=np.nan)
