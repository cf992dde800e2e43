"""Rows hold the unperturbed twin of everything that was perturbed."""

from __future__ import annotations

import numpy as np

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.voe.rows import write_rows
from lewm_probe.analyses.voe.scores import OnsetScores, SurpriseScores
from lewm_probe.analyses.voe.surprise import MODEL
from lewm_probe.results.result import as_rows

N, T, DRAWN = 6, 9, 4


def test_doses_with_onsets_of_their_own_have_twins(doubles, short_suite):
    """As of a fast-forward that would show nothing at the moment that was drawn."""
    rng = np.random.default_rng(0)
    scorers = (MODEL, "copy_last", "pixel_difference")
    clean = {name: rng.gamma(2.0, size=(N, T)) for name in scorers}
    onset, case, frame = np.full(N, DRAWN), np.arange(N - 1), np.arange(3, 3 + N - 1)
    swept = OnsetScores(
        case, frame, {s: (rng.gamma(2.0, size=N - 1), clean[s][case, frame]) for s in scorers}
    )
    scores = SurpriseScores(
        checkpoint=checkpoint_from_model("mine", doubles["constant"]()),
        clean=clean,
        disjoint=clean,
        conditions={},
        onset=onset,
        onsets={},
        kept={},
        ids=tuple(f"t{i}" for i in range(N)),
        swapped=clean[MODEL],
        baseline_copy=None,
        disjoint_ids=tuple(f"d{i}" for i in range(N)),
        disjoint_onset=onset,
        trace_cov=1.0,
        rank=4.0,
        width=4,
        doses={"dose_fast_forward_agent": {0.1: swept}},
    )
    recorder = ResultRecorder("voe", short_suite)
    write_rows(recorder, scores)
    rows = as_rows(recorder.table())
    at = ["trajectory_id", "frame"]
    for scorer in scorers:
        own = rows[rows["control"].isna() if scorer == MODEL else rows["control"] == scorer]
        shown = own[own["subject"] == "dose_fast_forward_agent"].set_index(at)["value"]
        twins = own[own["subject"] == "reference"].set_index(at)["value"]
        assert len(shown) == N - 1 and twins.index.is_unique
        np.testing.assert_allclose(twins[shown.index].astype(float), swept.scores[scorer][1], 1e-6)
