"""The warnings at the head of a report, told once where several share one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lewm_probe.reports import labels

_COUNTED = re.compile(
    r"(?P<whose>(?:[^:]+: )?)(?P<condition>[a-z_]+): (?P<count>\d+ of \d+) cases (?P<says>.+)"
)
_PAIR = re.compile(
    r"(?P<whose>(?:[^:]+: )?)(?P<pair>\S.* \(\d+ training seeds?\) against .+ "
    r"\(\d+ training seeds?\)): differences (?P<says>[^:;]+)"
)


def folded(notes: Iterable[str]) -> list[str]:
    """Notes without repetition; those of several conditions or pairs of models are told together.

    >>> folded(["frozen_block: 2 of 9 cases were left out.", "blur: 1 of 9 cases were left out."])
    ['Cases were left out: frozen block 2 of 9; blur 1 of 9.']
    >>> folded(["published: blur: 1 of 9 cases were left out."])
    ['published: Cases were left out: blur 1 of 9.']
    """
    found: dict[tuple[str, str], dict[str, str]] = {}
    for note in dict.fromkeys(notes):
        if counted := _COUNTED.fullmatch(note):
            name = labels.condition(counted["condition"])
            reported = f"{name[:1].lower()}{name[1:]} {counted['count']}"
            # Of a single condition too: its name is then written out.
            key = counted["whose"], f"Cases {counted['says']}"
            found.setdefault(key, {}).update({reported: _together(key, [reported])})
        elif pair := _PAIR.fullmatch(note):
            key = pair["whose"], f"Differences {pair['says']}"
            found.setdefault(key, {})[pair["pair"]] = note
        else:
            found["", note] = {note: note}
    return [
        _together(key, list(reported)) if len(reported) > 1 else next(iter(reported.values()))
        for key, reported in found.items()
    ]


def _together(key: tuple[str, str], reported: list[str]) -> str:
    whose, says = key
    return f"{whose}{says.rstrip('.')}: {'; '.join(reported)}."
