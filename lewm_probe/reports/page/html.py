"""A report as one HTML file that asks nothing of a network."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lewm_probe.core.escaping import terminal
from lewm_probe.reports import labels
from lewm_probe.reports.figures.inline import Inlined, theme_colors
from lewm_probe.reports.figures.style import Drawn
from lewm_probe.reports.page.sections import Content, Figures
from lewm_probe.reports.palette import Look, palette
from lewm_probe.reports.tables.table import Row, Table
from lewm_probe.results.place import MARK

_HERE = Path(__file__).parent

CHIPS = {"yes": "●", "noticed": "◑", "mixed": "±", "no": "✕", "not shown": "○", "not measured": "–"}
"""A sign for each answer, so that it does not hang on colour."""


def html(content: Content, figures: Figures, looks: dict[str, Look]) -> str:
    """The page: style, figures and tables inside."""
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    inlined = Inlined()
    drawn = {name: _figure(inlined, figure) for name, figure in figures.items()}
    environment.globals |= {
        "figure": drawn.__getitem__,
        "groups": _groups,
        "reach": reach,
        "chips": CHIPS,
        "looks": looks,
        "sentence": labels.sentence,
        "mark": MARK,
    }
    css = _HERE.joinpath("report.css").read_text(encoding="utf-8") + inlined.css()
    page = environment.get_template("template.html.j2")
    shared = Markup(inlined.definitions())
    colors = {"light": theme_colors(), "dark": _dark()}
    return page.render(content=content, css=Markup(css), shared=shared, **colors) + "\n"


def _shown(value: object) -> object:
    """Words with their hidden characters, such as those that turn the order of letters, shown."""
    return terminal(value) if type(value) is str else value


def _figure(inlined: Inlined, drawn: Drawn) -> dict[str, Markup]:
    label = f"{drawn.plot.title}. {drawn.plot.caption}"
    return {
        width: Markup(inlined.add(svg, label, themed=drawn.plot.themed))
        for width, svg in drawn.svg.items()
    }


def _groups(table: Table) -> list[tuple[str, list[Row]]]:
    return [(name, list(rows)) for name, rows in groupby(table.rows, key=lambda row: row.group)]


PAGE, PHONE = 125, 46
"""Letters of a table that stand side by side on the widest page and on a phone, about."""


def reach(table: Table) -> str:
    """Whether a table is wider than a phone, or than any page: it then says that it scrolls."""
    wide = 0
    for column in table.columns:
        cells = [len(table.cell(row, column).text) for row in table.rows]
        title = max(map(len, column.title.split(" ")))
        wide += max(6, title, *cells) + 2
    return "beyond-phone beyond-page" if wide > PAGE else "beyond-phone" if wide > PHONE else ""


def _dark() -> dict[str, str]:
    """Figure colours on the dark scheme: greys turned, model colours lightened."""
    turned = {"ink": "#e8e6e3", "muted": "#9aa0a6", "faint": "#3a3f45", "paper": "#1a1d21"}
    return turned | {f"c{color[1:]}": _lighter(color) for color in palette()}


def _lighter(color: str, share: float = 0.38) -> str:
    channels = (int(color[k : k + 2], 16) for k in (1, 3, 5))
    return "#" + "".join(f"{round(c + (255 - c) * share):02x}" for c in channels)
