"""The warnings at the head of a report, told once where several share one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from lewm_probe.reports import labels
from lewm_probe.reports.results_view import WorldView
from lewm_probe.results.result import Result

_COUNTED = re.compile(
    r"(?P<whose>(?:[^:]+: )?)(?P<condition>[\w-]+): (?P<count>\d+ of \d+) cases (?P<says>.+)"
)
_PAIR = re.compile(
    r"(?P<whose>(?:[^:]+: )?)(?P<pair>\S.* \(\d+ training seeds?\) against .+ "
    r"\(\d+ training seeds?\)): (?P<says>(?:differences|methods) [^:;]+)"
)


def quick(result: Result) -> bool:
    """Whether some of the numbers are of a quick look (``--fast``), by what their settings say."""
    return any(record.settings.get("fast") is True for record in result.provenance)


def folded(notes: Iterable[str], view: WorldView | None = None) -> list[str]:
    """Notes without repetition; those of several conditions or pairs of models are told together.

    ``view`` knows how conditions are said; without it they are read off their names.

    >>> folded(["frozen_block: 2 of 9 cases were left out.", "blur: 1 of 9 cases were left out."])
    ['Cases were left out: frozen block 2 of 9; blur 1 of 9.']
    >>> folded(["published: blur: 1 of 9 cases were left out."])
    ['published: Cases were left out: blur 1 of 9.']
    """
    found: dict[tuple[str, str], dict[str, str]] = {}
    for note in dict.fromkeys(notes):
        if counted := _COUNTED.fullmatch(note):
            say = labels.condition if view is None else view.condition
            name = say(counted["condition"])
            reported = f"{name[:1].lower()}{name[1:]} {counted['count']}"
            # Of a single condition too: its name is then written out.
            key = counted["whose"], f"Cases {counted['says']}"
            found.setdefault(key, {}).update({reported: _together(key, [reported])})
        elif pair := _PAIR.fullmatch(note):
            key = pair["whose"], f"{pair['says'][0].upper()}{pair['says'][1:]}"
            found.setdefault(key, {})[pair["pair"]] = note
        else:
            told = note if view is None else worded(note, view)
            found["", told] = {told: told}
    return [
        _together(key, list(reported)) if len(reported) > 1 else next(iter(reported.values()))
        for key, reported in found.items()
    ]


def worded(note: str, view: WorldView) -> str:
    """A note with its conditions as readers see them.

    Where a name is a word of English, such as ``blur``, it is one only before a colon.
    """
    names = sorted(known_conditions(view), key=len, reverse=True)  # the longest fits first
    if not names:
        return note
    either = "|".join(re.escape(name) + ("" if "_" in name else "(?=:)") for name in names)

    def said(at: re.Match[str]) -> str:
        label = view.condition(at[0])
        return label if at.start() == 0 else f"{label[:1].lower()}{label[1:]}"

    return re.sub(rf"(?<![\w-])(?:{either})(?![\w-])", said, note)


def known_conditions(view: WorldView) -> set[str]:
    """Conditions that were measured, or that the suite states."""
    stated = (
        one.get("name")
        for key in ("conditions", "dose_response")
        for one in view.setting("voe", key, default=())
        if isinstance(one, Mapping)
    )
    return {*view.conditions(), *(name for name in stated if isinstance(name, str) and name)}


def _together(key: tuple[str, str], reported: list[str]) -> str:
    """One note for several conditions, or pairs of models; of all pairs, the models are named."""
    whose, says = key
    pairs = [pair.split(" against ") for pair in reported if " against " in pair]
    sides = list(dict.fromkeys(side for pair in pairs for side in pair))
    if len(sides) > 2 and len(reported) == len(pairs) == len(sides) * (len(sides) - 1) // 2:
        reported = [f"each pair of {', '.join(sides[:-1])} and {sides[-1]}"]
    return f"{whose}{says.rstrip('.')}: {'; '.join(reported)}."
