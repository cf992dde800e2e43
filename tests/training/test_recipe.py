"""Recipes: every shipped one parses, pairs differ in the objective alone, errors are whole."""

from pathlib import Path

import pytest
import yaml

from lewm_probe.core.errors import UsageError
from lewm_probe.core.resources import find_recipe, recipe_names
from lewm_probe.families.lewm import LeWMObjectiveConfig
from lewm_probe.training import sigreg
from lewm_probe.training.recipe import (
    Expects,
    Recipe,
    Tune,
    expectations,
    load_recipe,
    override,
    tuning,
)
from lewm_probe.training.run.folder import RunFolder
from lewm_probe.training.size import parameters


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_parses(name: str) -> None:
    assert load_recipe(name).world == name.split("/")[0]


@pytest.mark.parametrize("rival", ["pldm", "straightened", "sub_jepa"])
@pytest.mark.parametrize("world", ["two-room", "push-t"])
@pytest.mark.parametrize("scale", ["", "-cpu"])
def test_of_one_architecture_only_the_objective_differs(rival: str, world: str, scale: str) -> None:
    lewm = load_recipe(f"{world}/lewm{scale}").model_dump()
    other = load_recipe(f"{world}/{rival}{scale}").model_dump()
    different = {key for key in lewm if lewm[key] != other[key]}
    assert different == {"name", "objective"}


@pytest.mark.parametrize("name", [n for n in recipe_names() if n.endswith("-cpu")])
def test_cpu_recipes_are_small(name: str) -> None:
    assert parameters(load_recipe(name)) <= 1_200_000


@pytest.mark.parametrize("name", recipe_names())
def test_recipes_name_what_sigreg_is_computed_with(name: str) -> None:
    objective = yaml.safe_load(find_recipe(name).read_text())["objective"]
    assert objective["name"] != "lewm" or {"directions", "knots"} <= objective.keys()


def test_defaults_of_sigreg_have_one_source() -> None:
    config = LeWMObjectiveConfig()
    assert (config.directions, config.knots) == (sigreg.DIRECTIONS, sigreg.KNOTS) == (1024, 17)


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    raw = load_recipe("two-room/lewm-cpu").model_dump(mode="json")
    raw["optimizer"]["learning_rte"] = 1e-3
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump(raw))
    with pytest.raises(UsageError) as caught:
        load_recipe(path)
    assert str(caught.value) == (
        f"recipe {path} has an unknown key 'optimizer.learning_rte'. Did you mean 'learning_rate'? "
        "Known keys there: accumulate, batch, epochs, gradient_clip, learning_rate, "
        "steps_per_epoch, warmup_fraction, weight_decay."
    )


def test_a_wrong_type_names_key_and_value() -> None:
    with pytest.raises(UsageError) as caught:
        override(load_recipe("two-room/lewm-cpu"), ["optimizer.batch=many"])
    assert str(caught.value) == (
        "The recipe with its overrides: 'optimizer.batch' is 'many'. "
        "Input should be a valid integer. Fix this value."
    )


def test_gradient_accumulation_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        override(load_recipe("two-room/lewm-cpu"), ["optimizer.accumulate=4"])
    assert str(caught.value) == (
        "The recipe with its overrides: 'optimizer.accumulate' is 4. Gradient "
        "accumulation is refused: the losses are statistics of the whole batch, which several "
        "small batches only approximate. Use a batch that fits. Fix this value."
    )


def test_overrides_reach_nested_keys_and_read_exponents() -> None:
    recipe = override(load_recipe("two-room/lewm-cpu"), ["optimizer.learning_rate=1e-3", "seed=5"])
    assert isinstance(recipe, Recipe)
    assert (recipe.optimizer.learning_rate, recipe.seed) == (1e-3, 5)


KEYS = (
    "data, logging, model, name, objective, optimizer, precision, resume_every_steps, seed, world"
)
BESIDE = f"Keys beside it: {KEYS}."


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("seed", "'seed' is not an override. Write it as key=value, e.g. seed=1."),
        (
            "seed.deep=1",
            f"There is no recipe key 'seed.deep': 'seed' holds no further keys. {BESIDE}",
        ),
        (
            "optimiser.batch=8",
            "There is no recipe key 'optimiser.batch': there is no section 'optimiser'. Did you "
            f"mean 'optimizer'? {BESIDE}",
        ),
        (
            "model.encodr.name=cnn",
            "There is no recipe key 'model.encodr.name': there is no section 'encodr'. Did you "
            "mean 'encoder'? Keys beside it: encoder, env_action_width, frame_skip, history, "
            "image_size, latent_width, predictor, projector_hidden.",
        ),
        (
            "model.encoder.nme=cnn",
            "The recipe with its overrides has an unknown key 'model.encoder.nme'. Did you mean "
            "'name'? Known keys there: channels, heads, layers, mlp_width, name, patch_size, "
            "width.",
        ),
        ("=3", f"The recipe with its overrides has an unknown key ''. Known keys there: {KEYS}."),
        (".=3", f"There is no recipe key '.': there is no section ''. {BESIDE}"),
        (
            "optimizer={}",
            "'optimizer' is a section of the recipe, whose keys are set one by one, e.g. --set "
            "optimizer.learning_rate=…. Its keys: accumulate, batch, epochs, gradient_clip, "
            "learning_rate, steps_per_epoch, warmup_fraction, weight_decay.",
        ),
        (
            "optimizer.batch=1",
            "The recipe with its overrides: 'optimizer.batch' is 1. Input should be greater than "
            "or equal to 2. Fix this value.",
        ),
        (
            "model.history=abc",
            "The recipe with its overrides: 'model.history' is 'abc'. Input should be a valid "
            "integer. Fix this value.",
        ),
        (
            "seed=[1,2]",
            "The recipe with its overrides: 'seed' is [1, 2]. Input should be a valid integer. "
            "Fix this value.",
        ),
        (
            f"seed={10**30}",
            "The recipe with its overrides: 'seed' is a whole number beyond what 64 bits hold. Fix "
            "this value.",
        ),
        (
            "seed=2147483648",
            "The recipe with its overrides: 'seed' is 2147483648. Input should be less than or "
            "equal to 2147483647. Fix this value.",
        ),
        (
            "optimizer.learning_rate=.inf",
            "The recipe with its overrides: 'optimizer.learning_rate' is inf. Input should be a "
            "finite number. Fix this value.",
        ),
        (
            "optimizer.learning_rate=nan",
            "The recipe with its overrides: 'optimizer.learning_rate' is 'nan'. Input should be a "
            "valid number. Fix this value.",
        ),
        (
            "objective.name=pldm",
            "'objective.name' cannot be set to 'pldm' in a recipe of the family lewm: its other "
            "keys are of that family. Take a recipe of the family pldm: `lewm-probe recipes ls`.",
        ),
    ],
)
def test_malformed_overrides_are_explained(item: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        override(load_recipe("two-room/lewm-cpu"), [item])
    assert str(caught.value) == message


def test_what_a_recipe_expects_is_read_and_is_no_part_of_a_run(tmp_path: Path) -> None:
    source = find_recipe("two-room/lewm-cpu").read_text()
    assert expectations("two-room/lewm-cpu") == Expects(
        device="cpu", minutes=3.5, measured_on="2 cores (AMD EPYC)"
    )
    without = tmp_path / "without.yaml"
    without.write_text(source[: source.index("expects:")])
    assert expectations(without) is None
    assert load_recipe(without) == load_recipe("two-room/lewm-cpu")
    run = RunFolder(tmp_path / "run")
    run.check(load_recipe("two-room/lewm-cpu"), resume=False)
    run.begin(load_recipe("two-room/lewm-cpu"), 0)
    assert "expects" not in run.recipe.read_text()
    run.check(load_recipe(without), resume=True)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            "{device: cpu, hours: 1}",
            "recipe {path}, section 'expects' has an unknown key 'hours'. Known keys there: "
            "device, measured_on, minutes.",
        ),
        (
            "{device: cpu, minutes: -1}",
            "recipe {path}, section 'expects': 'minutes' is -1. Input should be greater than 0. "
            "Fix this value.",
        ),
        (
            "soon",
            "recipe {path}, section 'expects' must be a mapping of keys to values, not a string.",
        ),
    ],
)
def test_what_a_recipe_expects_is_closed(tmp_path: Path, section: str, message: str) -> None:
    source = find_recipe("two-room/lewm-cpu").read_text()
    path = tmp_path / "recipe.yaml"
    path.write_text(f"{source[: source.index('expects:')]}expects: {section}\n")
    for read in (load_recipe, expectations):
        with pytest.raises(UsageError) as caught:
            read(path)
        assert str(caught.value) == message.format(path=path)


@pytest.mark.parametrize(
    ("key", "text", "shown"),
    [
        ("model.encoder.channels", "[4, 4", "'[4, 4'"),
        ("seed", "!!python/object/apply:os.system [ls]", "'!!python/object/apply:os.system [ls]'"),
        ("data", None, None),
        ("seed", "2001-99-99", "'2001-99-99'"),
        ("seed", "9" * 5000, f"'{'9' * 80} …'"),
        ("seed", "[" * 3000, f"'{'[' * 80} …'"),
        ("name", "&a [*a]", "'&a [*a]'"),
        ("name", "\x1b[31mred", r"'\x1b[31mred'"),
    ],
)
def test_an_override_that_is_no_yaml_says_which_key(
    key: str, text: str | None, shown: str | None
) -> None:
    if text is None:  # a billion laughs
        key, levels = "name", [f"a{k}: &a{k} [{f'*a{k - 1},' * 9}]" for k in range(1, 10)]
        text = f"{{a0: &a0 [x], {', '.join(levels)}}}"
        shown = repr(f"{text[:80]} …")
    with pytest.raises(UsageError) as caught:
        load_recipe("two-room/lewm-cpu", [f"{key}={text}"])
    assert str(caught.value) == (
        f"The value of '{key}' is {shown}, which is not YAML. Write it as in a recipe, e.g. --set "
        "'model.encoder.channels=[16, 32]'."
    )


def test_how_a_weight_is_searched_for_is_no_part_of_a_run(tmp_path: Path) -> None:
    source = find_recipe("two-room/lewm-cpu").read_text()
    assert tuning("two-room/lewm-cpu") == Tune(rank=20.0, trials=14)
    assert tuning("two-room/lewm-vit-cpu") == Tune()
    without = tmp_path / "without.yaml"
    without.write_text(source[: source.index("tune:")])
    assert load_recipe(without) == load_recipe("two-room/lewm-cpu")
    run = RunFolder(tmp_path / "run")
    run.begin(load_recipe("two-room/lewm-cpu"), 0)
    assert "tune" not in run.recipe.read_text()
    run.check(load_recipe(without), resume=True)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            "{lowest: 1}",
            "recipe {path}, section 'tune' has an unknown key 'lowest'. Did you mean 'low'? Known "
            "keys there: high, key, low, rank, score, seeds, tolerance, trials.",
        ),
        (
            "{low: 2.0, high: 1.0}",
            "recipe {path}, section 'tune': 'low' is 2 and 'high' is 1, but the range has to run "
            "from a smaller value to a larger one. Fix this value.",
        ),
        (
            "{trials: 0}",
            "recipe {path}, section 'tune': 'trials' is 0. Input should be greater than or equal "
            "to 1. Fix this value.",
        ),
    ],
)
def test_how_a_weight_is_searched_for_is_closed(tmp_path: Path, section: str, message: str) -> None:
    source = find_recipe("two-room/lewm-cpu").read_text()
    path = tmp_path / "recipe.yaml"
    path.write_text(f"{source[: source.index('tune:')]}tune: {section}\n")
    for read in (load_recipe, tuning):
        with pytest.raises(UsageError) as caught:
            read(path)
        assert str(caught.value) == message.format(path=path)
