"""Results of an analysis, a condition and a family that nothing here knows."""

from __future__ import annotations

from pathlib import Path

from lewm_probe.reports.model_cards.model_card import card
from lewm_probe.reports.page.sections import content
from lewm_probe.reports.page.write import write_report
from lewm_probe.reports.results_view import views
from lewm_probe.reports.tables.sources import models_table
from lewm_probe.results.cards import Card
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric, ModelEntry, Provenance

WHO = {"model": "theirs", "family": "swirl", "train_seed": 0, "step": 10, "world": "maze"}
ONSET = {"analysis": "voe", "subject": "gravity", "window": "onset", "features": "z", "n": 40}
CARDS = {
    "analysis": {"steps": Card("Steps of the latents", 60, package="toy-lewm-probe")},
    "condition": {
        "gravity_flip": Card(
            "Gravity turned over",
            35,
            "violation",
            "Did it notice that gravity turned over?",
            "AUROC above 0.5, p below {alpha}, {who.__class__}.",
        )
    },
    "family": {"swirl": Card("Swirl", 50, color="#335577")},
    "world": {"maze": Card("The Maze")},
}


def result() -> Result:
    settings = {
        "suite": {
            "world": "maze",
            "voe": {"conditions": [{"name": "gravity", "kind": "gravity_flip"}]},
        }
    }
    numbers = [
        {**ONSET, "metric": "auroc", "value": 0.9, "ci_low": 0.8, "ci_high": 0.95},
        {**ONSET, "metric": "p_noticed", "value": 0.001},
        {**ONSET, "metric": "p_noticed_holm", "value": 0.001},
        {
            **ONSET,
            "metric": "delta_auroc_over_copy_last",
            "versus": "copy_last",
            "value": 0.2,
            "ci_low": 0.1,
            "ci_high": 0.3,
        },
        {"analysis": "steps", "metric": "length", "value": 1.5, "stride": 2, "n": 40},
    ]
    entry = ModelEntry(name="theirs", family="swirl", train_seed=0, step=10, fingerprint="x")
    return Result(
        [Provenance(command="lewm-probe audit", version="1", settings=settings)],
        [entry],
        [Metric.model_validate({**WHO, **number}) for number in numbers],
        cards=CARDS,  # type: ignore[arg-type]
    )


def test_its_words_come_from_the_result() -> None:
    (view,) = views(result())
    assert view.title == "The Maze"
    assert view.condition("gravity") == "Gravity"
    assert view.expectation("gravity") == "violation"
    assert (view.label("theirs"), view.looks["theirs"].color) == ("theirs", "#335577")
    assert view.family_label("swirl") == "Swirl"
    models = models_table(view)
    assert models is not None
    assert models.rows[0].cells["family"].text == "Swirl"


def test_its_model_card_calls_family_and_model_by_their_words() -> None:
    named = result()
    entry = named.models[0].model_copy(update={"name": "swirl-big"})
    metrics = [m.model_copy(update={"model": "swirl-big"}) for m in named.metrics]
    page = card(
        Result(named.provenance, [entry], metrics, cards=named.cards), entry, command="lewm-probe"
    )
    assert page is not None
    assert "\n# Swirl big, training seed 0\n" in page
    assert "\nSwirl world model, training seed 0, step 10, audited in The Maze by" in page
    assert "\n- Family: Swirl\n" in page


def test_notes_of_several_worlds_name_them_by_their_words() -> None:
    (made,) = result().provenance
    maze = made.model_copy(update={"notes": ["it was dark."]})
    other = made.model_copy(update={"settings": {"suite": {"world": "two-room"}}})
    two = [m.model_copy(update={"world": "two-room"}) for m in result().metrics]
    whole = Result([maze, other], result().models, [*result().metrics, *two], cards=CARDS)  # type: ignore[arg-type]
    assert content(whole, views(whole), None).notes == ("The Maze: it was dark.",)


def test_it_is_asked_about_and_its_numbers_are_shown(tmp_path: Path) -> None:
    whole = content(result(), views(result()), None)
    sections = {section.key: section for part in whole.parts for section in part.sections}
    (question,) = sections["verdicts"].questions
    assert question.text == "Did it notice that gravity turned over?"
    assert question.rule == "AUROC above 0.5, p below 0.05, {who.__class__}."
    assert [verdict.answer for verdict in question.verdicts] == ["noticed"]
    steps = sections["analysis-steps"]
    assert steps.title == "Steps of the latents"
    assert steps.lead.endswith("The package toy-lewm-probe draws more of it.")
    (table,) = steps.open_tables
    assert [cell.text for cell in table.rows[0].cells.values()] == [
        "theirs",
        "length",
        "stride 2",
        "1.50",
        "40",
    ]
    write_report(result(), tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Steps of the latents" in page
    assert "Did it notice that gravity turned over?" in page
