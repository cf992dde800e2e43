r"""Words of strangers on the way out: what a terminal, Markdown or a spreadsheet obeys is shown.

Names, notes and paths come out of files that anyone may have written. Inside they stay as they are;
where they leave, they go through the one function of that place. LaTeX has its own
(``reports.tables.latex``), HTML has Jinja's, and names of files have ``core.files.safe_name``.

>>> print(terminal("red \x1b[31m, turned \u202e, next\nline"))
red \x1b[31m, turned \u202e, next\nline
>>> print(markdown("<script> [x](javascript:1) a|b"))
&lt;script> [x\](javascript:1) a\|b
>>> spreadsheet("=1+1"), spreadsheet(-1.5), spreadsheet("-1.5")
("'=1+1", -1.5, '-1.5')
"""

from __future__ import annotations

import re
from typing import TypeVar

HIDDEN = (
    "\x00-\x1f\x7f-\x9f"  # C0 and C1: escape codes begin with one, lines end with one
    "\u00ad\u180e\u200b-\u200f\u2060-\u2065\ufeff\ufff9-\ufffb"  # of no width
    "\u061c\u202a-\u202e\u2066-\u206f"  # turn the order of what follows
    "\u2028\u2029"  # ends of lines and paragraphs
    "\ud800-\udfff"  # halves of characters: bytes of a file's name that are no UTF-8
    "\U000e0000-\U000e007f"  # tags
)
"""Characters that are not seen and yet change what is. Zero-width joiners are among them, so an
emoji that is joined of several is shown as its parts."""

_HIDDEN = re.compile(f"[{HIDDEN}]")
_HIDDEN_IN_LINES = re.compile(f"(?!\n)[{HIDDEN}]")

_MARKDOWN = re.compile(
    r"[\\`*|~$]"  # code, stress, cells, struck out, mathematics
    r"|\](?=[(\[:])"  # links and their targets; intervals stay as they are
    r"|(?<![^\W_])_|_(?![^\W_])"  # stress too, but not inside a word
    r"|<|&(?=#|\w+;)"  # tags and entities
)
_MARKDOWN_START = re.compile(
    r"#(?=#{0,5}(\s|$))|[+\-](?=\s|$)|[\-=](?=[\-=]*\s*$)|>|\d{1,9}(?=[.)](\s|$))"
)
"""How a line begins that is a heading, an item of a list, or what underlines a heading."""
_ENTITIES = {"<": "&lt;", "&": "&amp;"}

_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]")
"""How a cell begins that a spreadsheet computes, in the wide letters of East Asia too."""

V = TypeVar("V")


def terminal(text: str, *, lines: bool = False) -> str:
    """The text with every hidden character as Python would write it, on one line.

    Args:
        text: anything.
        lines: whether ends of lines are meant, as in a list that lewm-probe wrote itself.
    """
    return (_HIDDEN_IN_LINES if lines else _HIDDEN).sub(_written, text)


def markdown(text: str) -> str:
    """The text as GitHub's Markdown shows it again, on one line: no tag, link, code or heading."""
    shown = _MARKDOWN.sub(lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"), terminal(text))
    start = _MARKDOWN_START.match(shown)
    if start is None:
        return shown
    at = start.end() if shown[0].isdigit() else 0  # a number of a list is escaped behind
    return f"{shown[:at]}\\{shown[at:]}"


def spreadsheet(value: V) -> V | str:
    """A cell of a CSV file: a text that would be computed gets ``'`` before it; numbers stay."""
    if not isinstance(value, str):
        return value
    shown = terminal(value)
    return f"'{shown}" if _FORMULA.match(shown) and not _is_number(shown) else shown


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _written(found: re.Match[str]) -> str:
    return ascii(found[0])[1:-1]
