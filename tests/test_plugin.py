"""One toy thing of each kind from a package of somebody else's, all together.

Collected, trained, saved, loaded, audited, compared, gated, and shown in the report and in --help
like what is built in.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

import lewm_probe
from lewm_probe.core.registry import Registry
from lewm_probe.data.formats.registry import FORMATS, open_episodes
from lewm_probe.models import check_world_model
from lewm_probe.models.checkpoints.registry import CHECKPOINT_FORMATS
from lewm_probe.models.checkpoints.swm.export import export_swm
from lewm_probe.models.family import FAMILIES, Origin
from lewm_probe.planning.solvers import SOLVERS
from lewm_probe.results.analyses import ANALYSES
from lewm_probe.results.result import Result
from lewm_probe.search.tuning.scores import SCORES
from lewm_probe.search.tuning.scores.trained import trained
from lewm_probe.training.loop import train
from lewm_probe.training.recipe import override, read_recipe
from lewm_probe.worlds import world_names

Ask = Callable[..., str]

SMALL = {
    "probe": {"train": 12, "validation": 5, "test": 6, "frames": 8, "mlp": {"max_epochs": 1}},
    "voe": {"trajectories": 8, "disjoint": 8, "frames": 10, "baselines": ["copy_last"]},
    "statistics": {"bootstrap": 100, "confirmatory": ["gravity_flip"]},
    "plan": {"pairs": 3, "evaluations": 2, "solver": "hill_climb", "samples": 8, "iterations": 2},
}


@pytest.fixture(scope="module")
def ask(plugin: Path) -> Ask:
    """Run ``lewm-probe WORDS…``; its standard output."""
    from lewm_probe.cli.main import app

    def run(*words: object, code: int = 0) -> str:
        answer = CliRunner().invoke(app, [str(w) for w in words], prog_name="lewm-probe")
        assert answer.exit_code == code, answer.output
        return answer.stdout

    return run


@pytest.fixture(scope="module")
def work(ask: Ask, plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set in the toy format, a trained toy model, and the model in the toy's own file."""
    folder = tmp_path_factory.mktemp("toys")
    collected, data, run = folder / "ball.h5", folder / "ball.toyset", folder / "patches"
    asked = ("--size", 32, "--length", 40, "--workers", 1, "--quiet")
    ask("data", "collect", "falling-ball", "-n", 12, "--out", collected, *asked)
    ask("data", "convert", collected, data, "--quiet")
    ask("train", plugin / "recipe.yaml", "--data", data, "--out", run, "--quiet")
    model = lewm_probe.load_model(run)
    origin = Origin(family="toy_patches", world="falling-ball", seed=3072, step=4)
    CHECKPOINT_FORMATS.get("toy_npz").write(folder / "saved.toynpz", model, origin)  # type: ignore[attr-defined]
    suite = yaml.safe_load((plugin / "suite.yaml").read_text())
    for section, few in SMALL.items():
        suite[section] = {**suite.get(section, {}), **few}
    (folder / "suite.yaml").write_text(yaml.safe_dump(suite))
    return folder


@pytest.fixture(scope="module")
def audited(ask: Ask, work: Path) -> Path:
    out = work / "audit"
    models = (f"patches={work / 'patches'}", "--model", "pool=toy_pool")
    rest = ("--suite", work / "suite.yaml", "--cache", work / "cache", "--no-curve", "--quiet")
    ask("audit", *models, *rest, "--with", "plan", "--out", out)
    return out


@pytest.mark.parametrize(
    ("registry", "name"),
    [(FORMATS, "toyset"), (CHECKPOINT_FORMATS, "toy_npz"), (FAMILIES, "toy_patches"),
     (ANALYSES, "steps"), (SCORES, "norm"), (SOLVERS, "hill_climb")],
)  # fmt: skip
def test_they_are_known_by_name(plugin: Path, registry: Registry[object], name: str) -> None:
    assert name in registry.names()
    assert registry.origin(name) == "toy-lewm-probe"
    assert "falling-ball" in world_names()


def test_its_score_judges_a_run(work: Path, plugin: Path) -> None:
    recipe = read_recipe(plugin / "recipe.yaml")
    with trained(recipe, work / "ball.toyset", work / "patches", "cpu") as told:
        assert SCORES.get("norm").measure(told) > 0


@pytest.mark.parametrize("file", ["checkpoint_format", "family", "model", "report", "data_format"])
def test_each_is_under_sixty_lines(plugin: Path, file: str) -> None:
    assert len((plugin / f"{file}.py").read_text(encoding="utf-8").splitlines()) < 60


def test_the_data_set_holds_the_same(work: Path) -> None:
    with open_episodes(work / "ball.h5") as before, open_episodes(work / "ball.toyset") as after:
        assert (len(after), after.rows, after.image_size) == (12, before.rows, 32)
        assert (after.read("pixels") == before.read("pixels")).all()


def test_it_trains_on_patch_tokens(ask: Ask, work: Path) -> None:
    lines = (work / "patches" / "metrics.jsonl").read_text().splitlines()
    records = list(map(json.loads, lines))
    trained = [record for record in records if record["split"] == "train"]
    assert [record["step"] for record in trained] == [1, 2, 3, 4]
    keys = {"prediction", "spread", "loss", "latent_std", "centered_effective_rank"}
    assert keys <= trained[-1].keys()
    shown = dict(re.findall(r"│ +(.+?) +│ +(.+?) +│", ask("inspect", work / "patches")))
    sizes = ("history", "action block", "latent width", "tokens")
    assert [shown[name] for name in sizes] == ["1 frame", "10", "8", "4"]
    assert "encoder" not in shown
    told = json.loads(ask("inspect", work / "patches", "--json"))
    assert told["meta"]["family"] == "toy_patches"
    assert told["config"] == {"image_size": 32, "frame_skip": 5, "env_action_width": 2}


def test_a_run_that_was_killed_ends_alike(
    ask: Ask, work: Path, plugin: Path, tmp_path: Path
) -> None:
    def kill(record: dict[str, object]) -> None:
        if record["step"] == 3:
            raise KeyboardInterrupt

    recipe, run = override(read_recipe(plugin / "recipe.yaml"), ["resume_every_steps=2"]), tmp_path
    with pytest.raises(KeyboardInterrupt):
        train(recipe, work / "ball.toyset", run, on_log=kill)
    assert (run / "resume.safetensors").is_file()
    resumed = (plugin / "recipe.yaml", "--set", "resume_every_steps=2", "--resume", "--quiet")
    ask("train", *resumed, "--data", work / "ball.toyset", "--out", run)
    final = "model.safetensors"
    assert (run / final).read_bytes() == (work / "patches" / final).read_bytes()


def test_both_models_keep_what_the_interface_promises(work: Path) -> None:
    check_world_model(lewm_probe.load_model(work / "patches"))
    check_world_model("toy_pool")


def test_only_lewm_and_pldm_have_a_released_shape(ask: Ask, work: Path, tmp_path: Path) -> None:
    with pytest.raises(lewm_probe.core.errors.UserError) as error:
        export_swm(tmp_path, lewm_probe.load_model(work / "patches"))
    assert str(error.value) == (
        "A model of the family toy_patches has no released shape. What can be exported: the "
        "families lewm and pldm with the encoders vit-tiny, vit-small, vit-base, vit-large, "
        "vit-huge, as the recipes two-room/lewm and two-room/lewm-vit-cpu make. All else stays the "
        ".safetensors file it is, which every command reads."
    )


def test_it_loads_to_the_same_from_both_files(ask: Ask, work: Path) -> None:
    ours = lewm_probe.load_model(work / "patches")
    theirs = lewm_probe.load_model(work / "saved.toynpz")
    pixels = torch.randint(0, 256, (2, 4, 32, 32, 3), dtype=torch.uint8)
    actions = torch.randn(2, 4, 10)
    z = ours.encode(pixels)
    assert z.shape == (2, 4, 4, 8)
    assert torch.equal(z, theirs.encode(pixels))
    assert torch.equal(ours.predict(z, actions), theirs.predict(z, actions))
    assert theirs.spec == ours.spec
    assert theirs.fingerprint == ours.fingerprint
    assert json.loads(ask("inspect", work / "saved.toynpz", "--json"))["kind"] == (
        "toy_npz checkpoint"
    )


def test_a_damaged_file_of_the_toy_format_is_refused(ask: Ask, work: Path) -> None:
    cut = work / "cut.toynpz"
    cut.write_bytes((work / "saved.toynpz").read_bytes()[:200])
    with pytest.raises(lewm_probe.core.errors.UserError) as error:
        lewm_probe.load_model(cut)
    assert str(error.value) == f"{cut} is no whole .toynpz. Write it again."


def test_the_audit_asks_all_of_it(audited: Path) -> None:
    result = Result.load(audited)
    found = {(m.model, m.analysis, m.subject) for m in result.metrics}
    for model in ("patches", "pool"):
        assert (model, "voe", "gravity_flip") in found
        assert (model, "steps", None) in found
        assert (model, "probe", "ball_position") in found
        assert (model, "plan", "released") in found
    rates = [m for m in result.metrics if (m.metric, m.control) == ("success_rate", None)]
    assert {(m.method, m.n) for m in rates} == {("hill_climb", 6)}
    assert any(m.analysis == "steps" and m.versus == "pool" for m in result.metrics)
    assert "random_weights" not in {m.control for m in result.metrics}
    notes = [note for entry in result.provenance for note in entry.notes]
    assert sum(note.endswith("cannot be built anew with random weights.") for note in notes) >= 2
    assert result.cards["condition"]["gravity_flip"].label == "Gravity turned over"
    assert result.cards["family"]["toy_patches"].color == "#557733"
    assert result.cards["analysis"]["steps"].package == "toy-lewm-probe"


def test_the_report_shows_it(audited: Path) -> None:
    page = (audited / "report.html").read_text(encoding="utf-8")
    for words in ("Did it notice that gravity turned over?", "Do its latents move?", "Steps"):
        assert words in page
    assert (audited / "figures" / "falling-ball-steps.png").is_file()
    assert (audited / "tables" / "falling-ball-steps.csv").is_file()


def test_it_is_compared_with_stored_results_and_gated(ask: Ask, work: Path, audited: Path) -> None:
    gate = work / "gate.yaml"
    gate.write_text("thresholds: [{analysis: steps, metric: length, at_least: 1000}]\n")
    told = ask(
        "audit", f"again={work / 'saved.toynpz'}", "--suite", work / "suite.yaml", "--no-curve",
        "--cache", work / "cache", "--out", work / "second", "--against", f"first={audited}",
        "--gate", gate, "--json", code=1,
    )  # fmt: skip
    first = json.loads(told[told.index("{") :])
    differences = Result.load(work / "second").frame().query("metric == 'length_difference_paired'")
    (same,) = differences[differences.versus == "patches (first)"].value
    assert same == 0
    assert [outcome["passed"] for outcome in first["gate"]] == [False]


def test_help_lists_its_command(plugin: Path) -> None:
    command = [sys.executable, "-m", "lewm_probe.cli.main", "--help"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert "How far latents move from frame to frame." in told.stdout


def test_stored_results_are_shown_without_the_package(audited: Path, tmp_path: Path) -> None:
    code = (
        "from lewm_probe.cli.main import main; import sys; "
        f"sys.argv = ['lewm-probe', 'report', {str(audited)!r}, '--out', {str(tmp_path)!r}]; main()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "Did it notice that gravity turned over?" in text
    assert "The package toy-lewm-probe draws more of it." in text
