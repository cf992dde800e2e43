"""Model cards: a page of Markdown for each checkpoint, with the header that Hugging Face reads.

The header's ``model-index`` holds the headline numbers with n and interval as arguments of the
metric, so that a hub can list them; the page says the same in tables, and what the numbers do and
do not mean. Names come from people's command lines and from untrusted results: they are flattened
to one line, escaped, and never make a path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lewm_probe._version import __version__
from lewm_probe.core.escaping import markdown as escaped
from lewm_probe.core.escaping import terminal
from lewm_probe.core.files import content_hash, safe_name, write_text
from lewm_probe.reports import formatting, labels
from lewm_probe.reports.model_cards.headlines import headlines, task
from lewm_probe.reports.notes import folded
from lewm_probe.reports.page.brought import Headline
from lewm_probe.reports.page.parts import parts
from lewm_probe.reports.results_view import WorldView, views
from lewm_probe.reports.tables.plain import markdown
from lewm_probe.reports.tables.sources import provenance_table
from lewm_probe.reports.tables.table import (
    Column,
    Row,
    Table,
    cell,
    count_cell,
    table,
    text,
)
from lewm_probe.reports.verdicts.verdicts import cautions
from lewm_probe.results.identity import latest, run_of
from lewm_probe.results.place import CARDS, MARK
from lewm_probe.results.result import Result
from lewm_probe.results.schema import ModelEntry, Provenance

STATISTICS = "action_statistics"
"""Key of a checkpoint's configuration that says where its action statistics came from."""

MEANING = (
    "**What they mean.** The checkpoint was frozen. Probes say what a small regression reads from "
    "its latents on trajectories it never saw; surprise says how much further a frame is from the "
    "prediction when physics, actions or appearance were tampered with at a known moment. The unit "
    "of every analysis is the trajectory; intervals are {confidence:g} % and speak of *this "
    "checkpoint*.\n\n"
    "**What they do not mean.** They say nothing of other training seeds of the same method, of "
    "other worlds, or of images unlike those of the suite. A quantity that a probe reads need "
    "not be used by the model. Being told apart from an unperturbed trajectory after a far "
    "teleport proves little: copying the last latent notices that too, so read the verdict and the "
    "AUROC beyond the best baseline. A collapsed model is calm and straight everywhere, so read "
    "the effective rank first."
)


def write_cards(result: Result, folder: Path, *, command: str) -> list[Path]:
    """Write ``cards/<model>[-<training seed>].md`` into ``folder``, one for each checkpoint.

    Each speaks of the checkpoint's last step. Checkpoints without a number get no card.

    Args:
        result: everything that was measured of them.
        folder: the report's folder.
        command: what was typed to make the cards.

    Raises:
        UserError: the folder may not be written.
    """
    last = latest((run_of(entry), entry.step, entry) for entry in result.models)
    names = [name for name, _ in last]
    written: list[Path] = []
    stems: set[str] = set()
    for entry in last.values():
        page = card(result, entry, command=command)
        if page is None:
            continue
        several = names.count(entry.name) > 1 and entry.train_seed is not None
        stem = safe_name(f"{entry.name}-{entry.train_seed}" if several else entry.name)
        if stem.casefold() in stems:  # "a-1" beside the seed 1 of "a"; "A" on disks without case
            stem = f"{stem}-{content_hash(entry.name, entry.train_seed)[:8]}"
        stems.add(stem.casefold())
        path = folder / CARDS / f"{stem}.md"
        write_text(path, page)
        written.append(path)
    return written


def card(result: Result, entry: ModelEntry, *, command: str) -> str | None:
    """The card of one checkpoint; None when nothing was measured of it."""
    parts = views(_alone(result, entry))
    found = {view.world: headlines(view) for view in parts}
    if not any(found.values()):
        return None
    families = result.cards.get("family")
    label = _flat(labels.model(entry.name, entry.family, families))
    whose = [f"training seed {entry.train_seed}"] if entry.train_seed is not None else []
    whose += [f"step {formatting.count(entry.step)}"] if entry.step is not None else []
    family = labels.family(entry.family, families)
    worlds = labels.listing([_flat(view.title) for view in parts])
    blocks = [
        f"# {_escaped(', '.join([label, *whose[:1]]))}",
        f"{_escaped(family)} world model{''.join(f', {w}' for w in whose)}, audited in "
        f"{_escaped(worlds)} by lewm-probe {__version__}. Every number here was written by the "
        "audit.",
        *_warnings(result, entry, parts),
    ]
    for view in parts:
        blocks += _world(view, found[view.world])
    blocks += ["## What these numbers mean", MEANING.format(confidence=_confidence(parts))]
    blocks += _checkpoint(entry, family)
    blocks += _made(result.provenance, command)
    return f"---\n# {MARK}\n{_header(entry, found, parts)}\n---\n\n" + "\n\n".join(blocks) + "\n"


# ---- the header


def _header(entry: ModelEntry, found: dict[str, list[Headline]], parts: list[WorldView]) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="other",
            task_name=task(one.row.analysis),
            dataset_type=f"lewm-probe/{_flat(view.world)}",
            dataset_name=f"{_flat(view.title)}, suite of lewm-probe",
            dataset_config=one.row.analysis,  # tells the analyses of one suite apart
            dataset_revision=_revision(view),
            dataset_args=_told(eval_seed=one.row.eval_seed),
            metric_type=one.type,
            metric_name=_flat(one.title),
            metric_value=one.row.value,
            metric_args=_told(n=one.row.n, ci_low=one.row.ci_low, ci_high=one.row.ci_high),
        )
        for view in parts
        for one in found[view.world]
    ]
    tags = ["world-model", "jepa", _flat(entry.family), "lewm-probe"]
    tags += [_flat(view.world) for view in parts]
    data = ModelCardData(
        library_name="lewm-probe",
        tags=list(dict.fromkeys(tags)),
        model_name=_flat(entry.name) or "unnamed",
        eval_results=results,
    )
    return data.to_yaml(line_break="\n")


def _revision(view: WorldView) -> str | None:
    """A hash of the suite that was asked."""
    suite = view.setting("suite", default=None)
    return content_hash(json.dumps(suite, sort_keys=True))[:12] if suite else None


def _told(**values: Any) -> dict[str, Any] | None:
    return {key: value for key, value in values.items() if value is not None} or None


# ---- the page


def _alone(result: Result, entry: ModelEntry) -> Result:
    """What a result holds of one checkpoint at its last step; rows and images are not needed."""
    metrics = [
        m for m in result.metrics if run_of(m) == run_of(entry) and m.step in (None, entry.step)
    ]
    return Result(result.provenance, [entry], metrics, cards=result.cards)


def _warnings(result: Result, entry: ModelEntry, parts: Sequence[WorldView]) -> list[str]:
    """What a reader must know first: collapse, and notes but those on other checkpoints."""
    others = [e.label for e in result.models if e.label != entry.label]
    notes = [
        note
        for record in result.provenance
        for note in record.notes
        if _is_about(entry.label, note)
        or not (" against " in note or _LEFT_OUT in note or any(_is_about(o, note) for o in others))
    ]
    lines = [f"{_flat(v.title)}: {why}" for v in parts for why in cautions(v).values()]
    reported = any(_is_about(entry.label, note) and "are not scaled" in note for note in notes)
    if entry.config.get(STATISTICS) == "identity" and not reported:
        lines.append("actions were not scaled, as no statistics of them were at hand (identity).")
    # Notes are sentences already, and may begin with a name, which is not to be changed.
    lines = [*map(labels.sentence, lines), *folded(notes, parts[0] if parts else None)]
    if not lines:
        return []
    listed = "\n".join(f"- {_escaped(_pathless(line))}" for line in lines)
    return ["## Read this first", listed]


_LEFT_OUT = " was left out of "
"""In notes on checkpoints that failed, of which results hold nothing else."""


def _is_about(label: str, note: str) -> bool:
    """Whether a note is on the checkpoint of this label, by how such notes begin."""
    return note.removeprefix("Preflight, ").startswith((f"{label}:", f"{label} was "))


def _world(view: WorldView, found: Sequence[Headline]) -> list[str]:
    rows = [
        Row(
            {
                "measure": text(one.title),
                "value": cell(one.row.value, one.row.ci_low, one.row.ci_high),
                "n": count_cell(one.row.n),
                "verdict": text(labels.sentence(one.verdict)),
            },
            group=task(one.row.analysis),
        )
        for one in found
    ]
    percent = f"{100 * _confident(view):g}"
    columns = [
        Column("measure", "Measure", numeric=False),
        Column("value", f"Value [{percent}\N{NO-BREAK SPACE}%]"),
        Column("n", "n, trajectories"),
        Column("verdict", "Verdict", numeric=False),
    ]
    caption = (
        "The same numbers stand in the header of this card. Verdict: “yes” is beyond every "
        "baseline; “noticed” names a simpler detector that does as well, or one that was not asked."
    )
    tables = [
        table("headlines", "Headline numbers", caption, columns, rows),
        *(one for part in parts() if part.card_tables for one in part.card_tables(view)),
    ]
    blocks = [f"## Results in {_escaped(view.title)}"]
    for one in tables:
        blocks += _table(one) if one is not None else []
    return blocks


def _table(one: Table) -> list[str]:
    return [f"### {escaped(one.title)}", markdown(one), escaped(one.caption)]


def _confidence(parts: Sequence[WorldView]) -> float:
    return 100 * next(map(_confident, parts), 0.95)


def _confident(view: WorldView) -> float:
    return view.number("statistics", "confidence", default=0.95, above=0, below=1)


def _checkpoint(entry: ModelEntry, family: str) -> list[str]:
    """What the checkpoint is: size, fingerprint, how training ended, configuration."""
    facts = [
        ("Family", family),
        ("Training seed", entry.train_seed),
        ("Step", None if entry.step is None else formatting.count(entry.step)),
        ("Parameters", None if entry.parameters is None else formatting.count(entry.parameters)),
        ("Fingerprint", entry.fingerprint),
        ("Action statistics from", entry.config.get(STATISTICS)),
        ("Source", None if entry.source is None else _pathless(entry.source)),
        *((f"Last {labels.plain(k)}", v) for k, v in _last_losses(entry).items()),
    ]
    lines = [f"- {_escaped(k)}: {_escaped(str(v))}" for k, v in facts if v is not None]
    blocks = ["## The checkpoint", "\n".join(lines)]
    if entry.config:
        plain = json.dumps(_without_paths(entry.config), indent=2, ensure_ascii=False, default=str)
        plain = terminal(plain, lines=True)
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", plain)), default=0))
        blocks += ["Configuration:", f"{fence}json\n{plain}\n{fence}"]
    return blocks


def _last_losses(entry: ModelEntry) -> dict[str, str]:
    """The last value of each loss term that the run logged."""
    found = {}
    for name in ("loss", "prediction", "validation_loss", "validation_prediction"):
        values = [v for v in entry.curves.get(name, []) if v is not None]
        if values:
            found[name] = formatting.number(values[-1], 4)
    return found


def _made(records: Sequence[Provenance], command: str) -> list[str]:
    clean = [
        record.model_copy(
            update={
                "command": _pathless(record.command),
                "fingerprints": {},
            }
        )
        for record in records
    ]
    blocks = [
        "## How it was made",
        f"This card: {_code(_pathless(command))}, lewm-probe {__version__}. The fingerprint of the "
        "checkpoint covers its weights, configuration and action statistics.",
    ]
    made = provenance_table(clean)
    return blocks + (_table(made)[1:] if made else [])


# ---- words of others


_FOLDERS = re.compile(r"(?<![\w./:~\\])(?:~|[A-Za-z]:)?(?:[/\\][^\s/\\'\"]+)*[/\\](?=[^\s/\\'\"])")


def _flat(words_: str) -> str:
    """On one line, without characters that cannot be seen."""
    return " ".join("".join(c if c.isprintable() else " " for c in words_).split())


def _escaped(words_: str) -> str:
    """On one line, with everything that Markdown reads as more than text escaped."""
    return escaped(_flat(words_))


def _code(words_: str) -> str:
    """As code, whatever backticks it holds."""
    plain = _flat(words_)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", plain)), default=0))
    pad = " " if "`" in plain else ""
    return f"{fence}{pad}{plain}{pad}{fence}"


def _pathless(words_: str) -> str:
    """Without the folders of absolute paths, which say where somebody's files lie.

    >>> _pathless("audit lewm=/home/me/runs/lewm hf://user/repo runs/x")
    'audit lewm=lewm hf://user/repo runs/x'
    """
    return _FOLDERS.sub("", words_)


def _without_paths(value: Any) -> Any:
    if isinstance(value, dict):
        return {_pathless(str(k)): _without_paths(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_paths(v) for v in value]
    return _pathless(value) if isinstance(value, str) else value
