"""Training seeds as people write them: ``1-6``, ``1,2,5``, ``3``, or both: ``1-3,7``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lewm_probe.core.errors import UsageError

MOST = 100
"""Seeds of one study: more is most likely a slip, and months of work."""

HIGHEST = 2**32 - 1
"""The highest training seed."""


def parse_seeds(text: str) -> tuple[int, ...]:
    """The seeds in the order they are written.

    Raises:
        UsageError: not such a text, a range that runs backwards, one twice, or too many.

    >>> parse_seeds("1-3,7"), parse_seeds("5")
    ((1, 2, 3, 7), (5,))
    """
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,20})\s*(?:-\s*([0-9]{1,20})\s*)?", part)
        if match is None:
            raise UsageError(
                f"--seeds {text!r} names no seeds. Write a range, 1-6, or a list, 1,2,5, of whole "
                "numbers from 0 up."
            )
        first = int(match[1])
        last = first if match[2] is None else int(match[2])
        if last < first:
            raise UsageError(
                f"--seeds {text} has a range that runs backwards: {first}-{last}. Write "
                f"{last}-{first}."
            )
        if last > HIGHEST:
            raise UsageError(f"--seeds {text} has a seed above {HIGHEST}. Choose a smaller one.")
        if len(found) + last - first + 1 > MOST:
            raise UsageError(
                f"--seeds {text} asks for {len(found) + last - first + 1} seeds or more; expected "
                f"at most {MOST}. Six show what differs between two methods clearly."
            )
        found += range(first, last + 1)
    twice = sorted({seed for seed in found if found.count(seed) > 1})
    if twice:
        raise UsageError(
            f"--seeds {text} has the seed {twice[0]} twice. Name each seed once: a run of the same "
            "recipe and seed is the same run."
        )
    return tuple(found)


def seeds_text(seeds: Sequence[int]) -> str:
    """Seeds as short as they can be written, in their order.

    >>> seeds_text([1, 2, 3, 7]), seeds_text([4, 5])
    ('1-3,7', '4,5')
    """
    parts: list[list[int]] = []
    for seed in seeds:
        if parts and seed == parts[-1][-1] + 1:
            parts[-1].append(seed)
        else:
            parts.append([seed])
    short = [f"{p[0]}-{p[-1]}" if len(p) > 2 else ",".join(map(str, p)) for p in parts]
    return ",".join(short)
