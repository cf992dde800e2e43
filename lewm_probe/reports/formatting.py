"""Numbers as a reader wants them: as many digits as their uncertainty carries, with units.

Minus signs and intervals are typographic (−, –); LaTeX translates them. A missing number is "–".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeGuard

MISSING = "–"
SPACE = "\N{NO-BREAK SPACE}"
"""Keeps a statement on one line."""
MOST_DECIMALS = 6
"""Of numbers that fewer decimals would show as equal."""
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def known(value: float | None) -> TypeGuard[float]:
    """Whether there is a finite number."""
    return value is not None and math.isfinite(value)


def number(value: float | None, decimals: int = 3, *, powers: bool = True) -> str:
    """With a fixed number of decimals; very large and very small ones as powers of ten.

    >>> number(0.98765), number(-2.0, 1), number(3.2e-7), number(None)
    ('0.988', '−2.0', '3.2 × 10⁻⁷', '–')
    """
    if not known(value):
        return MISSING
    small = powers and value != 0 and abs(value) < 0.5 * 10 ** -(decimals + 1)
    if small or abs(value) >= 1e6:
        mantissa, exponent = f"{value:.1e}".split("e")
        power = str(int(exponent)).translate(_SUPERSCRIPT)
        return f"{mantissa} × 10{power}".replace("-", "−")
    text = f"{value:.{decimals}f}"
    if not float(text):
        text = text.removeprefix("-")
    return text.replace("-", "−")


def decimals_for(low: float | None, high: float | None, value: float | None = None) -> int:
    """Decimals that leave two digits of the interval's half-width; three figures without one.

    >>> decimals_for(0.981, 0.992), decimals_for(None, None, 0.01234), decimals_for(None, None, 50)
    (4, 4, 1)
    """
    half = (high - low) / 2 if known(low) and known(high) else 0.0
    if half > 0:
        return max(0, min(4, 1 - math.floor(math.log10(half))))
    if known(value) and value != 0:
        return max(0, min(MOST_DECIMALS, 2 - math.floor(math.log10(abs(value)))))
    return 2


def estimate(
    value: float | None,
    low: float | None = None,
    high: float | None = None,
    *,
    decimals: int | None = None,
    unit: str | None = None,
    span: bool = False,
) -> str:
    """A value with its interval and unit, in as many digits as the interval carries.

    There are more of them where an end that is not 0 would look like it although the interval
    excludes 0, or where value and ends would look alike. ``decimals``: of a value without interval
    below 10, one less for each further digit before the point, down to the first.
    ``span``: the ends are the lowest and the highest of several checkpoints' intervals, which is no
    interval itself and is not written as one.

    >>> estimate(0.98765, 0.981, 0.992), estimate(3.14159, 3.0, 3.3, unit="px")
    ('0.9877 [0.9810, 0.9920]', '3.14 [3.00, 3.30] px')
    >>> estimate(4.2, 2.2, 11.0, span=True), estimate(0.00002, 0, 0.00004)
    ('4.2 (2.2 – 11.0)', '0.00002 [0.00000, 0.00004]')
    >>> estimate(0.98765, decimals=2), estimate(0.0312, 0.00002, 0.0623), estimate(None)
    ('0.99', '0.03120 [0.00002, 0.06230]', '–')
    >>> estimate(9.8765, decimals=3), estimate(131.652, decimals=3)
    ('9.877', '131.7')
    """
    if not known(value):
        return MISSING
    if decimals is not None and abs(value) >= 10:
        decimals = max(min(decimals, 1), decimals - math.floor(math.log10(abs(value))))
    if not (known(low) and known(high)):
        places = decimals_for(None, None, value) if decimals is None else decimals
        return with_unit(number(value, places, powers=decimals is None), unit)
    fixed = decimals is not None and low == high
    places = decimals if fixed and decimals is not None else decimals_for(low, high, value)
    text, *ends = (number(one, places, powers=False) for one in (value, low, high))
    while places < MOST_DECIMALS and low != high and _hides(text, ends, low, high):
        places += 1
        text, *ends = (number(one, places, powers=False) for one in (value, low, high))
    if decimals is not None or {text} != set(ends):
        text += f" ({' – '.join(ends)})" if span else f" [{', '.join(ends)}]"
    return with_unit(text, unit)


def bare(whole: str) -> str:
    """An estimate without its interval, in the digits that the interval left it.

    >>> bare("0.9877 [0.9810, 0.9920]"), bare("4.2 (2.2 – 11.0)"), bare("0.50")
    ('0.9877', '4.2', '0.50')
    """
    return whole.split(" [")[0].split(" (")[0]


def _hides(text: str, ends: list[str], low: float, high: float) -> bool:
    """Whether the digits hide that there is an interval, or that it excludes 0."""
    excludes = low > 0 or high < 0
    return {text} == set(ends) or (
        excludes and any(not float(end.replace("−", "-")) for end in ends if "×" not in end)
    )


@dataclass(frozen=True)
class Number:
    """A number in a table of the terminal, with what says how many digits it has.

    Attributes:
        low, high: its interval, or the span of several checkpoints' intervals.
        span: whether it is the latter.
        p: whether it is a p-value.

    >>> Number(0.98765, 0.981, 0.992).text(), Number(0.98765, 0.981, 0.992).text(interval=True)
    ('0.9877', '0.9877 [0.9810, 0.9920]')
    >>> Number(3.2e-48, p=True).text(), Number(None).text()
    ('< 0.0001', '–')
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    span: bool = False
    p: bool = False

    def text(self, *, interval: bool = False) -> str:
        """As it is written, with its interval where that is asked for."""
        if self.p:
            return p_value(self.value)
        whole = estimate(self.value, self.low, self.high, span=self.span)
        return whole if interval else bare(whole)


def with_unit(text: str, unit: str | None) -> str:
    """A number that was written, and its unit.

    >>> with_unit("3.1", "px"), with_unit("3.1", "°"), with_unit("3.1", "")
    ('3.1 px', '3.1°', '3.1')
    """
    gap = "" if unit in ("°", "", None) else " "
    return f"{text}{gap}{unit or ''}"


def percent(share: float | None) -> str:
    """A share, with the digits that it has.

    >>> percent(0.02).replace(SPACE, " "), percent(0.125).replace(SPACE, " ")
    ('2 %', '12.5 %')
    """
    return f"{100 * share:.4g}{SPACE}%" if known(share) else MISSING


def p_value(p: float | None, level: float = 0.05) -> str:
    """A p-value without false precision, that lies on the side of ``level`` that it is on.

    >>> p_value(0.0312), p_value(3.2e-9), p_value(0.5), p_value(None)
    ('0.031', '< 0.0001', '0.50', '–')
    >>> p_value(0.0499), p_value(0.0496, 0.05), p_value(0.0996, 0.1), p_value(0.04999999)
    ('0.0499', '0.0496', '0.0996', '0.0499')
    """
    if not known(p):
        return MISSING
    if p < min(1e-4, level):
        return "< 0.0001" if level >= 1e-4 else f"< {level:g}"
    places = 4 if p < 1e-3 else 3 if p < 0.1 else 2
    while p < level <= float(f"{p:.{places}f}") and places < MOST_DECIMALS:
        places += 1
    if p < level <= float(f"{p:.{places}f}"):  # rounded down: it must not look like the level
        places = 4
        return f"{math.floor(p * 10**places) / 10**places:.{places}f}"
    return f"{p:.{places}f}"


def p_statement(name: str, p: float | None, level: float = 0.05) -> str:
    """``p = 0.031`` or ``p < 0.0001``.

    >>> p_statement("Holm p", 1e-8).replace(SPACE, " "), p_statement("p", 0.2).replace(SPACE, " ")
    ('Holm p < 0.0001', 'p = 0.20')
    """
    text = p_value(p, level)
    return f"{name} {text if text.startswith('<') else f'= {text}'}".replace(" ", SPACE)


def count(value: float | None) -> str:
    """A whole number with thin groups: ``1 032 456``."""
    return MISSING if not known(value) else f"{round(value):,}".replace(",", " ")


def counted(number: int, thing: str) -> str:
    """So many of a thing whose plural ends with s.

    >>> counted(1, "run"), counted(2, "run")
    ('1 run', '2 runs')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def count_range(low: float | None, high: float | None) -> str:
    """``200`` or ``180–200``."""
    return count(low) if low == high or not known(high) else f"{count(low)}–{count(high)}"


def duration(seconds: float | None) -> str:
    """``48 s``, ``3 min 32 s`` or ``2 h 05 min``."""
    if not known(seconds):
        return MISSING
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
