from __future__ import annotations

import csv
import io
import sys
import unicodedata

import pytest

from lewm_probe.core.escaping import HIDDEN, markdown, spreadsheet, terminal

SEEN = {"Cf": "؀؁؂؃؄؅۝܏࢐࢑࣢𑂽𑃍"}
"""Of a category that is mostly hidden, and yet drawn: marks around Arabic, Syriac and Kaithi
numbers."""

DRAWN_ELSEWHERE = (0x13430, 0x13460), (0x1BCA0, 0x1BCA4), (0x1D173, 0x1D17B)
"""Controls inside hieroglyphs, shorthand and music: they join signs of their own script only."""


def test_what_is_hidden_is_shown() -> None:
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        kind = unicodedata.category(character)
        hidden = kind in ("Cc", "Cf", "Cs", "Zl", "Zp") and character not in SEEN["Cf"]
        hidden &= not any(first <= code < last for first, last in DRAWN_ELSEWHERE)
        changed = terminal(character) != character
        assert changed >= hidden, hex(code)
        # Code points that mean nothing yet lie between hidden ones, and go with them.
        assert hidden or not changed or kind == "Cn", hex(code)
        assert terminal(character).encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two-room/lewm-cpu, 3.2 × 10⁻⁵ [0.1, 0.2]", "two-room/lewm-cpu, 3.2 × 10⁻⁵ [0.1, 0.2]"),
        ("日本語 👍🏽 été", "日本語 👍🏽 été"),
        ("12\N{NARROW NO-BREAK SPACE}345", "12\N{NARROW NO-BREAK SPACE}345"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\u202etxt.exe\u2066", r"a\u202etxt.exe\u2066"),
        ("lewm\u200b", r"lewm\u200b"),
        ("one\ntwo\r\tthree\u2028four", r"one\ntwo\r\tthree\u2028four"),
        ("\udcff.h5", r"\udcff.h5"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_terminal(text: str, shown: str) -> None:
    assert terminal(text) == shown
    assert terminal(shown) == shown


def test_lines_that_are_meant_stay() -> None:
    assert terminal("a\nb\r\n\x1b", lines=True) == "a\nb\\r\n\\x1b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("LeWM, 3 seeds: 0.91 [0.88, 0.94]", "LeWM, 3 seeds: 0.91 [0.88, 0.94]"),
        ("latent_std of two-room", "latent_std of two-room"),
        ("_stressed_ *too* **so**", r"\_stressed\_ \*too\* \*\*so\*\*"),
        ("<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
        ("[x](javascript:alert(1))", r"[x\](javascript:alert(1))"),
        ("[x][y] [y]: https://a.b", r"[x\][y] [y\]: https://a.b"),
        ("![x](https://a.b/c.png)", r"![x\](https://a.b/c.png)"),
        ("`code` and ```fence", r"\`code\` and \`\`\`fence"),
        ("a|b", r"a\|b"),
        (r"a\|b \<", r"a\\\|b \\&lt;"),
        ("# heading", r"\# heading"),
        ("- item", r"\- item"),
        ("+ item", r"\+ item"),
        ("> quote", r"\> quote"),
        ("===", r"\==="),
        ("---", r"\---"),
        ("#5 and -0.5", "#5 and -0.5"),
        ("1. item", r"1\. item"),
        ("12) item", r"12\) item"),
        ("1.5 is a number", "1.5 is a number"),
        ("~~struck~~ $x^2$", r"\~\~struck\~\~ \$x^2\$"),
        ("&lt; &#60; R & D", "&amp;lt; &amp;#60; R & D"),
        ("one\n\n# two", r"one\\n\\n# two"),
        ("\u202egpj", r"\\u202egpj"),
    ],
)
def test_markdown(text: str, shown: str) -> None:
    assert markdown(text) == shown


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=HYPERLINK(A1)", "'=HYPERLINK(A1)"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
        ("-1+1", "'-1+1"),
        ("  =1", "'  =1"),
        ("＝1+1", "'＝1+1"),
        ("\t=1", r"\t=1"),
        ("\r=1", r"\r=1"),
        ("a=1", "a=1"),
        ("-0.5", "-0.5"),
        ("+1e-5", "+1e-5"),
        ("-inf", "-inf"),
        ("−0.5", "−0.5"),
        ("-", "'-"),
        ("", ""),
        (-1.5, -1.5),
        (3, 3),
        (None, None),
    ],
)
def test_spreadsheet(value: object, cell: object) -> None:
    assert spreadsheet(value) == cell
    written = io.StringIO()
    csv.writer(written).writerow([spreadsheet(value), "next"])
    assert next(csv.reader(io.StringIO(written.getvalue()))) == [
        "" if cell is None else str(cell),
        "next",
    ]


def test_the_list_of_hidden_characters_is_one() -> None:
    assert "\x1b" not in terminal(HIDDEN)
