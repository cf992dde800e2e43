from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from lewm_probe.reports.page.brought import Comparison
from lewm_probe.reports.results_view import WorldView, views
from lewm_probe.reports.verdicts.methods import comparisons, holm_factors
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric
from lewm_probe.stats.seeds import seeds_needed

Changed = Callable[..., Comparison]


@pytest.fixture
def changed(result: Result, change: Callable[..., Result]) -> Changed:
    def make(update: Callable[[Metric], dict[str, Any]] = lambda m: {}, **keys: Any) -> Comparison:
        return comparisons(views(change(result, update=update, **keys))[0])[0]

    return make


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_named_measures_are_tested_and_others_listed(changed: Changed) -> None:
    found = changed()
    rows = found.table.rows
    assert [(row.group, row.cells["measure"].text) for row in rows] == [
        ("Named beforehand", "Step-sized teleport of agent: AUROC at onset"),
        ("Named beforehand", "Swapped actions: AUROC at onset"),
        ("Named beforehand", "Agent position: MSE, linear probe"),
        ("Exploratory", "Straightness S"),
    ]
    assert "p" not in rows[3].cells
    assert [row.measure.key for row in found.shown] == ["step_teleport_agent", "agent_position"]


def test_the_sentence_holds_difference_level_p_and_seeds(changed: Changed) -> None:
    said = plain(changed().sentence)
    assert said.startswith(
        "LeWM notices “step-sized teleport of agent” more than PLDM (difference 0.350 [0.279, "
        "0.421] at 98.3 %, Holm p = 0.0001). Cannot be told apart in swapped actions: AUROC at "
        "onset (difference 0.010 [−0.040, 0.060] at 95 %, Holm p = 0.61; not even 100 seeds a "
        "family would do, were the difference as seen). "
    )
    assert "straight" not in said


def test_p_and_intervals_follow_from_the_stored_interval(changed: Changed) -> None:
    rows = {row.cells["measure"].text.partition(":")[0]: row.cells for row in changed().table.rows}
    ps = []
    for name, value, half in (
        ("Step-sized teleport of agent", 0.35, 0.05),
        ("Swapped actions", 0.01, 0.05),
        ("Agent position", -0.023, 0.004),
    ):
        se = half / stats.t.ppf(0.975, 4)
        ps.append(2 * stats.t.sf(abs(value) / se, 4))
        assert rows[name]["p"].value == pytest.approx(ps[-1])
    adjusted = multipletests(ps, method="holm")[1]
    assert [rows[n]["p_holm"].value for n in list(rows)[:3]] == pytest.approx(adjusted)


def test_the_floor_of_the_permutation_test_includes_holm(changed: Changed) -> None:
    assert "after Holm over 3 measures it could not go below 0.30." in changed().table.caption


def test_two_models_that_fail_are_not_ranked(changed: Changed) -> None:
    def fail(m: Metric) -> dict[str, Any]:
        return {"ci_low": -0.1} if m.metric == "mse_less_than_mean" else {}

    found = changed(fail)
    assert [row.measure.key for row in found.shown] == ["step_teleport_agent"]
    assert plain(found.sentence).endswith(
        "Cannot be told apart in agent position: MSE, linear probe: LeWM and PLDM are not shown to "
        "be better than the mean of the training targets in every checkpoint (difference −0.0230 "
        "[−0.0280, −0.0180] at 97.5 %, Holm p = 0.0002)."
    )


def test_one_checkpoint_at_chance_is_enough_not_to_rank(changed: Changed) -> None:
    def chance(m: Metric) -> dict[str, Any]:
        one = m.metric == "auroc" and m.control is None and m.subject == "step_teleport_agent"
        return {"ci_low": 0.49} if one and (m.model, m.train_seed) == ("pldm", 2) else {}

    assert "PLDM is not shown to be better than chance in every checkpoint" in (
        changed(chance).sentence
    )


def test_without_a_stored_difference_nothing_is_tested(view: WorldView) -> None:
    assert comparisons(view)[1].sentence == (
        "Not tested in step-sized teleport of agent: AUROC at onset: no difference on the same "
        "trajectories is stored; audit both in one run. Not tested in swapped actions: AUROC at "
        "onset: no difference on the same trajectories is stored; audit both in one run. Not "
        "tested in agent position: MSE, linear probe: no difference on the same trajectories is "
        "stored; audit both in one run. With one training seed on a side this speaks of these "
        "checkpoints, not of the methods."
    )


def test_one_seed_a_side_speaks_of_these_checkpoints(
    result: Result, change: Callable[..., Result]
) -> None:
    one = change(result, lambda m: m.train_seed in (0, None) and m.model != "lewm-vit")
    found = comparisons(views(Result(one.provenance, [], one.metrics))[0])[0]
    assert plain(found.sentence).startswith(
        "Of these checkpoints, LeWM notices “step-sized teleport of agent” more than PLDM "
    )
    assert found.sentence.endswith(
        "With one training seed on a side this speaks of these checkpoints, not of the methods."
    )
    se = 0.05 / stats.norm.ppf(0.975)
    assert found.table.rows[1].cells["p"].value == pytest.approx(2 * stats.norm.sf(0.01 / se))


def test_a_suite_that_names_none_concludes_nothing(
    result: Result, change: Callable[..., Result]
) -> None:
    record = result.provenance[0].model_copy(update={"settings": {}})
    found = comparisons(views(Result([record], result.models, result.metrics))[0])[0]
    assert found.shown == ()
    assert found.sentence == (
        "No measure that the suite names beforehand (statistics.confirmatory) was measured of "
        "both: all differences are exploratory, and nothing is said of the methods."
    )


def test_a_stored_difference_is_turned_to_fit(changed: Changed, result: Result) -> None:
    assert changed().table.rows[2].cells["difference"].text == "−0.0230 [−0.0280, −0.0180]"
    stored = [m for m in result.metrics if m.versus == "pldm"]
    rest = [m for m in result.metrics if m.versus != "pldm"]
    turned = [
        m.model_copy(update={"model": "pldm", "family": "pldm", "versus": "lewm"}) for m in stored
    ]
    other = comparisons(views(Result(result.provenance, result.models, [*rest, *turned]))[0])[0]
    assert other.table.rows[2].cells["difference"].text == "0.0230 [0.0180, 0.0280]"


def test_seeds_needed_are_those_of_the_stats(changed: Changed) -> None:
    def wider(m: Metric) -> dict[str, Any]:
        mine = m.metric == "auroc_difference" and m.subject == "action_swap"
        if mine:
            return {"value": 0.2, "ci_low": -0.1, "ci_high": 0.5}
        spread = m.metric == "auroc" and m.subject == "action_swap" and m.control is None
        if spread and m.window == "onset" and m.train_seed is not None:
            return {"value": 0.7 + 0.1 * m.train_seed, "ci_low": 0.6}
        return {}

    found = changed(wider)
    se, sd = 0.3 / stats.t.ppf(0.975, 4), 0.1
    needed = seeds_needed(0.2, sd, se**2 - sd**2 * 2 / 3, 0.05)
    said = "not even 100 seeds" if needed is None else f"about {needed} seeds"
    assert f"Holm p = 0.14; {said} a family would do" in plain(found.sentence)


def test_one_family_alone_is_compared_by_name(make: Callable[..., Result]) -> None:
    models = (("lewm", "lewm", (0,)), ("lewm-vit", "lewm", (0,)))
    (one,) = comparisons(views(make(models=models, analyses=("voe",)))[0])
    assert (one.first, one.second) == ("lewm", "lewm-vit")


def test_nothing_in_common_is_not_compared(result: Result, change: Callable[..., Result]) -> None:
    def keep(m: Metric) -> bool:
        return m.analysis == ("probe" if m.model == "pldm" else "straightness")

    assert comparisons(views(change(result, keep))[0]) == []
    assert comparisons(views(change(result, lambda m: m.model == "lewm"))[0]) == []


@given(st.lists(st.floats(1e-12, 1), min_size=1, max_size=8))
def test_holms_factor_makes_p_and_interval_agree(ps: list[float]) -> None:
    """P below the level over the factor exactly where statsmodels' Holm is below the level."""
    named = {str(k): p for k, p in enumerate(ps)}
    factors = holm_factors(named)
    adjusted = multipletests(ps, method="holm")[1]
    for (key, p), corrected in zip(named.items(), adjusted, strict=True):
        assert 1 - 1e-12 <= factors[key] <= len(ps) + 1e-9
        assert min(1.0, p * factors[key]) == pytest.approx(corrected)
        if not np.isclose(corrected, 0.05):
            assert (p < 0.05 / factors[key]) == (corrected < 0.05)
