from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import lewm_probe.models
from lewm_probe.core.config import Config, parse
from lewm_probe.core.errors import UsageError
from lewm_probe.models.config import EncoderConfig, ModelConfig, PredictorConfig


def test_defaults_are_the_released_sizes() -> None:
    config = ModelConfig()
    assert config.encoder.vit.patch_size == 14
    assert (config.encoder.vit.width, config.encoder.vit.layers) == (192, 12)
    assert (config.encoder.vit.heads, config.encoder.vit.mlp_width) == (3, 768)
    assert config.action_width == 10
    assert config.predictor_width == config.predictor_output_width == 192


@pytest.mark.parametrize(
    ("name", "width", "heads"), [("vit-tiny", 192, 3), ("vit-small", 384, 6), ("vit-base", 768, 12)]
)
def test_vit_sizes(name: str, width: int, heads: int) -> None:
    encoder = parse({"name": name}, EncoderConfig, "test")
    assert (encoder.output_width, encoder.vit.heads) == (width, heads)
    assert (encoder.vit.layers, encoder.vit.mlp_width) == (12, 4 * width)


def test_mlp_follows_an_overridden_width() -> None:
    assert EncoderConfig(width=96).vit.mlp_width == 384
    assert EncoderConfig(width=96, mlp_width=100).vit.mlp_width == 100


def test_output_widths() -> None:
    assert EncoderConfig(name="resnet18").output_width == 512
    assert EncoderConfig(name="cnn").output_width == 128
    assert EncoderConfig(name="cnn", width=32).output_width == 32


@given(size=st.integers(8, 256), patch=st.integers(1, 40))
def test_the_patch_divides_the_image_or_the_config_is_refused(size: int, patch: int) -> None:
    encoder = EncoderConfig(patch_size=patch)
    if size % patch == 0:
        assert ModelConfig(image_size=size, encoder=encoder).image_size == size
    else:
        with pytest.raises(UsageError) as caught:
            ModelConfig(image_size=size, encoder=encoder)
        assert str(caught.value).startswith(
            f"An image of {size} px cannot be cut into patches of {patch} px: {size} is not a "
            f"multiple of {patch}."
        )


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            {"image_size": 64},
            "An image of 64 px cannot be cut into patches of 14 px: 64 is not a multiple of 14. "
            "Set model.encoder.patch_size to a divisor of 64 (4, 8, 16, 32), or model.image_size "
            "to a multiple of 14, such as 56 or 70.",
        ),
        (
            {"image_size": 13},
            "An image of 13 px cannot be cut into patches of 14 px: 13 is not a multiple of 14. "
            "Set model.encoder.patch_size to a divisor of 13, or model.image_size to a multiple "
            "of 14, such as 14 or 28.",
        ),
        (
            {"image_size": 16, "encoder": {"name": "resnet18"}},
            "An image of 16 px is too small for the encoder resnet18, which halves it until "
            "nothing is left: at least 32 px are needed. Raise model.image_size, or choose a "
            "shallower encoder.",
        ),
        (
            {"image_size": 8, "encoder": {"name": "cnn"}},
            "An image of 8 px is too small for the encoder cnn, which halves it until nothing is "
            "left: at least 16 px are needed. Raise model.image_size, or choose a shallower "
            "encoder.",
        ),
        (
            {"encoder": {"heads": 5}},
            "An encoder of width 192 cannot be shared among 5 attention heads: the heads must "
            "divide the width. Change model.encoder.width or model.encoder.heads.",
        ),
        (
            {"image_size": 64, "encoder": {"name": "cnn", "patch_size": 8}},
            "The encoder cnn does not read the key 'patch_size'. It reads channels, width. Remove "
            "the key, or choose another encoder.",
        ),
        (
            {"encoder": {"name": "resnet18", "layers": 4}},
            "The encoder resnet18 does not read the key 'layers'. It has no sizes to set. Remove "
            "the key, or choose another encoder.",
        ),
        (
            {"image_size": 64, "encoder": {"name": "cnn", "channels": [8, 0]}},
            "The CNN's channels [8, 0] must all be at least 1 and at most 65536. Fix "
            "model.encoder.channels.",
        ),
        (
            {"encoder": {"patchsize": 8}},
            "recipe has an unknown key 'encoder.patchsize'. Did you mean 'patch_size'? Known keys "
            "there: channels, heads, layers, mlp_width, name, patch_size, width.",
        ),
        (
            {"latent_width": 1.5},
            "recipe: 'latent_width' is 1.5. Input should be a valid integer. Fix this value.",
        ),
    ],
)
def test_bad_configurations_are_refused(raw: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(raw, ModelConfig, "recipe")
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["vit-tiny", "vit-small", "vit-base", "resnet18", "cnn"])
def test_resolving_writes_out_what_was_meant(name: str) -> None:
    config = parse({"encoder": {"name": name}}, ModelConfig, "test")
    resolved = config.resolved()
    assert resolved.resolved() == resolved
    assert resolved.encoder.output_width == config.encoder.output_width
    if config.encoder.is_vit:
        assert resolved.encoder.vit == config.encoder.vit
        assert (resolved.encoder.patch_size, resolved.encoder.layers) == (14, 12)
    if name == "cnn":
        assert resolved.encoder.channels == config.encoder.cnn_channels
    assert (resolved.predictor.width, resolved.predictor.output_width) == (192, 192)
    assert parse(resolved.model_dump(mode="json"), ModelConfig, "test") == resolved


def test_frozen() -> None:
    with pytest.raises(ValidationError):
        ModelConfig().history = 4  # type: ignore[misc]


@pytest.mark.parametrize("schema", [EncoderConfig, PredictorConfig, ModelConfig])
def test_every_field_is_documented_and_read(schema: type[Config]) -> None:
    sources = "".join(
        path.read_text(encoding="utf-8")
        for folder in lewm_probe.models.__path__
        for path in sorted(__import__("pathlib").Path(folder).rglob("*.py"))
    )
    for field in schema.model_fields:
        assert f"{field}:" in (inspect.getdoc(schema) or "")
        assert f".{field}" in sources or f"self.{field}" in sources
