"""Before a search: the data set that it trains on, and its plan of stages, minutes, megabytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lewm_probe.cli.terminal.tables import table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lewm_probe.cli.terminal.tables import FittedTable
    from lewm_probe.search.plan import Stage
    from lewm_probe.training.recipe import Recipe


def drawn(stages: Sequence[Stage]) -> FittedTable:
    """A row a stage, and all of them together."""
    from lewm_probe.reports.formatting import MISSING

    known = [stage.minutes for stage in stages if stage.minutes is not None]
    rows = [
        (
            stage.name,
            stage.what,
            MISSING if stage.minutes is None else _minutes(stage.minutes),
            f"{stage.megabytes:,.0f}",
        )
        for stage in stages
    ]
    whole = MISSING if len(known) < len(stages) else _minutes(sum(known))
    rows.append(("all", "", whole, f"{sum(stage.megabytes for stage in stages):,.0f}"))
    return table("Plan", ("stage", "what", "minutes", "MB"), rows, numbers=False)


def _minutes(value: float) -> str:
    return "0" if value == 0 else "<1" if value < 1 else f"{value:,.0f}"


def plain(stages: Sequence[Stage]) -> dict[str, Any]:
    """The same for machines."""
    from dataclasses import asdict

    return {"plan": [asdict(stage) for stage in stages]}


def data_of(recipe: Recipe, given: Path | None) -> Path:
    """The data set, given or where the recipe's would lie.

    Raises:
        UsageError: it is not there.
    """
    from lewm_probe.cli.train import existing_data
    from lewm_probe.core.errors import UsageError

    if given is None:
        return existing_data(recipe)
    if not given.exists():
        raise UsageError(f"There is no data set at {given}. Check the path given with --data.")
    return given
