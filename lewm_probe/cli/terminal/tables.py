"""Tables at the end of a command, made to fit the terminal: 80 columns where there is none.

A table of numbers shows as many of its columns as fit, the most important first, and says which it
left out; ``--wide`` shows all of them, each number with its interval. Words go on in the next line
between words: none is cut, unless it alone is wider than the terminal (a path, a digest). The CSV
tables of a report hold every column.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lewm_probe.core.escaping import terminal

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table

UNBOUNDED = 100_000
"""Columns of a console on which a table is never narrowed: that of ``--wide``."""

COMFORTABLE = 26, 16
"""Characters that the first column and others of words keep, before columns are left out for it."""

FRAME = 3
"""Characters that a column takes beside its words: a line and a blank on both sides."""


INDENT = 2
"""Of rows under a heading."""


class Heading(str):
    """A cell that stands over the rows below it, in a row of its own."""

    __slots__ = ()


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    numbers: bool = True,
    wide: Collection[str] = (),
) -> FittedTable:
    """A summary table. The first column names; columns of numbers are right-aligned.

    Args:
        title: stands above it.
        columns: the most important first: of a table of numbers the last are left out first.
        rows: strings, numbers (``formatting.Number`` where they have intervals) or none; a row
            that is one ``Heading`` stands over those below it.
        numbers: whether it is a table of numbers; columns of words are never left out.
        wide: columns that only ``--wide`` shows.
    """
    whole = tuple(tuple(row) for row in rows)
    heads = tuple(terminal(name) for name in columns)
    return FittedTable(terminal(title), heads, whole, numbers, frozenset(map(terminal, wide)))


@dataclass(frozen=True)
class FittedTable:
    """A table that chooses its columns by the width that it is shown in."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    numbers: bool = True
    wide: frozenset[str] = frozenset()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        unbounded = options.max_width >= UNBOUNDED
        words = [[_shown(value, unbounded) for value in row] for row in self.rows]
        kept, widths = self._fitted(words, options.max_width)
        yield self._drawn(words, kept, widths)
        left = [name for k, name in enumerate(self.columns) if k not in kept]
        if left:
            yield Text(f"Not shown: {', '.join(left)} (--wide)", style="dim")

    def _fitted(self, words: list[list[str]], most: int) -> tuple[list[int], list[int]]:
        """Which columns are shown, and how wide each is."""
        sizes = [self._sizes(words, k) for k in range(len(self.columns))]
        unbounded = most >= UNBOUNDED
        kept = [k for k, name in enumerate(self.columns) if unbounded or name not in self.wide]
        while True:
            room = most - FRAME * len(kept) - 1
            least = [min(sizes[k][1], max(sizes[k][0], COMFORTABLE[k > 0])) for k in kept]
            if sum(least) <= room or not self.numbers or len(kept) <= 2:
                break
            kept.pop()
        return kept, _shared(least, [sizes[k] for k in kept], room)

    def _sizes(self, words: list[list[str]], k: int) -> tuple[int, int]:
        """A column's longest word, and its longest cell; titles may break between words."""
        from rich.cells import cell_len

        cells = [row[k] for row in words if k < len(row)]
        indent = INDENT if not k and any(map(_is_heading, self.rows)) else 0
        title = max((cell_len(word) for word in self.columns[k].split(" ")), default=0)
        if self.numbers and k and not any(" " in cell for cell in cells):
            longest = max((cell_len(cell) for cell in cells), default=0)
            return max(title, longest), max(title, longest)
        parts = (cell_len(word) for cell in cells for word in cell.split(" "))
        whole = max((cell_len(line) for cell in cells for line in cell.split("\n")), default=0)
        return max(title, max(parts, default=0) + indent), max(title, whole + indent)

    def _drawn(self, words: list[list[str]], kept: list[int], widths: list[int]) -> Table:
        from rich.padding import Padding
        from rich.table import Table
        from rich.text import Text

        drawn = Table(
            title=Text(self.title),
            title_justify="left",
            title_style="bold",
            show_header=any(self.columns),
        )
        for k, width in zip(kept, widths, strict=True):
            right = self.numbers and k and _are_numbers(row[k] for row in self.rows if k < len(row))
            drawn.add_column(
                Text(self.columns[k]),
                justify="right" if right else "left",
                width=width,
                overflow="fold",
            )
        over = False
        for row, given in zip(words, self.rows, strict=True):
            if _is_heading(given):
                if drawn.row_count:
                    drawn.add_section()
                drawn.add_row(Text(row[0], style="bold"))
                over = True
                continue
            first, *cells = (Text(row[k]) if k < len(row) else Text("") for k in kept)
            drawn.add_row(Padding(first, (0, 0, 0, INDENT if over else 0)), *cells)
        return drawn


def _is_heading(row: Sequence[object]) -> bool:
    return len(row) == 1 and isinstance(row[0], Heading)


def _are_numbers(cells: Iterable[object]) -> bool:
    """Whether a column holds numbers, with units or without, and no words."""
    words = [cell for cell in cells if isinstance(cell, str) and cell]
    return all(word[0].isdigit() or word[0] in "–−-<≈" for word in words)


def _shared(least: list[int], sizes: list[tuple[int, int]], room: int) -> list[int]:
    """Widths that fill the room: more for columns that could use it, less where there is none."""
    widths = list(least)
    while sum(widths) > room:  # words that are wider than the terminal: the widest give way
        k = max(range(len(widths)), key=lambda k: widths[k])
        if widths[k] <= 1:
            break
        widths[k] -= 1
    for k, (_, natural) in enumerate(sizes):
        widths[k] += max(0, min(natural - widths[k], room - sum(widths)))
    return widths


def _shown(value: object, intervals: bool = False) -> str:
    from lewm_probe.reports import formatting

    if value is None:
        return formatting.MISSING
    if isinstance(value, formatting.Number):
        return value.text(interval=intervals)
    if isinstance(value, float):
        return formatting.estimate(value)
    return terminal(str(value))
