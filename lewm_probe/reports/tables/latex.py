"""Tables as LaTeX: booktabs, shrunk to the line when wider, every special character translated."""

from __future__ import annotations

import re
from itertools import groupby

from lewm_probe.reports.tables.table import Table

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "−": "$-$",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "≥": r"$\ge$",
    "≤": r"$\le$",
    "≈": r"$\approx$",
    "‖": r"$\|$",
    "°": r"$^{\circ}$",
    "→": r"$\to$",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "\N{NO-BREAK SPACE}": "~",
    "\N{NARROW NO-BREAK SPACE}": r"\,",
    "\N{THIN SPACE}": r"\,",
    "ẑ": r"$\hat{z}$",
    **{
        c: f"${name}$"
        for c, name in zip(
            "αβγδεζκλμνσ",
            [
                r"\alpha",
                r"\beta",
                r"\gamma",
                r"\delta",
                r"\varepsilon",
                r"\zeta",
                r"\kappa",
                r"\lambda",
                r"\mu",
                r"\nu",
                r"\sigma",
            ],
            strict=True,
        )
    },
    "Δ": r"$\Delta$",
    "Σ": r"$\Sigma$",
}
_SUPERSCRIPTS = dict(zip("⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹", "-+0123456789", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉ₜ", "0123456789t", strict=True))
_RUN = re.compile(f"[{''.join(_SUPERSCRIPTS)}]+|[{''.join(_SUBSCRIPTS)}]+|.", re.DOTALL)


def escape(words: str) -> str:
    r"""Text as LaTeX that compiles with pdflatex; characters it would not know become "?".

    >>> print(escape("50 % of R² ± 3.2 × 10⁻⁵ & a_b"))
    50 \% of R$^{2}$ $\pm$ 3.2 $\times$ 10$^{-5}$ \& a\_b
    """
    return "".join(_translate(match.group()) for match in _RUN.finditer(words))


def _translate(run: str) -> str:
    if run[0] in _SUPERSCRIPTS:
        return "$^{" + "".join(_SUPERSCRIPTS[c] for c in run) + "}$"
    if run[0] in _SUBSCRIPTS:
        return "$_{" + "".join(_SUBSCRIPTS[c] for c in run) + "}$"
    if run in _SPECIAL:
        return _SPECIAL[run]
    if run in "\r\n\t":
        return " "
    return run if " " <= run <= "~" or "À" <= run <= "ÿ" else "?"


def latex(table: Table) -> str:
    """A whole ``table*`` environment."""
    align = "".join("r" if column.numeric else "l" for column in table.columns)
    width = len(table.columns)
    head = " & ".join(escape(column.title) for column in table.columns)
    over = _headings(table)
    lines = []
    for k, (group, rows) in enumerate(groupby(table.rows, key=lambda row: row.group)):
        if k:
            lines.append(r"\addlinespace")
        if group:
            lines.append(rf"\multicolumn{{{width}}}{{@{{}}l}}{{\textit{{{escape(group)}}}}} \\")
        for row in rows:
            cells = [escape(table.cell(row, column).text) for column in table.columns]
            # A leading bracket would be read as the optional argument of the line before.
            cells[0] = "{}" + cells[0] if cells[0].startswith(("[", "*")) else cells[0]
            lines.append(" & ".join(cells) + r" \\")
    body = "\n".join(lines)
    return (
        "% Needs \\usepackage{booktabs,graphicx}; written by lewm-probe.\n"
        "\\begin{table*}[t]\n"
        "\\centering\\small\n"
        f"\\caption{{{escape(f'{table.title}. {table.caption}')}}}\n"
        f"\\label{{tab:{table.name}}}\n"
        "\\setlength{\\tabcolsep}{4pt}\n"
        "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n"
        f"\\begin{{tabular}}{{@{{}}{align}@{{}}}}\n"
        "\\toprule\n"
        f"{over}{head} \\\\\n"
        "\\midrule\n"
        f"{body}\n"
        "\\bottomrule\n"
        "\\end{tabular}}\n"
        "\\end{table*}\n"
    )


def _headings(table: Table) -> str:
    """The line of headings over columns, each underlined; nothing where there are none."""
    cells, rules, at = [], [], 1
    for over, span in table.headings:
        cells.append(rf"\multicolumn{{{span}}}{{c}}{{{escape(over)}}}" if over else "")
        cells += [""] * (span - 1 if not over else 0)
        if over:
            rules.append(rf"\cmidrule(lr){{{at}-{at + span - 1}}}")
        at += span
    return f"{' & '.join(cells)} \\\\\n{''.join(rules)}\n" if cells else ""
