"""Summary tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    numbers: bool = True,
) -> Table:
    """A summary table. The first column names; the others are right-aligned if ``numbers``."""
    from rich.table import Table

    drawn = Table(title=title, title_justify="left", title_style="bold")
    for position, column in enumerate(columns):
        drawn.add_column(column, justify="right" if numbers and position else "left")
    for row in rows:
        drawn.add_row(*["–" if v is None else _shown(v) for v in row])
    return drawn


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
