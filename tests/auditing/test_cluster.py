"""Tasks on submitit's local executor, against one process."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest
import yaml

from lewm_probe.auditing import cluster as module
from lewm_probe.auditing.cluster import Cluster, measure_on
from lewm_probe.auditing.request import Evaluation, EvaluationRequest, Failure, prepare
from lewm_probe.auditing.run import ask
from lewm_probe.auditing.whole import audit
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.progress import NoProgress
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.checkpoints.native import save_checkpoint
from lewm_probe.models.config import EncoderConfig, ModelConfig, PredictorConfig
from lewm_probe.models.family import Origin
from lewm_probe.models.jepa import JEPA
from tests.torture.commands import SUITE


@pytest.fixture(scope="module")
def request_of_two(tmp_path_factory: pytest.TempPathFactory) -> EvaluationRequest:
    folder = tmp_path_factory.mktemp("models")
    config = ModelConfig(
        image_size=16,
        latent_width=8,
        projector_hidden=16,
        encoder=EncoderConfig(name="cnn", channels=(4, 4), width=8),
        predictor=PredictorConfig(layers=1, heads=1, head_width=8, mlp_width=16),
    )
    statistics = ActionStatistics(mean=(0.0, 0.0), std=(1.0, 1.0))
    for seed in (1, 2):
        model = JEPA(config, statistics, world="two-room", train_seed=seed)
        origin = Origin(family="lewm", world="two-room", seed=seed)
        save_checkpoint(folder / f"{seed}.safetensors", model, meta=origin)
    suite = folder / "suite.yaml"
    suite.write_text(yaml.safe_dump(SUITE), encoding="utf-8")
    return EvaluationRequest(
        [f"a={folder / '1.safetensors'}", f"a={folder / '2.safetensors'}"],
        suite=str(suite),
        device="cpu",
        curve=False,
    )


ANALYSES = ("voe", "geometry")  # one in one sweep, one checkpoint by checkpoint


def test_the_result_is_that_of_one_process(
    request_of_two: EvaluationRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = ask(ANALYSES, prepare(request_of_two), "audit", lambda _: None, NoProgress())
    asked = replace(request_of_two, cache=tmp_path / "cache")
    evaluation = prepare(asked)
    out, progress = tmp_path / "out", NoProgress()
    left = measure_on(Cluster("local"), asked, evaluation, ANALYSES, out, progress)
    assert left == evaluation
    assert left.failures == []
    assert len(list((out / "jobs").glob("*_result.pkl"))) == 2 * len(ANALYSES)
    before = left.cache.misses
    spread = ask(ANALYSES, left, "audit", lambda _: None, progress)
    assert left.cache.misses == before  # all was there
    for one, other in zip(spread, alone, strict=True):
        assert one.metrics == other.metrics
        pd.testing.assert_frame_equal(one.rows, other.rows)


@dataclass(frozen=True)
class Fragile:
    """A task whose process is killed before it can say a word, so many times."""

    label: str
    analysis: str
    times: int
    marks: Path

    def __call__(self) -> Failure | None:
        before = len(list(self.marks.glob("*")))
        if before < self.times:
            (self.marks / str(before)).touch()
            os._exit(9)
        return None


@pytest.mark.parametrize("times", [1, 9])
def test_a_lost_task_is_sent_again(
    tmp_path: Path, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("submitit.Job._results_timeout_s", 1)  # for a file that never comes
    marks = tmp_path / "marks"
    marks.mkdir()
    ended: list[None] = []
    task = Fragile("a", "probe", times, marks)
    failures = module._run(Cluster("local"), [task], tmp_path / "jobs", lambda: ended.append(None))  # type: ignore[list-item]
    assert len(ended) == 1
    if times == 1:
        assert failures == []
        return
    assert len(list(marks.iterdir())) == 1 + module.RETRIES
    (failure,) = failures
    assert (failure.label, failure.stage) == ("a", "probe")
    assert failure.why.startswith("its task was lost 3 times (")
    assert failure.why.endswith(f"; see {tmp_path / 'jobs'}.")


def measured(
    request: EvaluationRequest, failures: list[Failure], say: Callable[[str], None]
) -> Evaluation:
    """What is left where tasks end with these failures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_run", lambda *_: failures)
        return measure_on(
            Cluster("local"), request, prepare(request), ANALYSES, Path("out"), NoProgress(), say
        )


def test_a_checkpoint_that_fails_is_named_and_the_others_go_on(
    request_of_two: EvaluationRequest,
) -> None:
    failure = Failure("a, training seed 2", "voe", "no encoder today.")
    said: list[str] = []
    left = measured(request_of_two, [failure], said.append)
    assert left.failures == [failure]
    assert said == ["a, training seed 2 was left out of voe: no encoder today."]
    assert [checkpoint.label for checkpoint in left.checkpoints] == ["a, training seed 1"]


def test_what_could_not_be_loaded_gets_no_task(
    request_of_two: EvaluationRequest, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"{}")
    first, second = request_of_two.checkpoints
    request = replace(request_of_two, checkpoints=[first, f"b={broken}", second])
    evaluation = prepare(request)
    assert [failure.label for failure in evaluation.failures] == [f"b={broken}"]
    tasks = module._tasks(request, evaluation, ANALYSES)
    assert [(task.analysis, task.label, *task.request.checkpoints) for task in tasks] == [
        (analysis, f"a, training seed {seed}", text)
        for analysis in ANALYSES
        for seed, text in ((1, first), (2, second))
    ]


def test_where_nobody_is_left_it_is_an_error(request_of_two: EvaluationRequest) -> None:
    lost = [Failure(f"a, training seed {seed}", "voe", "no.") for seed in (1, 2)]
    with pytest.raises(UserError) as caught:
        measured(request_of_two, lost, lambda _: None)
    assert str(caught.value) == (
        "Not one checkpoint could be measured. a, training seed 1 was left out of voe: no. a, "
        "training seed 2 was left out of voe: no."
    )


def test_what_cannot_be_used_is_refused(
    request_of_two: EvaluationRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError) as caught:
        audit(request_of_two, tmp_path / "out", "audit", cluster=Cluster("sge"))
    assert str(caught.value) == "There is no cluster 'sge'. Choose one of slurm, local."
    with pytest.raises(UsageError) as caught:
        audit(request_of_two, tmp_path / "o", "audit", cluster=Cluster("local", {"nodes_": 2}))
    assert str(caught.value).startswith("The cluster 'local' cannot be used so (")
    assert str(caught.value).endswith(
        "Check --cluster and --cluster-set, and that its commands are on the path."
    )
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError) as caught:
        Cluster("slurm").check()
    assert str(caught.value) == (
        "Tasks are sent through submitit, which is not installed. Install it with: pip install "
        "'lewm-probe[cluster]'."
    )
