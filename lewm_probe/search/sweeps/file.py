"""The sweep file: a base recipe, what all its runs have in common, and axes of changes.

One axis is changed at a time and every axis passes through the base, so that n axes of m cells cost
n · (m − 1) + 1 trainings a seed instead of mⁿ; what two changes do together is not asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from lewm_probe.core.config import Config, Name, Seed, load_yaml
from lewm_probe.core.errors import UsageError
from lewm_probe.core.resources import find_sweep

MOST_CELLS = 200
"""Cells of one sweep, the base once: more is most likely a slip, and days of work."""

Changes = Mapping[str, Any]
"""Dotted recipe key → value."""


class Cell(Config):
    """One point of an axis."""

    label: Name = Field(min_length=1)
    """On the axis and in tables."""
    set: dict[str, Any] = Field(default_factory=dict)
    """What is changed, by dotted recipe key; nothing: where the base stands on the axis."""


class Axis(Config):
    """One thing that is changed.

    Raises:
        UsageError: two cells of one label, or not exactly one where the base stands.
    """

    name: Name = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    """In tables and names of folders."""
    label: Name
    """For readers."""
    paper: Name
    """The figure or table of arXiv 2603.19312 that it answers."""
    says: str = ""
    """What that one says."""
    cells: tuple[Cell, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _one_base(self) -> Axis:
        labels = [cell.label for cell in self.cells]
        if len(set(labels)) < len(labels):
            twice = next(label for label in labels if labels.count(label) > 1)
            raise UsageError(
                f"The axis '{self.name}' has two cells labelled '{twice}'. Give each a label of "
                "its own."
            )
        bases = sum(not cell.set for cell in self.cells)
        if bases != 1:
            raise UsageError(
                f"The axis '{self.name}' has {bases} cells that change nothing, but exactly one is "
                "needed: where the base stands on it. Leave 'set' out of that one alone."
            )
        return self


class SweepFile(Config):
    """One file of ``training/sweeps/``.

    Raises:
        UsageError: two axes of one name, or too many cells.
    """

    name: Name
    base: str
    """Recipe, by name or path."""
    set: dict[str, Any] = Field(default_factory=dict)
    """What all runs change in it, by dotted key."""
    seeds: tuple[Seed, ...] = Field(min_length=1, max_length=20)
    trajectories: int = Field(50, ge=4)
    """Trajectories a condition that every run is measured with."""
    axes: tuple[Axis, ...] = Field(min_length=1)

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) < len(value):
            raise ValueError("a seed stands twice; a run of the same recipe and seed is the same")
        return value

    @model_validator(mode="after")
    def _axes_differ(self) -> SweepFile:
        names = [axis.name for axis in self.axes]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise UsageError(f"Two axes are called '{twice}'. Give each a name of its own.")
        if self.cells > MOST_CELLS:
            raise UsageError(
                f"The sweep {self.name} has {self.cells} cells; expected at most {MOST_CELLS}. "
                "Part it in two."
            )
        return self

    @property
    def cells(self) -> int:
        """Different cells, the base once."""
        return 1 + sum(len(axis.cells) - 1 for axis in self.axes)


def load_sweep(name: str | Path) -> SweepFile:
    """A sweep by path or shipped name (``two-room-ablations``).

    Raises:
        UsageError: unknown sweep, unknown key, wrong type.
    """
    return load_yaml(find_sweep(name), SweepFile, "sweep")


def as_overrides(changes: Changes) -> list[str]:
    """Changes as ``--set`` takes them.

    >>> as_overrides({"objective.knots": 5, "model.encoder.channels": [16, 32]})
    ['objective.knots=5', 'model.encoder.channels=[16, 32]']
    """
    return [f"{key}={json.dumps(value)}" for key, value in changes.items()]
