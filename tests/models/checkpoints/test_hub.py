"""No network: repositories are laid into a cache of their own, offline mode and errors are set."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants, errors

from lewm_probe.core.errors import UserError
from lewm_probe.models.checkpoints.hub import fetch, find_run
from lewm_probe.models.checkpoints.load import load_model
from lewm_probe.models.checkpoints.locate import locate

from .test_locate import make_cached

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def offline(tmp_path: Path, released: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with one repository, in offline mode."""
    hub = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub))
    return make_cached(hub, released, COMMIT)


def message(path: str) -> str:
    with pytest.raises(UserError) as caught:
        load_model(path)
    return str(caught.value)


@pytest.mark.parametrize("revision", ["", "@main", f"@{COMMIT}"])
def test_a_repository_in_the_cache(offline: Path, revision: str) -> None:
    name = f"hf://someone/lewm-tiny{revision}"
    located = locate(name)
    assert located.name == "lewm-tiny"
    assert located.weights == offline / "snapshots" / COMMIT / "weights.pt"
    assert located.shown == f"hf://someone/lewm-tiny@{COMMIT}/weights.pt"
    assert load_model(name, action_stats="identity").spec.family == "lewm"
    assert load_model(Path(name), action_stats="identity").spec.family == "lewm"


def test_not_in_the_cache(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert message("hf://someone/else") == (
        "The repository someone/else is not in the Hugging Face cache, and offline mode is on "
        "(HF_HUB_OFFLINE). Fetch it once without HF_HUB_OFFLINE, or give the path of a folder that "
        "holds its config.json and weights."
    )
    assert message("hf://someone/lewm-tiny@v2") == (
        "The repository someone/lewm-tiny at revision v2 is not in the Hugging Face cache, and "
        "offline mode is on (HF_HUB_OFFLINE). Fetch it once without HF_HUB_OFFLINE, or give the "
        "path of a folder that holds its config.json and weights."
    )


@pytest.mark.parametrize("name", ["hf://someone", "hf://a/b/c", "hf://", "hf:///b"])
def test_no_name_of_a_repository(name: str) -> None:
    assert message(name) == (
        f"'{name}' names no repository. Write hf://user/repo or hf://user/repo@revision."
    )


def test_a_name_that_hugging_face_does_not_allow(offline: Path) -> None:
    assert message("hf://some..one/x--y") == (
        "'hf://some..one/x--y' names no repository. Write hf://user/repo or "
        "hf://user/repo@revision."
    )


ANSWER: Any = SimpleNamespace(headers={}, request=None)
"""Stands for the response of whatever HTTP library the installed huggingface_hub uses."""


@pytest.mark.parametrize(
    ("error", "reported"),
    [
        (
            errors.RepositoryNotFoundError("404", response=ANSWER),
            "There is no repository u/r on Hugging Face, or it is private and you are not logged "
            "in. Check the name, or log in with `hf auth login`.",
        ),
        (
            errors.GatedRepoError("403", response=ANSWER),
            "The repository u/r on Hugging Face is gated. Ask for access on its page, then log in "
            "with `hf auth login`.",
        ),
        (
            errors.RevisionNotFoundError("404", response=ANSWER),
            "The repository u/r on Hugging Face has no revision v9. Give a branch, tag or full "
            "commit hash that is listed on its page, or leave out @.",
        ),
        (
            errors.LocalEntryNotFoundError("no connection"),
            "The repository u/r at revision v9 is not in the Hugging Face cache, and Hugging Face "
            "cannot be reached. Try again with a network, or give the path of a folder that holds "
            "its config.json and weights.",
        ),
        (
            OSError("the line was cut\nand more"),
            "The repository u/r at revision v9 could not be fetched from Hugging Face (the line "
            "was cut). Try again, or give the path of a folder that holds its config.json and "
            "weights.",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_goes_wrong(monkeypatch: pytest.MonkeyPatch, error: Exception, reported: str) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert message("hf://u/r@v9") == reported


def test_only_what_a_checkpoint_needs_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def note(repo: str, **arguments: Any) -> str:
        asked.update(arguments, repo=repo)
        return "somewhere"

    monkeypatch.setattr(huggingface_hub, "snapshot_download", note)
    assert fetch("u/r", "v1") == Path("somewhere")
    assert asked == {
        "repo": "u/r",
        "revision": "v1",
        "allow_patterns": ["config.json", "*.pt", "*.safetensors", "lewm_probe.json"],
    }


# ---- a stable-worldmodel home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STABLEWM_HOME", str(tmp_path / "swm"))
    (tmp_path / "swm" / "checkpoints").mkdir(parents=True)
    return tmp_path / "swm"


def test_a_run_in_the_home(home: Path, released: Path) -> None:
    released.rename(home / "checkpoints" / "my-run")
    for name in ("swm://my-run", "my-run", "swm://my-run/weights.pt", "my-run/weights.pt"):
        located = locate(name)
        assert located.shown == "swm://my-run/weights.pt"
        assert located.weights == home / "checkpoints" / "my-run" / "weights.pt"
        assert located.name == "my-run"


def test_a_repository_in_the_home(home: Path, released: Path) -> None:
    released.rename(home / "checkpoints" / "models--someone--lewm-cube")
    assert locate("swm://someone/lewm-cube").name == "lewm-cube"


def test_a_path_comes_before_the_home(
    home: Path, released: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "checkpoints" / "lewm-tiny").mkdir()
    monkeypatch.chdir(released.parent)
    assert locate("lewm-tiny").weights == Path("lewm-tiny/weights.pt")


def test_older_versions_keep_pickles_in_the_home(home: Path) -> None:
    (home / "old_object.ckpt").write_bytes(b"")
    with pytest.raises(UserError, match=r"old_object\.ckpt is a pickled module"):
        locate("swm://old")


def test_no_such_run(home: Path) -> None:
    assert message("swm://none") == (
        f"There is no run 'none' in the stable-worldmodel home {home} (looked for in it and in its "
        "checkpoints folder). Check the name, or set STABLEWM_HOME to the folder that holds "
        "checkpoints/."
    )


def test_names_do_not_lead_out_of_the_home(home: Path, released: Path) -> None:
    assert find_run("../lewm-tiny") is None
    assert find_run(str(released)) is None
