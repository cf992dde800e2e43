"""Models made from text that a user typed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.models import check_world_model, make_model, model_names

SOURCE = """
import torch
from lewm_probe.core.errors import UserError
from lewm_probe.models import ModelSpec, WorldModel


class Mine(WorldModel):
    def __init__(self, path=None):
        self.spec, self.path = ModelSpec("own", 1, 1, 8, "continuous", 2, 2), path

    def encode(self, observation):
        return observation.float().flatten(2)[..., :2] / 255

    def predict(self, latents, actions):
        return latents + actions


class Unspecified(Mine):
    def __init__(self):
        pass


class makers:
    inner = Mine


def lazy(path):
    import beside_it

    return Mine(beside_it.WHERE + path)


def broken(path=None):
    raise ValueError(f"no weights in {path}")


def leaves():
    raise SystemExit(3)


class Shy(Mine):
    @property
    def spec(self):
        raise ValueError("not yet")

    @spec.setter
    def spec(self, value):
        pass


def told():
    raise UserError("A readable paragraph.")


def other():
    return torch.nn.Linear(2, 2)


number = 7
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with a module in it, which is not on sys.path."""
    (tmp_path / "their_model.py").write_text(SOURCE)
    (tmp_path / "beside_it.py").write_text("WHERE = 'at '")
    (tmp_path / "json.py").write_text("raise SystemExit('the module of the current folder')")
    (tmp_path / "unfinished.py").write_text("def load(:\n")
    (tmp_path / "needy.py").write_text("import not_installed_at_all")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    for name in ("their_model", "beside_it", "unfinished", "needy"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield tmp_path
    for name in ("their_model", "beside_it"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("text", "name", "path"),
    [
        ("their_model:Mine", None, None),
        ("mine=their_model:Mine", "mine", None),
        ("my model = their_model:Mine@a=b@c:d", "my model", "a=b@c:d"),
        ("their_model:Mine@runs/x=1.pt", None, "runs/x=1.pt"),
        ("their_model:makers.inner", None, None),
        ("their_model:lazy@home", None, "at home"),
    ],
)
def test_a_factory_of_the_current_folder(
    here: Path, text: str, name: str | None, path: str | None
) -> None:
    before = list(sys.path)
    found, model = make_model(text)
    assert found == name
    assert type(model).__name__ == "Mine"
    assert model.path == path  # type: ignore[attr-defined]
    assert sys.path == before


def test_what_is_installed_is_not_replaced_by_the_current_folder(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "json")
    with pytest.raises(UserError) as error:
        make_model("json:Mine")
    assert str(error.value).startswith("The module json (__init__.py) has nothing called 'Mine'")


def test_the_check_takes_the_same_text(here: Path) -> None:
    report = check_world_model("their_model:Mine", report_only=True)
    assert report.name == "Mine (own)"
    assert [f.check for f in report.failed] == ["image size", "action width"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "not_there_at_all:load",
            "The module not_there_at_all, named in 'not_there_at_all:load', cannot be imported: "
            "ModuleNotFoundError: No module named 'not_there_at_all'. Check how it is spelled, "
            "install the package that it is in, or call this from the folder that holds it.",
        ),
        (
            "needy:load",
            "The module needy, named in 'needy:load', cannot be imported: ModuleNotFoundError: No "
            "module named 'not_installed_at_all'. Check how it is spelled, install the package "
            "that it is in, or call this from the folder that holds it.",
        ),
        (
            "unfinished:load",
            "The module unfinished, named in 'unfinished:load', cannot be imported: SyntaxError: "
            "invalid syntax (unfinished.py, line 1). Check how it is spelled, install the package "
            "that it is in, or call this from the folder that holds it.",
        ),
        (
            "their_model:mine",
            "The module their_model (their_model.py) has nothing called 'mine', named in "
            "'their_model:mine'. Did you mean 'Mine'? Name a function or class that makes the "
            "model.",
        ),
        (
            "their_model:number",
            "'their_model:number' is an int, which cannot be called. Expected a function or class "
            "that makes the model.",
        ),
        (
            "their_model:broken@w.pt",
            "'their_model:broken', called with 'w.pt', raised ValueError: no weights in w.pt. "
            "Expected it to make a model; try it in Python, where the whole traceback is shown.",
        ),
        (
            "their_model:lazy",
            "'their_model:lazy', called without an argument (give one as @PATH), raised TypeError: "
            "lazy() missing 1 required positional argument: 'path'. Expected it to make a model; "
            "try it in Python, where the whole traceback is shown.",
        ),
        (
            "their_model:leaves",
            "'their_model:leaves', called without an argument (give one as @PATH), raised "
            "SystemExit: 3. Expected it to make a model; try it in Python, where the whole "
            "traceback is shown.",
        ),
        (
            "their_model:Shy",
            "'their_model:Shy' made a model whose spec cannot be read: ValueError: not yet. Set "
            "self.spec where the model is made; 'Your own model' in lewm_probe/models/README.md "
            "has examples.",
        ),
        ("their_model:told", "A readable paragraph."),
        (
            "their_model:other",
            "'their_model:other' made a Linear, which is not a lewm_probe.models.WorldModel. Give "
            "its class that base and the methods encode and predict; 'Your own model' in "
            "lewm_probe/models/README.md has examples.",
        ),
        (
            "their_model:Unspecified",
            "'their_model:Unspecified' made a model whose spec is a NoneType; expected a "
            "lewm_probe.models.ModelSpec. Set self.spec where the model is made; 'Your own model' "
            "in lewm_probe/models/README.md has examples.",
        ),
    ],
)
def test_what_cannot_be_made(here: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        make_model(text)
    assert not isinstance(error.value, UsageError)
    assert str(error.value) == message


EXAMPLE = "Write for example mine=my_package.my_module:factory@weights.pt"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"'' names no model. {EXAMPLE}, or the name of a registered one."),
        ("@w.pt", f"'@w.pt' names no model. {EXAMPLE}, or the name of a registered one."),
        ("mine=", f"'mine=' names no model. {EXAMPLE}, or the name of a registered one."),
        ("=a:b", f"'=a:b' names no model. {EXAMPLE}, or the name of a registered one."),
        (
            "a b:c",
            "'a b:c' names no model: expected a module, a colon, and what in it makes the model. "
            f"{EXAMPLE}.",
        ),
        (
            "../evil:c",
            "'../evil:c' names no model: expected a module, a colon, and what in it makes the "
            f"model. {EXAMPLE}.",
        ),
        (
            "os.path:",
            "'os.path:' names no model: expected a module, a colon, and what in it makes the "
            f"model. {EXAMPLE}.",
        ),
        (
            "dreamer@w.pt",
            "Unknown model 'dreamer': no package that is installed registers any. " + EXAMPLE + ".",
        ),
    ],
)
def test_text_that_names_nothing(text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        make_model(text)
    assert str(error.value) == message


@pytest.fixture
def registered(here: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Registers a factory, with the dist-info that pip would write."""
    site = here / "site"
    site.mkdir()
    (here / "their_model.py").rename(site / "their_model.py")

    def register(name: str, value: str) -> None:
        info = site / "their_package-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[lewm_probe.models]\n{name} = {value}\n")
        monkeypatch.syspath_prepend(site)

    return register


def test_registered_names(registered: Callable[[str, str], None]) -> None:
    assert model_names() == ()
    registered("dreamer", "their_model:Mine")
    assert model_names() == ("dreamer",)
    name, model = make_model("mine=dreamer@w.pt")
    assert (name, model.path) == ("mine", "w.pt")  # type: ignore[attr-defined]
    with pytest.raises(UsageError) as error:
        make_model("dreamr")
    assert str(error.value) == "Unknown model 'dreamr'. Did you mean 'dreamer'? Known: dreamer."


def test_registered_and_not_there(registered: Callable[[str, str], None]) -> None:
    registered("dreamer", "their_model:Nobody")
    with pytest.raises(UserError) as error:
        make_model("dreamer")
    assert str(error.value) == (
        "Model 'dreamer' is registered as their_model:Nobody, which cannot be loaded: module "
        "'their_model' has no attribute 'Nobody'. Install what it needs, or remove the package "
        "that registers it."
    )


def test_registered_and_no_factory(registered: Callable[[str, str], None]) -> None:
    registered("dreamer", "their_model:number")
    with pytest.raises(UserError) as error:
        make_model("dreamer")
    assert str(error.value) == (
        "Model 'dreamer' is registered as their_model:number, which is not an instance of "
        "collections.abc.Callable. Fix the package that registers it."
    )
