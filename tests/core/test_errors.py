from __future__ import annotations

import pytest

from lewm_probe.core.errors import UsageError, UserError, unknown_name


def test_exit_codes() -> None:
    assert (UserError.exit_code, UsageError.exit_code) == (1, 2)
    assert issubclass(UsageError, UserError)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("two-rom", "Unknown world 'two-rom'. Did you mean 'two-room'? Known: push-t, two-room."),
        ("zzz", "Unknown world 'zzz'. Known: push-t, two-room."),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_and_the_list(name: str, message: str) -> None:
    error = unknown_name("world", name, ["two-room", "push-t"])
    assert isinstance(error, UsageError)
    assert str(error) == message
