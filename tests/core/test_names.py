from __future__ import annotations

import pytest

from lewm_probe.core.names import split_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=b", ("a", "b")),
        (" a = b ", ("a", "b")),
        ("a=b=c", ("a", "b=c")),  # a path may hold one too
        ("=b", ("", "b")),
        ("a=", ("a", "")),
        ("b", (None, "b")),
        (" b ", (None, " b ")),  # a path as it was typed
    ],
)
def test_names_and_values(text: str, expected: tuple[str | None, str]) -> None:
    assert split_name(text) == expected
