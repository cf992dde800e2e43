"""Every cell of the calibration: which study, in which scenario, how often repeated."""

from __future__ import annotations

import hashlib
import inspect
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from lewm_probe.analyses.readout import scores
from lewm_probe.comparison import difference
from lewm_probe.reports.verdicts import judging
from lewm_probe.reports.verdicts import methods as verdict_methods
from lewm_probe.results import family
from lewm_probe.stats import bootstrap, paired, ranks, seeds, skewed, spectrum
from tests.calibration import methods, readouts, reports, results, scenarios, study, trajectories

SEED = 20261126
SIZES = (50, 100, 200)
CLOSED, DRAWN = 2000, 300
"""Repeats of closed forms, and of what draws resamples or makes whole reports."""

KINDS = (
    "normal",
    "gamma",
    "t3",
    "contaminated",
    "outliers",
    "log-normal",
    *scenarios.REAL,
    *scenarios.REAL_VALUES,
    "real: rollout error",
    "real: rollout error, push-t",
)
SIDES = ((2, 2), (3, 3), (4, 4), (6, 6), (2, 3), (3, 4), (1, 3))


@dataclass(frozen=True)
class Cell:
    """One function with its arguments.

    Attributes:
        name: also of its file.
        run: (rng, repeats, **arguments) → rows.
        repeats: simulated studies.
        uses: modules whose code its numbers come from.
        arguments: of the scenario.
    """

    name: str
    run: Callable[..., Iterator[study.Row]]
    repeats: int
    uses: tuple[ModuleType, ...]
    arguments: dict[str, Any]

    @property
    def seed(self) -> tuple[int, int]:
        return SEED, zlib.crc32(self.name.encode())

    @property
    def code(self) -> str:
        """Changes when what it measures or how changes."""
        text = "".join(inspect.getsource(one) for one in (*self.uses, study, scenarios))
        text += inspect.getsource(inspect.getmodule(self.run))  # type: ignore[arg-type]
        return hashlib.sha256(f"{text}{self.repeats}{self.arguments}".encode()).hexdigest()[:16]

    def rows(self, repeats: int | None = None) -> list[study.Row]:
        rng = np.random.default_rng(self.seed)
        return list(self.run(rng, repeats or self.repeats, **self.arguments))


def cells() -> list[Cell]:
    """All of them; their order is that in which they run, slow ones first."""
    found: list[Cell] = []

    def add(
        run: Callable[..., Iterator[study.Row]],
        repeats: int,
        uses: tuple[ModuleType, ...],
        **arguments: Any,
    ) -> None:
        name = "-".join([run.__name__, *(f"{value}" for value in arguments.values())])
        plain = "".join(c if c.isalnum() or c in "-._" else "_" for c in name)
        found.append(Cell(plain, run, repeats, uses, arguments))

    for n in SIZES:
        for null in reports.NULLS:
            add(
                reports.reports,
                DRAWN,
                (ranks, paired, bootstrap, family, judging, results),
                n=n,
                null=null,
            )
    compared = (difference, seeds, ranks, verdict_methods, results)
    for measure in ("auroc", "mse"):
        for tau in (0.0, 0.1, 0.5):
            for sides in SIDES:
                add(methods.differences, DRAWN, compared, sides=sides, n=200, measure=measure,
                    tau=tau)  # fmt: skip
            for n in SIZES[:2]:
                add(methods.differences, DRAWN, compared, sides=(3, 3), n=n, measure=measure,
                    tau=tau)  # fmt: skip
        add(methods.differences, DRAWN, compared, sides=(3, 3), n=200, measure=measure, tau=0.1,
            interaction=0.5)  # fmt: skip
    for sides in ((2, 2), (3, 3), (4, 4), (6, 6), (2, 3), (1, 3)):
        for tau in (0.0, 0.1, 0.5):
            add(methods.sentences, DRAWN, compared, sides=sides, n=200, tau=tau)
    for sides in ((3, 3), (6, 6)):
        add(methods.sentences, DRAWN, compared, sides=sides, n=200, tau=0.1, effect=0.5)
    for n in SIZES:
        for heavy in (False, True):
            add(readouts.ranks_of_latents, 1000, (spectrum, bootstrap), n=n, heavy=heavy)
        for kind in ("normal", "gamma", "t3", "contaminated", *scenarios.REAL_ERRORS):
            add(readouts.probes, 2 * DRAWN, (scores, skewed, bootstrap), kind=kind, n=n)
    for n in SIZES:
        _over_trajectories(add, n)
    return found


def _over_trajectories(add: Callable[..., None], n: int) -> None:
    for kind in KINDS:
        add(trajectories.tests, CLOSED, (paired, bootstrap), kind=kind, n=n)
    for kind in ("normal", "gamma", "t3", "contaminated", "outliers", "log-normal"):
        for effect in (0.0, 0.5, 1.0, 2.0):
            add(trajectories.effects, CLOSED, (paired,), kind=kind, n=n, effect=effect)
    areas = [("normal", area) for area in (0.5, 0.7, 0.9, 0.99, 0.999)]
    areas += [("mixture", 0.99), ("mixture", 0.95), ("matched", 0.5)]
    for kind, area in [*areas, *((kind, 0.0) for kind in scenarios.REAL)]:
        add(trajectories.areas, CLOSED, (ranks,), kind=kind, n=n, area=area)
    for own, other, alike in (
        (0.5, 0.5, 0.5), (0.7, 0.7, 0.5), (0.9, 0.9, 0.5), (0.9, 0.9, 0.99),
        (0.99, 0.99, 0.5), (0.999, 0.999, 0.5), (0.95, 0.9, 0.5), (0.99, 0.97, 0.5),
        (0.99999, 0.95, 0.5), (0.99, 0.5, 0.5),
    ):  # fmt: skip
        add(trajectories.gains, CLOSED, (ranks,), n=n, own=own, other=other, alike=alike)
    for area in (0.7, 0.97):
        for spread in (0.1, 0.5):
            add(trajectories.gains, CLOSED, (ranks,), n=n, own=area, other=area, seeds=3,
                spread=spread)  # fmt: skip
    add(trajectories.gains, CLOSED, (ranks,), n=n, own=1 - 1e-9, other=1 - 1e-9, missed=0.05)
    for kind in ("real: step teleport", "real: swapped actions"):
        for baseline in ("random_encoder", "copy_last"):
            add(trajectories.gains_of_rows, CLOSED, (ranks,), n=n, kind=kind, baseline=baseline)
    for kind in ("normal", "t3", "gamma"):
        for shift in (0.0, 1.6, 4.0):
            add(trajectories.detection, CLOSED, (ranks,), kind=kind, n=n, clean=n, shift=shift)
    if n > 50:
        add(trajectories.detection, CLOSED, (ranks,), kind="normal", n=n, clean=50, shift=1.6)
    for null in ("nothing is noticed", "noticed as a baseline does"):
        add(trajectories.doses, DRAWN, (ranks, paired), n=n, null=null)
