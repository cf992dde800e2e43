from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import lewm_probe
from lewm_probe.results import provenance as where
from lewm_probe.results.provenance import code_version, command_line, commit, hardware, stamped
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Provenance


def test_the_command_is_written_without_this_machines_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["voe", f"lewm={tmp_path / 'runs' / 'a'}", "--out", str(tmp_path / "out"), "a b"]
    assert command_line(words) == "lewm-probe voe lewm=runs/a --out out 'a b'"


def test_version_packages_and_hardware_are_those_of_this_process() -> None:
    entry = where.provenance("lewm-probe voe", wall_seconds=1.234)
    assert entry.version == lewm_probe.__version__
    assert entry.packages["python"] == ".".join(map(str, sys.version_info[:3]))
    assert set(entry.packages) == {"python", *where.PACKAGES}
    assert " cores" in hardware()
    assert entry.wall_seconds == 1.23


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    reported = subprocess.run(
        ["git", "-C", str(folder), *who, *words], capture_output=True, text=True, check=True
    )
    return reported.stdout.strip()


def test_the_commit_and_whether_the_code_differs_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "lewm_probe"
    module = package / "results" / "provenance.py"
    module.parent.mkdir(parents=True)
    module.write_text("a = 1\n")
    monkeypatch.setattr(where, "__file__", str(module))
    assert commit() is None  # not a checkout
    git(tmp_path, "init", "--quiet")
    assert commit() is None  # nothing committed
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    head = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "notes").write_text("beside the code")
    assert commit() == head
    module.write_text("a = 2\n")
    assert commit() == f"{head}+changes"


def test_the_code_version_sees_what_moves_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "lewm_probe"
    for folder in ("analyses", "reports", "cli"):
        (package / folder).mkdir(parents=True)
        (package / folder / "a.py").write_text("a = 1\n")
    monkeypatch.setattr(where, "__file__", str(package / "results" / "provenance.py"))
    versions = [code_version.__wrapped__()]
    for folder in ("reports", "cli", "analyses"):
        (package / folder / "a.py").write_text("a = 2\n")
        versions.append(code_version.__wrapped__())
    assert versions[0] == versions[1] == versions[2] != versions[3]


def test_a_stamp_keeps_what_the_analysis_said() -> None:
    said = [
        Provenance(command="", version="", seeds={"probe": 1}, notes=["a"]),
        Provenance(command="", version="", fingerprints={"x": "1"}, notes=["a", "b"]),
    ]
    entry = Provenance(command="c", version="1", seeds={"evaluation": 7}, fingerprints={"y": "2"})
    (whole,) = stamped(Result(said, [], []), entry).provenance
    assert whole == Provenance(
        command="c",
        version="1",
        seeds={"probe": 1, "evaluation": 7},
        fingerprints={"x": "1", "y": "2"},
        notes=["a", "b"],
    )
