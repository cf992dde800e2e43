from __future__ import annotations

import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from lewm_probe.analyses.engine.asked.checkpoint import (
    CURVE_POINTS,
    check_fits,
    check_names_differ,
    checkpoint_from_model,
    load_checkpoints,
    training_curves,
)
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.models.checkpoints.load import LoadOptions
from lewm_probe.models.checkpoints.locate import locate
from lewm_probe.models.checkpoints.native import save_checkpoint
from lewm_probe.models.family import Origin
from lewm_probe.worlds import make_world

GOLDEN = Path(__file__).parents[3] / "golden"


def write(path, model, **meta):
    seed, step = model.spec.train_seed, model.spec.step
    keys = {"family": model.spec.family, "world": "two-room", "seed": seed, "step": step, **meta}
    save_checkpoint(path, model, meta=Origin(**keys))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"family": None}, "its spec.family is None; expected a name, e.g. 'dreamer'"),
        ({"history": 0}, "its spec.history is 0; expected a whole number from 1 up"),
        ({"image_size": "32"}, "its spec.image_size is '32'; expected a whole number from 1 up"),
        ({"train_seed": "a"}, "its spec.train_seed is 'a'; expected a whole number, or None"),
        (
            {"train_seed": 2**31},
            "its spec.train_seed is 2147483648; expected a whole number from 0 to 2147483647, or "
            "None",
        ),
        (
            {"step": -1},
            "its spec.step is -1; expected a whole number from 0 to 9223372036854775807, or None",
        ),
    ],
)
def test_a_strangers_spec_that_cannot_be(doubles, changes, message):
    with pytest.raises(UserError) as error:
        checkpoint_from_model("odd", doubles["constant"](**changes))
    assert str(error.value) == f"The model 'odd' cannot be analysed: {message}. Fix its spec."


def test_one_checkpoint_that_may_not_be_read_does_not_lose_the_others(run, monkeypatch):
    """A folder without permissions; for root, who runs tests in containers, there is none."""

    def locate_(path, hint=""):
        if "closed" in str(path):
            raise PermissionError(errno.EACCES, "Permission denied", f"{path}/snapshots")
        return locate(path, hint)

    monkeypatch.setattr("lewm_probe.analyses.engine.asked.checkpoint.locate", locate_)
    left_out = []
    checkpoints = load_checkpoints(
        [f"a={run}", "b=closed"], left_out=lambda spec, error: left_out.append((spec, str(error)))
    )
    assert [checkpoint.name for checkpoint in checkpoints] == ["a"]
    reported = (
        "closed/snapshots cannot be read (Permission denied). Check the path and its permissions."
    )
    assert left_out == [("b=closed", reported)]


def test_an_earlier_checkpoint_that_is_none_is_told_of_its_run(run, tmp_path):
    released = tmp_path / "released"
    shutil.copytree(GOLDEN / "lewm-tiny", released)
    (released / "weights_epoch_3.pt").mkdir()
    left_out = []
    checkpoints = load_checkpoints(
        [f"a={run}", f"b={released}"],
        options=LoadOptions(action_stats=["b=identity"]),
        left_out=lambda spec, error: left_out.append(str(error)),
    )
    assert [checkpoint.name for checkpoint in checkpoints] == ["a"]
    assert left_out == [
        f"{released / 'weights_epoch_3.pt'} cannot be read (Is a directory). Check the path and "
        "its permissions."
    ]


def test_a_path_that_is_too_long_is_not_repeated():
    with pytest.raises(UserError) as error:
        load_checkpoints(["x" * 5000])
    assert str(error.value) == (
        f"{'x' * 300} … cannot be read (File name too long). Check the path and its permissions."
    )


def test_an_option_for_another_name_is_told_first():
    """Else the checkpoint would seem to lack the statistics that went astray."""
    with pytest.raises(
        UsageError, match=r"^Unknown checkpoint 'lwm'\. Did you mean 'lewm'\? Known: lewm\.$"
    ):
        load_checkpoints(
            [f"lewm={GOLDEN / 'lewm-tiny'}"], options=LoadOptions(action_stats=["lwm=identity"])
        )


@pytest.mark.parametrize(("fails", "reported"), [(True, "ValueError: no hash"), (False, "5")])
def test_a_strangers_fingerprint_that_is_none(doubles, fails, reported):
    class Odd(doubles["constant"]):
        @property
        def fingerprint(self):
            if fails:
                raise ValueError("no hash")
            return 5

        @fingerprint.setter
        def fingerprint(self, value):
            pass

    with pytest.raises(UserError) as error:
        checkpoint_from_model("odd", Odd())
    assert str(error.value) == (
        f"The fingerprint of the model 'odd' is no string ({reported}). Let it be one that follows "
        "the weights, or leave it out: by default it is a hash of all that the model holds."
    )


@pytest.fixture
def run(tmp_path, make_lewm):
    """A run folder: three checkpoints, the final model, metrics cut short by a kill."""
    folder = tmp_path / "runs" / "lewm-a"
    for step in (0, 20, 10):
        write(folder / f"checkpoints/step_{step:07d}.safetensors", make_lewm(), step=step)
    write(folder / "model.safetensors", make_lewm(), step=20)
    records = [
        {"step": 0, "epoch": 0.0, "split": "validation", "loss": 3.0, "latent_std": 1.0},
        {"step": 10, "epoch": 0.5, "split": "train", "loss": 2.0, "latent_std": float("nan")},
        {"step": 20, "epoch": 1.0, "split": "train", "loss": 1.0, "frames_per_second": 5e3},
        {"step": 20, "epoch": 1.0, "split": "validation", "loss": 1.5, "latent_std": 0.9},
    ]
    lines = [json.dumps(r) for r in records] + ['{"step": 30, "epo']
    (folder / "metrics.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def test_a_run_folder_is_its_final_model_with_history_and_curves(run):
    (checkpoint,) = load_checkpoints([f"mine={run}"])
    assert checkpoint.name == "mine"
    assert checkpoint.source == run / "model.safetensors"
    assert [p.name for p in checkpoint.earlier_checkpoints] == [
        f"step_{step:07d}.safetensors" for step in (0, 10, 20)
    ]
    assert checkpoint.identity == {"model": "mine", "family": "lewm", "train_seed": 0, "step": 20}
    assert checkpoint.label == "mine, training seed 0, step 20"
    model, entry = checkpoint.model, checkpoint.entry
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())
    assert entry.parameters == sum(p.numel() for p in model.parameters())
    assert entry.config["image_size"] == 64
    assert entry.fingerprint == model.fingerprint
    assert (entry.world, entry.source) == ("two-room", str(run / "model.safetensors"))
    assert entry.curves == {
        "step": [0.0, 10.0, 20.0],
        "validation_epoch": [0.0, None, 1.0],
        "validation_loss": [3.0, None, 1.5],
        "validation_latent_std": [1.0, None, 0.9],
        "epoch": [None, 0.5, 1.0],
        "loss": [None, 2.0, 1.0],
    }


def test_an_unfinished_run_is_its_last_checkpoint(run):
    (run / "model.safetensors").unlink()
    (checkpoint,) = load_checkpoints([str(run)])
    assert checkpoint.source == run / "checkpoints/step_0000020.safetensors"


def test_a_file_is_itself_and_knows_its_runs_curves(run):
    (checkpoint,) = load_checkpoints([str(run / "checkpoints/step_0000010.safetensors")])
    assert checkpoint.name == "lewm-a"
    assert checkpoint.identity["step"] == 10
    assert checkpoint.earlier_checkpoints == ()
    assert checkpoint.entry.curves["step"] == [0.0, 10.0, 20.0]


def test_bare_paths_are_named_after_their_folder(run, monkeypatch):
    assert load_checkpoints([str(run)])[0].name == "lewm-a"
    assert load_checkpoints([str(run / "model.safetensors")])[0].name == "lewm-a"
    monkeypatch.chdir(run)
    assert load_checkpoints(["."])[0].name == "lewm-a"


def test_one_name_for_several_training_seeds(tmp_path, make_lewm):
    for seed in (1, 2):
        write(tmp_path / f"{seed}.safetensors", make_lewm(seed))
    checkpoints = load_checkpoints([f"lewm={tmp_path}/{seed}.safetensors" for seed in (1, 2)])
    assert [s.label for s in checkpoints] == ["lewm, training seed 1", "lewm, training seed 2"]


def test_the_same_checkpoint_twice_is_refused(run):
    with pytest.raises(UsageError) as error:
        load_checkpoints([f"a={run}", f"a={run}/model.safetensors"])
    assert str(error.value) == (
        f"{run}/model.safetensors and {run}/model.safetensors are both called a, training seed 0, "
        "step 20. Results could not tell them apart: give one of them another name, as in "
        "name=path."
    )


REMEDY = (
    "Reports average the training seeds of a name and draw its steps as one curve. Give one of "
    "them another name, as in name=path."
)


@pytest.mark.parametrize("seed", [1, 2])
def test_one_name_for_two_families_is_refused(tmp_path, make_lewm, seed):
    write(tmp_path / "lewm.safetensors", make_lewm(1))
    write(tmp_path / "pldm.safetensors", make_lewm(seed, family="pldm"), family="pldm")
    paths = [f"{tmp_path}/{name}.safetensors" for name in ("lewm", "pldm")]
    with pytest.raises(UsageError) as error:
        load_checkpoints([f"a={path}" for path in paths])
    assert str(error.value) == (
        "One name was given to checkpoints that do not belong together: 'a' is of the family lewm "
        f"and of the family pldm. {REMEDY}"
    )
    assert len(load_checkpoints([f"a={paths[0]}", f"b={paths[1]}"])) == 2


def test_the_same_weights_are_no_second_training_seed(doubles):
    twice = [
        checkpoint_from_model("a", doubles["constant"](train_seed=seed)) for seed in (None, None)
    ]
    entries = [twice[0].entry, twice[1].entry.model_copy(update={"train_seed": 7})]
    with pytest.raises(UsageError) as error:
        check_names_differ([replace(c, entry=e) for c, e in zip(twice, entries, strict=True)])
    assert str(error.value) == (
        "One name was given to checkpoints that do not belong together: a and a, training seed 7 "
        f"are the same weights, which would count as two training seeds. {REMEDY}"
    )


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31ma"])
def test_a_name_is_one_line_of_text(name):
    with pytest.raises(UsageError) as error:
        load_checkpoints([f"{name}=runs/lewm"])
    assert str(error.value) == (
        f"{name!r} is no name for a checkpoint: one line of printable text was expected. Write "
        "name=path, for example lewm=runs/lewm."
    )


def test_nothing_there(run):
    wrong = run.parent / "lewm-b"
    with pytest.raises(UserError) as error:
        load_checkpoints([f"mine={wrong}"])
    assert str(error.value) == (
        f"There is no checkpoint at {wrong} (given for 'mine'). Did you mean {run}? Give a run "
        "folder, a .safetensors file, a folder with config.json and weights.pt, or hf://user/repo."
    )
    with pytest.raises(UserError) as error:
        load_checkpoints(["x=/nowhere/at/all"])
    assert str(error.value) == (
        "There is no checkpoint at /nowhere/at/all (given for 'x'). Give a run folder, a "
        ".safetensors file, a folder with config.json and weights.pt, or hf://user/repo."
    )


def test_a_folder_without_checkpoints(tmp_path):
    with pytest.raises(UserError) as error:
        load_checkpoints([f"x={tmp_path}"])
    assert str(error.value) == (
        f"The folder {tmp_path} (given for 'x') holds no checkpoint: neither model.safetensors nor "
        "checkpoints/step_*.safetensors, nor weights.pt, weights_epoch_N.pt or another .pt or "
        ".ckpt file. Give a run folder, a .safetensors file, a folder with config.json and "
        "weights.pt, or hf://user/repo."
    )


def test_arguments_that_name_nothing():
    with pytest.raises(UsageError) as error:
        load_checkpoints([])
    assert str(error.value) == (
        "No checkpoint was given. Name at least one, for example "
        "`lewm-probe voe lewm=runs/lewm pldm=runs/pldm`."
    )
    for spec in ("lewm=", "=runs/a"):
        with pytest.raises(UsageError) as error:
            load_checkpoints([spec])
        assert str(error.value) == (
            f"'{spec}' names no checkpoint. Write name=path, for example lewm=runs/lewm."
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"action_width": 25, "train_seed": 3},
            "The checkpoint odd, training seed 3 takes action blocks of width 25, but the world "
            "two-room gives blocks of width 10 (5 steps of 2 numbers). Give a checkpoint that was "
            "trained on two-room episodes with frame_skip 5, or name the world it was trained on "
            "with --world.",
        ),
        (
            {"frame_skip": 1, "action_width": 2},
            "The checkpoint odd was trained with frame-skip 1, but the world two-room has "
            "frame-skip 5. Give a checkpoint that was trained on two-room episodes with frame_skip "
            "5, or name the world it was trained on with --world.",
        ),
        (
            {"action_kind": "none", "action_width": 0, "frame_skip": 1},
            "The checkpoint odd was trained with frame-skip 1, but the world two-room has "
            "frame-skip 5. Give a checkpoint that was trained on two-room episodes with frame_skip "
            "5, or name the world it was trained on with --world.",
        ),
        (
            {"action_kind": "discrete", "action_width": 5},
            "The checkpoint odd takes discrete actions, but those of the world two-room are "
            "continuous. Give a checkpoint that was trained on two-room episodes with frame_skip "
            "5, or name the world it was trained on with --world.",
        ),
    ],
)
def test_a_checkpoint_of_another_world(doubles, changes, message):
    checkpoint = checkpoint_from_model("odd", doubles["constant"](**changes))
    with pytest.raises(UserError) as error:
        check_fits(checkpoint, make_world("two-room"))
    assert str(error.value) == message


def test_models_that_fit(oracle, doubles):
    world = make_world("two-room")
    check_fits(oracle, world)
    without = doubles["constant"](action_kind="none", action_width=0)
    check_fits(checkpoint_from_model("actionless", without), world)


def test_loading_for_a_world_checks_the_fit(run, monkeypatch):
    world = make_world("two-room")
    monkeypatch.setattr(type(world), "frame_skip", 4)
    with pytest.raises(UserError, match=r"trained with frame-skip 5, but the world two-room has"):
        load_checkpoints([str(run)], world=world)


def test_long_curves_are_thinned_but_keep_validation(tmp_path):
    lines = [json.dumps({"step": s, "split": "train", "loss": 1.0}) for s in range(5000)]
    lines.append(json.dumps({"step": 4321, "split": "validation", "loss": 2.0}))
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    curves = training_curves(tmp_path)
    assert len(curves["step"]) <= CURVE_POINTS + 2
    assert curves["step"][0] == 0
    assert curves["step"][-1] == 4999
    assert curves["validation_loss"][curves["step"].index(4321)] == 2.0
    assert training_curves(tmp_path / "elsewhere") == {}


def test_a_subject_at_another_checkpoint(make_lewm, oracle):
    checkpoint = checkpoint_from_model("lewm", make_lewm(step=5))
    earlier = checkpoint.at(make_lewm(seed=0, step=1))
    assert earlier.identity["step"] == earlier.entry.step == 1
    assert earlier.entry.fingerprint == earlier.model.fingerprint
    assert checkpoint.entry.step == 5
    assert oracle.entry.parameters is None


# ---- checkpoints of others


@pytest.fixture
def released(tmp_path):
    """A released folder of three epochs, without statistics."""
    folder = tmp_path / "lewm-tiny"
    folder.mkdir()
    shutil.copyfile(GOLDEN / "lewm-tiny" / "config.json", folder / "config.json")
    for epoch in (1, 2, 10):
        shutil.copyfile(GOLDEN / "lewm-tiny" / "weights.pt", folder / f"weights_epoch_{epoch}.pt")
    return folder


def test_a_released_checkpoint_beside_one_of_ours(released, run):
    options = LoadOptions(action_stats=("identity",))
    theirs, ours = load_checkpoints([str(released), f"ours={run}"], options=options)
    assert theirs.name == "lewm-tiny"
    assert theirs.identity == {
        "model": "lewm-tiny",
        "family": "lewm",
        "train_seed": None,
        "step": 10,
    }
    assert [p.name for p in theirs.earlier_checkpoints] == [
        f"weights_epoch_{n}.pt" for n in (1, 2, 10)
    ]
    assert theirs.entry.config["action_statistics"] == "identity"
    assert ours.entry.config["action_statistics"] == "checkpoint"
    assert theirs.entry.curves == {}


def test_statistics_for_each_by_name(released):
    options = LoadOptions(
        action_stats=("a=identity",), dataset=(f"b={GOLDEN / 'released_layout.h5'}",)
    )
    a, b = load_checkpoints([f"a={released}", f"b={released}"], options=options)
    assert a.entry.config["action_statistics"] == "identity"
    assert b.entry.config["action_statistics"] == "data set released_layout.h5"
    assert a.model.fingerprint != b.model.fingerprint


def test_results_name_a_run_in_a_home_without_its_place(released, monkeypatch):
    monkeypatch.setenv("STABLEWM_HOME", str(released.parent))
    (checkpoint,) = load_checkpoints(
        ["swm://lewm-tiny"], options=LoadOptions(action_stats=("identity",))
    )
    assert checkpoint.entry.source == "swm://lewm-tiny/weights_epoch_10.pt"
    assert checkpoint.source == released / "weights_epoch_10.pt"


def test_statistics_for_nobody(released, run):
    with pytest.raises(UsageError) as error:
        load_checkpoints([f"a={released}"], options=LoadOptions(action_stats=("a=identity", "b=x")))
    assert str(error.value) == "Unknown checkpoint 'b'. Known: a."
    two = [f"a={run}", f"b={run}"]
    with pytest.raises(UsageError) as error:
        load_checkpoints(two, options=LoadOptions(action_stats=("identity",)))
    assert str(error.value) == (
        "The action statistics 'identity' are for checkpoints that carry none, but all of these "
        "carry their own. Leave them out."
    )


def test_a_single_checkpoint_is_what_is_meant(run):
    with pytest.raises(UserError, match=r"model\.safetensors carries its own action statistics "):
        load_checkpoints([f"a={run}"], options=LoadOptions(action_stats=("identity",)))


def test_a_rank_has_one_name_in_runs_of_today_and_of_earlier_versions(tmp_path: Path) -> None:
    """Once the centred rank was logged as ``effective_rank``, which is that of reports today."""
    lines = [
        '{"step": 1, "split": "train", "effective_rank": 3.0}',
        '{"step": 2, "split": "validation", "centered_effective_rank": 4.0, "effective_rank": 5.0}',
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    assert training_curves(tmp_path) == {
        "step": [1.0, 2.0],
        "centered_effective_rank": [3.0, None],
        "validation_centered_effective_rank": [None, 4.0],
        "validation_effective_rank": [None, 5.0],
    }


def test_a_name_without_end_is_refused_before_any_work():
    with pytest.raises(UsageError) as error:
        load_checkpoints([f"{'x' * 301}=nowhere"])
    assert str(error.value) == (
        f"'{'x' * 80} …' is no name for a checkpoint: it has 301 letters, and at most 300 were "
        "expected. Give a shorter one."
    )
