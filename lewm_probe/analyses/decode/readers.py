"""What can be read off a picture: probes of true pictures, asked about drawn ones.

A picture may look right and hold the wrong place. Linear and MLP probes are fitted to principal
components of true pictures of the probe's training trajectories; how well they read true held-out
pictures stands beside how well they read drawn ones. It is a level and no bound: a probe takes
whatever tells a quantity, and where it follows from what is drawn well, such as an agent's place
from that of the block it pushes, it is read although it is not drawn itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lewm_probe.analyses.controls.random_networks import PixelPca
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.asked.trajectories import Trajectories
from lewm_probe.analyses.readout.linear import LinearProbe, fit_linear
from lewm_probe.analyses.readout.mlp import MlpProbes, fit_mlps
from lewm_probe.analyses.readout.scaling import Scaler
from lewm_probe.analyses.readout.targets import Target, targets_of, varying
from lewm_probe.comparison.difference import Sample
from lewm_probe.worlds.base import World


@dataclass(frozen=True)
class Readers:
    """Probes of pictures at one size, which no checkpoint has a part in.

    Attributes:
        pca: from pictures to features.
        targets: what is read, of the training trajectories.
        linear: a probe each.
        mlps: the networks of all.
    """

    pca: PixelPca
    targets: tuple[Target, ...]
    linear: tuple[LinearProbe, ...]
    mlps: MlpProbes | None

    def read(self, pictures: np.ndarray) -> dict[tuple[str, str], tuple[np.ndarray, Scaler]]:
        """uint8 (N, E, H, W, C) → (quantity, method) → what is read (S, N, E, K), and its scale."""
        features = self.pca(pictures)  # (N, E, components)
        found = {
            (target.name, "linear"): (probe.predict(features)[None], probe.targets)
            for target, probe in zip(self.targets, self.linear, strict=True)
        }
        if self.mlps is not None:
            for name, scaler in zip(self.mlps.names, self.mlps.targets, strict=True):
                found[name, "mlp"] = (self.mlps.predict(features)[name], scaler)
        return found

    def answers(self, world: World, data: Trajectories) -> dict[str, Target]:
        """The true values of each quantity in trajectories, on the axes that are read."""
        found = {}
        for target in self.targets:
            whole = targets_of(data.state, world.quantities, [target.name])[0]
            columns = [axis in target.axes for axis in whole.axes]
            found[target.name] = replace(target, values=whole.values[..., columns])
        return found


def fit_readers(
    world: World,
    train: Trajectories,
    validation: Trajectories,
    suite: Suite,
    components: int,
    device: str,
) -> Readers:
    """Probes of each quantity of the suite's that is no velocity and that varies."""
    asked = suite.probe
    pca = PixelPca.fit(train.pixels, components, seed=suite.seed)
    targets = []
    for name in asked.quantities:
        if world.quantities[name].kind != "velocity":
            target, _ = varying(targets_of(train.state, world.quantities, [name])[0])
            targets += [] if target is None else [target]
    features = pca(train.pixels)
    linear = tuple(fit_linear(features, one.values, asked.linear) for one in targets)
    mlps = None
    if targets:
        bare = Readers(pca, tuple(targets), linear, None)
        check = list(bare.answers(world, validation).values())
        mlps = fit_mlps(
            features, targets, pca(validation.pixels), check, asked.mlp, suite.seed, device
        )
    return Readers(pca, tuple(targets), linear, mlps)


def r2_sample(
    ids: tuple[str, ...],
    frames: np.ndarray,
    true: np.ndarray,
    squares: np.ndarray,
    wrong: np.ndarray,
) -> Sample:
    """R² by trajectory: frames (N,), Σ y, Σ y² and Σ error² (N, K) each."""
    columns = [frames, *true.T, *squares.T, *wrong.T]
    return Sample.of(ids, *columns, statistic=r2)


def r2(values: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray]:
    """R², the mean over axes, of all trajectories and in each resample.

    Args:
        values: frames, Σ y, Σ y² and Σ error² of each axis, (N, 1 + 3K).
        weights: of trajectories, (R, N).
    """
    everyone = np.full((1, len(values)), 1 / max(1, len(values)))
    sums = np.concatenate([everyone, weights]) @ values  # (1 + R, 1 + 3K)
    with np.errstate(divide="ignore", invalid="ignore"):
        true, squares, wrong = np.split(sums[:, 1:] / sums[:, :1], 3, axis=1)
        variance = squares - np.square(true)
        variance = np.where(variance > 1e-12 * np.maximum(squares, 1), variance, np.nan)
        found = (1 - wrong / variance).mean(axis=1)
    return float(found[0]), found[1:]
