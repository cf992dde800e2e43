from __future__ import annotations

import subprocess
import sys

import pytest

from lewm_probe.analyses.voe.conditions import CONDITIONS
from lewm_probe.analyses.voe.settings import Condition, DoseResponse
from lewm_probe.core.errors import UsageError
from lewm_probe.results.cards import Card
from lewm_probe.worlds import make_world

KINDS = CONDITIONS.all()


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_has_a_card_and_settings(name):
    kind = KINDS[name]
    assert isinstance(kind.card, Card)
    assert set(kind.settings.model_fields) <= {"who", "rgb", "amount", "dose"}
    assert kind.card.expects in ("violation", "appearance", "action")


def test_only_teleports_are_tested_one_sidedly():
    assert {n for n, kind in KINDS.items() if kind.alternative == "greater"} == {
        "teleport",
        "step_teleport",
    }


def test_kinds_that_show_only_where_something_happens():
    assert {n for n, kind in KINDS.items() if kind.needs_event} == {
        "step_teleport",
        "frozen",
        "pass_through",
        "fast_forward",
    }


def test_only_violations_and_actions_are_asked_about():
    """Whether a recolouring is noticed is neither good nor bad."""
    for kind in KINDS.values():
        assert bool(kind.card.question) == (kind.card.expects != "appearance")
        assert bool(kind.card.doses) == ("dose" in kind.settings.model_fields)


@pytest.mark.parametrize("name", [n for n in KINDS if "who" in KINDS[n].settings.model_fields])
@pytest.mark.parametrize("world", ["two-room", "push-t"])
def test_whom_a_world_does_not_have(name, world):
    keys = {"rgb": (0, 0, 0)} if "rgb" in KINDS[name].settings.model_fields else {}
    keys |= {"dose": 0.1} if name == "fast_forward" else {}
    condition = Condition(name="x", kind=name, who="nobody", expected="violation", **keys)
    with pytest.raises(UsageError, match="^Unknown body.* 'nobody'. Known: "):
        KINDS[name].check(condition, make_world(world))


def test_an_unknown_kind_names_the_nearest():
    with pytest.raises(UsageError) as error:
        Condition(name="x", kind="teleprot", who="agent", expected="violation")
    assert str(error.value) == (
        "Unknown kind of condition 'teleprot'. Did you mean 'teleport'? Known: "
        f"{', '.join(sorted(KINDS))}."
    )


def test_a_key_that_no_kind_has():
    with pytest.raises(UsageError) as error:
        Condition(name="x", kind="blur", amount=1.0, amuont=2.0, expected="appearance")
    assert str(error.value) == (
        "The condition 'x' of kind blur has an unknown key 'amuont'. Did you mean 'amount'? Known "
        "keys there: amount."
    )


def test_a_kind_without_doses():
    with pytest.raises(UsageError) as error:
        DoseResponse(name="x", kind="frozen", who="agent", doses=(0.5,))
    assert str(error.value) == (
        "The dose-response 'x' is of kind frozen, which has no doses. Choose one of: "
        "background_color, color, fast_forward, teleport."
    )


def test_settings_are_of_the_kinds_schema():
    condition = Condition(name="x", kind="teleport", who="agent", dose=0.5, expected="violation")
    assert condition.settings == KINDS["teleport"].settings(who="agent", dose=0.5)


def test_cards_are_read_without_torch():
    code = (
        "import sys; from lewm_probe.analyses.voe.conditions import CONDITIONS; CONDITIONS.all(); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
