"""The example of the README here, an analysis of another package: nothing of ours knows it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lewm_probe
from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.run import run
from lewm_probe.auditing.against import compare_with
from lewm_probe.auditing.request import EvaluationRequest, find_suite_for
from lewm_probe.core.config import load_yaml, parse
from lewm_probe.core.errors import UsageError
from lewm_probe.core.resources import find_suite
from lewm_probe.results.analyses import ANALYSES, in_order

README = (Path(lewm_probe.__file__).parent / "analyses" / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def asked(suite: Suite, plugin: Path) -> Suite:
    """The small suite, read where the plug-in is installed."""
    plain = suite.model_dump(mode="json")
    return parse({**plain, "steps": {"stride": 2}}, Suite, "suite s.yaml")


def test_it_is_small_and_what_the_readme_shows(plugin: Path) -> None:
    code = (plugin / "analysis.py").read_text(encoding="utf-8")
    assert re.findall(r"```python\n(.*?)```", README, re.DOTALL)[1] == code
    line = re.search(r"```toml\n(.*?)```", README, re.DOTALL)[1]
    assert line in (plugin.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert len(code.splitlines()) < 60


def test_it_stands_behind_the_others(plugin: Path) -> None:
    assert [a.name for a in in_order()][-2:] == ["plan", "steps"]
    assert ANALYSES.get("steps").code() != ANALYSES.get("geometry").code() == ""


def test_it_is_measured_compared_and_remembered(asked, doubles, make_lewm) -> None:
    checkpoints = [
        checkpoint_from_model("a", doubles["oracle"]("a")),
        checkpoint_from_model("b", make_lewm(seed=1)),
    ]
    cache = LatentCache()
    found = run("steps", checkpoints, asked, cache=cache)
    a, b, difference = found.metrics
    assert (a.model, a.analysis, a.metric, a.stride, a.n) == ("a", "steps", "length", 2, 20)
    assert (difference.model, difference.versus) == ("a", "b")
    assert difference.value == pytest.approx(a.value - b.value)
    assert difference.ci_low < difference.value < difference.ci_high
    rows = found.rows[found.rows["model"] == "a"]
    assert rows["value"].mean() == pytest.approx(a.value)
    assert len(rows) == 20
    misses = cache.misses
    assert run("steps", checkpoints, asked, cache=cache).metrics == found.metrics
    assert cache.misses == misses
    (stored, *_) = compare_with(found, found, "before").metrics
    assert (stored.metric, stored.value, stored.n) == ("length_difference_paired", 0.0, 20)


def test_an_audit_asks_it(asked: Suite, make_lewm, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(asked.model_dump_json())
    result = lewm_probe.audit(make_lewm(), suite=path, analyses=["geometry", "steps"])
    assert {m.analysis for m in result.metrics} == {"geometry", "steps"}


def test_its_options_change_its_section(asked: Suite, plugin: Path) -> None:
    request = EvaluationRequest(world="two-room").asking("steps", {"stride": 3})
    assert find_suite_for(request, []).section("steps").stride == 3
    with pytest.raises(UsageError) as error:
        find_suite_for(EvaluationRequest(world="two-room").asking("steps", {"stride": 0}), [])
    assert str(error.value) == (
        "what steps is to ask: 'stride' is 0. Input should be greater than or equal to 1. Fix this "
        "value."
    )


def test_suites_that_were_written_without_it_are_read(plugin: Path) -> None:
    suite = load_yaml(find_suite("two-room"), Suite, "suite")
    assert suite.section("steps").stride == 1


def command(*words: str, site: Path) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(site), *sys.path])
    return subprocess.run(
        [sys.executable, "-m", "lewm_probe.cli.main", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths, "COLUMNS": "80", "NO_COLOR": "1"},
    )


def test_it_has_a_command(plugin: Path) -> None:
    answer = command("steps", "--help", site=plugin.parent)
    assert answer.returncode == 0, answer.stderr
    assert "How far latents move from frame to frame." in answer.stdout
    told = " ".join(answer.stdout.replace("│", " ").split())
    assert re.search(r"--stride \S+ Frames from one latent to the next\.", told)
    assert answer.stderr == ""


def test_one_that_is_broken_spoils_nothing(tmp_path: Path) -> None:
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    lines = ["cracked = broken:CRACKED", "lost = nowhere:LOST", "train = broken_too:TRAIN"]
    lines += ["seeds = broken_too:SEEDS", "other = broken_too:TRAIN"]
    (info / "entry_points.txt").write_text("\n".join(["[lewm_probe.analyses]", *lines]))
    (tmp_path / "broken.py").write_text("CRACKED = 1 / 0\n")
    named = """
TRAIN = Analysis("train", "help", Card("Training"), settings="x:Y", measure="x:z")
SEEDS = Analysis("seeds", "help", Card("Seeds"), settings="x:Y", options={"--seed": "seed"})
"""
    imports = [f"from lewm_probe.results.{m} import *" for m in ("analyses", "cards")]
    (tmp_path / "broken_too.py").write_text("\n".join([*imports, named]))
    answer = command("--help", site=tmp_path)
    assert answer.returncode == 0
    assert " voe " in answer.stdout and "cracked" not in answer.stdout
    assert answer.stderr.splitlines() == [
        "Note: Analysis 'cracked' is registered as broken:CRACKED, which cannot be loaded: "
        "ZeroDivisionError: division by zero. Install what it needs, or remove the package that "
        "registers it.",
        "Note: Analysis 'lost' is registered as nowhere:LOST, which cannot be loaded: No module "
        "named 'nowhere'. Install what it needs, or remove the package that registers it.",
        "Note: The analysis 'other' calls itself 'train'. Fix the package that registers it.",
        "Note: The analysis 'seeds' has no command (UsageError: its flag --seed is one of every "
        "command).",
        "Note: The analysis 'train' has the name of a command, and has none itself.",
    ]
