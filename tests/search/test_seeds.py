from __future__ import annotations

import pytest

from lewm_probe.core.errors import UsageError
from lewm_probe.search.seeds import parse_seeds, seeds_text


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("1-6", (1, 2, 3, 4, 5, 6)),
        ("1,2,5", (1, 2, 5)),
        ("3", (3,)),
        ("0", (0,)),
        (" 1 - 2 , 7", (1, 2, 7)),
        ("4-4", (4,)),
        ("5,1", (5, 1)),
    ],
)
def test_seeds_as_people_write_them(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds
    assert parse_seeds(seeds_text(seeds)) == seeds


NONE = "Write a range, 1-6, or a list, 1,2,5, of whole numbers from 0 up."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("6-1", "--seeds 6-1 has a range that runs backwards: 6-1. Write 1-6."),
        (
            "1-1000000",
            "--seeds 1-1000000 asks for 1000000 seeds or more; expected at most 100. Six show "
            "what differs between two methods clearly.",
        ),
        (
            "1-60,61-120",
            "--seeds 1-60,61-120 asks for 120 seeds or more; expected at most 100. Six show "
            "what differs between two methods clearly.",
        ),
        (
            "1-3,2",
            "--seeds 1-3,2 has the seed 2 twice. Name each seed once: a run of the same recipe "
            "and seed is the same run.",
        ),
        ("1,,2", f"--seeds '1,,2' names no seeds. {NONE}"),
        ("", f"--seeds '' names no seeds. {NONE}"),
        ("-1", f"--seeds '-1' names no seeds. {NONE}"),
        ("1.5", f"--seeds '1.5' names no seeds. {NONE}"),
        ("²", f"--seeds '²' names no seeds. {NONE}"),
        ("9" * 20, f"--seeds {'9' * 20} has a seed above 4294967295. Choose a smaller one."),
    ],
)
def test_bad_seeds_say_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_seeds(text)
    assert str(caught.value) == message
