"""Models of one's own by what is typed: ``package.module:factory``, or a registered name.

Code is imported here because the user named it, on the command line or in an argument; what stands
in a checkpoint or a configuration never leads here. A third party registers a factory in its own
``pyproject.toml``:

    [project.entry-points."lewm_probe.models"]
    my-dreamer = "my_package.dreamer:load"
"""

from __future__ import annotations

import difflib
import importlib
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import reduce
from pathlib import Path
from typing import Any

from lewm_probe.core.checks import kind
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.registry import Registry
from lewm_probe.models.base import ModelSpec, WorldModel

MODELS: Registry[Callable[..., Any]] = Registry("lewm_probe.models", Callable, {}, what="model")  # type: ignore[arg-type]
"""Factories that other packages registered, by name."""

_TEXT = re.compile(r"(?:(?P<name>[^=:@]*)=)?(?P<target>[^=@]+)(?:@(?P<path>.+))?", re.DOTALL)

_EXAMPLE = "Write for example mine=my_package.my_module:factory@weights.pt"


def model_names() -> tuple[str, ...]:
    """The names that other packages registered, sorted."""
    return MODELS.names()


def make_model(text: str) -> tuple[str | None, WorldModel]:
    """The model that somebody named, and the name it is to have in reports, if one was given.

    Args:
        text: ``[NAME=]package.module:factory[@PATH]`` or ``[NAME=]REGISTERED[@PATH]``. The factory
            is called with PATH, a string, where there is one, and without an argument otherwise.
            A module that is not installed is looked for in the current folder, for this call only.

    Raises:
        UsageError: the text names nothing, or no such name is registered.
        UserError: it cannot be imported or is no factory, or what it makes is not a ``WorldModel``.
    """
    match = _TEXT.fullmatch(text.strip())
    name, target, path = match.group("name", "target", "path") if match else ("", "", "")
    target = target.strip()
    if not target or (name is not None and not name.strip()):
        raise UsageError(f"'{text}' names no model. {_EXAMPLE}, or the name of a registered one.")
    with _current_folder() if ":" in target else nullcontext():
        factory = _imported(target) if ":" in target else _registered(target)
        model = _called(target, factory, path)
    return name.strip() if name else None, _checked(target, model)


def _imported(target: str) -> Callable[..., Any]:
    """What ``package.module:factory`` names."""
    module_name, _, attribute = target.partition(":")
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", module_name) or not attribute:
        raise UsageError(
            f"'{target}' names no model: expected a module, a colon, and what in it makes the "
            f"model. {_EXAMPLE}."
        )
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # an untrusted module may raise anything
        raise UserError(
            f"The module {module_name}, named in '{target}', cannot be imported: {kind(error)}. "
            "Check how it is spelled, install the package that it is in, or call this from the "
            "folder that holds it."
        ) from error
    try:
        found = reduce(getattr, attribute.split("."), module)
    except AttributeError as error:
        names = [name for name in vars(module) if not name.startswith("_")]
        near = difflib.get_close_matches(attribute, names, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise UserError(
            f"The module {module_name} ({_file(module)}) has nothing called '{attribute}', named "
            f"in '{target}'.{hint} Name a function or class that makes the model."
        ) from error
    if not callable(found):
        raise UserError(
            f"'{target}' is {kind(found)}, which cannot be called. Expected a function or class "
            "that makes the model."
        )
    factory: Callable[..., Any] = found
    return factory


def _registered(name: str) -> Callable[..., Any]:
    """What a package registered under a name."""
    if not MODELS.names():
        raise UsageError(
            f"Unknown model '{name}': no package that is installed registers any. {_EXAMPLE}."
        )
    return MODELS.get(name)


def _called(target: str, factory: Callable[..., Any], path: str | None) -> object:
    try:
        return factory(path) if path else factory()
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # an untrusted factory may raise anything
        given = f"with '{path}'" if path else "without an argument (give one as @PATH)"
        raise UserError(
            f"'{target}', called {given}, raised {kind(error)}. Expected it to make a model; try "
            "it in Python, where the whole traceback is shown."
        ) from error


def _checked(target: str, model: object) -> WorldModel:
    if not isinstance(model, WorldModel):
        raise UserError(
            f"'{target}' made {kind(model)}, which is not a lewm_probe.models.WorldModel. Give its "
            "class that base and the methods encode and predict; 'Your own model' in "
            "lewm_probe/models/README.md has examples."
        )
    try:
        spec: object = getattr(model, "spec", None)
    except Exception as error:  # an untrusted property may raise anything
        raise UserError(
            f"'{target}' made a model whose spec cannot be read: {kind(error)}. Set self.spec "
            "where the model is made; 'Your own model' in lewm_probe/models/README.md has examples."
        ) from error
    if not isinstance(spec, ModelSpec):
        raise UserError(
            f"'{target}' made a model whose spec is {kind(spec)}; expected a "
            "lewm_probe.models.ModelSpec. Set self.spec where the model is made; 'Your own model' "
            "in lewm_probe/models/README.md has examples."
        )
    return model


def _file(module: object) -> str:
    """Where a module comes from: its file's name, and not the folders of this machine."""
    return Path(str(getattr(module, "__file__", None) or "built in")).name


@contextmanager
def _current_folder() -> Iterator[None]:
    """Look for modules in the current folder too, last: what is installed cannot be replaced."""
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.append(here)
        importlib.invalidate_caches()
    try:
        yield
    finally:
        if added and here in sys.path:
            sys.path.remove(here)
