"""What is kept of every training of a search: ``trials.jsonl``, a line a training.

A search asks for the trial of a value and does not care whether it was trained now or last week:
all its decisions follow from these lines, so that one that was killed goes on by asking again.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from lewm_probe.core.config import Config, Count, Name, Seed, parse
from lewm_probe.core.errors import UserError
from lewm_probe.core.files import write_text

Status = Literal["done", "diverged", "failed"]

Settings = Mapping[str, float]
"""Dotted recipe key → value."""


class Line(Config):
    """One training.

    Attributes:
        trial: number of the trial, from 1 on, in the order in which they were asked for.
        stage: who asked for it first: ``bisection``, ``golden section``, ``grid`` or ``optuna``.
        settings: what was searched for, by key.
        seed: of the training.
        status: ``diverged`` is an answer, ``failed`` (a full disk, a process that was killed) is
            none: it is tried again.
        rank: centred effective rank of validation latents after training; null without one.
        scores: by name; null where it is not finite.
        steps: optimiser steps that were to be taken.
        seconds: of training, by the run's own speed; null where it logged none.
        why: it has no rank.
        folder: of the run, below that of the search.
    """

    trial: int = Field(ge=1)
    stage: Name
    settings: dict[Name, float]
    seed: Seed
    status: Status
    rank: float | None = None
    scores: dict[Name, float | None] = Field(default_factory=dict)
    steps: Count | None = None
    seconds: float | None = None
    why: str | None = None
    folder: Name


@dataclass(frozen=True)
class Trial:
    """All trainings of one setting.

    Attributes:
        lines: one a seed.
    """

    lines: tuple[Line, ...]

    @property
    def number(self) -> int:
        """From 1 on."""
        return self.lines[0].trial

    @property
    def stage(self) -> str:
        """Who asked for it first."""
        return self.lines[0].stage

    @property
    def settings(self) -> Settings:
        """What was trained."""
        return self.lines[0].settings

    @property
    def status(self) -> Status:
        """``diverged`` if any of its trainings did."""
        if any(line.status == "diverged" for line in self.lines):
            return "diverged"
        return "failed" if any(line.status == "failed" for line in self.lines) else "done"

    def value(self, key: str) -> float:
        """Of the one number that is searched for."""
        return self.settings[key]

    @property
    def ranks(self) -> list[float]:
        """Of the trainings that came to their end."""
        return [line.rank for line in self.lines if line.rank is not None]

    def scores(self, name: str) -> list[float]:
        """A score of each training that has it, in the order of seeds."""
        found = (line.scores.get(name) for line in self.lines)
        return [value for value in found if value is not None]

    def passes(self, bound: float) -> bool:
        """Whether every training came to its end and the mean rank reaches the bound."""
        return self.status == "done" and mean(self.ranks) >= bound

    def costs(self, name: str, bound: float, higher_is_better: bool) -> list[float] | None:
        """A score to be made small, a value a seed; None where the setting is not to be chosen."""
        scores = self.scores(name)
        if not self.passes(bound) or len(scores) < len(self.lines):
            return None
        return [-score if higher_is_better else score for score in scores]


def mean(values: Sequence[float]) -> float:
    """Mean; NaN of nothing."""
    return statistics.fmean(values) if values else math.nan


def deviation(values: Sequence[float]) -> float | None:
    """Sample SD; None below two."""
    return statistics.stdev(values) if len(values) > 1 else None


class Record:
    """The lines of a search, in memory and in ``trials.jsonl``."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "trials.jsonl"
        self.lines: list[Line] = []
        if self.path.is_file():
            self.lines = list(_read(self.path))

    def find(self, settings: Settings, seed: int) -> Line | None:
        """The line of a training, if it was an answer."""
        for line in self.lines:
            if line.seed == seed and line.settings == dict(settings) and line.status != "failed":
                return line
        return None

    def put(self, line: Line) -> None:
        """Keep a line, in place of an earlier one of the same training."""
        same = (line.seed, line.settings)
        self.lines = [one for one in self.lines if (one.seed, one.settings) != same]
        self.lines.append(line)
        self.lines.sort(key=lambda one: (one.trial, one.seed))
        text = "".join(one.model_dump_json() + "\n" for one in self.lines)
        write_text(self.path, text)


def _read(path: Path) -> Iterable[Line]:
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            raw = json.loads(text)
        except ValueError as error:
            raise UserError(
                f"Line {number} of {path} is not JSON. It was changed or cut short; remove it, and "
                "the same command measures that training again from its run folder."
            ) from error
        yield parse(raw, Line, f"line {number} of {path}")
