"""Violation of expectation: is a world model surprised by what cannot be, and only by that?

LeWorldModel (arXiv 2603.19312) compares surprise on matched trajectories, unperturbed, recoloured
and teleported, by a paired t-test. Here every condition of the suite is one intervention on the
same cases (``cases``), shown to all checkpoints (``screening``), scored (``examination``,
``surprise``) beside baselines that notice a jump without any dynamics, and read by ranks, effect
sizes and tests (``voe_metrics``). Models are compared in ``comparison``; whether a checkpoint was
fed what it expects is asked in ``preflight``.

>>> from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
>>> result = voe(subjects, suite, cache=LatentCache())  # doctest: +SKIP
>>> onset = result.frame().query("metric == 'auroc' and window == 'onset'")  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from lewm_probe.analyses.engine.asked.checkpoint import Subject, check_all_fit, freeze
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.recorder import Ledger
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.remembered.measurement_cache import Portions, Values
from lewm_probe.analyses.voe.comparison import Onsets, compare
from lewm_probe.analyses.voe.doses import write_doses
from lewm_probe.analyses.voe.metrics import OFFSETS, Evidence, Resamples, write_metrics
from lewm_probe.analyses.voe.preflight import preflight
from lewm_probe.analyses.voe.scorer import check_baselines
from lewm_probe.analyses.voe.surprise import MODEL, onset_values
from lewm_probe.analyses.voe.sweep import Scenes, Screening, screen, steps
from lewm_probe.core.errors import unknown_name
from lewm_probe.core.progress import NoProgress, Progress
from lewm_probe.results.result import Metric, Result
from lewm_probe.stats import bootstrap
from lewm_probe.stats.bootstrap import Estimate
from lewm_probe.worlds import make_world


def voe(
    subjects: Sequence[Subject],
    suite: Suite,
    *,
    cache: LatentCache,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Result:
    """Surprise of each subject under every condition of the suite, with baselines and statistics.

    All subjects see the same cases, t0 included: it leaves room for the longest history among them,
    so that a further subject with a longer one has all of them look again.
    Tests at onset of the suite's confirmatory conditions, over all subjects, form one Holm family
    (paired t-test of Δ = log s_pert − log s_ref). Teleports are tested one-sidedly, all else
    two-sidedly.

    Raises:
        UsageError: a condition about a body that the world does not have.
        UserError: a subject does not fit the world, gives NaN or infinite numbers, or refuses the
            pictures; trajectories too short; the world fails the sham check.
    """
    progress = progress or NoProgress()
    check_all_fit(subjects, make_world(suite.world))
    _check_names(suite)
    for subject in subjects:
        freeze(subject.model, device)
    # Linear extrapolation needs two frames before t0 even where a model itself sees one.
    history = max(2, *(s.model.spec.history for s in subjects))
    ledger = Ledger("voe", suite)
    portions = Portions(ledger, cache, device, history)
    new = [subject for subject in subjects if not portions.known(subject)]
    scenes, screened = _screen(new, subjects, suite, history, portions, cache, progress)
    resamples = Resamples(suite)

    def write(own: Ledger, subject: Subject) -> Values:
        assert screened is not None
        return _write(own, screened, new.index(subject), suite, resamples)

    failed = screened.failed if screened is not None else {}
    found = [
        Onsets(subject, portions.of(subject, partial(write, subject=subject)))
        for subject in subjects
        if subject not in new or new.index(subject) not in failed
    ]
    for failure in failed.values():  # the others are remembered by now
        raise failure
    _note_left_out(ledger, scenes)
    _note_moved(ledger, scenes)
    compare(ledger, found, suite, resamples)
    _correct(ledger, subjects, suite)
    result = ledger.result(subjects, {"analysis": "voe", "suite": suite.model_dump(mode="json")})
    return Result(result.provenance, result.models, result.metrics, result.rows, scenes.films)


def _screen(
    new: Sequence[Subject],
    subjects: Sequence[Subject],
    suite: Suite,
    history: int,
    portions: Portions,
    cache: LatentCache,
    progress: Progress,
) -> tuple[Scenes, Screening | None]:
    """Show everything to the new checkpoints; scenes that are known and new to none are not made.

    Filmstrips are of the largest picture among all ``subjects``.
    """
    largest = max(s.model.spec.image_size for s in subjects)
    key = portions.shared("scenes", largest)
    known = cache.recall(key)
    wanted = {s.model.spec.image_size for s in new} | ({largest} if known is None else set())
    sizes = sorted(wanted, reverse=True)
    screened = None
    if sizes:
        with progress.task("Violation of expectation", steps(suite, sizes, len(new))) as task:
            screened = screen(new, suite, sizes, history, cache, task)
    if known is not None:
        return Scenes.unpacked(known), screened
    assert screened is not None
    cache.keep(key, screened.scenes.packed())
    return screened.scenes, screened


def _write(
    ledger: Ledger, screened: Screening, place: int, suite: Suite, resamples: Resamples
) -> Values:
    """Everything about one checkpoint; its surprise at onset, for the differences."""
    evidence = screened.evidence[place]
    ledger.take([], None, screened.notes[place])
    write_metrics(ledger, evidence, suite, resamples)
    add = partial(ledger.metric, evidence.subject, features="z")
    for response in suite.voe.dose_response:
        write_doses(add, response, screened.doses[place][response.name], suite, resamples)
    preflight(ledger, evidence, suite, resamples)
    _write_rows(ledger, evidence)
    return Onsets.of(evidence).values


def _check_names(suite: Suite) -> None:
    check_baselines(suite.voe.baselines)
    names = [c.name for c in suite.voe.conditions]
    for name in suite.statistics.confirmatory:
        if name not in names:
            raise unknown_name("confirmatory condition", name, names)


def _note_left_out(ledger: Ledger, scenes: Scenes) -> None:
    for name, there in scenes.kept.items():
        missing = int((~there).sum())
        if missing:
            ledger.note(
                f"{name}: {missing} of {len(there)} cases were left out, as the intervention has "
                "no valid place there, or nothing would show of it at any moment."
            )


def _note_moved(ledger: Ledger, scenes: Scenes) -> None:
    for name, moments in scenes.onsets.items():
        kept = scenes.kept[name]
        moved = int((moments != scenes.onset)[kept].sum())
        if moved:
            ledger.note(
                f"{name}: {moved} of {int(kept.sum())} cases have another onset than in the "
                "other conditions, as nothing would show at their own."
            )


def _write_rows(ledger: Ledger, evidence: Evidence) -> None:
    """Surprise by trajectory: all offsets for the model, the onset alone for baselines.

    Before t0 every condition is its reference, so those offsets are stored for the reference only.
    Where a condition has an onset of its own, the reference is stored at that frame too, without an
    offset, so that every perturbed value has its twin.
    """
    ids = np.asarray(evidence.ids)
    parts: list[dict[str, np.ndarray]] = []
    everyone = np.ones(len(ids), bool)
    tables = {"reference": (evidence.scores.clean, everyone, evidence.onset)}
    tables |= {
        name: (scores, evidence.kept[name], evidence.onsets[name])
        for name, scores in evidence.scores.conditions.items()
    }
    for name, (scores, there, onsets) in tables.items():
        onset = onsets[there]
        for scorer in (MODEL, *evidence.baselines):
            for offset in OFFSETS if scorer == MODEL else (0,):
                if offset < 0 and name != "reference":
                    continue
                values = onset_values(scores[scorer][there], onset, offset)
                column = {
                    "value": values,
                    "trajectory_id": ids[there],
                    "frame": onset + offset,
                    "horizon": np.full(len(values), offset),
                    "subject": np.full(len(values), name, dtype=object),
                    "control": np.full(len(values), None if scorer == MODEL else scorer),
                }
                parts.append({key: of[np.isfinite(values)] for key, of in column.items()})
    case, frame = _moved(evidence)
    for scorer in (MODEL, *evidence.baselines):
        new = ~np.isin(frame - evidence.onset[case], OFFSETS if scorer == MODEL else (0,))
        values = evidence.scores.clean[scorer][case, frame]
        column = {
            "value": values,
            "trajectory_id": ids[case],
            "frame": frame,
            "horizon": np.full(len(values), np.nan),
            "subject": np.full(len(values), "reference", dtype=object),
            "control": np.full(len(values), None if scorer == MODEL else scorer),
        }
        parts.append({key: of[new & np.isfinite(values)] for key, of in column.items()})
    columns = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    values, names = columns.pop("value"), columns.pop("trajectory_id").tolist()
    frames = columns.pop("frame")
    ledger.rows(evidence.subject, "surprise", values, names, frames, features="z", **columns)


def _moved(evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """Cases and frames at which some condition begins elsewhere than at the case's own t0."""
    found = {
        (int(case), int(onsets[case]))
        for name, onsets in evidence.onsets.items()
        for case in np.flatnonzero(evidence.kept[name] & (onsets != evidence.onset))
    }
    pairs = np.array(sorted(found), np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _correct(ledger: Ledger, subjects: Sequence[Subject], suite: Suite) -> None:
    """Holm over the confirmatory tests of all subjects, and the effect that is left to see."""
    tests = [
        m
        for m in ledger.metrics
        if m.metric == "p_ttest"
        and m.window == "onset"
        and m.versus is None
        and m.subject in suite.statistics.confirmatory
    ]
    for test, adjusted in zip(tests, bootstrap.holm([t.value for t in tests]), strict=True):
        changed = {"metric": "p_holm", "value": adjusted}
        ledger.metrics.append(Metric(**(test.model_dump() | changed)))
    family, n = max(1, len(tests)), suite.voe.trajectories
    smallest = bootstrap.smallest_detectable_d_z(n, family, suite.statistics.alpha)
    for subject in subjects:
        ledger.metric(subject, "smallest_detectable_d_z", Estimate(smallest, n=n), features="z")
