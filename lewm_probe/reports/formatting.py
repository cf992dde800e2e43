"""Numbers as a reader wants them: as many digits as their uncertainty carries, with units.

Minus signs and intervals are typographic (−, –); LaTeX translates them. A missing number is "–".
"""

from __future__ import annotations

import math
from typing import TypeGuard

MISSING = "–"
SPACE = "\N{NO-BREAK SPACE}"
"""Keeps a statement on one line."""
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
    """Decimals that leave two digits of the interval's half-width; three figures without one."""
    half = (high - low) / 2 if known(low) and known(high) else 0.0
    if half > 0:
        return max(0, min(4, 1 - math.floor(math.log10(half))))
    if known(value) and value != 0:
        return max(0, min(3, 2 - math.floor(math.log10(abs(value)))))
    return 2


def estimate(
    value: float | None,
    low: float | None = None,
    high: float | None = None,
    *,
    decimals: int | None = None,
    unit: str | None = None,
) -> str:
    """A value with its interval and unit.

    >>> estimate(0.98765, 0.981, 0.992), estimate(3.14159, 3.0, 3.3, unit="px")
    ('0.9877 [0.9810, 0.9920]', '3.14 [3.00, 3.30] px')
    >>> estimate(0.98765, 0.981, 0.992, decimals=3), estimate(None)
    ('0.988 [0.981, 0.992]', '–')
    """
    if not known(value):
        return MISSING
    places = decimals_for(low, high, value) if decimals is None else decimals
    text = number(value, places, powers=decimals is None)
    if known(low) and known(high):
        text = number(value, places, powers=False)
        ends = [number(end, places, powers=False) for end in (low, high)]
        if decimals is not None or {text} != set(ends):
            text += f" [{', '.join(ends)}]"
    return with_unit(text, unit)


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


def p_value(p: float | None) -> str:
    """A p-value without false precision.

    >>> p_value(0.0312), p_value(3.2e-9), p_value(0.5), p_value(None)
    ('0.031', '< 0.0001', '0.50', '–')
    """
    if not known(p):
        return MISSING
    if p < 1e-4:
        return "< 0.0001"
    return f"{p:.4f}" if p < 1e-3 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def p_statement(name: str, p: float | None) -> str:
    """``p = 0.031`` or ``p < 0.0001``.

    >>> p_statement("Holm p", 1e-8).replace(SPACE, " "), p_statement("p", 0.2).replace(SPACE, " ")
    ('Holm p < 0.0001', 'p = 0.20')
    """
    text = p_value(p)
    return f"{name} {text if text.startswith('<') else f'= {text}'}".replace(" ", SPACE)


def count(value: float | None) -> str:
    """A whole number with thin groups: ``1 032 456``."""
    return MISSING if not known(value) else f"{round(value):,}".replace(",", " ")


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
