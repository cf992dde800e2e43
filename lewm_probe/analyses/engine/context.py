"""What every measurement of one call of an analysis may use."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.asked.trajectories import Purpose, Trajectories, suite_trajectories
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.remembered.measurement_cache import MeasurementCache
from lewm_probe.core.progress import NoProgress, Progress
from lewm_probe.core.seeding import stream
from lewm_probe.results.analyses import Analysis
from lewm_probe.stats import bootstrap
from lewm_probe.worlds import World, make_world

T = TypeVar("T")


class Context:
    """What is asked, where, and what the checkpoints of one call share.

    Args:
        analysis: the question.
        suite: what to ask.
        cache: of latents and measurements.
        device: where models compute.
        progress: shows how far it is.

    Attributes:
        world: where it is asked.
    """

    def __init__(
        self,
        analysis: Analysis,
        suite: Suite,
        cache: LatentCache,
        device: str = "cpu",
        progress: Progress | None = None,
    ) -> None:
        self.analysis, self.suite, self.cache, self.device = analysis, suite, cache, device
        self.progress = progress or NoProgress()
        self._memory: dict[tuple[object, ...], Any] = {}

    @cached_property
    def world(self) -> World:
        """A world of its own; which state it is in is anybody's guess."""
        return make_world(self.suite.world)

    @property
    def settings(self) -> Any:
        """The suite's section of this analysis.

        Raises:
            UsageError: it has none.
        """
        return self.suite.section(self.analysis.name)

    def measurements(self, recorder: ResultRecorder, *what: object) -> MeasurementCache:
        """What is remembered of checkpoints; ``what`` else it follows from, beside the suite."""
        code = self.analysis.code()
        return MeasurementCache(recorder, self.cache, self.device, code, *what)

    def trajectories(self, checkpoint: Checkpoint, purpose: Purpose) -> Trajectories:
        """The suite's trajectories for one purpose, at the size that a checkpoint takes."""
        return suite_trajectories(self.suite, checkpoint.model.spec.image_size, purpose)

    def resamples(self, n: int) -> np.ndarray:
        """Bootstrap weights of n trajectories, (R, n): the same for every checkpoint."""

        def draw() -> np.ndarray:
            rng = stream(self.suite.seed, self.analysis.name, "bootstrap")
            return bootstrap.resamples(n, self.suite.statistics.bootstrap, rng)

        return self.once(("bootstrap", n), draw)

    def once(self, key: tuple[object, ...], make: Callable[[], T]) -> T:
        """What ``make`` gives, made for the first checkpoint that asks and shared by the others."""
        if key not in self._memory:
            self._memory[key] = make()
        found: T = self._memory[key]
        return found
