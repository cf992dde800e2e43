"""A report as Markdown, with its figures as PNG files beside it."""

from __future__ import annotations

from lewm_probe.reports.page.parts import Section
from lewm_probe.reports.page.sections import Content
from lewm_probe.reports.tables.plain import markdown as table_markdown
from lewm_probe.reports.tables.table import Table
from lewm_probe.reports.verdicts.judging import VerdictQuestion


def markdown(content: Content) -> str:
    """The whole report; paths are relative to its folder."""
    blocks = [f"# {content.title}", content.lead]
    if content.notes:
        blocks.append("**Read this first**")
        blocks.append("\n".join(f"- {note}" for note in content.notes))
    for part in content.parts:
        blocks += [f"## {part.title}", part.facts]
        blocks += [f"> **Caution.** {note}" for note in part.notes]
        for section in part.sections:
            blocks += _section(section)
    if content.provenance:
        blocks += ["## Provenance", *_table(content.provenance)[1:]]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _section(section: Section) -> list[str]:
    blocks = [f"### {section.title}", section.lead]
    for question in section.questions:
        blocks += _question(question, section.labels)
    for one in section.comparisons:
        blocks += [f"#### {one.table.title}", one.sentence, *_table(one.table)[1:]]
    plots = [
        block
        for plot in section.plots
        for block in (
            f"![{plot.title}](figures/{plot.name}.png)",
            f"*{plot.title}.* {plot.caption}",
        )
    ]
    tables = [block for table in section.open_tables for block in _table(table)]
    blocks += [*tables, *plots] if section.tables_first else [*plots, *tables]
    return blocks + [block for table in section.folded_tables for block in _table(table)]


def _question(question: VerdictQuestion, labels: dict[str, str]) -> list[str]:
    lines = [f"- **{labels[v.model]}**: {v.sentence}" for v in question.verdicts]
    return [f"#### {question.text}", "\n".join(lines), f"Rule: {question.rule}"]


def _table(table: Table) -> list[str]:
    files = f"[CSV](tables/{table.name}.csv) · [LaTeX](tables/{table.name}.tex)"
    return [f"#### {table.title}", table_markdown(table), f"{table.caption} {files}"]
