from __future__ import annotations

import json
from pathlib import Path

import pytest

from lewm_probe.core.progress import Progress
from lewm_probe.reports.page.write import Report
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric, ModelEntry, Provenance

from .conftest import Run


def store(folder: str, model: str, value: float) -> None:
    metric = Metric(
        model=model, family="lewm", world="two-room", analysis="voe", metric="m", value=value
    )
    entry = ModelEntry(name=model, family="lewm", fingerprint=model)
    Result([Provenance(command=folder, version="0")], [entry], [metric]).save(Path(folder))


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Result, Path, str | None]]:
    calls: list[tuple[Result, Path, str | None]] = []

    def write_report(
        result: Result, folder: Path, *, title: str | None, progress: Progress
    ) -> Report:
        calls.append((result, folder, title))
        return Report(folder, folder / "report.html", folder / "report.md", (), ())

    monkeypatch.setattr("lewm_probe.reports.page.write.write_report", write_report)
    return calls


def test_stored_results_are_merged_and_published(
    run: Run, published: list[tuple[Result, Path, str | None]]
) -> None:
    store("one", "lewm", 0.1)
    store("two", "pldm", 0.2)
    answer = run("report", "one", "two", "--out", "there", "--title", "T", "--json")
    assert answer.exit_code == 0, answer.stderr
    assert json.loads(answer.stdout)["wrote"] == ["there", "there/report.html"]
    ((result, folder, title),) = published
    assert (folder, title) == (Path("there"), "T")
    assert [(m.model, m.value) for m in result.metrics] == [("lewm", 0.1), ("pldm", 0.2)]
    assert [p.command for p in result.provenance] == ["one", "two"]


def test_a_folder_without_results(
    run: Run, published: list[tuple[Result, Path, str | None]]
) -> None:
    store("one", "lewm", 0.1)
    answer = run("report", "one", "nowhere")
    assert answer.exit_code == 1
    assert answer.stderr == (
        "Error: nowhere holds no results.json. Give a folder that an analysis wrote with --out, "
        "for example the one `lewm-probe voe` names at its end.\n"
    )
    assert published == []
