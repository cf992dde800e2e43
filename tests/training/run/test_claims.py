"""What lies in a run folder is believed only if it is what the run makes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.data.formats.hdf5.episodes import EpisodeFile
from lewm_probe.models.checkpoints.native import run_checkpoints
from lewm_probe.training.loop import train
from lewm_probe.training.recipe import Recipe, override
from tests.training.conftest import noise


@pytest.fixture(scope="module")
def other_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As ``small_data``, of other noise."""
    return noise(tmp_path_factory.mktemp("data") / "other.h5", 1)


@pytest.fixture
def finished(lewm: Recipe, small_data: Path, tmp_path: Path) -> Path:
    train(lewm, small_data, tmp_path / "run", device="cpu")
    return tmp_path / "run"


def refusal(recipe: Recipe, data: Path, run: Path) -> str:
    """Why a folder is not taken for this run's, of which nothing was changed."""
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(UserError) as caught:
        train(recipe, data, run, device="cpu", resume=True)
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    return str(caught.value)


def test_a_model_that_was_cut_short_is_no_finished_run(
    lewm: Recipe, small_data: Path, finished: Path
) -> None:
    final = finished / "model.safetensors"
    whole = final.read_bytes()
    final.write_bytes(whole[:-100])
    assert refusal(lewm, small_data, finished) == (
        f"The run in {finished} is not finished, though it looks so: {final} is not a whole "
        f"safetensors file: it is of another kind, or was cut short ({len(whole) - 100:,} bytes "
        "are there). Copy it again, or give a checkpoint made by `lewm-probe train`. Or remove the "
        "file and run the same command with --resume: training goes on from its last saved state, "
        "or begins anew."
    )
    final.unlink()
    assert train(lewm, small_data, finished, device="cpu", resume=True) == final
    assert final.read_bytes() == whole


def test_a_strangers_file_is_no_finished_run(
    lewm: Recipe, small_data: Path, finished: Path
) -> None:
    final = finished / "model.safetensors"
    save_file(load_file(final), final)
    assert refusal(lewm, small_data, finished) == (
        f"The run in {finished} is not finished, though it looks so: {final} is a safetensors "
        "file, but lewm-probe did not write it: its header has no 'lewm_probe'. Give a checkpoint "
        "made by `lewm-probe train`. Or remove the file and run the same command with --resume: "
        "training goes on from its last saved state, or begins anew."
    )


CHANGES: dict[str, tuple[str, str, str]] = {
    "seed=5": ("seed", "5", "3072"),
    "name=mine": ("recipe", "mine", "two-room/lewm-cpu"),
    "model.latent_width=4": ("model.latent_width", "4", "8"),
    "optimizer.epochs=1": ("step", "6", "12"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_runs_model_is_not_this_ones(
    change: str, lewm: Recipe, small_data: Path, finished: Path, tmp_path: Path
) -> None:
    other = train(override(lewm, [change]), small_data, tmp_path / "other", device="cpu")
    final = finished / "model.safetensors"
    shutil.copy(other, final)
    what, found, wanted = CHANGES[change]
    assert refusal(lewm, small_data, finished) == (
        f"{final} is not what this run makes: its {what} is {found}, not {wanted}. Move it "
        "elsewhere, or train into another folder with --out."
    )


def test_another_familys_model_and_an_earlier_step_are_not_this_runs(
    lewm: Recipe, pldm: Recipe, small_data: Path, finished: Path, tmp_path: Path
) -> None:
    final = finished / "model.safetensors"
    shutil.copy(run_checkpoints(finished)[1], final)
    assert refusal(lewm, small_data, finished) == (
        f"{final} is not what this run makes: its step is 6, not 12. Move it elsewhere, or train "
        "into another folder with --out."
    )
    shutil.copy(train(pldm, small_data, tmp_path / "other", device="cpu"), final)
    assert refusal(lewm, small_data, finished) == (
        f"{final} is not what this run makes: its family is pldm, not lewm. Move it elsewhere, or "
        "train into another folder with --out."
    )


def test_a_finished_run_on_another_data_set_is_another_run(
    lewm: Recipe, small_data: Path, other_data: Path, finished: Path
) -> None:
    with EpisodeFile(small_data) as began, EpisodeFile(other_data) as given:
        prints = f"(fingerprint {began.fingerprint}, given {given.fingerprint})"
    assert refusal(lewm, other_data, finished) == (
        f"The run in {finished} was trained on another data set {prints}. Give the data set it "
        "began with, or train into an empty folder."
    )


def saved(recipe: Recipe, data: Path, run: Path) -> Path:
    """A run that was stopped at step 10, and has its state on disk."""

    def stop(record: dict[str, object]) -> None:
        if record["step"] == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, data, run, device="cpu", on_log=stop)
    return run / "resume.safetensors"


def broken_moments(path: Path) -> None:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    name = next(name for name in sorted(tensors) if name.endswith("exp_avg"))
    tensors[name] = tensors[name].reshape(-1)[:1].clone()
    save_file(tensors, path, metadata)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut short": (
        lambda path: path.write_bytes(path.read_bytes()[:-10]),
        "{path} is not a whole training state. Train again into an empty folder.",
    ),
    "a stranger's": (
        lambda path: save_file(load_file(path), path),
        "{path} is not a whole training state. Train again into an empty folder.",
    ),
    "other moments": (
        broken_moments,
        "The training state {path} does not fit the recipe's model. Train into an empty folder.",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_state_that_is_not_whole_is_not_gone_on_from(
    how: str, lewm: Recipe, small_data: Path, tmp_path: Path
) -> None:
    path = saved(lewm, small_data, tmp_path / "run")
    change, message = BROKEN[how]
    change(path)
    assert refusal(lewm, small_data, tmp_path / "run") == message.format(path=path)


def test_a_state_of_another_recipe_or_data_set_is_not_gone_on_from(
    lewm: Recipe, small_data: Path, other_data: Path, tmp_path: Path
) -> None:
    path = saved(lewm, small_data, tmp_path / "run")
    assert refusal(lewm, other_data, tmp_path / "run").startswith(
        f"The run in {tmp_path / 'run'} was trained on another data set (fingerprint "
    )
    shutil.copy(saved(override(lewm, ["seed=5"]), small_data, tmp_path / "other"), path)
    assert refusal(lewm, small_data, tmp_path / "run") == (
        f"The training state {path} is of another run: it is at step 8 of another recipe. Train "
        "into an empty folder."
    )


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize(
    "change", ["model.image_size=32", "optimizer.batch=500", "model.env_action_width=3"]
)
def test_what_is_refused_leaves_nothing_and_the_next_call_works(
    change: str, resume: bool, lewm: Recipe, small_data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "deep" / "run"
    with pytest.raises(UserError):
        train(override(lewm, [change]), small_data, run, device="cpu", resume=resume)
    with pytest.raises(UserError):
        train(lewm, tmp_path / "none.h5", run, device="cpu", resume=resume)
    assert list(tmp_path.iterdir()) == []
    assert train(override(lewm, ["optimizer.epochs=1"]), small_data, run, device="cpu").is_file()


@pytest.mark.parametrize(
    "name", ["model.safetensors", "resume.safetensors", "checkpoints/step_0000007.safetensors"]
)
def test_a_folder_with_a_strangers_model_is_not_written_into(
    name: str, lewm: Recipe, small_data: Path, tmp_path: Path
) -> None:
    file = tmp_path / "run" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(b"a stranger's")
    with pytest.raises(UsageError) as caught:
        train(lewm, small_data, tmp_path / "run", device="cpu")
    assert str(caught.value) == (
        f"{tmp_path / 'run'} already holds a run. Add --resume to go on with it, or choose another "
        "folder with --out."
    )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]
