"""How readers see a name: stored in the result that uses it, so that names need no plug-in.

A condition, a family, a world or an analysis brings a card along. The analysis that uses a name
stores its card, and whoever reads the result later sees the same words, whatever is installed
there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal

LONGEST = 2000
"""Characters of a text of a card: results may be untrusted, and a name is no book."""

NOT_IN_A_LINE = re.compile(r"[\x00-\x1f\x7f]")
COLOR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class Card:
    """How readers see a name.

    Attributes:
        label: in a report. ``{who}`` stands for the body concerned, where there is one.
        order: place among others of its kind, smaller first.
        expects: what a condition violates.
        question: of the verdict, e.g. "Did it notice that gravity turned over?".
        rule: of the verdict, fixed before the data. Question and rule hold ``{who}``, ``{of}``
            (" of" and whom, where several are asked about), ``{alpha}``, and what else a report
            fills in.
        over, compared: read from results of earlier versions, and no longer used.
        lasts: a violation that goes on for as long as it lasts, so that surprise which stays raised
            says nothing of the images.
        doses: what its doses are, as a clause.
        dose_question: of the verdict on doses.
        color: of a family, ``#rrggbb``.
        package: that brings it along and draws more of it; empty for what is built in.

    Raises:
        ValueError: a text that is no line, or no color.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    """For results as they are read; a plain dataclass spares every command's start pydantic's."""

    label: str
    order: int = 100
    expects: Literal["violation", "appearance", "action", ""] = ""
    question: str = ""
    rule: str = ""
    over: Literal["copy_last", ""] = "copy_last"
    compared: bool = True
    doses: str = ""
    dose_question: str = ""
    color: str | None = None
    package: str = ""
    lasts: bool = False

    def __post_init__(self) -> None:
        for name, text in vars(self).items():
            if isinstance(text, str) and (len(text) > LONGEST or NOT_IN_A_LINE.search(text)):
                raise ValueError(f"{name} must be one line of at most {LONGEST} characters")
        if self.color is not None and not COLOR.fullmatch(self.color):
            raise ValueError(f"color must be #rrggbb, got {self.color!r}")

    def of(self, who: str = "") -> str:
        """The label with the body concerned, or without one.

        >>> Card("Teleport of {who}").of("agent"), Card("Frozen {who}").of()
        ('Teleport of agent', 'Frozen')
        """
        if who:
            return self.label.replace("{who}", who)
        return self.label.replace(" of {who}", "").replace(" {who}", "").replace("{who}", "")


Kind = Literal["family", "world", "condition", "analysis"]
"""Whose names have cards. Conditions go by their kind (``teleport``), all else by its name."""

Cards = Mapping[Kind, Mapping[str, Card]]
"""Kind of thing → name → card, as results store them."""

MOST_CARDS = 1000
"""Of a kind in one result: a report has fewer conditions, and results may be untrusted."""


def joined(*of: Cards) -> dict[Kind, dict[str, Card]]:
    """All cards together; a later one replaces an earlier one of the same name."""
    found: dict[Kind, dict[str, Card]] = {}
    for cards in of:
        for kind, named in cards.items():
            found.setdefault(kind, {}).update(named)
    return found


def plain(cards: Cards) -> dict[str, dict[str, dict[str, Any]]]:
    """As JSON has them: what differs from a card's defaults."""
    default = {f.name: f.default for f in fields(Card)}
    return {
        kind: {
            name: {k: v for k, v in asdict(card).items() if k == "label" or v != default[k]}
            for name, card in named.items()
        }
        for kind, named in cards.items()
    }


BEYOND = (
    "Noticed: AUROC at onset above 0.5 (95 % interval, and p below {alpha} after Holm over all "
    "tests of this report). Yes: also a gain above 0, by the same two, over each of copy-last, "
    "linear extrapolation and pixel difference in either direction, a random encoder, and a "
    "predictor that is blind to actions. "
)
LEFT_OUT = "Cases in which nothing would show are left out."
"""Sentences that rules of several conditions share."""
