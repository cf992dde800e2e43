"""The adapters of ``lewm_probe/models/README.md``, run from its text, checked and audited."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import nn
from typer.main import get_command

import lewm_probe.models
from lewm_probe.analyses.engine.asked.checkpoint import check_fits, checkpoint_from_model
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.run import run
from lewm_probe.auditing import live
from lewm_probe.auditing.request import Evaluation
from lewm_probe.cli.main import app
from lewm_probe.core.errors import UserError
from lewm_probe.data.collect import record_episode
from lewm_probe.models import ModelSpec, WorldModel, check_world_model, user_models
from lewm_probe.models.images import fit_pixels, take_pixels
from lewm_probe.results.result import Result
from lewm_probe.worlds import Quantity, World, check_world, make_world
from lewm_probe.worlds.registry import WORLDS

README = Path(lewm_probe.models.__file__).with_name("README.md").read_text(encoding="utf-8")
SIDE = 16


def blocks(language: str) -> list[str]:
    """The code blocks of the README."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def adapter(number: int) -> type[WorldModel]:
    """A class of the README, made from its text."""
    names: dict[str, object] = {"__name__": "my_models"}
    exec(compile(blocks("python")[number], "README.md", "exec"), names)
    (found,) = (
        value
        for value in names.values()
        if isinstance(value, type) and issubclass(value, WorldModel) and value is not WorldModel
    )
    return found


def spec(**changes: object) -> ModelSpec:
    plain: dict[str, object] = {
        "family": "own",
        "history": 1,
        "frame_skip": 5,
        "image_size": SIDE,
        "action_kind": "continuous",
        "action_width": 10,
        "latent_width": 6,
    }
    return ModelSpec(**{**plain, **changes})  # type: ignore[arg-type]


# Doubles for what people bring --------------------------------------------------------------------


class Theirs(nn.Module):
    """The methods of a LeWM of stable-worldmodel: ``encode(info)``, ``predict(emb, act_emb)``."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 6))
        self.action_encoder = nn.Linear(10, 6)
        self.predictor = nn.GRU(12, 6, batch_first=True)
        self.dropout = nn.Dropout(0.5)

    def encode(self, info):
        pixels = info["pixels"].float()
        emb = self.encoder(self.dropout(pixels.flatten(0, 1)))
        info["emb"] = emb.unflatten(0, pixels.shape[:2])
        if "action" in info:
            info["act_emb"] = self.action_encoder(info["action"])
        return info

    def predict(self, emb, act_emb):
        return self.predictor(torch.cat([emb, act_emb], -1))[0]


class Rssm(nn.Module):
    """A memory h, a Gaussian prior from it, and a posterior that sees the image too."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes = (5, 3, 3)
        self.embed = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 4), nn.Tanh())
        self.cell = nn.GRUCell(3 + 10, 5)
        self.of_prior, self.of_posterior = nn.Linear(5, 6), nn.Linear(5 + 4, 6)

    def initial(self, count):
        return torch.zeros(count, 5)

    def step(self, h, sample, action):
        wide = torch.cat([sample, action], -1)
        return self.cell(wide.flatten(0, -2), h.flatten(0, -2)).view(h.shape)

    def prior(self, h):
        return self.of_prior(h).chunk(2, -1)

    def posterior(self, h, seen):
        return self.of_posterior(torch.cat([h, seen], -1)).chunk(2, -1)


def theirs() -> WorldModel:
    torch.manual_seed(0)
    return adapter(0)(Theirs(), spec(history=2), [0.1, -0.2], [0.5, 0.8])  # type: ignore[call-arg]


def recurrent() -> WorldModel:
    torch.manual_seed(0)
    return adapter(1)(Rssm(), spec(recurrent=True, latent_width=8))  # type: ignore[call-arg]


def choosing() -> WorldModel:
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 6))
    transition = nn.Linear(6 + 2 * 4, 6)
    reported = spec(action_kind="discrete", frame_skip=2, action_width=2)
    return adapter(2)(encoder, transition, 4, reported)  # type: ignore[call-arg]


class Patches(WorldModel):
    """Four tokens a frame, those of its quarters, in which nothing ever moves."""

    def __init__(self) -> None:
        self.spec = spec(tokens=4, latent_width=3)

    def encode(self, observation):
        pixels = take_pixels(observation)
        half = SIDE // 2
        frames = fit_pixels(pixels.flatten(0, 1), SIDE, None, None)
        quarters = (
            (frames / 255).unfold(1, half, half).unfold(2, half, half).mean((-1, -2))
        )  # (N, 2, 2, 3)
        return quarters.flatten(1, 2).unflatten(0, pixels.shape[:2])

    def predict(self, latents, actions):
        self.check_actions(actions)
        return latents + 0.01 * torch.nan_to_num(actions).mean(-1)[..., None, None]


ADAPTERS = {"theirs": theirs, "recurrent": recurrent, "choosing": choosing}
MODELS = ADAPTERS | {"patches": Patches}


class Grid(World):
    """A square that goes right, down, left or up on a board of 9 × 9 fields."""

    name, bodies, arena, frame_skip = "grid", ("agent",), 9.0, 2
    quantities = {"agent_position": Quantity("field", ("x", "y"))}
    WAYS = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])

    def __init__(self) -> None:
        self.action_space = gym.spaces.Box(0, 3, (1,), np.int64)
        self.place = np.zeros(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.np_random.integers(9, size=2).astype(float)
        return self.place.copy(), {}

    def step(self, action):
        assert action.tolist() in ([0.0], [1.0], [2.0], [3.0])
        self.place = np.clip(self.place + self.WAYS[int(action[0])], 0, 8)
        return self.place.copy(), 0.0, False, False, {}

    def physical_state(self):
        return {"agent_position": self.place.copy()}

    def snapshot(self):
        return {"place": self.place.copy()}

    def restore(self, snapshot):
        self.place = snapshot["place"].copy()

    def render(self, size=None, camera=None):
        side = self.picture_size(size, camera)
        image = np.full((side, side, 3), 240, np.uint8)
        (x, y), (right, below) = np.rint([self.place * side / 9, (self.place + 1) * side / 9])
        image[int(y) : int(below), int(x) : int(right)] = (30, 60, 200)
        return image

    def teleport(self, who, rng, distance=None, *, origin=None, away_from=None):
        self.known_body(who)
        if distance is not None:
            raise self.not_offered("teleport over a distance", who)
        self.place = (self.place + rng.integers(1, 9, size=2)) % 9


@pytest.fixture(scope="module", autouse=True)
def _grid() -> Iterator[None]:
    """The world under its name, as an entry point would give it."""
    with pytest.MonkeyPatch.context() as patch:
        module = SimpleNamespace(Grid=Grid)
        patch.setitem(sys.modules, "my_worlds_of_choices", module)
        patch.setitem(WORLDS._built_in, "grid", "my_worlds_of_choices:Grid")
        yield


def suite_of(world: str) -> Suite:
    """A few short trajectories."""
    doses = ({"name": "dose", "kind": "teleport", "who": "agent", "doses": (0.1,)},)
    return Suite.model_validate(
        {
            "world": world,
            "seed": 1,
            "probe": {
                "quantities": ("agent_position",),
                "train": 10,
                "validation": 5,
                "test": 5,
                "frames": 6,
                "mlp": {"hidden": (8,), "max_epochs": 2, "seeds": 1},
            },
            "voe": {
                "trajectories": 6,
                "disjoint": 6,
                "frames": 9,
                "conditions": (
                    {"name": "gone", "kind": "teleport", "who": "agent", "expected": "violation"},
                    {"name": "action_swap", "kind": "action_swap", "expected": "action"},
                    {"name": "dim", "kind": "brightness", "amount": 0.7, "expected": "appearance"},
                ),
                "dose_response": doses if world == "two-room" else (),
            },
            "rollout": {"horizons": (1, 2)},
            "random_encoder": {"steps": 2},
            "statistics": {"bootstrap": 100, "confirmatory": ("gone",)},
        }
    )


def test_the_world_of_choices_keeps_what_worlds_promise() -> None:
    report = check_world("grid", steps=12)
    assert {f.check: f.detail for f in report.findings}["policies"] == "expert"
    recording = record_episode(make_world("grid"), np.random.default_rng(0), 30)
    assert recording.actions.dtype == np.float32
    assert set(recording.actions.ravel().tolist()) == {0.0, 1.0, 2.0, 3.0}


def test_continuous_models_do_not_fit_it() -> None:
    with pytest.raises(UserError) as error:
        check_fits(checkpoint_from_model("theirs", theirs()), make_world("grid"))
    assert str(error.value) == (
        "The checkpoint theirs takes continuous actions, but those of the world grid are "
        "discrete. Give a checkpoint that was trained on grid episodes with frame_skip 2, or "
        "name the world it was trained on with --world."
    )


# The README ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 1, 2])
def test_each_adapter_is_under_forty_lines(number: int) -> None:
    assert len(blocks("python")[number].splitlines()) < 40


@pytest.mark.parametrize("name", ADAPTERS)
def test_each_passes_the_check(name: str) -> None:
    report = check_world_model(ADAPTERS[name])
    assert all(finding.outcome == "ok" for finding in report.findings), str(report)


@pytest.mark.parametrize("name", MODELS)
def test_each_gets_the_whole_audit(name: str) -> None:
    world = "grid" if name == "choosing" else "two-room"
    checkpoint, suite, cache = (
        checkpoint_from_model(name, MODELS[name]()),
        suite_of(world),
        LatentCache(),
    )
    check_fits(checkpoint, make_world(world))
    for analysis, metric in (
        ("voe", "auroc"),
        ("probe", "pearson_r"),
        ("straightness", "cosine"),
        ("rollout", "mse_over_copy_last"),
        ("geometry", "effective_rank"),
    ):
        result = run(analysis, [checkpoint], suite, cache=cache)
        found = [m for m in result.metrics if m.metric == metric and m.control is None]
        assert found
        assert all(m.value is not None and np.isfinite(m.value) for m in found)


def test_the_check_prints_what_the_readme_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "my_models", SimpleNamespace(choosing=choosing))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(blocks("python")[3], "README.md", "exec"), {})
    assert printed.getvalue() == blocks("text")[0]


def test_notebooks_and_training_loops(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As the README has them, on the suite of these tests and at few steps."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "lewm_probe.auditing.request.find_suite_for", lambda *_: suite_of("two-room")
    )
    asked: list[tuple[str, int | None]] = []

    def ask(analyses: Sequence[str], evaluation: Evaluation, *_: object) -> list[Result]:
        asked.extend((s.name, s.entry.step) for s in evaluation.checkpoints)
        return [run("geometry", evaluation.checkpoints, evaluation.suite, cache=evaluation.cache)]

    monkeypatch.setattr(live, "ask", ask)
    drawn: list[Path] = []
    monkeypatch.setattr(
        "lewm_probe.reports.page.write.write_report", lambda result, folder: drawn.append(folder)
    )
    names: dict[str, object] = {"model": theirs()}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(blocks("python")[4], "README.md", "exec"), names)
    assert "effective_rank" in printed.getvalue()
    trained: list[object] = []
    names |= {"steps": 1001, "train_on_a_batch": trained.append}
    exec(compile(blocks("python")[5], "README.md", "exec"), names)
    assert asked == [("mine", None), ("model", 0), ("model", 1000)]
    assert len(trained) == 1001
    assert drawn == [Path("runs/watched")] * 2
    lightning = SimpleNamespace(Callback=object)
    seen: list[tuple[object, int]] = []
    names = {"lightning": lightning, "watch": lambda model, step: seen.append((model, step))}
    exec(compile(blocks("python")[6], "README.md", "exec"), names)
    trainer, module = SimpleNamespace(global_step=7), SimpleNamespace(model="m")
    names["Watched"]().on_train_batch_end(trainer, module, None, None, 0)  # type: ignore[operator]
    assert seen == [("m", 7)]


def test_the_command_of_the_readme_is_one() -> None:
    words = shlex.split(blocks("bash")[0])
    assert words[:2] == ["lewm-probe", "audit"]
    command = get_command(app).commands["audit"]  # type: ignore[attr-defined]
    given = command.make_context("audit", words[2:]).params
    assert given["model"] == ["mine=my_models:load@weights.pt"]
    assert given["world"] == "two-room"


def test_the_group_of_the_readme_is_that_of_the_registry() -> None:
    (toml,) = blocks("toml")
    assert tomllib.loads(toml)["project"]["entry-points"] == {
        user_models.MODELS.group: {"mine": "my_models:load"}
    }
