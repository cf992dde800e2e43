"""Matched strengths against a search by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lewm_probe.analyses.voe.settings import Condition, VoeSettings
from lewm_probe.analyses.voe.shown.matched_pairs import disjoint_pairs
from lewm_probe.analyses.voe.shown.matching import CLOSE, match, pixel_change
from lewm_probe.core.errors import UsageError

TELEPORT = Condition(name="teleport_agent", kind="teleport", who="agent", expected="violation")


@pytest.fixture(scope="module")
def apart(suite):
    return disjoint_pairs(suite, 64, history=2)


def matched(kind: str, **more) -> Condition:
    keys = {"name": "m", "kind": kind, "expected": "appearance", "matched_to": "teleport_agent"}
    return Condition(**keys, **more)


@pytest.mark.parametrize("kind", ["brightness", "noise", "blur"])
def test_images_change_as_much_as_under_the_violation(apart, kind):
    pixels = apart.reference.pixels.astype(float)
    far = apart.dosed(TELEPORT, 10)
    rows = np.arange(10)
    twins = pixels[rows, apart.onset[:10]]
    wanted = np.square(far.pixels.astype(float) - twins).mean()
    found = match(matched(kind), TELEPORT, apart, 10)
    changed = apart.dosed(found.condition, 10)
    reached = np.square(changed.pixels.astype(float) - twins).mean() / wanted
    assert found.reached == pytest.approx(reached, rel=1e-5)
    # Brightness changes in steps of whole grey levels.
    assert reached == pytest.approx(1, abs=0.15 if kind == "brightness" else 3 * CLOSE)
    assert found.condition.amount == found.strength
    assert pixel_change(changed, apart.reference.pixels).mean() == pytest.approx(
        reached * wanted, rel=1e-5
    )


def test_where_the_strongest_changes_less_it_is_taken(apart):
    faint = matched("color", who="agent", rgb=(250, 10, 10))
    found = match(faint, TELEPORT, apart, 10)
    assert found.strength == 1.0
    assert found.reached < 0.5


def test_what_cannot_be_matched_is_refused():
    with pytest.raises(UsageError) as error:
        matched("brightness", amount=0.7)
    assert str(error.value) == (
        "The condition 'm' of kind brightness has both the keys 'amount' and 'matched_to', which "
        "sets it. Leave one of them out."
    )
    with pytest.raises(UsageError) as error:
        Condition(name="m", kind="action_swap", expected="action", matched_to="teleport_agent")
    assert str(error.value) == (
        "The condition 'm' of kind action_swap is to be matched to 'teleport_agent', but this kind "
        "has no strength that could be set. Leave out the key 'matched_to'."
    )
    with pytest.raises(UsageError) as error:
        VoeSettings(conditions=(TELEPORT, matched("blur").model_copy(update={"matched_to": "x"})))
    assert str(error.value) == ("Unknown violation to match to 'x'. Known: teleport_agent.")
