"""What can be wrong with a data set although it can be read: one check a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lewm_probe.core.progress import Progress
from lewm_probe.data.check.alignment import Alignment, action_alignment
from lewm_probe.data.check.duplicates import RUN, FrameHashes, hash_frames, identical_episodes
from lewm_probe.data.episodes import Episodes
from lewm_probe.data.sampling.split import split_episodes

Verdict = Literal["ok", "note", "problem"]

STILL_SHARE = 0.2
"""Share of images equal to the one before that is a problem: the camera or the world hangs."""
SHARED_SHARE = 0.01
"""Share of runs of images seen in another episode, or across the split, that is one."""

_MEND = "for example with `lewm-probe data convert --mend-last-actions`"


@dataclass(frozen=True)
class Check:
    """The answer to one question: ``ok``, ``note`` (worth knowing) or ``problem``."""

    name: str
    verdict: Verdict
    finding: str


def check_file(
    file: Episodes,
    *,
    frames: int = 4,
    frame_skip: int = 5,
    validation_fraction: float = 0.1,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Check, ...]:
    """Ask everything of a data set.

    Args:
        file: the data set.
        frames: frames of a training window.
        frame_skip: environment steps between them.
        validation_fraction: of the split that is checked for leakage.
        seed: of that split.
        progress: where to show how far it is.

    Raises:
        UserError: stored values do not decode.
    """
    hashes = hash_frames(file, progress=progress)
    same = identical_episodes(file)
    return (
        check_lengths(file, frames, frame_skip),
        check_indices(file),
        check_actions(file),
        check_last_actions(file),
        check_columns(file),
        check_alignment(action_alignment(file)),
        check_still(file, hashes),
        check_between(file, hashes, same),
        check_leakage(file, hashes, same, validation_fraction, seed),
    )


def check_lengths(file: Episodes, frames: int, frame_skip: int) -> Check:
    """Is there room for training windows?"""
    lengths, span = file.lengths, frames * frame_skip
    short = int((lengths < span).sum())
    windows = int(np.maximum(lengths - span + 1, 0).sum())
    finding = (
        f"{len(file)} episodes of {lengths.min()} to {lengths.max()} rows (mean "
        f"{lengths.mean():.1f}); {windows} windows of {frames} frames at frame-skip {frame_skip}"
    )
    if not short:
        return Check("lengths", "ok", finding)
    finding += f"; too short for the {span} rows of a window: {_count(short, 'episode')}"
    return Check("lengths", "note" if windows else "problem", finding)


def check_indices(file: Episodes) -> Check:
    """Do the episode and step columns agree with ep_offset and ep_len?"""
    rows = file.rows_of(range(len(file)))
    ids = np.repeat(np.arange(len(file)), file.lengths)
    steps = rows - file.offsets[ids]
    wrong = []
    if file.episode_column and not np.array_equal(file.read(file.episode_column)[rows], ids):
        wrong.append(file.episode_column)
    if "step_idx" in file.columns and not np.array_equal(file.read("step_idx")[rows], steps):
        wrong.append("step_idx")
    if wrong:
        return Check("indices", "problem", f"ep_offset and ep_len contradict {' and '.join(wrong)}")
    unused = file.rows - len(rows)
    if unused:
        return Check("indices", "note", f"{unused} of {file.rows} rows belong to no episode")
    return Check("indices", "ok", "episode and step columns agree with ep_offset and ep_len")


def check_actions(file: Episodes) -> Check:
    """Are all actions but an episode's last finite?"""
    actions = file.read("action")
    bad = ~np.isfinite(actions).all(axis=1)
    bad[file.offsets + file.lengths - 1] = False
    if not bad.any():
        return Check("actions", "ok", f"{file.action_width} wide, all finite but the last ones")
    episodes = _episodes_of(file, np.flatnonzero(bad))
    return Check(
        "actions",
        "problem",
        f"NaN or infinite: {_count(int(bad.sum()), 'action')}, in {_some(episodes, 'episode')}",
    )


def check_last_actions(file: Episodes) -> Check:
    """Is the last action of each episode NaN, as nothing follows it?

    Files that stable-worldmodel collected between 2026-04-24 and 2026-07-21 repeat the episode's
    first action there.
    """
    actions = file.read("action")
    last = actions[file.offsets + file.lengths - 1]
    nothing = np.isnan(last).all(axis=1)
    if nothing.all():
        return Check("last actions", "ok", "NaN in every episode")
    first = actions[file.offsets]
    repeated = ~nothing & (last == first).all(axis=1) & (file.lengths > 1)
    count = int((~nothing).sum())
    if repeated.sum() == count:
        return Check(
            "last actions",
            "problem",
            f"the first action stands again in the last row of "
            f"{_some(np.flatnonzero(repeated), 'episode')}, a fault of stable-worldmodel from "
            f"2026-04-24 to 2026-07-21: set it to NaN, {_MEND}",
        )
    return Check(
        "last actions",
        "problem",
        f"an action stands in the last row of {_some(np.flatnonzero(~nothing), 'episode')}, where "
        f"it leads nowhere: set it to NaN, {_MEND}",
    )


def check_columns(file: Episodes) -> Check:
    """Are the other columns finite?"""
    bad = {}
    names = [n for n in file.columns if n not in ("pixels", "action")]
    for name in names:
        values = file.read(name)
        if values.dtype.kind == "f":
            rows = int((~np.isfinite(values.reshape(len(values), -1))).any(axis=1).sum())
            if rows:
                bad[name] = rows
    if not bad:
        return Check("states", "ok", f"all values of {', '.join(names)} are finite")
    listed = ", ".join(f"{name} in {rows} rows" for name, rows in bad.items())
    return Check("states", "problem", f"NaN or infinite values: {listed}")


def check_alignment(alignment: Alignment) -> Check:
    """Does row t hold the action that leads from row t to t + 1?"""
    if alignment.best is None:
        return Check(
            "action alignment", "note", "cannot be told: actions explain no change of any column"
        )
    listed = ", ".join(f"t{lag:+d}: {value:.2f}" for lag, value in alignment.r2.items())
    listed = listed.replace("t+0", "t")
    explained = f"R² of the change of {', '.join(alignment.columns)} on the action of row {listed}"
    if alignment.best == 0:
        return Check("action alignment", "ok", explained)
    return Check(
        "action alignment",
        "problem",
        f"actions have slipped: the change from row t to t+1 is explained best by row "
        f"t{alignment.best:+d}; {explained}",
    )


def check_still(file: Episodes, hashes: FrameHashes) -> Check:
    """Do images move on within an episode?"""
    still, looked = hashes.same_as_before(), len(hashes.hashes)
    share = still / looked
    finding = f"{still} of {looked} images equal the one before{_of(file, hashes)}"
    verdict: Verdict = "problem" if share > STILL_SHARE else "note" if still else "ok"
    return Check("still images", verdict, finding)


def check_between(file: Episodes, hashes: FrameHashes, same: Sequence[tuple[int, ...]]) -> Check:
    """Does every episode occur once?"""
    if same:
        extra = sum(len(group) - 1 for group in same)
        return Check(
            "repeated episodes",
            "problem",
            f"copies of another episode: {extra}; alike are for example "
            f"{_some(same[0], 'episode')}",
        )
    runs = hashes.runs()
    images, repeated = hashes.seen_elsewhere(), runs.seen_elsewhere()
    finding = (
        f"no episode occurs twice; {images} of {len(hashes.hashes)} images and {repeated} of "
        f"{len(runs.hashes)} runs of {RUN} occur in another episode{_of(file, hashes)}"
    )
    return Check("repeated episodes", _shared(images, repeated, len(runs.hashes)), finding)


def check_leakage(
    file: Episodes,
    hashes: FrameHashes,
    same: Sequence[tuple[int, ...]],
    validation_fraction: float,
    seed: int,
) -> Check:
    """Does training see what it is validated on?"""
    if len(file) < 2:
        return Check("split leakage", "note", "a single episode cannot be split")
    training, validation = split_episodes(len(file), validation_fraction, seed)
    held_out = set(validation.tolist())
    leaked = [group for group in same if 0 < len(held_out & set(group)) < len(group)]
    how = f"with {len(validation)} of {len(file)} episodes for validation (seed {seed})"
    if leaked:
        return Check(
            "split leakage",
            "problem",
            f"{how}, on both sides: {_count(len(leaked), 'episode')}; alike are for example "
            f"{_some(leaked[0], 'episode')}",
        )
    runs = hashes.runs()
    images, moves = hashes.of(validation), runs.of(validation)
    seen = int(np.isin(images, hashes.of(training)).sum())
    repeated = int(np.isin(moves, runs.of(training)).sum())
    finding = (
        f"{how}, training has {seen} of {len(images)} validation images and {repeated} of "
        f"{len(moves)} runs of {RUN}{_of(file, hashes)}"
    )
    return Check("split leakage", _shared(seen, repeated, len(moves)), finding)


def _shared(images: int, repeated: int, runs: int) -> Verdict:
    if repeated > SHARED_SHARE * runs:
        return "problem"
    return "note" if images or repeated else "ok"


def _episodes_of(file: Episodes, rows: np.ndarray) -> np.ndarray:
    owner = np.full(file.rows, -1)
    owner[file.rows_of(range(len(file)))] = np.repeat(np.arange(len(file)), file.lengths)
    found = np.unique(owner[rows])
    return found[found >= 0]


def _some(ids: Sequence[int] | np.ndarray, noun: str) -> str:
    """``3 episodes (0, 4, 7)``, naming five at most."""
    shown = ", ".join(str(int(i)) for i in ids[:5]) + (", …" if len(ids) > 5 else "")
    return f"{_count(len(ids), noun)} ({shown})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _of(file: Episodes, hashes: FrameHashes) -> str:
    looked, all_of = len(hashes.episodes), len(file)
    return "" if looked == all_of else f" ({looked} of {all_of} episodes compared)"
