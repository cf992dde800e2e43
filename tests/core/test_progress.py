from __future__ import annotations

import pytest

from lewm_probe.core.progress import NoProgress, Progress


def test_no_progress_takes_everything_and_shows_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    progress: Progress = NoProgress()
    with progress.task("work", 3) as outer, progress.task("unknown length", None) as inner:
        outer.advance()
        inner.advance(2.5)
    assert capfd.readouterr() == ("", "")
