"""README is true: its paths exist, and its commands and its Python run, here on small sizes."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from contextlib import nullcontext
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from lewm_probe.cli.main import app
from lewm_probe.core import resources
from lewm_probe.core.resources import find_suite
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric, ModelEntry, Provenance
from tests.fixtures.reports import blank_figures

REPOSITORY = Path(__file__).parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")

TINY_MODEL = (
    "model.image_size=16",
    "model.latent_width=8",
    "model.projector_hidden=8",
    "model.encoder.channels=[4, 4]",
    "model.encoder.width=8",
    "model.predictor.layers=1",
    "model.predictor.mlp_width=8",
    "optimizer.batch=16",
    "optimizer.epochs=1",
    "optimizer.steps_per_epoch=4",
)
TINY_RUN = TINY_MODEL[-3:]
TINY_VIT = ("width=8", "layers=1", "heads=1", "mlp_width=8", "patch_size=8", "image_size=16")
TINY = {
    "masked_patches": ("model.image_size=16", *(f"model.shape.{size}" for size in TINY_VIT)),
    "dino_wm-ssl": (
        "model.image_size=16",
        "model.encoder_size=16",
        *(f"model.encoder.shape.{size}" for size in TINY_VIT),
    ),
}
"""Sizes of the recipes that are not LeWM's, by what their names begin with."""

SMALLER = {
    "data": ["--episodes", "8", "--size", "16", "--workers", "1"],
    "voe": ["--suite", "tiny.yaml", "--no-curve"],
    "audit": ["--suite", "tiny.yaml", "--no-curve"],
}
"""What is added to a command of README so that it takes a second instead of minutes."""


def smaller(words: list[str]) -> list[str]:
    """What is added to a command, for its recipe where it has one."""
    if words[0] != "train":
        return SMALLER.get(words[0], [])
    name = words[1].partition("/")[2]
    own = next((TINY[start] + TINY_RUN for start in TINY if name.startswith(start)), TINY_MODEL)
    return [word for item in own for word in ("--set", item)]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def write_tiny_suite(path: Path) -> None:
    suite = yaml.safe_load(find_suite("two-room").read_text(encoding="utf-8"))
    suite["probe"] |= {
        "train": 10,
        "validation": 5,
        "test": 5,
        "frames": 6,
        "linear": {"alphas": [1.0], "folds": 2},
        "mlp": {"hidden": [4], "max_epochs": 1, "seeds": 1},
    }
    suite["voe"] |= {"trajectories": 6, "disjoint": 6, "frames": 12}
    for sweep in suite["voe"]["dose_response"]:
        sweep["doses"] = sweep["doses"][:2]
    suite["rollout"] = {"horizons": [1, 2]}
    suite["random_encoder"] = {"steps": 2, "batch": 8}
    suite["statistics"]["bootstrap"] = 100
    path.write_text(yaml.safe_dump(suite), encoding="utf-8")


def publish_something(folder: Path) -> None:
    metric = {"family": "lewm", "world": "two-room", "analysis": "geometry", "features": "z"}
    rank = Metric(model="lewm", metric="effective_rank", value=3.0, **metric)
    entry = ModelEntry(name="lewm", family="lewm", fingerprint="0")
    Result([Provenance(command="", version="")], [entry], [rank]).save(folder)


def test_it_opens_with_the_rule_and_the_two_commands() -> None:
    title, rule, *_ = [line for line in README.splitlines() if line]
    assert title == "# lewm-probe"
    assert rule == (
        "*Top-level `X/` holds what you run and what came out; `lewm_probe/X/` holds how.*"
    )
    assert blocks(README, "bash")[0] == "make demo\nmake test\n"


@pytest.mark.parametrize(
    "target", sorted(set(re.findall(r"^make (\w+)", README + CONTRIBUTING, flags=re.MULTILINE)))
)
def test_every_make_target_exists(target: str) -> None:
    subprocess.run(["make", "-n", target], cwd=REPOSITORY, check=True, capture_output=True)


def test_every_path_exists() -> None:
    links = re.findall(r"\]\(((?!https?:)[^)#]+)\)", README + CONTRIBUTING)
    missing = {link for link in links if not (REPOSITORY / link).exists()}
    published = (REPOSITORY / "reports/two-room-cpu/results.json").is_file()
    assert {link for link in missing if published or not link.startswith("reports/")} == set()


def test_every_command_and_the_python_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_tiny_suite(tmp_path / "tiny.yaml")
    shutil.copytree(REPOSITORY / "tests/golden/lewm-tiny", "runs/released")  # as if downloaded
    gate = blocks(README, "yaml")[0]
    gate = re.sub(r"at_least: [\d.]+", "at_least: -1", gate).replace(": noticed", ": not shown")
    (tmp_path / "gate.yaml").write_text(gate)
    publish_something(tmp_path / "reports/two-room-cpu")
    lines = [line for block in blocks(README, "bash") for line in block.splitlines()]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("lewm-probe ")]
    assert {words[0] for words in commands} >= {"recipes", "data", "train", "voe", "audit"}
    for words in commands:
        # One report is drawn whole.
        drawn_already = Path("runs/audit/report.html").is_file()
        with blank_figures() if drawn_already else nullcontext():
            answer = CliRunner().invoke(app, [*words, *smaller(words)])
        assert answer.exit_code == 0, f"{words}: {answer.stderr}"
        for line in answer.stdout.splitlines():
            if line.startswith("Wrote "):
                assert Path(line.removeprefix("Wrote ")).exists()
        if "--out" in words and "--dry-run" not in words:
            assert Path(words[words.index("--out") + 1]).exists()
    assert Path("runs/audit/report.html").is_file()

    assert Path("runs/audit/cards/lewm.md").is_file()

    monkeypatch.setattr(resources, "find_suite", lambda typed: tmp_path / "tiny.yaml")
    monkeypatch.setattr(resources, "suite_of", lambda world, says: tmp_path / "tiny.yaml")
    with blank_figures():
        for code in blocks(README, "python"):
            exec(compile(code, "README.md", "exec"), {})


def test_the_demos_report_is_where_it_says() -> None:
    assert "`runs/demo/audit/report.html`" in README
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    assert "DEMO := runs/demo" in makefile
    from lewm_probe.auditing.whole import PAGE
    from lewm_probe.search.demo import demo_study

    assert demo_study(Path("runs/demo")).audit / PAGE == Path("runs/demo/audit/report.html")
