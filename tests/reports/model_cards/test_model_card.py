from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from lewm_probe.core.files import content_hash
from lewm_probe.reports.model_cards.headlines import task
from lewm_probe.reports.model_cards.model_card import card, write_cards
from lewm_probe.results.place import CARDS
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric, ModelEntry, Provenance

COMMAND = "lewm-probe audit lewm=/home/someone/runs/lewm --out runs/audit"


@pytest.fixture(scope="module")
def published() -> Result:
    return Result.load(Path(__file__).parents[3] / "reports" / "two-room-cpu")


@pytest.fixture(scope="module")
def cards(published: Result, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_cards(published, tmp_path_factory.mktemp("cards"), command=COMMAND)


def test_a_card_for_each_checkpoint(cards: list[Path]) -> None:
    seeds = range(1, 7)
    assert sorted(path.name for path in cards) == [
        *[f"lewm-{s}.md" for s in seeds],
        "lewm-vit.md",
        *[f"pldm-{s}.md" for s in seeds],
    ]
    assert {path.parent.name for path in cards} == {CARDS}


def test_hugging_face_reads_the_stored_numbers_back(published: Result, cards: list[Path]) -> None:
    (path,) = [path for path in cards if path.name == "pldm-1.md"]
    data = ModelCard.load(path).data
    assert (data.library_name, data.model_name) == ("lewm-probe", "pldm")
    assert data.tags == ["world-model", "jepa", "pldm", "lewm-probe", "two-room"]
    own = [m for m in published.metrics if (m.model, m.train_seed, m.control) == ("pldm", 1, None)]
    known = {"pearsonr": "pearson_r", "roc_auc": "auroc"}
    for one in data.eval_results:
        metric = known.get(one.metric_type, one.metric_type)
        fitting = [
            m
            for m in own
            if (m.analysis, m.metric, m.value) == (one.dataset_config, metric, one.metric_value)
        ]
        arguments = [
            {k: v for k in ("n", "ci_low", "ci_high") if (v := getattr(m, k)) is not None}
            for m in fitting
        ]
        assert one.metric_args in arguments, one
        assert one.task_name == task(one.dataset_config)
        assert one.dataset_args == {"eval_seed": 7}
    stated = {(one.dataset_config, one.metric_name) for one in data.eval_results}
    assert len(stated) == len(data.eval_results)
    assert {
        ("probe", "Pearson r, agent position, linear probe of z"),
        ("probe", "Pearson r, agent position, MLP probe of z"),
        ("voe", "AUROC at onset, step-sized teleport of agent"),
        ("voe", "AUROC of swapped actions (preflight)"),
        ("straightness", "Straightness S, encoded latents, stride 1"),
        ("rollout", "Error over copy-last, 1 block ahead"),
        ("rollout", "Error over copy-last, 10 blocks ahead"),
        ("geometry", "Effective rank of z"),
    } <= stated


def test_the_page_says_the_same_and_how_it_was_made(cards: list[Path]) -> None:
    (path,) = [path for path in cards if path.name == "lewm-1.md"]
    loaded = ModelCard.load(path)
    text = loaded.text
    assert text.lstrip().startswith("# LeWM, training seed 1\n")
    for one in loaded.data.eval_results:
        (line,) = [row for row in text.splitlines() if row.startswith(f"| {one.metric_name} |")]
        assert f" | {one.metric_args['n']} |" in line
    assert "This card: `lewm-probe audit lewm=lewm --out runs/audit`" in text
    for heading in ("What these numbers mean", "The checkpoint", "How it was made"):
        assert f"\n## {heading}\n" in text
    assert "/home/" not in path.read_text()


def lone(name: str = "a", **keys: Any) -> tuple[Result, ModelEntry]:
    shared: dict[str, Any] = {"model": name, "family": "a", "world": "w", "train_seed": 1}
    voe = {**shared, "analysis": "voe", "subject": "blur", "metric": "auroc", "window": "onset"}
    metrics = [
        Metric(**voe, value=0.5),
        Metric(**voe, value=0.6, control="copy_last"),
        Metric(**shared, analysis="geometry", features="z", metric="effective_rank", value=1.2),
        Metric(
            **shared, analysis="voe", subject="preflight", metric="clean_over_copy_last", value=3
        ),
    ]
    entry = ModelEntry(name=name, family="a", train_seed=1, world="w", fingerprint="f", **keys)
    notes = [
        f"Preflight, {name}, training seed 1: it was fed nonsense.",
        f"Preflight, {name}, training seed 2: another one.",
        "blur: 2 of 9 cases were left out.",
        f"{name} (1 training seed) against b (1 training seed): whatever.",
        f"{name}, training seed 1: its action statistics are of data set x.h5.",
        f"{name}, training seed 2: its action statistics are of data set y.h5.",
        f"{name}, training seed 2 was trained on this very data set.",
        "c was left out of voe: it has no encoder.",
    ]
    record = Provenance(command="lewm-probe audit /data/x", version="0", notes=notes)
    return Result([record], [entry, entry.model_copy(update={"train_seed": 2})], metrics), entry


def test_warnings_of_this_checkpoint_stand_first() -> None:
    page = card(*lone(config={"action_statistics": "identity"}), command="c") or ""
    first = page.split("## Read this first\n\n")[1].split("\n\n")[0]
    assert first.splitlines() == [
        "- W: its latents have an effective rank of 1.2: it has all but collapsed, and a collapsed "
        "model is calm and straight everywhere and on clean data it predicts worse than copying "
        "the last latent (ratio 3.00): statistics, frame-skip or images may not fit this "
        "checkpoint",
        "- Actions were not scaled, as no statistics of them were at hand (identity).",
        "- Preflight, a, training seed 1: it was fed nonsense.",
        "- Cases were left out: blur 2 of 9.",
        "- a, training seed 1: its action statistics are of data set x.h5.",
    ]
    assert "- Action statistics from: identity\n" in page


def test_actions_that_were_not_scaled_are_told_once() -> None:
    result, entry = lone(config={"action_statistics": "identity"})
    note = f"{entry.label}: its actions are not scaled, as --action-stats identity says."
    (record,) = result.provenance
    reported = Result([record.model_copy(update={"notes": [note]})], result.models, result.metrics)
    page = card(reported, entry, command="c") or ""
    first = page.split("## Read this first\n\n")[1].split("\n\n")[0]
    assert [line for line in first.splitlines() if "scaled" in line] == [f"- {note}"]


def test_no_place_of_a_machine_is_told() -> None:
    config = {"data": "/home/me/data.h5", "deep": [{"more": "C:\\Users\\me\\x"}], "keep": "a/b"}
    page = card(*lone(config=config, source="/mnt/big/model.pt"), command="c ~/y") or ""
    for word in ("/home", "/mnt", "/data/", "Users", "~/"):
        assert word not in page
    for word in ('"data.h5"', '"a/b"', "- Source: model.pt", "`c y`", "lewm-probe audit x"):
        assert word in page


def test_nothing_measured_no_card(tmp_path: Path) -> None:
    result, entry = lone()
    empty = Result(result.provenance, result.models, [])
    assert card(empty, entry, command="c") is None
    assert write_cards(empty, tmp_path, command="c") == []
    assert len(write_cards(result, tmp_path, command="c")) == 1  # seed 2 has no number


NAMES = [
    'a "quoted" name',
    "../../etc/passwd",
    "a\n---\nlicense: mit",
    "a: {b: [c, !!python/object:os.system",
    "a | b | [x](javascript:alert(1)) <script>",
    "`code` *bold* #1 & %TAG",
    "\x00\x1b[31m",
    "- yes",
    "null",
    "é世界 😀",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_break_neither_header_nor_table_nor_path(tmp_path: Path, name: str) -> None:
    result, _ = lone(name, config={"note": f"``` {name}"})
    (path,) = write_cards(result, tmp_path / "out", command=f"lewm-probe '{name}'")
    assert path.parent == tmp_path / "out" / CARDS
    assert path.resolve().is_relative_to(tmp_path)
    text = path.read_text(encoding="utf-8")
    header, body = text.removeprefix("---\n").split("\n---\n", 1)
    loaded = yaml.safe_load(header)
    assert set(loaded) == {"library_name", "tags", "model-index"}
    flat = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    assert ModelCard.load(path).data.model_name == flat == loaded["model-index"][0]["name"]
    prose, fenced = body.split("\n````json\n")
    assert fenced.count("\n````\n") == 1
    tables = [block for block in prose.split("\n\n") if block.startswith("|")]
    assert len(tables) == 3
    for table in tables:  # as many cells in every row
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1
    assert not re.search(r"(?<!\\)(\]\(|<script)", prose)  # escaped, or not there
    assert body.count("\n## ") == 5


def test_cards_of_one_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    entries = [
        ModelEntry(name=n, family="a", train_seed=s, world="w", fingerprint=f"{n}{s}")
        for n, s in (("a", 1), ("a", 2), ("a-1", 5))
    ]
    metrics = [
        Metric(
            model=e.name,
            family="a",
            train_seed=e.train_seed,
            world="w",
            analysis="geometry",
            metric="effective_rank",
            value=9.0,
        )
        for e in entries
    ]
    paths = write_cards(Result([], entries, metrics), tmp_path, command="c")
    assert [path.name for path in paths] == [
        "a-1.md",
        "a-2.md",
        f"a-1-{content_hash('a-1', 5)[:8]}.md",
    ]
