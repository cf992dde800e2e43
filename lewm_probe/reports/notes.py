"""The warnings at the head of a report, told once where several conditions share one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lewm_probe.reports import words

_COUNTED = re.compile(
    r"(?P<whose>(?:[^:]+: )?)(?P<condition>[a-z_]+): (?P<count>\d+ of \d+) cases (?P<says>.+)"
)


def folded(notes: Iterable[str]) -> list[str]:
    """Notes without repetition; those that count cases of a condition are told together.

    >>> folded(["frozen_block: 2 of 9 cases were left out.", "blur: 1 of 9 cases were left out."])
    ['Cases were left out: frozen block 2 of 9; blur 1 of 9.']
    >>> folded(["published: blur: 1 of 9 cases were left out."])
    ['published: Cases were left out: blur 1 of 9.']
    """
    found: dict[tuple[str, str], list[str]] = {}
    for note in dict.fromkeys(notes):
        counted = _COUNTED.fullmatch(note)
        if counted is None:
            found["", note] = []
        else:
            name = words.condition(counted["condition"])
            name = name[:1].lower() + name[1:]
            key = counted["whose"], counted["says"]
            found.setdefault(key, []).append(f"{name} {counted['count']}")
    return [
        f"{whose}Cases {says.rstrip('.')}: {'; '.join(counts)}." if counts else says
        for (whose, says), counts in found.items()
    ]
