"""How well a linear probe, fitted on training episodes, reads where things are in validation ones.

The probe is that of the analysis ``probe`` (ridge, its strength by cross-validation over episodes),
of a single frame's latent; the quantities are the positions and angles that the data set holds and
a model could see. The mean of R² over quantities and their axes.
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics import r2_score

from lewm_probe.analyses.engine.features import encoded, pooled
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.probe.settings import seen_poses
from lewm_probe.analyses.readout.linear import fit_linear
from lewm_probe.analyses.readout.settings import Linear
from lewm_probe.analyses.readout.targets import targets_of
from lewm_probe.core.errors import UserError
from lewm_probe.data.quantities import data_quantities
from lewm_probe.search.tuning.scores.trained import Trained

EPISODES = 200
"""Episodes of either side at the most, evenly spaced: some 4,000 frames, seconds on a CPU."""


class Probe:
    """The score ``probe``."""

    label = "linear probe R²"
    higher_is_better = True

    def measure(self, trained: Trained) -> float:
        """Mean R² on validation episodes.

        Raises:
            UserError: the data set holds no quantity that a model could see.
        """
        sources = data_quantities(trained.data)
        names = seen_poses(list(sources))
        if not names:
            raise UserError(
                f"{trained.data.path} holds no position or angle that a probe could read. Declare "
                "its quantities, or choose another --score."
            )
        fitted, read = (
            _frames(trained, _some(side), names) for side in (trained.training, trained.validation)
        )
        found = []
        for name in fitted[1]:
            ridge = fit_linear(fitted[0], fitted[1][name], Linear())
            truth = read[1][name]
            there = np.isfinite(truth).all(axis=-1)  # (N, T)
            guess = ridge.predict(read[0][there])
            found.append(r2_score(truth[there], guess, multioutput="uniform_average"))
        return float(np.mean(found))


def _some(episodes: np.ndarray) -> np.ndarray:
    """Evenly spaced, at most ``EPISODES``."""
    chosen = np.unique(np.linspace(0, len(episodes) - 1, EPISODES).round().astype(np.int64))
    return episodes[chosen]


def _frames(
    trained: Trained, episodes: np.ndarray, names: list[str]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Latents (N, T, D) and quantities (N, T, K) of episodes of any length; NaN where none is."""
    checkpoint, data = trained.checkpoint, trained.data
    skip, sources = checkpoint.model.spec.frame_skip, data_quantities(data)
    frames = int((data.lengths[episodes].max() - 1) // skip + 1)
    latents: list[np.ndarray] = []
    values: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for episode in episodes:
        start, length = int(data.offsets[episode]), int(data.lengths[episode])
        pixels = data.read("pixels", start, start + length)[::skip][None]  # (1, T, H, W, C)
        actions = _blocks(data.read("action", start, start + length), skip, pixels.shape[1])
        view = pooled(checkpoint, encoded(checkpoint, pixels, actions, LatentCache())["z"])[0]
        short = frames - len(view)
        latents.append(np.pad(view, ((0, short), (0, 0))))
        for name in names:
            source = sources[name]
            column = data.read(source.column, start, start + length)
            own = source.values(column, skip)[::skip]
            values[name].append(np.pad(own, ((0, short), (0, 0)), constant_values=np.nan))
    return np.stack(latents), _targets(trained, {n: np.stack(v) for n, v in values.items()})


def _blocks(actions: np.ndarray, skip: int, frames: int) -> np.ndarray:
    """Raw action blocks (1, T, A) of an episode; what lacks at its end is 0, and leads nowhere."""
    whole = np.zeros((frames * skip, actions.shape[-1]), np.float32)
    whole[: len(actions)] = np.nan_to_num(actions)
    return whole.reshape(1, frames, -1)


def _targets(trained: Trained, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a regression reads of quantities (N, T, axes): angles as sine and cosine."""
    quantities = {name: s.quantity for name, s in data_quantities(trained.data).items()}
    there = {name: np.isfinite(values).all(axis=-1) for name, values in state.items()}
    found = {}
    for name, values in state.items():
        whole = np.nan_to_num(values)
        target = targets_of({name: whole}, quantities, [name])[0]
        numbers = np.where(there[name][..., None], target.values, np.nan)
        found[name] = numbers
    return found


PROBE = Probe()
