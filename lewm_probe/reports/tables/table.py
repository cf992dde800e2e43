"""A table as data: typed columns, cells that keep the number behind the text, groups of rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from lewm_probe.core.files import safe_name
from lewm_probe.reports import formatting
from lewm_probe.reports.means import Mean
from lewm_probe.results.schema import Metric

Value = float | int | str | None


@dataclass(frozen=True)
class Cell:
    """What a reader sees and the numbers behind it.

    Attributes:
        low, high: the interval; or with ``span``, from the lowest to the highest end of several
            checkpoints' intervals, which is no interval of the mean.
    """

    text: str
    value: Value = None
    low: float | None = None
    high: float | None = None
    span: bool = False


EMPTY = Cell("")


def text(value: str) -> Cell:
    """A cell of words."""
    return Cell(value, value)


def cell(
    value: float | None,
    low: float | None = None,
    high: float | None = None,
    *,
    decimals: int | None = None,
    span: bool = False,
) -> Cell:
    """A number with its interval, or a span of intervals; "–" where it is missing."""
    if not formatting.known(value):
        return Cell(formatting.MISSING)
    low, high = (low, high) if formatting.known(low) and formatting.known(high) else (None, None)
    span = span and low is not None
    shown = formatting.estimate(value, low, high, decimals=decimals, span=span)
    return Cell(shown, value, low, high, span)


def p_cell(p: float | None, level: float = 0.05) -> Cell:
    """A p-value, printed on the side of ``level`` that it is on."""
    return Cell(formatting.p_value(p, level), p if formatting.known(p) else None)


@dataclass(frozen=True)
class Column:
    """A column: key in the CSV, title for readers, whether it holds numbers.

    Neighbours with the same ``over`` stand under that heading.
    """

    key: str
    title: str
    numeric: bool = True
    over: str = ""

    @property
    def full_title(self) -> str:
        """The title with the heading over it."""
        return f"{self.over}: {self.title}" if self.over else self.title


@dataclass(frozen=True)
class Row:
    """Cells by column key; a missing cell is empty. ``quiet`` rows are controls."""

    cells: Mapping[str, Cell]
    group: str = ""
    quiet: bool = False


@dataclass(frozen=True)
class Table:
    """One table of the report.

    Attributes:
        name: file name without ending.
        title: heading, a few words.
        caption: what the numbers are; says n, intervals and abbreviations.
        columns: all columns; those without any number or word are dropped by ``table``.
        rows: in order; consecutive rows of one ``group`` stand under its name.
    """

    name: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...] = field(default=())

    @property
    def headings(self) -> list[tuple[str, int]]:
        """Headings over columns and how many each spans; none where no column has one."""
        if not any(column.over for column in self.columns):
            return []
        parts = groupby(self.columns, key=lambda column: column.over)
        return [(over, len(list(columns))) for over, columns in parts]

    def cell(self, row: Row, column: Column) -> Cell:
        """The cell of a row in a column, empty when it has none."""
        return row.cells.get(column.key, EMPTY)


def table(
    name: str, title: str, caption: str, columns: Sequence[Column], rows: Sequence[Row]
) -> Table | None:
    """A table without columns that say nothing; ``None`` when no row is left.

    ``name`` may hold names from results, which are untrusted words: it becomes safe here.
    """
    kept = [
        _headed(column, rows)
        for column in columns
        if any(
            row.cells.get(column.key, EMPTY).text not in ("", formatting.MISSING) for row in rows
        )
    ]
    if not rows or not any(column.numeric for column in kept) and len(kept) < 2:
        return None
    return Table(safe_name(name), title, caption, tuple(kept), tuple(rows))


SPAN = (
    "Several training seeds: their mean and, in parentheses, the span of the checkpoints’ "
    "intervals from lowest to highest end, which is no 95 % interval."
)
"""What captions say of numbers over several checkpoints."""

INTERVAL = f"[95{formatting.SPACE}%]"
"""What titles of columns with intervals end with."""


def _headed(column: Column, rows: Sequence[Row]) -> Column:
    """The column, its title without the promise of 95 % where spans of intervals stand."""
    ends = [c for r in rows if (c := r.cells.get(column.key, EMPTY)).low is not None]
    if INTERVAL not in column.title or not any(c.span for c in ends):
        return column
    said = "(span)" if all(c.span for c in ends) else f"{INTERVAL} (span)"
    return replace(column, title=column.title.replace(INTERVAL, said))


def mean_cell(mean: Mean | None, *, decimals: int | None = None, bare: bool = False) -> Cell:
    """A mean over training seeds; ``bare`` keeps its interval for the CSV only."""
    if mean is None:
        return Cell(formatting.MISSING)
    whole = cell(mean.value, mean.low, mean.high, decimals=decimals, span=mean.checkpoints > 1)
    return bare_cell(whole) if bare else whole


def bare_cell(whole: Cell) -> Cell:
    """The number without its interval, which stays for the CSV."""
    return replace(whole, text=whole.text.split(" [")[0].split(" (")[0])


def spread_cell(mean: Mean | None) -> Cell:
    """A mean over training seeds with the smallest and the largest checkpoint."""
    if mean is None:
        return Cell(formatting.MISSING)
    low, high = min(mean.values), max(mean.values)
    places = 4 if abs(mean.value) < 0.01 else 3
    shown = formatting.number(mean.value, places)
    if mean.checkpoints > 1:
        shown += f" ({formatting.number(low, places)} – {formatting.number(high, places)})"
    return Cell(shown, mean.value, low, high)


def count_cell(value: float | None, high: float | None = None) -> Cell:
    """A whole number, or a range of them."""
    if not formatting.known(value):
        return EMPTY
    return Cell(formatting.count_range(value, value if high is None else high), int(value))


def largest_p(rows: Iterable[Metric], level: float = 0.05) -> Cell:
    """The largest p-value of several checkpoints."""
    found = [row.value for row in rows if row.value is not None]
    return p_cell(max(found), level) if found else Cell(formatting.MISSING)


def comma(n: str) -> str:
    """``, n = 200`` to go on a sentence with, or nothing."""
    return f", {n}" if n else ""
