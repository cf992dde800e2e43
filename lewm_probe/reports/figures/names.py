"""Names as figures draw them: of letters that their font has, no longer than there is room for.

Figures use the one font that matplotlib ships, so that they are alike on every machine; it has no
Chinese, Japanese or Korean letters and few emoji. Those become □, and long names lose their middle.
Where two names of a report would then look alike, they are numbered. The page, the tables and
results.json hold the names as they are.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import cache

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.category import StrCategoryLocator
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.ft2font import LoadFlags
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FixedLocator

FONT = "DejaVu Sans"
MISSING = "□"
"""Stands for a letter that the font lacks."""

LONGEST = 30
"""Letters of a name in a figure."""

LONGEST_TICK = 40
"""Letters of a name beside an axis: the narrowest figure then keeps a third of its width."""

LETTER = 0.058
"""Width of a usual letter of 7 points, in inches."""

AXIS = 9
"""Letters of a figure's width that its axes take at the left."""

SIZE = 7.5
"""Of the largest text in points."""


def drawable(names: Iterable[str], longest: int = LONGEST) -> dict[str, str]:
    """Names that cannot be drawn as they are → what is drawn; no two of them alike.

    >>> drawable(["LeWM", "模型", "模板"])
    {'模型': '□□ (1)', '模板': '□□ (2)'}
    """
    names = list(dict.fromkeys(names))
    cut = {name: shortened(_known(name), longest) for name in names}
    alike = [list(cut.values()).count(drawn) > 1 for drawn in cut.values()]
    taken = {name for name, drawn in cut.items() if drawn == name}
    found: dict[str, str] = {}
    for (name, drawn), several in zip(cut.items(), alike, strict=True):
        if drawn == name:
            continue
        number, made = 0, drawn
        while made in taken or (several and not number):
            number += 1
            ending = f" ({number})"
            made = shortened(drawn, longest - len(ending)) + ending
        taken.add(made)
        found[name] = made
    return found


def shortened(text: str, longest: int) -> str:
    """Without its middle where it is longer: what tells names apart often stands at the end.

    >>> shortened("a very long name of a model, x", 20)
    'a very long…odel, x'
    """
    if len(text) <= longest:
        return text
    end = max(0, (longest - 1) * 2 // 5)
    start = max(1, longest - 1 - end)
    return f"{text[:start].rstrip()}…{text[len(text) - end :].lstrip() if end else ''}"


def mend(figure: Figure, names: Mapping[str, str], width: float) -> None:
    """Let every text of a figure be drawn without a warning, in place.

    Args:
        figure: before it is laid out.
        names: what ``drawable`` made of the report's names, the same in all its figures.
        width: of the figure in inches.
    """
    seen: dict[str, str] = {}

    def told(text: str, room: int) -> str:
        """The same text is drawn alike everywhere in the figure, and another one otherwise."""
        for name in sorted(names, key=len, reverse=True):
            if name and name in text:
                text = text.replace(name, names[name])
        lines = (_fitted(_known(line), room) for line in text.split("\n"))
        drawn = "\n".join(lines)
        if drawn == text:
            return text
        key, number = f"{room} {text}", 0
        while drawn in (v for k, v in seen.items() if k != key):
            number += 1
            ending = f" ({number})"
            drawn = _fitted(drawn.split("\n")[0], max(2, room - len(ending))) + ending
        return seen.setdefault(key, drawn)

    whole = max(12, int(width / LETTER))
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            _ticks(axis, lambda text: told(text, LONGEST_TICK))
    inside = {id(text): _room(ax, whole) for ax in figure.axes for text in _titles(ax)}
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if text.get_text():
            room = inside.get(id(text), whole - 8)
            text.set_text(told(text.get_text(), max(12, room)))


def _titles(ax: Axes) -> list[Text]:
    return [ax.title, ax._left_title, ax._right_title]  # type: ignore[attr-defined]


def _room(ax: Axes, whole: int) -> int:
    """Letters over a panel: its share of the figure's width."""
    spec = ax.get_subplotspec()
    across = 1 if spec is None else spec.get_gridspec().ncols
    return max(12, (whole - AXIS) // across - 2)


def _ticks(axis: Axis, told: Callable[[str], str]) -> None:
    """Tick labels are made anew whenever the figure is drawn: names are mended at their source."""
    locator, formatter = axis.get_major_locator(), axis.get_major_formatter()
    if not isinstance(locator, FixedLocator | StrCategoryLocator):
        return  # numbers
    places = [float(place) for place in locator()]
    texts = formatter.format_ticks(places)
    if (drawn := [told(text) for text in texts]) != texts:
        axis.set_major_locator(FixedLocator(places))
        axis.set_major_formatter(FixedFormatter(drawn))


def _fitted(line: str, room: int) -> str:
    """A line in the room of so many usual letters: an m takes that of two."""
    if len(line) * 1.6 <= room or _inches(line) <= room * LETTER:
        return line
    longest = min(len(line), room)
    while longest > 6 and _inches(shortened(line, longest)) > room * LETTER:
        longest -= 1
    return shortened(line, longest)


def _inches(line: str) -> float:
    return sum(map(_advance, line))


@cache
def _advance(letter: str) -> float:
    """Width of a letter in inches."""
    font = get_font(findfont(FONT))
    font.set_size(SIZE, 72)
    glyph = font.load_char(ord(letter), flags=LoadFlags.NO_HINTING)
    return float(glyph.linearHoriAdvance) / 65536 / 72


@cache
def _letters() -> frozenset[int]:
    return frozenset(get_font(findfont(FONT)).get_charmap())


def _known(text: str) -> str:
    """What the font lacks as □; what has no width (joiners, accents) not at all."""
    found = []
    for letter in text:
        kind = unicodedata.category(letter)
        if kind == "Cf":  # the font has some, which turn the order of letters or end in an error
            continue
        if letter == "\n" or (ord(letter) in _letters() and kind not in ("Zl", "Zp")):
            found.append(letter)
        elif kind not in ("Mn", "Me"):
            found.append(MISSING)
    return "".join(found)
