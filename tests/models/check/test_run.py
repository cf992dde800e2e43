"""A model that keeps every promise, and one mutant for each that it could break."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.models import ModelSpec, WorldModel, check_world_model
from lewm_probe.models.check.run import CHECKS
from lewm_probe.models.images import fit_pixels, take_pixels
from lewm_probe.models.jepa import JEPA
from lewm_probe.models.sliding import slide
from tests.fixtures.conformance import Mutants, altered

SIDE = 12
SPEC = ModelSpec("own", 2, 3, SIDE, "continuous", 6, 5)
MIXED = ModelSpec("own", 2, 3, SIDE, "continuous", 6, 5, tokens=2)


class Good(nn.Module, WorldModel):
    """Encodes what it sees linearly, and predicts from two frames with a GRU."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = SPEC
        torch.manual_seed(0)
        self.eye = nn.Linear(3 * SIDE * SIDE, 5)
        self.norm = nn.BatchNorm1d(5)
        self.body = nn.GRU(5 + 6, 5, batch_first=True)

    @torch.no_grad()
    def encode(self, observation):
        pixels = take_pixels(observation)
        frames = fit_pixels(pixels.flatten(0, 1), SIDE, None, None)
        return self.look(frames.flatten(1) / 255).unflatten(0, pixels.shape[:2])

    def look(self, frames):
        z = self.eye(frames)
        return (z - self.norm.running_mean) / self.norm.running_var.sqrt()

    @torch.no_grad()
    def predict(self, latents, actions):
        self.check_actions(actions)
        return slide(self.window, latents, torch.nan_to_num(actions), self.spec.history)

    def window(self, z, a):
        return z + self.body(torch.cat([z, a], -1))[0]


class Tokens(Good):
    """Five numbers for each of two patches."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = MIXED

    def look(self, frames):
        return torch.stack([super(Tokens, self).look(frames * part) for part in (1, 0.5)], 1)

    def window(self, z, a):
        acted = self.body(torch.cat([z.mean(2), a], -1))[0]
        return z + acted[:, :, None]


class Recurrent(Good):
    """Remembers an average of all it saw and did."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = replace(SPEC, history=1, recurrent=True, latent_width=5)
        self.act = nn.Linear(6, 5)

    @torch.no_grad()
    def encode(self, observation):
        seen = super().encode(observation)
        done = self.act(torch.nan_to_num(observation["action"]))
        return self.remember(seen, done)

    def remember(self, seen, done):
        z = seen.cumsum(1)
        z[:, 1:] += done[:, :-1].cumsum(1)
        return z


class NoActions(Good):
    def __init__(self) -> None:
        super().__init__()
        self.spec = replace(SPEC, action_kind="none", action_width=0)

    def predict(self, latents, actions):
        return slide(lambda z, a: z.cumsum(1), latents, actions, 2)


class Plain(WorldModel):
    """No module, only numpy's numbers."""

    def __init__(self) -> None:
        self.spec = replace(SPEC, action_kind="discrete", history=1)
        self.mixing = np.random.default_rng(0).normal(size=(3 * SIDE * SIDE, 5)).astype(np.float32)

    def encode(self, observation):
        pixels = take_pixels(observation)
        frames = fit_pixels(pixels.flatten(0, 1), SIDE, None, None).flatten(1).numpy()
        return torch.tensor(frames @ self.mixing / 255).unflatten(0, pixels.shape[:2])

    def predict(self, latents, actions):
        self.check_actions(actions)
        return latents + torch.nan_to_num(actions[..., :5])


GOOD = (Good, Tokens, Recurrent, NoActions, Plain)


@pytest.mark.parametrize("model", GOOD)
def test_good_models_pass(model: type[WorldModel]) -> None:
    report = check_world_model(model)
    assert report.failed == ()
    skipped = {f.check for f in report.findings if f.outcome == "skipped"}
    assert skipped == {
        NoActions: {"action width", "missing actions"},
        Plain: {"mode"},
    }.get(model, set())


def test_lewm_passes_and_is_left_as_it_was(small: JEPA) -> None:
    small.train()
    small.predictor.dropout = nn.Dropout(0.5)  # draws in training mode
    small.predictor.register_forward_hook(lambda module, given, out: module.dropout(out))
    torch.manual_seed(3)
    drawn = torch.get_rng_state()
    before, state = small.fingerprint, {k: v.clone() for k, v in small.state_dict().items()}
    assert check_world_model(small).failed == ()
    assert small.fingerprint == before
    assert all(module.training for module in small.modules())
    assert all(torch.equal(state[name], value) for name, value in small.state_dict().items())
    assert all(p.requires_grad for p in small.parameters())
    assert torch.equal(torch.get_rng_state(), drawn)


def test_the_report_is_one_line_a_check() -> None:
    lines = str(check_world_model(Good)).splitlines()
    assert lines[0] == f"Good (own): {len(CHECKS)} of {len(CHECKS)} checks passed"
    assert [line[9:29].strip() for line in lines[1:]] == list(CHECKS)
    assert lines[1] == (
        "ok       declaration         history 2, frame-skip 3, 12 px, continuous actions, 6 a block"
    )


def test_what_is_told_of_good_models() -> None:
    reported = {f.check: f.detail for f in check_world_model(Good).findings}
    assert reported["history"] == "exactly the last 2"
    assert reported["actions"] == "other actions give other predictions"
    assert reported["missing actions"] == "taken (NaN)"
    reported = {f.check: f.detail for f in check_world_model(NoActions).findings}
    assert reported["actions"] == "none, and none are looked at"
    reported = {f.check: f.detail for f in check_world_model(Recurrent).findings}
    assert reported["frames"] == "latents follow earlier frames and blocks, none that come later"


# Mutants: the check that finds each, and what it says ---------------------------------------------

MUTANTS = Mutants(
    {
        "declaration: spec.history is 0; expected a whole number from 1 up": altered(
            Good, spec=replace(SPEC, history=0)
        ),
        "declaration: spec.action_width is 6, which is no multiple of "
        "spec.frame_skip, 4; a block holds the actions of that many environment steps": altered(
            Good, spec=replace(SPEC, frame_skip=4)
        ),
        "declaration: spec.action_kind is 'both'; expected one of ('continuous', "
        "'discrete', 'none')": altered(Good, spec=replace(SPEC, action_kind="both")),
        "encode: encode() is of type int64; expected floats": altered(
            Good, encode=lambda z, *_: z.long()
        ),
        "encode: encode() is a float32 array; expected a tensor": altered(
            Good, encode=lambda z, *_: z.numpy()
        ),
        "encode: encode() carries a gradient; compute it under torch.no_grad()": altered(
            Good, encode=lambda z, *_: z.requires_grad_()
        ),
        "encode: encode() holds NaN or infinite numbers for ordinary input": altered(
            Good, look=lambda z, *_: z / 0
        ),
        "encode: encode() twice of the same images gave two different latents": altered(
            Good, look=lambda z, *_: z + torch.randn(z.shape)
        ),
        "batch: a clip alone has other latents; nothing may be computed over the "
        "batch (batch norm in eval mode, no normalising by the batch)": altered(
            Good, encode=lambda z, *_: z - z.mean((0, 1))
        ),
        "frames: a frame alone has another latent than within its clip; declare "
        "spec.recurrent if earlier frames are to matter": altered(
            Good, encode=lambda z, *_: z.cumsum(1)
        ),
        "frames: latents change with later images; expected them to see the past only": altered(
            Recurrent, remember=lambda z, seen, _: z + seen.flip(1).cumsum(1).flip(1)
        ),
        "frames: latents change with blocks that come after them; block t leads from "
        "frame t to frame t + 1, so that frame t follows blocks before t only": altered(
            Recurrent, remember=lambda z, seen, done: seen.cumsum(1) + done.cumsum(1)
        ),
        "features: features() has latent; expected 'z', the view that everything is "
        "read from": altered(Good, features=lambda _, z: {"latent": z}),
        "features: features()['z'] is 3 wide, but spec.latent_width is 5": altered(
            Good, features=lambda _, z: {"z": z[..., :3]}
        ),
        "features: features()['z'] has the shape (3, 6, 2, 5); expected (3, 6, D)": altered(
            Tokens, features=lambda _, z: {"z": z}
        ),
        "full context: full_context(6) is [True, True, True, True, True, True]; "
        "expected [False, True, True, True, True, True] for a history of 2": altered(
            Good, full_context=lambda _, frames: torch.ones(frames, dtype=torch.bool)
        ),
        "predict: predict() has the shape (3, 1, 5); expected that of the latents, "
        "(3, 6, 5): the next one at every position": altered(Good, predict=lambda z, *_: z[:, -1:]),
        "predict: predict() twice of the same latents gave two different predictions": altered(
            Good, window=lambda z, *_: nn.functional.dropout(z, 0.5, training=True)
        ),
        "predict batch: a clip alone has other predictions; nothing may go over the batch": altered(
            Good, window=lambda found, z, a: found - z.mean(0)
        ),
        "causal: predictions change with later latents; expected position t to see "
        "up to t": altered(Good, predict=lambda found, z, a: found + 0.1 * z.roll(-1, 1)),
        "history: the last 2 latents and blocks alone give another prediction than "
        "at the end of a longer clip; count positions anew in every window": altered(
            Good, predict=lambda z, *_: z + torch.arange(z.shape[1])[:, None]
        ),
        "actions: spec.action_kind is 'none', but other actions give other predictions": altered(
            NoActions, predict=lambda found, z, a: found + a[..., :1]
        ),
        "missing actions: a missing block (NaN) at the end of one clip changes other "
        "predictions": altered(Good, predict=lambda found, z, a: found + 0 * a.sum()),
        "rollout: plan 0 is imagined in another way than by predict() step after "
        "step; leave rollout() to WorldModel, or fix it": altered(
            Good, rollout=lambda z, *_: z + 0.1
        ),
        "rollout: rollout() has the shape (3, 2, 5); expected (3, 2, 3, 5)": altered(
            Good, rollout=lambda z, *_: z[:, :, -1]
        ),
        "surprise: surprise() is -1 somewhere; expected numbers from 0 up": altered(
            Good, surprise=lambda found, *_: -torch.ones(found.shape)
        ),
        "surprise: surprise() is greater where exactly what was predicted came; "
        "expected 0 there": altered(Good, surprise=lambda found, *_: 1 / (1 + found)),
        "surprise: surprise() of a frame alone is another than within its clip": altered(
            Good, surprise=lambda found, *_: found / found.shape[1]
        ),
        "surprise: surprise() has the shape (3,); expected (3, 4)": altered(
            Good, surprise=lambda found, *_: found.sum(1)
        ),
        "goal cost: goal_cost() of several plans is another than of each: (B, S, T, "
        "…) → (B, S, T)": altered(
            Good, goal_cost=lambda _, z, goal: (z - goal).square().flatten(2).sum(-1)
        ),
    }
)

finds = MUTANTS.finds


@finds("declaration", "spec is a NoneType; expected a lewm_probe.models.ModelSpec")
class NoSpec(Good):
    def __init__(self) -> None:
        super().__init__()
        del self.spec


@finds("encode", "encode() has the shape (18, 5); expected (3, 6, D)")
class Flat(Good):
    def encode(self, observation):
        return super().encode(observation).flatten(0, 1)


@finds("encode", "encode() has the shape (3, 6, 5); expected (3, 6, 2, D)")
class NoTokens(Tokens):
    def look(self, frames):
        return Good.look(self, frames)


@finds("encode", "it raised KeyError: 'pixels'")
class Raising(Good):
    def encode(self, observation):
        return {}["pixels"]


@finds("image size", "images of 20 px was taken; expected a UserError")
class AnySize(Good):
    def encode(self, observation):
        pixels = observation[:, :, :SIDE, :SIDE]
        return super().encode(pixels)


@finds("causal", "predictions change with later action blocks; expected position t to see up to t")
class EarlyBlock(Good):
    def predict(self, latents, actions):
        return super().predict(latents, actions.roll(-1, 1))


@finds(
    "history",
    "predictions change with latents more than 2 frames back, the declared history; slide over "
    "windows of it (lewm_probe.models.sliding.slide), or declare a longer one",
)
class Endless(Good):
    def predict(self, latents, actions):
        self.check_actions(actions)
        return latents.cumsum(1) + torch.nan_to_num(actions[..., :5])


@finds("action width", "action blocks of width 7 was taken; expected a UserError")
class AnyWidth(Good):
    def predict(self, latents, actions):
        return super().predict(latents, actions[..., :6])


@finds(
    "action width",
    "action blocks of width 7 raised RuntimeError: no such width; expected a UserError",
)
class OtherError(Good):
    def check_actions(self, actions):
        if actions.shape[-1] != 6:
            raise RuntimeError("no such width")


@finds("missing actions", "it raised ValueError: NaN")
class Choosy(Good):
    def predict(self, latents, actions):
        if actions.isnan().any():
            raise ValueError("NaN")
        return super().predict(latents, actions)


@finds("goal cost", "goal_cost() is greater at the goal itself than elsewhere")
class Score(Good):
    def goal_cost(self, latents, goal):
        return -super().goal_cost(latents, goal)


@finds("inputs", "predict() changes the latents that it is given; work on a copy")
class InPlace(Good):
    def predict(self, latents, actions):
        predicted = super().predict(latents, actions)
        latents += 1
        return predicted


@finds("memory", "encode() gave other latents after another clip; keep nothing between calls")
class Remembering(Good):
    def encode(self, observation):
        first = take_pixels(observation)[0, 0, 0, 0, 0].float()
        z = super().encode(observation) + getattr(self, "last", first) / 255
        self.last = first
        return z


@finds("memory", "'seen' of its state changed in use, in eval mode")
class Drifting(Good):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(1))

    def predict(self, latents, actions):
        self.seen += 1
        return super().predict(latents, actions)


@finds("mode", "it leaves training mode when it is used; put the mode back")
class Frozen(Good):
    def encode(self, observation):
        self.eval()
        return super().encode(observation)


@finds("fingerprint", "fingerprint is 7; expected a string that names these weights")
class Number(Good):
    fingerprint = 7  # type: ignore[assignment]


@finds("fingerprint", "fingerprint changes in use, so that nothing stored is ever found again")
class Counting(Good):
    calls = 0

    def encode(self, observation):
        self.calls += 1
        return super().encode(observation)


@finds(
    "fingerprint",
    "fingerprint stays the same when weights change, so that latents of other weights would be "
    "taken for its own; leave it to WorldModel, or hash the weights",
)
class Constant(Good):
    fingerprint = "own"  # type: ignore[assignment]


@pytest.mark.parametrize("said", MUTANTS)
def test_each_mutant_is_caught_by_its_own_check(said: str) -> None:
    mutant = MUTANTS[said]
    with pytest.raises(UserError) as error:
        check_world_model(mutant)
    family = "no family" if mutant is NoSpec else "own"
    assert str(error.value) == (
        f"The model {mutant.__name__} ({family}) fails 1 of {len(CHECKS)} checks:\n  {said}.\nFix "
        "it and check again, before it is audited. What was skipped for these is in the report "
        "that check_world_model gives with report_only=True."
    )


def test_every_check_has_a_mutant() -> None:
    assert MUTANTS.checks() == set(CHECKS)


def test_several_failures_are_told_together() -> None:
    class Both(Score, Frozen):
        pass

    report = check_world_model(Both, report_only=True)
    assert [f.check for f in report.failed] == ["goal cost", "mode"]
    assert str(report).splitlines()[0] == "Both (own): 19 of 21 checks passed, 2 failed"


def test_what_needs_a_failed_check_is_skipped() -> None:
    report = check_world_model(Flat, report_only=True)
    reported = {f.check: (f.outcome, f.detail) for f in report.findings}
    assert reported["predict"] == ("skipped", "it needs 'encode', which failed")
    assert reported["full context"][0] == "ok"


def test_models_that_ignore_actions_are_told_of() -> None:
    class Calm(Good):
        def window(self, z, a):
            return z

    reported = {f.check: f.detail for f in check_world_model(Calm).findings}
    assert (
        reported["actions"]
        == "other actions change nothing: fresh weights, or a model that ignores them"
    )
    assert (
        reported["history"] == "nothing before the last 2; the oldest of them has no effect either"
    )


def test_resizing_that_was_asked_for_is_no_failure(small: JEPA) -> None:
    small.resize = "area"
    reported = {f.check: f.detail for f in check_world_model(small).findings}
    assert reported["image size"] == "others are resized: area"


def test_clips_of_ones_own() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (2, 7, SIDE, SIDE, 3)).astype(np.uint8)
    actions = rng.normal(size=(2, 7, 6))
    report = check_world_model(Good(), pixels=pixels, actions=actions)
    reported = {f.check: f.detail for f in report.findings}
    assert reported["encode"] == "(2, 7, 5), finite, deterministic"
    report = check_world_model(Good, pixels=pixels, actions=actions[..., :4], report_only=True)
    assert report.failed[0].detail == (
        "spec.action_width is 6, but the actions given have blocks of width 4"
    )


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        (
            7,
            {},
            "check_world_model was given 7, which is not a world model and makes none: expected a "
            "lewm_probe.models.WorldModel, a function or class that makes one, or text such as "
            "my_package.my_module:factory.",
        ),
        (
            Good,
            {"pixels": np.zeros((2, 7, SIDE, SIDE, 3), np.uint8)},
            "check_world_model was given pixels without actions. Give the raw action blocks "
            "(B, T, A) that belong to them too, or neither.",
        ),
        (
            Good,
            {"pixels": np.zeros((2, 4, 8, 8, 3), np.uint8), "actions": np.zeros((2, 4, 6))},
            "check_world_model was given pixels of the shape (2, 4, 8, 8, 3), but needs at least 2 "
            "clips of 5 frames: (B, T, H, W, C). Give more of them, or none.",
        ),
        (
            Good,
            {"pixels": np.zeros((2, 7, 8, 8, 3), np.uint8), "actions": np.zeros((2, 6, 6))},
            "check_world_model was given actions of the shape (2, 6, 6) for pixels of the shape "
            "(2, 7, 8, 8, 3). Give one raw block for each frame: (B, T, A).",
        ),
    ],
)
def test_usage_errors(model, given, message: str) -> None:
    with pytest.raises(UsageError) as error:
        check_world_model(model, **given)
    assert str(error.value) == message
