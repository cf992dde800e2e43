"""Checkpoints as ``.toynpz``: one numpy archive of a header and arrays, read without pickles."""

import json
from io import BytesIO
from zipfile import BadZipFile

import numpy as np
import torch

from lewm_probe.core.config import parse
from lewm_probe.core.errors import UserError
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.checkpoints.registry import Loaded, Located, parts_of
from lewm_probe.models.checkpoints.tensors import check_finite, check_tensors
from lewm_probe.models.family import FAMILIES, Origin

ADVICE = "Write it again."


class ToyNpz:
    def locate(self, path, name, hint):
        if path.suffix != ".toynpz":
            return None
        return Located(path, "toy_npz", None, None, (), name or path.stem, None)

    def read(self, located, choice, *, need_statistics):
        header, arrays = self._whole(located)
        origin, family = self.origin(located), FAMILIES.get(header["origin"]["family"])
        choice.check_family(located.weights, origin.family)
        config = parse(header["config"], family.model_config, str(located.weights))
        statistics = ActionStatistics(*map(tuple, header["action_statistics"]))
        with torch.device("meta"):
            model = family.build(config, statistics, origin, resize=choice.resize)
        tensors = {name: torch.tensor(array) for name, array in arrays.items()}
        check_tensors(located.weights, tensors, model.state_dict(), ADVICE)
        check_finite(located.weights, tensors)
        model.load_state_dict(tensors, strict=True, assign=True)
        model.eval().requires_grad_(False).statistics_source = "checkpoint"
        return Loaded(located, origin, model, config, {}, statistics, *parts_of(model))

    def origin(self, located):
        return parse(self._whole(located)[0]["origin"], Origin, str(located.weights))

    def write(self, path, model, origin):
        about = {"origin": origin.model_dump(), "config": model.config.model_dump(mode="json")}
        about["action_statistics"] = [model.action_statistics.mean, model.action_statistics.std]
        arrays = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
        with open(path, "wb") as file:
            np.savez(file, **arrays, **{"about.json": np.array(json.dumps(about))})

    def _whole(self, located):
        try:
            arrays = dict(np.load(BytesIO(located.weights.read_bytes()), allow_pickle=False))
            return json.loads(str(arrays.pop("about.json"))), arrays
        except (OSError, ValueError, LookupError, BadZipFile) as error:
            raise UserError(f"{located.weights} is no whole .toynpz. {ADVICE}") from error


TOY_NPZ = ToyNpz()
