"""The commands whose results are pictures, from flags to report, on a tiny model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.models.checkpoints.native import save_checkpoint
from lewm_probe.models.family import Origin
from lewm_probe.results.result import Result
from tests.fixtures.reports import blank_figures

from .conftest import Run

TINY: dict[str, Any] = {
    "map": {},
    "decode": {"width": 16, "layers": 1, "heads": 2, "mlp_width": 16, "batch": 8, "shown": 2},
}
FLAGS = {
    "map": ("--grid", "8", "--neighbours", "5", "--perplexity", "9", "--body", "agent"),
    "decode": ("--steps", "4", "--patch", "16", "--horizon", "1", "--horizon", "3"),
}


@pytest.fixture
def words(make_lewm: Any, suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    origin = Origin(family="lewm", world="two-room", seed=1, step=9)
    save_checkpoint(tmp_path / "lewm.safetensors", make_lewm(), meta=origin)
    plain = json.loads(suite.model_dump_json())
    plain["clean"] = {"trajectories": 6, "frames": 10}
    plain["probe"] |= {"validation": 5, "mlp": {"hidden": [4], "max_epochs": 1, "seeds": 1}}
    Path("s.yaml").write_text(json.dumps(plain | TINY))
    return ("lewm=lewm.safetensors", "--suite", "s.yaml", "--device", "cpu", "--cache", "cache")


@pytest.mark.parametrize("name", list(TINY))
def test_from_flags_to_report(run: Run, words: tuple[str, ...], name: str) -> None:
    answer = run(name, *words, *FLAGS[name], "--out", "found")
    assert answer.exit_code == 0, answer.stderr
    found = Result.load(Path("found"))
    section = found.provenance[0].settings["suite"][name]
    if name == "map":
        assert (section["grid"], section["perplexity"], section["bodies"]) == (8, 9.0, ["agent"])
        assert found.rows["metric"].isin(["tsne"]).any()
    else:
        assert (section["steps"], section["patch"], section["horizons"]) == (4, 16, [1, 3])
        assert list(Path("found/pictures").glob("decode-two-room-violation-lewm-1-9-*.png"))
    with blank_figures():
        answer = run("report", "found", "--out", "page")
    assert answer.exit_code == 0, answer.stderr
    page = Path("page/report.md").read_text()
    assert f"(figures/two-room-{name}-" in page


def test_a_world_without_bodies_to_move_is_bad_usage(run: Run, words: tuple[str, ...]) -> None:
    answer = run("map", *words, "--body", "block", "--out", "found")
    assert answer.exit_code == 2
    assert "Unknown body 'block'. Known: agent." in " ".join(answer.stderr.split())
    assert not Path("found/results.json").exists()


def test_a_patch_that_does_not_fit_is_bad_usage(run: Run, words: tuple[str, ...]) -> None:
    answer = run("decode", *words, "--patch", "7", "--out", "found")
    assert answer.exit_code == 2
    assert "which patches of 7 px do not fill" in " ".join(answer.stderr.split())
