"""A report as Markdown, with its figures as PNG files beside it."""

from __future__ import annotations

from lewm_probe.core.escaping import markdown as plain
from lewm_probe.reports.page.parts import Section
from lewm_probe.reports.page.sections import Content
from lewm_probe.reports.tables.plain import markdown as table_markdown
from lewm_probe.reports.tables.table import Table
from lewm_probe.reports.verdicts.judging import VerdictQuestion
from lewm_probe.results.place import MARK


def markdown(content: Content) -> str:
    """The whole report; paths are relative to its folder.

    Every text is of the results, which anyone may have written: it is shown, not obeyed.
    """
    blocks = [f"<!-- {MARK} -->", f"# {plain(content.title)}", plain(content.lead)]
    if content.notes:
        blocks.append("**Read this first**")
        blocks.append("\n".join(f"- {plain(note)}" for note in content.notes))
    for part in content.parts:
        blocks += [f"## {plain(part.title)}", plain(part.facts)]
        blocks += [f"> **Caution.** {plain(note)}" for note in part.notes]
        for section in part.sections:
            blocks += _section(section)
    if content.provenance:
        blocks += ["## Provenance", *_table(content.provenance)[1:]]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _section(section: Section) -> list[str]:
    blocks = [f"### {plain(section.title)}", plain(section.lead)]
    for question in section.questions:
        blocks += _question(question, section.labels)
    for one in section.comparisons:
        blocks += [f"#### {plain(one.table.title)}", plain(one.sentence), *_table(one.table)[1:]]
    plots = [
        block
        for plot in section.plots
        for block in (
            f"![{plain(plot.title)}](figures/{plot.name}.png)",
            f"*{plain(plot.title)}.* {plain(plot.caption)}",
        )
    ]
    tables = [block for table in section.open_tables for block in _table(table)]
    blocks += [*tables, *plots] if section.tables_first else [*plots, *tables]
    return blocks + [block for table in section.folded_tables for block in _table(table)]


def _question(question: VerdictQuestion, labels: dict[str, str]) -> list[str]:
    lines = [f"- **{plain(labels[v.model])}**: {plain(v.sentence)}" for v in question.verdicts]
    return [f"#### {plain(question.text)}", "\n".join(lines), f"Rule: {plain(question.rule)}"]


def _table(table: Table) -> list[str]:
    files = f"[CSV](tables/{table.name}.csv) · [LaTeX](tables/{table.name}.tex)"
    return [f"#### {plain(table.title)}", table_markdown(table), f"{plain(table.caption)} {files}"]
