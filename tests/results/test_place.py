from __future__ import annotations

from pathlib import Path

import pytest

from lewm_probe.core.errors import UserError
from lewm_probe.reports.model_cards.model_card import write_cards
from lewm_probe.reports.page.write import write_report
from lewm_probe.results.place import check_place
from lewm_probe.results.result import Result
from tests.cli.conftest import Run, run  # noqa: F401 a fixture
from tests.fixtures.reports import blank_figures


def refusal(path: Path) -> str:
    return (
        f"{path} is there already and was not written by lewm-probe, so it is not replaced. Move "
        "it away, or choose another folder with --out."
    )


@pytest.mark.parametrize("name", ["results.json", "report.html", "report.md", "cards/a.md"])
def test_what_others_wrote_is_not_replaced(tmp_path: Path, small: Result, name: str) -> None:
    theirs = tmp_path / name
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_text('{"accuracy": 0.9}', encoding="utf-8")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UserError) as caught:
        write_report(small, tmp_path)
    assert str(caught.value) == refusal(theirs)
    assert sorted(tmp_path.iterdir()) == before
    assert theirs.read_text(encoding="utf-8") == '{"accuracy": 0.9}'


def test_an_analysis_does_not_take_the_place_of_others_results(
    tmp_path: Path, small: Result
) -> None:
    theirs = tmp_path / "results.json"
    theirs.write_text("[]", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        small.save(tmp_path)
    assert str(caught.value) == refusal(theirs)


def test_our_own_pages_are_known_without_their_results(tmp_path: Path, small: Result) -> None:
    with blank_figures():
        write_report(small, tmp_path)
    assert write_cards(small, tmp_path, command="lewm-probe audit")
    check_place(tmp_path)
    (tmp_path / "results.json").unlink()  # as while they are being written
    check_place(tmp_path)
    (tmp_path / "report.html").unlink()
    check_place(tmp_path)


@pytest.mark.parametrize("name", ["two-room-cpu", "push-t-cpu", "audit-example"])
def test_published_reports_may_be_made_again(name: str) -> None:
    check_place(Path(__file__).parents[2] / "reports" / name)


def test_a_command_refuses_before_its_work(
    run: Run,  # noqa: F811
    tmp_path: Path,
    small: Result,
) -> None:
    small.save(tmp_path / "stored")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "report.html").write_text("<h1>Annual report</h1>", encoding="utf-8")
    answer = run("report", "stored", "--out", "site")
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert answer.stderr == f"Error: {refusal(Path('site/report.html'))}\n"
    assert [p.name for p in (tmp_path / "site").iterdir()] == ["report.html"]
