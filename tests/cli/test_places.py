"""Places that commands write: one process at a time, and nothing there for what was refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lewm_probe.core.processes.locks import alone
from tests.cli.searches.test_study import WORDS

from .conftest import Asked, Run
from .test_train import SET, data  # noqa: F401  # a fixture

Make = Callable[..., Path]


def everything() -> list[str]:
    """All that lies in the current folder."""
    return sorted(str(path) for path in Path().rglob("*"))


COMMANDS = {
    "train": ["train", "two-room/lewm-cpu", "--data", "data.h5", "--device=cpu", *SET],
    "collect": ["data", "collect", "two-room", "-n", "2"],
    "geometry": ["geometry", "m=model.safetensors", "--device=cpu"],
    "audit": ["audit", "m=model.safetensors", "--device=cpu"],
    "report": ["report", "results"],
}


@pytest.mark.parametrize("name", [*COMMANDS, "convert"])
def test_a_place_that_another_process_writes_is_left_to_it(
    name: str,
    run: Run,
    make_checkpoint: Make,
    asked: Asked,
    data: Path,  # noqa: F811
) -> None:
    make_checkpoint()
    assert run("geometry", "m=model.safetensors", "--device=cpu", "--out", "results").exit_code == 0
    file = name in ("collect", "convert")
    place = "x.h5" if file else "x"
    words = [*COMMANDS[name], "--out", place] if name != "convert" else ["data", "convert"]
    words += ["data.h5", place] if name == "convert" else []
    before = everything()
    with alone(Path(place), beside=file):
        answer = run(*words, "--quiet")
    assert answer.exit_code == 1
    choose = "another place." if name == "convert" else "another place with --out."
    assert answer.stderr.splitlines()[-1] == (
        f"Error: Another lewm-probe is writing in {place}. Wait for it, or choose {choose}"
    )
    assert [path for path in everything() if "cache" not in path] == before
    assert run(*words, "--quiet").exit_code == 0
    assert not [path for path in everything() if path.endswith(".lock")]


REFUSED = {
    "too few windows": [*COMMANDS["train"], "--set", "optimizer.batch=500", "--out", "x/y"],
    "another image size": [*COMMANDS["train"], "--set", "model.image_size=32", "--out", "x/y"],
    "no data": ["train", "two-room/lewm-cpu", "--data", "none.h5", "--out", "x/y"],
    "no data, several": ["train", "two-room/lewm-cpu", "--data", "none.h5", "--seeds", "1,2"],
    "no such policy": [*COMMANDS["collect"], "--policy", "none", "--out", "x/y.h5"],
    "no such world": ["data", "collect", "two-rom", "-n", "2", "--out", "x/y.h5"],
    "collect into an image too large": [*COMMANDS["collect"], "--size", "300", "--out", "x/y.h5"],
    "no such source": ["data", "convert", "none.h5", "x/y.h5"],
    "no episodes left": ["data", "convert", "data.h5", "x/y.h5", "--episodes", "90:"],
    "no results": ["report", "none", "--out", "x/y"],
    "no model": ["geometry", "m=none.safetensors", "--out", "x/y"],
    "no model to audit": ["audit", "m=none.safetensors", "--out", "x/y"],
    "a CNN to export": ["export", "model.safetensors", "--out", "x/y"],
    "a study without data": ["study", "two-room", "--families=lewm", "--data=no.h5", "--out", "x"],
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_refused_leaves_nothing_behind(
    why: str,
    run: Run,
    make_checkpoint: Make,
    data: Path,  # noqa: F811
) -> None:
    make_checkpoint()
    before = everything()
    answer = run(*REFUSED[why], "--quiet")
    assert answer.exit_code in (1, 2), answer.output
    assert everything() == before


def test_a_report_is_believed_only_if_it_is_whole(run: Run, asked: Asked) -> None:
    assert run(*WORDS).exit_code == 0
    page = Path("s/audit/report.html")
    whole, listing = page.read_text(), everything()
    page.write_text(whole[: len(whole) // 2])
    assert run(*WORDS).exit_code == 0
    assert page.read_text() == whole
    assert everything() == listing
    assert len(asked.calls) == 5
