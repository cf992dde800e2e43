"""Checkpoints ``*.toynpz``: what the model is as JSON, and its arrays, in one numpy archive."""

from io import BytesIO
from zipfile import BadZipFile

import numpy as np
import torch

from lewm_probe.core.config import Config, parse
from lewm_probe.core.errors import UserError
from lewm_probe.core.files import atomic_path
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.checkpoints.assemble import loaded
from lewm_probe.models.checkpoints.registry import Located
from lewm_probe.models.family import FAMILIES, Origin


class About(Config):
    origin: Origin
    config: dict
    action_mean: tuple[float, ...]
    action_std: tuple[float, ...]


class ToyNpz:
    """By its suffix. The family is looked up by name, and nothing else; no pickles are read."""

    def locate(self, path, name, hint):
        found = Located(path, "toy_npz", None, None, (), name or path.stem, None)
        return found if path.suffix == ".toynpz" else None

    def read(self, located, choice, *, need_statistics):
        path, (about, arrays) = located.weights, contents(located.weights)
        config = parse(about.config, FAMILIES.get(about.origin.family).model_config, str(path))
        own = ActionStatistics(about.action_mean, about.action_std)
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return loaded(located, choice, about.origin, config, own, tensors)

    def origin(self, located):
        return contents(located.weights)[0].origin

    def write(self, path, model, origin):
        own, config = model.action_statistics, model.config.model_dump()
        text = About(origin=origin, config=config, action_mean=own.mean, action_std=own.std)
        arrays = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **arrays, about=np.array(text.model_dump_json()))


def contents(path):
    try:
        with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            arrays = dict(archive)
        return About.model_validate_json(str(arrays.pop("about"))), arrays
    except (OSError, ValueError, LookupError, BadZipFile) as error:
        raise UserError(f"{path} is no whole .toynpz. Write it again.") from error


TOY_NPZ = ToyNpz()
