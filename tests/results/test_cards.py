from __future__ import annotations

import json
from pathlib import Path

import pytest

from lewm_probe.core.errors import UserError
from lewm_probe.results.analyses import ANALYSES, in_order, known_cards
from lewm_probe.results.cards import MOST_CARDS, Card, joined, plain
from lewm_probe.results.result import Result, merge
from lewm_probe.results.schema import Metric

METRIC = Metric(
    model="m", family="f", world="w", analysis="voe", metric="auroc", value=0.9, subject="gravity"
)
FLIP = Card("Gravity turned over", 35, "violation", "Did it notice that gravity turned over?")


def stored(folder: Path, **cards: dict[str, Card]) -> dict[str, object]:
    Result([], [], [METRIC], cards=cards).save(folder)  # type: ignore[arg-type]
    raw: dict[str, object] = json.loads((folder / "results.json").read_text())
    return raw


def test_cards_are_stored_with_what_differs_from_defaults(tmp_path: Path) -> None:
    raw = stored(tmp_path, condition={"gravity_flip": FLIP}, family={"mine": Card("Mine")})
    assert raw["schema_version"] == 4
    assert raw["cards"] == {
        "condition": {
            "gravity_flip": {
                "label": "Gravity turned over",
                "order": 35,
                "expects": "violation",
                "question": "Did it notice that gravity turned over?",
            }
        },
        "family": {"mine": {"label": "Mine"}},
    }
    cards = Result.load(tmp_path).cards
    assert cards == {"condition": {"gravity_flip": FLIP}, "family": {"mine": Card("Mine")}}
    assert plain(cards) == raw["cards"]


def test_results_of_schema_1_have_none(tmp_path: Path) -> None:
    raw = stored(tmp_path, condition={"gravity_flip": FLIP})
    del raw["cards"]
    earlier = {"schema_version": 1, "metrics": [METRIC.model_dump()]}
    (tmp_path / "results.json").write_text(json.dumps(raw | earlier))
    assert Result.load(tmp_path).cards == {}
    assert Result.load(tmp_path).metrics == (METRIC,)


def test_a_later_card_replaces_one_of_the_same_name() -> None:
    parts = [Result([], [], [], cards={"world": {"w": Card(label)}}) for label in ("Old", "New")]
    other = Result([], [], [], cards={"world": {"v": Card("V")}, "family": {"f": Card("F")}})
    assert merge([*parts, other]).cards == {
        "world": {"w": Card("New"), "v": Card("V")},
        "family": {"f": Card("F")},
    }
    assert joined() == {}


@pytest.mark.parametrize(
    ("cards", "where"),
    [
        (
            {"condition": {"x": {"label": "a" * 3000}}},
            "cards.condition.x: Value error, label must be one line of at most 2000 characters",
        ),
        (
            {"condition": {"x": {"label": "a\n# b"}}},
            "cards.condition.x: Value error, label must be one line of at most 2000 characters",
        ),
        ({"condition": {"x" * 201: {"label": "a"}}}, "cards.condition."),
        ({"condition": {"x": {"label": "a", "mine": 1}}}, "cards.condition.x.mine"),
        (
            {"family": {"x": {"label": "a", "color": "red;}"}}},
            "cards.family.x: Value error, color must be #rrggbb, got 'red;}'",
        ),
        ({"nothing": {"x": {"label": "a"}}}, "cards.nothing"),
        ({"world": {f"w{i}": {"label": "a"} for i in range(MOST_CARDS + 1)}}, "cards.world"),
    ],
)
def test_cards_that_are_none_are_refused(tmp_path: Path, cards: object, where: str) -> None:
    raw = stored(tmp_path)
    (tmp_path / "results.json").write_text(json.dumps(raw | {"cards": cards}))
    with pytest.raises(UserError) as error:
        Result.load(tmp_path)
    assert f"does not fit the results schema at {where}" in str(error.value)


def test_analyses_come_in_the_order_of_their_cards() -> None:
    names = [analysis.name for analysis in in_order()]
    assert names == ["probe", "voe", "straightness", "rollout", "geometry", "map", "decode", "plan"]
    assert set(names) == set(ANALYSES.names())
    assert set(known_cards()) == {"analysis", "condition"}


@pytest.mark.parametrize(("who", "label"), [("agent", "Teleport of agent"), ("", "Teleport")])
def test_a_label_with_and_without_a_body(who: str, label: str) -> None:
    assert Card("Teleport of {who}").of(who) == label
