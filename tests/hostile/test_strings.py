"""Words of strangers that a terminal, a browser, LaTeX, a spreadsheet or a folder would obey.

They stand in every place of every file that holds words, and real commands read them: what a
command prints, and whatever it writes, shows them and obeys none.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml
from typer.testing import CliRunner
from typer.testing import Result as Answer

from lewm_probe.analyses.engine.asked.checkpoint import training_curves
from lewm_probe.cli.main import app
from lewm_probe.core.escaping import HIDDEN
from lewm_probe.core.resources import find_recipe
from lewm_probe.data.formats.hdf5.episodes import EpisodeWriter
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.checkpoints.native import save_checkpoint
from lewm_probe.models.config import EncoderConfig, ModelConfig, PredictorConfig
from lewm_probe.models.family import Origin
from lewm_probe.models.jepa import JEPA

from ..fixtures.reports import make_result

GOLDEN = Path(__file__).parents[1] / "golden" / "lewm-tiny"

WORDS = {
    "red": "\x1b[31mred",
    "another title": "\x1b]0;owned\x07title",
    "C1": "\x9b31mred",
    "turned": "\u202etxt.exe\u2066 turned",
    "of no width": "le\u200bwm\ufeff",
    "next line": "one\nError: two\rthree",
    "a link of rich": "[link=https://a.b]here[/link]",
    "an end of nothing": "[/x] [bold]fat",
    "a script": "</svg><script>alert(1)</script>",
    "an end of comment": "--> <script>alert(2)</script>",
    "an image": "<img src=x onerror=alert(1)>",
    "a link": "[x](javascript:alert(1))",
    "a cell": "a | b `c` $d$",
    "a heading": "# heading",
    "a formula": '=HYPERLINK("https://a.b")',
    "another formula": "@SUM(A1:A9)",
    "LaTeX": r"\input{/etc/passwd} 5 % & _^~ {x",
    "a folder": "../../outside",
    "emoji": ":smile: 👨‍👩‍👧 日本語",
    "a template": "{{ 7 * 7 }} {% raw %}",
}
EVERYTHING = " ".join(WORDS.values())
"""All at once, for places that only one text fits."""

_HIDDEN = re.compile(f"(?!\n)[{HIDDEN}]")

Run = Callable[..., Answer]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``lewm-probe WORDS…`` in an empty folder; nothing hidden may be printed, whatever happens."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def invoke(*words: str | Path, code: int = 0) -> Answer:
        answer = CliRunner().invoke(app, [str(w) for w in words], prog_name="lewm-probe")
        assert answer.exit_code == code, answer.output
        assert "Something went wrong inside" not in answer.stderr, answer.stderr
        for said in (answer.stdout, answer.stderr):
            assert not _HIDDEN.search(said), ascii(said)
        assert not said.startswith("Error") or said.count("\n") == 1, said
        outside = [path.name for path in tmp_path.iterdir() if path.name != "here"]
        assert outside == [], "something was written elsewhere"
        return answer

    return invoke


def checkpoint(path: Path, **meta: Any) -> Path:
    """A tiny untrained checkpoint that says so."""
    config = ModelConfig(
        image_size=32,
        latent_width=8,
        projector_hidden=8,
        encoder=EncoderConfig(name="cnn", channels=(4, 4), width=8),
        predictor=PredictorConfig(layers=1, heads=1, head_width=8, mlp_width=8),
    )
    model = JEPA(config, ActionStatistics(mean=(0.0, 0.0), std=(1.0, 1.0)), family="lewm")
    save_checkpoint(path, model, meta=Origin(**({"family": "lewm", "world": "two-room"} | meta)))
    return path


def header_of(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The file with another header of ours, as a stranger would write it."""
    stored = path.read_bytes()
    length = int.from_bytes(stored[:8], "little")
    header = json.loads(stored[8 : 8 + length])
    ours = json.loads(header["__metadata__"]["lewm_probe"])
    change(ours)
    header["__metadata__"]["lewm_probe"] = json.dumps(ours)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + stored[8 + length :])
    return path


# ---- what is printed of a checkpoint


@pytest.mark.parametrize("kind", WORDS)
def test_inspect_shows_what_a_checkpoint_says_of_itself(run: Run, kind: str) -> None:
    word = WORDS[kind]
    path = checkpoint(Path("model.safetensors"), world=word, recipe=word, data_fingerprint=word)
    answer = run("inspect", path)
    plain = json.loads(run("inspect", path, "--json").stdout)
    assert plain["meta"]["world"] == plain["meta"]["recipe"] == word
    if kind in ("a link of rich", "an end of nothing", "a script", "a link", "a template"):
        assert answer.stdout.count(word) == 3  # as it stands: nothing was taken for markup
    if kind == "emoji":
        assert ":smile:" in answer.stdout


@pytest.mark.parametrize("kind", [kind for kind in WORDS if kind != "an end of comment"])
def test_names_of_files_are_shown_too(run: Run, kind: str) -> None:
    name = WORDS[kind].replace("/", "-").replace("=", "x")[:60]  # = comes before a path
    for code, words in (
        (1, ("inspect", name)),
        (1, ("data", "info", f"{name}.h5")),
        (2, ("train", f"{name}.yaml")),
        (1, ("report", name)),
        (2, ("geometry", f"a={name}", "--suite", f"{name}.yaml")),
    ):
        run(*words, code=1 if words[0] == "geometry" else code)
    Path(name).mkdir()
    checkpoint(Path(name) / "model.safetensors")
    run("inspect", name)
    Path(f"{name}.yaml").write_text("{")
    run("train", f"{name}.yaml", code=2)
    run("geometry", Path(name), "--suite", f"{name}.yaml", code=2)


def test_bytes_that_are_no_letters_are_shown(run: Run) -> None:
    answer = run("inspect", "odd\udcff\udcfe.safetensors", code=1)
    assert answer.stderr.startswith(r"Error: There is no checkpoint at odd\udcff\udcfe.safetensors")


@pytest.mark.parametrize("kind", WORDS)
def test_a_world_of_a_checkpoint_is_looked_up_and_shown(run: Run, kind: str) -> None:
    checkpoint(Path("model.safetensors"), world=WORDS[kind])
    answer = run("geometry", "model.safetensors", code=2)
    assert "of which there is no suite here" in answer.stderr


# ---- numbers and names without end


@pytest.mark.parametrize("value", [10**30, -1, 2**63, 2**31, 1.5, "7", True, [], "NaN"])
@pytest.mark.parametrize("key", ["seed", "step", "epoch"])
def test_numbers_of_a_header_are_bounded(run: Run, key: str, value: Any) -> None:
    path = checkpoint(Path("model.safetensors"), seed=1, step=2, epoch=3)
    number = float("nan") if value == "NaN" else value
    header_of(path, lambda header: header["meta"].update({key: number}))
    if key != "seed" and value == 2**31:
        run("inspect", path)  # so many steps are many, and no fault
        return
    answer = run("inspect", path, code=1)
    why = {
        str(10**30): "is not read: a whole number in it has 31 digits",
        str(2**63): "is not read: a whole number in it has 19 digits",
        "NaN": "is not read: NaN is no number that JSON has",
    }
    found = re.fullmatch(
        rf"Error: The header of model\.safetensors: 'meta\.{key}' is .+\. Input should be .+\. Fix "
        rf"this value\.\n|Error: The header of model\.safetensors {why.get(str(value))}"
        r"\. Fix the file, or fetch the original again\.\n",
        answer.stderr,
    )
    assert found, answer.stderr


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 10_000, "is not read: its brackets lie more than 32 deep in each other"),
        ('{"a": ' + "9" * 5000 + "}", "is not read: a whole number in it has 5,000 digits"),
        ('{"a": 1e999}', "is not read: the number 1e999 in it is beyond all computers"),
        ('{"a": 1, "a": 2}', "is not read: the key 'a' stands twice in it"),
        ('{"a\x1b[31m": 1, "a\x1b[31m": 2}', "is not JSON (at character 3: Invalid control "
         "character at)"),
    ],
)  # fmt: skip
def test_a_header_is_strict_json(run: Run, text: str, why: str) -> None:
    path = checkpoint(Path("model.safetensors"))
    stored = path.read_bytes()
    length = int.from_bytes(stored[:8], "little")
    header = json.loads(stored[8 : 8 + length])
    header["__metadata__"]["lewm_probe"] = text
    made = json.dumps(header).encode()
    path.write_bytes(len(made).to_bytes(8, "little") + made + stored[8 + length :])
    answer = run("inspect", path, code=1)
    end = (
        "It is of another kind, or was cut short; fetch it again."
        if "not JSON" in why
        else "Fix the file, or fetch the original again."
    )
    assert answer.stderr == f"Error: The header of model.safetensors {why}. {end}\n"


def test_curves_of_a_run_are_bounded(tmp_path: Path) -> None:
    lines = [
        '{"step": 1, "loss": 0.5}',
        '{"step": 1e999, "loss": 1}',
        '{"step": -1, "loss": 1}',
        '{"step": 1' + "0" * 30 + ', "loss": 1}',
        '{"step": 1' + "0" * 5000 + ', "loss": 1}',
        '{"step": 2, "loss": 1' + "0" * 400 + "}",
        '{"step": 3, "loss": NaN}',
        "[" * 100_000,
        '{"step": 4, "loss": 0.25}',
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
    assert training_curves(tmp_path) == {
        "step": [1.0, 2.0, 3.0, 4.0],
        "loss": [0.5, None, None, 0.25],
    }


@pytest.mark.parametrize("key", ["world", "recipe", "data_fingerprint"])
def test_names_of_a_header_are_bounded(run: Run, key: str) -> None:
    path = checkpoint(Path("model.safetensors"))
    header_of(path, lambda header: header["meta"].update({key: "x" * 10**6}))
    answer = run("inspect", path, code=1)
    assert answer.stderr == (
        f"Error: The header of model.safetensors: 'meta.{key}' is '{'x' * 299} …. String should "
        "have at most 1000 characters. Fix this value.\n"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("seed: " + "9" * 30, "'seed' is a whole number beyond what 64 bits hold"),
        ("seed: 2147483648", "'seed' is 2147483648. Input should be less than or equal to "
         "2147483647"),
        ("seed: .nan", "'seed' is nan. Input should be a valid integer"),
        ("optimizer: {learning_rate: .inf}", "'optimizer.learning_rate' is inf. Input should be a "
         "finite number"),
        ("optimizer: {steps_per_epoch: 1" + "0" * 20 + "}", "'optimizer.steps_per_epoch' is a "
         "whole number beyond what 64 bits hold"),
        ("data: {collect: {seed: -1}}", "'data.collect.seed' is -1. Input should be greater than "
         "or equal to 0"),
    ],
)  # fmt: skip
def test_numbers_of_a_recipe_are_bounded(run: Run, text: str, why: str) -> None:
    raw = yaml.safe_load(find_recipe("two-room/lewm-cpu").read_text())
    for key, value in yaml.safe_load(text).items():
        raw[key] = {**raw[key], **value} if isinstance(value, dict) else value
    Path("mine.yaml").write_text(yaml.safe_dump(raw))
    answer = run("train", "mine.yaml", code=2)
    assert answer.stderr == f"Error: recipe mine.yaml: {why}. Fix this value.\n"


def test_digits_and_brackets_without_end_are_no_yaml(run: Run) -> None:
    for text in ("seed: " + "9" * 5000, "seed: " + "[" * 5000, "seed: 2001-99-99"):
        Path("mine.yaml").write_text(text)
        answer = run("train", "mine.yaml", code=2)
        assert "mine.yaml is not a YAML file that can be read (" in answer.stderr


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("models", 0, "train_seed"), 2**63 - 1),
        (("models", 0, "train_seed"), 2**31),
        (("models", 0, "step"), -1),
        (("models", 0, "parameters"), -1),
        (("models", 0, "name"), "x" * 1001),
        (("provenance", 0, "wall_seconds"), -1),
        (("provenance", 0, "seeds"), {"evaluation": "x"}),
        (("provenance", 0, "notes"), ["x" * (2**18 + 1)]),
    ],
)
def test_numbers_and_names_of_a_result_are_bounded(
    run: Run, place: tuple[Any, ...], value: Any
) -> None:
    make_result(models=[("a", "lewm", (0,))], analyses=("geometry",)).save(Path("stored"))
    stored = json.loads(Path("stored/results.json").read_text())
    holder = stored
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    Path("stored/results.json").write_text(json.dumps(stored))
    answer = run("report", "stored", code=1)
    where = ".".join(map(str, place))
    assert answer.stderr.startswith(
        f"Error: stored/results.json does not fit the results schema at {where}"
    )
    assert len(answer.stderr) < 600


@pytest.mark.parametrize("digits", ["9" * 30, "9" * 5000, "9223372036854775808", "-" + "9" * 400])
@pytest.mark.parametrize("place", ["models", "config", "settings"])
def test_whole_numbers_of_a_result_have_an_end(run: Run, place: str, digits: str) -> None:
    make_result(models=[("a", "lewm", (0,))], analyses=("geometry",)).save(Path("stored"))
    text = Path("stored/results.json").read_text()
    key = {
        "models": '"train_seed": 0',
        "config": '"latent_width": 64',
        "settings": '"evaluation": 7',
    }
    assert key[place] in text
    changed = text.replace(key[place], f"{key[place].partition(':')[0]}: {digits}", 1)
    Path("stored/results.json").write_text(changed)
    answer = run("report", "stored", code=1)
    assert answer.stderr == (
        f"Error: stored/results.json holds a whole number of {len(digits)} digits, and 64 bits "
        "hold 19 at most. It was damaged, or edited by another program; run the analysis that "
        "wrote it again.\n"
    )


@pytest.mark.parametrize(
    ("setting", "value", "wanted"),
    [
        ("statistics.alpha", "x", "a number"),
        ("statistics.alpha", -1, "a number between 0 and 1"),
        ("statistics.alpha", True, "a number"),
        ("statistics.confirmatory", 3, "a list"),
        ("voe.equivalence_ratio", 0, "a number between 1 and 1e+06"),
        ("voe.log_floor", "x\x1b[31m", "a number"),
        ("voe.conditions", 10**18, "a list"),
        ("voe.baselines", "abc", "a list"),
    ],
)
def test_settings_of_a_result_are_of_their_kind(
    run: Run, setting: str, value: Any, wanted: str
) -> None:
    models = [("a", "lewm", (0,)), ("b", "pldm", (0,))]
    make_result(models=models, analyses=("voe",), images=False).save(Path("stored"))
    stored = json.loads(Path("stored/results.json").read_text())
    section, key = setting.split(".")
    stored["provenance"][0]["settings"]["suite"].setdefault(section, {})[key] = value
    Path("stored/results.json").write_text(json.dumps(stored))
    answer = run("report", "stored", code=1)
    assert answer.stderr == (
        f"Error: The results of two-room say that the setting {setting} was {value!r}, and "
        f"{wanted} was expected. They were changed after they were written; run the analysis that "
        "wrote them again.\n"
    )
    assert not Path("runs/report/report.html").exists()


# ---- what stands where a file was expected


KINDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (lambda path: os.mkfifo(path), "a pipe"),
    "dangling link": (lambda path: path.symlink_to("nowhere"), "a link that leads nowhere"),
    "loop": (lambda path: path.symlink_to(path.name), "a link that leads back to itself"),
    "folder": (lambda path: path.mkdir(), "a folder"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "a device"),
}
ORDINARY = "but an ordinary file was expected there. Give the path of the file itself."
YAML_FILE = "a YAML file, or a name from `lewm-probe recipes ls`."
PLACES: dict[str, tuple[str, tuple[str, ...], int, str]] = {
    "a checkpoint": ("x.safetensors", ("inspect", "x.safetensors"), 1, ORDINARY),
    "a run's weights": ("run/model.safetensors", ("inspect", "run"), 1, ORDINARY),
    "a configuration": ("released/config.json", ("inspect", "released"), 1, ORDINARY),
    "a data set": (
        "x.h5",
        ("data", "info", "x.h5"),
        1,
        "not a file. Check the path, or collect one "
        "with `lewm-probe data collect two-room --episodes 600 --out FILE.h5`.",
    ),
    "data to convert": (
        "x.h5",
        ("data", "convert", "x.h5", "y.h5"),
        1,
        "not a file. Check the "
        "path, or collect one with `lewm-probe data collect two-room --episodes "
        "600 --out FILE.h5`.",
    ),
    "data to train on": (
        "x.h5",
        ("train", "two-room/lewm-cpu", "--data", "x.h5"),
        1,
        "not a file. "
        "Check the path, or collect one with `lewm-probe data collect two-room "
        "--episodes 600 --out FILE.h5`.",
    ),
    "a recipe": ("x.yaml", ("train", "x.yaml"), 2, f"but a recipe was expected there: {YAML_FILE}"),
    "a suite": (
        "x.yaml",
        ("geometry", "own", "--suite", "x.yaml"),
        2,
        f"but a suite was expected there: {YAML_FILE}",
    ),
    "a gate": (
        "x.yaml",
        ("audit", "own", "--gate", "x.yaml"),
        2,
        "but a gate was expected there: a YAML file. Check the path.",
    ),
    "action statistics": (
        "x.json",
        ("inspect", "released", "--action-stats", "x.json"),
        1,
        ORDINARY,
    ),
    "a result": (
        "x",
        ("report", "x"),
        1,
        "but a folder was expected there. Give a folder that an analysis wrote with --out.",
    ),
    "numbers of a result": (
        "stored/results.json",
        ("report", "stored"),
        1,
        "but an ordinary file was expected there. Give a folder that an analysis wrote with --out.",
    ),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_there_is_said(run: Run, kind: str, place: str) -> None:
    path, words, code, wanted = PLACES[place]
    make, said = KINDS[kind]
    if kind == "folder" and (place in ("a result", "a checkpoint") or path.endswith(".h5")):
        pytest.skip("is what was expected there, or may be")
    if kind == "device" and path.startswith(("run/", "released/")):
        wanted = (
            "and a checkpoint's files must lie in it: what it leads to may be anything. Put a copy "
            "of the file in its place if you trust it."
        )
        said = "a link that leaves its folder"
    for folder in ("run", "own", "released", "stored"):
        Path(folder).mkdir()
    checkpoint(Path("own/model.safetensors"))
    for name in ("config.json", "weights.pt"):
        if f"released/{name}" != path:
            shutil.copyfile(GOLDEN / name, Path("released") / name)
    make(Path(path))
    answer = run(*words, code=code)
    what = "The data set " if path.endswith(".h5") else ""
    assert answer.stderr == f"Error: {what}{path} is {said}, {wanted}\n"


# ---- recipes


def recipe(**changes: Any) -> Path:
    """A recipe of four steps that differs in these keys."""
    raw = yaml.safe_load(find_recipe("two-room/lewm-cpu").read_text())
    raw["model"] |= {"image_size": 32, "latent_width": 8, "projector_hidden": 8}
    raw["model"]["encoder"] = {"name": "cnn", "channels": [4, 4], "width": 8}
    raw["model"]["predictor"] = {"layers": 1, "heads": 1, "head_width": 8, "mlp_width": 8}
    raw["optimizer"] |= {"batch": 4, "epochs": 1, "steps_per_epoch": 2}
    raw["objective"]["directions"] = 4
    Path("mine.yaml").write_text(yaml.safe_dump(raw | changes))
    return Path("mine.yaml")


def episodes(path: Path, attrs: Mapping[str, Any] = {}, **columns: np.ndarray) -> Path:
    """Four episodes of forty rows of noise."""
    draw = np.random.default_rng(0)
    with EpisodeWriter(path, [40] * 4, dict(attrs)) as writer:
        for _ in range(4):
            pixels = draw.integers(0, 255, (40, 32, 32, 3), np.uint8)
            action = draw.normal(size=(40, 2)).astype(np.float32)
            action[-1] = np.nan
            writer.append({"pixels": pixels, "action": action, **columns})
    return path


def test_a_recipe_s_name_is_shown_and_leads_nowhere(run: Run) -> None:
    data = episodes(Path("data.h5"))
    for name in WORDS.values():
        path = recipe(name=name, world=name)
        answer = run("train", path, code=2)  # its data set is not there
        assert re.search(r"needs a data set and none is at runs/data/[\w.-]+\.h5", answer.stderr)
    words = ("train", recipe(name=EVERYTHING[:300]), "--data", data, "--device", "cpu")
    run(*words)
    weights = list(Path("runs").rglob("model.safetensors"))
    assert len(weights) == 1
    run("inspect", weights[0].parent)
    run(*words, "--resume")
    answer = run(*words, code=2)
    assert "already holds a run" in answer.stderr


def test_a_command_that_is_proposed_holds_no_other_one(run: Run) -> None:
    answer = run("train", recipe(world="two-room; touch owned #", name="a"), code=2)
    assert "lewm-probe data collect 'two-room; touch owned #' --episodes" in answer.stderr


# ---- data sets


@pytest.mark.parametrize("kind", WORDS)
def test_data_info_shows_what_a_data_set_says_of_itself(run: Run, kind: str) -> None:
    word = WORDS[kind]
    path = episodes(Path("data.h5"), {"world": word, "note": word})
    with h5py.File(path, "a") as file:
        file.attrs[word.replace("/", "-")] = word
        file.create_dataset(word.replace("/", "-"), data=np.zeros((160, 2), np.float32))
        file.attrs["seed"] = float("nan")
        file.attrs["large"] = 1e300
    run("data", "info", path)
    run("data", "check", path)
    strict = json.loads(run("data", "info", path, "--json").stdout, parse_constant=pytest.fail)
    assert strict["seed"] is None
    assert strict["world"] == strict["note"] == word


# ---- reports


@pytest.fixture(scope="module")
def hostile_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of results in which every word is a stranger's, made by the command."""
    folder = tmp_path_factory.mktemp("strings")
    words = list(WORDS.values())
    models = [(word, "lewm", (0,)) for word in words[:5]] + [(EVERYTHING[:290], "pldm", (0,))]
    result = make_result(models=models, analyses=("geometry", "rollout"), notes=words, images=False)
    result.save(folder / "stored")
    path = folder / "stored" / "results.json"
    stored = json.loads(path.read_text())
    columns = stored["metrics"]["columns"]
    for place, row in enumerate(stored["metrics"]["rows"]):
        if row[columns.index("subject")] is not None:
            row[columns.index("subject")] = words[place % len(words)]
    family = f"{words[8]}{words[10]}"
    for model in stored["models"]:
        model |= {"source": EVERYTHING, "world": "two-room"}
        model["config"] = {word: word for word in words}
    stored["cards"] = {
        "family": {"lewm": {"label": " ".join(words[6:12]).replace("\n", " ")}},
        "world": {"two-room": {"label": words[8]}},
        "analysis": {"geometry": {"label": family}},
    }
    for record in stored["provenance"]:
        record |= {"command": EVERYTHING, "version": words[8], "hardware": words[9]}
        record |= {"commit": words[13], "packages": {words[8]: words[13]}}
    path.write_text(json.dumps(stored))
    answer = CliRunner().invoke(
        app,
        ["report", str(folder / "stored"), "--out", str(folder / "report"), "--title", EVERYTHING],
    )
    assert answer.exit_code == 0, answer.output
    for said in (answer.stdout, answer.stderr):
        assert not _HIDDEN.search(said), ascii(said)
    return folder / "report"


def test_a_report_s_markdown_obeys_nothing(hostile_report: Path) -> None:
    text = (hostile_report / "report.md").read_text(encoding="utf-8")
    assert not _HIDDEN.search(text), ascii(_HIDDEN.findall(text))
    assert "<script" not in text and "<img" not in text
    targets = re.findall(r"(?<!\\)\]\(([^)]*)\)", text)
    assert targets and all(re.fullmatch(r"(figures|tables)/[\w.-]+", to) for to in targets)
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert not any("heading" in line and line.startswith("# h") for line in headings)
    assert sum(line.startswith("# ") for line in headings) == 1


def test_a_report_s_page_obeys_nothing(hostile_report: Path) -> None:
    text = (hostile_report / "report.html").read_text(encoding="utf-8")
    assert not _HIDDEN.search(text), ascii(_HIDDEN.findall(text))
    assert "<script" not in text and "<img src=x" not in text
    uncommented = re.sub(r"<!--.*?-->", "", text)  # matplotlib says in comments what it draws
    tags = re.sub(r">[^<]*<", "><", re.sub(r'aria-label="[^"]*"', "", uncommented))
    assert "javascript:" not in tags and "alert" not in tags
    own = ("#", "tables/", "figures/", "data:image/webp;base64,")
    assert all(to.startswith(own) for to in re.findall(r'href="([^"]*)"', text))


def test_a_report_s_tables_compute_nothing(hostile_report: Path) -> None:
    tables = sorted(hostile_report.glob("tables/*.csv"))
    assert tables
    numbers = 0
    for path in tables:
        text = path.read_text(encoding="utf-8")
        assert not _HIDDEN.search(text), path
        for row in csv.reader(text.splitlines()):
            for cell in row:
                if cell[:1] in tuple("=+-@"):
                    float(cell)
                    numbers += 1
    assert any("'=HYPERLINK" in path.read_text() or "'@SUM" in path.read_text() for path in tables)


def test_a_report_s_latex_obeys_nothing(hostile_report: Path) -> None:
    tables = sorted(hostile_report.glob("tables/*.tex"))
    assert tables
    for path in tables:
        text = path.read_text(encoding="utf-8")
        assert not _HIDDEN.search(text), path
        assert r"\input" not in text
    assert any(r"\textbackslash{}input\{/etc/passwd\}" in path.read_text() for path in tables)


def test_a_report_s_files_stay_in_it(hostile_report: Path) -> None:
    names = [path.name for path in hostile_report.rglob("*")]
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) for name in names), names
    beside = {path.name for path in hostile_report.parent.iterdir()}
    assert beside == {"stored", "report"}


def test_a_report_s_drawings_hold_no_script(hostile_report: Path) -> None:
    drawings = sorted(hostile_report.glob("figures/*.svg"))
    assert drawings
    for path in drawings:
        text = path.read_text(encoding="utf-8")
        assert "<script" not in text and "<img" not in text and not _HIDDEN.search(text)


def words_of(folder: Path) -> Iterator[str]:
    """All that Markdown files in a folder say."""
    for path in sorted(folder.glob("*.md")):
        yield path.read_text(encoding="utf-8")


def test_model_cards_obey_nothing(hostile_report: Path, tmp_path: Path) -> None:
    from lewm_probe.reports.model_cards.model_card import write_cards
    from lewm_probe.results.result import Result

    write_cards(Result.load(hostile_report.parent / "stored"), tmp_path, command=EVERYTHING)
    texts = list(words_of(tmp_path / "cards"))
    assert texts
    for text in texts:
        _, head, page = text.split("---\n", 2)
        yaml.safe_load(head)
        fenced = re.sub(r"^(`{3,})json$.*?^\1$", "", page, flags=re.DOTALL | re.MULTILINE)
        shown = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", fenced)
        assert not _HIDDEN.search(text), ascii(_HIDDEN.findall(text))
        assert "<script" not in shown and "<img" not in shown
        assert not re.search(r"(?<!\\)\]\(javascript", shown)
