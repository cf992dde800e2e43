from __future__ import annotations

import random

import numpy as np
import pytest
import torch
import yaml

import lewm_probe
from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.run import run
from lewm_probe.auditing.live import untouched
from lewm_probe.core.config import load_yaml
from lewm_probe.core.errors import UsageError
from lewm_probe.core.resources import find_suite
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.checkpoints.native import save_checkpoint
from lewm_probe.models.config import EncoderConfig, ModelConfig, PredictorConfig
from lewm_probe.models.family import Origin
from lewm_probe.models.jepa import JEPA
from lewm_probe.results.result import Result

QUICK = ("straightness", "geometry")


@pytest.fixture
def model() -> JEPA:
    config = ModelConfig(
        image_size=16,
        latent_width=4,
        projector_hidden=8,
        encoder=EncoderConfig(name="cnn", channels=(4, 4), width=8),
        predictor=PredictorConfig(layers=1, heads=1, head_width=4, mlp_width=8),
    )
    return JEPA(config, ActionStatistics(mean=(0.0, 0.0), std=(1.0, 1.0)), world="two-room")


@pytest.fixture
def suite(tmp_path):
    raw = yaml.safe_load(find_suite("two-room").read_text())
    raw["probe"] |= {
        "train": 10,
        "validation": 5,
        "test": 5,
        "frames": 6,
        "linear": {"alphas": [1.0], "folds": 2},
        "mlp": {"hidden": [4], "max_epochs": 1, "seeds": 1},
    }
    raw["voe"] |= {"trajectories": 6, "disjoint": 6, "frames": 12, "baselines": ["copy_last"]}
    raw["voe"]["dose_response"] = []
    raw["statistics"]["bootstrap"] = 100
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


def state(model):
    return [
        (parameter.requires_grad, parameter.detach().clone()) for parameter in model.parameters()
    ], [module.training for module in model.modules()]


def test_a_notebook_gets_what_the_analyses_give(model, suite):
    result = lewm_probe.audit(model, suite=suite, analyses=("geometry",))
    alone = run(
        "geometry",
        [checkpoint_from_model("model", model)],
        load_yaml(suite, Suite, "suite"),
        cache=LatentCache(),
    )
    assert result.metrics == alone.metrics
    assert result.provenance[0].command == "lewm_probe.audit"


def test_a_model_in_training_goes_on_as_if_nobody_had_looked(model, suite):
    model.train()
    model.encoder.eval()  # somebody keeps a part frozen
    next(model.encoder.parameters()).requires_grad_(False)
    torch.manual_seed(3)
    (before, modes), expected = state(model), torch.rand(3)
    torch.manual_seed(3)
    lewm_probe.audit(model, suite=suite, analyses=QUICK)
    assert torch.equal(torch.rand(3), expected)
    after, same_modes = state(model)
    assert modes == same_modes
    assert [want for want, _ in after] == [want for want, _ in before]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(after, before, strict=True))


def test_random_numbers_of_strangers_are_put_back(model):
    def draw():
        return random.random(), np.random.random()  # noqa: NPY002

    with untouched(model):
        first = draw()
    assert draw() == first


def test_a_model_in_training_is_not_moved_to_where_a_checkpoint_lies(
    model, suite, tmp_path, monkeypatch
):
    """The first of the two is loaded on the CPU; the other computes on (what stands for) a GPU."""
    save_checkpoint(tmp_path / "a.safetensors", model, meta=Origin(family="lewm"))
    asked = []

    def ask(names, evaluation, *_):
        asked.append((evaluation.device, evaluation.notes))
        return []

    places = {id(model): torch.device("mps")}
    monkeypatch.setattr(
        "lewm_probe.auditing.live.device_of", lambda m: places.get(id(m), torch.device("cpu"))
    )
    monkeypatch.setattr("lewm_probe.auditing.live.ask", ask)
    model.statistics_source = "identity"
    lewm_probe.audit({"a": tmp_path / "a.safetensors", "b": model}, suite=suite)
    (reported,) = asked
    assert reported == (
        "mps",
        [
            "b: its actions are not scaled, as --action-stats identity says. If it was trained on "
            "scaled actions, what it predicts means nothing."
        ],
    )


def test_everything_and_a_report(model, suite, tmp_path):
    out = tmp_path / "audit"
    result = lewm_probe.audit({"a": model, "b": model}, "two-room", suite=suite, out=out)
    assert {m.analysis for m in result.metrics} == {
        "probe",
        "voe",
        "straightness",
        "rollout",
        "geometry",
    }
    assert {m.model for m in result.metrics} == {"a", "b"}
    assert (out / "report.html").is_file()
    assert Result.load(out).metrics == result.metrics


def test_what_cannot_be_audited(model):
    with pytest.raises(UsageError) as unknown:
        lewm_probe.audit(model, analyses=("probing",))
    assert str(unknown.value) == (
        "Unknown analysis 'probing'. Did you mean 'probe'? Known: decode, geometry, map, "
        "plan, probe, rollout, straightness, voe."
    )
    with pytest.raises(UsageError) as nothing:
        lewm_probe.audit({})
    assert str(nothing.value) == ("No model was given to audit. Give one, or several by name.")
    with pytest.raises(UsageError) as never:
        lewm_probe.AuditCallback(every=0)
    assert str(never.value) == "every is 0; expected a whole number from 1 up."


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"trajectories": 0}, "trajectories is 0; expected a whole number from 4 up."),
        ({"trajectories": 8.0}, "trajectories is 8.0; expected a whole number from 4 up."),
        ({"seed": "a"}, "seed is 'a'; expected a whole number from 0 up."),
        ({"step": -1}, "step is -1; expected a whole number from 0 up."),
        (
            {"analyses": []},
            "No analysis was named. Choose some of probe, voe, straightness, rollout, geometry, "
            "map, decode, plan.",
        ),
        (
            {"world": "nowhere", "suite": None},
            "Unknown world or data set 'nowhere'. Known: push-t, push-t-gym, two-room.",
        ),
    ],
)
def test_arguments_that_cannot_be(model, suite, given, message):
    with pytest.raises(UsageError) as error:
        lewm_probe.audit(model, **{"suite": suite, "analyses": "geometry", **given})
    assert str(error.value) == message


@pytest.mark.parametrize("name", ["", "a=b", 1])
def test_a_name_that_results_cannot_have(model, suite, name):
    with pytest.raises(UsageError) as error:
        lewm_probe.audit({name: model}, suite=suite)
    assert str(error.value) == (
        f"A model is named {name!r}; a name is a string that is not empty and has no '='."
    )


def test_a_module_that_is_no_world_model(suite):
    """Its text, however long, is no path."""
    with pytest.raises(UsageError) as error:
        lewm_probe.AuditCallback("two-room", suite=suite)(torch.nn.Linear(2, 2), 0)
    assert str(error.value) == (
        "'model' is a Linear, neither a lewm_probe.models.WorldModel nor the path of a checkpoint. "
        "Give its class that base and the methods encode and predict; 'Your own model' in "
        "lewm_probe/models/README.md has examples."
    )


def test_steps_of_torch_and_numpy_are_whole_numbers(model, suite):
    watch = lewm_probe.AuditCallback(every=2, suite=suite, analyses="geometry", trajectories=None)
    assert watch(model, torch.tensor(3)) is None
    assert watch(model, torch.tensor(4)) is not None
    assert watch(model, np.int64(6)) is not None
    assert sorted(watch.results) == [4, 6]
    assert {entry.step for entry in watch.result.models} == {4, 6}


def test_a_callback_follows_training(model, suite, tmp_path):
    callback = lewm_probe.AuditCallback(
        every=2, name="mine", out=tmp_path, analyses=QUICK, trajectories=None, suite=suite
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(5):
        model.train()
        pixels = torch.randint(0, 255, (4, 4, 16, 16, 3), dtype=torch.uint8)
        loss = model.embed(pixels).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert (callback(model, step) is not None) == (step in (0, 2, 4))
        assert model.training
    assert list(callback.results) == [0, 2, 4]
    ranks = {
        m.step: m.value
        for m in callback.result.metrics
        if m.metric == "trace_cov" and m.control is None
    }
    assert list(ranks) == [0, 2, 4]
    assert len(set(ranks.values())) == 3  # the model of that moment, not of another
    assert {m.model for m in callback.result.metrics} == {"mine"}
    assert (tmp_path / "step_0000004" / "results.json").is_file()
    page = (tmp_path / "report.html").read_text()
    assert "training" in page


def test_a_quick_look_from_python_says_so(model, suite):
    result = lewm_probe.audit(model, suite=suite, analyses="geometry", fast=True)
    (entry,) = result.provenance
    assert entry.settings["fast"] is True
    assert (
        "Asked with --fast: 6 trajectories a condition, 100 resamples an interval and no curves "
        "over training. This is a quick look, not numbers to publish."
    ) in entry.notes
