from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lewm_probe.analyses.engine.asked.suite import with_defaults
from lewm_probe.auditing.against import comparable, compare_with
from lewm_probe.comparison import published as module
from lewm_probe.comparison.published import compare_with_published, published_name, renamed
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.results.result import Result, merge
from lewm_probe.results.schema import Metric, ModelEntry, Provenance

N = 120
CODE = {"command": "lewm-probe audit", "version": "0.1.0", "commit": "abc"}
SUITE = {
    "world": "two-room",
    "seed": 7,
    "probe": {"test": N},
    "voe": {"log_floor": 1e-8, "conditions": [{"name": "teleport_agent", "kind": "teleport"}]},
}


def numbers(seed: int, quality: float = 1.0, n: int = N) -> dict[str, np.ndarray]:
    """Values of one checkpoint. The trajectories' own difficulty is shared by all checkpoints."""
    difficulty = np.random.default_rng(5).gamma(2.0, 1.0, N)[:n]
    rng = np.random.default_rng(seed)
    return {
        "mse": difficulty * quality + 0.05 * rng.normal(size=n),
        "cosine": np.tanh(quality * rng.normal(0.3, 0.2, n)),
        "clean": np.exp(rng.normal(0, 1, n)),
        "jump": np.exp(rng.normal(quality, 1, n)),
        "copied_clean": np.exp(rng.normal(0, 1, n)),
        "copied_jump": np.exp(rng.normal(0.5, 1, n)),
        "imagined": difficulty * quality,
        "copied": 2 * difficulty + rng.uniform(0, 0.1, n),
    }


def audit(
    *checkpoints: tuple[str, int, dict[str, np.ndarray]],
    ids: Sequence[str] | None = None,
    world: str = "two-room",
    suite: dict[str, Any] = SUITE,
    code: dict[str, Any] = CODE,
    eval_seed: int = 7,
) -> Result:
    """A result of some checkpoints with rows and the metrics that follow from them."""
    rows: list[dict[str, Any]] = []
    metrics: list[Metric] = []
    for model, seed, values in checkpoints:
        n = len(values["mse"])
        named = list(ids or [f"t{i:03}" for i in range(n)])
        who = {"model": model, "train_seed": seed, "step": 90, "world": world}

        def add(
            metric: str,
            of: np.ndarray | float,
            frames: int | None = None,
            who: dict[str, Any] = who,
            named: list[str] = named,
            stored: str | None = None,
            **keys: Any,
        ) -> None:
            if isinstance(of, np.ndarray):
                frame = {} if frames is None else {"frame": frames}
                rows.extend(
                    {**who, **keys, **frame, "metric": metric, "trajectory_id": i, "value": v}
                    for i, v in zip(named, of, strict=True)
                )
            if stored is not None:
                at = {"family": "lewm", "eval_seed": eval_seed, "n": len(named)}
                metrics.append(Metric(**who, **at, **keys, metric=stored, value=float(np.mean(of))))

        probe = {"analysis": "probe", "subject": "agent_position", "features": "z"}
        add("mse", values["mse"], stored="mse", method="linear", **probe)
        path = {"analysis": "straightness", "features": "z", "method": "encoded", "stride": 1}
        add("cosine", values["cosine"], stored="cosine", **path)
        voe = {"analysis": "voe", "features": "z", "horizon": 0}
        add("surprise", values["clean"], 6, subject="reference", **voe)
        add("surprise", values["jump"], 6, subject="teleport_agent", **voe)
        copied = {**voe, "control": "copy_last"}
        add("surprise", values["copied_clean"], 6, subject="reference", **copied)
        add("surprise", values["copied_jump"], 6, subject="teleport_agent", **copied)
        rollout = {"analysis": "rollout", "features": "z", "horizon": 4}
        add("mse", values["imagined"], **rollout)
        add("mse", values["copied"], control="copy_last", **rollout)
        rank = {"analysis": "geometry", "features": "z"}
        add("effective_rank", 10.0 + seed, stored="effective_rank", **rank)
    models = [
        ModelEntry(name=m, family="lewm", train_seed=s, step=90, world=world, fingerprint=f"{m}{s}")
        for m, s, _ in checkpoints
    ]
    record = Provenance(**code, settings={"suite": suite | {"world": world}})
    return Result([record], models, metrics, rows)  # type: ignore[arg-type]


def found(result: Result, name: str, **keys: Any) -> Metric:
    (one,) = [
        m
        for m in result.metrics
        if m.metric == name and all(getattr(m, k) == v for k, v in keys.items())
    ]
    return one


def notes(result: Result) -> list[str]:
    return [note for record in result.provenance for note in record.notes]


OURS = numbers(1, 1.0)
THEIRS = numbers(2, 1.3)
OTHERS = [f"u{i:03}" for i in range(N)]


@pytest.fixture(scope="module")
def paired() -> Result:
    return compare_with(audit(("lewm", 1, OURS)), audit(("lewm", 2, THEIRS)), "published")


def test_the_mean_of_paired_differences_with_its_interval(paired: Result) -> None:
    one = found(paired, "mse_difference_paired")
    difference = OURS["mse"] - THEIRS["mse"]
    assert one.value == pytest.approx(difference.mean(), rel=1e-5)
    half = 1.96 * difference.std(ddof=1) / np.sqrt(N)
    assert one.ci_high is not None and one.ci_low is not None
    assert (one.ci_high - one.ci_low) / 2 == pytest.approx(half, rel=0.1)
    assert (one.model, one.train_seed, one.step, one.versus) == ("lewm", 1, 90, "lewm (published)")
    assert (one.analysis, one.subject, one.method, one.features) == (
        "probe",
        "agent_position",
        "linear",
        "z",
    )
    assert (one.n, one.eval_seed, one.world, one.family) == (N, 7, "two-room", "lewm")


def test_ranks_are_those_of_scikit_learn(paired: Result) -> None:
    def area(values: dict[str, np.ndarray]) -> float:
        scores = [values["jump"], values["clean"]]
        return float(roc_auc_score([1] * N + [0] * N, np.concatenate(scores)))

    one = found(paired, "auroc_difference_paired")
    assert one.value == pytest.approx(area(OURS) - area(THEIRS), abs=1e-6)
    assert (one.subject, one.window, one.n) == ("teleport_agent", "onset", N)
    # Never by a gain over each model's own baseline, which may be a worse one.
    assert not [m for m in paired.metrics if m.metric.startswith("delta_auroc_over_")]
    delta = found(paired, "delta_log_surprise_difference_paired")
    logs = [np.log(v["jump"]) - np.log(v["clean"]) for v in (OURS, THEIRS)]
    assert delta.value == pytest.approx((logs[0] - logs[1]).mean(), abs=1e-5)


def test_a_ratio_of_means_is_compared_where_both_parts_are_stored(paired: Result) -> None:
    one = found(paired, "mse_over_copy_last_difference_paired")
    ratios = [v["imagined"].mean() / v["copied"].mean() for v in (OURS, THEIRS)]
    assert one.value == pytest.approx(ratios[0] - ratios[1], rel=1e-4)
    assert one.horizon == 4 and one.ci_low is not None and one.ci_low < one.value


def test_what_has_no_rows_is_subtracted_without_an_interval(paired: Result) -> None:
    one = found(paired, "effective_rank_difference_stored")
    assert (one.value, one.ci_low, one.ci_high, one.n) == (-1.0, None, None, None)
    endings = {m.metric.rpartition("_")[2] for m in paired.metrics}
    assert endings == {"paired", "stored"}


def test_other_trajectories_are_resampled_apart_and_say_less(paired: Result) -> None:
    apart = compare_with(
        audit(("lewm", 1, OURS)), audit(("lewm", 2, THEIRS), ids=OTHERS), "published"
    )
    one, narrow = found(apart, "mse_difference_unpaired"), found(paired, "mse_difference_paired")
    assert one.value == pytest.approx(narrow.value)
    half = 1.96 * np.sqrt(OURS["mse"].var(ddof=1) / N + THEIRS["mse"].var(ddof=1) / N)
    width = (one.ci_high or 0) - (one.ci_low or 0)
    assert width / 2 == pytest.approx(half, rel=0.1)
    assert width > 3 * ((narrow.ci_high or 0) - (narrow.ci_low or 0))
    assert not [m for m in apart.metrics if m.metric.endswith("_paired")]


@pytest.mark.parametrize(("shared", "ending"), [(N // 2, "paired"), (N // 2 - 1, "unpaired")])
def test_half_of_the_trajectories_is_enough_to_pair(shared: int, ending: str) -> None:
    ids = [f"t{i:03}" for i in range(shared)] + OTHERS[shared:]
    result = compare_with(audit(("a", 1, OURS)), audit(("b", 2, THEIRS), ids=ids), "p")
    one = found(result, f"mse_difference_{ending}")
    difference = OURS["mse"] - THEIRS["mse"]
    expected = difference[:shared].mean() if ending == "paired" else difference.mean()
    assert one.value == pytest.approx(expected, rel=1e-5)
    assert one.n == (shared if ending == "paired" else N)


def test_fewer_of_the_same_trajectories_are_paired() -> None:
    few = audit(("a", 1, numbers(1, n=30)))
    one = found(compare_with(few, audit(("b", 2, THEIRS)), "p"), "mse_difference_paired")
    assert one.n == 30


def test_a_checkpoint_does_not_differ_from_itself() -> None:
    result = audit(("lewm", 1, OURS))
    for one in compare_with(result, result, "published").metrics:
        assert one.value == 0.0, one
        of_ranks = one.metric.startswith(("auroc", "delta_auroc"))  # known as well as n cases can
        within = 2 / (one.n or 1) if of_ranks else 0.0
        assert all(abs(end) <= within for end in (one.ci_low, one.ci_high) if end is not None), one


def test_turned_around_differences_change_their_sign() -> None:
    sides = audit(("a", 1, OURS)), audit(("b", 2, THEIRS))
    there, back = (
        compare_with(*sides, "p"),
        compare_with(*sides[::-1], "p"),
    )
    for one, turned in zip(there.metrics, back.metrics, strict=True):
        assert one.metric == turned.metric
        assert one.value == pytest.approx(-(turned.value or 0))
        assert one.ci_low == pytest.approx(None if turned.ci_high is None else -turned.ci_high)


def test_training_seeds_are_the_top_level() -> None:
    # Seeds lie far apart while trajectories hardly differ: only seeds can make the interval wide.
    ours = audit(*[("lewm", s, numbers(s, 1 + s)) for s in (1, 2, 3)])
    theirs = audit(*[("pldm", s, numbers(10 + s, 1 + s)) for s in (1, 2, 3)])
    result = compare_with(ours, theirs, "published")
    one = found(result, "mse_difference_paired")
    assert (one.train_seed, one.step, one.versus) == (None, None, "pldm (published)")
    assert one.ci_low is not None and one.ci_high is not None
    assert one.ci_high - one.ci_low > 2 * OURS["mse"].mean() / np.sqrt(3)
    assert notes(result) == [
        "lewm (3 training seeds) against pldm (published) (3 training seeds): methods are compared "
        "by a t-test over training seeds. The permutation test beside it, which assumes less, "
        "cannot go below p = 0.1."
    ]


def test_the_same_seed_gives_the_same_intervals() -> None:
    sides = audit(("a", 1, OURS)), audit(("b", 2, THEIRS))
    first, again = (
        compare_with(*sides, "p"),
        compare_with(*sides, "p"),
    )
    assert first.metrics == again.metrics
    other = compare_with_published(
        *sides, label="p", comparable=comparable(), complete=with_defaults, seed=1
    )
    assert [m.value for m in first.metrics] == [m.value for m in other.metrics]
    assert first.metrics != other.metrics


def test_numbers_of_more_trajectories_than_rows_hold_are_told() -> None:
    """Conditions with onsets of their own, where the reference at some of them was not stored."""
    whole, theirs = audit(("a", 1, OURS)), audit(("b", 2, THEIRS))
    area = Metric(
        **{"model": "a", "train_seed": 1, "step": 90, "world": "two-room", "family": "lewm"},
        **{"analysis": "voe", "subject": "teleport_agent", "features": "z", "window": "onset"},
        **{"metric": "auroc", "value": 0.7, "n": N},
    )
    reference = (whole.rows["subject"] == "reference").fillna(False)
    lost = reference & (whole.rows["trajectory_id"] < "t020")
    ours = Result(whole.provenance, whole.models, [*whole.metrics, area], whole.rows[~lost])
    result = compare_with(ours, theirs, "p")
    assert found(result, "auroc_difference_paired").n == N - 20
    assert notes(result) == [
        "a (1 training seed) against b (p) (1 training seed): differences speak of these "
        "checkpoints, not of the methods.",
        "a against b (p): rows do not hold all trajectories that the stored numbers are of "
        "(teleport_agent 100 of 120); the differences are of those that they hold.",
    ]


def test_no_rows_leaves_stored_numbers() -> None:
    whole = audit(("b", 2, THEIRS))
    bare = Result(whole.provenance, whole.models, whole.metrics)
    result = compare_with(audit(("a", 1, OURS)), bare, "p")
    assert {m.metric for m in result.metrics} == {
        "mse_difference_stored",
        "cosine_difference_stored",
        "effective_rank_difference_stored",
    }


def test_only_the_last_step_counts() -> None:
    result = audit(("a", 1, OURS))
    early = [m.model_copy(update={"step": 10, "value": 99.0}) for m in result.metrics]
    rows = result.rows.assign(step=10, value=99.0)
    longer = merge([Result([], [], early, rows), result])
    plain = compare_with(result, audit(("b", 2, THEIRS)), "p")
    assert compare_with(longer, audit(("b", 2, THEIRS)), "p").metrics == plain.metrics


def test_published_models_stand_beside_ours_under_names_of_their_own() -> None:
    ours, theirs = audit(("lewm", 1, OURS)), audit(("lewm", 2, THEIRS))
    noted = Result(
        [theirs.provenance[0].model_copy(update={"notes": ["mind this"]})],
        theirs.models,
        [*theirs.metrics, theirs.metrics[0].model_copy(update={"versus": "lewm"})],
        theirs.rows,
        {"film": np.zeros((1, 2, 2, 3), np.uint8)},
    )
    beside = renamed(noted, "published")
    whole = merge([ours, beside, compare_with(ours, theirs, "published")])
    assert {e.name for e in whole.models} == {"lewm", "lewm (published)"}
    assert set(beside.rows["model"]) == {"lewm (published)"} == {m.model for m in beside.metrics}
    assert beside.metrics[-1].versus == "lewm (published)"
    assert {m.versus for m in beside.metrics[:-1]} == {None}
    assert beside.provenance[0].notes == ["published: mind this"]
    assert beside.images == {}
    assert len(whole.rows) == len(ours.rows) + len(theirs.rows)


def test_notes_say_what_was_not_measured_alike() -> None:
    changed = {**SUITE, "seed": 8, "probe": {"test": 50}}
    other = audit(
        ("b", 2, THEIRS), suite=changed, code={**CODE, "commit": "def"}, eval_seed=8, ids=OTHERS
    )
    assert notes(compare_with(audit(("a", 1, OURS)), other, "p")) == [
        "Against p: the suites differ (seed is 7 here and 8 there; probe.test is 120 here and 50 "
        "there). Differences mix models with measurements where these keys matter.",
        "Against p: evaluation seeds differ (7 here, 8 there), so that trajectories are others.",
        "Against p: measured by other code (lewm-probe 0.1.0, commit abc here, 0.1.0, commit def "
        "there).",
        "a (1 training seed) against b (p) (1 training seed): differences speak of these "
        "checkpoints, not of the methods.",
    ]


def test_a_side_without_its_suite_is_told() -> None:
    bare = audit(("b", 2, THEIRS))
    bare = Result([Provenance(**CODE)], bare.models, bare.metrics, bare.rows)
    assert notes(compare_with(audit(("a", 1, OURS)), bare, "p"))[0] == (
        "Against p: one side does not hold its suite, so that nobody can say whether both were "
        "asked the same."
    )


def refused(*sides: Result, label: str = "p") -> str:
    with pytest.raises(UserError) as caught:
        compare_with(*sides, label)
    return str(caught.value)


def test_other_worlds_cannot_be_compared() -> None:
    assert refused(audit(("a", 1, OURS)), audit(("b", 2, THEIRS), world="push-t")) == (
        "The results to compare with, 'p', are of push-t; these are of two-room. Give results of "
        "the same world."
    )


def test_nothing_in_common_is_an_error() -> None:
    whole = audit(("a", 1, OURS))
    ranks = [m for m in whole.metrics if m.metric == "effective_rank"]
    cosines = [m for m in whole.metrics if m.metric == "cosine"]
    sides = (Result([], [], part) for part in (ranks, cosines))
    assert refused(*sides) == (
        "Nothing of 'p' can be compared with these results: no number of two-room stands in both. "
        "Run the same analyses of the same suite on both."
    )


def test_a_name_that_is_taken() -> None:
    ours = audit((published_name("b", "p"), 1, OURS))
    with pytest.raises(UsageError) as caught:
        compare_with(ours, audit(("b", 2, THEIRS)), "p")
    assert str(caught.value) == (
        "A model of these results is called 'b (p)' already. Give the results to compare with "
        "another name than 'p', as NAME=REPORT."
    )


@pytest.mark.parametrize("label", ["", "  ", "a\nb", "a\x00b"])
def test_a_label_is_a_line(label: str) -> None:
    with pytest.raises(UsageError) as caught:
        renamed(audit(("b", 2, THEIRS)), label)
    assert str(caught.value) == (
        f"{label!r} is no name for results to compare with. Give one line of text, as NAME=REPORT."
    )


def test_too_many_trajectories_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_TRAJECTORIES", 50)
    assert refused(audit(("a", 1, OURS)), audit(("b", 2, THEIRS))) == (
        "The results to compare with, 'p', and these are of 120 trajectories; at most 50 can be "
        "compared. Give results of fewer trajectories."
    )
