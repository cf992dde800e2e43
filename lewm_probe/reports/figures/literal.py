"""Dollar signs as they are: matplotlib reads what stands between two of them as a formula.

Names may hold any letter, and no figure here holds a formula of its own but the powers of ten that
logarithmic axes write themselves.
"""

from __future__ import annotations

from matplotlib.category import StrCategoryLocator
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FixedLocator, LogFormatter


def escaped(text: str) -> str:
    r"""The text as matplotlib draws it letter by letter.

    >>> escaped("p$q$")
    'p\\$q\\$'
    """
    return text.replace("$", r"\$")


def literal(figure: Figure) -> None:
    """Let every dollar sign of a figure be drawn as one, in place, before it is laid out."""
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            locator, formatter = axis.get_major_locator(), axis.get_major_formatter()
            named = isinstance(locator, FixedLocator | StrCategoryLocator)
            if not named or isinstance(formatter, LogFormatter):
                continue  # numbers
            places = [float(place) for place in locator()]
            texts = formatter.format_ticks(places)
            if any("$" in text for text in texts):  # made anew whenever the figure is drawn
                axis.set_major_locator(FixedLocator(places))
                axis.set_major_formatter(FixedFormatter(list(map(escaped, texts))))
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if "$" in text.get_text():
            text.set_text(escaped(text.get_text()))
