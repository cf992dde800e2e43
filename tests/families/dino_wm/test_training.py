"""Training: one term, tokens kept once for all runs, resumed bit for bit; and the weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lewm_probe.core.errors import UserError
from lewm_probe.data.formats.registry import open_episodes
from lewm_probe.data.sampling.windows import Windows
from lewm_probe.families.dino_wm.family import DINO_WM
from lewm_probe.models.checkpoints.dinov2 import read_dinov2
from lewm_probe.models.checkpoints.native import load_checkpoint
from lewm_probe.models.family import FAMILIES, Origin
from lewm_probe.training.kept import FOLDER
from lewm_probe.training.loop import train
from lewm_probe.training.recipe import Recipe, load_recipe, override
from lewm_probe.training.run.claims import split
from tests.families.dino_wm.conftest import SMALL
from tests.families.dino_wm.test_model import STATISTICS


def test_the_term_is_the_error_of_the_next_tokens(dino_wm: Recipe) -> None:
    config = override(dino_wm, ["model.proprio_width=3"]).model
    model = DINO_WM.build(config, STATISTICS, Origin(family="dino_wm", seed=1))
    trainee = DINO_WM.trainee(model, dino_wm.objective).eval()
    assert not any(p.requires_grad for p in model.backbone.parameters())
    batch = {
        "pixels": torch.randint(0, 256, (5, 4, 16, 16, 3), dtype=torch.uint8),
        "action": torch.randn(5, 4, 10),
        "proprio": torch.randn(5, 4, 3),
    }
    terms, latents = trainee(batch, torch.Generator())
    z = model.encode(batch)
    wanted = (model.predict(z[:, :-1], batch["action"][:, :-1]) - z[:, 1:]).square().mean()
    torch.testing.assert_close(terms["prediction"], wanted, rtol=1e-4, atol=1e-6)
    assert set(terms) == {"prediction", "loss"}
    torch.testing.assert_close(latents, z[..., :12].mean(2))
    terms["loss"].backward()
    assert all(p.grad is not None for p in model.predictor.parameters())
    assert model.extra_encoders["proprio"].patch_embed.weight.grad is not None


def test_it_trains_on_dinov2_from_a_folder(
    dino_wm: Recipe, dinov2_folder: Path, small_data: Path
) -> None:
    seen: list[dict[str, object]] = []
    final = train(
        dino_wm, small_data, Path("run"), device="cpu", on_log=lambda r: seen.append({**r})
    )
    assert seen[0] == {
        "split": "encoding",
        "step": 0,
        "frames": 0,
        "of": 180,
        "megabytes": 180 * 4 * 12 * 2 / 1e6,
    }
    assert "encoding" not in Path("run/metrics.jsonl").read_text()
    model = load_checkpoint(final)
    assert (model.spec.family, model.spec.tokens, model.spec.step) == ("dino_wm", 4, 8)
    own = read_dinov2(dinov2_folder).state_dict()
    for name, tensor in model.backbone.state_dict().items():
        assert torch.equal(tensor, own[name]), name
    twice: list[object] = []
    again = override(dino_wm, ["seed=5"])
    train(again, small_data, Path("again"), device="cpu", on_log=twice.append)
    assert all(record["split"] != "encoding" for record in twice)  # type: ignore[index]
    assert len(list(FOLDER.glob("*.f16"))) == 1


def test_kept_tokens_give_what_fresh_ones_give(dino_wm: Recipe, small_data: Path) -> None:
    """Up to their float16."""
    kept = load_file(train(dino_wm, small_data, Path("kept"), device="cpu"))
    fresh = override(dino_wm, ["data.cache_gb=0"])
    made = load_file(train(fresh, small_data, Path("fresh"), device="cpu"))
    assert len(list(FOLDER.glob("*.f16"))) == 1
    for name, tensor in kept.items():
        torch.testing.assert_close(tensor, made[name], atol=2e-3, rtol=0.1, msg=name)


def test_a_run_that_was_stopped_ends_in_the_same_weights(dino_wm: Recipe, small_data: Path) -> None:
    whole = train(dino_wm, small_data, Path("whole"), device="cpu").read_bytes()

    class Stopped(Exception):
        pass

    def stop(record: object) -> None:
        if record["split"] == "train" and record["step"] == 4:  # type: ignore[index]
            raise Stopped

    with pytest.raises(Stopped):
        train(dino_wm, small_data, Path("run"), device="cpu", on_log=stop)
    assert train(dino_wm, small_data, Path("run"), device="cpu", resume=True).read_bytes() == whole


def test_proprioception_is_scaled_by_the_training_episodes(
    dino_wm: Recipe, small_data: Path
) -> None:
    recipe = override(dino_wm, ["model.proprio_width=3"])
    model = load_checkpoint(train(recipe, small_data, Path("run"), device="cpu"))
    torch.testing.assert_close(model.proprio_mean, torch.full((3,), 7.0), atol=0.8, rtol=0)
    torch.testing.assert_close(model.proprio_std, torch.full((3,), 3.0), atol=0.5, rtol=0)


def test_tokens_are_centred_place_by_place_and_share_a_scale(
    dino_wm: Recipe, small_data: Path
) -> None:
    recipe = override(dino_wm, ["model.standardise=true"])
    model = load_checkpoint(train(recipe, small_data, Path("run"), device="cpu"))
    with open_episodes(small_data) as file:
        training, _ = split(recipe, file)
        windows = Windows(file, training, 4, 5)
        pixels = torch.from_numpy(windows.batch(range(len(windows)))["pixels"])
    latents = model.encode(pixels).flatten(0, 1)  # (N, P, D)
    torch.testing.assert_close(latents.mean(0), torch.zeros(4, 12), atol=0.02, rtol=0)
    assert abs(latents.var(0).mean().item() - 1) < 0.02
    raw = model.tokens(pixels.flatten(0, 1))
    torch.testing.assert_close(latents, (raw - model.token_centre) / model.token_scale)
    twin = model.reinitialized(3)
    twin.recalibrate_batch_norm(pixels)
    own = twin.encode(pixels).flatten(0, 1)
    torch.testing.assert_close(own.mean(0), torch.zeros(4, 12), atol=1e-3, rtol=0)


def test_the_encoder_that_was_pre_trained_here(masked_run: Path, small_data: Path) -> None:
    recipe = override(
        load_recipe("two-room/dino_wm-ssl-cpu"), [*SMALL, f"model.encoder.weights={masked_run}"]
    )
    model = load_checkpoint(train(recipe, small_data, Path("run"), device="cpu"))
    assert model.spec.family == "dino_wm-ssl"
    own = load_checkpoint(masked_run).backbone.state_dict()
    for name, tensor in model.backbone.state_dict().items():
        assert torch.equal(tensor, own[name]), name
    assert model.config.encoder.weights == str(masked_run)


def test_no_result_says_dino_wm_without_its_weights() -> None:
    labels = {name: FAMILIES.get(name).card.label for name in FAMILIES.names()}
    assert [name for name, label in labels.items() if "DINO" in label] == ["dino_wm"]


@pytest.mark.parametrize(
    ("family", "weights", "says"),
    [
        (
            "dino_wm",
            "null",
            "The recipe names no DINOv2 weights (model.encoder.weights), and none are built in. "
            "`hf download facebook/dinov2-small --local-dir dinov2-small` fetches the released "
            "ViT-S/14 where there is a network; then add --set "
            "model.encoder.weights=dinov2-small. Without them, the families dino_wm-ssl and "
            "dino_wm-random train on encoders that are made here.",
        ),
        (
            "dino_wm-ssl",
            "null",
            "The recipe names no pre-trained encoder (model.encoder.weights). Train one first, on "
            "episodes of another world: `lewm-probe train push-t/masked_patches-cpu`; then add "
            "--set model.encoder.weights=RUN.",
        ),
        (
            "dino_wm-random",
            "somewhere",
            "The family dino_wm-random has a random encoder, but the recipe names weights "
            "(somewhere). Leave model.encoder.weights out, or choose another family.",
        ),
        (
            "dino_wm",
            "{masked}",
            "{masked} holds no config.json, so no DINOv2 weights. `hf download "
            "facebook/dinov2-small --local-dir dinov2-small` fetches the released ViT-S/14 where "
            "there is a network.",
        ),
        (
            "dino_wm-ssl",
            "run",
            "run is a model of the family dino_wm-random, but an encoder that was pre-trained by "
            "the family masked_patches was expected (model.encoder.weights).",
        ),
    ],
)
def test_weights_of_another_kind_are_refused(
    family: str, weights: str, says: str, masked_run: Path, small_data: Path
) -> None:
    name = "dino_wm" if family == "dino_wm" else f"{family}-cpu"
    random = override(load_recipe("two-room/dino_wm-random-cpu"), SMALL)
    if weights == "run":
        train(random, small_data, Path("run"), device="cpu")
    given = weights.format(masked=masked_run)
    recipe = override(load_recipe(f"two-room/{name}"), [*SMALL, f"model.encoder.weights={given}"])
    with pytest.raises(UserError) as caught:
        train(recipe, small_data, Path("other"), device="cpu")
    assert str(caught.value) == says.format(masked=masked_run)
    assert not Path("other").exists()


def test_weights_of_another_shape_are_refused(dino_wm: Recipe, small_data: Path) -> None:
    recipe = override(dino_wm, ["model.encoder.shape.layers=3"])
    with pytest.raises(UserError) as caught:
        train(recipe, small_data, Path("run"), device="cpu")
    weights = recipe.model.encoder.weights
    assert str(caught.value) == (
        f"The weights in {weights} are of another encoder than the recipe's: layers is 2, and "
        "model.encoder.shape.layers is 3. Set it to 2, or give other weights."
    )
